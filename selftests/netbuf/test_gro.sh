#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Datagrams that the host has put together as a list of frames (rx-gro-list): each is held,
# drained and received, and the queue is done with them.
# vm: cpus=2 mem=1024 timeout=120 speed=full long=6.1,7.2,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

N=200

# gro_list NETDEV: its bit is not the same in all kernels, its name is.
gro_list() {
	/usr/bin/python3 - "$1" <<-'EOF2'
	import ctypes, fcntl, socket, struct, sys
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	def ethtool(*words):
	    data = ctypes.create_string_buffer(struct.pack(f"{len(words)}I", *words), 8192)
	    request = struct.pack("16sQ16x", sys.argv[1].encode(), ctypes.addressof(data))
	    fcntl.ioctl(sock, 0x8946, request)
	    return data.raw
	names = ethtool(0x1b, 4)[12:]                   # ETHTOOL_GSTRINGS, ETH_SS_FEATURES
	bit = names.index(b"rx-gro-list\0") // 32
	words = [0] * 4
	words[bit // 32 * 2] = words[bit // 32 * 2 + 1] = 1 << bit % 32
	ethtool(0x3b, 2, *words)                        # ETHTOOL_SFEATURES
	EOF2
}

# seen: frames that the host's protocols were given, whatever is in one
seen() {
	local processed rest sum=0

	while read -r processed rest; do
		sum=$((sum + 16#$processed))
	done </proc/net/softnet_stat
	echo $sum
}

load netbuf
make_veth
gro=0x2c
check "GRO is on" feature v0 $gro 1
check "by lists" gro_list v0
# Frames wait for others that they may be put together with.
echo 1000000 >/sys/class/net/v0/gro_flush_timeout
echo 1 >/sys/class/net/v0/napi_defer_hard_irqs
lparctl netbuf attach v0
lparctl netbuf hold v0
before=$(seen)
to_host 0 $N
check "each is held" wait_until 10 is v0 rxpcnt $N
put_together=$((N - ($(seen) - before)))
check "of several in a frame: $put_together" test $put_together -gt $((N / 4))
expect_on_host $N
check "drained" lparctl netbuf drain v0 --timeout 20s
data check "in order, intact" came_to_host
check "nothing is left behind" lparctl netbuf detach v0
check "the module can be unloaded" unload netbuf
