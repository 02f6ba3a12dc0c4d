#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Interrupts that come back to an LPAR's CPUs are told of without anybody who looks: of a
# NIC by irqbalance or by its driver, but neither such as are bound to a CPU nor a guest's own.
# /proc/interrupts is the witness of where they came.
# vm: cpus=4 mem=1024 disks=nvme:64M timeout=300 modprobe=e1000e kernels=6.1,6.12,7.2,debug long=6.1,debug
# vm: append="intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1"
# vm: qemu="-device intel-iommu -device edu -netdev hubport,id=a,hubid=0 -device e1000e,netdev=a"
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

PATH=$LPARKIT_BUILD/selftests/dirtythrottle:$PATH
pci=/sys/bus/pci

# irq NAME: number of the interrupt that has this name
irq() {
	awk -v name="$1" '$NF ~ name { print $1 + 0; exit }' /proc/interrupts
}

has_irq() {
	[ -n "$(irq "$1")" ]
}

# came NAME: how often such interrupts have come to the LPAR's CPUs
came() {
	awk -v name="$1" '$NF ~ name { n += $4 + $5 } END { print n + 0 }' /proc/interrupts
}

# comes NAME COMMAND...: it does, when COMMAND is done
comes() {
	local name=$1 before

	before=$(came "$name")
	shift
	wait_until 20 comes_once "$before" "$name" "$@"
}

comes_once() {
	"${@:3}" >/dev/null 2>&1
	[ "$(came "$2")" -gt "$1" ]
}

# What it sends nobody answers.
use_nic() {
	ping -c 1 -W 0.2 192.0.2.2
	:
}

set_up_nic() {
	nic=$(basename "$pci/devices/$address/net/"*)
	# New ones have their names in /proc/interrupts when the link is up.
	ip addr add 192.0.2.1/24 dev "$nic"
	ip link set "$nic" up
	wait_until 20 has_irq "^$nic-tx-0$"
}

rebind_nic() {
	echo "$address" >$pci/drivers/e1000e/unbind
	echo "$address" >$pci/drivers/e1000e/bind
	set_up_nic
}

allow() {
	echo "$2" >"/proc/irq/$1/smp_affinity_list"
}

# Who reads them runs on the LPAR's CPUs.
read_disk() {
	# shellcheck disable=SC2016
	sh -c 'lparcall member-add a member $$ && exec dd if="$0" of=/dev/null bs=4k count=64 iflag=direct' "$disk"
}

# Two of the guard's looks, and no more is known than before.
stays_active() {
	sleep 3
	is a state active
}

plan 27
modprobe -a vfio_iommu_type1 vfio-pci || bail "no VFIO in this kernel"
edu=$(basename "$(dirname "$(grep -l 0x11e8 $pci/devices/*/device)")")
address=$(basename "$(echo $pci/drivers/e1000e/0000:*)")
disk=/dev/nvme0n1
load lpar
events=$scratch/events
listen "$events"
set_up_nic || bail "no NIC"

# Nobody has moved any: they may be where they are.
lparctl create a cpus 2-3
refused EINVAL "an LPAR that is not active" lparcall irqs-watch a
lparctl activate a
allow "$(irq "^$nic-tx-0$")" 2
check "without --host, one comes" comes "^$nic-tx-0$" use_nic
check "which is right so" stays_active
lparctl deactivate a

check "activate --host" lparctl activate a --host
# One that its device had sent before may come yet.
use_nic >/dev/null
before=$(came "^$nic")
use_nic >/dev/null
check "none comes" same "$(came "^$nic")" "$before"
check "active" is a state active

number=$(irq "^$nic-tx-0$")
allow "$number" 2
check "one is brought back" comes "^$nic-tx-0$" use_nic
check "degraded" wait_until 10 is a state degraded
check "for this reason" is a reason "interrupt $number may come to its CPUs; run 'lparctl activate a --host'"
check "and told" event "$events" irq-strayed 'name="a"' "irq=$number" cpu=2
check "lparctl shows it" says "degraded (interrupt $number may come" lparctl show a
check "what the reason says" lparctl activate a --host
check "helps" is a state active
allow "$number" 3
check "once more" comes "^$nic-tx-0$" use_nic
check "degraded again" wait_until 10 is a state degraded
allow "$number" 0-1
check "somebody moves it off: active" wait_until 10 is a state active
check "each was told once" same "$(grep -c event=irq-strayed "$events")" 2

# A driver that is bound anew
echo c >/proc/irq/default_smp_affinity
check "the driver is bound anew" rebind_nic
check "its new ones come" comes "^$nic" use_nic
check "degraded" wait_until 10 is a state degraded
echo "$address" >$pci/drivers/e1000e/unbind
check "it is unbound: active" wait_until 10 is a state active

# Those that may
check "a disk's, bound to their CPUs" comes "nvme.*q" read_disk
check "are no fault" stays_active
echo vfio-pci >"$pci/devices/$edu/driver_override"
echo "$edu" >$pci/drivers_probe
start msiwait "$(basename "$(readlink "$pci/devices/$edu/iommu_group")")" "$edu" poll 60
wait_until 20 has_irq vfio-msi
allow "$(irq vfio-msi)" 2
check "a guest's" comes vfio-msi true
check "are none either" stays_active
check "deactivate" lparctl deactivate a
lparctl delete a
check "unload" rmmod lpar
