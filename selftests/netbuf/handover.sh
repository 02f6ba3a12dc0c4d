#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What test_handover.sh runs on two hosts:
#	handover.sh save >FILE	frames to and from a guest are held
#	handover.sh load FILE	the guest is here now, and so are they
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=300
SEGMENTS=40
STAMPED=50

# Those of a guest and of whom it talks to are the same everywhere.
guest_mac=02:00:00:09:00:02
peer_mac=02:00:00:09:00:01

save_here() {
	queues=4 make_veth
	ip link set v0 address $peer_mac
	in_guest ip link set g0 address $guest_mac
	ip neigh replace $guest lladdr $guest_mac dev v0
	in_guest ip neigh replace $host lladdr $peer_mac dev g0
	make_vlan v0 g0
	queue_to_host 3
	lparctl netbuf attach v0
	lparctl netbuf hold v0 || bail "not held"
	to_guest 0 $N
	segmented_to_guest $N $SEGMENTS
	stamped_to_guest $((N + SEGMENTS)) $STAMPED
	to_host 0 $N 1400
	lparctl netbuf save "$scratch/file" v0 || bail "not saved"
	# Nothing but the file.
	trap - EXIT
	cat "$scratch/file" >&3
}

# Another netdev: with half the queues, and a port of a bridge.
make_other() {
	make_netns guest
	ip link add x1 numtxqueues 2 numrxqueues 2 type veth peer name g0 netns guest
	ip link add br0 address $peer_mac type bridge forward_delay 0
	ip addr add $host/24 dev br0
	ip link set x1 master br0
	ip link set br0 up
	ip link set x1 up
	in_guest ip link set g0 address $guest_mac
	in_guest ip addr add $guest/24 dev g0
	in_guest ip link set g0 up
	in_guest ip link add link g0 name g0.7 type vlan id 7
	in_guest ip addr add $guest_vlan/24 dev g0.7
	in_guest ip link set g0.7 up
	# The kernel warns of a receive queue that is not there only then.
	echo 3 >/sys/class/net/x1/queues/rx-0/rps_cpus
}

# With tc, which sees a frame towards the guest when it goes on
count_marked() {
	tc qdisc add dev x1 clsact &&
		tc filter add dev x1 egress protocol all handle 42 fw action pass
}

marked() {
	tc -s filter show dev x1 egress | sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p'
}

load_here() {
	make_other
	check "attached" lparctl netbuf attach x1
	lparctl netbuf hold x1
	refused "v0: no buffer" "the netdev of the other host is not here" lparctl netbuf load "$1"
	check "loaded" lparctl netbuf load "$1" v0=x1
	check "held from the guest" is x1 rxpcnt $N
	check "held towards it" at_least x1 txpcnt $((N + 1 + STAMPED))
	check "marks are counted" count_marked
	expect_on_host $N
	expect_in_guest $((N + SEGMENTS + STAMPED))
	check "drained" lparctl netbuf drain x1
	data check "each came to the host once, in order, intact" came_to_host
	data check "each came to the guest once, in order, intact, by its VLAN" came_to_guest
	data check "with its mark" same "$(marked)" $STAMPED
}

load netbuf
case $1 in
save) save_here ;;
load) load_here "$2" ;;
esac
