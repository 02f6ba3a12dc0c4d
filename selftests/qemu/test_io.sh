#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 disks=64M timeout=600 kernels=6.1,6.12,7.2 speed=full long=6.1,6.12 here=kvm,cpus
#
# Who reads and writes an LPAR's memory besides the guest: direct I/O of a disk that
# the LPAR claims, and vhost-net. Every byte is checked, at both ends.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"
trap 'guest_kill_all; tap_end' EXIT

disk=$(disk 1)
disk_mib=32
net_mib=8

uses_vhost() {
	readlink /proc/"$guest_pid"/fd/* | grep -qx /dev/vhost-net
}

tap_bytes() {
	echo $(($(cat /sys/class/net/tap0/statistics/rx_bytes) + $(cat /sys/class/net/tap0/statistics/tx_bytes)))
}

load lpar
guest_prepare || bail "the host VM has no KVM"
ip tuntap add tap0 mode tap
ip addr add 192.0.2.1/24 dev tap0
ip link set tap0 up

check "an LPAR with a disk is created" lparctl create web cpus 2-3 memory 256M disk "$disk"
check "it becomes active" lparctl activate web

guest_more="guest_addr=192.0.2.2"
guest_start web 256 2 "$(lpar_backend web)" \
	-drive file="$disk",format=raw,if=none,id=disk,cache=none,aio=threads \
	-device virtio-blk-pci,drive=disk \
	-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on \
	-device virtio-net-pci,netdev=net,romfile=
check "QEMU becomes a member" lparctl member add web "$guest_pid"
check "the guest boots" wait_until 300 guest_is_up web

check "the guest writes its disk with O_DIRECT" guest_say web "disk write 11 $disk_mib" 120
data check "and reads back what it wrote" guest_say web "disk verify 11 $disk_mib" 120
check_fails "which is no other pattern" guest_say web "disk verify 12 1" 120
check_fails "mkfs on the disk is refused" mkfs.ext4 -q "$disk"

check "QEMU drives the tap by vhost-net" uses_vhost
data check "traffic both ways at once is right" peer net 192.0.2.2 $net_mib
check "and went over the tap" test "$(tap_bytes)" -gt $((2 * net_mib << 20))

check "frozen" lparctl freeze web
before=$(tap_bytes)
check_fails "the guest does not answer the network" busybox ping -c 1 -W 2 192.0.2.2
check "thawed" lparctl thaw web
check "it answers again" wait_until 20 busybox ping -c 1 -W 2 192.0.2.2
check "by frames on the tap" test "$(tap_bytes)" -gt "$before"
data check "traffic is right after the thaw" peer net 192.0.2.2 1

check "the guest powers itself off" guest_say web off
check "QEMU has gone, and the LPAR is deactivated" wait_until 20 lparctl deactivate web
data check "on the disk is what the guest wrote" peer disk "$disk" 11 $disk_mib
check "the disk is anybody's again" mkfs.ext4 -q "$disk"
# Frames on their way may pin some of the memory for a while, which is zeroed and given back after them.
check "what was pinned is given back, and the module unloads" wait_until 30 unload lpar
