#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: rig cpus=5 mem=1792 slow=10 timeout=5400 kernels=6.12 speed=long
#
# Clusters saved and restored, in slowed time: skew of cuts, pauses, times, heartbeats. One
# line of JSON for each figure. CUTS (50), PAIRS (4).

# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/../cluster/cluster.sh"
bench=cluster
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

cuts=${CUTS:-50}
pairs=${PAIRS:-4}

joined() {
	local IFS=,

	echo "$*"
}

# In µs, from the first number to the last
spread_us() {
	sort -n | awk 'NR == 1 { first = $1 } { last = $1 } END { printf "%.1f\n", (last - first) / 1000 }'
}

# Both hosts, the same instant; what each gate says is kept.
cut_once() {
	local at

	at=$(date -d '+1 second' +%s.%N)
	on b fired "$(joined "${standbys[@]}")" "$at" "$1" >"$scratch/b" &
	fired "$(joined "${primaries[@]}")" "$at" "$1" >"$scratch/a"
	wait $!
	[ "$(cat "$scratch/a" "$scratch/b" | wc -l)" = $((2 * pairs)) ] || die "a cut without all instants"
}

bench_skew() {
	local i

	for ((i = 0; i < cuts; i++)); do
		cut_once close
		spread_us <"$scratch/a" >>"$scratch/host"
		spread_us <"$scratch/b" >>"$scratch/host"
		cat "$scratch/a" "$scratch/b" | spread_us >>"$scratch/between"
		cut_once open
	done
	figure cut_skew_us_host_p99 "$(percentile 99 <"$scratch/host")" us
	between_us=$(percentile 99 <"$scratch/between")
	figure cut_skew_us_between_hosts_p99 "$between_us" us
}

# number KEY < JSON: of the whole cluster
number() {
	grep -o "\"$1\":[0-9]*" | tail -n 1 | cut -d : -f 2
}

in_unit() {
	[ -z "$1" ] || awk -v n="$1" -v d="$2" 'BEGIN { printf "%.3f", n / d }'
}

bench_pause() {
	local i error_us

	for i in 1 2 3; do
		lparctl -j cluster save "pause$i" --hosts $hosts --via $via --dir $dir --continue \
			>"$scratch/saved" || die "not saved"
		grep -o '"at_ns":[0-9]*' "$scratch/saved" | cut -d : -f 2 | sort -n |
			awk 'NR == 1 { a = $1 } { b = $1 } END { printf "%.1f\n", (b - a) / 1e6 }' \
				>>"$scratch/pauses"
		cluster delete "pause$i"
	done
	figure pause_ms_continue_median "$(median <"$scratch/pauses")" ms
	error_us=$(in_unit "$(number clock_error_ns <"$scratch/saved")" 1000)
	figure clock_error_us "$error_us" us
	# By those clocks the hosts' instants are told apart.
	figure cut_skew_between_hosts_vs_clock_error "$(ratio "$between_us" "$error_us")" ratio
}

bench_restore() {
	local began restore cat_ms

	cluster save time --hosts $hosts || die "not saved"
	for i in a b; do
		on $i sh -c 'echo 3 >/proc/sys/vm/drop_caches'
	done
	began=${EPOCHREALTIME/./}
	on b read_states $dir/time/b &
	read_states $dir/time/a
	wait
	cat_ms=$(((${EPOCHREALTIME/./} - began) / 1000))
	began=${EPOCHREALTIME/./}
	cluster restore time || die "not restored"
	restore=$(((${EPOCHREALTIME/./} - began) / 1000))
	figure "restore_s_$((2 * pairs))guests" "$(in_unit $restore 1000)" s
	figure "restore_s_$((2 * pairs))guests_vs_cat" "$(ratio $restore $cat_ms)" ratio
}

# The smallest period at which the cluster is quiet for a while, or over a save.
holds_undisturbed() {
	tell_all "pair forget" && sleep 5 && all_quiet
}

holds_over_a_save() {
	tell_all "pair forget" && cluster save beat --hosts $hosts --continue && sleep 3 && all_quiet
	local status=$?

	cluster delete beat
	return $status
}

smallest() {
	local period best=

	for period in 1000 300 200 100 50 30; do
		tell_all "pair period $period" >&2
		sleep 2
		"$1" >&2 || break
		best=$period
	done
	echo "$best" # none: there is no figure
}

bench_heartbeat() {
	figure heartbeat_ms_undisturbed "$(smallest holds_undisturbed)" ms
	figure heartbeat_ms_survived "$(smallest holds_over_a_save)" ms
}

hosts_up || die "no rig"
cluster_up "$pairs" 1000 || die "no cluster"
bench_skew
bench_pause
bench_heartbeat
bench_restore
