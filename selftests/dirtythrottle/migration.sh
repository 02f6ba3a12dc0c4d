# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with those who source it
# A real guest that migrates from one QEMU to another in the same host VM. Needs
# qemu/guest.sh.

memory_mib=160
set_mib=24
# The link, in bytes per second; the guest dirties its set several times a second.
bandwidth=$((12 << 20))
downtime_ms=300
port=4444

backend=memory-backend-memfd,share=on

# start_source: "web"; it has a second monitor.
start_source() {
	guest_start web $memory_mib 2 $backend \
		-qmp "unix:$run/web.follow,server=on,wait=off"
	source_pid=$guest_pid
}

# start_destination: "there", which waits for it.
start_destination() {
	guest_start there $memory_mib 2 $backend -incoming "tcp:127.0.0.1:$port"
	destination_pid=$guest_pid
	wait_until 60 guest_qmp there query-status >/dev/null 2>&1
}

migrate() {
	guest_qmp web migrate-set-parameters \
		"{\"max-bandwidth\":$bandwidth,\"downtime-limit\":$downtime_ms}" >/dev/null
	guest_qmp web migrate "{\"uri\":\"tcp:127.0.0.1:$port\"}" >/dev/null
}

# migration_field KEY: of query-migrate; RAM's as well, 0 when there is none
migration_field() {
	guest_qmp web query-migrate | /usr/bin/python3 -c '
import json, sys
info = json.load(sys.stdin)["return"]
print({**info, **info.get("ram", {})}.get(sys.argv[1], 0))' "$1"
}

# migration_is STATUS
migration_is() {
	[ "$(migration_field status)" = "$1" ]
}
