#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each allocation of an activation and of an operation on states fails once; then any that
# the module makes, now and then, under load. Nothing is lost, and nothing half done.
# vm: cpus=2 mem=768 disks=4M,24M timeout=400 kernels=debug speed=long
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"
# shellcheck source=selftests/snapsync/faults.sh
. "$(dirname "$0")/faults.sh"

vol=/dev/mapper/vol
table="$base $store 2 chunk 4"

activation_fails() {
	snapfault create bare "$(sectors "$base")" "$table"
}

load_under_faults() {
	local i=0

	fio --name=w --filename=$vol --direct=1 --rw=randrw --bsrange=512-64k --blockalign=512 \
		--ioengine=libaio --iodepth=8 --fsync=16 --time_based --runtime=30 \
		--continue_on_error=all --output="$scratch/fio" &
	while kill -0 $!; do
		i=$((i + 1))
		message vol take "t$((i % 6))"
		message vol restore "t$((RANDOM % 6))"
		message vol delete "t$((RANDOM % 6))"
		blkdiscard -z -o $((RANDOM % 64 * 32768)) -l 65536 $vol
		dmsetup load vol --table "$(dmsetup table vol)" && dmsetup suspend vol
		dmsetup resume vol
	done 2>/dev/null
	wait $!
}

plan 20
inject_everywhere || bail "no fault injection in this kernel"
snapmodel --stamp "$base" || bail "no BASE"
before=$(sum "$base")
volume vol chunk 4 hold_ms 1000
fill $vol 101 0 256
good=$(sum $vol)
message vol take good
message vol take other
check "take" snapfault message vol "take new" "delete new"
check "restore" snapfault message vol "restore good"
check "restore on the group" snapfault message vol "group restore other"
message vol take new
# These need no memory but what device mapper needs for the message.
check "delete" snapfault message vol "delete new" "take new"
check "rename" snapfault message vol "rename good better" "rename better good"
check "list" snapfault message vol "list"
message vol restore good
data check "the volume is as it was" test "$(sum $vol)" = "$good"
dmsetup remove vol
check "only the module's allocations fail from here on" only_in_module
check "what there is is activated" activation_fails
volume vol chunk 4 hold_ms 1000
check "states are there" test "$(message vol list | cut -d ' ' -f 1 | sort | tr '\n' ,)" = "-,good,new,other,"
data check_is "the volume is as it was" "$(sum $vol)" "$good"

check "allocations fail now and then" inject 10
check "under load" load_under_faults
set_faults probability 0
cat "$scratch/fio" >&2
check "it is reaped" reaped vol
check_is "the volume can be written" "$(status_word vol 1)" rw
check "a state that was there before is restored" message vol restore good
data check_is "and is as it was" "$(sum $vol)" "$good"
dmsetup remove vol
data check "the store is sound" lparctl snap check "$store"
wipe_store
check "a blank store is formatted" activation_fails
data check_is "BASE was never written" "$(sum "$base")" "$before"
