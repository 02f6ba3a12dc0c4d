#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each allocation of an activation fails once. Whatever the answer, the LPAR is
# then either active with all it has or defined with nothing.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=900 kernels=debug speed=full
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

FAULTS=/sys/kernel/debug
disk=$(disk 1)
size_kib=$((8 << 10))

inject_everywhere() {
	local kind

	for kind in failslab fail_page_alloc; do
		[ -d $FAULTS/$kind ] || return 1
		echo N >$FAULTS/$kind/ignore-gfp-wait
		# One complaint for each fault would be taken for a defect.
		echo 0 >$FAULTS/$kind/verbose
	done
	echo N >$FAULTS/fail_page_alloc/ignore-gfp-highmem
	echo 0 >$FAULTS/fail_page_alloc/min-order
}

# Whichever allocation fails: who has become a member is stopped, and who has not was refused.
# One whose answer was lost is a member, too.
joins_stopped() {
	local nth status

	for nth in {1..100}; do
		lparcall --fail "$nth" member-add a member "$1" >"$scratch/joins" 2>&1
		status=$?
		if [ $status = 1 ] && [ -z "$(value a members)" ]; then
			continue
		fi
		is a members "$1" || return 1
		if ! watch still guest 200; then
			echo "# runs on, as allocation $nth has failed"
			return 1
		fi
		[ $status != 3 ] || return 0
		lparcall member-del a member "$1" || return 1
	done
	return 1
}

plan 17
inject_everywhere || bail "no fault injection in this kernel"
load lpar
lparcall create a cpus 2-3 memory $((size_kib >> 10))M disk "$disk"
lparcall activate a
lparcall deactivate a
before=$(settled_kib)
check "activation: all or nothing" failnth a "$disk" 2
check "no memory is lost" wait_until 30 nothing_lost "$before" $size_kib
check "deactivation" lparcall --fail-each 'activate a' deactivate a
lparcall deactivate a
check "it is complete" is a state defined
# Whoever writes to a file of an LPAR waits for what is done to it: not for each other.
put a gate_timeout_ms 5000
put a gate open
check "creation" lparcall --fail-each 'delete b' create b cpus "" memory 2M gate_timeout_ms 1000
check_fails "nothing is left" test -e /sys/class/lpar/b
check "configuration" lparcall --fail-each '' set a memory 4M
check "owner" lparcall --fail-each 'set a owner_uid 0' set a owner_uid 1000
check "the device node is the last one's" same "$(stat -c %u /dev/lpar/a)" 0
lparcall activate a
start hog spin 0-3 3
check "members" lparcall --fail-each "member-del a member $pid" member-add a member "$pid"
check "grants" lparcall --fail-each "revoke a grant $pid" grant a grant "$pid"
check "gate" lparcall --fail-each 'gate-open a' gate-close a
check "cut" lparcall --fail-each 'gate-open a' cut deadline_ns 0 lpar a
lparcall gate-open a
stop "$pid"
modprobe kvm_amd
vm guest
guest=$pid
check "the gate closes" lparcall gate-close a gate_timeout_ms 600000
check "a guest runs" watch move guest 1000
check "who joins while the gate is closed is stopped" joins_stopped "$guest"
check "the end" remove_all
