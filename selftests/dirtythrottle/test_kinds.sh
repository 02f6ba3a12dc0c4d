#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=3072 timeout=1800 modprobe=kvm_amd kernels=6.12,7.2 speed=long here=kvm
#
# Kinds of migration, one after another, of one guest that dirties its memory faster than
# the link takes it: with "lparctl throttle follow" each ends, and memory arrives as it was.
# In between QEMU measures how fast the throttled guest dirties it.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
# shellcheck source=selftests/dirtythrottle/migration.sh
. "$(dirname "$0")/migration.sh"
trap 'guest_kill_all; tap_end' EXIT

limit_mib=4

# start_hop NAME [QEMU-ARG...]: with a monitor for follow
start_hop() {
	local name=$1

	shift
	guest_start "$name" $memory_mib 2 $backend \
		-qmp "unix:$run/$name.follow,server=on,wait=off" "$@"
}

# answers NAME: its monitor is there
answers() {
	guest_qmp "$1" query-status >/dev/null 2>&1
}

# set_capability NAME CAPABILITY true|false
set_capability() {
	guest_qmp "$1" migrate-set-capabilities \
		"{\"capabilities\":[{\"capability\":\"$2\",\"state\":$3}]}" >/dev/null
}

# status_of NAME
status_of() {
	guest_qmp "$1" query-migrate | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["return"].get("status", "none"))'
}

# status_is NAME STATUS
status_is() {
	[ "$(status_of "$1")" = "$2" ]
}

# prepare FROM TO [CAPABILITY]: TO waits for FROM's migration
prepare() {
	local from=$1 to=$2

	capability=${3:-}
	start_hop "$to" -incoming defer
	to_pid=$guest_pid
	wait_until 60 answers "$to" || return 1
	if [ -n "$capability" ]; then
		set_capability "$from" "$capability" true
		set_capability "$to" "$capability" true
	fi
	port=$((port + 1))
	guest_qmp "$to" migrate-incoming "{\"uri\":\"tcp:127.0.0.1:$port\"}" >/dev/null
	guest_qmp "$from" migrate-set-parameters \
		"{\"max-bandwidth\":$bandwidth,\"downtime-limit\":$downtime_ms}" >/dev/null
}

# begin FROM: its migration, and who follows it
begin() {
	lparctl -j throttle follow "$run/$1.follow" --wait 60s >"$run/followed" &
	follower=$!
	guest_qmp "$1" migrate "{\"uri\":\"tcp:127.0.0.1:$port\"}" >/dev/null
}

# arrived KIND TO: it was completed, and the guest goes on there
arrived() {
	wait $follower
	check_is "$1: completed" $? 0
	diag "$1: $(cat "$run/followed")"
	check "$1: nothing is throttled any more" none_throttled
	guest_kill "$at_pid"
	check "$1: the guest goes on at the destination" guest_goes_on "$2"
	check "$1: its memory is as it was" guest_say "$2" dirtied
	[ -z "$capability" ] || set_capability "$2" "$capability" false
	at=$2
	at_pid=$to_pid
	guest_say "$2" "dirty $set_mib"
}

# hop KIND TO [CAPABILITY]
hop() {
	prepare "$at" "$2" "${3:-}" && begin "$at" && arrived "$1" "$2"
}

none_throttled() {
	[ -z "$(ls /sys/class/dirtythrottle)" ]
}

is_throttled() {
	[[ $(cat "/sys/class/dirtythrottle/$at_pid/state" 2>/dev/null) == throttling* ]]
}

rate_is_known() {
	guest_qmp "$at" query-dirty-rate | /usr/bin/python3 -c '
import json, sys
info = json.load(sys.stdin)["return"]
if info["status"] != "measured":
    sys.exit(1)
print(info["dirty-rate"])' >"$run/rate"
}

# measured MODE: QEMU's figure, in MiB per second of a second
measured() {
	guest_qmp "$at" calc-dirty-rate "{\"calc-time\":2,\"mode\":\"$1\"}" >/dev/null
	wait_until 60 rate_is_known
}

guest_prepare || bail "the host VM has no KVM"
start_hop a
at=a
at_pid=$guest_pid
wait_until 300 guest_is_up a || bail "the guest does not boot"
guest_say a "dirty $set_mib"
load dirtythrottle

# With the dirty log on for nothing but a measurement
lparctl throttle attach "$at_pid" --limit ${limit_mib}M
check "QEMU measures by the dirty log" measured dirty-bitmap
diag "$(cat "$run/rate") MiB/s of $limit_mib"
# It knows whole MiB, and what was saved or owed comes on top.
check "it finds the limit kept" test "$(cat "$run/rate")" -le $((limit_mib + 1))
lparctl throttle detach "$at_pid"
check "the guest goes on" guest_goes_on a

# Cancelled while it is throttled, and again
prepare a b
begin a
check "throttled" wait_until 120 is_throttled
guest_qmp a migrate_cancel >/dev/null
wait $follower
check_is "cancelled: its follower says so" $? 1
check "and lets it go" none_throttled
guest_kill "$to_pid"
check "the guest goes on" guest_goes_on a
check "it is cancelled" wait_until 30 status_is a cancelled
hop "again" c
hop "xbzrle" d xbzrle
hop "multifd" e multifd

# Post-copy, while it is throttled
prepare e f postcopy-ram
begin e
check "throttled" wait_until 120 is_throttled
guest_qmp e migrate-start-postcopy >/dev/null
arrived "post-copy" f

# A ring in the place of the log: the next QEMU has it, and is left with it
guest_accel=kvm,dirty-ring-size=1024
hop "into a dirty ring" g
lparctl throttle attach "$at_pid" --limit ${limit_mib}M
check "QEMU measures by the dirty ring" measured dirty-ring
diag "$(cat "$run/rate") MiB/s of $limit_mib"
check "it finds the limit kept" test "$(cat "$run/rate")" -le $((limit_mib + 1))
lparctl throttle detach "$at_pid"
hop "with a dirty ring" h
guest_accel=kvm

# QEMU ends at once
prepare h i
begin h
check "throttled" wait_until 120 is_throttled
guest_kill "$at_pid"
wait $follower
check_is "QEMU killed: its follower fails" $? 1
check "and nothing is left" wait_until 5 none_throttled
guest_kill "$to_pid"
check "the module can be unloaded" unload dirtythrottle
