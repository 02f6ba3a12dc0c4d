#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 disks=64M timeout=600 kernels=6.12 speed=full here=kvm,cpus
#
# lparctl start and stop with a real guest, described by an INI file.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"
# shellcheck source=selftests/lib/vcpus.sh
. "$(dirname "$0")/../lib/vcpus.sh"
trap 'guest_kill_all; tap_end' EXIT

disk=$(disk 1)
# shellcheck disable=SC2034 # for guest_qmp
guest_qmp_socket=/run/lparkit/web/qmp.sock

state_is() {
	[ "$(cat /sys/class/lpar/web/state)" = "$1" ]
}

# status WANTED COMMAND...
status() {
	local wanted=$1 is

	shift
	"$@"
	is=$?
	[ $is = "$wanted" ] || { echo "# status $is"; return 1; }
}

load lpar
guest_prepare || bail "the host VM has no KVM"
mkdir -p /etc/lparkit/web.lpar.d
cat >/etc/lparkit/web.lpar <<EOT
[lpar]
cpus=2-3
memory=256M
disk=$disk
[guest]
machine=$guest_machine
kernel=$guest_kernel
initrd=$guest_initrd
append=$guest_append
args=-no-reboot $(guest_lines web)
EOT

printf '[guest]\nkernel=/nonexistent\n' >/etc/lparkit/web.lpar.d/broken.conf
check "a start that fails is rolled back: status 5" status 5 lparctl start web
check "and leaves no LPAR" test ! -e /sys/class/lpar/web
rm /etc/lparkit/web.lpar.d/broken.conf

check "start" lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
check "QEMU holds the memory" test "$(cat /sys/class/lpar/web/holder)" = "$pid"
check "the guest boots" wait_until 300 guest_is_up web
check "a second start is refused" status 1 lparctl start web
check "the guest's memory holds what it writes" guest_say web "memory 96 7"
check "its disk too, by native AIO" guest_say web "disk write 21 32" 120

check "the guest tells where it counts" guest_find_counters web
check "both vCPUs count" guest_say web "spin 1"
check "each on a CPU of its own" use_all_cpus web
check "freeze" lparctl freeze web
check "the guest stands still" guest_stands_still web 1
check "stop thaws, and ends QEMU" lparctl stop web --timeout 0
check "QEMU is gone" test ! -d "/proc/$pid"
check "the LPAR is defined" state_is defined
check "the memory has no holder" test -z "$(cat /sys/class/lpar/web/holder)"
check "on the disk is what the guest wrote" peer disk "$disk" 21 32
check "the disk is anybody's again" mkfs.ext4 -q "$disk"

check "start once more" lparctl start web
guest_kill "$(cat /run/lparkit/web/qemu.pid)"
check "stop cleans up after a QEMU that was killed" wait_until 10 lparctl stop web
check "the LPAR is defined again" state_is defined
check "delete" lparctl delete web
