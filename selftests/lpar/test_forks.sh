#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who is forked while fences rise and fall has in the end what its parent has, though passes
# over many threads let others in; and who intrudes elsewhere is evicted meanwhile.
# vm: cpus=6 mem=1024 timeout=300 speed=long kernels=6.1,6.12,7.2,debug long=6.1,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

ROUNDS=8

# fork_on FILE: children without end that live until the test has looked at them, at most 500
fork_on() {
	local n

	for ((n = 0; n < 500; n++)); do
		[ ! -e "$scratch/enough" ] || break
		sleep 1000 &
		echo $! >>"$1"
	done
	wait
}

rise_and_fall() {
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		lparcall activate a || return 1
		lparcall deactivate a || return 1
	done
}

# allowed PID: in $has, without a process for it
allowed() {
	local key

	while read -r key has; do
		[ "$key" != Cpus_allowed_list: ] || return 0
	done 2>/dev/null <"/proc/$1/status"
	return 1
}

# all_have LIST CPUS: each of these processes may run there
all_have() {
	local pid has n=0

	while read -r pid; do
		allowed "$pid" || continue
		n=$((n + 1))
		[ "$has" = "$2" ] && continue
		echo "$pid has $has" >"$scratch/odd"
		return 1
	done <"$1"
	diag "$n children"
	[ $n -gt 0 ]
}

has_threads() {
	local tasks=("/proc/$1/task"/*)

	[ ${#tasks[@]} = "$2" ]
}

plan 6
load lpar
lparcall create a cpus 2-3
make b cpus 4-5
start hog sleep 0-5 3000
many=$pid
wait_until 60 has_threads "$many" 3000
start fork_on "$scratch/children"
forks=$pid
wait_until 20 test -s "$scratch/children"
check "a fence rises and falls $ROUNDS times" rise_and_fall
: >"$scratch/enough"
check "each child has what is not fenced" wait_until 20 all_have "$scratch/children" 0-3
lparcall deactivate b
check "and all when nothing is" wait_until 20 all_have "$scratch/children" 0-5
[ ! -e "$scratch/odd" ] || diag "$(cat "$scratch/odd")"
check "as the threads have" has_affinity "$many" 0-5
# shellcheck disable=SC2046 # words
kill -9 $(cat "$scratch/children") "$forks" 2>/dev/null
wait "$forks" 2>/dev/null

# An eviction beside passes over all these threads
lparcall activate b
start rise_and_fall
passes=$pid
worst=0
while kill -0 "$passes" 2>/dev/null; do
	took=$(hog intrude 4 10000) || took=10000000
	took=$((took / 1000))
	[ $took -le $worst ] || worst=$took
done
diag "an intruder was on another LPAR's CPU for $worst ms at the most"
check "an intruder of another LPAR is evicted meanwhile" below $worst 1500
wait "$passes"
check "the passes have ended" wait_until 20 lparcall deactivate b
