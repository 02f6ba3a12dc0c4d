#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The volume as a disk: file systems, fio's verification, discard, SCSI reservations, limits.
# vm: cpus=2 mem=1024 disks=8M,40M,8M,8M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
mkdir "$scratch/mnt"

# Blocks of all sizes, verified after they were written, while states come and go.
verify() {
	local i

	fio --name=v --filename=$vol --direct=1 --rw=randwrite --bsrange=512-64k --blockalign=512 \
		--ioengine=libaio --iodepth=16 --verify=crc32c --verify_fatal=1 --size=8M \
		--fsync=64 --output="$scratch/fio" &
	for i in {1..5}; do
		message vol take "v$i"
		[ "$i" = 1 ] || message vol delete "v$((i - 1))"
	done
	wait $! || { cat "$scratch/fio"; return 1; }
}

# A journalled file system keeps a file over restore and remount.
remount() {
	mount $vol "$scratch/mnt" && cmp "$scratch/mnt/file" "$scratch/file" &&
		umount "$scratch/mnt"
}

ext4_round_trip() {
	mkfs.ext4 -q -F $vol && mount $vol "$scratch/mnt" || return 1
	head -c 1M /dev/urandom | tee "$scratch/mnt/file" >"$scratch/file"
	sync
	message vol take ext4
	rm "$scratch/mnt/file"
	umount "$scratch/mnt" && message vol restore ext4 && blockdev --flushbufs $vol && remount &&
		e2fsck -fn $vol
}

plan 19
head -c 8M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
before=$(sum "$base")
volume vol chunk 16
data check "fio verifies what it wrote" verify
data check "ext4 over a restore" ext4_round_trip

message vol take full
used=$(used_chunks vol)
fill $vol 101 0 1024
check_is "writes take chunks" $(($(used_chunks vol) - used)) 64
blkdiscard -o 0 -l $((1024 * 1024)) $vol
wait_until 10 test "$(used_chunks vol)" = "$used" || sleep 2
check_is "a discard gives them back" "$(used_chunks vol)" "$used"
fill $vol 101 0 64
check "a discard in pieces" sh -c "for i in \$(seq 0 2048 63488); do blkdiscard -o \$i -l 2048 $vol || exit; done"
wait_until 10 test "$(used_chunks vol)" = "$used" || sleep 2
check_is "does so, too" "$(used_chunks vol)" "$used"
blkdiscard -z -o $((4 << 20)) -l $((1 << 20)) $vol
check_is "write-zeroes take none" "$(used_chunks vol)" "$used"
data check_is "and are zeroes" "$(dd if=$vol bs=1M skip=4 count=1 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check_is "with sectors as BASE has" "$(blockdev --getss $vol)" "$(blockdev --getss "$base")"
check "an empty flush" fio --name=f --filename=$vol --rw=write --bs=4k --size=4k --fsync=1 --output=/dev/null

# The same table again, while there is I/O.
fio --name=r --filename=$vol --direct=1 --rw=randrw --bs=4k --ioengine=libaio --iodepth=8 \
	--time_based --runtime=8 --output=/dev/null &
fio=$!
reloads() {
	local i

	for i in 1 2 3; do
		dmsetup load vol --table "$(dmsetup table vol)" && dmsetup resume vol || return 1
	done
}
check "reloads under load" reloads
check "the load goes on" wait $fio
dmsetup remove vol
data check_is "BASE was never written" "$(sum "$base")" "$before"

# An explicit merge is the one thing that writes BASE.
volume vol chunk 16
message vol restore ext4
check_fails "no merge unless the table allows it" message vol merge ext4
message vol delete full
message vol delete v5
dmsetup remove vol
volume vol chunk 16 writable_base
wanted=$(sum $vol)
check "merge" message vol merge ext4
merged() {
	! message vol list | grep -q merging
}
check "it comes to an end" wait_until 60 merged
data check_is "BASE is the state" "$(sum "$base")" "$wanted"
data check_is "and so is the volume" "$(sum $vol)" "$wanted"
reaped vol
check_is "no chunk is in use" "$(used_chunks vol)" 0
