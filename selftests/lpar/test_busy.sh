#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the module does later is done in time, though anybody may keep a CPU of the host busy:
# here a user has 100 busy threads on its first one.
# vm: cpus=3 mem=2048 timeout=300 speed=long kernels=6.1,6.12,7.2,debug long=6.1,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

MEMORY_MIB=128
ROUNDS=5

# Programs that are started have to wait for that CPU as well, so the kernel says when it was.
has_opened() {
	[ "$(grep -c event=gate-timeout "$events")" -ge "$1" ]
}

# open_late: in $late, how many milliseconds after its time-out the gate has opened, at the worst;
# in $others, by how many a thread is late meanwhile that has the nice value of the kernel's
# workers. An emulated CPU may stand still for as long as the threads keep the gate waiting.
open_late() {
	local round control

	start nice -n -20 hog late 0 200 $ROUNDS >"$scratch/others"
	control=$pid
	for ((round = 0; round < ROUNDS; round++)); do
		rounds=$((rounds + 1))
		lparcall gate-close c gate_timeout_ms 200
		wait_until 60 has_opened $rounds
	done
	wait "$control"
	others=$(cat "$scratch/others")
	late=$(tail -n 1000 "$events" | awk -v last=$ROUNDS '
		{ match($0, /time_ns=[0-9]+/); now = substr($0, RSTART + 8, RLENGTH - 8) / 1e6 }
		/event=gate-closed/ { closed = now }
		/event=gate-timeout/ { late[++n] = now - closed - 200 }
		END {
			for (i = n - last + 1; i <= n; i++)
				if (late[i] > worst) worst = late[i]
			print int(worst)
		}')
}

# opens_in_time DESCRIPTION
opens_in_time() {
	open_late
	diag "a gate opened up to $late ms after its time-out, a thread came up to $others ms late"
	check "$1" below "$late" $((2 * others + 400))
}

# zero_all: in $took, how many milliseconds it takes until both memories are clean again
zero_all() {
	local begun

	memtool zero /dev/lpar/a
	memtool zero /dev/lpar/b
	begun=${EPOCHREALTIME/./}
	# Whoever opens waits for that
	: </dev/lpar/a
	: </dev/lpar/b
	took=$(((${EPOCHREALTIME/./} - begun) / 1000))
}

are_all() {
	local tasks=("/proc/$1/task"/*)

	[ ${#tasks[@]} = 100 ]
}

plan 5
# The threads of one session are not to count as one.
[ ! -e /proc/sys/kernel/sched_autogroup_enabled ] || echo 0 >/proc/sys/kernel/sched_autogroup_enabled
load lpar
make a memory ${MEMORY_MIB}M
make b memory ${MEMORY_MIB}M
make c cpus 2
events=$scratch/events
listen "$events"
rounds=0
zero_all
idle=$took
# The test itself is on the other CPU.
taskset -pc 1 $$ >/dev/null
# On one CPU from the beginning it would take long until all are there.
start setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v hog)" spin 0-2 100
hogs=$pid
wait_until 60 are_all "$hogs"
taskset -apc 0 "$hogs" >/dev/null
opens_in_time "a gate opens in time"
zero_all
busy=$took
diag "two memories of $MEMORY_MIB MiB are zeroed within $busy ms, and $idle ms without the threads"
check "memories are zeroed on a CPU that has time" below "$busy" $((6 * idle + 5000))
memtool zero /dev/lpar/a
memtool zero /dev/lpar/b
opens_in_time "a gate opens in time while memories are zeroed"
: </dev/lpar/a
: </dev/lpar/b
check "deactivate" lparcall deactivate a
stop "$hogs"
check "and so without them" lparcall deactivate b
