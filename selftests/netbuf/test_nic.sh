#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A NIC, whose driver takes no more than its ring holds: with and without a qdisc, with
# somebody who looks on, and full; tagged by its driver, the kernel or tc. Nothing is lost,
# all come in order, each as it would have been without a buffer.
# vm: cpus=2 mem=1024 timeout=200 speed=full modprobe=e1000e long=6.1,6.12,debug
# vm: qemu="-netdev hubport,id=a,hubid=0 -device e1000e,netdev=a -netdev hubport,id=b,hubid=0 -device e1000e,netdev=b"
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=700	# more than its ring takes
sent=0
only_rxhash=0x10000000	# its driver writes tags only if it reads them too

nics() {
	local path

	for path in /sys/class/net/*/device/driver/module; do
		[[ $(readlink "$path") != */e1000e ]] || basename "${path%/device/*}"
	done
}

# make_nics A B: A is the host's, B the guest's
make_nics() {
	make_netns guest
	# They were there before.
	echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"
	ip link set "$2" netns guest
	ip addr add $host/24 dev "$1"
	in_guest ip addr add $guest/24 dev "$2"
	ip link set "$1" up
	in_guest ip link set "$2" up
	in_guest ip link set lo up
	ip neigh add $guest lladdr "$(in_guest cat "/sys/class/net/$2/address")" dev "$1"
	in_guest ip neigh add $host lladdr "$(cat "/sys/class/net/$1/address")" dev "$2"
	wait_until 20 grep -q 1 "/sys/class/net/$1/carrier" &&
		wait_until 20 in_guest grep -q 1 "/sys/class/net/$2/carrier"
}

# small_ring: as small as it can be
small_ring() {
	feature "$a" 0x11 0 0 0 0 256 0 0 64 && wait_until 20 grep -q 1 "/sys/class/net/$a/carrier"
}

# goes_on WHAT [SENDER]: N frames, held and drained
goes_on() {
	lparctl netbuf hold "$a"
	"${2:-to_guest}" 0 $N
	check "$1: all are held" is "$a" txpcnt $N
	expect_in_guest $N
	check "$1: the drain ends" lparctl netbuf drain "$a" --timeout 60s
	data check "$1: each came, in order" came_to_guest
	sent=$((sent + N))
	check "$1: all count as gone on" says "\"drained\":$sent," lparctl -j netbuf show "$a"
}

# looker FILE: counts what the NIC sends, until FILE.stop is there
looker() {
	/usr/bin/python3 - "$a" $port "$1" <<-'EOF2'
	import os, socket, struct, sys
	name, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
	s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)       # SO_RCVBUFFORCE
	s.bind((name, 3))
	s.settimeout(0.2)
	open(file + ".ready", "w").close()
	seen = []
	while True:
	    try:
	        frame, address = s.recvfrom(2048)
	    except socket.timeout:
	        if os.path.exists(file + ".stop"):
	            break
	        continue
	    if address[2] == 4 and frame[12:14] == b"\x08\x00" and frame[36:38] == struct.pack("!H", port):
	        seen.append(struct.unpack("<I", frame[42:46])[0])
	open(file, "w").write("in order\n" if seen == list(range(len(seen))) else "mixed\n")
	open(file, "a").write(f"{len(seen)}\n")
	EOF2
}

load netbuf
modprobe sch_tbf
{ read -r a; read -r b; } < <(nics)
[ -n "$b" ] || { skip "a NIC" "the VM has none"; exit; }
check "two NICs that hear each other" make_nics "$a" "$b"
lparctl netbuf attach "$a"

check "no qdisc" tc qdisc replace dev "$a" root noqueue
goes_on "given to the driver"
check "none was dropped" same "$(cat "/sys/class/net/$a/statistics/tx_dropped")" 0

start looker "$scratch/look"
looker_pid=$pid
wait_until 20 test -e "$scratch/look.ready"
goes_on "somebody looks on"
make_vlan "$a" "$b"
check "a driver that writes no tags" feature "$a" 0x26 $only_rxhash
check "a small ring" small_ring
goes_on "somebody looks on at tagged frames" stamped_to_guest
touch "$scratch/look.stop"
wait "$looker_pid"
check "who looks sees all, in order" same "$(xargs <"$scratch/look")" "in order $N"
goes_on "a small ring"
goes_on "a small ring and tagged frames" stamped_to_guest

check "a short queue before a slow line" tc qdisc replace dev "$a" root tbf rate 8mbit burst 3000 limit 3000
goes_on "a full queue"
if modprobe -qa sch_ingress cls_matchall act_vlan; then
	tc qdisc add dev "$a" clsact
	check "tc tags frames" tc filter add dev "$a" egress matchall action vlan push id 7
	goes_on "tagged before a full queue"
	tc qdisc del dev "$a" clsact
else
	skip "tagged before a full queue" "no act_vlan"
fi
tc qdisc replace dev "$a" root pfifo_fast
goes_on "a qdisc"
check "none counts as dropped" is "$a" dropped_below 0
