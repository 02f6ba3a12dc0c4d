#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What both hosts of a migration have to have alike: QEMU, machine and CPU. What is not is told
# before anything of the guest is touched, and what is to be done about it.
# vm: none timeout=600
# shellcheck disable=SC2119,SC2120 # options of a move are options
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"

# A QEMU that can be another one at each host: HOST/qemu.version and .machines are what it says,
# .words what it is started with besides.
cat >"$scratch/qemu" <<-'EOT'
	#!/bin/bash
	mine=${PLAYED_KERNEL%/kernel}/qemu
	[ "$1" != --version ] || [ ! -e "$mine.version" ] || exec cat "$mine.version"
	[ "$1 $2" != "-machine help" ] || [ ! -e "$mine.machines" ] || exec cat "$mine.machines"
	words=()
	[[ "$*" != *memory-backend* ]] || touch "$mine.started"
	[[ "$*" != *memory-backend* ]] || [ ! -e "$mine.words" ] || read -ra words <"$mine.words"
	exec qemu-system-x86_64 "$@" "${words[@]}"
EOT
chmod +x "$scratch/qemu"
version=$("$scratch/qemu" --version | sed -n 's/.* version \([0-9.]*\).*/\1/p')
machine=$("$scratch/qemu" -machine help | sed -n 's/^q35 .*alias of \([^)]*\)).*/\1/p')

# there WORD...: QEMU at the destination is started with these words, too
there() {
	echo "$@" >"$scratch/b/qemu.words"
}

was_started() {
	[ -e "$scratch/b/qemu.started" ]
}

hosts_up "binary=$scratch/qemu"
pid=$(guest_pid a g)

echo "QEMU emulator version 1.7.2" >"$scratch/b/qemu.version"
check "an older QEMU" says 5 "is QEMU 1.7.2, older than $version at the source: update it" move
check_fails "which is found before there is a guest" was_started
rm "$scratch/b/qemu.version"
qemu-system-x86_64 -machine help | grep -v "^$machine " >"$scratch/b/qemu.machines"
check "one that is no such machine" says 5 "it is a $machine, and .* is none: give it a machine=" move
check_fails "which is found before there is a guest" was_started
rm "$scratch/b/qemu.machines"
there -machine pc
check "another machine, whatever was said" says 5 "its machine is pc-i440fx-.* here, and $machine at" move
check "it lives where it did" lives_on a

there -global max-x86_64-cpu.avx2=off -global max-x86_64-cpu.bmi2=off
check "a CPU that lacks something" says 5 "its CPU lacks here .*(2): \(avx2, bmi2\|bmi2, avx2\): let cpu= name" move
check "a check says so as well" says 3 "its CPU lacks here" move --check
there -cpu qemu64
check "one that lacks much" says 5 "lacks here .*, \.\.\.: let cpu=" move
there -global max-x86_64-cpu.vendor=GenuineIntel
check "one of another vendor" says 5 "one of GenuineIntel here, and of AuthenticAMD at" move
there -global max-x86_64-cpu.phys-bits=36
check "one with shorter addresses" says 5 "addresses of 36 bits here, and of 40 at" move
check "it lives where it did" lives_on a
check "and has not been started anew" same "$(guest_pid a g)" "$pid"

# The other way round it can go, and not come back.
rm "$scratch/b/qemu.words"
there -global max-x86_64-cpu.avx2=on
echo "-global max-x86_64-cpu.avx2=off" >"$scratch/a/qemu.words"
on a stop g --timeout 0s >/dev/null
on a start g >/dev/null || bail "no guest"
check "a CPU that has more" says 0 "warning: guest g has a CPU there with more .*(1): avx2: it cannot move back" move
check "it lives there" lives_on b
find_home
check "it cannot move back" says 5 "its CPU lacks here .*(1): avx2" move
check "it lives there" lives_on b
rm "$scratch/a/qemu.words"
check "but where there is all of it" exits 0 move
check "it lives there" lives_on a
