#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# 4 000 frames each way through hold, save, flush, load and drain while
# traffic goes on: none lost, none twice, all in order, intact.
# vm: cpus=2 mem=1024 timeout=600 speed=full long=6.1,7.2,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=4000
MORE=800
file=$scratch/frames.pcapng
taps=$scratch/taps.pcap

# What tshark says of each frame: direction, interface, port, malformed, time
look() {
	shark -r "$file" -d udp.port==$port,data -T fields -e frame.packet_flags_direction \
		-e frame.interface_name -e udp.dstport -e _ws.malformed -e frame.time_epoch \
		-E separator=, >"$scratch/seen"
}

# seen AWK-CONDITION: number of such frames; d direction, i interface, p port, m malformed, t time
seen() {
	awk -F, "{ d = \$1; i = \$2; p = \$3; m = \$4; t = \$5 } $1" "$scratch/seen" | wc -l
}

tcpdump_count() {
	tcpdump -r "$1" "${@:2}" 2>/dev/null | wc -l
}

tcpdump_has() {
	[ "$(tcpdump_count "$1")" -ge "$2" ]
}

# Rules that count what comes by each hook of the netdev
add_rules() {
	nft -f - <<-EOF
	table netdev witness {
		counter in { }
		counter out { }
		chain in {
			type filter hook ingress device v0 priority 0;
			udp dport $port counter name in
		}
		chain out {
			type filter hook egress device v0 priority 0;
			udp dport $port counter name out
		}
	}
	EOF
}

counted() {
	nft list counter netdev witness "$1" | awk '/packets/ { print $2 }'
}

plan 46
load netbuf
make_veth

check "attached" lparctl netbuf attach v0
check "passes" is v0 state pass
expect_on_host 100
expect_in_guest 100
to_guest 0 100
to_host 0 100
data check "in pass, frames go by to the host" came_to_host
data check "in pass, frames go by to the guest" came_to_guest

check "rules on the hooks" add_rules
check "holds" lparctl netbuf hold v0
check "says so" is v0 state hold
expect_on_host $((N + 2 * MORE))
expect_in_guest $((N + 2 * MORE))
start tcpdump -i v0 -U -w "$taps" -B 65536 udp 2>"$scratch/tcpdump.err"
tcpdump_pid=$pid
wait_until 20 grep -q listening "$scratch/tcpdump.err"
to_guest 0 $N 64 &
to_host 0 $N 1400
wait $!
check "all from the guest are held" is v0 rxpcnt $N
check "all towards the guest are held" is v0 txpcnt $N
check "memory is counted" at_least v0 bytes $((2 * N * 64))
check "nothing was dropped" is v0 dropped_limit 0
diag "$(netbuf v0 bytes) bytes for $((2 * N)) frames"

check "saved" lparctl netbuf save "$file" v0
check "tshark reads the file" look
data check "all of them" same "$(seen 1)" $((2 * N))
data check "inbound: $N" same "$(seen 'd == 1')" $N
data check "outbound: $N" same "$(seen 'd == 2')" $N
data check "from an interface of that name" same "$(seen 'i == "v0"')" $((2 * N))
data check "as UDP to the right port" same "$(seen "p == $port")" $((2 * N))
data check "none malformed" same "$(seen 'm != ""')" 0
check "with times of today" same "$(seen "t < $(date +%s) - 600")" 0
data check "tcpdump reads it too" same "$(tcpdump_count "$file")" $((2 * N))
check "saving takes nothing away" is v0 rxpcnt $N

check "flushed" lparctl netbuf flush v0
check "nothing is held from the guest" is v0 rxpcnt 0
check "nothing is held towards the guest" is v0 txpcnt 0
check "no memory is taken" is v0 bytes 0
check "flushed frames are counted" is v0 flushed $((2 * N))

# Traffic that comes after the save and before the load
to_guest $N $MORE
to_host $N $MORE
check "new frames are held" is v0 txpcnt $MORE
check "loaded" lparctl netbuf load "$file"
check "with those that came since, from the guest" is v0 rxpcnt $((N + MORE))
check "and towards it" is v0 txpcnt $((N + MORE))

# And while it drains
to_guest $((N + MORE)) $MORE &
to_host $((N + MORE)) $MORE &
check "drained" lparctl netbuf drain v0
check "passes again" is v0 state pass
check "nothing is left" is v0 bytes 0
data check "each came to the host once, in order, intact" came_to_host
data check "each came to the guest once, in order, intact" came_to_guest

# Those towards the guest are seen when they go out; those from the guest when they came.
total=$((N + 2 * MORE))
check "tcpdump on the netdev has seen them" wait_until 20 tcpdump_has "$taps" $((2 * total))
kill -INT "$tcpdump_pid"
wait "$tcpdump_pid"
check "from the guest: each once" same "$(tcpdump_count "$taps" src $guest)" $total
check "towards it: each once" same "$(tcpdump_count "$taps" src $host)" $total
data check "the rules have seen each once, from the guest" same "$(counted in)" $total
data check "and towards it" same "$(counted out)" $total
nft delete table netdev witness

# Ten flows, which RPS would give to several CPUs
lparctl netbuf hold v0
for ((flow = 0; flow < 10; flow++)); do
	to_host $((flow * 100)) 100
done
echo 3 >/sys/class/net/v0/queues/rx-0/rps_cpus
expect_on_host 1000
check "drained with RPS on" lparctl netbuf drain v0
data check "in order over all flows" came_to_host

check "detached" lparctl netbuf detach v0
check_fails "no directory is left" test -e /sys/class/net/v0/netbuf
check "can be unloaded" unload netbuf
