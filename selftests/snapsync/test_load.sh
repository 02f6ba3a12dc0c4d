#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an activation writes: nothing before all is read and found right, nothing at all for a
# table that is loaded only, or read-only. What it makes of sectors that cannot be read, and
# of a store from before there was a digest.
# vm: cpus=2 mem=768 disks=1M,12M timeout=500 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

real=$store
vol=/dev/mapper/vol

store_file() {
	"$(dirname "$0")/storefile.py" "$real" "$@" && blockdev --flushbufs "$real"
}

# A read-only volume: all must be readable, and as it was.
read_only() {
	dmsetup create vol --readonly --table "0 $(sectors "$base") snapsync $base $store 0"
}

# What the volume shows, and its states.
shows() {
	echo "$(sum $vol) $(message vol list | cut -d ' ' -f 1 | tr '\n' ,)"
}

# STORE of which each read takes that long.
slow_store() {
	dmsetup create slow --table "0 $(sectors "$real") delay $real 0 $1 $real 0 0" &&
		store=/dev/mapper/slow
}

# STORE of which a block cannot be read.
broken_store() {
	local block=$1

	dmsetup create slow --table "$(cat <<-END
	0 $((block * 8)) linear $real 0
	$((block * 8)) 8 error
	$((block * 8 + 8)) $(($(sectors "$real") - block * 8 - 8)) linear $real $((block * 8 + 8))
	END
	)" && store=/dev/mapper/slow
}

healthy_store() {
	dmsetup remove slow && store=$real
}

plan 42
modprobe dm-delay || bail "no dm-delay"
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
before=$(sum "$real")
dmsetup create vol --notable
check "a table for a blank store is loaded" \
	dmsetup load vol --table "0 $(sectors "$base") snapsync $base $store 0"
data check_is "nothing is written" "$(sum "$real")" "$before"
check_fails "nor can it be asked before it is resumed" message vol list
dmsetup remove vol
check_fails "a read-only table for a blank store is refused" read_only
data check_is "nothing is written" "$(sum "$real")" "$before"

volume vol chunk 4 || bail "no volume"
for state in one two three; do
	fill $vol 101 0 64
	message vol take $state
done
fill $vol 102 32 64
good=$(shows)
dmsetup remove vol
before=$(sum "$real")
check "a read-only volume" read_only
data check_is "shows the same" "$(shows)" "$good"
check_fails "cannot be written" dd if=/dev/zero of=$vol bs=4k count=1 oflag=direct
check_fails "nor is a state taken" message vol take four
check_fails "nor deleted" message vol delete one
check "a view of it" view view vol one
dmsetup remove view
dmsetup remove vol
data check_is "nothing is written" "$(sum "$real")" "$before"

# A slot that did not commit, to be rewritten after the load, which fails a second later.
dd if="$real" of="$scratch/store" bs=1M iflag=direct status=none
store_file later 2
read -r _ new < <(store_file slots 768)
store_file flip $((new * 4096 + 100))
before=$(sum "$real")
slow_store 800
check_fails "a store with a damaged block is refused" volume vol
check "with the reason" sh -c 'dmesg | tail | grep -q "STORE is damaged"'
healthy_store
data check_is "nothing is written" "$(sum "$real")" "$before"
dd if="$scratch/store" of="$real" bs=1M oflag=direct status=none
store_file later 2
check "a slot that did not commit alone does no harm" volume vol
data check_is "the volume is as it was" "$(shows)" "$good"
dmsetup remove vol
check_is "nor is it there any more" "$(lparctl -j snap check "$real" | grep -o '"uncommitted_slots":0')" '"uncommitted_slots":0'

for block in 0 1; do
	broken_store $block
	check "superblock $block cannot be read" read_only
	data check_is "the volume is as it was" "$(shows)" "$good"
	dmsetup remove vol
	healthy_store
done
read -r old new < <(store_file slots 2)
broken_store "$old"
check "an old slot cannot be read" read_only
data check_is "the volume is as it was" "$(shows)" "$good"
dmsetup remove vol
healthy_store
broken_store "$new"
check_fails "the one that counts cannot be read" read_only
healthy_store

store_file before-digest
check "a store without a digest" lparctl snap check "$real"
dd if="$real" of="$scratch/old" bs=1M iflag=direct status=none
store_file flip $((old * 4096 + 100))
check_fails "is refused if anything is damaged" volume vol
dd if="$scratch/old" of="$real" bs=1M oflag=direct status=none
check "and used otherwise" volume vol
data check_is "the volume is as it was" "$(shows)" "$good"
message vol take four
dmsetup remove vol
read -r old new < <(store_file slots 2)
store_file flip $((old * 4096 + 100))
check "from then on it has one" volume vol
data check_is "that proves what counts" "$(shows)" "${good}four,"
dmsetup remove vol

# BASE is known by its content.
fill "$base" 170 0 4
check_fails "another BASE is refused" volume vol
check "unless it is wanted" volume vol any_base
check "as the status says" sh -c 'dmsetup status vol | grep -q "BASE is another one"'
check "and the table" sh -c 'dmsetup table vol | grep -q any_base'
dmsetup remove vol
fill "$base" 142 0 4
check "the right one is taken" volume vol
dmsetup remove vol

# A store that is wiped after a table was loaded for it, and before that is resumed
dmsetup create vol --notable
dmsetup load vol --table "0 $(sectors "$base") snapsync $base $store 2 chunk 4"
wipe_store
check "a store that was wiped meanwhile is formatted" dmsetup resume vol
echo new | dd of=$vol bs=4k seek=8 conv=sync oflag=direct status=none
message vol take one
good=$(shows)
dmsetup remove vol
check "and can be activated again" volume vol chunk 4
data check_is "with what was written since" "$(shows)" "$good"
dmsetup remove vol

# What is written to BASE stays in memory while somebody has it open.
wipe_store
exec 9<"$base"
echo cached | dd of="$base" conv=notrunc status=none
check "a BASE that is in memory in part is taken" volume vol
data check_is "with what is there" "$(dd if=$vol bs=512 count=1 iflag=direct status=none | head -c 6)" cached
dmsetup remove vol
exec 9<&-
check "and is the same later" volume vol
dmsetup remove vol
