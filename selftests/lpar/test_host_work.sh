#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the module does later, and whoever made it necessary, it does on the host's CPUs. The
# kernel's own trace of all work queues is the witness.
# vm: cpus=4 mem=768 timeout=240 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

tracing=/sys/kernel/tracing
online=/sys/devices/system/cpu/cpu3/online

# as_member COMMAND...: a member, on its LPAR's CPUs, does it, and exits.
as_member() {
	# shellcheck disable=SC2016
	sh -c 'lparcall member-add a member $$ && exec "$@"' sh "$@"
}

# Works of the module, a line each: CPU and function.
works() {
	sed -n 's/.* \[0*\([0-9][0-9]*\)\] .* workqueue_execute_start: .* function \([a-z_]*\) \[lpar\].*/\1 \2/p' \
		$tracing/trace
}

# did FUNCTION: it was done since the trace began
did() {
	wait_until 20 eval "works | grep -qw $1"
}

is_elsewhere() {
	works | grep '^[23] '
}

plan 12
mountpoint -q $tracing || mount -t tracefs none $tracing || bail "no tracefs"
load lpar
make a cpus 2-3 memory 64M || bail "no LPAR"
echo >$tracing/trace
echo 1 >$tracing/events/workqueue/workqueue_execute_start/enable

check "a member exits on the LPAR's CPUs" as_member true
check "it is taken off the list" did prune
check "one cuts its LPAR" as_member lparcall cut deadline_ns 0 lpar a
check "the cut is finished" did finish_fired
lparcall gate-open a
check "one closes the gate" as_member lparcall gate-close a gate_timeout_ms 200
check "which opens by itself" did gate_timeout
as_member memtool zero /dev/lpar/a
check "what it held is zeroed" did scrub
as_member lparcall stage a number 2 text "seventh pass" transient
check "the stage of another has ended" did end_stage
echo 0 >$online
wait_until 5 is a state degraded
echo 1 >$online
check "a CPU went and came" did judge_work
check "and tasks were put where they belong" did cpus_work
check "nobody listens any more" did withdraw
echo 0 >$tracing/events/workqueue/workqueue_execute_start/enable
diag "$(works | sort | uniq -c | xargs)"
check_fails "none of that was done on the LPAR's CPUs" is_elsewhere
