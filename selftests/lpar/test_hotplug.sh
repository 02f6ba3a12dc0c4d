#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A CPU goes off- and online without end while its LPAR comes and goes: the kernel complains of
# nothing, and the fence is whole in the end. First the same without lpar.ko, so that a complaint
# that is the kernel's own is known for that.
# vm: cpus=4 threads=2 mem=1024 timeout=300 kernels=6.1,6.12,7.2,debug long=6.1,7.2,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

SECONDS_EACH=${SECONDS_EACH:-12}

# Off- and online until told otherwise; says how often.
hotplug() {
	local file=/sys/devices/system/cpu/cpu3/online rounds=0

	while [ ! -e "$scratch/enough" ]; do
		echo 0 >$file && echo 1 >$file || return 1
		rounds=$((rounds + 1))
		echo $rounds >"$scratch/hotplugs"
	done
}

# beside COMMAND...: again and again beside that; how often it has succeeded is in $done
beside() {
	local end=$((SECONDS + SECONDS_EACH)) hotplugger

	rm -f "$scratch/enough"
	echo 0 >"$scratch/hotplugs"
	start hotplug
	hotplugger=$pid
	done=0 refused=0
	while [ $SECONDS -lt $end ]; do
		"$@" && done=$((done + 1)) || refused=$((refused + 1))
	done
	echo >"$scratch/enough"
	wait "$hotplugger" || return 1
	diag "$done done, $refused refused, $(cat "$scratch/hotplugs") times offline"
	[ "$done" -ge 3 ] && [ "$(cat "$scratch/hotplugs")" -ge 3 ]
}

# What an activation does, by hand: tasks are moved to and fro.
move_by_hand() {
	taskset -apc 0-1 "$crowd" >/dev/null && taskset -apc 2-3 "$crowd" >/dev/null
}

# Refused while the CPU is offline; what is active can always be deactivated.
come_and_go() {
	lparctl activate a --host >/dev/null || return
	lparctl deactivate a >/dev/null || touch "$scratch/stuck"
}

complaints() {
	dmesg | grep -c "WARNING:\|BUG:\|not properly vacated"
}

plan 11
first=$(complaints)
start hog sleep 2-3 20
crowd=$pid
wait_until 20 has_affinity "$crowd" 2-3
check "without lpar.ko: tasks are moved by hand" beside move_by_hand
before=$(complaints)
check "the kernel complains of nothing" same "$before" "$first"
taskset -apc 2-3 "$crowd" >/dev/null
load lpar
lparctl create a cpus 2-3
check "an LPAR comes and goes" beside come_and_go
check "the kernel complains of nothing more" same "$(complaints)" "$before"
check "each could be deactivated" test ! -e "$scratch/stuck"
check "those who were moved are back" has_affinity "$crowd" 2-3

check "activate" lparctl activate a
start hog spin 0-1 2
member=$pid
lparctl member add a "$member"
check "an active LPAR loses its CPU again and again" beside sleep 1
check "it is active in the end" wait_until 20 is a state active
check "its member has both CPUs" wait_until 20 has_affinity "$member" 2-3
check "an intruder is evicted" hog intrude 3 20000
