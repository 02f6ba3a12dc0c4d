#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=2 mem=3072 timeout=1800 kernels=6.12 speed=long here
#
# snapsync beside linear, dm-thin with an external origin, and dm-snapshot: in one boot, on
# the same backing device, in turns. One line of JSON for each figure.
# Parts: write depth huge chunk. ROUNDS (3) of RUNTIME seconds (3); CHUNK in KiB (the default); BACKING null_blk or brd.

set -u

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

bench=snapsync
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

PATH=$LPARKIT_BUILD/selftests/bench:$PATH
[ -S /run/udev/control ] || export DM_DISABLE_UDEV=1
rounds=${ROUNDS:-3}
runtime=${RUNTIME:-3}
run=$(mktemp -d)
mib=2048			# sectors
volume=$((128 * mib))
store=$((384 * mib))
chunks=$((1 << 20))
declare -A parts=()

create() {
	dmsetup create "$1" --table "$2" || die "no $1"
}

# part NAME START SECTORS: a partition, as a device under dm would cost some targets a layer
# more than others.
part() {
	local number=$((${#parts[@]} + 1))

	addpart $disk $number "$2" "$3" || die "no partition for $1"
	parts[$1]=${disk}p$number
}

# An SSD's latency, or none at all. All devices below are parts of it.
backing() {
	# Of somebody else's, it may have data.
	[ ! -e "/sys/module/${BACKING:-null_blk}" ] || die "${BACKING:-null_blk} is loaded already: rmmod it"
	if [ "${BACKING:-null_blk}" = null_blk ]; then
		modprobe null_blk nr_devices=1 gb=4 memory_backed=1 irqmode=2 \
			completion_nsec=100000 queue_mode=2 submit_queues=2 hw_queue_depth=128
		disk=/dev/nullb0
	else
		modprobe brd rd_nr=1 rd_size=$((4 << 20))
		disk=/dev/ram0
	fi
	part base 0 $volume
	part disk $((256 * mib)) $volume
	part store $((512 * mib)) $store
	part pooldata $((1280 * mib)) $store
	part poolmeta $((2048 * mib)) $((64 * mib))
	part cow $((2176 * mib)) $store
	part origin $((3072 * mib)) $volume
	# All of it, or the first writes would pay for the memory of the backing device.
	for name in base disk origin store pooldata cow; do
		dd if=/dev/zero of="${parts[$name]}" bs=1M oflag=direct status=none
	done
}

# volume [CHUNK]
volume() {
	create snapsync "0 $volume snapsync ${parts[base]} ${parts[store]} ${1:+2 chunk $1}"
}

peers() {
	create linear "0 $volume linear ${parts[disk]} 0"
	volume "${CHUNK:-}"
	create pool "0 $store thin-pool ${parts[poolmeta]} ${parts[pooldata]} 128 0 1 skip_block_zeroing"
	dmsetup message pool 0 "create_thin 0"
	create thin "0 $volume thin /dev/mapper/pool 0 ${parts[base]}"
	create snapshot "0 $volume snapshot ${parts[origin]} ${parts[cow]} P 16"
}

thin_id=0
states=0

# A state of each that can name one; dm-snapshot starts with an empty store, which is what one costs.
take() {
	case $1 in
	snapsync)
		dmsetup message snapsync 0 take s$states
		states=$((states + 1))
		;;
	thin)
		dmsetup suspend thin
		dmsetup message pool 0 "create_snap $((thin_id += 1)) 0"
		dmsetup resume thin
		;;
	snapshot)
		dmsetup remove snapshot
		dd if=/dev/zero of="${parts[cow]}" bs=64k count=1 oflag=direct status=none
		create snapshot "0 $volume snapshot ${parts[origin]} ${parts[cow]} P 16"
		;;
	esac
}

