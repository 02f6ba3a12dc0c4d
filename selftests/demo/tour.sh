#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tour of "make demo", inside the host VM: each line that it prints with "ok" was
# checked just before. Its exit status says whether all of them held.

# shellcheck source=selftests/demo/account.sh
. "$(dirname "$0")/account.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
# shellcheck source=selftests/lib/vcpus.sh
. "$(dirname "$0")/../lib/vcpus.sh"

disk=/dev/vda
memory_mib=256

# Nothing after this would make sense.
give_up() {
	printf '   %sNO%s  %s\n' "$bad" "$plain" "$1" >&3
	tail -n 3 "$run"/*.console /run/lparkit/web/qemu.log
	guest_kill_all
	exit 1
}

value() {
	cat "/sys/class/lpar/web/$1"
}

free_mib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo
}

# The LPAR's memory is back, short of what the kernel itself took meanwhile. It is
# zeroed in the background before.
is_memory_back() {
	free_after=$(free_mib)
	[ "$free_after" -gt $((free_before - memory_mib / 4)) ]
}

# Without a process of its own, as its time is told.
is_outside() {
	local key list

	while read -r key list; do
		[ "$key" = Cpus_allowed_list: ] && [ "$list" = 0-1 ] && return
	done <"/proc/$1/status"
	return 1
}

# An intruder runs off the LPAR's CPUs, and was counted.
is_evicted() {
	is_outside "$hog" && [ "$(value violations)" -gt 0 ]
}

# us NANOSECONDS
us() {
	echo $((($1 + 500) / 1000))
}

# refuses WORDS COMMAND...: it fails, and says why.
refuses() {
	local words=$1

	shift
	if "$@" >"$run/refusal" 2>&1; then
		return 1
	fi
	grep -qi "$words" "$run/refusal"
}

open_memory() {
	: <>/dev/lpar/web
}

# A process that keeps a CPU busy; its id is in $hog.
busy() {
	sh -c 'while :; do :; done' &
	hog=$!
	guest_pids+=("$hog")
}

# left_on CPU: a busy process stays there longer than any guard would bear.
left_on() {
	busy
	taskset -pc "$1" "$hog" >/dev/null && sleep 2 && taskset -pc "$hog" | grep -q ": $1\$"
}

describe() {
	mkdir -p /etc/lparkit
	cat >/etc/lparkit/web.lpar <<-END
	[lpar]
	cpus=2-3
	memory=${memory_mib}M
	disk=$disk
	[guest]
	machine=$guest_machine
	kernel=$guest_kernel
	initrd=$guest_initrd
	append=$guest_append
	args=-no-reboot $(guest_lines web)
	END
}

the_guest() {
	local began took

	title "A guest on CPUs, memory and a disk of its own"
	describe
	began=$(now_ms)
	shell lparctl start web || give_up "the guest does not start"
	guest_qmp_socket=/run/lparkit/web/qmp.sock
	took=$(($(now_ms) - began))
	claim "LPAR web is active, $memory_mib MiB zeroed and reserved, QEMU runs: $took ms" \
		test "$(value state)" = active
	claim "a process that kept CPU 2 busy was moved off it" is_outside "$hog"
	guest_kill "$hog"
	wait_until 180 guest_is_up web || give_up "the guest does not boot"
	took=$(($(now_ms) - began))
	claim "Linux boots in it under KVM with 2 vCPUs: $((took / 1000)).$((took / 100 % 10)) s" \
		guest_find_counters web
	claim "96 MiB of its memory hold what it writes" guest_say web "memory 96 1"
}

the_fences() {
	local began took

	title "Its fences hold"
	claim "mount of its disk: refused" refuses 'busy\|already mounted' mount "$disk" /mnt
	claim "mkfs on its disk: refused" refuses 'in use' mkfs.ext4 -q "$disk"
	claim "opening its memory: refused" refuses 'busy' open_memory
	busy
	began=$(now_ms)
	taskset -pc 2 "$hog" >/dev/null
	wait_until 5 is_outside "$hog"
	took=$(($(now_ms) - began))
	claim "an intruder that root puts there all the same: seen and evicted in $took ms" is_evicted
	guest_kill "$hog"
	claim "the guest writes 16 MiB to its disk, past the cache of the host" \
		guest_say web "disk write 5 16"
}

the_gate() {
	local began before after

	title "The gate stops it inside the kernel"
	guest_say web "spin 1"
	claim "both vCPUs are busy, each on a CPU of its own" use_all_cpus web
	shell lparctl freeze web
	before=$(guest_beats web)
	claim "not one guest instruction in 2 s: its own counters stand still" guest_stands_still web 2
	after=$(guest_beats web)
	claim "both vCPUs stopped in $(us "$(value gate_stop_ns)") us; heartbeats while frozen: $((after - before))" \
		test "$after" = "$before"
	shell lparctl thaw web
	began=$(now_ms)
	wait_until 20 guest_beats_beyond web $((before + 10))
	claim "thawed, ten heartbeats in $(($(now_ms) - began)) ms" \
		guest_beats_beyond web $((before + 10))
}

counts() {
	! guest_stands_still web 0.2
}

disk_is_free() {
	mkfs.ext4 -q "$disk" && mount "$disk" /mnt && umount /mnt
}

# number JSON KEY
number() {
	sed -n "s/.*\"$2\": *\(-\{0,1\}[0-9]*\).*/\1/p" "$1" | head -n 1
}

the_cut() {
	local deadline latency done_ns

	title "A cut stops it at an instant"
	shell lparctl -p cut --at +2s --lpar web >"$run/cut"
	cat "$run/cut"
	deadline=$(number "$run/cut" deadline_ns)
	latency=$(number "$run/cut" latency_ns)
	done_ns=$(number "$run/cut" done_ns)
	claim "armed 2 s ahead, it fired $(us "$latency") us after the deadline, to the last vCPU $(us $((done_ns - deadline))) us" \
		test "$latency" -ge 0
	claim "and the guest stands still" guest_stands_still web 1
	shell lparctl thaw web
	claim "thawed, it counts again" wait_until 10 counts
}

the_end() {
	title "All is given back"
	guest_say web off
	shell lparctl stop web
	claim "the LPAR is defined only" test "$(value state)" = defined
	wait_until 20 is_memory_back
	claim "memory: $free_after MiB free, $free_before MiB before the start" is_memory_back
	claim "CPU 2 runs anybody's programs" left_on 2
	guest_kill "$hog"
	claim "on the disk is what the guest wrote, byte for byte" peer disk "$disk" 5 16
	claim "mkfs and mount work on it again" disk_is_free
	shell lparctl delete web
	claim "lpar.ko goes without a trace" rmmod lpar
}

modprobe virtio_blk
mkfs.ext4 -q "$disk"
insmod "$LPARKIT_MODULES/lpar.ko" || exit 1
guest_prepare || exit 1
trap guest_kill_all EXIT
free_before=$(free_mib)

printf '\n%sA host with %s CPUs, Linux %s, and lpar.ko%s\n' \
	"$bold" "$(nproc)" "$(uname -r)" "$plain" >&3
busy
taskset -pc 2 "$hog"
the_guest
the_fences
the_gate
the_cut
the_end

account_end
