#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 timeout=3000 modprobe=kvm_amd kernels=6.12 speed=long here=kvm
#
# dirtythrottle.ko beside QEMU's auto-converge and dirty limit, in one boot. One line of
# JSON for each figure. Arguments choose parts: rate reader probe migration (all), and
# fast, which is for slowed time. WINDOWS: of a second, for each rate (10). ROUNDS: of what
# is compared (3).
#
# QEMU before 8.1 has the dirty limit, but not as a capability of a migration: it is set
# by hand when that begins, to what the throttle takes: half of the link.

set -u

# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/../dirtythrottle/dirtythrottle.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
# shellcheck source=selftests/dirtythrottle/migration.sh
. "$(dirname "$0")/../dirtythrottle/migration.sh"
bench=dirtythrottle
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"
trap 'guest_kill_all; leave clear_away' EXIT

windows=${WINDOWS:-10}
rounds=${ROUNDS:-3}
# In megabytes a second: QEMU's limit knows no smaller unit.
limit_mib=4

# error_pct KIB: of the last measure, from this limit
error_pct() {
	awk -v got="$(measured_kib)" -v want="$1" 'BEGIN { e = 100 * (got - want) / want
		print e < 0 ? -e : e }'
}

bench_rate() {
	local what kib vcpus pattern i

	for what in "1024 1 seq" "4096 1 seq" "4096 4 seq" "4096 4 random" "2048 8 hot"; do
		read -r kib vcpus pattern <<<"$what"
		guest rate --vcpus "$vcpus" --pattern "$pattern" || die "no guest"
		guest_do rate log-on
		lparctl throttle attach "$pid" --limit "${kib}K" || die "no throttle"
		guest_do rate go
		# What it may exceed the limit by once is over.
		measure rate 1
		for ((i = 0; i < windows; i++)); do
			measure rate 1
			error_pct "$kib" | tee -a "$scratch/errors"
		done
		guest_end "$pid"
	done
	figure rate_error_pct_max "$(percentile 100 <"$scratch/errors")" percent
	figure rate_error_pct_median "$(median <"$scratch/errors")" percent
}

# Limits that an emulated guest reaches only if its pages become dirty 512 at once, as they
# do by a log of the processor, and in slowed time.
bench_fast() {
	local mib i

	insmod "$LPARKIT_MODULES/../test/logbatch.ko" || die "no module that dirties in batches"
	for mib in 10 100 1024 10240; do
		guest fast --vcpus 4 --mib 512 --round-ms 20 || die "no guest"
		guest_do fast log-on
		lparctl throttle attach "$pid" --limit "${mib}M" || die "no throttle"
		guest_do fast go
		measure fast 1
		for ((i = 0; i < windows; i++)); do
			measure fast 1
			error_pct $((mib * 1024)) >>"$scratch/fast.$mib"
		done
		guest_end "$pid"
		figure "fast_rate_error_pct_max_${mib}_mib" "$(percentile 100 <"$scratch/fast.$mib")" percent
	done
	rmmod logbatch
}

# dirty_rate: MB/s, by QEMU's own count of its dirty rings over a second
dirty_rate() {
	guest_qmp web calc-dirty-rate '{"calc-time":1,"mode":"dirty-ring"}' >/dev/null
	wait_until 30 rate_is_known
	cat "$run/rate"
}

rate_is_known() {
	guest_qmp web query-dirty-rate | /usr/bin/python3 -c '
import json, sys
info = json.load(sys.stdin)["return"]
if info["status"] != "measured":
    sys.exit(1)
print(info["dirty-rate"])' >"$run/rate"
}

# window_errors FILE: of each of the windows, from the limit
window_errors() {
	local i

	for ((i = 0; i < windows; i++)); do
		dirty_rate | awk -v want=$limit_mib '{ e = 100 * ($1 - want) / want
			print e < 0 ? -e : e }' >>"$1"
	done
}

# The same guest, the same limit, the same measure, which knows whole megabytes only.
bench_dirtylimit() {
	guest_accel=kvm,dirty-ring-size=1024
	start_source
	guest_accel=kvm
	wait_until 300 guest_is_up web || die "no guest"
	guest_say web "dirty $set_mib" >/dev/null
	guest_qmp web set-vcpu-dirty-limit "{\"dirty-rate\":$limit_mib}" >/dev/null
	sleep 10
	window_errors "$scratch/dirtylimit"
	guest_qmp web cancel-vcpu-dirty-limit >/dev/null
	lparctl throttle attach "$source_pid" --limit ${limit_mib}M || die "no throttle"
	sleep 2
	window_errors "$scratch/throttle"
	guest_kill "$source_pid"
	figure qemu_dirtylimit_rate_error_pct_max "$(percentile 100 <"$scratch/dirtylimit")" percent
	figure same_guest_rate_error_pct_max "$(percentile 100 <"$scratch/throttle")" percent
}

