#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each allocation of an activation fails once; then any that the module makes, now and then,
# while a disk arrives under load. The guest notices nothing, and all of it arrives.
# vm: cpus=2 mem=768 disks=8M,4M,8M timeout=400 kernels=debug speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"
# shellcheck source=selftests/snapsync/faults.sh
. "$(dirname "$0")/../snapsync/faults.sh"

activation_fails() {
	snapfault create bare "$(sectors "$near")" "$dest $far $meta" relocate
}

# Tables are loaded meanwhile, and lists sent, which may be refused.
load_under_faults() {
	local load i=0

	relmodel --random $vm "$model" $RANDOM 1500 4 &
	load=$!
	while kill -0 $load; do
		i=$((i + 1))
		message vm used $((i % 64 * 256)) 64
		message vm source $far
		dmsetup load vm --table "$(dmsetup table vm)" && dmsetup suspend --noflush --nolockfs vm
		dmsetup resume vm
	done 2>/dev/null
	wait $load
}

plan 7
inject_everywhere || bail "no fault injection in this kernel"
check "only the module's allocations fail from here on" only_in_module
check "a blank META is formatted" activation_fails
check "what there is is activated" activation_fails
relocate $far rate 1 || bail "no device"
inject 10
data check "a guest notices nothing" load_under_faults
set_faults probability 0
dmsetup resume vm
message vm rate 0
check "all of it arrives" complete
data check "as it should be" relmodel --check $vm "$model"
dmsetup remove vm
data check "on DEST as well" relmodel --check "$dest" "$model"
