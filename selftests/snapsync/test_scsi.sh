#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Persistent reservations reach BASE; commands that could write it do not.
# vm: cpus=2 mem=768 disks=8M,24M timeout=120 long=6.12,debug
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

# pr DEVICE OPERATION NUMBER...: a reservation by the kernel's own ioctls.
pr() {
	python3 - "$@" <<-'END'
	import fcntl, os, struct, sys
	operations = {"register": (200, "QQII"), "reserve": (201, "QII"), "release": (202, "QII"),
		      "preempt": (203, "QQII"), "clear": (205, "QII")}
	number, layout = operations[sys.argv[2]]
	words = [int(word, 16) for word in sys.argv[3:]]
	words += [0] * (len(layout) - len(words))
	request = 1 << 30 | struct.calcsize(layout) << 16 | ord("p") << 8 | number
	fd = os.open(sys.argv[1], os.O_RDWR)
	fcntl.ioctl(fd, request, struct.pack(layout, *words))
	END
}

# What the disk says of reservations.
disk_has() {
	sg_persist --in "$1" /dev/sda | grep -qi "$2"
}

# What of BASE is known without the page cache.
base_sum() {
	blockdev --flushbufs /dev/sda
	dd if=/dev/sda bs=1M iflag=direct status=none | sha256sum
}

# A command that writes 4 KiB at the beginning, as a guest's scsi-block does.
write_10() {
	sg_raw -s 4096 -i "$scratch/data" "$1" 2a 00 00 00 00 00 00 00 08 00
}

write_same() {
	sg_write_same --lba=0 --num=1 --in="$scratch/data" --xferlen=512 "$1"
}

unmap() {
	sg_unmap --lba=0 --num=8 --force "$1"
}

lio_disk || skip_all "no LIO loopback here"
base=/dev/sda
plan 18
head -c 4096 /dev/urandom >"$scratch/data"
before=$(base_sum)
volume vol || bail "no volume"
message vol take one
check "a view" view view vol one
for device in $vol /dev/mapper/view; do
	for command in write_10 write_same unmap; do
		check_fails "$command through ${device##*/} is refused" "$command" "$device"
	done
done
check_is "BASE is what it was" "$(base_sum)" "$before"
check "the log says why" sh -c 'dmesg | grep -q "snapsync: ioctl 0x2285 .* refused"'
check "the disk itself takes it" write_10 /dev/sda
dmsetup remove view

check "a key is registered through the volume" pr $vol register 0 abc123
check "the disk has it" disk_has --read-keys abc123
check "a reservation through the volume" pr $vol reserve abc123 1
check "the disk has it" disk_has --read-reservation "type: Write Exclusive$"
check "it is preempted" pr $vol preempt abc123 abc123 2
check "the disk has the new one" disk_has --read-reservation "type: Exclusive Access$"
check "it is cleared" pr $vol clear abc123
check "the disk has no key" disk_has --read-keys "no registered"
