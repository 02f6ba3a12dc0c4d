#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Forced deactivation: all or nothing. A guest of which a vCPU cannot be let go stays
# what it was, a member with its fences and its memory; one that can loses them all,
# and lives.
# vm: cpus=4 mem=768 disks=64M timeout=240 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

exclusive() {
	memtool exclusive "$disk"
}

plan 29
load lpar
modprobe kvm_amd || bail "no KVM in this VM"
disk=$(disk 1)
events=$scratch/events
listen "$events"
had=$(affinity $$)
make a cpus 2-3 memory 16M disk "$disk" gate_timeout_ms 3600000
vm guest --mem /dev/lpar/a || bail "minikvm does not start"
guest=$pid
lparcall member-add a member "$guest"
check "the guest runs" watch move guest 10000

# A vCPU with the gate's work on its way, which it cannot take: it is stopped.
lparcall gate-close a
check "the gate holds it" wait_until 10 at_least a gate_held 1
kill -STOP "$guest"
check "stopped, it leaves the gate" wait_until 10 is a gate_held 0
lparcall gate-open a
lparcall gate-close a
refused EBUSY "forced deactivation" lparcall deactivate a force
check "active" is a state active
check "the guest is a member" is a members "$guest"
check "it holds the memory" is a holder "$guest"
check "it has the LPAR's CPUs" has_affinity "$guest" 2-3
check "which others have not" has_affinity $$ 0-1
check_fails "nor the disk" exclusive
check "the gate is open" is a gate open
kill -CONT "$guest"
check "the guest goes on" watch move guest 10000
check_fails "and is no intruder" line_with "$events" event=violation "pid=$guest"
check "its gate can be closed" lparcall gate-close a
check "it does not move" watch still guest 300

# Held in the gate
check "forced deactivation lets it go" lparcall deactivate a force
check "defined" is a state defined
check "the guest runs" watch move guest 10000
check "it has no member" is a members ""
check "all CPUs are its" has_affinity "$guest" "$had"
check "and everybody's" has_affinity $$ "$had"
check "the disk is anybody's" exclusive
check "its memory is its own yet" test "$(vm_do guest ram)" -gt 0
stop "$guest"
check "and can be had again" eval 'lparcall activate a && memtool zero /dev/lpar/a'
lparcall deactivate a

# Without force, nobody comes in once it has begun: not who sees the fence fall.
lparcall activate a
start hog sleep 0-3 2000
sleepers=$pid
wait_until 20 has_affinity "$sleepers" 0-1
start memtool snatch /dev/lpar/a 4 >"$scratch/snatch" 2>&1
snatcher=$pid
check "somebody waits for the fence to fall" wait_until 10 has_affinity "$snatcher" 0-1
check "deactivation" lparcall deactivate a
wait_until 10 test -s "$scratch/snatch"
check "who comes then is refused" same "$(cat "$scratch/snatch")" "ENXIO: open"
stop "$snatcher"
stop "$sleepers"
check "not after the next activation" lparcall activate a
check "when the memory can be had" memtool zero /dev/lpar/a
lparcall deactivate a
