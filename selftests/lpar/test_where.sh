#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Where the threads of an LPAR run and how fast: each on a CPU of its own, and of
# that it has nearly all, whatever the host does; and what becomes of that when
# CPUs go offline and come back.
# vm: cpus=6 threads=2 mem=1024 timeout=600 kernels=6.1,6.12,7.2,debug long=6.1,7.2,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"
# shellcheck source=selftests/lpar/where.sh
. "$(dirname "$0")/where.sh"

set_online() {
	echo "$2" >"/sys/devices/system/cpu/cpu$1/online"
}

on_cpu() {
	same "$(taskset -pc "$1" | sed 's/.*: //')" "$2"
}

# join_lpar NAME spin|nap|sleep THREADS: a member of which no thread pins anything itself.
join_lpar() {
	start hog "$2" 0-5 "$3"
	wait_until 10 has_threads "$pid" "$3"
	lparctl member add "$1" "$pid"
}

has_threads() {
	[ "$(tasks "$1" | wc -l)" = "$2" ]
}

child_has_affinity() {
	local child

	child=$(pgrep -P "$1") && has_affinity "$child" "$2"
}

active_objects() {
	cut -d' ' -f1 "/sys/kernel/slab/$1/objects"
}

plan 53
load lpar
events=$scratch/events
listen "$events"
start hog spin 0-5 4	# what the host does
noise=$pid

# As many busy threads as CPUs
lparctl create a cpus 2-5
check "activate with all that the host can do" lparctl activate a --host
join_lpar a spin 4
busy=$pid
check "each thread is on a CPU of its own" wait_until 20 are_apart "$busy" 4
check "and has nearly all of it" has_share "$busy"
check "the host's are not there" has_affinity "$noise" 0-1

# Pinned one to one
read -r first second third fourth <<<"$(tasks "$busy" | xargs)"
# shellcheck disable=SC2046 # words
check "pin" lparcall pin a $(pins "$busy" 2 3 4 5)
check "the first" on_cpu "$first" 2
check "the last" on_cpu "$fourth" 5
check "get says so" says " pin=2:$third:4" lparcall get a
check "each has nearly all of its CPU" has_share "$busy"
taskset -pc 5 "$first" >/dev/null
check "one that is taken to another's CPU comes back" wait_until 10 on_cpu "$first" 2
check "which is no stray: the CPU is the LPAR's" is a strays 0

# From here on it does not matter how much they do, and they would slow down all else; but a
# thread that sleeps is moved off a CPU that is gone when it wakes up.
stop "$busy"
# shellcheck disable=SC2046 # words
renice -n 19 $(tasks "$noise") >/dev/null
join_lpar a nap 4
busy=$pid
read -r first second third fourth <<<"$(tasks "$busy" | xargs)"
# shellcheck disable=SC2046 # words
check "pin those of another" lparcall pin a $(pins "$busy" 2 3 4 5)
# What a thread has chosen among the LPAR's CPUs is its own affair, and newer kernels keep it.
taskset -pc 2-5 "$first" >/dev/null
check "one that may run on all of them comes back as well" wait_until 10 on_cpu "$first" 2
set_online 3 0
check "its CPU is gone: it runs on the LPAR's others" wait_until 10 on_cpu "$second" 2,4,5
check "degraded" wait_until 5 is a state degraded
set_online 3 1
check "it is back, and so is the thread" wait_until 10 on_cpu "$second" 3
check "active" wait_until 5 is a state active
# shellcheck disable=SC2046 # words
check "pin two only" lparcall pin a $(pins "$busy" 2 3)
check "these stay" on_cpu "$second" 3
check "the others share what is left" on_cpu "$fourth" 4,5
refused EINVAL "a CPU that is not the LPAR's" lparcall pin a pin "0:$first:1"
refused EINVAL "two on one CPU" lparcall pin a pin "0:$first:2" pin "1:$second:2"
refused EINVAL "one thread on two" lparcall pin a pin "0:$first:2" pin "1:$first:3"
refused EINVAL "one vCPU twice" lparcall pin a pin "0:$first:2" pin "0:$second:3"
refused ESRCH "a thread that is no member" lparcall pin a pin "0:$noise:2"
# shellcheck disable=SC2046 # words
refused E2BIG "more pins than get can show" \
	lparcall pin a $(for n in $(seq 513); do echo "pin $n:$first:2"; done)
