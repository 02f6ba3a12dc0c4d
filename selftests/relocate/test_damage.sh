#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# META that is damaged: repaired if what counts is proven, refused otherwise; never believed.
# META that cannot be written, DEST that cannot, for a while.
# FLIPS: bytes that are changed in each block (1).
# vm: cpus=2 mem=768 disks=8M,1M,8M timeout=300 here speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

keep() {
	dd if="$meta" of="$scratch/meta" bs=64k iflag=direct status=none
}

put_back() {
	dd if="$scratch/meta" of="$meta" bs=64k oflag=direct status=none
	blockdev --flushbufs "$meta"
}

storefile() {
	"$(dirname "$0")/../snapsync/storefile.py" "$meta" "$@"
}

# The byte becomes another one.
flip() {
	storefile flip "$1" && blockdev --flushbufs "$meta"
}

blank_block() {
	dd if=/dev/zero of="$meta" bs=4k seek="$1" count=1 oflag=direct status=none
	blockdev --flushbufs "$meta"
}

# flipped BLOCK: each is refused, or shows what was there; "refused N" or "shown N".
flipped() {
	local i refused=0 shown=0

	for ((i = 0; i < ${FLIPS:-1}; i++)); do
		flip $(($1 * 4096 + RANDOM % 4096))
		if relocate - 2>/dev/null; then
			message vm pause
			message vm source $far
			relmodel --check $vm "$model" || return 1
			shown=$((shown + 1))
			dmsetup remove vm
		else
			dmsetup remove vm 2>/dev/null
			refused=$((refused + 1))
		fi
		put_back
	done
	echo "$refused refused, $shown shown" >"$scratch/counts"
}

disk_is() {
	local name=$1

	shift
	if ! dmsetup info "$name" >/dev/null 2>&1; then
		dmsetup create "$name" --table "$*"
		return
	fi
	dmsetup suspend --noflush --nolockfs "$name" && dmsetup load "$name" --table "$*" &&
		dmsetup resume "$name"
}

writes() {
	head -c 4096 /dev/zero | dd of=$vm bs=4k seek="$1" oflag=direct conv=notrunc,fsync status=none
}

is_read_only() {
	status_is vm 1 ro
}

plan 26
# A state with much of both, and two slots in use.
relocate_paused region 4 || bail "no device"
relmodel --random $vm "$model" $RANDOM 300 1 || bail "no state"
dmsetup suspend vm && dmsetup resume vm
relmodel --random $vm "$model" $RANDOM 300 1 || bail "no state"
dmsetup remove vm
keep
for block in 0 1 16 17 32 33; do
	data check "block $block: never believed when damaged" flipped $block
	diag "block $block: $(cat "$scratch/counts")"
	cat "$scratch/counts" >>"$scratch/counts.$((block / 16))"
done
check "a block that counts is refused" grep -q "[1-9][0-9]* refused" "$scratch/counts.2"
check "what has a copy is not" grep -q "[1-9][0-9]* shown" "$scratch/counts.0"

dd if=/dev/zero of="$meta" bs=4k seek=32 count=2 oflag=direct status=none
blockdev --flushbufs "$meta"
check_fails "a map that is gone is refused" relocate -
dmsetup remove vm 2>/dev/null
put_back
dd if=/dev/zero of="$meta" bs=4k count=2 oflag=direct status=none
blockdev --flushbufs "$meta"
check_fails "so are superblocks that are gone, with copies" relocate -
dmsetup remove vm 2>/dev/null
put_back
read -r _ newest <<<"$(storefile slots 0)"
read -r _ slot <<<"$(storefile slots 32)"
blank_block "$newest"
blank_block $((16 + newest))
flip $((slot * 4096 + 100))
check_fails "a damaged block may be what a superblock that is lost has committed" relocate -
dmsetup remove vm 2>/dev/null
put_back
mkfs.ext4 -qF "$meta" 512
check_fails "something else is not overwritten" relocate -
dmsetup remove vm 2>/dev/null
check "it is as it was" e2fsck -fn "$meta"
put_back

# META fails.
wipe_store
disk_is broken "0 $(sectors "$meta") linear $meta 0"
real_meta=$meta
meta=/dev/mapper/broken relocate_paused region 4 || bail "no device"
kib $vm 0 64
disk_is broken "0 $(sectors "$real_meta") flakey $real_meta 0 0 3600 1 error_writes"
check_fails "a write that needs META fails" writes 500
check "the device is read-only" wait_until 30 is_read_only
check_fails "it stays so" writes 501
check "what is there is read" kib $vm 0 4
check "holes are read, too" kib $vm 8000 64
dmsetup remove vm
disk_is broken "0 $(sectors "$real_meta") linear $real_meta 0"
check "when META works" relocate_paused region 4
check "all is well again" writes 500
dmsetup remove vm

# More than a fetch brings at once, while nothing is kept.
wipe_store
meta=/dev/mapper/broken relocate_paused region 1024 || bail "no device"
disk_is broken "0 $(sectors "$real_meta") flakey $real_meta 0 0 3600 1 error_writes"
writes 500
wait_until 30 is_read_only
check "holes of several regions are read" timeout 60 dd if=$vm of=/dev/null bs=1M count=1 \
	skip=$((4608 * 1024)) iflag=direct,skip_bytes status=none
dmsetup remove vm && dmsetup remove broken

# DEST fails.
wipe_store
disk_is lower "0 $(sectors "$dest") linear $dest 0"
dest=/dev/mapper/lower relocate_paused region 4 || bail "no device"
disk_is lower "0 $(sectors "$dest") flakey $dest 0 0 3600 1 error_writes"
check_fails "a write to DEST that fails is the guest's" writes 500
check_fails "so is one to a part of a region" timeout 60 dd if=/dev/zero of=$vm bs=512 count=1 seek=8001 \
	oflag=direct conv=notrunc status=none
data check "holes are read all the same" same $vm "$near" 1024 64
check_is "and nothing is taken for present" "$(present)" 0
disk_is lower "0 $(sectors "$dest") linear $dest 0"
dmsetup remove vm
dest=/dev/mapper/lower relocate $far || bail "no device"
complete
data check "when it works, all comes" same $vm "$near" 0 8192
dmsetup remove vm
