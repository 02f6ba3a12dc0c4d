# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common to the tests of groups: a and b of group g, whose stores are logged at times.
# Disks: BASE of both, two stores, two logs.
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "${BASH_SOURCE[0]}")/snapsync.sh"

stores=("$(disk 2)" "$(disk 3)")
logs=("$(disk 4)" "$(disk 5)")

# members [STORE-A STORE-B]: a and b of group g.
members() {
	store=${1:-${stores[0]}} volume a group g && store=${2:-${stores[1]}} volume b group g
}

remove_members() {
	dmsetup remove a && dmsetup remove b
}

wipe_stores() {
	local store

	for store in "${stores[@]}"; do wipe_store; done
}

# The names of a volume's states, with their condition.
states() {
	message "$1" list | awk '$1 != "-" { printf "%s%s ", $1, $8 == "-" ? "" : ":" $8 }'
}

# What both have.
both() {
	echo "$("$@" a)/$("$@" b)"
}

log_stores() {
	local i

	modprobe dm-log-writes || bail "no dm-log-writes"
	for i in 0 1; do
		dmsetup create "log$i" --table \
			"0 $(sectors "${stores[i]}") log-writes ${stores[i]} ${logs[i]}" || return 1
	done
}

# A name for this point, in both logs.
mark() {
	dmsetup message log0 0 mark "$1" && dmsetup message log1 0 mark "$1"
}

# replay_before N ENTRY: store N as its log has it before an entry.
replay_before() {
	dd if=/dev/zero of="${stores[$1]}" bs=1M count=8 oflag=direct status=none
	logreplay "${logs[$1]}" "${stores[$1]}" "$2"
	blockdev --flushbufs "${stores[$1]}"
}
