#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All buffers together hold no more than limit_total, whatever each of them may hold, and
# one that asks for more takes nothing from the others.
# vm: cpus=2 mem=1024 timeout=60 speed=full long=6.1,7.2,debug
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

parameter=/sys/module/netbuf/parameters/limit_total
LIMIT=$((4 << 20))
# Each CPU may have held, or let go, 256 KiB of which the others do not know.
SLACK=$((2 * (256 << 10)))

total() {
	echo $(($(netbuf v0 bytes) + $(netbuf d0 bytes)))
}

# in_total: as much as it may be, and not much less
in_total() {
	diag "$(total) bytes of $LIMIT"
	[ "$(total)" -le $((LIMIT + SLACK)) ] && [ "$(total)" -ge $((LIMIT - SLACK)) ]
}

to_dummy() {
	wire send 10.9.10.2 "$1" "$2" 64
}

load netbuf
check "the limit is a quarter of the memory" test "$(cat $parameter)" -gt $((200 << 20))
make_veth
ip link add d0 type dummy
ip addr add 10.9.10.1/24 dev d0
ip link set d0 up
ip neigh add 10.9.10.2 lladdr 02:00:00:09:01:02 dev d0
lparctl netbuf attach v0
lparctl netbuf attach d0 --policy head-drop
echo $LIMIT >$parameter
lparctl netbuf hold v0 d0

to_dummy 0 500
check "within it" is d0 txpcnt 500
to_guest 0 10000
check "beyond it" in_total
check "new frames are dropped, and counted" test "$(netbuf v0 dropped_limit)" -gt 0
check "not those of others" is d0 txpcnt 500
kept=$(netbuf v0 txpcnt)
to_dummy 500 200
check "who drops the oldest has as many as before" is d0 txpcnt 500
check "and has dropped just these" is d0 dropped_limit 200
check "nobody else's" is v0 txpcnt "$kept"

lparctl netbuf save "$scratch/file" v0
refused "limit_total" "nor is more loaded" lparctl netbuf load "$scratch/file"
check "nothing of it" is v0 txpcnt "$kept"
expect_in_guest "$kept"
lparctl netbuf drain v0
data check "the oldest have come" came_to_guest
lparctl netbuf hold v0
to_guest 0 100
check "what went has left room" is v0 txpcnt 100
lparctl netbuf flush v0 d0
to_guest 0 100
check "so has what was flushed" is v0 txpcnt 100
lparctl netbuf detach v0 --force
lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 3000
check "and what was detached" is v0 txpcnt 3000
