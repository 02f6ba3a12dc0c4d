#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=400 speed=long
# Slowed time and counted instructions: what they do to clocks, what is refused, and
# that nothing is left of a VM that was killed.
# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
trap leave EXIT

hostvm=selftests/vm/hostvm
# shellcheck disable=SC2016 # the VM's own
loop='i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done'

real_ms() {
	local began=${EPOCHREALTIME/./}

	"$@" || return 1
	took_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
}

# A wait of 3 s in the VM: what it took by its clock, ms, and by its uptime, cs
waits() {
	# shellcheck disable=SC2016 # the VM's own
	"$hostvm" --kernel 6.12 "$@" -- bash -c '
		before=${EPOCHREALTIME/./}; read -r up _ </proc/uptime
		sleep 3
		read -r later _ </proc/uptime
		echo $(((${EPOCHREALTIME/./} - before) / 1000)) $((10#${later/./} - 10#${up/./}))'
}

# cpu_ms HOSTVM-OPTION...: CPU time of a shell's loop
cpu_ms() {
	"$hostvm" --kernel 6.12 --cpus 1 "$@" -- bash -c "
		TIMEFORMAT=%U; { time { $loop; }; } 2>&1" | sed 's/\.//; s/^0*//'
}

within_percent() {
	[ "$1" -gt 0 ] && [ $((100 * ($1 > $2 ? $1 - $2 : $2 - $1))) -le $(($3 * $1)) ]
}

# no_vm PATTERN
no_vm() {
	! pgrep -f "$1" >/dev/null
}

# nothing_left: of libfaketime, by whose process it names, and of hostvm
nothing_left() {
	local file

	for file in /dev/shm/*faketime*; do
		[ ! -e "$file" ] || [ -d "/proc/${file##*_}" ] || { echo "# $file"; return 1; }
	done
	[ -z "$(ls "$TMPDIR")" ] || { ls "$TMPDIR"; return 1; }
}

has_started() {
	[ -e "$1/console" ] && grep -q 'test starts' "$1/console"
}

# killed_by SIGNAL: a slowed VM half-way
killed_by() {
	local mark=killed$1

	start "$hostvm" --kernel 6.12 --slow 4 --hostname "$mark" --log "$scratch/$mark" -- sleep 600
	wait_until 120 has_started "$scratch/$mark" || return 1
	kill "-$1" "$pid"
	wait "$pid"
	wait_until 10 no_vm "$scratch/$mark/console" || return 1
	# What a SIGKILL leaves goes with the next VM.
	[ "$1" != KILL ] || "$hostvm" --kernel 6.12 -- true || return 1
	nothing_left
}

# Two VMs, slowed, half-way
killed_rig() {
	start selftests/cluster/rig --kernel 6.12 --slow 2 --log "$scratch/rig" -- sleep 600
	wait_until 120 has_started "$scratch/rig" || return 1
	kill "$pid"
	wait "$pid"
	wait_until 10 no_vm "$scratch/rig/console" && wait_until 10 no_vm "$scratch/rig/b/console" && nothing_left
}

# refused WORDS COMMAND...
refused() {
	local words=$1

	shift
	! "$@" >"$scratch/said" 2>&1 && grep -qe "$words" "$scratch/said"
}

without_libfaketime() {
	# shellcheck disable=SC2016 # expanded in the namespace
	unshare --mount sh -c 'for dir in /usr/lib/*/faketime; do mount -t tmpfs none "$dir"; done
		exec "$@"' sh "$hostvm" --kernel 6.12 --slow 4 -- true
}

# A QEMU built without TCG's counting says something like it.
without_icount() {
	mkdir -p "$scratch/bin"
	printf '#!/bin/sh\necho "invalid option -icount" >&2\nexit 1\n' >"$scratch/bin/qemu-system-x86_64"
	chmod +x "$scratch/bin/qemu-system-x86_64"
	PATH=$scratch/bin:$PATH "$hostvm" --kernel 6.12 --count -- true
}

export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
selftests/vm/kernels.sh fetch 6.12 || bail "no kernel"
selftests/vm/modules.sh 6.12 -j2 >&2 || bail "no modules"

check "slowed 8 times, 3 s are waited for" real_ms waits --slow 8 >"$scratch/slow"
read -r inside uptime_cs <"$scratch/slow"
check "by the VM's clock 3 s have passed" within_percent 3000 "$inside" 20
check "and by its uptime" within_percent 300 "$uptime_cs" 20
check "by the world's 24 s and the boot" test "$took_ms" -ge 24000

first=$(cpu_ms --count)
second=$(cpu_ms --count)
check "counted, a loop takes the same CPU time twice: $first, $second ms" \
	within_percent "$first" "$second" 2

check "N of 0 is refused" refused '1 .* to 100' $hostvm --slow 0 -- true
check "N of 1000 is refused" refused '1 .* to 100' $hostvm --slow 1000 -- true
check "N that is no number is refused" refused 'invalid int' $hostvm --slow x -- true
check "both at once are refused" refused 'exclude' $hostvm --slow 4 --count -- true
check "without libfaketime: what to install is said" \
	refused 'apt-get install libfaketime' without_libfaketime
check "a QEMU that cannot count: what to install is said" \
	refused 'apt-get install qemu-system-x86' without_icount
for signal in TERM HUP KILL; do
	check "killed by $signal: no VM, no file left" killed_by $signal
done
check "two VMs whose rig is killed: the same" killed_rig
