#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink family: who may, what nonsense does, and allocations that fail.
# vm: cpus=2 mem=1024 timeout=300 modprobe=kvm_amd kernels=7.2,debug speed=full long=debug here=kvm
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

messages=5000
seed=${LPARKIT_SEED:-$RANDOM}

as_nobody() {
	setpriv --reuid 65534 --clear-groups "$(command -v lparctl)" throttle "$@"
}

# Needed by what follows, which is for kernels with fault injection.
inject() {
	local kind

	for kind in failslab fail_page_alloc; do
		[ -d /sys/kernel/debug/$kind ] || return 1
		echo N >/sys/kernel/debug/$kind/ignore-gfp-wait
		echo 0 >/sys/kernel/debug/$kind/verbose
	done
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
}

# starve 0|1: the vCPU threads find no memory where they cannot wait for it.
starve() {
	local faults=/sys/kernel/debug/failslab tid

	[ "$1" = 1 ] && echo Y >$faults/task-filter || echo N >$faults/task-filter
	echo Y >$faults/ignore-gfp-wait
	echo -1 >$faults/times
	echo $((100 * $1)) >$faults/probability
	for tid in $(guest_do one tids); do
		echo "$1" >"/proc/$pid/task/$tid/make-it-fail" || return 1
	done
}

# undelayed: pages of vCPUs that have no record
some_undelayed() {
	[ "$(field "$pid" undelayed)" -gt 100 ]
}

load dirtythrottle
guest one --vcpus 2
guest_do one log-on
guest_do one go
lparctl throttle attach "$pid" --limit 4M

for change in "attach $$" "set $pid --count" "detach $pid"; do
	# shellcheck disable=SC2086 # words
	check_fails "nobody: $change" as_nobody $change
done
check_fails "nobody: sysfs" setpriv --reuid 65534 --clear-groups sh -c "echo 0 >$class/$pid/limit"
check "nobody may ask" as_nobody show "$pid"
check_fails "root without CAP_SYS_ADMIN may not" setpriv --bounding-set=-sys_admin \
	lparctl throttle set "$pid" --count
check "nothing of it had an effect" is "$pid" limit 4194304

check "$messages messages of nonsense" throttlefuzz $messages "$seed" "$pid"
check "two at once" sh -c "throttlefuzz $((messages / 4)) $((seed + 1)) $pid &
	throttlefuzz $((messages / 4)) $((seed + 2)) $pid && wait \$!"
lparctl throttle detach "$pid"
if inject; then
	check "attach: all or nothing, whatever fails" throttlefault "$pid"
	check "no memory for vCPUs" starve 1
	check "attach" lparctl throttle attach "$pid" --limit 64K
	check "the guest runs on, not delayed" wait_until 20 some_undelayed
	check "memory again" starve 0
	measure one 3
	check "and it is delayed" in_limit 64 2
	check "detach" lparctl throttle detach "$pid"
fi
check "it still works" lparctl throttle attach "$pid" --limit 1M
measure one 2
check "and throttles" in_limit 1024 2
check "the guest runs" guest_do one stop
check "detach" lparctl throttle detach "$pid"
check "the module can be unloaded" rmmod dirtythrottle
