#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same random script on a volume and on dm-thin with an external origin, which must
# agree, all states included.
# STEPS: of each chunk size (600).
# vm: cpus=2 mem=768 disks=4M,64M,128M,4M timeout=400 here speed=long
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

data=$(disk 3)
meta=$(disk 4)

peer() {
	dd if=/dev/zero of="$meta" bs=1M count=1 oflag=direct status=none
	dmsetup create pool --table "0 $(sectors "$data") thin-pool $meta $data 128 0" &&
		dmsetup message pool 0 "create_thin 0" &&
		dmsetup create thin --table "0 $(sectors "$base") thin /dev/mapper/pool 0 $base"
}

agree() {
	local table seed=$RANDOM

	echo "# seed $seed"
	table="0 $(sectors "$base") snapsync $base $store 2 chunk $1"
	wipe_store
	dmsetup create vol --table "$table" && peer &&
		snapmodel --thin pool thin "$base" vol $seed "${STEPS:-600}" \
			"dmsetup remove vol && dmsetup create vol --table '$table'" &&
		dmsetup remove thin && dmsetup remove pool && reaped vol && dmsetup remove vol
}

plan 4
modprobe dm-thin-pool 2>/dev/null
snapmodel --stamp "$base" || bail "no BASE"
before=$(sum "$base")
for chunk in 4 16 64; do
	data check "chunks of $chunk KiB" agree $chunk
done
data check_is "BASE was never written" "$(sum "$base")" "$before"
