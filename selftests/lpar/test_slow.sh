#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may look at LPARs without rights, and does so as slowly as possible, holds up nobody.
# vm: cpus=3 mem=1024 timeout=180 kernels=6.1,6.12,7.2,debug long=6.1
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# A new network namespace comes into sysfs. From 6.15 on it waits for who lists a directory there.
has_come() {
	[ "$(cat "/proc/$1/comm")" = sleep ] || grep -q kernfs "/proc/$1/wchan"
}

has_ended() {
	! kill -0 "$1" 2>/dev/null
}

# leaves_at_once: a member that has died and been reaped is in nobody's way
leaves_at_once() {
	local round

	for round in {1..20}; do
		start sleep 100
		lparcall member-add a member "$pid" || return 1
		stop "$pid"
		lparcall deactivate a || { echo "# round $round"; return 1; }
		lparcall activate a
	done
}

plan 7
load lpar
make a gate_timeout_ms 3600000

# Who lists a directory of sysfs into memory that does not come
start sysfspoll /sys/class/lpar/a/gate 60 >"$scratch/poll"
wait_until 10 grep -q ready "$scratch/poll"
start slowlist /sys/class/lpar >"$scratch/slow"
slow=$pid
check "a directory of sysfs is listed slowly" wait_until 10 grep -q waits "$scratch/slow"
start unshare -n sleep 100
check "something comes into sysfs" wait_until 10 has_come "$pid"
start lparcall gate-close a gate_timeout_ms 200
closer=$pid
check "who polls a file is woken" wait_until 10 grep -q 'closed\|open' "$scratch/poll"
start lparcall get a >"$scratch/get"
check "who asks is answered" wait_until 10 grep -q gate= "$scratch/get"
check "who closes a gate has done so" wait_until 10 has_ended "$closer"
stop "$slow"
check "sysfs goes on" wait_until 10 is a gate open

# Workers of the kernel that have to share their CPU with many
for _ in {1..20}; do
	start hog spin 0
done
check "who has died is no member" leaves_at_once
