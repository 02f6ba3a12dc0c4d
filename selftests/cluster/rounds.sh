# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A cluster is continued and restored again and again, and notices nothing.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# noticed_nothing ROUND
noticed_nothing() {
	data check "round $1: each message came once" all_came
	check "round $1: and nothing was noticed" all_quiet
}

# rounds PAIRS MS ROUNDS: each is judged by itself, but that guests are not there is no matter of
# their data
rounds() {
	local i

	check "two hosts" hosts_up || bail "no rig"
	check "$1 pairs of guests, a heartbeat each $2 ms" cluster_up "$1" "$2" ||
		bail "no cluster"
	check "all guests use all their CPUs" all_use_their_cpus
	tell_all "pair forget"
	sleep $((10 * $2 / 1000 + 5))
	check "undisturbed it is quiet" all_quiet ||
		bail "a longer period is needed here, or a larger SLOW"
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved and continued" cluster save state --hosts a,b --continue
		check "round $i: it counts on" all_count
		noticed_nothing "$i"
		cluster delete state
	done
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved" cluster save state --hosts a,b
		check "round $i: restored" cluster restore state || bail "not restored"
		check "round $i: it counts on" all_count
		noticed_nothing "$i"
		cluster delete state
	done
}
