#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=900 speed=long
# What is held on one host goes on from another, of another kernel, by a netdev
# with another name, MAC and number of queues. Each host is a VM of its own.
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

here=$(readlink -f "$(dirname "$0")")
vm=$here/../vm
build=${LPARKIT_BUILD:-$(readlink -f "$here/../../build")}
# Host VMs have a /tmp of their own.
mkdir -p "$build/tmp"
work=$(mktemp -d -p "$build/tmp")
trap 'tap_end; rm -rf "$work"' EXIT

# on KERNEL COMMAND...: in a new host VM
on() {
	local kernel=$1

	shift
	"$vm/hostvm" --kernel "$kernel" --timeout 300 -- "$here/handover.sh" "$@"
}

# hand_over FROM TO
hand_over() {
	check "saved on $1" on "$1" save >"$work/$1"
	check "tshark reads it" tshark -r "$work/$1"
	check "loaded on $2" on "$2" load "$work/$1"
}

plan 6
for kernel in 6.1 6.12 7.2; do
	"$vm/kernels.sh" fetch $kernel || bail "no kernel $kernel"
	"$vm/modules.sh" $kernel || bail "no modules for $kernel"
done
hand_over 6.1 7.2
# Not 6.1: it knows no UDP segmentation in a file.
hand_over 7.2 6.12
