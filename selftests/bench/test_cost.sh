#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=2 mem=3072 timeout=600 modprobe=kvm_amd kernels=6.12 count
#
# No hot path becomes dearer unnoticed: what bench_cost.sh finds, of fewer, stays below
# costs.budget. That is no timed test: it counts instructions.

set -u

# shellcheck source=selftests/bench/cost.sh
. "$(dirname "$0")/cost.sh"

# within NAME VALUE BUDGET
within() {
	awk -v is="$2" -v budget="$3" 'BEGIN { exit !(is > 0 && is <= budget) }' && return
	echo "# $1 is $2, its budget $3"
	return 1
}

only_cpu0
# Frames and blocks as often as bench_cost: there what is ours scatters most.
cost_netbuf
# shellcheck disable=SC2034 # of cost.sh
scale=50 targets=(snapsync)
cost_calls
cost_switches
rounds=2 cost_faults
# shellcheck disable=SC2034
scale=100
cost_blocks 1
ratios >"$scratch/ratios"
while read -r name budget _; do
	[[ $name != "#"* && -n $name ]] || continue
	value=$(awk -v name="$name" '$1 == name { print $2 }' "$scratch/ratios")
	diag "$name $value of $budget"
	check "$name is within its budget" within "$name" "${value:-0}" "$budget"
done <"$(dirname "$0")/costs.budget"
