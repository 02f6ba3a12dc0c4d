#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The machine dies under load, at moments that nobody chose: volumes and states are then
# as they must be, and a group has a state on all members or on none.
# ROUNDS: how often (20). KERNEL: of the host VM (6.12).
# vm: none timeout=2400 speed=long
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

rounds=${ROUNDS:-20}
kernel=${KERNEL:-6.12}
vm=$LPARKIT_TOP/selftests/vm
PATH=$LPARKIT_BUILD/ctl:$PATH
RANDOM=${SEED:=$(od -An -N2 -tu2 /dev/urandom | tr -d " ")}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; tap_end' EXIT
disks=(base a b record)

# boot load|end
boot() {
	local disk args=()

	for disk in "${disks[@]}"; do
		args+=(--qemu="-drive if=none,id=$disk,file=$scratch/$disk,format=raw")
		args+=(--qemu="-device virtio-blk-pci,drive=$disk")
	done
	"$vm/hostvm" --kernel "$kernel" --mem 768 --timeout 200 --modprobe virtio_blk "${args[@]}" \
		--qemu="-pidfile $scratch/pid" --log "$scratch/log" \
		-- selftests/snapsync/killed.sh "$1" >/dev/null 2>"$scratch/hostvm"
}

said() {
	grep -qE "$1" "$scratch/log/stdout"
}

has_failed() {
	said '^not ok|^Bail'
}

is_loaded_or_over() {
	[ ! -d "/proc/$host" ] || said '^# loaded' || has_failed
}

tell() {
	cat "$scratch/hostvm" "$scratch/log/stdout"
	tail -n 50 "$scratch/log/console"
	return 1
}

# killed_after MS
killed_after() {
	# Nothing that the last one said is to be taken for this one's.
	rm -f "$scratch/pid" "$scratch/log/stdout"
	boot load &
	host=$!
	wait_until 150 is_loaded_or_over
	sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
	kill -9 "$(cat "$scratch/pid")"
	wait $host
	# All that hostvm may complain about is that the VM died.
	if has_failed || ! said '^# loaded' ||
		grep '^hostvm:' "$scratch/hostvm" | grep -v 'the VM died'; then
		tell
	fi
}

ends_well() {
	if ! boot end || has_failed; then
		tell
	fi
}

stores_are_sound() {
	lparctl snap check "$scratch/a" && lparctl snap check "$scratch/b"
}

plan $((2 * rounds + 2))
"$vm/kernels.sh" fetch "$kernel" || bail "no kernel $kernel"
"$vm/modules.sh" "$kernel" || bail "no modules for $kernel"
truncate -s 2M "$scratch/base"
truncate -s 24M "$scratch/a" "$scratch/b"
truncate -s 1M "$scratch/record"
mkdir "$scratch/log"
diag "SEED=$SEED"
for ((i = 1; i <= rounds; i++)); do
	ms=$((RANDOM % 4000))
	data check "round $i: killed after $ms ms of load; all was there before" killed_after $ms
	data check "the stores are sound" stores_are_sound
done
data check "all is there at the end" ends_well
data check "and the stores are sound" stores_are_sound
