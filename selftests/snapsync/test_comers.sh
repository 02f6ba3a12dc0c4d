#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Members that come and go around a cut, and STORE of a volume of which only a view is left:
# nobody writes it any more, and who does elsewhere is noticed.
# vm: cpus=2 mem=768 disks=1M,12M,12M,12M timeout=500 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/group.sh
. "$(dirname "$0")/group.sh"

stores=(/dev/vdb /dev/vdc /dev/vdd)

# member NAME STORE
member() {
	store=$2 volume "$1" group g
}

is_past() {
	[ "$(date +%s)" -gt "$1" ]
}

is_finished() {
	states a | grep -q "cut-"
}

# What a cut's report says of a member's result.
result() {
	lparctl -j cut list | python3 -c '
import json, sys
points = [p for c in json.load(sys.stdin) for p in c["points"] if p["name"] == sys.argv[1]]
print("failed" if max(points, key=lambda p: p["fired_ns"]).get("error") else "done")' "$1"
}

# The names of states that a cut took.
cuts() {
	states "$1" | tr ' ' '\n' | grep -c "^cut-"
}

has_cuts() {
	[ "$(cuts "$1")" = "$2" ]
}

# A cut fires while an operation holds the group, and a member waits to join it.
late_member() {
	local instant=$(($(date +%s) + $1)) operation comer

	lparctl cut --at @$instant --lpar g --no-wait || return 1
	dmsetup suspend --noflush --nolockfs slow
	message a extend &
	operation=$!
	sleep 1
	member c "${stores[2]}" &
	comer=$!
	wait_until 120 is_past $instant
	dmsetup resume slow
	wait $operation && wait $comer
}

plan 25
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
wipe_stores
dmsetup create slow --table "0 $(sectors /dev/vdb) linear /dev/vdb 0"
if ! member a /dev/mapper/slow || ! member b "${stores[1]}"; then bail "no volumes"; fi
load lpar
if ! lparctl create g cpus 1 || ! lparctl activate g; then bail "no LPAR"; fi
check "a member joins between a cut and its end" late_member 15
check "the cut is a state" wait_until 60 is_finished
check_is "of those that were there" "$(cuts a)$(cuts b)$(cuts c)" 110
check "the next state is taken on all" message a take all
check_is "three of them" "$(states a | grep -c all)$(states b | grep -c all)$(states c | grep -c all)" 111
check "the late one goes" dmsetup remove c

check "a cut is armed" lparctl cut --at +10s --lpar g --no-wait
check "a member goes before it fires" dmsetup remove b
before=$(sum "${stores[1]}")
check "the cut is a state of the others" wait_until 60 has_cuts a 2
check_is "as the report says" "$(result a)" "done"
check_is "of the one that went, too" "$(result b)" failed
check_is "whose store is not written" "$(sum "${stores[1]}")" "$before"

member b "${stores[1]}"
view vb b all
check "a member goes, but for a view" dmsetup remove b
before=$(sum "${stores[1]}")
check "a state of the group" message a take without
check_is "does not write its store" "$(sum "${stores[1]}")" "$before"
store=${stores[1]}
check_fails "a table that does not fit is refused" volume b group g chunk 64
check "it comes back" member b "${stores[1]}"
check_is "and is a member" "$(message a members | sort | tr '\n' ,)" a,b,
check_fails "the state in view is still held" message b delete all
dmsetup remove b

# Another host, as it were: the same disk by another way.
dmsetup create other --table "0 $(sectors "${stores[1]}") linear ${stores[1]} 0"
check "its store is used elsewhere" member elsewhere /dev/mapper/other
check "and written" message elsewhere take elsewhere
dmsetup remove elsewhere
dmsetup remove other
check_fails "it does not come back as long as a view shows what was" member b "${stores[1]}"
check "the view goes" dmsetup remove vb
check "then it comes back" member b "${stores[1]}"
check_is "with what was done elsewhere" "$(states b | grep -o elsewhere)" elsewhere
dmsetup remove a && dmsetup remove b && dmsetup remove slow
lparctl deactivate g
lparctl delete g
