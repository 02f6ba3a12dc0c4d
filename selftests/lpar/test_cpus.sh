#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The CPU fence: others are evicted, intruders too, members are confined, and
# everybody has the affinity back in the end.
# vm: cpus=6 threads=2 mem=1024 disks=64M timeout=360 kernels=6.1,6.12,7.2,debug speed=quick long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# The module promises this from the moment an intruder runs there. An emulated
# machine stumbles now and then, so that the median counts.
EVICTED_MS=100

set_online() {
	echo "$2" >"/sys/devices/system/cpu/cpu$1/online"
}

# Its affinity never touches the CPUs in the pattern.
is_off() {
	! affinity "$1" | tr ',' '\n' | grep -Eq "$2"
}

children() {
	pgrep -P "$1"
}

is_no_member() {
	! value a members | tr ' ' '\n' | grep -qx "$1"
}

# stays_off PID PATTERN: for a second.
stays_off() {
	local round

	for round in {1..20}; do
		is_off "$1" "$2" || return 1
		sleep 0.05
	done
}

# The child and the grandchild of a process.
offspring() {
	local child

	child=$(children "$1") && echo "$child" && children "$child"
}

has_offspring() {
	[ "$(offspring "$1" | wc -l)" = 2 ]
}

offspring_is_confined() {
	local one

	has_offspring "$1" || return 1
	for one in $(offspring "$1"); do
		is_no_member "$one" && return 1
		has_affinity "$one" 2-3 || return 1
	done
}

# has_threads PID NUMBER: hog has chosen its affinity before it starts a second.
has_threads() {
	[ "$(hog where "$1" | wc -l)" = "$2" ]
}

plan 57
load lpar
events=$scratch/events
listen "$events"

# Tasks with each kind of affinity, there before the LPAR
start hog sleep 2-3 3
threads=$pid
start hog sleep 1-5
sleeper=$pid
start hog sleep 3
alone=$pid
start hog fork 0-5
family=$pid
start hog sleep 0-1
elsewhere=$pid
start hog spin 2-3
spinner=$pid
wait_until 5 has_affinity "$threads" 2-3
wait_until 5 has_affinity "$alone" 3
wait_until 5 has_affinity "$sleeper" 1-5
wait_until 5 has_affinity "$elsewhere" 0-1
wait_until 5 has_affinity "$spinner" 2-3
wait_until 5 has_offspring "$family"

check "activate" make a cpus 2-3
check "threads left" is_off "$threads" '[23]'
check "one that never sleeps left" is_off "$spinner" '[23]'
stop "$spinner"
check "a task that was only there left" is_off "$alone" '[23]'
check "a wide affinity lost only the fenced CPUs" has_affinity "$sleeper" 1,4-5
check "a task elsewhere was left alone" has_affinity "$elsewhere" 0-1
check "a family left" is_off "$family" '[23]'
check "and its child" is_off "$(children "$family" | head -1)" '[23]'
check "the shell left" is_off $$ '[23]'
check "no intruder so far" is a violations 0

# Who is born with what the fence has left, and has chosen nothing
start sleep 1000
heir=$pid
start sleep 1000
chooser=$pid
check "a child of the shell is off them" has_affinity "$heir" 0-1,4-5

# Intruders
took_us=$(hog intrude 2 5000)
check "an intruder is evicted" test -n "$took_us"
check "and counted" wait_until 2 at_least a violations 1
check "and reported" event "$events" violation 'name="a"' 'comm="hog"' 'cpu=2'
before=$(value a violations)
for round in {1..21}; do
	hog intrude $((2 + round % 2)) 5000 || echo 5000000
done | sort -n >"$scratch/took_us"
took_us=$(sed -n 11p "$scratch/took_us")
check "half of 21 within $EVICTED_MS ms" below "$took_us" $((EVICTED_MS * 1000))
diag "evicted after $(sed '1p;11p;21p;d' "$scratch/took_us" | xargs) us (least, median, most)"
for round in {1..11}; do
	chrt -f 50 hog intrude 2 5000 || echo 5000000
