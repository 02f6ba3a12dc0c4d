#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Views: a saved file system is read while the volume is written.
# vm: cpus=2 mem=768 disks=16M,64M timeout=120 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
mkdir "$scratch/live" "$scratch/old"

# Takes a state of a mounted file system, with what it has in memory.
files_are() {
	(cd "$scratch/old" && sha256sum -c --quiet "$scratch/sums")
}

plan 20
mkfs.ext4 -q -E lazy_itable_init=0 "$base" || bail "no ext4"
before=$(sum "$base")
volume vol chunk 4
check "the volume is mounted" mount $vol "$scratch/live"
for i in {1..20}; do
	head -c $((RANDOM * 4)) /dev/urandom >"$scratch/live/file$i"
done
(cd "$scratch/live" && sha256sum file* >"$scratch/sums")
check "a state" take_mounted vol "$scratch/live" old
check_fails "no view that can be written" dmsetup create bad --table \
	"0 $(sectors $vol) snapsync-view $vol old"
check_fails "no view of what is not there" view bad vol nowhere
check_fails "no view of another device" dmsetup create bad --readonly --table \
	"0 $(sectors "$base") snapsync-view $base old"
check "a view" view old vol old
check "is mounted" mount -o ro,noload /dev/mapper/old "$scratch/old"
data check "the files are there" files_are
rm "$scratch/live"/file*
head -c 6M /dev/urandom >"$scratch/live/other"
sync
echo 3 >/proc/sys/vm/drop_caches
data check "and stay while others are written" files_are
check_fails "the state cannot be deleted" message vol delete old
check "it can be renamed" message vol rename old older
check_is "the view knows" "$(dmsetup status old | cut -d ' ' -f 5)" older
check_fails "a view cannot be written" dd if=/dev/zero of=/dev/mapper/old bs=4k count=1 oflag=direct
umount "$scratch/live"
dmsetup remove vol
data check "the view outlives the device of the volume" files_are
volume vol
check "it can be restored" message vol restore older
data check_is "the view shows the same" "$(sum /dev/mapper/old)" "$(sum $vol)"
umount "$scratch/old"
check "the view goes" dmsetup remove old
check "then the state can be deleted" message vol delete older
dmsetup remove vol
data check_is "BASE was never written" "$(sum "$base")" "$before"
check "unload" unload dm-snapsync