# Two readers beside a writer that is delayed all the time, and one that is not.
bench_reader() {
	local round

	guest mixed --vcpus 3 --readers 2 || die "no guest"
	guest_do mixed log-on
	guest_do mixed go
	lparctl throttle attach "$pid" --count || die "no throttle"
	for ((round = 0; round < rounds; round++)); do
		lparctl throttle set "$pid" --count
		measure mixed 3
		echo $(((turns[1] + turns[2]) * 1000 / (ns / 1000000))) >>"$scratch/off"
		lparctl throttle set "$pid" --limit 1M
		measure mixed 3
		echo $(((turns[1] + turns[2]) * 1000 / (ns / 1000000))) >>"$scratch/on"
	done
	guest_end "$pid"
	figure reader_throughput_on_vs_off \
		"$(ratio "$(median <"$scratch/on")" "$(median <"$scratch/off")")" ratio
}

# Write faults per second of one vCPU, with the probe and without it.
bench_probe() {
	local round

	guest probe --vcpus 1 --round-ms 20 || die "no guest"
	guest_do probe log-on
	guest_do probe go
	for ((round = 0; round < rounds * 3; round++)); do
		measure probe 1
		echo $((pages * 1000000 / (ns / 1000))) >>"$scratch/without"
		lparctl throttle attach "$pid" --count || die "no throttle"
		measure probe 1
		echo $((pages * 1000000 / (ns / 1000))) >>"$scratch/with"
		lparctl throttle detach "$pid"
	done
	guest_end "$pid"
	figure probe_cost_pct "$(awk -v with="$(median <"$scratch/with")" \
		-v without="$(median <"$scratch/without")" \
		'BEGIN { printf "%.2f", 100 * (without - with) / without }')" percent
}

# spins: of all vCPUs since they were told to
spins() {
	guest_snapshot web "$run/counters" && od -An -v -w64 -tu8 "$run/counters" |
		awk 'NR > 1 { sum += $1 } END { printf "%.0f\n", sum }'
}

# spin_rate SECONDS
spin_rate() {
	local start from

	start=${EPOCHREALTIME/./}
	from=$(spins)
	sleep "$1"
	awk -v n="$(($(spins) - from))" -v us="$((${EPOCHREALTIME/./} - start))" \
		'BEGIN { printf "%.0f\n", n * 1e6 / us }'
}

migration_over() {
	migration_is completed || migration_is failed
}

# ready: a guest that dirties, and a destination
ready() {
	start_source
	wait_until 300 guest_is_up web || die "no guest"
	guest_say web "dirty $set_mib" >/dev/null
	start_destination
}

# finish NAME: waits for the end, and keeps total time and pause
finish() {
	wait_until 400 migration_over
	if migration_is completed; then
		migration_field total-time >>"$scratch/total.$1"
		migration_field downtime >>"$scratch/downtime.$1"
	fi
	guest_kill "$source_pid"
	guest_kill "$destination_pid"
}

by_throttle() {
	ready
	lparctl throttle follow "$run/web.follow" --wait 60s &
	migrate
	finish throttle
}

by_autoconverge() {
	ready
	guest_qmp web migrate-set-capabilities \
		'{"capabilities":[{"capability":"auto-converge","state":true}]}' >/dev/null
	migrate
	finish autoconverge
}

by_dirtylimit() {
	guest_accel=kvm,dirty-ring-size=1024
	ready
	guest_accel=kvm
	migrate
	guest_qmp web set-vcpu-dirty-limit "{\"dirty-rate\":$((bandwidth >> 21))}" >/dev/null
	finish dirtylimit
}

# vs OTHER: how long the throttle takes, by it
versus() {
	[ -s "$scratch/total.$1" ] || { diag "$1: did not end"; return; }
	figure "migration_total_s_vs_$1" "$(ratio "$(median <"$scratch/total.throttle")" \
		"$(median <"$scratch/total.$1")")" ratio
	figure "migration_downtime_ms_$1" "$(median <"$scratch/downtime.$1")" ms
}

bench_migration() {
	local round

	for ((round = 0; round < rounds; round++)); do
		by_throttle
		by_autoconverge
		by_dirtylimit
	done
	[ -s "$scratch/total.throttle" ] || die "no migration ended with the throttle"
	figure migration_total_s "$(awk '{ print $1 / 1000 }' "$scratch/total.throttle" | median)" s
	figure migration_downtime_ms "$(median <"$scratch/downtime.throttle")" ms
	versus autoconverge
	versus dirtylimit
}

# What all vCPUs count while one of them dirties: before, and while auto-converge works.
bench_autoconverge_readers() {
	local off on

	ready
	guest_find_counters web
	guest_say web "spin 1" >/dev/null
	off=$(spin_rate 5)
	guest_qmp web migrate-set-capabilities \
		'{"capabilities":[{"capability":"auto-converge","state":true}]}' >/dev/null
	migrate
	wait_until 200 throttled_by_qemu
	on=$(spin_rate 5)
	guest_kill "$source_pid"
	guest_kill "$destination_pid"
	figure reader_throughput_autoconverge_vs_off "$(ratio "$on" "$off")" ratio
}

throttled_by_qemu() {
	[ "$(migration_field cpu-throttle-percentage)" -ge 20 ]
}

load dirtythrottle
guest_prepare || die "the host VM has no KVM"
[ $# -gt 0 ] || set -- rate reader probe migration
for part; do
	case $part in
	rate) bench_rate; bench_dirtylimit ;;
	fast) bench_fast ;;
	reader) bench_reader; bench_autoconverge_readers ;;
	probe) bench_probe ;;
	migration) bench_migration ;;
	*) die "no part $part" ;;
	esac
done
