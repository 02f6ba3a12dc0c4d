#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc swap on two hosts: an identity leaves for host b and comes back, while its disk is
# written through a map, and lparctl is killed on the way. The switch, which is on host a as the
# target is, is the witness that no name was on both.
# vm: rig cpus=2 mem=1024 timeout=2400 kernels=6.12 speed=long
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

here=$(dirname "$(readlink -f "$0")")
via=$here/via
plan 55

# there COMMAND...: on host b
there() {
	"$via" b "$@" </dev/null
}

# As the cluster's tests, but with the second cable at the switch.
hosts_up() {
	bash -c '. selftests/cluster/node.sh && node_up' || return 1
	wait_until 120 test -e /mnt/share/b.up || return 1
	ip link set eth1 mtu 2500 promisc on up
	# For b to reach this host
	start socat -t 600 -T 600 TCP-LISTEN:7001,reuseaddr,fork EXEC:selftests/cluster/remote
}

# field_there FILE
field_there() {
	there cat "/sys/class/fcnpiv/web/$1"
}

# link_of WWPN: where the switch has it
link_of() {
	fcswd -c list | grep "$1"
}

# The original is at b's cable, or at this host's.
original_at() {
	[[ $(link_of $original) = *$1* ]]
}

no_clash() {
	same "$(fcswd -c clashes)" 0
}

start_writer() {
	start stamps $mapped 4096 >"$scratch/longest"
	writer=$pid
}

writes() {
	kill -0 "$writer"
}

stop_writer() {
	kill "$writer"
	wait "$writer" && diag "longest $(cat "$scratch/longest") ms"
}

swap() {
	lparctl fc swap web --to b --via "$via" "$@"
}

# ends_with CODE COMMAND...
ends_with() {
	local status

	"${@:2}"
	status=$?
	[ $status = "$1" ] && return 0
	echo "# exit code $status, expected $1: $(field reason)"
	return 1
}

at_home() {
	is original active && is maintenance absent && is step idle && paths original 2 &&
		[ ! -e /var/lib/lparkit/fc/web.json ] && logged_in $original &&
		logged_out $maintenance && same "$(there ls /sys/class/fcnpiv)" ""
}

# signalled_at SIGNAL STEP: a swap gets it when the source has come to that step
signalled_at() {
	local swapper

	# No function, which would have a shell of its own.
	lparctl fc swap web --to b --via "$via" --prepare &
	swapper=$!
	until [ "$(field step)" = "$2" ]; do
		kill -0 $swapper || return 1
	done
	kill -"$1" $swapper
	wait $swapper
	code=$?
}

check "two hosts" hosts_up || bail "no rig"
check "fcnpiv" load fcnpiv
make_fabric eth1
check "the other one has an adapter" there "$here/second" || bail "no adapter there"
check "an identity is defined" define --login 60s
check "the original logs in" log_in
check "its disk is used" map_to original
start_writer

# Killed, and told to end, at each step, while it writes
for step in m-login m-verify io-to-m o-logout o-gone on-m; do
	check "lparctl is killed at $step" signalled_at KILL $step
	check "recover undoes it" ends_with 0 lparctl fc recover web
	check "all is as before" at_home
done
data check "the writer has noticed nothing" writes
for step in m-login o-gone on-m; do
	signalled_at INT $step
	check_is "interrupted at $step, it goes back" "$code" 5
	check "all is as before" at_home
done
data check "the writer has noticed nothing" writes

# Away
check "prepared" swap --prepare
check "here it is on the maintenance port" is step on-m
check "there it is armed" same "$(field_there step)" armed
check "the original is at the other host" original_at eth1
disk=$(there lparctl -j fc show web | /usr/bin/python3 -c \
	"import json, sys; print(json.load(sys.stdin)[0]['original']['paths'][0]['disk'])")
data check_fails "where its disk is not written" \
	there dd if=/dev/zero "of=/dev/$disk" bs=4k count=1 oflag=direct
check "the writer writes through the maintenance port" sends $maintenance
data check "and has noticed nothing" stop_writer
check "switched over" lparctl fc swap web --switch
check "none of its names is here" logged_out "$maintenance"
check "nor its map" test ! -e $mapped
check "there its disk may be written" same "$(field_there step)" idle
check "no name was ever at both" no_clash
data check_is "it is the same disk" "$(there sha256sum "/dev/$disk" | cut -d ' ' -f 1)" \
	"$(sha256sum <"$scratch/lun0" | cut -d ' ' -f 1)"

# Home
there bash -c "echo 0 131072 linear /dev/$disk 0 | dmsetup create fcnpiv-test"
there bash -c "PATH=$LPARKIT_BUILD/selftests/fcnpiv:\$PATH
	stamps $mapped 4096 >/run/longest 2>&1 & echo \$! >/run/stamps.pid"
check "it comes back" there lparctl fc swap web --to a --via "$via" --prepare
check "armed" is step armed
data check "the writer there has noticed nothing" there bash -c \
	"kill \$(cat /run/stamps.pid) && while [ ! -s /run/longest ]; do sleep 0.1; done
	grep -qx '[0-9]*' /run/longest"
diag "longest there $(there cat /run/longest) ms"
check "switched over" there lparctl fc swap web --switch
check "the original is here" original_at si0
check "at both hosts none of it was at a time" no_clash
check "its disks are used" dd if=/dev/zero "of=/dev/$(disk_of original)" bs=4k count=1 oflag=direct

# In one go, as nobody uses it
check "away once more" swap
check "and it is there" original_at eth1
check "no name was ever at both" no_clash
