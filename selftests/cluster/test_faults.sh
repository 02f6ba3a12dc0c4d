#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One pair of guests, and everything that can break while it is saved
# and restored: the others go on, nothing stays held or half written, and the
# error names the step.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

said=$scratch/said

# fails DESCRIPTION PATTERN ARGUMENT...: cluster ... fails, and says such words
fails() {
	local description=$1 pattern=$2 status

	shift 2
	cluster "$@" 2>"$said"
	status=$?
	sed 's/^/# /' "$said"
	[ $status != 0 ] || bail "$description: did not fail"
	if [ $status != 2 ] && grep -qe "$pattern" "$said"; then
		ok "$description"
	else
		not_ok "$description: status $status"
		diag "$(head -n 3 "$said")"
	fi
}

# on_all COMMAND...: on both hosts
on_all() {
	on a "$@" && on b "$@"
}

# as_before NAME WHAT: after a save that failed
as_before() {
	check "$2: the guests go on" all_count
	check "$2: nothing is held" on_all nothing_held
	check "$2: nothing is left" on_all nothing_left "$1"
	check "$2: no session is left" on_all no_session
}

# killed NAME WAY: something dies while it saves, and the command fails
killed() {
	local pid

	lparctl cluster save "$1" --hosts a,b --via $via --dir $dir 2>"$said" &
	pid=$!
	wait_until 60 is_saving a1
	"$2" $pid
	! wait $pid
}

interrupt() { kill -INT "$1"; }
kill_caller() { kill -9 "$1"; }
kill_here() { kill_execd; }
kill_there() { on b kill_execd; }

check "two hosts" hosts_up || bail "no rig"
check "a pair of guests" cluster_up 1 1000 || bail "no cluster"

# What is wrong from the start
fails "an unknown host" "no host c" save x --hosts a,c
fails "clocks that may differ too much" "clocks of a and b" save x --hosts a,b --max-skew 1us
fails "an LPAR without a guest" "no guest of the LPARs of --lpar runs here" save x --hosts a,b --lpar nobody
as_before x "refused"

# No room
check "small directories" on_all small_dir
dir=$small fails "no room for the files" "No space left" save full --hosts a,b
as_before full "no room"

# QEMU does not answer
on b freeze_qemu b1
fails "a guest that ignores QMP" "guest b1" save deaf --hosts a,b
on b thaw_qemu b1
check "deaf: it recovers" on b lparctl cluster recover
as_before deaf "deaf"

# The caller or an execd dies, or the caller gives up
for way in interrupt kill_caller kill_here kill_there; do
	check "$way while it saves: it fails" killed $way $way
	wait_until 60 on_all no_session
	as_before $way $way
done

# A saved state that is damaged
check "saved" cluster save good --hosts a,b --continue
check "verified" cluster verify good
on b spoil $dir/good/b/b1.state
fails "a damaged file is found" "damaged" verify good
fails "and refused" "damaged" restore good
check "before anything is touched" all_count
check "it can be deleted" cluster delete good
check "nothing is left of it" on_all nothing_left good

# A host dies: the other is as it was
check "saved again" cluster save good --hosts a,b --continue
dies() {
	local pid

	lparctl cluster save "$1" --hosts a,b --via $via --dir $dir --timeout 20s 2>"$said" &
	pid=$!
	wait_until 60 is_saving a1
	on b crash &
	! wait $pid
}
check "host b dies while it saves: it fails" dies dead
check "the error names it" grep -q "host b" "$said"
check "host a: its guest runs" grows a1 sent
check "host a: nothing is held" nothing_held
check "host a: nothing is left" nothing_left dead
check "host a: no session is left" no_session
fails "and nothing is restored" "host b" restore good
check "host a: its guest still runs" grows a1 sent
