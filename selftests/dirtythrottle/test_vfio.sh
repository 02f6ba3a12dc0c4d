#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Interrupts that come late, of a device that VFIO has given to a process: it waits on the
# eventfd. The IOMMU is an emulated Intel one;
# the debug kernel does not use it for interrupts.
# vm: cpus=2 mem=1024 timeout=200 append="intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1" long=6.1,6.12,debug
# vm: qemu="-device intel-iommu -device edu"
# shellcheck source=selftests/dirtythrottle/msi.sh
. "$(dirname "$0")/msi.sh"

# median FILE: of numbers, one a line
median() {
	sort -n "$1" | sed -n "$((($(wc -l <"$1") + 1) / 2))p"
}

least() {
	sort -n "$1" | head -1
}

# wait_for_interrupts FILE COUNT [ROUNDS]
wait_for_interrupts() {
	local file=$1

	shift
	timeout 60 msiwait "$group" "$edu" "$@" >"$file"
}

plan 25
modprobe -a vfio_iommu_type1 vfio-pci || bail "no VFIO in this kernel"
edu=$(basename "$(dirname "$(grep -l 0x11e8 $pci/*/device)")")
[ -e "$pci/$edu/iommu_group" ] || bail "no IOMMU in this VM"
group=$(basename "$(readlink "$pci/$edu/iommu_group")")
load dirtythrottle

check "a device without a driver: refused" refused "no driver" lparctl throttle msi "$edu" --delay 1ms
echo vfio-pci >"$pci/$edu/driver_override"
echo "$edu" >/sys/bus/pci/drivers_probe
check "VFIO's is throttled without force" lparctl throttle msi "$edu" --delay 10ms
check "though it uses no vector yet" msi_is "$edu" state blocked
check "interrupts arrive" wait_for_interrupts "$scratch/late" 50
check "late" at_least "$(least "$scratch/late")" 10000
diag "with a delay of 10 ms: median $(median "$scratch/late") us"
check "each was counted" msi_is "$edu" interrupts 50
check "and waited" msi_is "$edu" delayed 50
check "VFIO sets them up anew" wait_for_interrupts "$scratch/again" 10 5
check "all of them came" same "$(wc -l <"$scratch/again")" 50
check "late as well" at_least "$(least "$scratch/again")" 10000
lparctl throttle msi "$edu" --delay 50ms
start msiwait "$group" "$edu" poll 60
check "a process that does not wait for them: polled" wait_until 20 msi_is "$edu" state polled
guest_end "$pid"
check "off" lparctl throttle msi "$edu" off
check "they arrive" wait_for_interrupts "$scratch/free" 50
check "as without us" at_most "$(median "$scratch/free")" 10000
diag "without a delay: median $(median "$scratch/free") us"
lparctl throttle msi "$edu" --delay 50ms
start wait_for_interrupts "$scratch/killed" 1000
sleep 2
guest_end "$pid"
pkill -9 msiwait
check "the process is killed: blocked" wait_until 5 msi_is "$edu" state blocked
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/unbind
check "unbound: blocked" wait_until 5 says "no driver" lparctl throttle msi "$edu"

# An unbind waits, with the device's lock, until nobody uses the device
echo "$edu" >/sys/bus/pci/drivers_probe
start msiwait "$group" "$edu" poll 120
check "used again" wait_until 20 has_vectors "$edu"
echo "$edu" >/sys/bus/pci/drivers/vfio-pci/unbind &
unbind=$!
check "an unbind waits" wait_until 20 grep -q vfio "/proc/$unbind/stack"
check "its state is told" timeout 20 lparctl throttle msi "$edu"
check "its delay can be changed" timeout 20 lparctl throttle msi "$edu" --delay 20ms
check "and ended" timeout 20 lparctl throttle msi "$edu" off
check "it is not begun anew" refused "bound to it or unbound" \
	timeout 20 lparctl throttle msi "$edu" --delay 20ms
check "the unbind waits yet" kill -0 $unbind
check "unload" timeout 60 rmmod dirtythrottle
pkill -9 msiwait
check "the unbind ends" wait $unbind
