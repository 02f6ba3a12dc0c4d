#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Random I/O of several threads while the disk arrives, against a model: sizes of regions, a
# SOURCE that is slow, tables that are suspended and loaded anew meanwhile.
# STEPS: of each thread (400).
# vm: cpus=2 mem=768 disks=16M,4M,16M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

# Sectors of SOURCE are read once at most, whatever meets whatever.
model_run() {
	local seed=$RANDOM from to

	diag "seed $seed: $*"
	rm -f "$model"
	wipe_store
	spoil_dest
	relocate $far "$@" || return 1
	from=$(read_of $far)
	relmodel --random $vm "$model" $seed "${STEPS:-400}" 4 || return 1
	complete || return 1
	to=$(read_of $far)
	[ $((to - from)) -le "$(sectors "$near")" ] || { diag "read $((to - from)) sectors"; return 1; }
	relmodel --check $vm "$model" || return 1
	dmsetup remove vm && relmodel --check "$dest" "$model"
}

disturb() {
	local flags=$1

	while [ ! -e "$scratch/stop" ]; do
		# shellcheck disable=SC2086 # words are meant
		if ! dmsetup suspend $flags vm ||
			! dmsetup load vm --table "$(dmsetup table vm)" || ! dmsetup resume vm; then
			touch "$scratch/failed"
		fi
		sleep 0.5
	done
}

# With a suspend a fetch may be given up, so that it is done again.
disturbed_run() {
	local seed=$RANDOM status

	diag "seed $seed"
	rm -f "$model" "$scratch/stop" "$scratch/failed"
	wipe_store
	spoil_dest
	relocate $far rate 2 || return 1
	disturb "$1" &
	local disturber=$!
	relmodel --random $vm "$model" $seed "${STEPS:-400}" 4
	status=$?
	touch "$scratch/stop"
	wait $disturber
	[ $status = 0 ] && [ ! -e "$scratch/failed" ] || return 1
	message vm rate 0 && complete && relmodel --check $vm "$model" && dmsetup remove vm
}

plan 9
data check "a SOURCE at hand" model_run
for region in 16 64 256 1024; do
	data check "regions of $region KiB" model_run region $region
done
far_is delay "$near" 0 20 || bail "no dm-delay"
data check "20 ms away" model_run
data check "20 ms away, little memory, no more than is asked for" model_run window 1 fetch 4 ahead 0
data check "suspended and loaded anew meanwhile" disturbed_run "--nolockfs"
data check "the same, without a flush" disturbed_run "--noflush --nolockfs"
