#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# save.sh PAIRS MS ROUNDS: a cluster is saved and restored, and continued, and
# notices nothing.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

pairs=${1:-2} period=${2:-1000} rounds=${3:-2}

check "two hosts" hosts_up || bail "no rig"
check "$pairs pairs of guests, a heartbeat each $period ms" cluster_up "$pairs" "$period" ||
	bail "no cluster"
tell_all "pair forget"
sleep $((5 * period / 1000 + 5))
if all_quiet; then
	ok "undisturbed it is quiet"
else
	bail "undisturbed it is not quiet: a longer period is needed here"
fi

for ((i = 1; i <= rounds; i++)); do
	check "round $i: saved and continued" cluster save "go$i" --hosts a,b --continue
	check "round $i: it counts on" all_count
	check "round $i: and noticed nothing" all_quiet
done
for ((i = 1; i <= rounds; i++)); do
	check "round $i: saved" cluster save "state$i" --hosts a,b
	check "round $i: restored" cluster restore "state$i"
	check "round $i: it counts on" all_count
	check "round $i: and noticed nothing" all_quiet
done
cluster list >&3
