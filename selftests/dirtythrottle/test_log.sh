#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Dirty pages are seen where KVM enters them into its dirty log: the same pages as by
# write faults, and also those of a processor that logs writes by itself, which come up
# to 512 at once. Where that does not work, it is said, and write faults have to do.
# vm: cpus=4 mem=1024 timeout=300 modprobe=kvm_amd speed=full long=6.1,6.12,debug
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

batch=$LPARKIT_MODULES/../test/logbatch.ko
ftrace=/proc/sys/kernel/ftrace_enabled

clear_here() {
	echo 1 >$ftrace
	[ ! -d /sys/module/logbatch ] || rmmod logbatch
	clear_away
}
trap 'leave clear_here' EXIT

# source PID NAME: with the reason, if any
is_source() {
	[[ $(cat "$class/$1/source") == "$2"* ]] && return 0
	echo "# it is $(cat "$class/$1/source")"
	return 1
}

# counts SOURCE: a guest of four vCPUs dirties pages for two seconds; $off is how many more
# were counted than were in the log, $logged.
counts() {
	local counted

	guest "count$1" --vcpus 4 || return 1
	guest_do "count$1" log-on
	lparctl throttle attach "$pid" --count || return 1
	is_source "$pid" "$1" || return 1
	guest_do "count$1" go
	sleep 2
	guest_do "count$1" stop
	read -r _ logged _ <<<"$(guest_do "count$1" count)"
	counted=$(field "$pid" pages)
	off=$((counted - logged))
	diag "$1: $counted pages counted, $logged in the log"
	lparctl throttle detach "$pid"
	guest_end "$pid"
	at_least "$logged" 1000
}

# batches SOURCE: 8 MiB/s for one whose pages become dirty 512 at once
batches() {
	guest "batch$1" --vcpus 1 || return 1
	guest_do "batch$1" log-on
	lparctl throttle attach "$pid" --limit 8M || return 1
	is_source "$pid" "$1" || return 1
	guest_do "batch$1" go
	measure "batch$1" 6
	diag "$1, in batches: $(measured_kib) KiB/s of 8192"
}

load dirtythrottle
check "a guest is counted by its log" counts log
# Between our look at the bit and KVM's, the log may be taken.
check "as many pages as there are in it" at_most "${off#-}" $((logged / 1000 + 2))
rmmod dirtythrottle
load dirtythrottle faults=1
check "a guest is counted by its write faults" counts faults
check "as many pages as well, but for faults that KVM retries" at_most "${off#-}" $((logged / 50 + 8))
rmmod dirtythrottle
load dirtythrottle

# Without the tracer
guest one --vcpus 2
one=$pid
guest_do one log-on
guest_do one go
lparctl throttle attach "$one" --count
check_fails "the tracer cannot be switched off meanwhile" sh -c "echo 0 >$ftrace"
check "so that pages are seen" is_source "$one" log
lparctl throttle detach "$one"
check "afterwards it can" wait_until 10 sh -c "echo 0 >$ftrace"
check "attach without it" lparctl throttle attach "$one" --limit 1M
check "is by write faults, and says why" is_source "$one" "faults (the function tracer is off"
check "lparctl says so too" same "$(field "$one" source)" faults
measure one 3
check "no more than 1024 KiB/s" in_limit 1024 2
rmmod dirtythrottle
echo 1 >$ftrace
load dirtythrottle
check "attach with it" lparctl throttle attach "$one" --limit 1M
check "is by the log again" is_source "$one" log
measure one 3
check "no more than 1024 KiB/s" in_limit 1024 2
check "no less" uses_limit 1024
lparctl throttle detach "$one"
guest_end "$one"

# KVM tells a guest of the time stolen from it after each wait, and enters that page into a
# ring each time
guest ring --vcpus 2 --ring
guest_do ring log-on
lparctl throttle attach "$pid" --limit 1M
guest_do ring go
measure ring 3
diag "with a dirty ring: ${turns[*]} pages in $((ns / 1000000)) ms"
check "with a dirty ring a vCPU goes on after its wait" at_least "${turns[0]}" 64
check "so does the other" at_least "${turns[1]}" 64
pages=$((turns[0] + turns[1]))
check "no more than 1024 KiB/s" in_limit 1024 2
guest_end "$pid"

# With KVM's older MMU pages are marked while interrupts are disabled
if [ ! -f /sys/module/kvm/parameters/tdp_mmu ] || [ "$LPARKIT_KERNEL" = debug ]; then
	skip "the older MMU" "KVM is built in, or has one MMU only"
else
	rmmod dirtythrottle
	modprobe -r kvm_amd kvm
	modprobe kvm tdp_mmu=0 && modprobe kvm_amd
	load dirtythrottle
	check "the older MMU" same "$(cat /sys/module/kvm/parameters/tdp_mmu)" N
	guest old --vcpus 2
	guest_do old log-on
	guest_do old go
	lparctl throttle attach "$pid" --count
	check "is seen by the log" is_source "$pid" log
	# What became dirty without a limit is not owed under one.
	measure old 1
	lparctl throttle set "$pid" --limit 1M
	measure old 3
	check "no more than 1024 KiB/s" in_limit 1024 2
	check "no less" uses_limit 1024
	lparctl throttle set "$pid" --delay 5ms
	measure old 3
	check "nor than a fixed delay allows" at_most "$pages" $(((ns / 1000000 + 50) * 2 / 5 + 2))
	guest_end "$pid"
	rmmod dirtythrottle
	modprobe -r kvm_amd kvm
	modprobe kvm_amd
	load dirtythrottle
fi

if [ ! -f "$batch" ]; then
	skip "batches" "no module that dirties in batches"
	exit
fi

# Batches
insmod "$batch" || bail "cannot load logbatch"
check "in batches: starts" batches log
check "no more than 8 MiB/s, and a batch" in_limit 8192 513
check "no less" uses_limit 8192
guest_end "$pid"
rmmod dirtythrottle
load dirtythrottle faults=1
check "by write faults: starts" batches faults
check_fails "they miss what the others see" in_limit 8192 513
guest_end "$pid"
rmmod dirtythrottle
rmmod logbatch

# Nothing is seen of what is dirtied
load dirtythrottle
insmod "$batch" silent=1 || bail "cannot load logbatch"
guest blind --vcpus 1 --round-ms 60000
guest_do blind log-on
lparctl throttle attach "$pid" --count
sleep 2
check "armed before" is_state "$pid" armed
guest_do blind go
check "who does not see what is dirtied says so" wait_until 10 is_state "$pid" "blocked (more becomes dirty"
guest_do blind log-off
check "until the log is off" wait_until 5 is_state "$pid" "blocked (no dirty log is on"
guest_end "$pid"
rmmod logbatch
check "the module can be unloaded" rmmod dirtythrottle
