#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Workers of io_uring begin on any CPU of the host, whatever affinity their process has: those of a
# member are brought home, and nobody is told that they have strayed.
# vm: cpus=4 mem=768 timeout=120 kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

WORKERS=12

# workers PID
workers() {
	grep -l '^iou-wrk' "/proc/$1/task"/*/comm | sed 's|/comm$||; s|.*/||'
}

are_workers() {
	[ "$(workers "$1" | wc -l)" = $WORKERS ]
}

# have_affinity PID LIST: as taskset writes it
have_affinity() {
	same "$(workers "$1" | xargs -n 1 taskset -pc | sed 's/.*: //' | sort -u)" "$2"
}

plan 6
load lpar
events=$scratch/events
listen "$events"
make a cpus 2-3
# shellcheck disable=SC2016
start sh -c 'lparcall member-add a member $$ && exec uring '$WORKERS >"$scratch/uring"
member=$pid
check "a member uses io_uring" wait_until 20 grep -q idle "$scratch/uring"
check "by workers" are_workers "$member"
check "they come home" wait_until 30 have_affinity "$member" 2,3
# The look that counts strays has been there when one is seen that is none of theirs.
taskset -pc 0 "$member" >/dev/null
check "a thread that somebody has moved is a stray" wait_until 30 at_least a strays 1
check "and the only one" is a strays 1
check "nor is another told of" same "$(grep -c event=strayed "$events")" 1
