#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=2 mem=3072 timeout=1800 modprobe=kvm_amd kernels=6.12 speed=long count
#
# What hot paths cost in instructions, ours and those of our peers: see cost.sh. One line
# of JSON for each figure. ROUNDS: of everything (3).
# Arguments choose parts: netbuf calls switches faults gate blocks (all).

set -u

# shellcheck source=selftests/bench/cost.sh
. "$(dirname "$0")/cost.sh"

declare -A told=()

# tell: what has been measured since the last time
tell() {
	local name

	for name in $(tr ' ' '\n' <<<"${!cost[@]}" | sort -V); do
		[ -z "${told[$name]:-}" ] || continue
		told[$name]=1
		figure "${name}_instructions" "${cost[$name]}" instructions
	done
}

only_cpu0
[ $# -gt 0 ] || set -- netbuf calls switches faults gate blocks
for part; do
	case $part in
	netbuf | calls | switches | faults) "cost_$part" ;;
	gate) cost_gate 1; cost_gate 64 ;;
	blocks) cost_blocks 1 64 256 ;;
	*) die "no part $part" ;;
	esac
	tell
done
ratios | while read -r name value; do
	figure "$name" "$value" ratio
done
