#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Groups: all or none, at one instant, also across a crash between the two phases.
# vm: cpus=2 mem=768 disks=1M,12M,12M,48M,48M timeout=400 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug here
# shellcheck source=selftests/snapsync/group.sh
. "$(dirname "$0")/group.sh"

start_writer() {
	snappair write /dev/mapper/a /dev/mapper/b &
	writer=$!
}

stop_writer() {
	kill "$writer"
	wait "$writer" 2>/dev/null
}

# Views of a state on both members, while writes go on.
is_consistent() {
	view va a "$1" && view vb b "$1" || return 1
	snappair read /dev/mapper/va /dev/mapper/vb
	local status=$?
	dmsetup remove va && dmsetup remove vb && return $status
}

takes_are_consistent() {
	local i member

	for i in {1..4}; do
		for member in a b; do
			message $member take "$member$i" || return 1
			is_consistent "$member$i" || return 1
		done
	done
}

# The store as it was before its last superblock but N: a FUA write to one of the first two
# blocks. Another one, to its copy, is under way at the same time.
replay_before_super() {
	replay_before "$1" "$(logreplay "${logs[$1]}" list | awk -v n="$2" \
		'$2 == "fua" && $3 < 16 { at[c++] = $1 } END { print n < 0 ? 1e9 : at[c - 1 - n] }')"
}

plan 30
head -c 1M /dev/zero | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
wipe_stores
check "two volumes of a group" members
check "a take on one" message a take one
check_is "is one on both" "$(both states)" "one /one "
message b rename one two
check_fails "a name that one has already" message a take two
check_is "is taken on none" "$(both states)" "one /two "
message b rename two one
start_writer
data check "states under load are consistent" takes_are_consistent

load lpar
lparctl create g cpus 1 || bail "no LPAR"
check "an LPAR of the group's name" lparctl activate g
check "a cut" lparctl cut --at now --lpar g
lparctl -j cut list | tee "$scratch/cut" >&2
stop_writer
cut=$(states a | tr ' ' '\n' | grep ^cut-)
check "has made a state" test -n "$cut"
check_is "on both" "$(states b | tr ' ' '\n' | grep ^cut-)" "$cut"
data check "which is consistent" is_consistent "$cut"
check_is "each member reports its time" \
	"$(grep -o '"kind":"snapsync","name":"[ab]","fired_ns":[0-9]*' "$scratch/cut" | wc -l)" 2
lparctl cut --at now --lpar g --action open
check_is "opening takes no state" "$(states a | tr ' ' '\n' | grep -c ^cut-)" 1
lparctl deactivate g
lparctl delete g
check "removal" remove_members

wipe_stores
log_stores || bail "no log"
members /dev/mapper/log0 /dev/mapper/log1 || bail "no volumes"
check "a take of which the log is kept" message a take one
remove_members
dmsetup remove log0
dmsetup remove log1

# The members' last transaction is the take: a decides, b prepares and then confirms.
replay_before_super 0 -1
replay_before_super 1 0
store=${stores[1]} volume b group g
check_is "died before b confirmed: b alone cannot know" "$(states b)" "one:undecided "
check_fails "an undecided state cannot be restored" message b restore one
dmsetup remove b
dd if="${stores[1]}" of="$scratch/undecided" bs=1M iflag=direct status=none
store=${stores[1]} volume b group g
check_fails "nothing else is settled" lparctl snap settle b two keep
check "if a is gone for good, the state is settled: it is none" lparctl snap settle b one drop --group
check_is "nor is it listed" "$(states b)" ""
dmsetup remove b
dd if="$scratch/undecided" of="${stores[1]}" bs=1M oflag=direct status=none
store=${stores[1]} volume b group g
check "or it is one" lparctl snap settle b one keep
check "which can be restored" message b restore one
dmsetup remove b
store=${stores[1]} volume b group g
check_is "and stays" "$(states b)" "one "
dmsetup remove b
dd if="$scratch/undecided" of="${stores[1]}" bs=1M oflag=direct status=none
store=${stores[1]} volume b group g
store=${stores[0]} volume a group g
check_is "with a it is there on both" "$(both states)" "one /one "
remove_members
members
check_is "and stays" "$(both states)" "one /one "
remove_members

replay_before_super 0 0
replay_before_super 1 0
check "died before a decided" members
check_is "it is there on none" "$(both states)" "/"
remove_members
replay_before_super 0 0
replay_before_super 1 1
check "died before b prepared" members
check_is "it is there on none, too" "$(both states)" "/"
check "the name can be taken" message b take one
