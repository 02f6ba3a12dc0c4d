# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# What the tests of delayed interrupts have in common.

# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "${BASH_SOURCE[0]}")/dirtythrottle.sh"

pci=/sys/bus/pci/devices

# msi_field ADDRESS KEY: of lparctl's JSON
msi_field() {
	lparctl -j throttle msi "$1" | of_first "$2"
}

# msi_is ADDRESS KEY VALUE
msi_is() {
	same "$(msi_field "$1" "$2")" "$3"
}

# msi_vectors ADDRESS: how many of them are taken
msi_vectors() {
	lparctl -j throttle msi "$1" | /usr/bin/python3 -c \
		'import json, sys; print(len(json.load(sys.stdin)[0]["vectors"]))'
}

has_vectors() {
	[ "$(msi_vectors "$1")" -gt 0 ]
}

is_off() {
	! lparctl throttle msi "$1" 2>/dev/null
}

# Each interrupt that came has waited or was merged with one that waited.
all_waited() {
	same "$(msi_field "$1" interrupts)" \
		"$(($(msi_field "$1" delayed) + $(msi_field "$1" merged)))"
}

now_us() {
	echo $(($(date +%s%N) / 1000))
}
