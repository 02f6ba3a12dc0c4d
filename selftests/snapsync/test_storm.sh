#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything at once: I/O of all kinds, states, views, suspends and reloads.
# SECONDS_EACH: how long (12).
# vm: cpus=2 mem=768 disks=4M,64M timeout=400 long=6.1,6.12,7.2 here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
end=$((SECONDS + ${SECONDS_EACH:-12}))

# Answers may be refusals; what counts is what the kernel log and the checks below say.
states_come_and_go() {
	local i=0

	while [ $SECONDS -lt $end ]; do
		message vol take "s$((i % 10))"
		message vol restore "s$((RANDOM % 10))"
		message vol delete "s$((RANDOM % 10))"
		message vol list >/dev/null
		i=$((i + 1))
	done
}

views_come_and_go() {
	while [ $SECONDS -lt $end ]; do
		if view view vol "s$((RANDOM % 10))"; then
			dd if=/dev/mapper/view of=/dev/null bs=64k iflag=direct status=none
			dmsetup remove view
		fi
	done
}

tables_come_and_go() {
	while [ $SECONDS -lt $end ]; do
		dmsetup suspend vol
		dmsetup resume vol
		dmsetup load vol --table "$(dmsetup table vol)"
		dmsetup suspend --noflush vol
		dmsetup resume vol
	done
}

discards() {
	while [ $SECONDS -lt $end ]; do
		blkdiscard -o $((RANDOM % 64 * 32768)) -l 65536 $vol
		blkdiscard -z -o $((RANDOM % 64 * 32768)) -l 65536 $vol
	done
}

plan 8
head -c 4M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
before=$(sum "$base")
volume vol chunk 4
fio --name=w --filename=$vol --direct=1 --rw=randrw --bsrange=512-64k --ioengine=libaio \
	--iodepth=8 --fsync=32 --time_based --runtime="${SECONDS_EACH:-12}" \
	--continue_on_error=all --output="$scratch/fio" &
fio=$!
jobs=()
for job in states_come_and_go views_come_and_go tables_come_and_go discards; do
	$job 2>/dev/null &
	jobs+=($!)
done
check "I/O of all kinds" wait $fio
check "states, views, suspends, reloads, discards" wait "${jobs[@]}"
check "it is reaped" reaped vol
good=$(sum $vol)
names=$(message vol list | cut -d ' ' -f 1 | sort)
check "removal" dmsetup remove vol
data check "the store is sound" lparctl snap check "$store"
check "it can be used" volume vol
data check_is "it has what it had" "$(sum $vol) $(message vol list | cut -d ' ' -f 1 | sort)" "$good $names"
dmsetup remove vol
data check_is "BASE was never written" "$(sum "$base")" "$before"
