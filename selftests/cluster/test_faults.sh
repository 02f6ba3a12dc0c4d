#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One pair of guests, and everything that can break while it is saved
# and restored: the others go on, nothing stays held or half written, and the
# error names the step.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.12
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
	if [ $status != 0 ] && [ $status != 2 ] && grep -qe "$pattern" "$said"; then
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

nothing_held() {
	! lparctl netbuf show | grep -w hold && lparctl list | grep -v closed >/dev/null &&
		! lparctl list | grep -w closed
}

nothing_left() {
	[ -z "$(find $dir -path "*$1*")" ] || { find $dir -path "*$1*"; return 1; }
}

no_session() {
	[ ! -e /run/lparkit/cluster.session ]
}

# as_before NAME WHAT: after a save that failed
as_before() {
	check "$2: the guests go on" all_count
	check "$2: nothing is held" on_all nothing_held
	check "$2: nothing is left" nothing_left "$1"
	check "$2: no session is left" on_all no_session
}

# A command that stops QEMU's process, so that it ignores QMP.
qemu_pid() {
	cat "/run/lparkit/$1/qemu.pid"
}

freeze_qemu() {
	kill -STOP "$(qemu_pid "$1")"
}

thaw_qemu() {
	kill -CONT "$(qemu_pid "$1")"
}

kill_execd() {
	pkill -9 -f 'lparctl execd'
}

# In the background, until the step of a save is under way on this host.
stage_is() {
	[ "$(cat "/sys/class/lpar/$1/stage" 2>/dev/null)" = "$2" ]
}

export -f nothing_held no_session qemu_pid freeze_qemu thaw_qemu kill_execd

check "two hosts" hosts_up || bail "no rig"
check "a pair of guests" cluster_up 1 1000 || bail "no cluster"

# What is wrong from the start
fails "an unknown host" "no host c" save x --hosts a,c
fails "clocks that may differ too much" "clocks of a and b" save x --hosts a,b --max-skew 1us
fails "an LPAR without a guest" "nobody runs no guest" save x --hosts a,b --lpar nobody
as_before x "refused"

# Disks that cannot be saved
fails "no room for the files" "No space left" save full --hosts a,b --dir /full
as_before full "no room"

# QEMU does not answer
on b freeze_qemu b1
fails "a guest that ignores QMP" "guest b1" save deaf --hosts a,b
on b thaw_qemu b1
check "deaf: it recovers" on b lparctl cluster recover
as_before deaf "deaf"

# The caller and its helpers die
killed() {
	local pid

	cluster save "$1" --hosts a,b 2>"$said" &
	pid=$!
	wait_until 60 stage_is a1 2
	"$2" $pid
	! wait $pid
}

interrupt() { kill -INT "$1"; }
murder() { kill -9 "$1"; }
murder_execd() { kill_execd; }
murder_remote() { on b kill_execd; }

for way in interrupt murder murder_execd murder_remote; do
	check "$way while it saves: it fails" killed $way $way
	wait_until 60 on_all no_session
	as_before $way $way
done

# A saved state that is damaged
check "saved" cluster save good --hosts a,b --continue
check "verified" cluster verify good
printf x | dd of=$dir/good/b/b1.state bs=1 seek=5000 conv=notrunc status=none
fails "a damaged file is found" "damaged" verify good
fails "and refused" "damaged" restore good
check "before anything is touched" all_count
check "it can be deleted" cluster delete good
check "nothing is left of it" nothing_left good
