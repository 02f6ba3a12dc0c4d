#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The block fence: nobody mounts, formats or claims a disk of an active LPAR.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=240 kernels=6.1,6.12,7.2,debug speed=full long=6.12,7.2,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

swap_on() {
	mkswap "$1" >/dev/null && swapon "$1"
}

driver=/sys/bus/virtio/drivers/virtio_blk

pull_out() {
	slot=$(basename "$(readlink -f "/sys/block/${1#/dev/}/device")")
	echo "$slot" >$driver/unbind
}

# What is plugged in again is another disk to the kernel, with the same number.
plug_in() {
	echo "$slot" >$driver/bind
	wait_until 5 same "$(stat -c %t:%T "$1")" "$2"
}

plan 38
load lpar
modprobe ext4
one=$(disk 1)
two=$(disk 2)
there=$scratch/mount
mkdir "$there"
mkfs.ext4 -q "$one" || bail "no file system on $one"

# Mounted before
lparcall create a cpus 2-3 memory 4M disk "$two" disk "$one"
check "mounted by the host" mount "$one" "$there"
check "check says so" says "problem=.*$one" lparcall check a
refused EBUSY "activate with a mounted disk" lparcall activate a
check "all or nothing: defined" is a state defined
check "all or nothing: CPUs are free" taskset -c 2 true
check "all or nothing: the other disk is free" memtool exclusive "$two"
check "all or nothing: no memory" test -z "$(memtool open /dev/lpar/a 2>/dev/null && echo there)"
umount "$there"

# Fenced
check "activate" lparcall activate a
check "sysfs: disks, in the order given" same "$(value a disks | xargs)" "$two $one"
check_fails "mount" mount "$one" "$there"
check_fails "mount read-only" mount -o ro "$one" "$there"
check_fails "mkfs" mkfs.ext4 -q -F "$one"
check_fails "O_EXCL" memtool exclusive "$one"
check_fails "O_EXCL of the other disk" memtool exclusive "$two"
check_fails "swap" swap_on "$two"
check "the LPAR's guest opens it" dd if="$one" of=/dev/null bs=1M count=1 status=none
check "also to write" dd if=/dev/zero of="$two" bs=1M count=1 conv=notrunc status=none
refused EBUSY "deletion" lparcall delete a

# Free again
check "deactivate" lparcall deactivate a
check "mount" mount "$one" "$there"
umount "$there"
check "O_EXCL" memtool exclusive "$two"
check "mkfs" mkfs.ext4 -q -F "$one"

# One LPAR for each disk
refused EBUSY "the disk of another LPAR" lparcall create b disk "$one"
lparcall set a disk "$two"
check "which has it no longer" lparcall create b disk "$one"
check "activate the first" lparcall activate a
check "and the second" lparcall activate b
lparcall deactivate b
lparcall delete b

# A partition and the disk that it is on
check "partition" addpart "$one" 1 2048 100000
wait_until 5 test -b "${one}1"
check "an LPAR with the partition" make part disk "${one}1"
lparcall create whole disk "$one" 2>/dev/null
check_fails "the whole disk" lparcall activate whole
check_fails "mkfs on the partition" mkfs.ext4 -q -F "${one}1"
unmake part
lparcall delete whole 2>/dev/null
make whole disk "$one"
check_fails "the partition of an LPAR's disk" mkfs.ext4 -q -F "${one}1"
unmake whole

# Held by the host in another way
lparcall create c disk "$one"
check "swap on it" swap_on "$one"
refused EBUSY "activate with swap on the disk" lparcall activate c
swapoff "$one"
lparcall delete c

# The disk is pulled out
lparcall deactivate a 2>/dev/null
lparcall activate a
number=$(stat -c %t:%T "$two")
check "pull the disk out" pull_out "$two"
check "deactivate" lparcall deactivate a
refused ENXIO "activate without it" lparcall activate a
check "another disk gets its number" plug_in "$two" "$number"
check "which any LPAR may have" lparcall create d disk "$two"
