# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # most of it is for those who source it
# Real QEMU guests for tests, demo and benches: the kernel and the init that
# selftests/guest/build makes. A guest is known by a NAME of its own; its files are
# in $run. Needs LPARKIT_BUILD.

# shellcheck source=selftests/lib/kvm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/kvm.sh"

PATH=$LPARKIT_BUILD/selftests/qemu:$PATH
run=$(mktemp -d)
guest_pids=()
declare -A guest_of # PID of QEMU: NAME

guest_kernel=$LPARKIT_BUILD/guest/vmlinux
guest_initrd=$LPARKIT_BUILD/guest/initramfs
# What a guest in a guest does not need costs it seconds.
guest_machine=q35,sata=off,smbus=off,hpet=off
guest_accel=kvm
guest_by_bios= # not empty: from its first disk
guest_append="console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests"

# guest_prepare: KVM, vhost and taps in the host.
guest_prepare() {
	[ -f "$guest_kernel" ] || { echo "no test guest: run selftests/guest/build" >&2; return 1; }
	load_kvm && modprobe -a tun vhost_net
}

# guest_lines NAME: QEMU's arguments for the guest's two serial lines.
guest_lines() {
	echo "-serial file:$run/$1.console -serial unix:$run/$1.line,server=on,wait=off"
}

# guest_start NAME MIB VCPUS BACKEND [QEMU-ARG...]: starts QEMU by hand, as a user
# would. BACKEND is a memory object without id and size. The process is $guest_pid.
guest_start() {
	local name=$1 mib=$2 vcpus=$3 backend=$4 guest_boot=()

	shift 4
	[ -n "$guest_by_bios" ] || guest_boot=(-kernel "$guest_kernel" -initrd "$guest_initrd"
		-append "$guest_append${guest_more:+ $guest_more}")
	rm -f "$run/$name".{console,line,qmp}
	# shellcheck disable=SC2046 # words are meant
	qemu-system-x86_64 -nodefaults -no-reboot -display none -name "$name,debug-threads=on" \
		-machine "$guest_machine,memory-backend=ram" -accel "$guest_accel" -cpu host \
		-object "$backend,id=ram,size=${mib}M" -m "${mib}M" -smp "$vcpus" \
		"${guest_boot[@]}" \
		-qmp "unix:$run/$name.qmp,server=on,wait=off" \
		$(guest_lines "$name") "$@" </dev/null 2>"$run/$name.err" &
	guest_pid=$!
	guest_pids+=("$guest_pid")
	guest_of[$guest_pid]=$name
}

# lpar_backend LPAR: the memory object that is the LPAR's memory.
lpar_backend() {
	echo "memory-backend-file,mem-path=/dev/lpar/$1,share=on,align=2M"
}

# guest_kill PID: so that the process is gone when this returns.
guest_kill() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# guest_ended PID: by itself, or killed
guest_ended() {
	! kill -0 "$1" 2>/dev/null
}

# guest_last_words PID STATUS: what it said, if it ended by itself
guest_last_words() {
	local name=${guest_of[$1]}

	[ -n "$name" ] && [ "$2" != $((128 + 9)) ] || return
	echo "guest $name: QEMU ended, status $2" >&2
	tail -qn 5 "$run/$name".{console,err} | sed "s/^/guest $name: /" >&2
}

# For a trap on EXIT: the script's status survives.
guest_kill_all() {
	local status=$? pid

	for pid in "${guest_pids[@]}"; do
		guest_kill "$pid"
		guest_last_words "$pid" $?
	done
	return $status
}

# guest_beats NAME: heartbeats seen on its console.
guest_beats() {
	local beats

	beats=$(grep -ac '^beat ' "$run/$1.console" 2>/dev/null)
	echo "${beats:-0}"
}

guest_beats_beyond() {
	[ "$(guest_beats "$1")" -gt "$2" ]
}

guest_is_up() {
	guest_beats_beyond "$1" 0
}

# guest_goes_on NAME: five more heartbeats come.
guest_goes_on() {
	wait_until 60 guest_beats_beyond "$1" $(($(guest_beats "$1") + 5))
}

# guest_say NAME COMMAND [SECONDS]: see guest.c for the commands.
guest_say() {
	talk "$run/$1.line" "$2" "${3:-60}"
}

# guest_qmp NAME COMMAND [ARGUMENTS-JSON]
guest_qmp() {
	talk "${guest_qmp_socket:-$run/$1.qmp}" \
		"{\"execute\":\"$2\"${3:+,\"arguments\":$3}}" 60
}

# guest_find_counters NAME: asks the guest, while it runs, where its counters are.
guest_find_counters() {
	guest_say "$1" info | sed -n 's/.*counters=\(0x[0-9a-f]*\).*/\1/p' >"$run/$1.counters"
	[ -s "$run/$1.counters" ]
}

# guest_snapshot NAME FILE: the page of counters, read past the guest. pmemsave
# does not touch the vCPUs, as "xp" and "info registers" would.
guest_snapshot() {
	local address

	address=$(cat "$run/$1.counters")
	guest_qmp "$1" pmemsave "{\"val\":$((address)),\"size\":4096,\"filename\":\"$2\"}" >/dev/null
}

# guest_stands_still NAME SECONDS: not one guest instruction of its counting threads.
guest_stands_still() {
	guest_snapshot "$1" "$run/before" || return 1
	sleep "$2"
	guest_snapshot "$1" "$run/after" && cmp "$run/before" "$run/after"
}
