#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Thousands of threads, each with an affinity of its own, as anybody may make them: the
# fence takes no longer for them than for as many that are alike, nobody who only asks
# waits for it, and each has its own affinity back.
# Its times are compared, which a machine that does other things may upset: so in the long form only.
# Only possible CPUs make so many affinities, and 6.1 takes those that are offline out.
# vm: cpus=4 mem=1536 timeout=300 kernels=6.12,7.2 long=6.12,7.2 "qemu=-smp 4,sockets=1,cores=24,threads=1,maxcpus=24"
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

THREADS=20000
# So many times as long counts as no longer.
SLACK=2

# The whole of them, offline CPUs as well, which hog does not get to see.
affinities() {
	cat /proc/"$1"/task/*/status | grep ^Cpus_allowed_list | sort -u
}

has_affinities() {
	[ "$(affinities "$1" | wc -l)" = "$2" ]
}

has_threads() {
	[ "$(find "/proc/$1/task" -maxdepth 1 | wc -l)" -gt "$2" ]
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# Milliseconds that an activation takes.
activation_ms() {
	local began

	began=$(now_ms)
	lparcall activate a || return 1
	echo $(($(now_ms) - began))
}

# Activates, and asks all the time meanwhile: sets $took and $longest, in ms.
ask_meanwhile() {
	local began asked active

	began=$(now_ms)
	longest=0
	lparcall activate a &
	active=$!
	while kill -0 $active 2>/dev/null; do
		asked=$(now_ms)
		lparcall get a >/dev/null || return 1
		asked=$(($(now_ms) - asked))
		[ $asked -le $longest ] || longest=$asked
	done
	wait $active || return 1
	took=$(($(now_ms) - began))
}

plan 6
load lpar
echo 30000 >/proc/sys/kernel/threads-max
lparcall create a cpus 2-3

start hog sleep 0-3 $THREADS
wait_until 60 has_threads "$pid" $THREADS
alike=$(activation_ms)
check "threads that are alike: activate" test "$alike"
lparcall deactivate a
stop "$pid"

start hog masks 0-3 $THREADS
wait_until 120 has_affinities "$pid" $THREADS
apart=$(activation_ms)
diag "activation took $alike ms with threads that are alike, $apart ms with others"
check "threads with an affinity each: no longer" below "$apart" $((SLACK * alike))
lparcall deactivate a
ask_meanwhile
check "activate while somebody asks" is a state active
diag "activation took $took ms, the longest answer $longest ms"
check "who only asks does not wait for it" below "$longest" $((took / 2))
check "none is left on the LPAR's CPUs" same \
	"$(affinities "$pid" | grep -c "^Cpus_allowed_list:.0-1,")" $((THREADS - 1))
lparcall deactivate a
check "each has its own affinity again" has_affinities "$pid" $THREADS
