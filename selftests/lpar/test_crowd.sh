#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# More threads in KVM_RUN than a gate has records of: their LPAR is in no cut, and others are. And
# those who are gone leave no record behind. Not on the debug kernel, where so many vCPUs and threads
# that wait for RCU, as they do if they call KVM_RUN in turn, last for longer than it tolerates.
# vm: cpus=4 mem=1024 timeout=300 kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"
# shellcheck source=selftests/lib/kvm.sh
. "$(dirname "$0")/../lib/kvm.sh"

CROWD=1100	# of 1024
ROUNDS=3

are_inside() {
	[ "$(cat "/proc/$1/task"/*/syscall 2>/dev/null | grep -c '^16 0x[0-9a-f]* 0xae80 ')" -ge "$2" ]
}

# arm NAME...: a cut of them, which does not fire while this runs
arm() {
	# shellcheck disable=SC2046 # words
	lparcall cut deadline_ns $(($(date +%s) + 3000))000000000 $(printf 'lpar %s ' "$@")
}

cancel() {
	lparcall cut-cancel cut "$(sed -n 's/.* cut=\([0-9]*\).*/\1/p' "$scratch/armed")"
}

# Members whose vCPUs all die at once
die_together() {
	local round

	for ((round = 0; round < ROUNDS; round++)); do
		vm "dying$round" --vcpus 48 && lparcall member-add a member "$pid" || return 1
		stop "$pid"
		wait_until 60 is a members "$honest" || return 1
	done
}

# crowd_after_child: a process has a child while it is a member of a, is taken off, and becomes
# a guest with a crowd; in $crowd and $child
crowd_after_child() {
	start bash -c "until [ -e $scratch/go ]; do sleep 0.05; done
		sleep 1000 &
		echo \$! >$scratch/child
		until [ -e $scratch/exec ]; do sleep 0.05; done
		exec minikvm run --counters $scratch/crowded --socket $scratch/crowded.sock \
			--crowd $CROWD"
	crowd=$pid
	lparcall member-add a member "$crowd" || return 1
	touch "$scratch/go"
	wait_until 60 test -s "$scratch/child" || return 1
	child=$(cat "$scratch/child")
	started+=("$child")
	lparcall member-del a member "$crowd" || return 1
	touch "$scratch/exec"
	wait_until 60 minikvm ctl "$scratch/crowded.sock" pids >/dev/null 2>&1
}

plan 18
load lpar
load_kvm || bail "no KVM"
make a
check "a guest" vm honest
honest=$pid
lparcall member-add a member "$honest"

# Members that die while a cut is armed
check "a cut of its LPAR" arm a >"$scratch/armed"
check "with its vCPU" is a gate_vcpus 1
check "$ROUNDS members die, with all of their vCPUs" die_together
check "and leave no record" wait_until 60 is a gate_vcpus 1
cancel

# More threads than records
make b
check "another guest has a crowd" crowd_after_child
check "a child that it has had before is a member" wait_until 60 is a members "$honest $child"
check "all of the crowd is in KVM_RUN" wait_until 60 are_inside "$crowd" $CROWD
lparcall member-add b member "$crowd"

check_fails "no cut of both" arm a b 2>"$scratch/refusal"
check "as is said of the one that is in the way" \
	grep '^ENOSPC: LPAR "b" cannot take part in the cut: too many of its threads' "$scratch/refusal"
check "whose gate is open" is b gate open
refused ENOSPC "it cannot be frozen alone" lparcall gate-close b
check "the other can be cut without it" arm a >"$scratch/armed"
check "with its vCPU" is a gate_vcpus 1

# It joins an LPAR while a cut is armed
lparcall member-del b member "$crowd"
refused ENOSPC "the crowd cannot join" lparcall member-add a member "$crowd"
check "and is no member, but its child is, by another request" is a members "$honest $child"
check "has no record either" is a gate_vcpus 1
vm_do honest addcpu >/dev/null
check "so there is room for a new vCPU" wait_until 60 is a gate_vcpus 2
stop "$crowd"
cancel
