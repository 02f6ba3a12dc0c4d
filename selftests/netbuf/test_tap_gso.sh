#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A tap that takes segmented frames whole, and one that does not: more segments
# than its ring has slots, which a drain neither overruns nor waits for in vain.
# UDP segmentation is left to a tap since 6.2.
# vm: cpus=2 mem=1024 timeout=300 speed=full kernels=6.12,7.2 long=7.2
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

FRAMES=60
PARTS=40
N=$((FRAMES * PARTS))

# guest_of_tap OFFLOADS: takes N datagrams of 1000 bytes in order, in however large frames,
# after a line on its input; prints "ready", and "ok" and the number of frames
guest_of_tap() {
	exec /usr/bin/python3 -u -c '
import fcntl, os, select, struct, sys
offloads, expected, port = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"tap0", 0x5002))  # TAP, NO_PI, VNET_HDR
fcntl.ioctl(fd, 0x400454d0, offloads)
print("ready")
sys.stdin.readline()
number = frames = 0
while number < expected:
    if not select.select([fd], [], [], 60)[0]:
        sys.exit(f"failed: {number} datagrams came")
    frame = os.read(fd, 80000)[10:]
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != port.to_bytes(2, "big"):
        continue
    frames += 1
    data = frame[42:]
    for at in range(0, len(data), 1000):
        part = data[at:at + 1000]
        if part != struct.pack("<I", number) + bytes((number * 31 + i) & 255 for i in range(4, 1000)):
            sys.exit(f"failed: datagram {number} is lost or damaged")
        number += 1
print("ok", frames)
select.select([sys.stdin], [], [])' "$1" $N $port
}

# held_and_drained WHAT OFFLOADS
held_and_drained() {
	local i answer

	coproc tap { guest_of_tap "$2"; }
	started+=("$tap_PID")
	read -r -t 20 answer <&"${tap[0]}"
	wait_until 10 grep -q 1 /sys/class/net/tap0/carrier
	before=$(cat /sys/class/net/tap0/statistics/tx_dropped)
	lparctl netbuf hold tap0
	for ((i = 0; i < N; i += 10 * PARTS)); do
		segmented_to_guest $i $PARTS 10
	done
	check "$1: frames are held whole" is tap0 txpcnt $FRAMES
	lparctl netbuf drain tap0 --no-wait
	echo go >&"${tap[1]}"
	check "$1: the drain ends" lparctl netbuf drain tap0 --timeout 120s
	read -r -t 120 answer <&"${tap[0]}"
	diag "$1: $answer"
	data check "$1: each datagram came once, in order" test "${answer%% *}" = ok
	check "$1: the ring was not overrun" same \
		"$(($(cat /sys/class/net/tap0/statistics/tx_dropped) - before))" 0
	kill -9 "$tap_PID"
	wait "$tap_PID" 2>/dev/null
	wait_until 10 grep -q 0 /sys/class/net/tap0/carrier
}

plan 9
load netbuf
modprobe tun
make_tap tap0
lparctl netbuf attach tap0
# CSUM, TSO4, TSO6, USO4, USO6
held_and_drained "taken whole" $((1 | 2 | 4 | 32 | 64))
held_and_drained "segmented" 1
lparctl netbuf detach tap0
check "the module can be unloaded" unload netbuf
