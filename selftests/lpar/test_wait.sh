#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An operation on one LPAR that takes long holds up no other LPAR's.
# vm: cpus=4 nodes=2 mem=3072 timeout=240 kernels=6.1,6.12,7.2,debug long=6.1,7.2,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

LARGE_MIB=2048

available_kib() {
	awk '/^MemAvailable/ { print $2 }' /proc/meminfo
}

# stays NAME: its stage ends with that process, $pid.
stays() {
	start lparcall --stay 600 stage "$1" number 5 text "third pass" transient >"$scratch/$1"
	wait_until 20 grep -q stays "$scratch/$1"
}

takes_memory() {
	[ "$(available_kib)" -lt $((before - (64 << 10))) ]
}

lives() {
	kill -0 "$1" 2>/dev/null
}

plan 12
load lpar
modprobe kvm_amd || bail "no KVM in this VM"

# Memory for one is taken while another's is.
lparcall create large memory ${LARGE_MIB}M
lparcall create small memory 2M
lparcall create near memory 64M node 0
lparcall create greedy memory ${LARGE_MIB}M
before=$(available_kib)
start lparcall activate large
large=$pid
wait_until 60 takes_memory
check "another is activated" lparcall activate small
check "and one whose memory is of one node" lparcall activate near
check "before the first is" lives "$large"
refused ENOMEM "what is promised to the first is not to be had" lparcall activate greedy
check "the first is, in the end" wait "$large"
check "it has its memory" memtool zero /dev/lpar/large
lparcall deactivate large
# Once it is zeroed
check "which is to be had again" wait_until 120 lparcall activate greedy
unmake greedy

# A vCPU that cannot be let go: see test_force.sh
make a cpus 2-3 memory 16M gate_timeout_ms 3600000
lparcall create b
vm guest --mem /dev/lpar/a || bail "minikvm does not start"
guest=$pid
lparcall member-add a member "$guest"
watch move guest 10000
lparcall gate-close a
wait_until 10 at_least a gate_held 1
kill -STOP "$guest"
wait_until 10 is a gate_held 0
lparcall gate-open a
lparcall gate-close a
if ! stays a; then bail "no stage"; fi
first=$pid
if ! stays b; then bail "no stage"; fi
second=$pid
start lparcall deactivate a force
long=$pid
wait_until 5 is a gate open
stop "$first"
stop "$second"
check "a stage ends with its process" wait_until 5 is b stage/number 0
check "while the other LPAR is in an operation" lives "$long"
check "in which its own stage stays" is a stage/number 5
wait "$long"
check "and ends after that" wait_until 10 is a stage/number 0
kill -CONT "$guest"
stop "$guest"
check "without the guest it can be deactivated" deactivate_soon a
