#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TCP with segmentation offload through ten and more cycles of hold, save,
# flush, load and drain; and UDP segmentation, which a file may not describe.
# vm: cpus=2 mem=1536 timeout=900 speed=long kernels=6.1,6.12,7.2
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

MIB=192
CYCLES=10

# cycle N: one through a file. Frames are there for sure: the sender does not stop by itself.
cycle() {
	lparctl netbuf hold v0 &&
		{ wait_until 10 holds v0 || ! kill -0 "$sender" 2>/dev/null; } &&
		lparctl netbuf save "$scratch/cycle.$1" v0 >/dev/null &&
		lparctl netbuf flush v0 && lparctl netbuf load "$scratch/cycle.$1" >/dev/null &&
		lparctl netbuf drain v0
}

transfer() {
	local way=$1 receive=$2 send=$3 cycles=0 largest

	rm -f "$scratch/received" "$scratch"/cycle.*
	# shellcheck disable=SC2086 # commands
	$receive busybox nc -l -p 9000 <>"$scratch/silent" >"$scratch/received" &
	receiver=$!
	# shellcheck disable=SC2086
	wait_until 20 listening $receive
	# shellcheck disable=SC2086
	$send busybox nc "$4" 9000 <"$scratch/data" &
	sender=$!
	while [ $cycles -lt $CYCLES ] && kill -0 $sender 2>/dev/null; do
		cycle $cycles || break
		cycles=$((cycles + 1))
	done
	check "$way: $CYCLES cycles while it goes on" test $cycles = $CYCLES
	wait $sender
	wait $receiver
	check "$way: every byte is right" cmp "$scratch/data" "$scratch/received"
	largest=$(for file in "$scratch"/cycle.*; do
		shark -r "$file" -T fields -e frame.len
	done | sort -n | tail -1)
	check "$way: segmentation was left to the netdev: $largest bytes" test "${largest:-0}" -gt 1514
}

# listening COMMAND...: somebody does, on port 9000, where COMMAND leads
listening() {
	"$@" grep -q ":2328 00000000:0000 0A" /proc/net/tcp
}

plan 12
load netbuf
make_veth
lparctl netbuf attach v0
# For nc, whose end of input ends the connection.
mkfifo "$scratch/silent"
head -c $((MIB << 20)) /dev/urandom >"$scratch/data"
transfer "to the guest" in_guest "" $guest
transfer "from the guest" "" in_guest $host

# A connection that waits for a minute is held for as long, and goes on
busybox nc -l -p 9000 <>"$scratch/silent" >"$scratch/late" &
receiver=$!
wait_until 20 listening
{ echo first; wait_until 120 test -e "$scratch/go"; echo second; } |
	in_guest busybox nc $host 9000 &
sender=$!
wait_until 20 grep -q first "$scratch/late"
lparctl netbuf hold v0
touch "$scratch/go"
check "the second line is held" wait_until 20 holds v0
sleep 60
check_fails "for a minute" grep -q second "$scratch/late"
check "drained" lparctl netbuf drain v0
check "the connection lives" wait_until 60 grep -q second "$scratch/late"
wait $sender $receiver

# UDP segmentation
lparctl netbuf hold v0
expect_in_guest 40
/usr/bin/python3 - $guest $port <<'EOF2'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1000)     # UDP_SEGMENT
part = lambda n: struct.pack("<I", n) + bytes((n * 31 + i) & 255 for i in range(4, 1000))
s.sendto(b"".join(part(n) for n in range(40)), (sys.argv[1], int(sys.argv[2])))
EOF2
check "UDP segmentation is held" holds v0
lparctl netbuf save "$scratch/udp" v0
lparctl netbuf flush v0
lparctl netbuf load "$scratch/udp"
lparctl netbuf drain v0
check "every datagram comes out of the file" came_to_guest
