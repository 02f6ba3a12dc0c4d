#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=2 mem=2048 timeout=1200 kernels=6.12 speed=long here
#
# netbuf.ko beside sch_plug, which holds one direction of a netdev in its qdisc, in one
# boot, in turns. One line of JSON for each figure. The netdev is a dummy: it takes
# frames at once and counts them.
# ROUNDS: of everything that is compared (9).

set -u

# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/../netbuf/netbuf.sh"
bench=netbuf
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"

rounds=${ROUNDS:-9}
frames=20000
netdevs=8
# UDP payloads of frames of 64 and 1500 bytes
payload_64=22
# shellcheck disable=SC2034 # by indirection
payload_1500=1458

now_us() {
	echo "${EPOCHREALTIME/./}"
}

# rate NUMBER MICROSECONDS: per second
rate() {
	awk -v n="$1" -v us="$2" 'BEGIN { printf "%.0f\n", n * 1e6 / us }'
}

sent() {
	local n

	read -r n </sys/class/net/d0/statistics/tx_packets
	echo "$n"
}

# flood COUNT: frames per second that the sender gets rid of
flood() {
	local start

	start=$(now_us)
	wire send 10.8.0.2 0 "$1" $payload_64 || die "cannot send"
	rate "$1" $(($(now_us) - start))
}

# until_sent NUMBER START: frames per second from START until so many have gone out.
# Who looks takes no CPU away from who sends.
until_sent() {
	local n=0

	while [ "$n" -lt "$1" ]; do
		read -rt 0.001 <&"$never"
		read -r n </sys/class/net/d0/statistics/tx_packets
	done
	rate $frames $(($(now_us) - $2))
}

hold_by_plug() {
	local before start

	tc qdisc replace dev d0 root plug limit $((frames * 4096)) || die "no sch_plug"
	before=$(sent)
	flood $frames >>"$scratch/hold.plug"
	[ "$(sent)" = "$before" ] || die "sch_plug has let frames pass"
	start=$(now_us)
	# As fast as a write to sysfs: it runs already.
	echo "qdisc change dev d0 root plug release_indefinite" >&"${tc[1]}"
	until_sent $((before + frames)) "$start" >>"$scratch/drain.plug"
	tc qdisc del dev d0 root
}

# hold_by_netbuf NAME COPY
hold_by_netbuf() {
	local before start

	lparctl netbuf attach d0 --copy "$2" || die "no buffer"
	lparctl netbuf hold d0
	before=$(sent)
	flood $frames >>"$scratch/hold.$1"
	[ "$(netbuf d0 txpcnt)" = $frames ] || die "netbuf does not hold all"
	start=$(now_us)
	echo drain >/sys/class/net/d0/netbuf/state
	until_sent $((before + frames)) "$start" >>"$scratch/drain.$1"
	wait_until 10 is d0 state pass
	lparctl netbuf detach d0
}

hold_by_copy() {
	hold_by_netbuf copy yes
}

hold_by_zero() {
	hold_by_netbuf zero no
}

bench_hold() {
	local round what order="plug copy zero"

	for ((round = 0; round < rounds; round++)); do
		for what in $order; do
			"hold_by_$what"
		done
		# What memory the one before left behind matters.
		order=$(tr ' ' '\n' <<<"$order" | tac)
	done
	for what in hold drain; do
		figure ${what}_fps_vs_plug "$(ratio "$(median <"$scratch/$what.copy")" \
			"$(median <"$scratch/$what.plug")")" ratio
		figure ${what}_fps_vs_plug_zero_copy "$(ratio "$(median <"$scratch/$what.zero")" \
			"$(median <"$scratch/$what.plug")")" ratio
		figure ${what}_fps "$(median <"$scratch/$what.copy")" 1/s
	done
}

bench_pass() {
	local round

	for ((round = 0; round < rounds; round++)); do
		flood $frames >>"$scratch/detached"
		lparctl netbuf attach d0
		flood $frames >>"$scratch/attached"
		lparctl netbuf detach d0
	done
	figure pass_throughput_vs_detached \
		"$(ratio "$(median <"$scratch/attached")" "$(median <"$scratch/detached")")" ratio
}

bench_memory() {
	local size payload

	lparctl netbuf attach d0
	for size in 64 1500; do
		payload=payload_$size
		lparctl netbuf hold d0
		wire send 10.8.0.2 0 1000 "${!payload}"
		figure bytes_per_held_frame_$size $(($(netbuf d0 bytes) / 1000)) bytes
		lparctl netbuf flush d0
	done
	lparctl netbuf detach d0 --force
}

bench_file() {
	local round start file=/dev/shm/frames

	lparctl netbuf attach d0
	lparctl netbuf hold d0
	flood $frames >/dev/null
	for ((round = 0; round < rounds; round++)); do
		start=$(now_us)
		lparctl netbuf save $file d0 >/dev/null || die "cannot save"
		rate $frames $(($(now_us) - start)) >>"$scratch/save"
		lparctl netbuf flush d0
		start=$(now_us)
		lparctl netbuf load $file >/dev/null || die "cannot load"
		rate $frames $(($(now_us) - start)) >>"$scratch/load"
	done
	rm $file
	lparctl netbuf detach d0 --force
	figure save_fps "$(median <"$scratch/save")" 1/s
	figure load_fps "$(median <"$scratch/load")" 1/s
}

bench_cut() {
	local i round

	lparctl create web memory 2M
	lparctl activate web || die "no LPAR"
	for ((i = 1; i <= netdevs; i++)); do
		ip link add n$i type dummy
		lparctl netbuf attach n$i --lpar web || die "no buffer"
	done
	for ((round = 0; round < 10 * rounds; round++)); do
		lparctl -j cut --at now --lpar web | /usr/bin/python3 -c '
import json, sys
t = [p["fired_ns"] for p in json.load(sys.stdin)["points"] if p["kind"] == "netbuf"]
print((max(t) - min(t)) / 1000)' >>"$scratch/skew"
		lparctl cut --at now --lpar web --action open >/dev/null
	done
	for ((i = 1; i <= netdevs; i++)); do
		lparctl netbuf detach n$i --force
	done
	lparctl deactivate web
	lparctl delete web
	figure cut_skew_us_${netdevs}dev "$(median <"$scratch/skew")" us
}

load netbuf
modprobe dummy
mkfifo "$scratch/never"
exec {never}<>"$scratch/never"
ip link add d0 type dummy
ip addr add 10.8.0.1/24 dev d0
ip link set d0 up
ip neigh add 10.8.0.2 lladdr 02:00:00:08:00:02 dev d0
coproc tc { exec tc -batch -; }
started+=("$tc_PID")
bench_hold
bench_pass
bench_memory
bench_file
bench_cut
