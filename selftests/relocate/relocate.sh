# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common to the tests of relocate: SOURCE is the first scratch disk, META the second, DEST the
# third. SOURCE is reached through a device "far", which can be slow, hang or fail.
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "${BASH_SOURCE[0]}")/../snapsync/snapsync.sh"

PATH=$LPARKIT_BUILD/selftests/relocate:$PATH
near=$base
meta=$store
dest=$(disk 3)
far=/dev/mapper/far
# shellcheck disable=SC2034 # of the tests
vm=/dev/mapper/vm
# shellcheck disable=SC2034 # of the tests
model=$scratch/model

# far_is TARGET ARG...: linear, delay, error, ...; under what reads it just now.
far_is() {
	local table

	table="0 $(sectors "$near") $1 ${*:2}"
	if ! dmsetup info far >/dev/null 2>&1; then
		dmsetup create far --table "$table"
		return
	fi
	dmsetup suspend --noflush --nolockfs far && dmsetup load far --table "$table" &&
		dmsetup resume far
}

hang_far() {
	dmsetup suspend --noflush --nolockfs far
}

# relocate SOURCE [OPTION WORD...]
relocate() {
	dmsetup create vm --table "0 $(sectors "$near") relocate $dest $1 $meta $(($# - 1)) ${*:2}"
}

# As above, with a copier that has not begun.
relocate_paused() {
	relocate - "$@" && message vm pause && message vm source $far
}

present() {
	status_word vm 4 | cut -d / -f 1
}

some_present() {
	[ "$(present)" -gt "${1:-0}" ]
}

present_is() {
	[ "$(present)" = "$1" ]
}

stage_is() {
	status_is vm 2 "$1"
}

complete() {
	wait_until 120 stage_is complete
}

# Sectors read from a device so far.
read_of() {
	statistic "$1" 3
}

# kib DEV OFFSET SIZE: reads that, in KiB, past the page cache.
kib() {
	dd if="$1" of=/dev/null bs=4k skip=$(($2 / 4)) count=$(($3 / 4)) iflag=direct status=none
}

# same DEV DEV OFFSET SIZE: in KiB.
same() {
	cmp <(dd if="$1" bs=4k skip=$(($3 / 4)) count=$(($4 / 4)) iflag=direct status=none) \
		<(dd if="$2" bs=4k skip=$(($3 / 4)) count=$(($4 / 4)) iflag=direct status=none)
}

# Nothing of it may ever be seen.
spoil_dest() {
	head -c "$(($(sectors "$dest") * 512))" /dev/zero | tr '\0' '\252' |
		dd of="$dest" bs=1M iflag=fullblock oflag=direct status=none
}

# The guest's disk is DEST itself from here on.
cut_over() {
	dmsetup suspend vm && dmsetup load vm --table "0 $(sectors "$near") linear $dest 0" &&
		dmsetup resume vm
}

relmodel --stamp "$near" || bail "no SOURCE"
spoil_dest
far_is linear "$near" 0 || bail "no device for SOURCE"
[ -n "$(read_of $far)" ] || bail "no statistics of disks"
