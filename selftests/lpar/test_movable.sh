#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Memory that the kernel gives to nobody for good, as it must be movable, is none that an LPAR
# can have: an activation that would need it is refused at once, and not when all else is gone.
# vm: mem=2048 append="movablecore=1G" timeout=120 speed=long kernels=6.1,6.12,7.2 long=6.1
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

available_mib() {
	awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo
}

# is_spared NAME: the host has as much as it had before, nearly, while it is activated
is_spared() {
	local before least now

	before=$(free_kib any)
	least=$before
	start lparcall activate "$1" 2>/dev/null
	while kill -0 "$pid" 2>/dev/null; do
		now=$(free_kib any)
		[ "$now" -ge "$least" ] || least=$now
	done
	below $((before - least)) $((200 << 10))
}

plan 4
grep -q "zone *Movable" /proc/zoneinfo || bail "no movable zone"
load lpar
wanted=$((($(available_mib) - 300) / 2 * 2))
diag "$wanted MiB are wanted of $(available_mib) available"
lparcall create a memory ${wanted}M
refused ENOMEM "more than there is that is not movable" lparcall activate a
check "the host is not emptied for that" is_spared a
lparcall set a memory 256M
check "what there is can be had" lparcall activate a
check "and given back" lparcall deactivate a
