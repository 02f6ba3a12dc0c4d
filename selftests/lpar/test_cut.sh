#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cut: several LPARs at one instant, and a report that says how well.
# vm: cpus=4 mem=1024 timeout=360 kernels=6.1,6.12,7.2,debug speed=quick long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

SECOND=1000000000

# in_ns NANOSECONDS: that far from now, on CLOCK_REALTIME
in_ns() {
	echo $(($(date +%s%N) + $1))
}

# arm DEADLINE WORD...: sets $cut and $deadline
arm() {
	local reply

	reply=$(lparcall cut deadline_ns "$@") || return 1
	cut=$(sed -n 's/.* cut=\([0-9]*\).*/\1/p' <<<"$reply")
	deadline=$(sed -n 's/.* deadline_ns=\([0-9]*\).*/\1/p' <<<"$reply")
	[ -n "$cut" ] && [ -n "$deadline" ]
}

has_state() {
	lparcall cut-get cut "$cut" | grep -q "cut_state=$1"
}

# One number for each participant, such as "fired_ns".
points() {
	lparcall cut-get cut "$cut" | grep -o " $1=-\?[0-9]*" | cut -d= -f2
}

all_points() {
	local field=$1 operator=$2 limit=$3 one

	[ -n "$(points "$field")" ] || return 1
	for one in $(points "$field"); do
		test "$one" "$operator" "$limit" && continue
		echo "# $field: $one is not $operator $limit"
		return 1
	done
}

# A cut now, which counts the vCPU of each.
counts_all() {
	local status

	arm 0 lpar a lpar b && wait_until 10 has_state fired && all_points count -eq 1
	status=$?
	lparcall gate-open a && lparcall gate-open b || return 1
	return $status
}

skew_is_right() {
	local fired

	fired=$(points fired_ns | sort -n)
	same "$(points skew_ns)" $(($(tail -1 <<<"$fired") - $(head -1 <<<"$fired")))
}

# Ahead enough that what has to happen before does, also in a debug kernel.
soon_s=5
[ "$LPARKIT_KERNEL" != debug ] || soon_s=20

# Telling takes long if many listen.
told_when_set() {
	local told

	told=$(grep event=cut-armed "$events" | grep -F " cut=$cut " |
		sed -n 's/.* time_ns=\([0-9]*\).*/\1/p')
	echo "# deadline $deadline, told at ${told:-no time}"
	[ -n "$told" ] && [ "$deadline" -le "$told" ]
}

still_armed_after() {
	! wait_until "$1" has_state fired && has_state armed
}

deactivation_is_safe() {
	lparcall deactivate a 2>/dev/null || return 0
	wait_until 5 has_state cancelled
}

plan 59
load lpar
modprobe kvm_amd || bail "no KVM in this VM"
events=$scratch/events
listen "$events"
declare -A cpus=([a]=2-3 [b]=1)
for name in a b; do
	make $name cpus "${cpus[$name]}" gate_timeout_ms 3600000
	vm $name || bail "minikvm does not start"
	lparcall member-add $name member "$pid"
done
lparcall create idle

# Refused
refused ETIME "a deadline that is past" lparcall cut deadline_ns "$(in_ns -$SECOND)" lpar a
refused ERANGE "more than an hour ahead" \
	lparcall cut deadline_ns "$(in_ns $((3700 * SECOND)))" lpar a
refused ENOENT "an unknown LPAR" lparcall cut deadline_ns 0 lpar a lpar nobody
check "nothing was armed for the known one" is a gate open
check_fails "no LPAR at all" lparcall cut deadline_ns 0
check_fails "no deadline" lparcall cut lpar a
check_fails "an LPAR that is not active" lparcall cut deadline_ns 0 lpar idle
refused ENOENT "cancel an unknown cut" lparcall cut-cancel cut 4000000

# Now
check "guests run" watch move a 10000
check "now" arm 0 lpar a
check "fired" wait_until 10 has_state fired
check "the gate is closed" is a gate closed
check "the guest does not move" watch still a 300
check "the other one does" watch move b 10000
check "event armed" event "$events" cut-armed "cut=$cut"
check "which is told after its timer is set" told_when_set
check "event fired" event "$events" cut-fired "cut=$cut"
refused EALREADY "cancel it when it has fired" lparcall cut-cancel cut "$cut"
lparcall gate-open a
check "the guest goes on" watch move a 10000

# Later, two LPARs
check "in a few seconds" arm "$(in_ns $((soon_s * SECOND)))" lpar a lpar b
check "fired" wait_until $((soon_s + 20)) has_state fired
check "gate of the first: closed" is a gate closed
check "gate of the second: closed" is b gate closed
check "the first does not move" watch still a 200
check "the second does not move" watch still b 200
check "a report for each" same "$(points fired_ns | wc -l)" 2
check "none before the deadline" all_points fired_ns -ge "$deadline"
check "each soon, as time goes in an emulated machine" all_points latency_ns -lt $((2 * SECOND))
check "none has stopped more vCPUs than it has" all_points count -le 1
check "after it fired" all_points done_ns -ge "$deadline"
check "without an error" all_points error -eq 0
check "the skew is that of the report" skew_is_right
diag "latency $(points latency_ns | xargs) ns, skew $(points skew_ns) ns"

# Open at one instant
check "open in a few seconds" arm "$(in_ns $((soon_s * SECOND)))" action open lpar a lpar b
check "still until then" watch still a 200
check "fired" wait_until $((soon_s + 20)) has_state fired
check "the first runs" watch move a 10000
check "the second runs" watch move b 10000

# On a busy machine a vCPU that has left the guest may come too late to be counted.
check "each counts its vCPU, if that comes in time" wait_until 60 counts_all
check "the guests go on" watch move a 10000

# Cancel
check "in ten minutes" arm "$(in_ns $((600 * SECOND)))" lpar a lpar b
check "the reply repeats the deadline" test "$deadline" -gt "$(date +%s%N)"
check "armed" has_state armed
check "gate of the first: armed" is a gate armed
check "gate of the second: armed" is b gate armed
check "the guest runs until then" watch move a 10000
refused EBUSY "a second cut for the same LPAR" lparcall cut deadline_ns 0 lpar b
check "cancel" lparcall cut-cancel cut "$cut"
check "cancelled" has_state cancelled
check "event" event "$events" cut-cancelled "cut=$cut"
check "gate: open" is a gate open
check "the guest runs" watch move a 10000

# The clock is set while a cut is armed
check "in ten minutes" arm "$(in_ns $((600 * SECOND)))" lpar a
date -s "@$(($(date +%s) + 601))" >/dev/null
check "the clock passes the deadline: fired" wait_until 5 has_state fired
check "the guest does not move" watch still a 200
lparcall gate-open a
check "in a few seconds" arm "$(in_ns $((2 * soon_s * SECOND)))" lpar a
date -s "@$(($(date +%s) - 60))" >/dev/null
check "the clock goes back: waits" still_armed_after $((2 * soon_s + 2))

# What is in an armed cut cannot vanish
check_fails "unload while armed" rmmod lpar
check "deactivation is refused, or cancels" deactivation_is_safe
check "the list knows the last ones" test "$(lparcall cut-list | grep -c ' cut=')" -ge 7
