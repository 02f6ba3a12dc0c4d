#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 timeout=600 kernels=6.1,7.2,debug speed=full long=6.1,debug here=kvm,cpus
#
# A QEMU started by hand on an LPAR's memory, made a member by its pid: the guest
# runs, freezes and thaws; QMP works while it is frozen; nobody else gets the memory.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"
trap 'guest_kill_all; tap_end' EXIT

memory_mib=256

# The gate is closed and the snapshot says that the guest obeys it.
still() {
	guest_stands_still web "${1:-1}"
}

moves() {
	! guest_stands_still web 0.3
}

both_held() {
	[ "$(cat /sys/class/lpar/web/gate_held)" = 2 ]
}

qemu_is_member() {
	grep -qw "$guest_pid" /sys/class/lpar/web/members
}

qmp_status_is() {
	guest_qmp web query-status | grep -q "\"status\": \"$1\""
}

# refused NAME WORDS: the QEMU started last ends by itself and says why.
refused() {
	wait_until 120 test ! -d "/proc/$guest_pid" && grep -q "$2" "$run/$1.err"
}

load lpar
guest_prepare || bail "the host VM has no KVM"

check "an LPAR with two CPUs and memory is created" \
	lparctl create web cpus 2-3 memory ${memory_mib}M gate-timeout 1h
guest_start early $memory_mib 1 "$(lpar_backend web)"
check "QEMU does not start while the LPAR is not active" refused early 'No such device or address'
check "it becomes active" lparctl activate web

guest_start web $memory_mib 2 "$(lpar_backend web)"
web_pid=$guest_pid
check "QEMU becomes a member by its pid" lparctl member add web "$web_pid"
check "the guest boots on the LPAR's memory" wait_until 300 guest_is_up web
check "sysfs names QEMU as the holder" test "$(cat /sys/class/lpar/web/holder)" = "$web_pid"
check "sysfs names QEMU as a member" qemu_is_member
check "every thread of QEMU runs on the LPAR's CPUs" test \
	"$(grep -h Cpus_allowed_list "/proc/$web_pid"/task/*/status | sort -u)" = \
	"$(printf 'Cpus_allowed_list:\t2-3')"
data check "the guest's memory holds what it writes" guest_say web "memory 96 7"

check "the guest tells where it counts" guest_find_counters web
check "both vCPUs count" guest_say web "spin 1"
check "and the host sees them count" moves

check "freeze" lparctl freeze web
check "no guest instruction while frozen" still 2
# One that was with QEMU, not in the guest, is held when it comes back.
check "both vCPUs are held" wait_until 10 both_held
check "QMP answers while frozen" qmp_status_is running
check "QMP stop works while frozen" guest_qmp web stop
check "without a guest instruction" still 1
check "QMP says paused" qmp_status_is paused
check "QMP cont while the gate is closed" guest_qmp web cont
check "without a guest instruction" still 1
check "reading the registers kicks the vCPUs" guest_qmp web human-monitor-command \
	'{"command-line":"info registers -a"}'
check "without a guest instruction" still 1
check "thaw" lparctl thaw web
check "and the guest counts again" wait_until 10 moves
check "its heart beats on" guest_goes_on web

check "QMP stop while the gate is open" guest_qmp web stop
check "freeze of a stopped guest" lparctl freeze web
check "thaw of a stopped guest" lparctl thaw web
check "it is still stopped" still 1
check "QMP cont lets it go" guest_qmp web cont
check "and it counts again" wait_until 10 moves

guest_start second $memory_mib 1 "$(lpar_backend web)"
check "a second QEMU is told that the memory is busy" refused second 'Device or resource busy'
check_fails "an LPAR with a guest is not deactivated" lparctl deactivate web
check "the guest has not noticed" guest_goes_on web

guest_kill "$web_pid"
check "the LPAR is deactivated once QEMU is gone" wait_until 10 lparctl deactivate web
check "and deleted" lparctl delete web
check "its device is gone" test ! -e /dev/lpar/web

# Without the node, QEMU would make a file of that name and take it for the memory.
guest_start web $memory_mib 1 "$(lpar_backend web)" -S
check "QEMU on a missing device fails instead of making a file" \
	wait_until 120 test ! -d "/proc/$guest_pid"
check "and leaves none behind" test ! -e /dev/lpar/web
