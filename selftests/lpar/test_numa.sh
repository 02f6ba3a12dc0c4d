#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# NUMA balancing takes no mappings of LPAR memory away, of which it can migrate nothing.
# 7.2 counts no such faults in a VM like this one, and the debug kernel has no such balancing, so
# that nothing is seen there.
# vm: cpus=4 nodes=2 mem=1024 timeout=240 kernels=6.1,6.12 long=6.1
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# A sweep over other memory makes thousands of faults; the stack has some.
FEW=512

tunables=/sys/kernel/debug/sched/numa_balancing
settings=(/proc/sys/kernel/numa_balancing "$tunables"/scan_{delay,period_min,period_max}_ms)

# tune VALUE...
tune() {
	local setting

	for setting in "${settings[@]}"; do
		echo "$1" >"$setting"
		shift
	done
}

put_back() {
	# shellcheck disable=SC2086 # words
	tune $had
	remove_rest
}

plan 4
load lpar
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
had=$(cat "${settings[@]}")
trap 'leave put_back' EXIT
tune 1 100 100 200
make a memory 32M node 1

other=$(memtool busy anonymous 15)
diag "anonymous memory: $other faults"
check "NUMA balancing looks at other memory" test "$other" -gt $FEW
ours=$(memtool busy /dev/lpar/a 15)
diag "LPAR memory: $ours faults"
check "but not at an LPAR's" below "$ours" $FEW
check "which is in large pieces" same "$(memtool pmd /dev/lpar/a)" $((32 << 10))
check "deactivate" deactivate_soon a
