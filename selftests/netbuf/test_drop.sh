#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What comes behind the hook may drop a frame that goes on. Dropped by a rule is
# final, and the others go on; a full queue is not: nothing is lost to it.
# vm: cpus=2 mem=1024 timeout=400 speed=full kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

# dropping_to_guest COUNT: datagrams to a port that a rule drops
dropping_to_guest() {
	local i

	for ((i = 0; i < $1; i++)); do
		echo x >/dev/udp/$guest/9
	done
}

# add_rule NETDEV: drops these at its tc egress, which is behind the hook
add_rule() {
	tc qdisc add dev "$1" clsact &&
		tc filter add dev "$1" egress protocol ip u32 match ip dport 9 0xffff action drop
}

# shaped NETDEV LIMIT QDISC...: 2 Mbit/s, with QDISC as what waits there
shaped() {
	tc qdisc add dev "$1" root handle 1: tbf rate 2mbit burst 3000 limit "$2"
	[ $# = 2 ] || tc qdisc add dev "$1" parent 1: "${@:3}"
}

# make_bridge: br0 of the host, v0 is its port.
make_bridge() {
	ip addr del $host/24 dev v0
	ip link add br0 type bridge
	ip link set v0 master br0
	ip link set br0 up
	ip addr add $host/24 dev br0
	ip neigh add $guest lladdr "$(in_guest cat /sys/class/net/g0/address)" dev br0
}

unload_detached() {
	lparctl netbuf detach tap0 --force && unload netbuf
}

load netbuf
modprobe -a sch_ingress cls_u32 act_gact sch_tbf sch_fq_codel bridge
make_veth
lparctl netbuf attach v0
events=$scratch/events
listen "$events"

# A rule
check "a rule behind the hook" add_rule v0
lparctl netbuf hold v0
to_guest 0 100
dropping_to_guest 3
to_guest 100 100
check "held, with frames that it will drop" is v0 txpcnt 203
expect_in_guest 200
check "the drain ends" lparctl netbuf drain v0 --timeout 60s
data check "each of the others came, in order" came_to_guest
check "those dropped are counted" is v0 dropped_below 3
check "event: drop" event "$events" drop
check "the others count as gone on" says '"drained":200' lparctl -j netbuf show v0
tc qdisc del dev v0 clsact

# An MTU that was lowered since
lparctl netbuf hold v0
to_guest 0 10
to_guest 10 10 1400
to_guest 10 10
in_guest ip link set g0 mtu 700
expect_in_guest 20
check "frames that are too long now: the drain ends" lparctl netbuf drain v0 --timeout 60s
data check "each of the others came, in order" came_to_guest
check "those dropped are counted" is v0 dropped_below 13
in_guest ip link set g0 mtu 1500

# Full queues
check "a short queue before a slow line" shaped v0 3000
lparctl netbuf hold v0
to_guest 0 500
expect_in_guest 500
check "the drain ends" lparctl netbuf drain v0 --timeout 120s
data check "each came, in order" came_to_guest
check "none counts as dropped" is v0 dropped_below 13
tc qdisc del dev v0 root

check "fq_codel with 100 frames before a slow line" shaped v0 1M fq_codel limit 100
lparctl netbuf hold v0
to_guest 0 5000
check "5000 are held" is v0 txpcnt 5000
expect_in_guest 5000
check "the drain ends" lparctl netbuf drain v0 --timeout 240s
data check "each came, in order" came_to_guest
check "none counts as dropped" is v0 dropped_below 13
tc qdisc del dev v0 root

# What a queue drops for all that is said
check "fq_codel with a single frame" shaped v0 1M fq_codel limit 1
lparctl netbuf hold v0
to_guest 0 300
expect_in_guest 300
before=$(netbuf v0 dropped_below)
check "the drain ends" lparctl netbuf drain v0 --timeout 120s
lost=$(($(netbuf v0 dropped_below) - before))
kill -ALRM "$guest_pid"
wait "$guest_pid"
check "sent on and dropped make all" says "\"drained\":$((20 + 200 + 500 + 5000 + 300 - lost))," \
	lparctl -j netbuf show v0
tc qdisc del dev v0 root

# What an empty queue never takes costs time once, not for each frame.
check "a queue that is too short for long frames" \
	tc qdisc add dev v0 root tbf rate 2mbit burst 600 limit 3000
lparctl netbuf hold v0
to_guest 0 50
to_guest 1000 100 1400
to_guest 50 50
expect_in_guest 100
before=$(netbuf v0 dropped_below)
check "the drain ends soon" lparctl netbuf drain v0 --timeout 10s
data check "each of the others came, in order" came_to_guest
check "those dropped are counted" is v0 dropped_below $((before + 100))
tc qdisc del dev v0 root

# A bridge does not tell that the queue of its port is full.
check "a bridge on top of a short queue" make_bridge
check "which is before a slow line" shaped v0 250
lparctl netbuf attach br0
lparctl netbuf hold br0
to_guest 0 200
check "held" is br0 txpcnt 200
expect_in_guest 200
check "the drain ends" lparctl netbuf drain br0 --timeout 60s
data check "each came, in order" came_to_guest
check "none counts as dropped" is br0 dropped_below 0
lparctl netbuf detach br0
ip link del br0

# A tap
modprobe tun
ip link del v0
make_tap tap0
coproc tap { wire tap tap0; }
started+=("$tap_PID")
read -r -t 20 <&"${tap[0]}"
wait_until 10 grep -q 1 /sys/class/net/tap0/carrier
lparctl netbuf attach tap0
add_rule tap0
lparctl netbuf hold tap0
to_guest 0 50
dropping_to_guest 2
to_guest 50 50
check "tap: the drain ends" lparctl netbuf drain tap0 --timeout 60s
check "those dropped are counted" is tap0 dropped_below 2
echo "read 100 60" >&"${tap[1]}"
read -r -t 120 answer <&"${tap[0]}"
data check "each of the others came, in order" same "$answer" ok
check "the module can be unloaded" unload_detached
