#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Damaged metadata is repaired where it is proven what counts, and refused otherwise; foreign
# data is not overwritten, errors make read-only.
# FLIPS: bytes that are changed in each block (4).
# vm: cpus=2 mem=768 disks=1M,12M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

real=$store

store_file() {
	"$(dirname "$0")/storefile.py" "$real" "$@" && blockdev --flushbufs "$real"
}

keep() {
	dd if="$real" of="$scratch/store" bs=1M iflag=direct status=none
}

put_back() {
	dd if="$scratch/store" of="$real" bs=1M oflag=direct status=none
	blockdev --flushbufs "$real"
}

# What the volume shows, and its states.
shows() {
	echo "$(sum /dev/mapper/vol) $(message vol list | cut -d ' ' -f 1 | tr '\n' ,)"
}

# One byte of a block is changed: "refused"; "repaired" if all is as it was, and sound after
# that; otherwise what was wrong.
fate() {
	local at=$(($1 * 4096 + RANDOM % 4096)) shown

	store_file flip $at
	lparctl snap check "$real" >"$scratch/report"
	if [ $? != 3 ] || [ ! -s "$scratch/report" ]; then
		echo "not found: byte $at"
		return
	fi
	if ! volume vol 2>/dev/null; then
		grep -q "activation repairs" "$scratch/report" && echo "check is wrong, and so it is "
		echo refused
		return
	fi
	shown=$(shows)
	dmsetup remove vol
	grep -q "activation repairs" "$scratch/report" || { echo "check knew nothing of it"; return; }
	[ "$shown" = "$good" ] || { echo "byte $at: $shown"; return; }
	lparctl snap check "$real" >&2 || { echo "not repaired: byte $at"; return; }
	echo repaired
}

# fates BLOCK: whichever byte it is.
fates() {
	local i

	for ((i = 0; i < ${FLIPS:-3}; i++)); do
		fate "$1"
		put_back
	done | sort -u | tr '\n' ' '
}

plan 40
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
volume vol chunk 4
message vol take one
fill /dev/mapper/vol 101 0 64
blkdiscard -z -o 131072 -l 65536 /dev/mapper/vol
message vol take two
fill /dev/mapper/vol 102 32 64
good=$(shows)
check "an intact store" dmsetup remove vol
check "is found intact" lparctl snap check "$real"
check_is "with its states" "$(lparctl -j snap check "$real" | grep -o '"states":2,')" '"states":2,'
keep
for block in 0 1; do
	check_is "superblock $block" "$(fates $block)" "repaired "
done
for pair in 2 768 896; do
	read -r old new < <(store_file slots $pair)
	check_is "block $old, which is old" "$(fates "$old")" "repaired "
	check_is "block $new, which counts" "$(fates "$new")" "refused "
done
store_file flip 100
store_file flip 4196
check_fails "both superblocks are damaged" volume vol
check_fails "they are not repaired" lparctl snap check "$real" --repair
check "but by force" lparctl snap check "$real" --repair --force
check "from their copies" volume vol
data check_is "as before" "$(shows)" "$good"
check_fails "a store in use is not repaired" lparctl snap check "$real" --repair --force
dmsetup remove vol
put_back
read -r old new < <(store_file slots 2)
store_file flip $((old * 4096 + 100))
check "a damaged slot that is old is repaired" lparctl snap check "$real" --repair
check "without activation" lparctl snap check "$real"
put_back
store_file flip $((new * 4096 + 100))
check_fails "one that counts is not" lparctl snap check "$real" --repair
check "but by force" lparctl snap check "$real" --repair --force
check "what is left is activated" volume vol
check_is "with the state that was there before" "$(message vol list | cut -d ' ' -f 1 | grep -c one)" 1
dmsetup remove vol
put_back
store_file rename one two
check_fails "two states of one name" volume vol
check_fails "are found" lparctl snap check "$real"
put_back
check "the intact one works" volume vol
data check_is "as before" "$(shows)" "$good"
check_fails "a store in use by one volume is not another's" dmsetup create other --table \
	"0 $(sectors "$base") snapsync $base $store"
dmsetup remove vol

mkfs.ext4 -q -F "$real"
keep
check_fails "a file system is not overwritten" volume vol
check_fails "nor taken for a store" lparctl snap check "$real"
check_fails "nor made one by force" lparctl snap check "$real" --repair --force
data check "it is as it was" cmp <(head -c 4M "$real") <(head -c 4M "$scratch/store")
check_fails "STORE is not BASE" dmsetup create vol --table "0 $(sectors "$base") snapsync $base $base"
check_fails "BASE is not too small" dmsetup create vol --table "0 $(($(sectors "$base") + 8)) snapsync $base $real"
check_fails "no odd chunk" volume vol chunk 5
check_fails "no unknown option" volume vol speed 7

# Metadata that cannot be written: read-only, with the reason, and nothing is lost.
wipe_store
dmsetup create slow --table "0 $(sectors "$real") linear $real 0"
store=/dev/mapper/slow
volume vol chunk 4
fill /dev/mapper/vol 101 0 64
message vol take safe
fill /dev/mapper/vol 102 0 4
dmsetup suspend --noflush slow
dmsetup load slow --table "0 $(sectors "$real") error"
dmsetup resume slow
check_fails "a take fails when STORE does" message vol take lost
check_is "the volume is read-only" "$(status_word vol 1)" ro
check_fails "no write any more" fill /dev/mapper/vol 103 0 4
dmsetup remove vol
dmsetup remove slow
store=$real
volume vol
check_is "what was taken before is there" "$(message vol list | cut -d ' ' -f 1 | tr '\n' ,)" "-,safe,"
