#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# BASE has become larger, and the volume follows, with its states: in use, under an open file,
# and at a later activation.
# vm: cpus=2 mem=512 disks=6M,16M timeout=400 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

real=$base
vol=/dev/mapper/vol
mib=2048

# base_of MIB: all of BASE that there is
base_of() {
	local table="0 $(($1 * mib)) linear $real 0"

	if [ -e /dev/mapper/base ]; then
		dmsetup reload base --table "$table" && dmsetup suspend base && dmsetup resume base
	else
		dmsetup create base --table "$table"
	fi
}

# grow_to MIB
grow_to() {
	dmsetup reload vol --table "0 $(($1 * mib)) snapsync /dev/mapper/base $store 0" &&
		dmsetup suspend vol && dmsetup resume vol
}

# shows DEV BYTE MIB...: these MiB are of that byte
shows() {
	local dev=$1 byte=$2 at

	shift 2
	for at; do
		[ "$(byte "$dev" $((at * 1048576)))" = "$byte" ] || return 1
		[ "$(byte "$dev" $(((at + 1) * 1048576 - 512)))" = "$byte" ] || return 1
	done
}

# What was written, by whichever size the volume had, and BASE.
shows_all() {
	shows $vol 141 0 && shows $vol 142 2 && shows $vol 143 3 && shows $vol 130 1 4
}

plan 18
fill "$real" 130 0 6144	# X
base_of 3
base=/dev/mapper/base
volume vol || bail "no volume"
fill $vol 141 0 1024	# a
message vol take one
fill $vol 142 2048 1024	# b
check_fails "no table is larger than BASE" grow_to 4
base_of 5
exec {fd}<>$vol
check "a larger table is loaded, while a file is open" grow_to 4
check_is "the device is larger" "$(blockdev --getsz $vol)" $((4 * mib))
exec {fd}>&-
data check "what was there is, and what BASE has beyond" shows $vol 142 2
data check "of BASE" shows $vol 130 1 3
fill $vol 143 3072 1024	# c
message vol take two
view one vol one
data check "a state of before shows as well what BASE has" shows /dev/mapper/one 130 1 2 3
data check "and what it did" shows /dev/mapper/one 141 0
check_fails "a smaller table is refused" \
	dmsetup reload vol --table "0 $((3 * mib)) snapsync /dev/mapper/base $store 0"
data check "and the volume goes on" shows $vol 143 3
dmsetup remove one
dmsetup remove vol
check "snap check finds it sound" lparctl snap check "$store"
check_fails "the former size is refused" dmsetup create vol --table \
	"0 $((3 * mib)) snapsync /dev/mapper/base $store 0"
dmsetup remove vol 2>/dev/null
check_fails "a read-only table makes nothing larger" dmsetup create vol --readonly --table \
	"0 $((5 * mib)) snapsync /dev/mapper/base $store 0"
dmsetup remove vol 2>/dev/null
check "it is larger at an activation" volume vol
data check "with all that there was, and BASE beyond" shows_all
fill $vol 144 4096 1024	# d
check "the first state is restored" message vol restore one
data check "with what it did" shows $vol 141 0
data check "and BASE, to the end of now" shows $vol 130 1 2 3 4
dmsetup remove vol
check "and all is sound" lparctl snap check "$store"
