#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 disks=64M,64M timeout=600 kernels=6.1,6.12,7.2 speed=long
#
# A guest whose QEMU is a user of its own: it boots by KVM on memory, a disk and a netdev that
# root alone can open, stands and goes on when the disk fails, is saved and restored.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"
export DM_DISABLE_UDEV=1

clear_away() {
	lparctl stop web --timeout 0 >/dev/null 2>&1
	guest_kill_all
	dmsetup remove_all
	tap_end
}
trap clear_away EXIT

user=nobody
uid=$(id -u $user)
# shellcheck disable=SC2034 # for guest_qmp
guest_qmp_socket=/run/lparkit/web/qmp.sock

# says STATUS PATTERN COMMAND...
says() {
	local status=$1 pattern=$2 is

	shift 2
	"$@" >"$run/said" 2>&1
	is=$?
	[ $is = "$status" ] && grep -q -e "$pattern" "$run/said" && return
	sed "s/^/# status $is: /" "$run/said"
	return 1
}

qemu_pid() {
	cat /run/lparkit/web/qemu.pid
}

# is_user: whatever of it could be root's is the user's
is_user() {
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$(qemu_pid)/status")" = "$uid $uid $uid $uid" ] &&
		[ "$(awk '/^Cap(Prm|Eff|Amb):/ { print $2 }' "/proc/$(qemu_pid)/status" | sort -u)" = 0000000000000000 ]
}

# vcpus_apart: each vCPU has a CPU of its own
vcpus_apart() {
	[ "$(grep -l '^CPU ./KVM$' "/proc/$(qemu_pid)"/task/*/comm | sed 's/comm$/status/' |
		xargs grep -h Cpus_allowed_list | awk '{ print $2 }' | sort | xargs)" = "2 3" ]
}

# base_is TARGET: what is below the guest's volume
base_is() {
	local sectors

	sectors=$(blockdev --getsz "$(disk 1)")
	dmsetup suspend --nolockfs base && dmsetup load base --table "0 $sectors $1" && dmsetup resume base
}

guest_is() {
	lparctl list | grep -q "^web .* $1 "
}

load lpar
load netbuf
load dm-snapsync
guest_prepare || bail "the host VM has no KVM"
ip tuntap add tap0 mode tap
ip addr add 192.0.2.1/24 dev tap0
ip link set tap0 up
dmsetup create base --table "0 $(blockdev --getsz "$(disk 1)") linear $(disk 1) 0"
dmsetup create volume --table "0 $(blockdev --getsz "$(disk 1)") snapsync /dev/mapper/base $(disk 2) 0"

# What it reads itself, and writes, is where it may.
chmod 755 "$run"
install -m 644 "$guest_kernel" "$run/kernel"
install -m 644 "$guest_initrd" "$run/initrd"
install -d -o $user "$run/own"
mkdir -p /etc/lparkit
cat >/etc/lparkit/web.lpar <<EOT
[lpar]
cpus=2-3
memory=256M
disk=/dev/mapper/volume
[guest]
user=$user
console=no
net=tap0,mac=02:00:00:00:00:01
disk-error=stop
machine=$guest_machine
kernel=$run/kernel
initrd=$run/initrd
append=$guest_append guest_addr=192.0.2.2
args=-no-reboot -serial file:$run/own/web.console -serial unix:$run/own/web.line,server=on,wait=off
EOT
for file in console line; do
	ln -s "own/web.$file" "$run/web.$file"
done

chmod 600 /dev/kvm
check "a /dev/kvm that is root's alone" says 5 "chgrp kvm /dev/kvm" lparctl start web
check "nothing is left" test ! -e /sys/class/lpar/web
chgrp daemon /dev/kvm && chmod 660 /dev/kvm
check "start" says 0 "web: guest runs" lparctl start web
check "QEMU is that user" is_user
check "the LPAR's memory is that user's" test "$(stat -c %U:%a /dev/lpar/web)" = $user:600
check "QEMU holds the memory" test "$(cat /sys/class/lpar/web/holder)" = "$(qemu_pid)"
check "its vCPUs have CPUs of their own" vcpus_apart
check "the guest boots" wait_until 300 guest_is_up web
data check "its memory holds what it writes" guest_say web "memory 32 7"
# What is below its disk fails; it has not written to it
check "the disk fails" base_is error
guest_say web "disk verify 21 1" 300 >"$run/verify" &
reader=$!
check "it stands" wait_until 60 guest_is io-error
check "show names the disk" says 0 "io-error: /dev/mapper/volume: I/O error" lparctl show web
check "resume does not help" says 1 "stands again: io-error: /dev/mapper/volume: I/O error" lparctl resume web
check "the disk is back" base_is "linear $(disk 1) 0"
check "resume" says 0 "guest goes on" lparctl resume web
wait "$reader"
check "and it was told of no error, but read what is there" grep -q "wrong data" "$run/verify"

data check "its disk holds what it writes" guest_say web "disk write 21 8" 120
data check "traffic both ways is right" peer net 192.0.2.2 1
check "freeze and thaw" eval "lparctl freeze web && lparctl thaw web"
check "it goes on" guest_goes_on web

# Saved, and restored
check "save" says 0 "" lparctl cluster save one --hosts localhost --dir "$run/states"
check "it has ended" test ! -e /run/lparkit/web/qemu.pid
check "restore" says 0 "" lparctl cluster restore one --dir "$run/states"
check "QEMU is that user again" is_user
check "the guest goes on" guest_goes_on web
data check "with its disk" guest_say web "disk verify 21 8" 120
check "stop" says 0 "web: deactivated" lparctl stop web --timeout 0
check "delete" lparctl delete web
