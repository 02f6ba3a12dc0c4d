#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SCHED_DEADLINE beside LPARs: nobody becomes it while one is active, as lpar.md says; who is it
# already goes on elsewhere; and a root domain of one's own is the way out that it tells of.
# vm: cpus=6 threads=2 mem=1024 timeout=120 kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

CGROUP=/sys/fs/cgroup

# deadline COMMAND...: as such a task, of a twentieth of a CPU
deadline() {
	exec chrt -d --sched-runtime 5000000 --sched-deadline 100000000 \
		--sched-period 100000000 0 "$@"
}

# becomes: a process can become one
becomes() {
	(deadline true)
}

is_deadline() {
	chrt -p "$1" | grep -q SCHED_DEADLINE
}

# Nanoseconds that it has run
has_run() {
	cut -d' ' -f1 "/proc/$1/schedstat"
}

runs_on() {
	[ "$(has_run "$1")" -gt "$2" ]
}

# Looked at a thousand times, it is on none of these.
is_never_on() {
	local round stat

	for ((round = 0; round < 1000; round++)); do
		read -r stat <"/proc/$1/stat" || return 1
		read -ra stat <<<"${stat##*) }"
		[[ ${stat[36]} != [$2] ]] || return 1
	done
}

# In the cgroup of the partition
becomes_there() {
	(echo "$BASHPID" >$CGROUP/rt/cgroup.procs && deadline true)
}

# Others come after this in the same VM, and want its CPUs.
remove_partition() {
	[ ! -d $CGROUP/rt ] || rmdir $CGROUP/rt
	echo -cpuset >$CGROUP/cgroup.subtree_control
	remove_rest
}
trap 'leave remove_partition' EXIT

plan 17
load lpar
lparctl create a cpus 2-3
check "a task becomes SCHED_DEADLINE" becomes
start deadline bash -c 'while :; do :; done'
old=$pid
check "as does one that goes on" wait_until 20 is_deadline "$old"
check "activate" lparctl activate a
check_fails "no task becomes it" becomes
start hog sleep 0-1
lparctl member add a "$pid"
check_fails "nor a member" chrt -d --sched-runtime 5000000 --sched-deadline 100000000 \
	--sched-period 100000000 -p 0 "$pid"
check "who was it before is it" is_deadline "$old"
check "but not allowed on the LPAR's CPUs" has_affinity "$old" 0-1,4-5
ran=$(has_run "$old")
check "nor there" is_never_on "$old" 23
check "it goes on" wait_until 20 runs_on "$old" "$((ran + 10000000))"
stop "$pid"
check "deactivate" deactivate_soon a
check "it may be everywhere" has_affinity "$old" 0-5
check "a task becomes it again" becomes
stop "$old"

# A partition beforehand
mkdir $CGROUP/rt
echo +cpuset >$CGROUP/cgroup.subtree_control
echo 4-5 >$CGROUP/rt/cpuset.cpus
echo root >$CGROUP/rt/cpuset.cpus.partition
check "a partition of type root" same "$(cat $CGROUP/rt/cpuset.cpus.partition)" root
check "activate" lparctl activate a
check "a task becomes it in there" becomes_there
check_fails "and nowhere else" becomes
check "the fence is there" hog intrude 3 20000
