#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Lists that do not fit: what is told is right, and that there is more is told as well.
# vm: cpus=4 mem=1024 timeout=300 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

MANY=400
CROWD=700

each() {
	seq -f "$1" 1 $MANY
}

# Deletes those that the first message of a dump is about, before the last is written.
listed_meanwhile() {
	lparcall --meanwhile "seq -f 'delete n%g' 1 40 | lparcall -" list >"$scratch/list"
}

named() {
	grep -o '^\. name="n[0-9]*"' "$1" | grep -o '[0-9]*' | sort -n
}

# Each number of the file is one of a member, and the last word tells of the others.
members_are_whole() {
	local pid words

	read -ra words </sys/class/lpar/a/members
	[ "${words[-1]}" = ... ] || return 1
	unset "words[-1]"
	for pid in "${words[@]}"; do
		kill -0 "$pid" || return 1
	done
	[ ${#words[@]} -gt 100 ]
}

count() {
	lparcall get a | grep -o " $1=[0-9]*" | wc -l
}

disks_are_whole() {
	local last

	last=$(tail -n 1 /sys/class/lpar/a/disks)
	[ "$last" = ... ] && ! sed '$d' /sys/class/lpar/a/disks | grep -vqx "$deep/d[0-9]*"
}

plan 9
load lpar
each 'create n%g' | lparcall - || bail "no LPARs"
check "a list of which entries go while it is told" listed_meanwhile
check "those that stay are all told" \
	same "$(named "$scratch/list" | awk '$1 > 40' | xargs)" "$(seq 41 $MANY | xargs)"
check "none of them twice" same "$(named "$scratch/list" | uniq -d)" ""
each 'delete n%g' | tail -n +41 | lparcall - || bail "LPARs stay"

# Their numbers are as long as can be, so that they do not fit into a page.
make a cpus 2-3 || bail "no LPAR"
echo 4194304 >/proc/sys/kernel/pid_max
echo 4000000 >/proc/sys/kernel/ns_last_pid || bail "numbers stay short"
start python3 -c "
import os, signal, subprocess
subprocess.check_call(['lparcall', 'member-add', 'a', 'member', str(os.getpid())])
for i in range($CROWD):
    if not os.fork():
        signal.pause()
print('crowd', flush=True)
signal.pause()" >"$scratch/crowd"
wait_until 60 grep -q crowd "$scratch/crowd" || bail "no crowd"
check "the file has whole numbers, and says that there are more" members_are_whole
check "it begins with the first" same "$(cut -d ' ' -f 1 /sys/class/lpar/a/members)" "$pid"
check "a reply says how many there are" says " members=$((CROWD + 1)) " lparcall get a
check "and names the first" same "$(count member)" 512
pkill -KILL -P "$pid"
stop "$pid"
deactivate_soon a

deep=$scratch/$(printf 'd%.0s' {1..200})
mkdir "$deep"
modprobe loop max_loop=24 || bail "no loop devices"
words=()
for i in {0..23}; do
	mknod "$deep/d$i" b 7 "$i"
	words+=(disk "$deep/d$i")
done
check "an LPAR has many disks" lparcall set a "${words[@]}"
check "the file has whole paths, and says that there are more" disks_are_whole
