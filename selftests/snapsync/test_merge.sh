#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A merge into BASE: interrupted by a crash at any point, or by BASE, it goes on, and the
# volume shows the same all the time.
# vm: cpus=2 mem=768 disks=8M,24M,8M,24M timeout=300 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

real_base=$base
real_store=$store
copy_base=$(disk 3)
copy_store=$(disk 4)
vol=/dev/mapper/vol

writes_to_base() {
	awk '{ print $5 }' "/sys/block/$(dmsetup info -c --noheadings -o blkdevname base)/stat"
}

has_written() {
	[ "$(writes_to_base)" -ge "$1" ]
}

# BASE is suspended but for as long as this takes, so that the merge is never over too soon.
merge_some() {
	local enough=$(($(writes_to_base) + 20))

	dmsetup resume base && wait_until 60 has_written $enough && dmsetup suspend --nolockfs base
}

# A crash as disks see it: both stand still, and are copied.
crash() {
	merge_some && dmsetup suspend --nolockfs store || return 1
	dd if="$real_base" of="$copy_base" bs=1M iflag=direct oflag=direct status=none
	dd if="$real_store" of="$copy_store" bs=1M iflag=direct oflag=direct status=none
	blockdev --flushbufs "$copy_base"
	blockdev --flushbufs "$copy_store"
	dmsetup resume store
}

is_merging() {
	message "$1" list | grep -q merging
}

has_merged() {
	! is_merging "$1"
}

# What the crash left: the same to see, before, while and after the merge goes on.
goes_on() {
	base="$copy_base" store="$copy_store" volume copy writable_base || return 1
	[ "$(sum /dev/mapper/copy)" = "$wanted" ] && wait_until 60 has_merged copy &&
		[ "$(sum /dev/mapper/copy)" = "$wanted" ] && reaped copy
	local status=$?
	used=$(used_chunks copy)
	dmsetup remove copy
	[ $status = 0 ] && [ "$used" = 0 ] && [ "$(sum "$copy_base")" = "$wanted" ] &&
		lparctl snap check "$copy_store"
}

# base_is TYPE: what BASE is from now on.
base_is() {
	local table

	table="0 $(sectors "$real_base") linear $real_base 0"
	case $1 in
	slow) table="0 $(sectors "$real_base") delay $real_base 0 0 $real_base 0 10" ;;
	broken) table="0 $(sectors "$real_base") flakey $real_base 0 0 3600 1 error_writes" ;;
	esac
	dmsetup suspend --nolockfs base && dmsetup load base --table "$table" && dmsetup resume base
}

merge_stops() {
	is_merging vol && [ "$(dmsetup info -c --noheadings -o events vol)" -gt "$events" ]
}

plan 16
modprobe -a dm-delay dm-flakey 2>/dev/null
snapmodel --stamp "$base" || bail "no BASE"
dmsetup create base --table "0 $(sectors "$real_base") linear $real_base 0"
dmsetup create store --table "0 $(sectors "$real_store") linear $real_store 0"
base=/dev/mapper/base
store=/dev/mapper/store
volume vol chunk 4 writable_base
# Layers of data and zeroes, of whole chunks and parts.
fio --name=w --filename=$vol --direct=1 --rw=randwrite --bsrange=512-32k --blockalign=512 \
	--io_size=3M --norandommap --output=/dev/null
message vol take one
blkdiscard -z -o 1052672 -l 98304 $vol
fio --name=w --filename=$vol --direct=1 --rw=randwrite --bsrange=512-32k --blockalign=512 \
	--io_size=3M --norandommap --output=/dev/null
message vol take two
message vol delete one
wanted=$(sum $vol)
store=$copy_store
volume other || bail "no other volume"
store=/dev/mapper/store
message other take gold
gold=$(sum /dev/mapper/other)
check_fails "no merge while another volume has the same BASE" message vol merge two
check_is "whose state is what it was" "$(view view other gold && sum /dev/mapper/view)" "$gold"
dmsetup remove other
check_fails "nor while there is a view of it" message vol merge two
dmsetup remove view
check "BASE is slow" base_is slow
dmsetup suspend --nolockfs base
check "merge" message vol merge two
store=$copy_store
check_fails "no other volume meanwhile" volume other
store=/dev/mapper/store
for i in 1 2 3; do
	check "crash $i" crash
	data check "the merge goes on" goes_on
done
events=$(dmsetup info -c --noheadings -o events vol)
check "BASE fails" base_is broken
check "the merge stops, with an event" wait_until 60 merge_stops
data check_is "the volume shows the same" "$(sum $vol)" "$wanted"
base_is healthy
message vol merge two
wait_until 60 has_merged vol
dmsetup remove vol
data check_is "it is completed when BASE works again" "$(sum "$real_base")" "$wanted"
