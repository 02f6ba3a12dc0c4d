#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=2 mem=3072 timeout=3000 kernels=6.12 speed=long here
#
# relocate beside dm-clone and the disk at hand: in one boot, on the same backing device, with
# a SOURCE that answers after 0, 20 and 100 ms. One line of JSON for each figure.
# DELAYS; SIZE of the disk in MiB (64); RUNTIME of each load in seconds (10).

set -u

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

bench=relocate
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

[ -S /run/udev/control ] || export DM_DISABLE_UDEV=1
runtime=${RUNTIME:-10}
mib=${SIZE:-64}
size=$((mib * 2048))
disk=/dev/nullb0
meta=$((32 * 2048))

create() {
	dmsetup create "$1" --table "$2" || die "no $1"
}

# near: SOURCE. Of each target a DEST and a META of its own.
backing() {
	local at=0 name

	[ ! -e /sys/module/null_blk ] || die "null_blk is loaded already: rmmod it"
	modprobe null_blk nr_devices=1 gb=2 memory_backed=1 discard=1 irqmode=2 \
		completion_nsec=100000 queue_mode=2 submit_queues=2 hw_queue_depth=128
	for name in near linear relocatedest clonedest; do
		create $name "0 $size linear $disk $at"
		at=$((at + size))
		dd if=/dev/urandom of=/dev/mapper/$name bs=1M oflag=direct status=none
	done
	for name in relocatemeta clonemeta; do
		create $name "0 $meta linear $disk $at"
		at=$((at + meta))
	done
}

# far MS: SOURCE, that far away.
far() {
	dmsetup remove far 2>/dev/null
	if [ "$1" = 0 ]; then
		create far "0 $size linear /dev/mapper/near 0"
	else
		create far "0 $size delay /dev/mapper/near 0 $1"
	fi
}

blank() {
	dd if=/dev/zero of=/dev/mapper/"$1"meta bs=1M count=2 oflag=direct status=none
}

# begin TARGET
begin() {
	blank "$1"
	case $1 in
	relocate)
		create vm "0 $size relocate /dev/mapper/relocatedest /dev/mapper/far /dev/mapper/relocatemeta"
		;;
	clone)
		create vm "0 $size clone /dev/mapper/clonemeta /dev/mapper/clonedest /dev/mapper/far 128"
		;;
	esac
}

is_over() {
	case $1 in
	relocate) dmsetup status vm | grep -q ' complete ' ;;
	clone) dmsetup status vm | awk '{ split($7, n, "/"); exit n[1] != n[2] }' ;;
	esac
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# The time of the first read, which needs SOURCE.
first_read() {
	local start

	begin "$1"
	start=$(now_ms)
	dd if=/dev/mapper/vm of=/dev/null bs=4k count=1 skip=999 iflag=direct status=none
	echo $(($(now_ms) - start))
	dmsetup remove vm
}

# A copy for nobody but itself, in MiB/s.
idle_copy() {
	local start

	begin "$1"
	start=$(now_ms)
	wait_until 600 is_over "$1" || die "$1 does not end"
	ratio $((mib * 1000)) $(($(now_ms) - start))
	dmsetup remove vm
}

# What is to be had of SOURCE: a megabyte at a time, as many as the copier may have under way.
bare_copy() {
	local start

	start=$(now_ms)
	fio --name=x --filename=/dev/mapper/far --direct=1 --rw=read --bs=256k --ioengine=libaio \
		--iodepth=64 --size=$((size * 512)) --output=/dev/null
	ratio $((mib * 1000)) $(($(now_ms) - start))
}

# latencies DEVICE: of the guest's reads, "P50 P99" in us; and how long it takes until all is there.
latencies() {
	fio --name=x --filename="$1" --direct=1 --rw=randrw --rwmixread=70 --bs=4k --iodepth=4 \
		--ioengine=libaio --time_based --runtime="$runtime" --randseed=7 --output-format=json |
		/usr/bin/python3 -c "import json, sys
clat = json.load(sys.stdin)['jobs'][0]['read']['clat_ns']['percentile']
print(clat['50.000000'] / 1000, clat['99.000000'] / 1000)"
}

# loaded TARGET: under a guest's load; sets p50, p99, took.
loaded() {
	local start

	begin "$1"
	start=$(now_ms)
	read -r p50 p99 <<<"$(latencies /dev/mapper/vm)"
	wait_until 900 is_over "$1" || die "$1 does not end"
	took=$(($(now_ms) - start))
	dmsetup remove vm
}

read_sectors() {
	local disk=/dev/mapper/far

	awk '{ print $3 }' "/sys/dev/block/$(($(stat -Lc '0x%t' $disk))):$(($(stat -Lc '0x%T' $disk)))/stat"
}

one_delay() {
	local ms=$1 bare p50 p99 took local50 local99 before

	far "$ms"
	for target in relocate clone; do
		figure ${target}_first_read_ms_rtt"$ms" "$(first_read $target)" ms
	done
	bare=$(bare_copy)
	for target in relocate clone; do
		figure ${target}_copy_vs_bare_rtt"$ms" "$(ratio "$(idle_copy $target)" "$bare")" ratio
	done
	read -r local50 local99 <<<"$(latencies /dev/mapper/linear)"
	before=$(read_sectors)
	loaded relocate
	figure relocate_bytes_vs_disk_rtt"$ms" "$(ratio $(($(read_sectors) - before)) $size)" ratio
	figure relocate_read_p50_vs_local_rtt"$ms" "$(ratio "$p50" "$local50")" ratio
	figure relocate_read_p99_vs_local_rtt"$ms" "$(ratio "$p99" "$local99")" ratio
	figure relocate_loaded_ms_rtt"$ms" "$took" ms
	before=$(read_sectors)
	loaded clone
	figure clone_bytes_vs_disk_rtt"$ms" "$(ratio $(($(read_sectors) - before)) $size)" ratio
	figure clone_read_p50_vs_local_rtt"$ms" "$(ratio "$p50" "$local50")" ratio
	figure clone_read_p99_vs_local_rtt"$ms" "$(ratio "$p99" "$local99")" ratio
	figure clone_loaded_ms_rtt"$ms" "$took" ms
}

load dm-snapsync
modprobe dm-clone || die "no dm-clone"
modprobe dm-delay || die "no dm-delay"
backing
for ms in ${DELAYS:-0 20 100}; do
	one_delay "$ms"
done
