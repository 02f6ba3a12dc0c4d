#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A port is logged out while its disks are still being scanned, by a switch that passes
# late answers on: libfc would free a remote port twice, as it does when the port is
# deleted through sysfs. The rounds differ in when that is.
# vm: cpus=2 mem=1536 timeout=400 speed=long kernels=6.12,7.2,debug
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

rounds=20

load fcnpiv
make_fabric
plan $((rounds + 2))

# leaves MS: the login is aborted so long after the switch has let the port in
leaves() {
	lparctl fc login web && wait_until 30 logged_in $original || return 1
	sleep "0.$1"
	# It may have been quicker.
	lparctl fc abort web || lparctl fc logout web || return 1
	wait_until 60 logged_out $original && wait_until 60 is state idle
}

check "an identity is defined" define
fcswd -c kind off
for ((round = 0; round < rounds; round++)); do
	check "a port leaves after $((round * 40)) ms" leaves "$(printf %03d $((round * 40)))"
done
check "no name was on two links" same "$(fcswd -c clashes)" 0
