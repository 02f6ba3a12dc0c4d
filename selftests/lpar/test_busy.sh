#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the module does later is done in time, though anybody may keep a CPU of the host busy:
# here a user has 200 busy threads on its first one.
# vm: cpus=3 mem=2048 timeout=300 kernels=6.1,6.12,7.2,debug long=6.1,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

MEMORY_MIB=128
ROUNDS=5

now_ms() {
	date +%s%3N
}

# open_late: how many milliseconds after its time-out the gate has opened, at the worst
open_late() {
	local round begun late worst=0

	for ((round = 0; round < ROUNDS; round++)); do
		lparcall gate-close c gate_timeout_ms 200
		begun=$(now_ms)
		wait_until 60 is c gate open >/dev/null
		late=$(($(now_ms) - begun - 200))
		[ $late -le $worst ] || worst=$late
	done
	echo $worst
}

# zero_all: how many milliseconds it takes until both memories are clean again
zero_all() {
	local begun

	memtool zero /dev/lpar/a
	memtool zero /dev/lpar/b
	begun=$(now_ms)
	# Whoever opens waits for that
	: </dev/lpar/a
	: </dev/lpar/b
	echo $(($(now_ms) - begun))
}

are_all() {
	local tasks=("/proc/$1/task"/*)

	[ ${#tasks[@]} = 200 ]
}

plan 5
# The threads of one session are not to count as one.
[ ! -e /proc/sys/kernel/sched_autogroup_enabled ] || echo 0 >/proc/sys/kernel/sched_autogroup_enabled
load lpar
make a memory ${MEMORY_MIB}M
make b memory ${MEMORY_MIB}M
make c cpus 2
idle=$(zero_all)
# The test itself is on the other CPU.
taskset -pc 1 $$ >/dev/null
start setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v hog)" spin 0 200
hogs=$pid
wait_until 60 are_all "$hogs"
late=$(open_late)
diag "a gate opened up to $late ms after its time-out"
check "a gate opens in time" below "$late" 400
busy=$(zero_all)
diag "two memories of $MEMORY_MIB MiB are zeroed within $busy ms, and $idle ms without the threads"
check "memories are zeroed on a CPU that has time" below "$busy" $((6 * idle + 5000))
memtool zero /dev/lpar/a
memtool zero /dev/lpar/b
late=$(open_late)
diag "a gate opened up to $late ms after its time-out while memories are zeroed"
check "a gate opens in time meanwhile" below "$late" 400
: </dev/lpar/a
: </dev/lpar/b
check "deactivate" lparcall deactivate a
stop "$hogs"
check "and so without them" lparcall deactivate b
