#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl with a real QEMU and KVM: a guest on the LPAR's memory and CPUs.
# vm: cpus=4 threads=2 mem=1536 disks=64M timeout=400 modprobe=kvm_amd kernels=6.12 here=kvm,cpus
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 16
load lpar
disk=$(disk 1)
guest=$build/guest
console=$scratch/console
mkdir -p /etc/lparkit
cat >/etc/lparkit/web.lpar <<END
[lpar]
cpus=2-3
memory=192M
gate-timeout=10m
disk=$disk

[guest]
kernel=$(readlink -f "$guest")/vmlinux
initrd=$(readlink -f "$guest")/initramfs
append=console=ttyS0 quiet panic=-1
args=-serial file:$console
END

# The last number that the guest printed: it counts ten times a second.
beat() {
	sed -n 's/.*beat \([0-9]*\).*/\1/p' "$console" | tail -1
}

beats_past() {
	[ "$(beat)" -gt "${1:-0}" ] 2>/dev/null
}

# goes_on SECONDS: three more beats come in time.
goes_on() {
	wait_until "$1" beats_past $(($(beat) + 3))
}

check "check" says 0 "^web: ok" lparctl check web
check "start" exits 0 lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
check "the guest runs" wait_until 280 beats_past 3
check "on the LPAR's memory" is web holder "$pid"
# affinity PATTERN: of the threads with such a name
affinity() {
	local task

	for task in /proc/"$pid"/task/*; do
		grep -q "$1" "$task/comm" && taskset -pc "${task##*/}" | sed 's/.*: //'
	done | sort -u
}
check "each vCPU has a CPU" same "$(affinity "CPU 0") $(affinity "CPU 1")" "2 3"
check "all threads are on its CPUs" same "$(affinity . | xargs)" "2 2,3 3"
check "freeze" says 0 "^web: frozen, [0-2] vCPUs held" lparctl freeze web --timeout 10m
check_fails "no beat while it is frozen" goes_on 3
check "thaw" exits 0 lparctl thaw web
check "the guest goes on" goes_on 120
check "cut" says 0 "^gate *web .* ok$" lparctl cut --at +5s --lpar web
check_fails "no beat while it is cut" goes_on 3
check "cut open" exits 0 lparctl cut --at now --lpar web --action open
check "the guest goes on" goes_on 120
check "stop" says 0 "QEMU quit" lparctl stop web --timeout 0
check "delete" exits 0 lparctl delete web
