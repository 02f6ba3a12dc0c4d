#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=1024 disks=nvme:64M timeout=600 kernels=6.12 speed=long
#
# What an emulated NVMe disk carries while its interrupts are late, with a few requests
# in flight and with many. One line of JSON for each figure. SECONDS_EACH: (5).

set -u

# shellcheck source=selftests/dirtythrottle/msi.sh
. "$(dirname "$0")/msi.sh"
bench=dirtythrottle
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/../bench/bench.sh"

# carried DEPTH: KiB per second, read at random in pieces of 4 KiB
carried() {
	fio --name=x --thread --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --rw=randread \
		--bs=4k --iodepth="$1" --size=16M --time_based --runtime="${SECONDS_EACH:-5}" \
		--output-format=json | /usr/bin/python3 -c \
		'import json, sys; print(json.load(sys.stdin)["jobs"][0]["read"]["bw"])'
}

load dirtythrottle
nvme=$(basename "$(readlink -f /sys/block/nvme0n1/device/device)")
for depth in 4 64; do
	for delay_us in 0 100 1000 10000; do
		lparctl throttle msi "$nvme" --delay ${delay_us}us --force ||
			die "cannot delay the interrupts of $nvme"
		metric=msi_throughput_at_delay_us_$delay_us
		[ $depth = 4 ] || metric+=_depth_$depth
		figure "$metric" "$(carried $depth)" "KiB/s"
	done
done
