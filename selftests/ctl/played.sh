# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# Hosts that are directories of this machine: real QEMUs, and a kernel that is played
# (kernel_preload.c), so that what lparctl does with guests can be tested anywhere.

# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "${BASH_SOURCE[0]}")/ctl.sh"
here=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")")
build=$(readlink -f "$build")
trap 'end_hosts; rm -rf "$scratch"; tap_end' EXIT
background=()
# Without it lparctl would speak to the kernel of this machine.
[ -e "$build/selftests/ctl/kernel_preload.so" ] || bail "no kernel_preload.so: run 'make programs'"

# start COMMAND...: in the background until the end of the test; its id is in $pid.
start() {
	"$@" &
	pid=$!
	background+=("$pid")
}

# No process outlives the test.
end_hosts() {
	local file one

	for file in "$scratch"/*/root/run/lparkit/*/qemu.pid; do
		[ -e "$file" ] && background+=("$(cat "$file")")
	done
	for one in "${background[@]}"; do
		kill -9 "$one" 2>/dev/null
	done
	wait 2>/dev/null
	umount -l "$scratch"/*/root/run/lparkit/*/own 2>/dev/null
}

# host_up HOST: a root directory and a kernel of its own
host_up() {
	mkdir -p "$scratch/$1"/{kernel,root/{run,dev/lpar,etc/lparkit,proc/self}}
	echo "MemTotal: 1048576 kB" >"$scratch/$1/root/proc/meminfo"
	echo 0 >"$scratch/$1/root/proc/self/oom_score_adj"
	cat >"$scratch/via" <<-EOT
		#!/bin/bash
		exec env PLAYED_KERNEL="$scratch/\$1/kernel" \\
			LD_PRELOAD="$build/selftests/ctl/kernel_preload.so" \\
			"$build/ctl/lparctl" --root "$scratch/\$1/root" "\${@:3}"
	EOT
	chmod +x "$scratch/via"
}

# on HOST VERB...: lparctl there
on() {
	"$scratch/via" "$1" lparctl "${@:2}"
}

# run_of HOST GUEST: where lparctl keeps what it knows of a guest
run_of() {
	echo "$scratch/$1/root/run/lparkit/$2"
}

# only_log HOST GUEST: nothing of a guest is left there, but for its last words and the lock
only_log() {
	same "$(ls "$(run_of "$1" "$2")")" $'lock\nqemu.log'
}

# describe HOST GUEST LINE...: a small guest without anything to boot; lines of [guest]
describe() {
	ln -sfn /dev/zero "$scratch/$1/root/dev/lpar/$2"
	printf '%s\n' "[lpar]" "memory=16M" "[guest]" "accel=tcg,thread=single" "cpu=max" \
		"args=-net none" "${@:3}" >"$scratch/$1/root/etc/lparkit/$2.lpar"
}

# boot_disk NAME: a disk, $scratch/NAME.disk, with the boot sector that selftests/ctl/NAME.S is
boot_disk() {
	as -o "$scratch/$1.o" "$here/$1.S" || bail "no assembler"
	objcopy -O binary -j .text "$scratch/$1.o" "$scratch/$1.disk" || bail "no objcopy"
	truncate -s 1M "$scratch/$1.disk"
}

# guest_pid HOST GUEST
guest_pid() {
	cat "$(run_of "$1" "$2")/qemu.pid"
}

# qmp HOST GUEST COMMAND [KEY=VALUE]...: what QEMU answers on the monitor for everybody
qmp() {
	python3 - "$(run_of "$1" "$2")/qmp.sock" "${@:3}" <<-'EOT'
		import json, socket, sys
		connection = socket.socket(socket.AF_UNIX)
		connection.connect(sys.argv[1])
		with connection.makefile("rw") as stream:
		    for execute in "qmp_capabilities", sys.argv[2]:
		        arguments = {} if execute == "qmp_capabilities" else {
		            k: int(v) if v.isdigit() else v
		            for k, v in (word.split("=", 1) for word in sys.argv[3:])}
		        print(json.dumps({"execute": execute, "arguments": arguments, "id": 1}),
		              file=stream, flush=True)
		        answer = {}
		        while "id" not in answer and "error" not in answer:
		            line = json.loads(stream.readline())
		            answer = {} if "QMP" in line or "event" in line else line
		print(json.dumps(answer.get("return", answer)))
	EOT
}

# status HOST GUEST: running, paused, ...
status() {
	qmp "$1" "$2" query-status | json "j['status']"
}

# took_less SECONDS COMMAND...: and its exit code
took_less() {
	local began=$SECONDS status

	"${@:2}"
	status=$?
	[ $((SECONDS - began)) -lt "$1" ] || echo "# took $((SECONDS - began)) s"
	[ $((SECONDS - began)) -lt "$1" ] && return $status
}
