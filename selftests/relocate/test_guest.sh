#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest boots from a disk that is 50 ms away, and has just begun to arrive: firmware, loader,
# kernel and the rest of it come from there as they are asked for. It reads and writes on while
# SOURCE is gone for a while, and when its disk goes over to DEST; then from DEST it boots again.
# vm: cpus=2 mem=1536 disks=32M,4M,32M timeout=600 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
trap 'guest_kill_all; clear_away' EXIT

bzimage=$("$(dirname "$0")/../vm/kernels.sh" path 6.1)/vmlinuz
kernel_mib=1
initrd_mib=12
free_mib=20

# header OFFSET SIZE: a number of the x86 boot protocol
header() {
	od -An -t "u$2" -j "$1" -N "$2" "$bzimage" | tr -d ' '
}

# put FILE MIB: on SOURCE
put() {
	dd if="$1" of="$near" bs=1M seek="$2" oflag=direct conv=sync,notrunc status=none
}

pieces() {
	echo $((($1 + 32767) / 32768))
}

bootable() {
	local setup bytes

	setup=$(($(header 0x1f1 1) + 1))
	bytes=$(stat -Lc %s "$guest_initrd")
	[ "$(stat -Lc %s "$bzimage")" -lt $(((initrd_mib - kernel_mib) << 20)) ] &&
		[ "$bytes" -lt $(((free_mib - initrd_mib) << 20)) ] || return
	as --32 -o "$scratch/loader.o" --defsym KERNEL=$((kernel_mib * 2048)) --defsym SETUP=$setup \
		--defsym KERNEL_PIECES="$(pieces $(($(stat -Lc %s "$bzimage") - setup * 512)))" \
		--defsym INITRD=$((initrd_mib * 2048)) --defsym INITRD_PIECES="$(pieces "$bytes")" \
		--defsym INITRD_BYTES="$bytes" "$(dirname "$0")/loader.S" &&
		objcopy -O binary -j .text "$scratch/loader.o" "$scratch/loader" &&
		put "$scratch/loader" 0 && put "$bzimage" $kernel_mib && put "$guest_initrd" $initrd_mib
}

# boot NAME DISK
boot() {
	guest_start "$1" 256 1 memory-backend-ram \
		-drive file="$2",format=raw,if=none,id=disk,cache=none,aio=threads \
		-device virtio-blk-pci,drive=disk,bootindex=0
}

has_errors() {
	grep -a "I/O error" "$run/guest.console"
}

guest_by_bios=yes
guest_prepare || bail "the host VM has no KVM"
plan 22
bootable || bail "no disk to boot from"
far_is delay "$near" 0 50
relocate_paused region 4 || bail "no device"
check "there is nothing on DEST" present_is 0
boot guest $vm
guest=$guest_pid
check "a guest boots" wait_until 300 guest_is_up guest
brought=$(status_word vm 9)
diag "it has asked for $brought KiB"
check "what it needed came" test "$brought" -gt $(($(stat -Lc %s "$bzimage") / 1024))
check "but for the rest" test "$brought" -lt $((free_mib * 1024 + 2048))
check "it writes where nothing is yet" guest_say guest "disk write 11 2 $free_mib" 120
data check "and reads it" guest_say guest "disk verify 11 2 $free_mib" 120
message vm source -
check "without SOURCE it writes on" guest_say guest "disk write 12 2 $((free_mib + 2))" 120
check "and beats" guest_goes_on guest
data check "and reads what it has" guest_say guest "disk verify 12 2 $((free_mib + 2))" 120
message vm source $far
message vm resume
check "all of it comes" wait_until 120 stage_is complete
check "the guest goes over to DEST" lparctl relocate finish vm
check_is "which is all that is left" "$(dmsetup table vm | cut -d ' ' -f 3)" linear
check "it beats" guest_goes_on guest
data check "it reads what it wrote" guest_say guest "disk verify 11 2 $free_mib" 120
check "and writes on" guest_say guest "disk write 13 2 $((free_mib + 4))" 120
check_fails "it has seen no error" has_errors
guest_kill "$guest"
dmsetup remove vm
data check "what it has not written is SOURCE's" same "$near" "$dest" 0 $((free_mib * 1024))
data check "behind it, too" same "$near" "$dest" $(((free_mib + 6) * 1024)) 4096
boot guest "$dest"
check "it boots from DEST" wait_until 300 guest_is_up guest
for i in 0 1 2; do
	data check "and reads what it wrote" guest_say guest "disk verify 1$((i + 1)) 2 $((free_mib + 2 * i))" 120
done
