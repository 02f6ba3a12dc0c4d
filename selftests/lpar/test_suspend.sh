#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A host with an active LPAR goes to sleep and wakes up: all its CPUs but one go offline and come
# back while no task runs. It is a machine of its own, with all that it needs in its initramfs, as
# the root of a host VM would not come back.
# vm: none timeout=600 speed=long
# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
trap leave EXIT

top=$(readlink -f "$(dirname "$0")/../..")
build=${LPARKIT_BUILD:-$top/build}
kernel=6.12

# add PROGRAM...: with the libraries that each needs
add() {
	local program library

	for program; do
		cp "$program" "$scratch/root/bin"
		for library in $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*'); do
			cp -L --parents "$library" "$scratch/root"
		done
	done
}

prepare() {
	local applet

	"$top/selftests/vm/kernels.sh" fetch $kernel && "$top/selftests/vm/modules.sh" $kernel || return
	mkdir -p "$scratch"/root/{bin,proc,sys,dev}
	add /bin/busybox "$build"/selftests/lpar/{lparcall,memtool}
	for applet in sh cat dmesg echo grep insmod mount poweroff rmmod sed seq sleep taskset; do
		ln -s busybox "$scratch/root/bin/$applet"
	done
	cp "$build/modules/$kernel/ko/lpar.ko" "$scratch/root"
	cp "$top/selftests/lpar/suspend_init.sh" "$scratch/root/init"
	(cd "$scratch/root" && find . | cpio --quiet -o -H newc) >"$scratch/initramfs"
}

run() {
	timeout 500 qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-machine q35 -accel tcg,thread=multi -cpu max,-la57 -smp 4 -m 512 \
		-kernel "$("$top/selftests/vm/kernels.sh" path $kernel)/vmlinuz" -initrd "$scratch/initramfs" \
		-append "console=ttyS0 quiet panic=-1 oops=panic tsc=reliable no_timer_check mitigations=off" \
		-serial "file:$scratch/console"
	tr -d '\r' <"$scratch/console" >"$scratch/said"
}

said() {
	grep -qx "$1" "$scratch/said"
}

# What was seen then
seen() {
	sed -n "s/^$1 //p" "$scratch/said"
}

as_before() {
	[ -n "$(seen before)" ] && diff <(seen before) <(seen "$1")
}

plan 10
check "a machine" prepare
check "runs" run
check "members are on the LPAR's CPUs" said "before first 2-3"
check "others are not" said "before host 0-1"
check "it sleeps" said "slept 2"
check "wakes up as it was" as_before after1
check "and again" as_before after2
check "all get back what they had" eval 'said "defined host 0-3" && said "defined chosen 0,2-3"'
check "the module can go" said unloaded
check "and the kernel has no complaint" eval 'said "the end" && ! said complaint'
[ $tap_failed = 0 ] || cat "$scratch/said" >&2
