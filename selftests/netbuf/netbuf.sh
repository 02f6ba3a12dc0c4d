# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# What the tests of netbuf.ko have in common: a netdev of the host, held, and
# behind it a guest, which is a network namespace or the reader of a tap.

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/rig.sh"
links_before=$(ls /sys/class/net)

# The VM as it was found: others may come after.
clear_away() {
	local path

	for path in /sys/class/net/*/netbuf; do
		[ ! -d "$path" ] || lparctl netbuf detach "$(basename "${path%/netbuf}")" --force
	done
	ip -all netns delete
	# On a real host others may have made some meanwhile; check-here knows the test's own.
	[ "$LPARKIT_KERNEL" = here ] || remove_links
	wait_until 10 unload_all
}

remove_links() {
	local path name

	for path in /sys/class/net/*; do
		name=$(basename "$path")
		grep -qxF "$name" <<<"$links_before" || ip link delete "$name" 2>/dev/null
	done
}

unload_all() {
	local module

	for module in netbuf lpar; do
		[ ! -d /sys/module/$module ] || rmmod $module || return 1
	done
}
trap 'leave clear_away' EXIT

PATH=$LPARKIT_BUILD/selftests/netbuf:$LPARKIT_BUILD/selftests/lpar:$PATH
host=10.9.0.1
guest=10.9.0.2
host_vlan=10.9.7.1
guest_vlan=10.9.7.2
port=19017
queues=1

in_guest() {
	ip netns exec guest "$@"
}

# No frames but those of the test: no IPv6 on netdevs to come.
no_ipv6='echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
sh -c "$no_ipv6"

# make_netns NAME
make_netns() {
	ip netns add "$1"
	ip netns exec "$1" sh -c "$no_ipv6"
}

# make_veth: v0 of the host, g0 of the guest.
make_veth() {
	make_netns guest
	ip link add v0 numtxqueues $queues numrxqueues $queues type veth \
		peer name g0 numtxqueues $queues numrxqueues $queues netns guest
	ip addr add $host/24 dev v0
	in_guest ip addr add $guest/24 dev g0
	ip link set v0 up
	in_guest ip link set g0 up
	in_guest ip link set lo up
	ip neigh add $guest lladdr "$(in_guest cat /sys/class/net/g0/address)" dev v0
	in_guest ip neigh add $host lladdr "$(cat /sys/class/net/v0/address)" dev g0
}

# make_vlan HOST GUEST: 7, over a netdev of each
make_vlan() {
	local v=$1 g=$2

	ip link add link "$v" name "$v.7" type vlan id 7
	in_guest ip link add link "$g" name "$g.7" type vlan id 7
	ip addr add $host_vlan/24 dev "$v.7"
	in_guest ip addr add $guest_vlan/24 dev "$g.7"
	ip link set "$v.7" up
	in_guest ip link set "$g.7" up
	ip neigh add $guest_vlan lladdr "$(in_guest cat "/sys/class/net/$g/address")" dev "$v.7"
	in_guest ip neigh add $host_vlan lladdr "$(cat "/sys/class/net/$v/address")" dev "$g.7"
}

# make_tap NAME: its guest is "wire tap".
make_tap() {
	ip tuntap add "$1" mode tap
	ip addr add $host/24 dev "$1"
	ip link set "$1" up
	ip neigh add $guest lladdr 02:00:00:09:00:02 dev "$1"
}

# netbuf NETDEV FILE
netbuf() {
	cat "/sys/class/net/$1/netbuf/$2"
}

# is NETDEV FILE VALUE
is() {
	local is

	is=$(netbuf "$1" "$2")
	[ "$is" = "$3" ] && return 0
	echo "# $1/$2 is \"$is\", expected \"$3\""
	return 1
}

# at_least NETDEV FILE NUMBER
at_least() {
	[ "$(netbuf "$1" "$2")" -ge "$3" ]
}

# holds NETDEV: any frame at all
holds() {
	[ $(($(netbuf "$1" rxpcnt) + $(netbuf "$1" txpcnt))) -gt 0 ]
}

# ready FILE: what was started and writes there is prepared.
ready() {
	wait_until 20 grep -q ready "$1"
}

# expect_on_host COUNT, expect_in_guest COUNT: receivers in the background;
# came_to_host, came_to_guest wait for them and tell whether all was right. Who is
# asked has been sent all there is: a minute from then on is much.
expect_on_host() {
	start wire receive "$1" >"$scratch/host"
	host_pid=$pid
	ready "$scratch/host"
}

expect_in_guest() {
	start ip netns exec guest wire receive "$1" >"$scratch/guest"
	guest_pid=$pid
	ready "$scratch/guest"
}

came_to_host() {
	came "$host_pid" "$scratch/host"
}

came_to_guest() {
	came "$guest_pid" "$scratch/guest"
}

# came PID FILE: of a receiver, and what it prints
came() {
	wait_until 60 has_ended "$1" || kill -ALRM "$1"
	wait "$1" && return
	sed 's/^/# /' "$2"
	return 1
}

has_ended() {
	! kill -0 "$1" 2>/dev/null
}

# to_guest FIRST COUNT [BYTES], to_host FIRST COUNT [BYTES]
to_guest() {
	wire send $guest "$1" "$2" "${3:-64}"
}

to_host() {
	in_guest wire send $host "$1" "$2" "${3:-64}"
}

# stamped_to_guest FIRST COUNT: in the VLAN, with a mark of 42, of priority 5
stamped_to_guest() {
	wire send $guest_vlan "$1" "$2" 64 42 5
}

# segmented_to_guest FIRST COUNT [FRAMES]: datagrams of 1000 bytes, of which COUNT leave the
# host as one frame
segmented_to_guest() {
	/usr/bin/python3 - $guest $port "$1" "$2" "${3:-1}" <<-'EOF2'
	import socket, struct, sys
	address, port, first, count, frames = sys.argv[1], *map(int, sys.argv[2:])
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.setsockopt(17, 103, 1000)     # UDP_SEGMENT
	part = lambda n: struct.pack("<I", n) + bytes((n * 31 + i) & 255 for i in range(4, 1000))
	for first in range(first, first + frames * count, count):
	    s.sendto(b"".join(part(n) for n in range(first, first + count)), (address, port))
	EOF2
}

# queue_to_host N: the guest's frames take its queue N, whichever CPU sends them.
queue_to_host() {
	in_guest sh -c "echo 3 >/sys/class/net/g0/queues/tx-$1/xps_cpus"
}

# feature NETDEV COMMAND VALUE...: as ethtool sets it
feature() {
	/usr/bin/python3 - "$@" <<-'EOF2'
	import ctypes, fcntl, socket, struct, sys
	name, words = sys.argv[1].encode(), [int(word, 0) for word in sys.argv[2:]]
	setting = ctypes.create_string_buffer(struct.pack(f"{len(words)}I", *words))
	request = struct.pack("16sQ16x", name, ctypes.addressof(setting))
	fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
	EOF2
}

# records FILE: a line for each frame, with all that the file says but the netdev
records() {
	/usr/bin/python3 - "$1" <<-'EOF2'
	import struct, sys, zlib
	data = open(sys.argv[1], "rb").read()
	at = 0
	while at < len(data):
	    kind, total, _, high, low, length = struct.unpack_from("<6I", data, at)
	    if kind == 6:
	        options = at + 28 + (length + 3 & ~3)
	        flags, = struct.unpack_from("<I", data, options + 4)
	        vnet, proto, tci, queue, mark, priority = struct.unpack_from("<10s3H2I", data, options + 16)
	        print(f"flags={flags} time={high << 32 | low} vnet={vnet.hex()} vlan={proto:x}/{tci}",
	              f"queue={queue} mark={mark} priority={priority} length={length}",
	              f"crc={zlib.crc32(data[at + 28:at + 28 + length]):x}")
	    at += total
	EOF2
}

# tshark without its complaints about root and capturing.
shark() {
	tshark "$@" 2>/dev/null
}

# witness FILE COUNT: tshark finds so many frames in it, and none is malformed.
witness() {
	same "$(shark -r "$1" -T fields -e _ws.malformed | sort | uniq -c | xargs)" "$2"
}

# refused PATTERN DESCRIPTION COMMAND...: fails, and says such words.
refused() {
	local pattern=$1 description=$2 said

	shift 2
	if said=$("$@" 2>&1); then
		not_ok "$description: was accepted"
	elif grep -qe "$pattern" <<<"$said"; then
		ok "$description"
	else
		not_ok "$description"
		diag "$said"
	fi
}

# listen FILE: events go to FILE as JSON from the return of this call on.
listen() {
	start lparctl -j netbuf monitor >"$1" 2>"$1.err"
	wait_until 10 grep -q listening "$1.err"
}

# event FILE EVENT: such an event comes within ten seconds.
event() {
	wait_until 10 grep -q "\"event\":\"$2\"" "$1" && return 0
	sed 's/^/#   /' "$1"
	return 1
}
