#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Swap on a volume: what is written to free memory goes on without memory.
# vm: cpus=2 mem=512 disks=512M,640M timeout=600 long=6.1,7.2
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol

# More than there is, and all of it read again.
fill_memory() {
	timeout -s KILL 400 python3 - "$1" <<-'END'
	import sys
	size = int(sys.argv[1]) << 20
	memory = bytearray(size)
	for round in range(2):
	    for at in range(0, size, 4096):
	        memory[at:at + 8] = (at + round).to_bytes(8, "little")
	    for at in range(0, size, 4096):
	        if int.from_bytes(memory[at:at + 8], "little") != at + round:
	            sys.exit(f"page {at >> 12}")
	END
}

swap_is_used() {
	[ "$(awk '$1 == "/dev/dm-0" || $1 ~ /mapper/ { print $4 }' /proc/swaps)" -gt 100000 ]
}

# States come meanwhile, and each makes all that is written after it need chunks anew.
take_states() {
	local i

	for i in {1..5}; do
		wait_until 100 swap_is_used || return 1
		message vol take "s$i" || return 1
		sleep 2
	done
}

plan 6
volume vol chunk 4 || bail "no volume"
mkswap $vol >/dev/null || bail "no mkswap"
check "swap on a volume" swapon $vol
take_states &
taker=$!
data check "more memory than there is, twice" fill_memory 600
check "states are taken meanwhile" wait $taker
check "swap ends" swapoff $vol
check_is "the volume can be written" "$(status_word vol 1)" rw
dmsetup remove vol
data check "the store is sound" lparctl snap check "$store"
