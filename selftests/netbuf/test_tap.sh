#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A tap, whose ring drops frames when it is full: a drain never overruns it,
# however slow its reader is; and its reader may die.
# vm: cpus=2 mem=1024 timeout=300 speed=long here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=6000

# tell COMMAND: to the guest of the tap; succeeds if it answers "ok".
tell() {
	local answer

	echo "$1" >&"${tap[1]}"
	read -r -t 120 answer <&"${tap[0]}" || return 1
	echo "# guest: $answer"
	[[ $answer == ok* ]]
}

begin_guest() {
	local answer

	coproc tap { wire tap tap0; }
	started+=("$tap_PID")
	read -r -t 20 answer <&"${tap[0]}"
	wait_until 10 grep -q 1 /sys/class/net/tap0/carrier
}

dropped_by_tap() {
	cat /sys/class/net/tap0/statistics/tx_dropped
}

taken_by_guest() {
	cat /sys/class/net/tap0/statistics/tx_packets
}

has_sent() {
	[ $((N - $(netbuf tap0 txpcnt))) -ge "$1" ]
}

# fill_ring: a drain that can go no further, as nobody reads
fill_ring() {
	lparctl netbuf hold tap0
	to_guest 0 $N
	before=$(gone)
	lparctl netbuf drain tap0 --no-wait
	wait_until 20 sent_into_ring $((RING / 2)) &&
		! lparctl netbuf drain tap0 --timeout 1s 2>/dev/null
}

sent_into_ring() {
	[ $(($(gone) - before)) -ge "$1" ]
}

# read_the_rest FIRST: those that were not in the ring
read_the_rest() {
	tell "expect $1" && tell "read $((N - $1)) 60"
}

empty_ring() {
	local len

	len=$(cat /sys/class/net/tap0/tx_queue_len)
	ip link set tap0 txqueuelen 0
	ip link set tap0 txqueuelen "$len"
}

plan 39
load netbuf
modprobe tun
make_tap tap0
# The ring gives slots back in groups, so not all of them may be free.
RING=$(($(cat /sys/class/net/tap0/tx_queue_len) - 20))
begin_guest
check "attached" lparctl netbuf attach tap0

# Many times the ring, with a reader that sleeps at first
lparctl netbuf hold tap0
to_guest 0 $N
check "held" is tap0 txpcnt $N
lparctl netbuf drain tap0 --no-wait
check "the ring is filled" wait_until 20 has_sent $((RING / 2))
check "a time-out tells that it goes no further" same \
	"$(lparctl netbuf drain tap0 --timeout 1s 2>/dev/null; echo $?)" 4
check "no more than the ring takes" test "$(netbuf tap0 txpcnt)" -ge $((N - RING - 20))
check "the tap has dropped none" same "$(dropped_by_tap)" 0
data check "the guest reads all, in order, checksums right" tell "read $N 60"
check "the drain is over" wait_until 20 is tap0 state pass
check "the tap has dropped none" same "$(dropped_by_tap)" 0

# gone: how many frames drains have sent on. Those of a batch that is tried count as held
# only when it has come back, so txpcnt does not tell.
gone() {
	lparctl -j netbuf show tap0 | grep -o '"drained":[0-9]*' | cut -d : -f 2 | paste -sd + | bc
}

# A ring that was full before the hold
before=$(gone)
to_guest $N "$RING"
lparctl netbuf hold tap0
to_guest $((N + RING)) $N
lparctl netbuf drain tap0 --no-wait
check "it cannot go on" same "$(lparctl netbuf drain tap0 --timeout 1s 2>/dev/null; echo $?)" 4
check "no more than still fits has gone" test $(($(gone) - before)) -le 20
data check "the guest reads what was before and what was held" tell "read $((N + RING)) 60"
check "the drain is over" wait_until 20 is tap0 state pass
diag "tries that the tap refused: $(dropped_by_tap)"
check "a full ring is hardly ever tried" test "$(dropped_by_tap)" -le 10

# From the guest
expect_on_host $N
lparctl netbuf hold tap0
check "the guest sends" tell "send 0 $N 1000"
check "held" is tap0 rxpcnt $N
check "drained" lparctl netbuf drain tap0
data check "each came once, in order, intact" came_to_host

# To another tap, by a file: checksums, which the host left to the netdev, are right there
lparctl netbuf hold tap0
number=$((2 * N + RING))
to_guest $number 200
check "saved" lparctl netbuf save "$scratch/file" tap0
check "tshark reads the file" witness "$scratch/file" 200
lparctl netbuf flush tap0
check "loaded" lparctl netbuf load "$scratch/file"
check "drained" lparctl netbuf drain tap0
data check "the guest of the loaded frames finds every checksum right" tell "read 200 20"

# The guest dies while frames are held, and another comes
lparctl netbuf hold tap0
to_guest 0 100
check "the guest is killed" tell "close"
kill -9 "$tap_PID"
wait "$tap_PID" 2>/dev/null
check "the tap has no carrier" wait_until 10 grep -q 0 /sys/class/net/tap0/carrier
check "its frames are still held" is tap0 txpcnt 100
check "a drain waits for a carrier" same \
	"$(lparctl netbuf drain tap0 --timeout 1s 2>/dev/null; echo $?)" 4
check "and loses none meanwhile" is tap0 txpcnt 100
begin_guest
data check "a new guest gets them all" tell "read 100 20"
check "the drain is over" wait_until 20 is tap0 state pass

# The ring is emptied by somebody who is not the reader
check "the ring is full" fill_ring
in_ring=$(($(gone) - before))
empty_ring
data check "what was not in it comes when it has gone" read_the_rest $in_ring
check "the drain is over" wait_until 20 is tap0 state pass

# The guest dies while the ring is full, and another comes
check "the ring is full" fill_ring
tell "close"
kill -9 "$tap_PID"
wait "$tap_PID" 2>/dev/null
check "the tap has no carrier" wait_until 10 grep -q 0 /sys/class/net/tap0/carrier
# A new one's ring is filled at once.
in_ring=$(($(gone) - before))
begin_guest
data check "a new guest gets what was not in it" read_the_rest $in_ring
check "the drain is over" wait_until 20 is tap0 state pass

# The netdev goes while it holds
lparctl netbuf hold tap0
to_guest 100 100
ip link del tap0 &
check "the tap can be deleted while it holds" wait $!
check "the module can be unloaded" unload netbuf
