#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Files: two netdevs in one, other netdevs at the load, and all that is wrong
# with a file is found before anything is held.
# vm: cpus=2 mem=1024 timeout=600 speed=full long=6.1,7.2,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

file=$scratch/file
small=$scratch/small

# Many copies, each with a bit turned over (every bit would take too long under
# emulation: one of each 13th byte), or cut short.
spoil() {
	/usr/bin/python3 - "$small" "$scratch" <<-'EOF2'
	import sys
	data = open(sys.argv[1], "rb").read()
	for at in range(0, len(data), 13):
	    bad = data[:at] + bytes([data[at] ^ 4]) + data[at + 1:]
	    open(f"{sys.argv[2]}/damaged.{at}", "wb").write(bad)
	for at in range(0, len(data), 29):
	    open(f"{sys.argv[2]}/short.{at}", "wb").write(data[:at])
	EOF2
}

# none_accepted FILE...: each is refused, and a block is named
none_accepted() {
	local one said

	for one; do
		if said=$(lparctl netbuf load "$one" v0 2>&1) || [[ $said != *"block "* ]]; then
			echo "# $one: $said"
			return 1
		fi
	done
}

# Without its last block: whole blocks, but not all of them
without_last_block() {
	/usr/bin/python3 - "$file" "$scratch/cut" <<-'EOF2'
	import struct, sys
	data = open(sys.argv[1], "rb").read()
	open(sys.argv[2], "wb").write(data[:-struct.unpack("<I", data[-4:])[0]])
	EOF2
}

# slow_save COMMAND...: which runs when the first part of the first frame has been read;
# each frame must be complete, and of one byte throughout
slow_save() {
	/usr/bin/python3 - "$@" <<-'EOF2'
	import socket, struct, subprocess, sys
	sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
	sock.bind((0, 0))
	def ask(family, command, flags, kind, name):
	    attr = struct.pack("<HH", 5 + len(name), kind) + name + bytes(1 + (-len(name) - 1) % 4)
	    sock.send(struct.pack("<IHHIIBBH", 20 + len(attr), family, flags, 1, 0, command, 1, 0) + attr)
	def attrs(data):
	    at = 0
	    while at + 4 <= len(data):
	        length, kind = struct.unpack_from("<HH", data, at)
	        yield kind & 0x3fff, data[at + 4:at + length]
	        at += (length + 3) & ~3
	ask(16, 3, 1, 2, b"netbuf")                       # CTRL_CMD_GETFAMILY by its name
	family = dict(attrs(sock.recv(65536)[20:]))[1]
	ask(struct.unpack("<H", family)[0], 7, 0x301, 1, b"v0")  # NETBUF_CMD_SAVE
	frames, first, over = [], True, False
	while not over:
	    data = sock.recv(65536)
	    if first:
	        subprocess.run(sys.argv[1:], check=True)
	        first = False
	    while data:
	        length, kind = struct.unpack_from("<IH", data)
	        if kind in (2, 3) and struct.unpack_from("<i", data, 16)[0]:
	            sys.exit("the save failed")
	        if kind == 3:
	            over = True
	            break
	        for _, nest in attrs(data[20:length]):    # NETBUF_A_FRAME
	            part = dict(attrs(nest))
	            offset, = struct.unpack("<I", part[4])
	            if not offset:
	                frames.append([struct.unpack("<I", part[3])[0], b""])
	            if offset != len(frames[-1][1]):
	                sys.exit(f"a part at {offset} follows {len(frames[-1][1])} bytes")
	            frames[-1][1] += part[5]
	        data = data[(length + 3) & ~3:]
	for length, data in frames:
	    if len(data) != length or len(set(data[42:])) != 1:
	        sys.exit(f"a frame has {len(data)} of {length} bytes, of {len(set(data[42:]))} kinds")
	print(len(frames), "frames")
	EOF2
}

# monotonous BYTE COUNT: datagrams of 60000 times that byte
monotonous() {
	/usr/bin/python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for byte in range(int(sys.argv[3]), int(sys.argv[3]) + int(sys.argv[4])):
    s.sendto(bytes([byte]) * 60000, (sys.argv[1], int(sys.argv[2])))' $guest $port "$1" "$2"
}

unload_detached() {
	lparctl netbuf detach v0 --force && lparctl netbuf detach v1 --force && unload netbuf
}

load netbuf
queues=4 make_veth
make_vlan v0 g0
queue_to_host 2
ip link add v1 numrxqueues 4 type veth peer name g1
ip link set g1 up
ip link set v1 up
lparctl netbuf attach v0
lparctl netbuf attach v1
lparctl netbuf hold v0 v1

to_guest 0 1
to_host 0 1
lparctl netbuf save "$small" v0
lparctl netbuf flush v0

to_guest 0 3
stamped_to_guest 3 2
to_host 0 5
check "an empty netdev beside one with frames" lparctl netbuf save "$file" v0 v1
check "JSON tells how many" says '"v0":10,"v1":0' lparctl -j netbuf save "$file" v0 v1
check "tshark reads it" witness "$file" 10
check "tshark knows both interfaces" says "Number of interfaces in file: 2" capinfos "$file"
check "tshark knows the time to a nanosecond" says "precision: *nanoseconds" capinfos "$file"
check "no other file is left" test ! -e "$file.part"
records "$file" >"$scratch/records"
check "VLAN, mark and priority are there" same \
	"$(grep -c "flags=2.*vlan=8100/7 .*mark=42 priority=5" "$scratch/records")" 2
