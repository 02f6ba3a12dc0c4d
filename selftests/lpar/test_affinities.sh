#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A user without rights who has thousands of threads, each with an affinity of its own: an
# activation costs about what it costs with one affinity for all, and nobody waits for it who
# asks for something else by generic netlink.
# CPUs that are there and never come online make so many affinities possible, and cost nothing;
# 6.1 takes CPUs that are not online out of what a task asks for.
# vm: cpus=24 append=maxcpus=4 mem=2048 timeout=300 speed=long kernels=6.12,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

NOBODY=65534
THREADS=6000
# How much longer: a pass for each affinity would take a hundred times as long.
FACTOR=4
# What a busy machine may take for an answer.
SHORT_MS=2000

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

# Three activations, during each of which others ask: nobody waits for half of it.
all_are_answered() {
	local asker ms limit answers own others fall_ms

	for _ in 1 2 3; do
		echo >"$scratch/during"
		start lparcall answers a "$scratch/during" >"$scratch/answers"
		asker=$pid
		wait_until 20 grep -q asks "$scratch/answers"
		ms=$(took lparcall activate a) || return
		rm "$scratch/during"
		wait "$asker" || return
		read -r answers own others < <(tail -n 1 "$scratch/answers")
		fall_ms=$(took lparcall deactivate a) || return
		diag "up in $ms ms, down in $fall_ms ms; of $answers answers the slowest took $own ms (lpar), $others ms (genl)"
		limit=$((ms / 2 > SHORT_MS ? ms / 2 : SHORT_MS))
		below "$own" $limit && below "$others" $limit || return
	done
}

plan 8
load lpar
check "there may be more CPUs" same "$(cd /sys/devices/system/cpu && cat online present)" $'0-3\n0-23'
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
check "activations go on, and who asks meanwhile is answered" all_are_answered
check "another family comes" timeout 20 insmod "$LPARKIT_MODULES/netbuf.ko"
