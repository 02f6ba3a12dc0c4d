#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 disks=64M timeout=900 kernels=7.2 speed=full
#
# QEMU is killed at moments that nobody chose: while it starts, while the guest boots,
# runs, writes its disk, is frozen. Each time the LPAR ends cleanly, without force, and
# memory and disk are the host's again. What another moment passes through is test_kill_long's.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"
trap 'guest_kill_all; tap_end' EXIT

disk=$(disk 1)
memory_mib=256
free_before=0
RANDOM=${SEED:=$(od -An -N2 -tu2 /dev/urandom | tr -d " ")}

# pause MAXIMUM-MS: of random length, which is the moment of the kill.
pause() {
	local ms=$((RANDOM % $1))

	diag "killed after $ms ms (SEED=$SEED)"
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

free_mib() {
	awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo
}

memory_is_back() {
	[ "$(free_mib)" -gt $((free_before - memory_mib / 4)) ]
}

start() {
	lparctl activate web || return 1
	guest_start web $memory_mib 2 "$(lpar_backend web)" \
		-drive file="$disk",format=raw,if=none,id=disk,cache=none,aio=native \
		-device virtio-blk-pci,drive=disk
	lparctl member add web "$guest_pid"
}

boot() {
	start && wait_until 300 guest_is_up web
}

# The moments.
starting() { start && pause 500; }
booting() { start && pause 8000; }
running() { boot && guest_say web "spin 1" && pause 1000; }
writing() { boot && guest_say web "churn 1" && pause 2000; }
frozen() { running && lparctl freeze web && pause 1000; }
frozen_while_writing() { writing && lparctl freeze web && pause 1000; }
paused_while_frozen() { frozen && guest_qmp web stop; }
armed() { running && lparctl cut --at +5s --lpar web --no-wait && pause 1000; }

ends_cleanly() {
	guest_kill "$guest_pid"
	wait_until 10 lparctl deactivate web || return 1
	wait_until 20 memory_is_back || { echo "# $(free_mib) MiB of $free_before"; return 1; }
	mkfs.ext4 -q "$disk"
}

load lpar
guest_prepare || bail "the host VM has no KVM"
check "an LPAR is created" lparctl create web cpus 2-3 memory ${memory_mib}M disk "$disk"
# What the first guest brings into the host's caches does not count.
check "a guest runs undisturbed" boot
check "and ends cleanly" ends_cleanly
free_before=$(free_mib)

for moment in ${moments:-starting booting writing frozen_while_writing paused_while_frozen armed}; do
	check "QEMU is killed: ${moment//_/ }" "$moment"
	check "the LPAR ends cleanly: ${moment//_/ }" ends_cleanly
done
check "the LPAR is deleted" lparctl delete web
# What a dying process has pinned is freed when it lets go.
check "and the module unloads" wait_until 20 unload lpar
