#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An LPAR on CPUs that isolcpus= has taken from the scheduler's balancing: lparctl tells of it,
# threads that are not pinned stay where they are born, and those that are pinned have a CPU
# each. The CPUs beside it are balanced as ever.
# vm: cpus=6 threads=2 mem=1024 timeout=180 append=isolcpus=2,3 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"
# shellcheck source=selftests/lpar/where.sh
. "$(dirname "$0")/where.sh"

# born_in LPAR CPUS: two busy threads, the second of which is born as the LPAR's
born_in() {
	mkfifo "$scratch/go.$1"
	start bash -c "read -r <'$scratch/go.$1'; exec hog spin $2 2"
	lparctl member add "$1" "$pid" && echo >"$scratch/go.$1" &&
		wait_until 20 has_threads "$pid"
}

has_threads() {
	[ "$(tasks "$1" | wc -l)" = 2 ]
}

# Looked at for five seconds, both are on one CPU.
stay_together() {
	local end=$((SECONDS + 5))

	while [ $SECONDS -lt $end ]; do
		are_apart "$1" 1 || return 1
		sleep 0.1
	done
}

# tells COMMAND...: it says that CPUs 2-3 are isolated
tells() {
	"$@" >"$scratch/said" 2>&1 && grep -q ": CPU 2-3 is isolated (isolcpus=" "$scratch/said"
}

affinities() {
	local task

	for task in $(tasks "$1"); do
		taskset -pc "$task" | sed 's/.*: //'
	done | sort | xargs
}

plan 18
load lpar
check "CPUs are isolated" same "$(cat /sys/devices/system/cpu/isolated)" 2-3
lparctl create a cpus 2-3
lparctl create b cpus 4-5
check "check tells of it" tells lparctl check a
check_fails "not where none is" tells lparctl check b
check "activate does" tells lparctl activate a
check_fails "not where none is" tells lparctl activate b

# What runs there
check "threads in the LPAR" born_in a 2-3
bound=$pid
check "stay where they are born" stay_together "$bound"
check_fails "so that they have half a CPU each" has_share "$bound"
# shellcheck disable=SC2046 # words
check "pin" lparcall pin a $(pins "$bound" 2 3)
check "they are apart" wait_until 20 are_apart "$bound" 2
check "and have a CPU each" has_share "$bound"
check "threads in the other" born_in b 4-5
check "are apart by themselves" wait_until 20 are_apart "$pid" 2
check "and have a CPU each" has_share "$pid"
stop "$pid"
stop "$bound"
deactivate_soon a
lparctl delete a

# Started by lparctl, which pins what QEMU says its vCPUs are
mkdir -p /etc/lparkit
printf '%s\n' "[lpar]" "cpus=2-3" "memory=16M" "[guest]" \
	"binary=$(readlink -f "$(dirname "$0")/../ctl/fake-qemu")" "args=-fake no" >/etc/lparkit/a.lpar
check "check of the description tells of it" tells lparctl check a
check "start does" tells lparctl start a
check "vCPUs are pinned all the same" same "$(affinities "$(cat /run/lparkit/a/qemu.pid)")" \
	"2 2,3 2,3 2,3 3"
check "stop" lparctl stop a --timeout 0
