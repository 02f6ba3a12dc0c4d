#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nobody stays on an LPAR's CPUs by a wish that cannot be granted, as a CPU is offline, nor
# keeps others from becoming active.
# vm: cpus=6 mem=768 timeout=120 speed=long kernels=6.1,6.12,7.2,debug long=6.1,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# is_off CPU PID: none of its threads may run there
is_off() {
	local part

	for part in $(affinity "$2" | tr , ' '); do
		[ "$1" -lt "${part%-*}" ] || [ "$1" -gt "${part#*-}" ] || return 1
	done
}

plan 8
load lpar
echo 0 >/sys/devices/system/cpu/cpu5/online

make a cpus 2
start hog sleep 0-5
lparcall member-add a member "$pid"
check "a member asks for a CPU that is offline as well" taskset -pc 2,5 "$pid"
check "it is taken out" lparcall member-del a member "$pid"
check "and off the LPAR's CPU" wait_until 10 is_off 2 "$pid"
check "another LPAR becomes active" make b cpus 3
unmake b
stop "$pid"

# Two threads, so that one runs on the LPAR's CPU.
start hog spin 2,3,5 2
check "one that is evicted" wait_until 10 is_off 2 "$pid"
taskset -apc 3,5 "$pid" >/dev/null
make b cpus 3
lparcall deactivate a
lparcall create c cpus 4
check "asks for what it has: another LPAR becomes active" lparcall activate c
check "and has its CPU alone" is_off 4 "$pid"
stop "$pid"
check "the first one does again" lparcall activate a