check "which changed nothing" on_cpu "$fourth" 4,5
check "pin none" lparcall pin a
check "all share all" has_affinity "$busy" 2-5
taskset -pc 0 "$second" >/dev/null
check "one that is taken off the LPAR's CPUs comes back" wait_until 10 on_cpu "$second" 2-5
check "and is told" event "$events" strayed 'name="a"' "pid=$second"
check "and counted" at_least a strays 1
taskset -apc 0-1 "$busy" >/dev/null
check "all of them come back" wait_until 10 has_affinity "$busy" 2-5
# shellcheck disable=SC2046 # words
lparcall pin a $(pins "$busy" 2 3 4)
join_lpar a sleep 1
other=$pid
check "another has what is left" has_affinity "$other" 5
stop "$busy"
check "and all when the pinned ones are dead" wait_until 10 has_affinity "$other" 2-5
stop "$other"
join_lpar a sleep 4
busy=$pid
check "who comes then has all CPUs" has_affinity "$busy" 2-5
stop "$busy"
deactivate_soon a
check "the host's are everywhere" has_affinity "$noise" 0-5
stop "$noise"

# A child of a pinned thread
start hog later 0-5 >"$scratch/later"
wait_until 10 grep -q waiting "$scratch/later"
lparcall activate a
lparcall member-add a member "$pid"
lparcall pin a pin "0:$pid:2"
kill -USR1 "$pid"
check "a pinned thread's child runs where nobody is pinned" \
	wait_until 20 child_has_affinity "$pid" 3-5
child=$(pgrep -P "$pid")
lparcall deactivate a force
check "and has what its parent had at first" has_affinity "$child" 0-5
stop "$pid"

# No CPU left
lparcall set a cpus 4-5
lparcall activate a
join_lpar a sleep 1
set_online 4 0
set_online 5 0
check "all CPUs of the LPAR offline" wait_until 5 is a state degraded
check "another LPAR can be activated" make b cpus 2-3
lparcall deactivate b
set_online 4 1
set_online 5 1
check "the member is back on its CPUs" wait_until 10 has_affinity "$pid" 4-5
check "remove it" lparcall member-del a member "$pid"
lparcall deactivate a
check "it has what it had at first" has_affinity "$pid" 0-5
stop "$pid"
lparcall delete b

# Half a core
set_online 3 0
lparcall set a cpus 2
check "a CPU whose sibling is offline" lparcall activate a
set_online 3 1
check "the sibling comes: degraded" wait_until 5 is a state degraded
check "and told" event "$events" state 'state=degraded' 'name="a"'
set_online 3 0
check "it goes: active" wait_until 5 is a state active
set_online 3 1
lparcall deactivate a

# Many that come and die
lparcall set a cpus 2-3
lparcall activate a
pids_before=$(active_objects pid)
check "thousands of intruders are evicted" hog swarm 2 1700 >/dev/null
pids_after=$(active_objects pid)
check "and leave nothing for good" below $((pids_after - pids_before)) 1200
lparcall deactivate a

# Anybody may send intruders, several to a CPU, so that all tasks have to be looked at;
# but not make the host look all the time.
have_run() {
	local one sum=0

	for one; do
		sum=$((sum + $(cut -d' ' -f1 "/proc/$one/schedstat")))
	done
	echo $sum
}

share_of() {
	local before after began ended

	before=$(have_run "$@")
	began=$(date +%s%N)
	sleep 10
	after=$(have_run "$@")
	ended=$(date +%s%N)
	echo $((100 * (after - before) / (ended - began)))
}
start hog sleep 0-5 3000
wait_until 60 has_threads "$pid" 3000
lparcall activate a
for _ in 1 2 3; do
	start setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v hog)" back 2
done
wait_until 20 at_least a violations 100
events_before=$(grep -c event=violation "$events")
began=$(date +%s)
share=$(share_of "$(pgrep -x lpar_watch)")
told=$(($(grep -c event=violation "$events") - events_before))
seconds=$(($(date +%s) - began + 1))
diag "lpar_watch had $share % of a CPU"
check "intruders without end: looks at all tasks leave the host its CPUs" below "$share" 50
check "nobody who listens is flooded" below "$told" $((10 * seconds + 10))
check "and the LPAR can be deactivated" lparcall deactivate a
