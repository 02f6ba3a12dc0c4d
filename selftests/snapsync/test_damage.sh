#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Damaged metadata is refused, foreign data is not overwritten, errors make read-only.
# FLIPS: bytes that are changed in each block (4).
# vm: cpus=2 mem=768 disks=1M,12M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

real=$store

# flip OFFSET: another value there, written around all caches.
flip() {
	local block=$(($1 / 4096)) at=$(($1 % 4096))

	dd if="$real" of="$scratch/block" bs=4k skip=$block count=1 iflag=direct status=none
	python3 - "$scratch/block" $at <<-'END'
	import random, sys
	with open(sys.argv[1], "r+b") as f:
	    f.seek(int(sys.argv[2]))
	    old = f.read(1)[0]
	    f.seek(int(sys.argv[2]))
	    f.write(bytes([old ^ random.randrange(1, 256)]))
	END
	dd if="$scratch/block" of="$real" bs=4k seek=$block oflag=direct conv=notrunc status=none
	blockdev --flushbufs "$real"
}

keep() {
	dd if="$real" of="$scratch/store" bs=1M iflag=direct status=none
}

put_back() {
	dd if="$scratch/store" of="$real" bs=1M oflag=direct status=none
	blockdev --flushbufs "$real"
}

# damaged BLOCK: refused and found, whichever byte it is.
damaged() {
	local i at status=0

	for ((i = 0; i < ${FLIPS:-4}; i++)); do
		at=$(($1 * 4096 + RANDOM % 4096))
		flip $at
		if volume vol 2>/dev/null; then
			dmsetup remove vol
			status=1
		fi
		lparctl snap check "$real" >"$scratch/report"
		[ $? = 3 ] && [ -s "$scratch/report" ] || status=1
		put_back
		[ $status = 0 ] || { echo "# byte $at"; return 1; }
	done
}


plan 25
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
volume vol chunk 4
message vol take one
fill /dev/mapper/vol 101 0 64
blkdiscard -z -o 131072 -l 65536 /dev/mapper/vol
message vol take two
fill /dev/mapper/vol 102 32 64
good=$(sum /dev/mapper/vol)
check "an intact store" dmsetup remove vol
check "is found intact" lparctl snap check "$real"
check_is "with its states" "$(lparctl -j snap check "$real" | grep -o '"states":2,')" '"states":2,'
keep
for block in 0 1 2 3 768 769 896 897; do
	check "damage of block $block is found" damaged $block
done
check "the intact one works" volume vol
data check_is "as before" "$(sum /dev/mapper/vol)" "$good"
check_fails "a store in use by one volume is not another's" dmsetup create other --table \
	"0 $(sectors "$base") snapsync $base $store"
dmsetup remove vol

mkfs.ext4 -q -F "$real"
keep
check_fails "a file system is not overwritten" volume vol
check_fails "nor taken for a store" lparctl snap check "$real"
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
