#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Ten lparctl at once on one LPAR, each of another mind: each ends, done or refused, and the
# LPAR, its interrupts and everybody's affinity are whole afterwards.
# vm: cpus=4 threads=2 mem=1024 timeout=300 kernels=6.1,6.12,7.2,debug long=6.1,7.2,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

ROUNDS=6
# One that hangs does so for good.
HANGS_S=90

# wish NUMBER: of what mind it is
wish() {
	case $1 in
	0) echo activate a ;;
	1) echo deactivate a ;;
	2) echo activate a --host ;;
	3) echo deactivate a --force ;;
	4) echo freeze a ;;
	5) echo thaw a ;;
	6) echo set a gate-timeout 5s ;;
	7) echo set a memory 32M ;;
	8) echo member add a "$member" ;;
	9) echo cut --at +1ms --lpar a ;;
	esac
}

# Each says how it has ended: 0 done, 1 or more refused, 124 hung, more killed.
race() {
	local number racers=()

	for number in {0..9}; do
		# shellcheck disable=SC2046 # words
		timeout $HANGS_S lparctl $(wish "$number") >"$scratch/said.$number" 2>&1 &
		racers+=($!)
	done
	for number in {0..9}; do
		wait "${racers[number]}"
		echo $? >"$scratch/ended.$number"
	done
}

# Done or refused, with words
ended_well() {
	local number status

	for number in {0..9}; do
		status=$(cat "$scratch/ended.$number")
		[ "$status" = 0 ] && continue
		[ "$status" -lt 6 ] && grep -q "^lparctl: " "$scratch/said.$number" && continue
		echo "# lparctl $(wish "$number"): status $status"
		sed 's/^/#   /' "$scratch/said.$number"
		return 1
	done
}

interrupts() {
	cat /proc/irq/*/smp_affinity_list | xargs
}

none_is_armed() {
	! lparcall cut-list | grep -q cut_state=armed
}

races() {
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		start sleep 10000
		member=$pid
		race
		ended_well || return 1
		done_in_all=$((done_in_all + $(grep -lx 0 "$scratch"/ended.* | wc -l)))
		lparctl thaw a >/dev/null 2>&1
		stop "$member"
		wait_until 20 is a members "" || return 1
		is a state defined >/dev/null || lparctl deactivate a --force || return 1
		# CPUs that are nobody's have their interrupts.
		same "$(interrupts)" "$irqs" || return 1
	done
}

plan 9
load lpar
start hog sleep 2-3
bystander=$pid
wait_until 20 has_affinity "$bystander" 2-3
irqs=$(interrupts)
done_in_all=0
lparctl create a cpus 2-3 memory 16M
check "$ROUNDS rounds: each ends, done or refused" races
diag "$done_in_all of $((10 * ROUNDS)) were done"
check "most rounds did something" test $done_in_all -ge $((2 * ROUNDS))
check "no cut is armed" wait_until 20 none_is_armed
check "interrupts are as they were" same "$(interrupts)" "$irqs"
check "a bystander, too" has_affinity "$bystander" 2-3
check "activate" lparctl activate a --host
check "the fence is there" hog intrude 3 20000
check "deactivate" lparctl deactivate a
check "the module unloads" wait_until 20 rmmod lpar