done | sort -n >"$scratch/took_us"
took_us=$(sed -n 6p "$scratch/took_us")
check "also such as the scheduler prefers to all else" below "$took_us" $((EVICTED_MS * 1000))
diag "SCHED_FIFO: after $(sed '1p;6p;11p;d' "$scratch/took_us" | xargs) us (least, median, most)"
check "each one counted" at_least a violations $((before + 21))
check "get says the same" says " violations=[1-9]" lparcall get a
start hog storm 0-5
storm=$pid
check "a fork storm stays out" stays_off "$storm" '[23]'
stop "$storm"

# Members
start hog sleep 0-5 3
member=$pid
start hog sleep 0-5 2
bystander=$pid
wait_until 5 has_threads "$member" 3
wait_until 5 has_threads "$bystander" 2
check "add a member" lparcall member-add a member "$member"
check "all its threads are confined" has_affinity "$member" 2-3
check "sysfs lists it" is a members "$member"
check "event" event "$events" member-added 'name="a"' "pid=$member"
before=$(value a violations)
check "it stays" stays_off "$member" '[0145]'
check "a member is no intruder" is a violations "$before"
make b cpus 4-5
refused EBUSY "a second LPAR cannot have it" lparcall member-add b member "$member"
refused EBUSY "deactivate while it lives" lparcall deactivate a
check_fails "a process that does not exist" lparcall member-add a member 4000000
check_fails "a kernel thread" lparcall member-add a member 2
start hog fork 0-5
parent=$pid
wait_until 5 children "$parent"
child=$(children "$parent" | head -1)
lparcall member-add a member "$child"
grandchild=$(children "$child" | head -1)
check "a member's child is none, if it was there before" is_no_member "$grandchild"
check "its parent is none" is_no_member "$parent"
start hog later 0-5 >"$scratch/later"
later=$pid
wait_until 5 grep -q waiting "$scratch/later"
lparcall member-add a member "$later"
kill -USR1 "$later"
check "children forked later are members" wait_until 10 offspring_is_confined "$later"
stop "$later"
check "remove the member" lparcall member-del a member "$member"
check "it has its affinity back, less the fence" is_off "$member" '[2345]'
check "event" event "$events" member-removed 'name="a"' "pid=$member"
taskset -pc 0 "$chooser" >/dev/null
lparcall member-add a member "$chooser"
check "one that has chosen a CPU since it was moved" has_affinity "$chooser" 2-3
lparcall member-del a member "$chooser"
check "has that choice back" has_affinity "$chooser" 0
stop "$parent"
check "dead members leave by themselves" wait_until 5 is a members ""

# The second LPAR
lparcall member-add b member "$member"
check "a member of the second LPAR" has_affinity "$member" 4-5
check "others have what is left" has_affinity "$bystander" 0-1
before=$(value b violations)
hog intrude 3 5000 >/dev/null
check "an intruder counts in one LPAR only" is b violations "$before"
stop "$member"

# Given back exactly
check "deactivate the second" deactivate_soon b
check "its CPUs are back" has_affinity "$bystander" 0-1,4-5
check "deactivate the first" lparcall deactivate a
check "threads" has_affinity "$threads" 2-3
check "task that was only there" has_affinity "$alone" 3
check "wide affinity" has_affinity "$sleeper" 1-5
check "bystander" has_affinity "$bystander" 0-5
check "family" has_affinity "$family" 0-5
check "who was born between the two fences" has_affinity "$heir" 0-5
check "CPUs can be used again" taskset -c 2 true

# A CPU goes and comes back
lparcall activate a
set_online 3 0
check "degraded" wait_until 5 is a state degraded
check "with the reason" is a reason "cpu 3 offline"
check "event" event "$events" state 'state=degraded' 'reason="cpu 3 offline"'
set_online 3 1
check "active again" wait_until 5 is a state active
check "without a reason" is a reason ""
check "and fenced again" hog intrude 3 5000
