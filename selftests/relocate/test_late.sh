#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What somebody wrote to META, DEST and SOURCE before, and the kernel has still in memory: it is
# written before they are used, and not over what is written then.
# vm: cpus=2 mem=768 disks=8M,4M,8M timeout=120 speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

# late DEV BYTE SIZE_KIB: whoever closes it last writes what is in memory, so that is not dd.
late() {
	head -c "$3"K /dev/zero | tr '\0' "\\$2" |
		dd of="$1" bs=4k iflag=fullblock conv=notrunc status=none
}

plan 5
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
relocate_paused region 4 || bail "no device"
fill $vm 101 1024 64
dmsetup remove vm
wipe_store
exec 7<"$meta" 8<"$dest" 9<$far
late "$meta" 0 1024
late "$dest" 102 512
late $far 103 512
check "a disk begins" relocate_paused region 4
data check_is "what was written to SOURCE last is fetched" "$(byte $vm 0)" 103
fill $vm 104 1024 64
fill $vm 105 128 64
dmsetup suspend vm && dmsetup resume vm
sync
dmsetup remove vm
exec 7<&- 8<&- 9<&-
relocate_paused region 4 || bail "no device"
data check_is "what the guest writes is there" "$(byte $vm $((1024 * 1024)))" 104
data check_is "also where DEST was written before" "$(byte $vm $((128 * 1024)))" 105
data check_is "and what was fetched" "$(byte $vm 0)" 103
dmsetup remove vm
