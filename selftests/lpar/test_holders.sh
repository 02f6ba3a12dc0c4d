#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who holds the memory of an LPAR, and who has held what it had before: neither does the
# former disturb the latter, nor does anybody come to hold what is being deactivated.
# vm: cpus=4 mem=1024 timeout=240 kernels=6.1,6.12,7.2,debug long=6.1,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

ROUNDS=12

# try_hold: whoever comes while the LPAR is deactivated; what became of it is in $scratch/held
try_hold() {
	start memtool hold /dev/lpar/a 0x5a >"$scratch/held" 2>/dev/null
	wait_until 20 has_ended_or_holds "$pid"
}

has_ended_or_holds() {
	grep -q held "$scratch/held" || ! kill -0 "$1" 2>/dev/null
}

# With 2000 threads a fence takes its time to fall.
nobody_slips_in() {
	local round deactivation done=0

	for ((round = 0; round < ROUNDS; round++)); do
		lparcall deactivate a 2>/dev/null &
		deactivation=$!
		sleep 0.0$((round % 10))
		try_hold
		if wait $deactivation; then
			done=$((done + 1))
			if grep -q held "$scratch/held"; then
				echo "# round $round: process $pid holds what is deactivated"
				return 1
			fi
		else
			stop "$pid"
			wait_until 20 lparcall deactivate a 2>/dev/null
		fi
		lparcall activate a || return 1
	done
	diag "$done of $ROUNDS deactivations were done"
	[ $done -gt 0 ]
}

plan 6
load lpar

make a cpus 2-3 memory 64M
start memtool pin /dev/lpar/a >"$scratch/pin"
former=$pid
check "a page stays pinned" wait_until 20 grep -q pinned "$scratch/pin"
lparcall deactivate a
check "the LPAR gets other memory" lparcall activate a
faults=$(memtool faults /dev/lpar/a 3)
check "whose mappings stay" below "$faults" 20
stop "$former"
check "the page is given back" wait_until 20 lparcall deactivate a

start hog sleep 0-3 2000
lparcall activate a
check "nobody comes to hold what is being deactivated" nobody_slips_in
stop "$pid"
check "the end" wait_until 20 lparcall deactivate a
