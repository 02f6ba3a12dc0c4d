#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Attach, modes, states, and every way in which a throttle ends: those who wait in it go
# on at once.
# vm: cpus=4 mem=1024 timeout=400 speed=full long=6.1,7.2,debug
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

VCPUS=8
# Ten pages a second: each of eight vCPUs waits for most of a second.
SLOWEST=40K
# What none of them can do if it is not woken.
AT_ONCE_NS=450000000

# slow_guest NAME: eight vCPUs that wait.
slow_guest() {
	guest "$1" --vcpus $VCPUS || return 1
	guest_do "$1" log-on
	guest_do "$1" go
	lparctl throttle attach "$pid" --limit $SLOWEST
	wait_until 20 all_wait "$pid"
}

# Each has been delayed for long by now.
all_wait() {
	[ "$(vcpu_field "$1" delayed_us | awk '$1 > 500000' | wc -l)" = $VCPUS ]
}

# runs_free NAME: more than the limit allows in a minute, within ten seconds
runs_free() {
	local before after

	read -r _ before _ <<<"$(guest_do "$1" count)"
	wait_until 10 more_pages "$1" $((before + 1200))
}

more_pages() {
	local now

	read -r _ now _ <<<"$(guest_do "$1" count)"
	[ "$now" -ge "$2" ]
}

# What is booked stays booked.
not_faster() {
	measure slow 2
	in_limit 40 $VCPUS
}

# Longer than the watchdog waits.
feed() {
	local i

	for i in {1..14}; do
		sleep 0.5
		lparctl throttle set "$slow" || return 1
	done
}

if [ "$LPARKIT_KERNEL" != debug ]; then
	# A test before this one may have needed it.
	modprobe -r kvm_amd kvm
	load dirtythrottle
	check "without KVM it is refused" refused "KVM is not there" lparctl throttle attach $$
	modprobe kvm_amd || bail "no KVM in this VM"
	check "the module has let KVM go" modprobe -r kvm_amd kvm
	modprobe kvm_amd
fi
load dirtythrottle
listen

check "a process without a guest is refused" refused "runs no KVM guest" lparctl throttle attach $$
check "no process is refused" refused "no such process" lparctl throttle attach 4194303
check "a kernel thread is refused" refused "kernel thread" lparctl throttle attach 2

guest one --vcpus 2
one=$pid
check "attach" lparctl throttle attach "$one"
check "its pages are seen by the log" is "$one" source log
check "event" event attached "$one"
check_fails "but not twice" lparctl throttle attach "$one"
check "blocked without a dirty log, and says so" is_state "$one" "blocked (no dirty log is on"
check "a limit does not change that" lparctl throttle set "$one" --limit 1M
check "it is blocked yet" is_state "$one" blocked
guest_do one go
guest_do one log-on
check "throttling with the log" wait_until 5 is_state "$one" throttling
check "event" event state "$one"
check "the limit is in force" is "$one" effective_limit 1048576
check "dirty memory is shown" wait_until 5 test -n "$(field "$one" dirty_bytes)"
check "count only" lparctl throttle set "$one" --count
check "armed" is_state "$one" armed
check "no limit is in force" is "$one" effective_limit 0
check_fails "a limit out of range" lparctl throttle set "$one" --limit 1K
check_fails "a delay out of range" lparctl throttle set "$one" --delay 51ms
check "sysfs: a limit" sh -c "echo 2097152 >$class/$one/limit"
check "sysfs: throttling" is_state "$one" throttling
check_fails "sysfs: a limit out of range" sh -c "echo 1 >$class/$one/limit"
check "sysfs: none" sh -c "echo 0 >$class/$one/limit"
check "sysfs: armed" is "$one" mode count

check "a fixed delay" lparctl throttle set "$one" --delay 5ms
pages_before=$(field "$one" pages)
delayed_before=$(field "$one" delayed_us)
measure one 3
counted=$(($(field "$one" pages) - pages_before))
delayed=$(($(field "$one" delayed_us) - delayed_before))
diag "5 ms each: $pages pages of 2 vCPUs in $((ns / 1000000)) ms"
check "no more pages than it allows" at_most "$pages" $(((ns / 1000000 + 50) * 2 / 5 + 2))
# Time also passes, and pays, while a vCPU that has to wait waits for a CPU.
check "it was the delay" at_least $delayed $((counted * 5000 * 8 / 10))

check "auto" lparctl throttle set "$one" --auto 50 --transfer-rate 1G
check "not in force while it dirties slowly" is_state "$one" armed
check "slower transfer" lparctl throttle set "$one" --transfer-rate 1M
check "in force when it dirties faster" wait_until 10 is_state "$one" throttling
check "half of the transfer" is "$one" effective_limit 524288
measure one 3
check "no more is dirtied" in_limit 512 2
check "it converges" test "$(field "$one" converging)" = True
check "the time of a pass is known" test -n "$(field "$one" pass_ms)"
# Ticks put in force what follows from it.
check "an unknown transfer rate" sh -c "echo 0 >$class/$one/transfer_rate; sleep 1"
check "changes no limit" is "$one" effective_limit 524288
measure one 3
check "and does not stop the guest" at_least "$pages" $((2 * 40 * (ns / 1000000) / 4000))
check "auto, anew" lparctl throttle set "$one" --count
check "with an unknown rate" lparctl throttle set "$one" --auto 50
sleep 1
check "puts none in force" is_state "$one" armed

check "the log is off: blocked" guest_do one log-off
check "and says so" wait_until 5 is_state "$one" blocked
check "detach" lparctl throttle detach "$one"
check "event" event detached "$one"
check_fails "it is gone" test -e "$class/$one"
check_fails "detach again" lparctl throttle detach "$one"
guest_end "$one"

# Ends, while all wait
check "slow: all vCPUs wait" slow_guest slow
slow=$pid
kicked=$(guest_do slow kick)
diag "all left KVM_RUN in $((kicked / 1000)) us"
check "a signal ends their wait at once" at_most "$kicked" $AT_ONCE_NS
check "the pages stay booked: the limit holds" not_faster
check "detach" lparctl throttle detach "$slow"
check "they go on" runs_free slow
check "attach again" lparctl throttle attach "$slow" --limit $SLOWEST
check "all wait" wait_until 20 all_wait "$slow"
check "a higher limit" lparctl throttle set "$slow" --limit 100M
check "lets them go on" runs_free slow
lparctl throttle set "$slow" --limit $SLOWEST
check "all wait" sleep 1
kill "$monitor"
check "unload" rmmod dirtythrottle
check "lets them go on" runs_free slow
load dirtythrottle
listen
check "watchdog" lparctl throttle attach "$slow" --limit $SLOWEST --watchdog 5s
check "holds while it is fed" feed
check "and lets go when it is not" wait_until 20 test ! -e "$class/$slow"
check "event" event timeout "$slow"
check "they go on" runs_free slow
check "killed while they wait" lparctl throttle attach "$slow" --limit $SLOWEST
wait_until 20 all_wait "$slow"
guest_end "$slow"
check "the throttle is gone" wait_until 5 test ! -e "$class/$slow"
check "event" event exited "$slow"
kill "$monitor"
check "the module can be unloaded" rmmod dirtythrottle