# Gives the space back, so that no store becomes full.
forget() {
	case $1 in
	snapsync)
		dmsetup message snapsync 0 restore s0
		for ((; states > 1; states--)); do
			dmsetup message snapsync 0 delete s$((states - 1))
		done
		wait_until 60 reaped
		;;
	thin)
		for ((; thin_id > 0; thin_id--)); do
			dmsetup message pool 0 "delete $thin_id"
		done
		;;
	esac
}

reaped() {
	dmsetup status snapsync | grep -q ' -$'
}

# iops TARGET ARG...: operations a second.
iops() {
	local target=$1 what="write"

	shift
	case "$*" in *--rw=read* | *--rw=randread*) what="read" ;; esac
	fio --name=x --filename=/dev/mapper/"$target" --direct=1 --ioengine=libaio --time_based \
		--runtime="$runtime" --output-format=json --randrepeat=0 --norandommap "$@" |
		/usr/bin/python3 -c "import json, sys; print(json.load(sys.stdin)['jobs'][0]['$what']['iops'])"
}

# compare NAME "TARGET..." ARG...: after a take each.
compare() {
	local name=$1 targets=$2 round target

	shift 2
	for ((round = 0; round < rounds; round++)); do
		for target in $targets; do
			take "$target"
			iops "$target" "$@" >>"$run/$name.$target"
			forget "$target"
		done
	done
}

# report METRIC NAME PEER...
report() {
	local metric=$1 name=$2 peer

	shift 2
	for peer in "$@"; do
		figure "${metric}_vs_$peer" \
			"$(ratio "$(median <"$run/$name.snapsync")" "$(median <"$run/$name.$peer")")" ratio
	done
}

bench_write() {
	local all="linear snapsync thin snapshot" qd

	dmsetup message snapsync 0 take s0
	states=1
	for qd in 1 32; do
		compare rand$qd "$all" --rw=randwrite --bs=4k --iodepth=$qd
		report randwrite4k_after_take_qd$qd rand$qd linear thin snapshot
	done
	compare seq "$all" --rw=write --bs=128k --iodepth=32
	report seqwrite seq linear thin snapshot
	compare fsync "$all" --rw=randwrite --bs=4k --iodepth=1 --fsync=1
	report fsync fsync linear thin snapshot
}

# What the default size of a chunk was chosen by; what is read was written at random.
bench_chunk() {
	local chunk round target two="linear snapsync"

	for chunk in 4 8 16 32 64; do
		dmsetup remove snapsync
		dd if=/dev/zero of="${parts[store]}" bs=1M count=1 oflag=direct status=none
		volume $chunk
		dmsetup message snapsync 0 take s0
		states=1
		compare rand.$chunk "$two" --rw=randwrite --bs=4k --iodepth=32
		report randwrite4k_after_take_qd32_chunk${chunk} rand.$chunk linear
		compare seq.$chunk "$two" --rw=write --bs=128k --iodepth=32
		report seqwrite_chunk${chunk} seq.$chunk linear
		iops snapsync --rw=randwrite --bs=4k --iodepth=32 >/dev/null
		for ((round = 0; round < rounds; round++)); do
			for target in $two; do
				iops "$target" --rw=read --bs=128k --iodepth=32 >>"$run/read.$chunk.$target"
			done
		done
		report seqread_chunk${chunk} read.$chunk linear
		forget snapsync
	done
}

# Depth N: as many states, each with some writes of its own, over the whole volume.
bench_depth() {
	local depth round

	for depth in 1 8 64 256; do
		snapbench snapsync $((depth - states)) "take depth$depth-%d" 64 >/dev/null ||
			die "no state"
		states=$depth
		for ((round = 0; round < rounds; round++)); do
			iops snapsync --rw=randread --bs=4k --iodepth=32 >>"$run/depth$depth"
			iops linear --rw=randread --bs=4k --iodepth=32 >>"$run/depth$depth.linear"
		done
		figure randread4k_depth${depth}_vs_linear \
			"$(ratio "$(median <"$run/depth$depth")" "$(median <"$run/depth$depth.linear")")" ratio
	done
	for depth in 8 64 256; do
		figure randread4k_depth${depth}_vs_depth1 \
			"$(ratio "$(median <"$run/depth$depth")" "$(median <"$run/depth1")")" ratio
	done
}

