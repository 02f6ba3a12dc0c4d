#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Frames of many flows keep their order although XPS gives each flow a transmit queue of
# its own, and the other end reads one queue after another.
# vm: cpus=2 mem=1024 timeout=60 speed=full long=6.1,6.12,debug
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=800

# flows_to_guest COUNT: numbered datagrams, in turn from eight sockets
flows_to_guest() {
	/usr/bin/python3 - $guest $port "$1" <<-'EOF2'
	import socket, struct, sys
	address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
	socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
	for n in range(count):
	    data = struct.pack("<I", n) + bytes((n * 31 + i) & 255 for i in range(4, 64))
	    socks[n % 8].sendto(data, (address, port))
	EOF2
}

in_guest_feature() {
	nsenter --net=/var/run/netns/guest bash -c "$(declare -f feature); feature $*"
}

tso=0x1f
gro=0x2c

load netbuf
queues=4
make_veth
# So the other end has a ring and a poll for each queue.
check "netdevs as they have to be" feature v0 $tso 0
check "at both ends" in_guest_feature g0 $gro 1
for path in /sys/class/net/v0/queues/tx-*; do
	echo 3 >"$path/xps_cpus"
done
lparctl netbuf attach v0
lparctl netbuf hold v0
flows_to_guest $N
check "all are held" is v0 txpcnt $N
expect_in_guest $N
check "drained" lparctl netbuf drain v0
check "in order over all flows" came_to_guest
