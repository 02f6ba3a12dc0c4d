#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An identity leaves and comes back while its disk is written: to the maintenance
# port and home again, then away, and here again as if on another host.
# vm: cpus=2 mem=1536 timeout=400 long=6.1,7.2,debug
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

load fcnpiv
make_fabric
plan 50

# Writes stamped blocks and reads them, until told to stop.
start_writer() {
	start stamps $mapped 4096 >"$scratch/longest"
	writer=$pid
}

# It is well and still writes.
writes() {
	kill -0 "$writer"
}

stop_writer() {
	kill "$writer"
	wait "$writer" && diag "longest $(cat "$scratch/longest") ms"
}

check "an identity is defined" define
check "the original logs in" log_in
check "the switch knows" logged_in $original
check_fails "its adapter does not change under it" lparctl fc set web --parent "${target//:/}"
check "its disk is used" map_to original
start_writer

# There and home again
check "it is to leave" lparctl fc start web source
check "the maintenance port is there" on io-to-m
check "and sees both LUNs" paths maintenance 2
check_fails "a second operation has to wait" lparctl fc login web
check_fails "the module is in use" rmmod fcnpiv
check "it is confirmed too early" lparctl fc confirm web io
check "the original stays, as its disk is open" wait_until 20 \
	grep -q "disk .* of the original port is still open" /sys/class/fcnpiv/web/reason
check "the path changes over" map_to maintenance
check "the original leaves" on on-m
check "the switch knows" logged_out $original
check "by the grace time" same "$(shown "j['gone_by']")" grace
check "there is a token" test -n "$(shown "j['token']")"
check "the writer goes on" sends $maintenance
create_port $original
check "somebody logs the original in: it does not stay" wait_until 30 is original absent
check "abort" lparctl fc abort web
check "it waits for the destination" on o-return
check_fails "a receipt is needed" lparctl fc confirm web returned
check_fails "the right one" lparctl fc confirm web returned --receipt "$(shown "j['token']")"
check "or the word of the operator" lparctl fc confirm web returned --force
check "the original is back" on io-to-o
check "the path changes over" map_to original
check "it is confirmed" lparctl fc confirm web io
check "it is home" ends 5
check "with its original" is original active
check "and nothing else" logged_out $maintenance
data check "the writer has noticed nothing" writes

# Away
lparctl fc start web source && on io-to-m && map_to maintenance && lparctl fc confirm web io
check "it leaves again" on on-m
token=$(shown "j['token']")
lparctl -j fc show web >"$scratch/luns"
data check "the writer has noticed nothing" stop_writer
dmsetup remove --retry fcnpiv-test
sum=$(sha256sum <"$scratch/lun0")
check "the switch-over" lparctl fc confirm web switched
check "ends it" ends 0
check "none of its names is here" logged_out "$original\|$maintenance"
check_fails "it does not log in where it has left" lparctl fc login web
check "now its adapter may change" lparctl fc set web --parent "${target//:/}"
lparctl fc set web --parent $adapter

# And here again
check "it comes" lparctl fc start web destination --token "$token" --luns "$scratch/luns"
check "it is armed" on armed
disk=$(disk_of original)
data check_fails "its disk is not written" dd if=/dev/zero of="/dev/$disk" bs=4k count=1 oflag=direct
data check_fails "nor mapped" dmsetup create fcnpiv-test --table "0 8 linear /dev/$disk 0"
part=/dev/$(disk_of original 1)1
check "another disk has a partition" test -b "$part"
data check_fails "which is not written either" dd if=/dev/zero of="$part" bs=4k count=1 oflag=direct
data check_is "nothing has changed it" "$(sha256sum <"$scratch/lun0")" "$sum"
check "the switch-over" lparctl fc confirm web switched
check "ends it" ends 0
check "the disk is used again" dd if=/dev/zero of="/dev/$disk" bs=4k count=1 oflag=direct
check "and the partition" dd if=/dev/zero of="$part" bs=4k count=1 oflag=direct
check_fails "a token is not taken twice" lparctl fc start web destination --token "$token" \
	--luns "$scratch/luns"
