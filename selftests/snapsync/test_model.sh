#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same random script on a volume and on a model in memory: each chunk size.
# STEPS: of each (400).
# vm: cpus=2 mem=768 disks=4M,64M timeout=400 long=6.1,6.12,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

model() {
	local table seed=$RANDOM

	echo "# seed $seed"
	table="0 $(sectors "$base") snapsync $base $store 2 chunk $1"

	wipe_store
	dmsetup create vol --table "$table" || return 1
	snapmodel vol $seed "${STEPS:-400}" \
		"dmsetup remove vol && dmsetup create vol --table '$table'" || return 1
	reaped vol && dmsetup remove vol
}

plan 6
snapmodel --stamp "$base" || bail "no BASE"
before=$(sum "$base")
for chunk in 4 8 16 32 64; do
	data check "chunks of $chunk KiB" model $chunk
done
data check_is "BASE was never written" "$(sum "$base")" "$before"
