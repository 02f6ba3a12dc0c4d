#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 timeout=900 modprobe=kvm_amd kernels=6.12,7.2 speed=full long=7.2 here=kvm
#
# A real migration, over TCP with limited bandwidth, of a guest that dirties its memory
# faster than that: it does not end by itself; it ends with "lparctl throttle follow",
# and the guest's memory arrives as it was.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
# shellcheck source=selftests/dirtythrottle/migration.sh
. "$(dirname "$0")/migration.sh"
trap 'guest_kill_all; tap_end' EXIT

# passed N: so many passes have begun, or it has ended.
passed() {
	migration_is completed || [ "$(migration_field dirty-sync-count)" -ge "$1" ]
}

or_ended() {
	guest_ended "$source_pid" || "$@"
}

start_migration() {
	start_source
	wait_until 300 or_ended guest_is_up web
	or_ended guest_say web "dirty $set_mib"
	start_destination
	migrate
	wait_until 300 or_ended passed 7
}

# follows OPTION...
follows() {
	exec lparctl -j throttle follow "$run/web.follow" --target web --wait 60s "$@" \
		>"$run/followed"
}

is_throttled() {
	[ -d "/sys/class/dirtythrottle/$source_pid" ]
}

is_free() {
	! is_throttled
}

# stage EXPRESSION: about l, the LPAR, and s, its stage
stage() {
	lparctl -j show web | /usr/bin/python3 -c '
import json, sys
l = json.load(sys.stdin)[0]
s = l["stage"]
sys.exit(not eval(sys.argv[1]))' "$1"
}

guest_prepare || bail "the host VM has no KVM"

# No module of ours is loaded yet: a guest that ends now is ended by the emulator, see
# Documentation/testing.md.
for _ in 1 2 3; do
	start_migration
	guest_ended "$source_pid" || break
	diag "the emulator has ended the guest"
	guest_kill_all
done
check "the migration of a guest that dirties $set_mib MiB again and again makes six passes" passed 7
check "and has not ended: what is left is the whole set" migration_is active
diag "after $(migration_field dirty-sync-count) passes $(migration_field remaining) bytes are left"

# It is an LPAR only for its stage.
load dirtythrottle
load lpar
lparctl create web memory 2M
lparctl activate web
lparctl member add web "$source_pid"
follows --watchdog 1s &
follower=$!
check "its controller throttles it" wait_until 20 is_throttled
kill -9 $follower
check "when that is killed the guest is let go" wait_until 10 is_free
check "and the LPAR has no stage" stage 'l["state"] == "active" and not s["number"]'
guest_qmp web migrate_cancel >/dev/null
check "it is cancelled" wait_until 60 migration_is cancelled
guest_kill "$destination_pid"
check "the guest goes on" guest_goes_on web

start_destination
follows &
follower=$!
migrate
check "the LPAR shows how far it is" wait_until 60 stage \
	'l["state"] == "migrating" and s["number"] > 1 and s["transfer_rate"] and s["dirty_bytes"]'
wait $follower
check_is "with the throttle it is completed" $? 0
diag "$(cat "$run/followed")"
check "by delays of the vCPU" grep -q '"delayed_us":[1-9]' "$run/followed"
check "the throttle is gone" test -z "$(ls /sys/class/dirtythrottle)"
check "and no stage any more" stage 'l["state"] == "active" and not s["number"]'
guest_kill "$source_pid"
check "the guest goes on at the destination" guest_goes_on there
data check "its memory is as it was" guest_say there dirtied
guest_kill "$destination_pid"
check "the LPAR ends" wait_until 10 lparctl deactivate web
lparctl delete web
check "the modules can be unloaded" unload dirtythrottle lpar
