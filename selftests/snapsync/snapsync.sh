# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common to the tests of dm-snapsync: BASE is the first scratch disk, STORE the second.
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

PATH=$LPARKIT_BUILD/selftests/snapsync:$PATH
# shellcheck disable=SC2034 # of the tests
scratch=$(mktemp -d)
base=${base:-$(disk 1)}
store=${store:-$(disk 2)}

# A host VM has no dm devices but ours. On a real host there are others', whose LVM may have
# volumes that nobody uses just now: check-here removes what the test has made.
remove_devices() {
	[ "$LPARKIT_KERNEL" = here ] || dmsetup remove_all
}

# The VM as it was found: others may come after.
clear_away() {
	local status=$? dir

	awk -v below="$scratch/" 'index($2, below) == 1 { print $2 }' /proc/mounts |
		while read -r dir; do umount "$dir"; done
	remove_devices
	rm -rf "$scratch"
	(exit $status)
	tap_end
}
trap clear_away EXIT

# Nobody runs udev in the host VM.
[ -S /run/udev/control ] || export DM_DISABLE_UDEV=1

sectors() {
	blockdev --getsz "$1"
}

# statistic DEV N: word N of what the kernel counts of its requests.
statistic() {
	awk -v word="$2" '{ print $word }' "/sys/dev/block/$(($(stat -Lc '0x%t' "$1"))):$(($(stat -Lc '0x%T' "$1")))/stat"
}

# message VOL WORD...
message() {
	dmsetup message "$1" 0 "${@:2}"
}

# volume VOL [OPTION WORD...]: on $base and $store.
volume() {
	local name=$1

	shift
	dmsetup create "$name" --table "0 $(sectors "$base") snapsync $base $store $# $*"
}

# take_mounted VOL DIR STATE: with what the file system there has in memory.
take_mounted() {
	fsfreeze -f "$2" || return 1
	message "$1" take "$3"
	local status=$?
	fsfreeze -u "$2" && return $status
}

# view NAME VOL STATE
view() {
	dmsetup create "$1" --readonly --table \
		"0 $(sectors "/dev/mapper/$2") snapsync-view /dev/mapper/$2 $3"
}

# The N-th word of a volume's status, counted from 1: 3 is used/total chunks.
status_word() {
	dmsetup status "$1" | cut -d ' ' -f $((3 + $2))
}

status_is() {
	[ "$(status_word "$1" "$2")" = "$3" ]
}

used_chunks() {
	status_word "$1" 3 | cut -d / -f 1
}

is_reaped() {
	status_is "$1" 11 -
}

reaped() {
	wait_until 60 is_reaped "$1"
}

sum() {
	blockdev --flushbufs "$1"
	dd if="$1" bs=1M iflag=direct status=none | sha256sum | cut -d ' ' -f 1
}

# fill DEV BYTE OFFSET_KIB SIZE_KIB
fill() {
	head -c "$4"K /dev/zero | tr '\0' "\\$2" |
		dd of="$1" bs=4k seek=$(($3 / 4)) oflag=direct iflag=fullblock conv=notrunc status=none
}

# byte DEV OFFSET: the byte there, in octal.
byte() {
	dd if="$1" bs=512 skip=$(($2 / 512)) count=1 iflag=direct status=none |
		od -An -to1 -j $(($2 % 512)) -N 1 | tr -d ' '
}

# Wipes what would be taken for a store.
wipe_store() {
	dd if=/dev/zero of="$store" bs=1M count=1 oflag=direct status=none
}

# Tests may share a VM, and its disks.
remove_devices
[ ! -b "$store" ] || wipe_store
load dm-snapsync
