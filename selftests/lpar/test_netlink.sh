#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink family: who may, and what nonsense does.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=600 kernels=6.1,6.12,7.2,debug speed=full long=6.1,6.12 here=cpus
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

NOBODY=65534
# test_netlink_long.sh sets it. The debug kernel takes its time for each.
case $LPARKIT_KERNEL in
debug) messages=${messages:-2000} ;;
*) messages=${messages:-10000} ;;
esac

as_nobody() {
	lparcall --user $NOBODY "$@"
}

as_before() {
	is a state active && is a gate open && is b state defined && same "$(names | xargs)" "a b"
}

fuzz_together() {
	local jobs=() job failed=0

	for job in 1 2; do
		nlfuzz $((messages / 4)) $((seed + job)) "$(disk 1)" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || failed=1
	done
	return $failed
}

plan 36
load lpar
make a cpus 2-3 memory 4M
lparcall create b

# Not root
changes=("create c" "delete b" "set b memory 2M" "activate b" "deactivate a" "deactivate a force"
	"member-add a member $$" "member-del a member $$" "gate-close a" "gate-open a"
	"stage a number 1" "check b" "cut deadline_ns 0 lpar a" "cut-cancel cut 1")
for change in "${changes[@]}"; do
	# shellcheck disable=SC2086 # words
	refused EPERM "nobody: $change" as_nobody $change
done
for question in "get a" list cut-list; do
	# shellcheck disable=SC2086 # words
	check "nobody may ask: $question" as_nobody $question
done
check_fails "nobody: the memory" setpriv --reuid $NOBODY --clear-groups \
	"$(command -v memtool)" open /dev/lpar/a
check_fails "nobody: the gate in sysfs" setpriv --reuid $NOBODY --clear-groups \
	sh -c 'echo close >/sys/class/lpar/a/gate'

# Root, but not quite
for capability in sys_admin net_admin; do
	refused EPERM "root without $capability" setpriv --bounding-set=-$capability \
		lparcall create c
done
if [ -e /proc/self/ns/user ]; then
	refused EPERM "root of a user namespace" unshare -U -r lparcall create c
else
	skip "root of a user namespace" "this kernel has none"
fi
check_fails "another network namespace has no such family" unshare -n lparcall list
check "nothing of it had an effect" as_before

# A cut that nobody knows of would be a trap
check "a cut, by somebody who cannot be told" \
	lparcall deaf cut deadline_ns $(($(date +%s) + 600))000000000 lpar a
check "was armed, and is cancelled" grep -q cut_state=cancelled <(lparcall cut-list)
check "the gate is watched no more" is a gate open
check "clean up" remove_all

# Nonsense
seed=${LPARKIT_SEED:-$RANDOM}
diag "LPARKIT_SEED=$seed"
check "$messages messages of nonsense" nlfuzz "$messages" "$seed" "$(disk 1)" >"$scratch/fuzz"
# Otherwise the nonsense does not reach behind the policies.
check "some accepted, some refused" grep -E "[1-9][0-9]* accepted, [1-9][0-9]* refused" "$scratch/fuzz"
check "what is left can be deleted" remove_all
check "two at once" fuzz_together
check "what is left can be deleted" remove_all
check "the module still works" make a cpus 2-3 memory 4M
check "and ends" unmake a
check "can be unloaded" rmmod lpar
load lpar
