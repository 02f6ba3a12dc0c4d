#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Persistent reservations and other ioctls reach BASE as it is.
# vm: cpus=2 mem=768 disks=8M,24M timeout=120 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol

# A disk that knows persistent reservations: LIO's loopback on the first scratch disk.
lio_disk() {
	local core=/sys/kernel/config/target/core/iblock_0/disk
	local loop=/sys/kernel/config/target/loopback/naa.5001405000000001

	modprobe target_core_iblock && modprobe tcm_loop && modprobe sd_mod &&
		mount -t configfs none /sys/kernel/config 2>/dev/null
	mkdir -p $core || return 1
	echo "udev_path=$base" >$core/control && echo 1 >$core/enable &&
		mkdir -p $loop/tpgt_1/lun/lun_0 &&
		echo naa.5001405000000002 >$loop/tpgt_1/nexus &&
		ln -s $core $loop/tpgt_1/lun/lun_0/port || return 1
	mkdir -p /var/target/pr		# where LIO keeps keys
	wait_until 20 test -b /dev/sda
}

# The answer of a device, without its name.
answer() {
	local dev=$1

	shift
	sg_persist "$@" "$dev" 2>&1 | sed "s,$dev,DEV,"
}

same_answer() {
	[ "$(answer $vol "$@")" = "$(answer /dev/sda "$@")" ]
}

lio_disk || skip_all "no LIO loopback here"
base=/dev/sda
plan 7
volume vol || bail "no volume"
check "a key is registered through the volume" sg_persist --out --register --param-sark=abc123 $vol
check "the disk has it" sh -c 'sg_persist --in --read-keys /dev/sda | grep -q abc123'
check "keys are the same" same_answer --in --read-keys
check "a reservation through the volume" sg_persist --out --reserve --param-rk=abc123 --prout-type=1 $vol
check "reservations are the same" same_answer --in --read-reservation
check "capabilities are the same" same_answer --in --report-capabilities
check_is "so is the identity" "$(sg_inq $vol | sed 1d)" "$(sg_inq /dev/sda | sed 1d)"
