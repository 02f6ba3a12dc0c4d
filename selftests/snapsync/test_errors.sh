#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Disks that fail, BASE and STORE, under load: what fails is said to fail, and every state
# is what it was as soon as the disk works again.
# vm: cpus=2 mem=768 disks=4M,40M timeout=300 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

disks=([0]=$base [1]=$store)
names=(lower upper)
vol=/dev/mapper/vol
sums=()

# disk_is N linear|error|flakey
disk_is() {
	local device=${disks[$1]} name=${names[$1]} table

	table="0 $(sectors "$device") $2"
	case $2 in
	linear) table="$table $device 0" ;;
	flakey) table="$table $device 0 0 3600 1 error_writes" ;;
	esac
	if ! dmsetup info "$name" >/dev/null 2>&1; then
		dmsetup create "$name" --table "$table"
		return
	fi
	dmsetup suspend --noflush --nolockfs "$name" && dmsetup load "$name" --table "$table" &&
		dmsetup resume "$name"
}

has_written() {
	[ "$(statistic $vol 5)" -gt "$1" ]
}

# It is under way: fio may wait for ever for a lock of its own if it is ended while it begins.
start_load() {
	local before

	before=$(statistic $vol 5)
	fio --name=w --filename=$vol --direct=1 --rw=randrw --bsrange=512-64k --blockalign=512 \
		--ioengine=libaio --iodepth=8 --fsync=16 --time_based --runtime=60 \
		--continue_on_error=all --output=/dev/null 2>/dev/null &
	fio=$!
	wait_until 60 has_written "$before"
}

# That all of it failed is no failure here.
stop_load() {
	kill "$fio" 2>/dev/null
	wait "$fio"
	return 0
}

# State N, whose content is known.
take() {
	message vol take "s$1" && sums[$1]=$(state_sum "$1")
}

state_sum() {
	view view vol "s$1" && sum /dev/mapper/view && dmsetup remove view
}

states_are_intact() {
	local i

	for i in "${!sums[@]}"; do
		[ "$(state_sum "$i")" = "${sums[i]}" ] || { echo "# state $i"; return 1; }
	done
}

# STORE fails in the middle of the load, in this way, after MS. That data cannot be written
# does not matter to the volume; metadata do, and a take has some.
store_fails() {
	start_load && sleep "0.$(printf %03d "$2")" && disk_is 1 "$1" && ! message vol take lost &&
		status_is vol 1 ro
	local status=$?
	stop_load
	return $status
}

comes_back() {
	dmsetup remove vol && disk_is 1 linear && lparctl snap check "$store" && volume vol &&
		status_is vol 1 rw
}

plan 30
modprobe dm-flakey 2>/dev/null
snapmodel --stamp "$base" || bail "no BASE"
before=$(sum "$base")
disk_is 0 linear
disk_is 1 linear
base=/dev/mapper/lower
store=/dev/mapper/upper
volume vol chunk 4

fill $vol 101 0 64
check "a state" take 0
check "BASE fails" disk_is 0 error
data check_is "what was written is there" "$(byte $vol 0)" 101
check_fails "what was not cannot be read" dd if=$vol of=/dev/null bs=4k skip=64 count=1 iflag=direct
check "it can be written" fill $vol 102 256 64
data check_is "and then read" "$(byte $vol $((256 * 1024)))" 102
check "states can be taken" message vol take without
check "and restored" message vol restore s0
check_is "the volume can still be written" "$(status_word vol 1)" rw
disk_is 0 linear
data check "states are intact when BASE works again" states_are_intact

i=1
for how in flakey error flakey error flakey error; do
	check "state $i" take $i
	check "STORE fails under load ($how): no take, read-only" store_fails $how $((RANDOM % 1000))
	check "it works again: the store is sound, and the volume comes back" comes_back
	i=$((i + 1))
done
data check "all states are intact" states_are_intact
dmsetup remove vol
data check_is "BASE was never written" "$(sum /dev/mapper/lower)" "$before"
