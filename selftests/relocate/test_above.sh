#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# snapsync above a disk that still arrives: states, also while there is no SOURCE; what they show
# is SOURCE's, whenever it comes.
# vm: cpus=2 mem=768 disks=16M,4M,16M,32M timeout=300 here speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

above=$(disk 4)
vol=/dev/mapper/vol

# What the volume is to show.
image=$scratch/image

# writes N: of 4 to 64 KiB each, anywhere
writes() {
	local i at size byte

	for ((i = 0; i < $1; i++)); do
		size=$((4 + RANDOM % 16 * 4))
		at=$((RANDOM % (4096 - size / 4) * 4))
		byte=$(printf %o $((RANDOM % 256)))
		fill $vol "$byte" $at $size && fill_image "$byte" $at $size || return
	done
}

# fill_image BYTE OFFSET_KIB SIZE_KIB
fill_image() {
	head -c "$3"K /dev/zero | tr '\0' "\\$1" | dd of="$image" bs=4k seek=$(($2 / 4)) conv=notrunc status=none
}

is_right() {
	cmp <(dd if=$vol bs=1M iflag=direct status=none) "$image"
}

volume_above() {
	base=$vm store=$above volume vol
}

seen_in() {
	view seen vol "$1" && same /dev/mapper/seen "$2" 0 16384
	local status=$?
	dmsetup remove seen
	return $status
}


plan 18
dd if="$near" of="$image" bs=1M iflag=direct status=none
dd if=/dev/zero of="$above" bs=1M count=1 oflag=direct status=none
far_is delay "$near" 0 10
relocate_paused region 4 || bail "no device"
check "a volume on a disk that has not come" volume_above
check "a state of it" message vol take one
# BASE is known by what is in some places.
check "for which little was fetched" test "$(present)" -le 1200
check "it is written" writes 20
message vm source -
check "a state while there is no SOURCE" timeout 60 dmsetup message vol 0 take two
check "a write while there is none" fill $vol 101 64 64
check "and a state of that" timeout 60 dmsetup message vol 0 take three
check "undone" message vol restore two
diag "here by then: $(status_word vm 4)"
message vm source $far
message vm rate 4
message vm resume
check "it is written while its disk comes" writes 40
data check "all is right" is_right
data check "the first state is SOURCE's" seen_in one "$near"
message vol take last
data check "the last one is what is there" seen_in last $vol
message vm rate 0
check "all of it comes" complete
check "the volume stays, and its disk goes over to DEST" lparctl relocate finish vm
data check "all is right" is_right
data check "the first state, too" seen_in one "$near"
dmsetup suspend vol && dmsetup resume vol
dmsetup remove vol && dmsetup remove vm
vm=$dest
check "again, on DEST" volume_above
data check "all is right" is_right
dmsetup remove vol
