#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Many lives of an LPAR, and nothing lost in any.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=600 kernels=6.1,6.12,7.2,debug speed=full long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# test_cycles_long.sh sets it. On the debug kernel, kmemleak sees what is lost in a few.
case $LPARKIT_KERNEL in
debug) cycles=${cycles:-10} ;;
*) cycles=${cycles:-50} ;;
esac
# A leak of one 4 KiB page in each cycle is seen; other users need less.
limit_kib=$((cycles * 4 < 4096 ? 4096 : cycles * 4))

lives() {
	local cycle

	for ((cycle = 0; cycle < $1; cycle++)); do
		make a cpus 2-3 memory 4M disk "$(disk 1)" || return 1
		unmake a || return 1
	done
}

# With a member that is killed while it holds memory and the gate is closed.
hard_lives() {
	local cycle

	for ((cycle = 0; cycle < $1; cycle++)); do
		make a cpus 2-3 memory 4M || return 1
		start memtool hold /dev/lpar/a 0x5a >"$scratch/hold"
		wait_until 10 grep -q held "$scratch/hold" || return 1
		lparcall member-add a member "$pid" && lparcall gate-close a || return 1
		stop "$pid"
		wait_until 5 is a members "" && wait_until 5 is a holder "" || return 1
		lparcall deactivate a && lparcall delete a || return 1
	done
}

plan 5
load lpar
lives 5
before=$(settled_kib)
check "$cycles lives" lives "$cycles"
check "no memory is lost" wait_until 10 nothing_lost "$before" $limit_kib
check "$((cycles / 5)) hard lives" hard_lives $((cycles / 5))
check "no memory is lost" wait_until 10 nothing_lost "$before" $limit_kib
check "the module has no user left" same "$(cat /sys/module/lpar/refcnt)" 0
