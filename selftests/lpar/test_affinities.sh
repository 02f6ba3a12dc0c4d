#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A user without rights who has thousands of threads, each with an affinity of its own: an
# activation costs about what it costs with one affinity for all, and nobody waits for it who
# asks for something else by generic netlink.
# vm: cpus=4 mem=2048 timeout=300 speed=long kernels=6.1,6.12,7.2 "qemu=-smp 4,sockets=1,cores=24,threads=1,maxcpus=24"
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

NOBODY=65534
THREADS=6000
# How much longer: a pass for each affinity would take a hundred times as long.
FACTOR=4

milliseconds() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# took COMMAND...: how long it takes, in ms
took() {
	local began

	began=$(milliseconds)
	"$@" >/dev/null || return
	echo $(($(milliseconds) - began))
}

# The least of three activations, in ms
activation_ms() {
	for _ in 1 2 3; do
		took lparcall activate a || return
		lparcall deactivate a || return
	done | sort -n | head -1
}

# How many affinities a process has
affinities() {
	cat "/proc/$1"/task/*/status | grep "^Cpus_allowed:" | sort -u | wc -l
}

# While activations come one after the other: how often somebody else was answered during
# one of them, and how many ms that took at most
asks() {
	local answers=0 longest=0 ms

	while [ ! -e "$scratch/enough" ]; do
		echo >"$scratch/asked.$1"
		ms=$(took "$@") || return
		[ "$ms" -le "$longest" ] || longest=$ms
		# It began and ended within one.
		[ -e "$scratch/asked.$1" ] && [ -e "$scratch/under-way" ] && answers=$((answers + 1))
		echo "$answers $longest" >"$scratch/$1"
	done
}

# activations SECONDS
activations() {
	local end=$((SECONDS + $1))

	while [ $SECONDS -lt "$end" ]; do
		rm -f "$scratch"/asked.*
		echo >"$scratch/under-way"
		lparcall activate a || return
		rm "$scratch/under-way"
		lparcall deactivate a || return
		echo >>"$scratch/activations"
	done
}

plan 10
load lpar
check "there may be more CPUs" test "$(cat /sys/devices/system/cpu/possible)" = 0-23
lparcall create a cpus 2-3
start setpriv --reuid $NOBODY --regid $NOBODY --clear-groups \
	"$(command -v hog)" differ 1-23 $THREADS >"$scratch/hog"
crowd=$pid
check "a user has $THREADS threads" wait_until 120 grep -q waiting "$scratch/hog"
check "of one affinity" same "$(affinities "$crowd")" 1
one=$(activation_ms)
kill -USR1 "$crowd"
check "each gets another" wait_until 120 grep -q "all differ" "$scratch/hog"
check "they have" same "$(affinities "$crowd")" $THREADS
many=$(activation_ms)
diag "an activation takes $one ms with one affinity, $many ms with $THREADS"
check "an activation takes not much longer" below "$many" $((FACTOR * one + 500))

# Others ask meanwhile, and he moves some of them back without end
for _ in 1 2 3; do
	start setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "$(command -v hog)" back 2
done
start asks lparcall get a
own=$pid
start asks genl ctrl list
others=$pid
check "activations go on" activations 20
echo >"$scratch/enough"
wait "$own" "$others"
read -r own own_ms <"$scratch/lparcall"
read -r others others_ms <"$scratch/genl"
diag "$(wc -l <"$scratch/activations") activations; during one of them $own answers of lpar, the slowest after $own_ms ms, and $others of genl, after $others_ms ms"
check "who asks for an LPAR is answered during one" test "$own" -ge 3
check "who asks others is as well" test "$others" -ge 3
check "another family comes" timeout 20 insmod "$LPARKIT_MODULES/netbuf.ko"