# A STORE of which only metadata take memory: data go to dm-zero. Chunks of 4 KiB: groups
# of 1 MiB of metadata and 15872 chunks.
huge_store() {
	local groups=$((chunks / 15872 + 2)) data=$((15872 * 8)) i at=$((3 * mib)) from=$((3 * mib))

	echo "0 $at linear $disk 0"
	for ((i = 0; i < groups; i++)); do
		echo "$at $mib linear $disk $from"
		echo "$((at + mib)) $data zero"
		at=$((at + mib + data))
		from=$((from + mib))
	done
}

used_chunks() {
	dmsetup status huge | cut -d ' ' -f 6 | cut -d / -f 1
}

activate() {
	create huge "0 $((1024 * 1024 * mib)) snapsync /dev/mapper/terabyte /dev/mapper/hugestore 2 chunk 4"
}

# Metadata that are there, slots included.
metadata_bytes() {
	/usr/bin/python3 - "$disk" $((3 + chunks / 15872 + 2)) <<-'END'
	import sys
	used = 0
	with open(sys.argv[1], "rb") as f:
	    for _ in range(int(sys.argv[2]) * 256):
	        used += any(f.read(4096))
	print(used * 4096)
	END
}

bench_huge() {
	local start bytes

	# A disk with partitions in use is nobody else's.
	for name in snapsync thin pool snapshot linear; do dmsetup remove $name; done
	dd if=/dev/zero of="$disk" bs=1M count=128 oflag=direct status=none
	create terabyte "0 $((1024 * 1024 * mib)) zero"
	huge_store | dmsetup create hugestore || die "no huge store"
	activate
	fio --name=x --filename=/dev/mapper/huge --direct=1 --rw=randwrite --bs=256k --iodepth=8 \
		--ioengine=libaio --size=1T --io_size=4G --output=/dev/null
	blockdev --flushbufs /dev/mapper/huge
	[ "$(used_chunks)" -ge $((chunks * 9 / 10)) ] || die "only $(used_chunks) chunks"
	dmsetup status huge >&2
	figure ram_bytes_per_chunk "$(ratio "$(dmsetup status huge | cut -d ' ' -f 12)" "$(used_chunks)")" B
	fio --name=x --filename=/dev/mapper/huge --direct=1 --rw=randwrite --bs=4k --iodepth=32 \
		--ioengine=libaio --time_based --runtime=30 --output=/dev/null &
	snapbench huge 20 "take t%d" >"$run/take"
	snapbench huge 10 "restore t%d" >"$run/restore"
	wait $!
	figure take_ms_1m_chunks "$(median <"$run/take")" ms
	figure take_ms_1m_chunks_max "$(sort -g "$run/take" | tail -1)" ms
	figure restore_ms_1m_chunks "$(median <"$run/restore")" ms
	figure restore_ms_1m_chunks_max "$(sort -g "$run/restore" | tail -1)" ms
	bytes=$(metadata_bytes)
	figure metadata_bytes_per_chunk "$(ratio "$bytes" "$(used_chunks)")" B
	dmsetup remove huge
	start=$(date +%s%N)
	activate
	figure activate_ms_1m_chunks "$((($(date +%s%N) - start) / 1000000))" ms
}

load dm-snapsync
modprobe -a dm-thin-pool dm-snapshot 2>/dev/null
backing
peers
wanted=" ${*:-write depth huge} "
case $wanted in *" write "*) bench_write ;; esac
case $wanted in *" depth "*) bench_depth ;; esac
case $wanted in *" chunk "*) bench_chunk ;; esac
case $wanted in *" huge "*) bench_huge ;; esac
