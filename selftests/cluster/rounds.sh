# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A cluster is continued and restored again and again, and notices nothing.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# Its CPUs are programs, which make shorter silences than a second a matter of luck.
is_too_fast() {
	[ "$1" -lt 1000 ] && grep -q 'QEMU TCG CPU' /proc/cpuinfo
}

# restored_quietly DESC MS: An emulator translates all that a restored guest executes
# anew, see Documentation/performance.md: that may be noticed; nothing else may happen.
restored_quietly() {
	if is_too_fast "$2" && ! all_quiet; then
		skip "$1" "the emulator was noticed"
	else
		check "$1" all_quiet
	fi
}

# rounds PAIRS MS ROUNDS: each is judged by itself
rounds() {
	local i

	check "two hosts" hosts_up || bail "no rig"
	check "$1 pairs of guests, a heartbeat each $2 ms" cluster_up "$1" "$2" ||
		bail "no cluster"
	tell_all "pair forget"
	sleep $((10 * $2 / 1000 + 5))
	if is_too_fast "$2" && ! all_quiet; then
		skip "undisturbed it is quiet" "this emulator is too slow for $2 ms"
		return
	fi
	check "undisturbed it is quiet" all_quiet || bail "a longer period is needed here"
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved and continued" cluster save state --hosts a,b --continue
		check "round $i: it counts on" all_count
		check "round $i: and has noticed nothing" all_quiet
		cluster delete state
	done
	for ((i = 1; i <= $3; i++)); do
		tell_all "pair forget"
		check "round $i: saved" cluster save state --hosts a,b
		check "round $i: restored" cluster restore state
		check "round $i: it counts on" all_count
		check "round $i: each message came once" all_came
		restored_quietly "round $i: and has noticed nothing" "$2"
		cluster delete state
	done
}
