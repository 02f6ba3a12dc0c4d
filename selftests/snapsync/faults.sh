# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Allocations that fail, of dm-snapsync.ko only.

faults=/sys/kernel/debug

# set_faults KEY VALUE: of both kinds.
set_faults() {
	local kind

	for kind in failslab fail_page_alloc; do
		echo "$2" >$faults/$kind/"$1" || return 1
	done
}

inject_everywhere() {
	set_faults ignore-gfp-wait N && set_faults verbose 0 &&
		echo N >$faults/fail_page_alloc/ignore-gfp-highmem &&
		echo 0 >$faults/fail_page_alloc/min-order
}

# symbol NAME: its address.
symbol() {
	awk -v name="$1" '$3 == name { print "0x" $1; exit }' /proc/kallsyms
}

# Only what the module's own code asks for, directly or below. A slab that cannot be set
# up leaks its name, whoever asks.
only_in_module() {
	local start size slab

	start=$(cat /sys/module/dm_snapsync/sections/.text)
	size=$(awk '$1 == "dm_snapsync" { print $2 }' /proc/modules)
	slab=$(symbol sysfs_slab_add)
	set_faults require-start "$start" &&
		set_faults require-end "$(printf 0x%x $((start + size)))" &&
		set_faults reject-start "$slab" &&
		set_faults reject-end "$(printf 0x%x $((slab + 1024)))"
}

# In PERCENT of cases.
inject() {
	set_faults times -1 && set_faults probability "$1"
}
