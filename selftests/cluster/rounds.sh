# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A cluster is continued and restored again and again, and notices nothing.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# On an emulated CPU QEMU takes up to 0.1 s to stop a guest, and all that a restored
# guest executes is translated anew: see Documentation/performance.md. From these
# periods on, in ms, nobody may notice it all the same.
continued_ms=300
restored_ms=1000

# is_too_fast MS LEAST: for an emulator
is_too_fast() {
	[ "$1" -lt "$2" ] && grep -q 'QEMU TCG CPU' /proc/cpuinfo
}

# check_quiet DESC MS LEAST
check_quiet() {
	if all_quiet; then
		ok "$1"
	elif is_too_fast "$2" "$3"; then
		skip "$1" "the emulator was noticed"
	else
		not_ok "$1"
		return 1
	fi
}

# noticed_nothing ROUND MS LEAST
noticed_nothing() {
	data check "round $1: each message came once" all_came
	check_quiet "round $1: and nothing was noticed" "$2" "$3"
}

# rounds PAIRS MS ROUNDS: each is judged by itself
rounds() {
	local i

	check "two hosts" hosts_up || bail "no rig"
	check "$1 pairs of guests, a heartbeat each $2 ms" cluster_up "$1" "$2" ||
		bail "no cluster"
	tell_all "pair forget"
	sleep $((10 * $2 / 1000 + 5))
	check_quiet "undisturbed it is quiet" "$2" $continued_ms ||
		bail "a longer period is needed here"
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved and continued" cluster save state --hosts a,b --continue
		check "round $i: it counts on" all_count
		noticed_nothing "$i" "$2" $continued_ms
		cluster delete state
	done
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved" cluster save state --hosts a,b
		check "round $i: restored" cluster restore state
		check "round $i: it counts on" all_count
		noticed_nothing "$i" "$2" $restored_ms
		cluster delete state
	done
}
