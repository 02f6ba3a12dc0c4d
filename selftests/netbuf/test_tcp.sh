#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TCP with segmentation offload through ten cycles of hold, save, flush, load and
# drain; a connection that is held for a minute; and UDP segmentation, which a
# file may not describe.
# vm: cpus=2 mem=1536 timeout=600 speed=full long=6.1,7.2,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

CYCLES=10
PART_MIB=4

# cycle N: a part of the stream is sent into a netdev that holds, and so goes
# through a file, until windows are full. The rest follows while the next hold comes.
cycle() {
	local writer

	lparctl netbuf hold v0 || return 1
	dd if="$scratch/data" bs=1M skip=$(($1 * PART_MIB)) count=$PART_MIB >&"$stream" &
	writer=$!
	wait_until 20 holds v0 &&
		lparctl netbuf save "$scratch/cycle.$1" v0 >/dev/null &&
		lparctl netbuf flush v0 && lparctl netbuf load "$scratch/cycle.$1" >/dev/null &&
		lparctl netbuf drain v0 && wait $writer
}

cycles() {
	local n

	for ((n = 0; n < CYCLES; n++)); do
		cycle $n || return 1
	done
}

# transfer WAY ADDRESS RECEIVE SEND: the last two are prefixes of commands
transfer() {
	local way=$1 receive=$3 send=$4 receiver sender largest

	rm -f "$scratch"/cycle.*
	# shellcheck disable=SC2086 # commands
	$receive busybox nc -l -p 9000 <>"$scratch/silent" >"$scratch/received" &
	receiver=$!
	# shellcheck disable=SC2086
	wait_until 20 listening $receive || bail "nobody listens"
	# shellcheck disable=SC2086
	$send busybox nc "$2" 9000 <"$scratch/stream" &
	sender=$!
	exec {stream}>"$scratch/stream"
	check "$way: $CYCLES cycles while it goes on" cycles
	exec {stream}>&-
	wait $sender
	wait $receiver
	data check "$way: every byte is right" same "$(sum data)" "$(sum received)"
	check "$way: Wireshark reads every file" \
		mergecap -w "$scratch/cycles" "$scratch"/cycle.*
	largest=$(shark -r "$scratch/cycles" -T fields -e frame.len | sort -n | tail -1)
	check "$way: segmentation was left to the netdev: $largest bytes" test "${largest:-0}" -gt 1514
}

sum() {
	sha256sum <"$scratch/$1"
}

# listening COMMAND...: somebody does, on port 9000, where COMMAND leads
listening() {
	"$@" grep -q ":2328 0*:0000 0A" /proc/net/tcp /proc/net/tcp6
}

plan 15
load netbuf
make_veth
lparctl netbuf attach v0
# For nc, whose end of input ends the connection.
mkfifo "$scratch/silent" "$scratch/stream"
head -c $((CYCLES * PART_MIB << 20)) /dev/urandom >"$scratch/data"
transfer "to the guest" $guest in_guest ""
transfer "from the guest" $host "" in_guest

# A connection that waits for 20 s is held for as long, and goes on
busybox nc -l -p 9000 <>"$scratch/silent" >"$scratch/late" &
receiver=$!
wait_until 20 listening || bail "nobody listens"
{ echo first; wait_until 120 test -e "$scratch/go"; echo second; } |
	in_guest busybox nc $host 9000 &
sender=$!
wait_until 20 grep -q first "$scratch/late"
lparctl netbuf hold v0
touch "$scratch/go"
check "the second line is held" wait_until 20 holds v0
sleep 20
check_fails "for 20 s" grep -q second "$scratch/late"
check "drained" lparctl netbuf drain v0
check "the connection lives" wait_until 60 grep -q second "$scratch/late"
wait $sender $receiver

# UDP segmentation
lparctl netbuf hold v0
expect_in_guest 40
segmented_to_guest 0 40
check "UDP segmentation is held" holds v0
lparctl netbuf save "$scratch/udp" v0
check "tshark reads the file" shark -r "$scratch/udp"
lparctl netbuf flush v0
lparctl netbuf load "$scratch/udp"
lparctl netbuf drain v0
data check "every datagram comes out of the file" came_to_guest
