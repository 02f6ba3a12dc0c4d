#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Swap on a volume: what is written to free memory goes on without memory.
# vm: cpus=2 mem=512 disks=512M,640M timeout=600 speed=long
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol

# More than there is, and all of it read again, until the states are there.
fill_memory() {
	timeout -s KILL 400 python3 - "$1" "$scratch/taken" <<-'END'
	import os, sys
	size = int(sys.argv[1]) << 20
	memory = bytearray(size)
	round = 0
	while not round or not os.path.exists(sys.argv[2]):
	    for at in range(0, size, 4096):
	        memory[at:at + 8] = (at + round).to_bytes(8, "little")
	    for at in range(0, size, 4096):
	        if int.from_bytes(memory[at:at + 8], "little") != at + round:
	            sys.exit(f"page {at >> 12}")
	    round += 1
	END
}

swapped() {
	awk '$1 == "pswpout" { print $2 }' /proc/vmstat
}

is_swapped() {
	[ "$(swapped)" -gt "$1" ]
}

# States come meanwhile, and each makes all that is written after it need chunks anew.
take_states() {
	local i status=0

	for i in {1..3}; do
		wait_until 200 is_swapped $(($(swapped) + 10000)) && message vol take "s$i" || status=1
	done
	touch "$scratch/taken"
	return $status
}

plan 6
volume vol chunk 4 || bail "no volume"
mkswap $vol >/dev/null || bail "no mkswap"
check "swap on a volume" swapon $vol
take_states &
taker=$!
data check "more memory than there is" fill_memory 600
check "states are taken meanwhile" wait $taker
check "swap ends" swapoff $vol
check_is "the volume can be written" "$(status_word vol 1)" rw
dmsetup remove vol
data check "the store is sound" lparctl snap check "$store"
