#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A thousand cycles, and failing allocations: nothing leaks, nothing is lost.
# vm: cpus=2 mem=1024 timeout=600 speed=full long=6.1,7.2,debug
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

CYCLES=1000
WARM_UP=100
ATTACH_CYCLES=50
# Each takes five programs, which that kernel is slow to start.
[ "$LPARKIT_KERNEL" != debug ] || ATTACH_CYCLES=10

unreclaimable_kib() {
	awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo
}

# run_cycles FIRST COUNT
run_cycles() {
	wire cycle $guest "$1" "$2" /sys/class/net/v0/netbuf/state
}

attach_cycles() {
	local i

	for ((i = 0; i < ATTACH_CYCLES; i++)); do
		lparctl netbuf attach v0 && lparctl netbuf hold v0 && to_guest 0 5 &&
			lparctl netbuf detach v0 --force || return 1
	done
}

# attach_faults: bpf_prog_alloc() has vmalloc() complain when it gets no memory, which is
# no defect: the console does not hear of it, and is told here of what is one.
attach_faults() {
	local level status

	read -r level _ </proc/sys/kernel/printk
	dmesg -C
	dmesg -n 1
	framefault attach v0
	status=$?
	dmesg -n "$level"
	dmesg | grep -E "$LPARKIT_DEFECTS" | sed 's/^/<2>/' >/dev/kmsg
	[ $status = 0 ]
}

load netbuf
make_veth
lparctl netbuf attach v0
expect_in_guest $((CYCLES + WARM_UP))
run_cycles 0 $WARM_UP
before=$(unreclaimable_kib)
run_cycles $WARM_UP $CYCLES
data check "$CYCLES cycles: every frame came once, in order" came_to_guest
after=$(unreclaimable_kib)
diag "unreclaimable slab: $before KiB before, $after KiB after"
# KASAN keeps what is freed; kmemleak finds what is not.
[ "$LPARKIT_KERNEL" = debug ] ||
	check "and took no memory" test $((after - before)) -lt 2048
check "nothing is held" is v0 bytes 0
lparctl netbuf detach v0
check "attach and detach while it holds, again and again" attach_cycles

if [ -e /proc/self/fail-nth ]; then
	for kind in failslab fail_page_alloc; do
		echo N >/sys/kernel/debug/$kind/ignore-gfp-wait
		# One complaint for each fault would be taken for a defect.
		echo 0 >/sys/kernel/debug/$kind/verbose
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
	check "attach while allocations fail: whole or not at all" attach_faults
	lparctl netbuf attach v0
	lparctl netbuf hold v0
	data check "no frame is lost when it cannot be copied" framefault send v0 $guest
	check "that did happen" test "$(lparctl -j netbuf show v0 | grep -o '"uncopied":[1-9]' | wc -l)" -ge 1
	lparctl netbuf flush v0
	data check "load while allocations fail: whole or not at all" framefault load v0
	lparctl netbuf detach v0 --force
fi
check "the module can be unloaded" unload netbuf
