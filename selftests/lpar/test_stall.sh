#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nobody stalls generic netlink: not a user without rights, and not a command
# that has to wait for something.
# vm: cpus=6 threads=2 mem=1024 timeout=240 kernels=6.1,6.12,7.2 long=6.1,6.12
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# In jiffies: a disk that takes longer to open than all that is tried meanwhile.
SLOW=5000

# The disk of scsi_debug, when it has come.
slow_disk() {
	local model

	for model in /sys/block/sd*/device/model; do
		grep -qs scsi_debug "$model" || continue
		echo "/dev/$(cut -d/ -f4 <<<"$model")"
		return
	done
	return 1
}

answer_slowly() {
	echo "$1" 2>/dev/null >/sys/bus/pseudo/drivers/scsi_debug/delay
}

waits_in_open() {
	grep -q "scsi_execute\|blk_execute_rq\|check_events\|blkdev_get\|bdev_open" "/proc/$1/stack" 2>/dev/null
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

still_waits() {
	kill -0 "$1" && is slow state defined
}

plan 18
load lpar
modprobe sd_mod
modprobe scsi_debug removable=1 delay=0 || bail "no scsi_debug"
wait_until 20 slow_disk >"$scratch/disk" || bail "no disk of scsi_debug"
disk=$(cat "$scratch/disk")
lparcall create slow disk "$disk" cpus 2-3
lparcall create quick cpus 4-5

refused EPERM "a check needs rights" lparcall --user 65534 check slow

# What anybody may ask is answered at once: nobody fills the kernel's memory with it
kept() {
	cat /sys/kernel/slab/kmalloc*-1k/objects | awk '{ sum += $1 } END { print sum }'
}
before=$(kept)
most=$before
floods=()
for _ in {1..4}; do
	start lparcall --user 65534 flood 60
	floods+=("$pid")
done
for _ in {1..50}; do
	now=$(kept)
	[ "$now" -le "$most" ] || most=$now
	sleep 0.05
done
check "a flood of requests: none is kept" below $((most - before)) 1000
check "another family comes meanwhile" timeout 20 insmod "$LPARKIT_MODULES/netbuf.ko"
for flood in "${floods[@]}"; do
	stop "$flood"
done
rmmod netbuf

# A stage that ends with its socket, which may not wait for the activation below
start lparcall --stay 600 stage slow number 1 text "about to begin" transient >"$scratch/stage"
stager=$pid
check "a stage for as long as its socket is there" wait_until 10 grep -q stays "$scratch/stage"

# An activation that waits for its disk
wait_until 20 answer_slowly $SLOW
start lparcall activate slow
activation=$pid
check "an activation waits for a disk" wait_until 10 waits_in_open "$activation"
check "another family comes" timeout 20 insmod "$LPARKIT_MODULES/netbuf.ko"
check "and goes" timeout 20 rmmod netbuf
check "another LPAR can be activated" timeout 20 lparcall activate quick
echo 0 >/sys/devices/system/cpu/cpu5/online
check "which becomes degraded when it loses a CPU" wait_until 20 is quick state degraded
echo 1 >/sys/devices/system/cpu/cpu5/online
check "LPARs can be listed" timeout 20 lparcall list
check "cuts can be listed" timeout 20 lparcall cut-list
start lparcall set slow gate_timeout_ms 5000
check "another family comes while a second command waits for the first" \
	timeout 20 insmod "$LPARKIT_MODULES/netbuf.ko"
kill "$stager"
check "a socket with a stage can be closed" wait_until 20 gone "$stager"
check "netlink is told of nothing by us meanwhile" timeout 20 modprobe nfnetlink_log
check "the activation waits yet" still_waits "$activation"
kill -9 "$activation"
wait_until 60 answer_slowly 0
check "it ends by a signal, or is done" wait_until 60 lparcall get slow
check "the stage has ended" wait_until 20 is slow stage/number 0
lparcall deactivate slow 2>/dev/null
lparcall deactivate quick
lparcall delete slow
lparcall delete quick
check "the modules can go" rmmod netbuf lpar
