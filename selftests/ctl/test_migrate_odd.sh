#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl migrate where something is out of the ordinary: long descriptions, a host with a name
# that means something else, QEMU's settings of its user.
# vm: none timeout=120
# shellcheck disable=SC2119 # options of a move are options
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"

# lines N: of a comment, in characters that JSON may write as two
lines() {
	local line

	line="# $(printf "%700s" "" | tr ' ' /)"
	for _ in $(seq "$1"); do
		echo "$line"
	done
}

pauses() {
	qmp $home g query-migrate-capabilities |
		json "[c['state'] for c in j if c['capability'] == 'pause-before-switchover']"
}

plan 9
mapfile -t slashes < <(lines 45)
hosts_up "${slashes[@]}"

# QEMU's own settings
qmp a g human-monitor-command "command-line=migrate_set_capability pause-before-switchover on" >/dev/null
check "its user wants QEMU to pause" same "$(pauses)" "[True]"
echo "halt refuse" >"$scratch/cut"
check "a move that is undone" exits 5 move
check "it lives as before" lives_on a
check "QEMU still is to pause" same "$(pauses)" "[True]"

check "it moves with a description of 31 KiB" exits 0 move
check "it lives there" lives_on b

# A host that is called as migrate calls its own for itself
# shellcheck disable=SC2016 # expanded by the other shell
script here-via '[ "$1" != here ] || set -- a "${@:2}"' "tee '$scratch/wire' | '$scratch/cut-via' \"\$@\""
check "to a host called here" exits 0 \
	on b migrate g --to here --from b --address "${address[a]}" --via "$scratch/here-via"
check "it lives there" lives_on a
# What does not fit into a pipe is not sent.
check_fails "its description is no longer on the wire than it has to be" grep -qF '\/' "$scratch/wire"
