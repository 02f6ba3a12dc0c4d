#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest that dirties its memory faster than the link carries it moves from a to b,
# while it is pinged: it arrives with the memory that it had, and lives on one host only.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

# describe_plain GUEST: without a disk, and with nobody to talk to
describe_plain() {
	describe "$1" 1000
	sed -i -e /^disk=/d -e 's/ pair=.*//' "/etc/lparkit/$1.lpar"
}

move() {
	on "$1" lparctl -j migrate a1 --to "$2" --via $via --address "$(host_address "$2")" "${@:3}"
}

# The one at home is down, and holds nothing.
lives_only_on() {
	on "$1" lparctl show a1 | grep -qw active && ! on "$2" lparctl show a1 2>&1 | grep -qw active &&
		on "$2" test ! -e /run/lparkit/a1/qemu.pid
}

pings() {
	exec ping -i 0.2 -D "$(guest_address a1)" >"$scratch/pings"
}

answered() {
	grep -c 'bytes from' "$scratch/pings"
}

answers_more() {
	[ "$(answered)" -gt "$1" ]
}

check "two hosts" hosts_up || bail "no rig"
check "its throttle" insmod "$LPARKIT_MODULES/dirtythrottle.ko"
check "where a guest's lines are" on b mkdir -p /run/guest
primaries=(a1)
describe_plain a1
check "a guest" lparctl start a1 || bail "no guest"
check "is up" wait_until 300 guest_is_up a1
check "it dirties 24 MiB again and again" say a1 "dirty 24"
start pings
check "it is pinged" wait_until 60 answers_more 3
check "without a limit it does not come to an end" \
	says "dirties its memory faster" move a b --bandwidth 12 --limit off --on-slow cancel
check "it lives where it did" lives_only_on a b
before=$(answered)
check "with one it does" move a b --bandwidth 12
moved_to[a1]=b
check "it lives there" lives_only_on b a
check "it is pinged there" wait_until 60 answers_more $((before + 3))
diag "$(tail -n 1 "$scratch/pings")"
data check "its memory is as it was" says "^ok passes=" on b say a1 dirtied
