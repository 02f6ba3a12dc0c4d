#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What may happen to a netdev while it holds: renamed, moved, deleted, down.
# vm: cpus=2 mem=1024 timeout=300 speed=full long=6.12,7.2,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

in_other() {
	ip netns exec other "$@"
}

other_is() {
	same "$(in_other cat "/sys/class/net/v0/netbuf/$1")" "$2"
}

add_address() {
	in_other sh -c "ip addr add $host/24 dev v0; ip link set v0 up &&
		ip neigh add $guest lladdr $(in_guest cat /sys/class/net/g0/address) dev v0"
}

load netbuf
make_veth
events=$scratch/events
listen "$events"
lparctl netbuf attach v0
check "event: attached" event "$events" attached
lparctl netbuf hold v0

# Renamed
to_guest 0 100
ip link set v0 down
ip link set v0 name v9
check "renamed: its files are there" is v9 txpcnt 100
check "lparctl knows the new name" says v9 lparctl netbuf show
refused "no buffer" "and not the old one" lparctl netbuf show v0
ip link set v9 name v0

# Down
lparctl netbuf drain v0 --no-wait
check "down: the drain waits" same \
	"$(lparctl netbuf drain v0 --timeout 1s 2>/dev/null; echo $?)" 4
check "and loses none" is v0 txpcnt 100
expect_in_guest 100
ip link set v0 up
data check "up: it goes on" came_to_guest
check "and ends" wait_until 10 is v0 state pass
ip neigh replace $guest lladdr "$(in_guest cat /sys/class/net/g0/address)" dev v0

# Moved to another network namespace, with what it holds
lparctl netbuf hold v0
to_guest 0 50
expect_in_guest 150
make_netns other
start ip netns exec other lparctl -j netbuf monitor >"$scratch/other" 2>"$scratch/other.err"
monitor_pid=$pid
wait_until 10 grep -q listening "$scratch/other.err"
ip link set v0 netns other
check "moved: what it holds goes with it" other_is txpcnt 50
check "event: moved" event "$scratch/other" moved
refused "no buffer" "it is not here any more" lparctl netbuf show v0
check "lparctl sees it there" says v0 in_other lparctl netbuf show
check "it gets an address there" add_address
check "it still holds" in_other wire send $guest 50 100 64
check "new frames behind the old ones" other_is txpcnt 150
check "drained there" in_other lparctl netbuf drain v0
data check "each came once, in order, intact" came_to_guest
kill "$monitor_pid"
wait "$monitor_pid"
in_other ip link set v0 netns $$
ip addr add $host/24 dev v0
ip link set v0 up
ip neigh replace $guest lladdr "$(in_guest cat /sys/class/net/g0/address)" dev v0
check "back again: it passes" is v0 state pass

# Unload
lparctl netbuf hold v0
to_guest 0 10
check_fails "the module cannot be unloaded while it holds" rmmod netbuf
check "and still holds" is v0 txpcnt 10

# Deleted by the end of its network namespace
ip link set v0 netns other
ip netns del other
check "its network namespace ends: it is gone" wait_until 10 test ! -e /sys/class/net/v0
gone() {
	! in_guest test -e /sys/class/net/g0
}
check "with its peer" wait_until 10 gone
ip netns del guest

# Deleted while it holds and another process waits for its drain
make_veth
lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 10
ip link set v0 down
start lparctl netbuf drain v0 --timeout 60s
drain_pid=$pid
wait_until 10 is v0 state drain
check "deleted while it drains" ip link del v0
wait "$drain_pid"
check "who waits is told" test $? = 1
ip netns del guest

# Two netdevs of one bridge, both held: a frame is held twice on its way
make_veth
ip link add br0 type bridge
ip link add p0 type veth peer name p1
ip addr del $host/24 dev v0
ip link set v0 master br0
ip link set p0 master br0
make_netns far
ip link set p1 netns far
ip netns exec far sh -c "ip addr add $host/24 dev p1; ip link set p1 up;
	ip neigh add $guest lladdr $(in_guest cat /sys/class/net/g0/address) dev p1"
in_guest ip neigh replace $host lladdr "$(ip netns exec far cat /sys/class/net/p1/address)" dev g0
ip link set br0 up
ip link set p0 up
forwards() {
	in_guest busybox ping -c 1 -W 1 $host >/dev/null
}
check "a bridge" wait_until 40 forwards
# What a bridge says of its own accord is not counted.
lparctl netbuf attach v0 --filter udp
lparctl netbuf attach p0 --filter udp
lparctl netbuf hold v0 p0
expect_in_guest 1000
start ip netns exec far wire receive 1000 >"$scratch/far"
far_pid=$pid
ready "$scratch/far"
ip netns exec far wire send $guest 0 1000 64
to_host 0 1000
check "both hold what comes in" same "$(netbuf v0 rxpcnt) $(netbuf p0 rxpcnt)" "1000 1000"
check "the bridge has seen none of it" same "$(netbuf v0 txpcnt) $(netbuf p0 txpcnt)" "0 0"
check "one is drained" lparctl netbuf drain v0
check "the other holds what the bridge sent there" is p0 txpcnt 1000
check "the other is drained" lparctl netbuf drain p0
data check "each came once: one way" came "$far_pid" "$scratch/far"
data check "and the other" came_to_guest
check "detached" lparctl netbuf detach v0 p0
check "the module can be unloaded" unload netbuf
