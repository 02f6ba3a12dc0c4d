#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a fabric, a storage and other programs do to a move: it goes back, says why,
# and the original stays.
# In the long form only, as it waits for deadlines: two minutes.
# vm: cpus=2 mem=1536 timeout=500 speed=long
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

load fcnpiv
make_fabric
plan 26

# goes_back PATTERN: the operation ends, for this reason, and the original is there.
goes_back() {
	ends 5 || return 1
	grep -q "$1" /sys/class/fcnpiv/web/reason || {
		echo "# $(field reason)"
		return 1
	}
	is original active && is maintenance absent && logged_in $original
}

check "an identity is defined" define --login 8s --storage 8s --move 8s
check "the original logs in" log_in

fcswd -c reject $maintenance
check "a name is rejected" lparctl fc start web source
check "it goes back" goes_back "m-login: the fabric has not let"
fcswd -c accept

fcswd -c clear $original
check "the fabric throws the original out: it comes back" wait_until 60 logged_in $original
check "with its disks" wait_until 60 paths original 2

mask $maintenance 1
check "a LUN is missing" lparctl fc start web source
check "it goes back" goes_back "m-verify: LUN .* is missing"
unmask $maintenance 1

check "nobody confirms" lparctl fc start web source
check "it waits" on io-to-m
check "until its deadline, and then for the way back" on io-to-o
lparctl fc confirm web io
check "it goes back" goes_back "io-to-m: waits for the paths"

check "the port is deleted" lparctl fc start web source
on io-to-m
delete_port $maintenance
check "it goes back" on io-to-o
lparctl fc confirm web io
check "to the original" goes_back "io-to-m: the maintenance port was lost"

sg_persist --out --register --param-sark=abc "/dev/$(disk_of original)"
check "the guest has registered a reservation" lparctl fc start web source
check "it goes back at once" goes_back "m-verify: the guest holds persistent reservations"
sg_persist --out --register --param-rk=abc "/dev/$(disk_of original)"

# A fabric that takes longer than the adapter waits for it.
lparctl fc set web --login 5m
fcswd -c delay fdisc 20000
check "a slow fabric" lparctl fc start web source
check "is waited for" lparctl fc wait web io-to-m --timeout 4m
fcswd -c delay fdisc 0
map_to maintenance
check "the path changes over" lparctl fc confirm web io
check "the original leaves" on on-m
delete_port $maintenance
check "the guest's port comes back" wait_until 60 logged_in $maintenance
check "with its LUNs" wait_until 60 paths maintenance 2

fcswd -c lose-logo 1
check "abort" lparctl fc abort web
on o-return
lparctl fc confirm web returned --force
check "the original is back" on io-to-o
dmsetup remove --retry fcnpiv-test
lparctl fc confirm web io
check "and all is as before" ends 5
