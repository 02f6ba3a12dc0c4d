#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a crash leaves: what was flushed is there, and nothing is taken for present that is not.
# First with DEST alone in a log, which has a write when it is flushed, and META as it was at
# that time: META must not be ahead of DEST. Then with both in one log, between any two writes.
# STEPS: of each script (100); MARKS: of the former (3); POINTS: of the latter (2).
# vm: cpus=2 mem=1024 disks=2M,1M,2M,64M,3M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

log=$(disk 4)
copy=$(disk 5)
real=$dest
real_meta=$meta

# What relmodel runs at each mark: nothing moves meanwhile, so that log and META agree.
cat >"$scratch/mark" <<END
#!/bin/sh
dmsetup suspend --nolockfs vm && dmsetup message log 0 mark m\$1 &&
	dd if=$real_meta of=$scratch/meta\$1 bs=64k iflag=direct status=none && dmsetup resume vm
END
chmod +x "$scratch/mark"

record() {
	dmsetup create log --table "0 $(sectors "$1") log-writes $1 $log"
}

one_mark() {
	local number=$1 mark=$2

	spoil_dest
	logreplay "$log" "$real" "$number" && blockdev --flushbufs "$real" &&
		dd if="$scratch/meta$mark" of="$real_meta" bs=64k oflag=direct status=none &&
		blockdev --flushbufs "$real_meta" && relocate - || return 1
	message vm pause && message vm source $far
	relmodel --check $vm "$scratch/$mark"
	local status=$?
	dmsetup remove vm
	return $status
}

some_marks() {
	local number name

	awk '$2 == "mark" && $3 ~ /^m[0-9]/ { print $1, $3 }' "$scratch/list" |
		shuf -n "${MARKS:-3}" >"$scratch/chosen"
	[ -s "$scratch/chosen" ] || { diag "no marks"; return 1; }
	while read -r number name; do
		one_mark "$number" "${name#m}" || { diag "at $name, entry $number"; return 1; }
	done <"$scratch/chosen"
}

# script SEED: as it is recorded.
script() {
	diag "seed $1"
	relmodel --marks "$scratch/mark" "$scratch" $vm "$1" "${STEPS:-100}"
}

# DEST in the log, META beside it.
separate() {
	record "$real" || return 1
	dest=/dev/mapper/log relocate $far rate 1 &&
		script $RANDOM &&
		dmsetup remove vm && dmsetup remove log && logreplay "$log" list >"$scratch/list"
}

# Both in one log: DEST behind META.
mark_only() {
	cat >"$scratch/mark" <<-'END'
		#!/bin/sh
		dmsetup message log 0 mark m$1
	END
}

split_disk() {
	local sectors=$(($(sectors "$1") - 2048))

	dmsetup create both_meta --table "0 2048 linear $1 0" &&
		dmsetup create both_dest --table "0 $sectors linear $1 2048"
}

together() {
	local disk=/dev/mapper/log

	mark_only
	blkdiscard -z "$copy"
	record "$copy" && split_disk $disk || return 1
	dest=/dev/mapper/both_dest meta=/dev/mapper/both_meta relocate $far rate 1 &&
		script $RANDOM &&
		dmsetup remove vm && dmsetup remove both_dest && dmsetup remove both_meta &&
		dmsetup remove log && logreplay "$log" list >"$scratch/list"
}

# one_point ENTRY MARK NEXT-MARK
one_point() {
	blkdiscard -z "$copy"
	logreplay "$log" "$copy" "$1" && blockdev --flushbufs "$copy" && split_disk "$copy" || return 1
	dest=/dev/mapper/both_dest meta=/dev/mapper/both_meta relocate_paused region 4 &&
		relmodel --check $vm "$scratch/$2" "$scratch/$3"
	local status=$?
	dmsetup remove vm
	dmsetup remove both_dest
	dmsetup remove both_meta
	return $status
}

between_marks() {
	local from to mark next

	awk '$2 == "mark" && $3 ~ /^m[0-9]/ { if (n) print n, $1, substr(last, 2), substr($3, 2); n = $1; last = $3 }' \
		"$scratch/list" | awk '$2 - $1 > 2' >"$scratch/pairs"
	[ "$(wc -l <"$scratch/pairs")" -gt 3 ] || { diag "too few marks"; return 1; }
	shuf -n "${POINTS:-2}" "$scratch/pairs" >"$scratch/chosen"
	while read -r from to mark next; do
		one_point $((from + 1 + RANDOM % (to - from - 1))) "$mark" "$next" ||
			{ diag "between entries $from and $to"; return 1; }
	done <"$scratch/chosen"
}

plan 4
modprobe dm-log-writes || bail "no dm-log-writes"
check "a script is recorded, DEST by itself" separate
data check "META says no more than DEST has" some_marks
check "a script is recorded, DEST and META together" together
data check "between any two writes: what was durable, or was written since" between_marks
