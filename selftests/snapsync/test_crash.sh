#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a crash leaves: STORE is logged, replayed to every flush and to points in
# between, and must then show what was durable: all of it, or what was written since.
# POINTS: cuts in between (5).
# vm: cpus=2 mem=1024 disks=1M,16M,96M,16M timeout=300 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

log=$(disk 3)
copy=$(disk 4)
table="0 $(sectors "$base") snapsync $base"

record() {
	local seed=$RANDOM

	diag "seed $seed"
	dmsetup create log --table "0 $(sectors "$store") log-writes $store $log" &&
		dmsetup create vol --table "$table /dev/mapper/log 2 chunk $1" &&
		snapmodel --marks log "$scratch" vol $seed 120 &&
		dmsetup remove vol && dmsetup remove log &&
		logreplay "$log" list >"$scratch/list"
}

# What a crash before entry $1 leaves. $2: number of the mark before; $3: empty if it is the last thing.
replayed() {
	blkdiscard -z "$copy"
	logreplay "$log" "$copy" "$1" && blockdev --flushbufs "$copy" &&
		dmsetup create vol --table "$table $copy" || return 1
	snapmodel --check /dev/mapper/vol "$scratch/$2" ${3:+"$scratch/$3"}
	local status=$?
	dmsetup remove vol
	return $status
}

all_marks() {
	local number kind name

	while read -r number kind name; do
		# The log ends with a mark of its own.
		[[ $kind = mark && $name = m[0-9]* ]] || continue
		[ $((RANDOM % 4)) = 0 ] || continue
		replayed "$number" "${name#m}" "" || { diag "at $name, entry $number"; return 1; }
	done <"$scratch/list"
}

between_marks() {
	local points=${POINTS:-5} pairs line from to

	awk '$2 == "mark" && $3 ~ /^m[0-9]/ { if (n) print n, $1, substr(last, 2), substr($3, 2); n = $1; last = $3 }' \
		"$scratch/list" | awk '$2 - $1 > 3' >"$scratch/pairs"
	[ "$(wc -l <"$scratch/pairs")" -gt 3 ] || { diag "too few marks"; return 1; }
	shuf -n "$points" "$scratch/pairs" >"$scratch/chosen"
	while read -r from to line pairs; do
		replayed $((from + 1 + RANDOM % (to - from - 1))) "$line" "$pairs" ||
			{ diag "between entries $from and $to"; return 1; }
	done <"$scratch/chosen"
}

plan 6
modprobe dm-log-writes || bail "no dm-log-writes"
head -c 1M /dev/zero | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
for chunk in 4 16; do
	wipe_store
	check "chunks of $chunk KiB: a script is recorded" record $chunk
	data check "at marks: exactly what was durable" all_marks
	data check "in between: that, or what was written since" between_marks
done
