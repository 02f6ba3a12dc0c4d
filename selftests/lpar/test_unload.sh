#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Loading and unloading: refused in use, clean otherwise.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=480 kernels=6.1,6.12,7.2,debug speed=full long=6.1,6.12,debug here=kvm,cpus
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"
# shellcheck source=selftests/lib/kvm.sh
. "$(dirname "$0")/../lib/kvm.sh"

# Loading takes long on the debug kernel.
[ "$LPARKIT_KERNEL" = debug ] && rounds=4 || rounds=10

all_rounds() {
	local round

	for ((round = 0; round < rounds; round++)); do
		rmmod lpar || return 1
		load lpar || return 1
		make a cpus 2-3 memory 4M && unmake a || return 1
	done
}

# Unloads while many vCPUs are on their way out of the gate.
after_thaw() {
	local round

	for round in {1..3}; do
		load lpar && make a cpus 2-3 gate_timeout_ms 3600000 || return 1
		lparcall member-add a member "$vm" || return 1
		lparcall gate-close a || return 1
		lparcall gate-open a && lparcall deactivate a force && rmmod lpar || return 1
		watch move many 10000 || return 1
	done
}

plan 20
load lpar
load_kvm || bail "no KVM"

check "unload when idle" rmmod lpar
check_fails "its sysfs is gone" test -e /sys/class/lpar
check_fails "its devices are gone" test -e /dev/lpar
load lpar
lparcall create a cpus 2-3 memory 4M disk "$(disk 1)"
lparcall create b
check "unload with defined LPARs" rmmod lpar
load lpar
check "they are gone" same "$(names)" ""

make a cpus 2-3 memory 4M disk "$(disk 1)"
check_fails "unload with an active LPAR" rmmod lpar
check "it is still active" is a state active
start memtool hold /dev/lpar/a 0x5a >"$scratch/hold"
holder=$pid
wait_until 10 grep -q held "$scratch/hold"
lparcall deactivate a force
check_fails "unload while a process holds memory" rmmod lpar
stop "$holder"
lparcall delete a
check "unload afterwards" wait_until 5 rmmod lpar

load lpar
exec 8</sys/class/lpar
lparcall create a
start sysfspoll /sys/class/lpar/a/state 60 >/dev/null
start lparcall monitor 1000 60 >/dev/null
check "unload with a poller and a listener" rmmod lpar
exec 8<&-

load lpar
lparcall create a memory 4M
exec 8</sys/class/lpar/a/state
check "unload with an attribute that is open" rmmod lpar
check_fails "which then cannot be read" cat <&8
exec 8<&-
load lpar

check "$rounds rounds of load, use and unload" all_rounds
check "many vCPUs" vm many --vcpus 8
vm=$pid
rmmod lpar
check "unload right after the gate opened, three times" after_thaw

load lpar
make a cpus 2-3 gate_timeout_ms 3600000
lparcall member-add a member "$vm"
lparcall gate-close a
check_fails "unload with a closed gate" rmmod lpar
check "still closed" watch still many 300
check "force" lparcall deactivate a force
check "the guests run" watch move many 20000
check "unload" rmmod lpar
load lpar