check "the queue is there" same "$(grep -c "flags=1.*queue=2 " "$scratch/records")" 5
lparctl netbuf flush v0

# Damaged, truncated, foreign
spoil
check "a bit turned over is found, wherever it is" none_accepted "$scratch"/damaged.*
check "a file that ends too early is refused, wherever it ends" none_accepted "$scratch"/short.*
without_last_block
refused "ends before its last block" "also at the end of a block" \
	lparctl netbuf load "$scratch/cut" v0
tcpdump -i v0 -c 1 -w "$scratch/foreign.pcap" 2>/dev/null &
capture=$!
captured() {
	to_host 0 1
	! kill -0 $capture 2>/dev/null
}
wait_until 60 captured
editcap "$scratch/foreign.pcap" "$scratch/foreign.pcapng" 2>/dev/null || bail "no editcap"
lparctl netbuf flush v0
refused "block 1" "a file of tcpdump" lparctl netbuf load "$scratch/foreign.pcap"
refused "block 1" "a file of Wireshark" lparctl netbuf load "$scratch/foreign.pcapng"
refused "block 1" "no capture at all" lparctl netbuf load "$0"
editcap -c 1000 "$file" "$scratch/edited.pcapng" 2>/dev/null || bail "no editcap"
check "a file that another program has written anew" \
	none_accepted "$scratch"/edited*.pcapng
refused "No such file" "no file" lparctl netbuf load "$scratch/nothing"
data check "nothing came in from any of them" is v0 bytes 0
data check "neither from the guest" is v0 rxpcnt 0

# Loading
lparctl netbuf drain v0
refused "does not hold" "not while frames pass" lparctl netbuf load "$file" v0
data check "nothing came in" is v0 bytes 0
lparctl netbuf hold v0
lparctl netbuf set v0 --limit-frames 4
refused "limit" "more than the limit" lparctl netbuf load "$file" v0
data check "not a part of it came in" is v0 rxpcnt 0
lparctl netbuf set v0 --limit-frames 1000
refused "no buffer" "a netdev without a buffer" lparctl netbuf load "$file" v0=g1
check "another netdev" lparctl netbuf load "$file" v0=v1
data check "has its frames" same "$(netbuf v1 rxpcnt) $(netbuf v1 txpcnt)" "5 5"
check "and the first has none" is v0 rxpcnt 0
check "saved again from there" lparctl netbuf save "$scratch/again" v1
data check "the same frames: bytes, times, directions and all that is beside them" same \
	"$(cat "$scratch/records")" "$(records "$scratch/again")"

check "after a load by one process another can load" lparctl netbuf load "$file" v0
check "frames loaded twice are there twice" lparctl netbuf load "$file" v0
check "in front of the others" is v0 rxpcnt 10
check "only root may save" test ! "$(setpriv --reuid 65534 --clear-groups \
	lparctl netbuf save /dev/shm/stolen v0 2>/dev/null && echo saved)"

# The frame of which a reader has a part is dropped for others
lparctl netbuf flush v0
lparctl netbuf set v0 --limit-frames 3 --policy head-drop
ip link set v0 mtu 64000
monotonous 1 3
check "three frames" is v0 txpcnt 3
export -f monotonous
export guest port
check "a save has no mixed frames when they go in the middle of it" \
	slow_save bash -c 'monotonous 4 3'
check "they went" is v0 dropped_limit 3
refused "the save failed" "a save fails when they go on in the middle of it" \
	slow_save sh -c 'lparctl netbuf drain v0 --timeout 20s && lparctl netbuf hold v0'
lparctl netbuf set v0 --policy tail-drop
ip link set v0 mtu 1500

# A large file is read block by block, also through a pipe
peak_kib() {
	/usr/bin/python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)' "$@"
}

lparctl netbuf flush v0
lparctl netbuf set v0 --limit-frames 30000
to_guest 0 20000 1400
lparctl netbuf save "$file" v0
lparctl netbuf flush v0
peak=$(peak_kib lparctl netbuf load "$file")
diag "30 MB are loaded with $peak KiB"
check "a large file takes little memory" test "$peak" -lt 20000
check "all of it" is v0 txpcnt 20000
lparctl netbuf flush v0
check "and through a pipe" sh -c "cat '$file' | lparctl netbuf load /dev/fd/0"
check "all of it as well" is v0 txpcnt 20000

# A loader that is killed takes its frames with it: it stops at its fifth message,
# of which frames of 2 MB make more.
lparctl netbuf flush v0
lparctl netbuf set v0 --limit-frames 10000
to_guest 0 2000 1000
lparctl netbuf save "$file" v0
lparctl netbuf flush v0
# shellcheck disable=SC2016 # expanded by that shell
start strace -o "$scratch/strace" -e trace=sendto -e inject=sendto:signal=STOP:when=5 \
	sh -c 'echo $$ >"$0"; exec lparctl netbuf load "$1"' "$scratch/loader" "$file"
strace_pid=$pid
check "a loader stands still half-way" \
	wait_until 20 grep -q "stopped by SIGSTOP" "$scratch/strace"
refused "another process" "nobody else may load meanwhile" lparctl netbuf load "$file"
check "nothing is held yet" is v0 bytes 0
kill -9 "$(cat "$scratch/loader")"
wait "$strace_pid"
check "killed: nothing is held" is v0 bytes 0
check "another process may load" lparctl netbuf load "$file"
check "all of it is held, and nothing else" is v0 txpcnt 2000
check "the module can be unloaded" unload_detached
