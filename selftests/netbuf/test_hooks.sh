#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The hooks of a netdev come when it is to hold, and go when it passes, while frames go
# both ways: none is lost, none twice, none unseen, all in order. Who cannot have them
# does not hold in name only.
# vm: cpus=2 mem=1024 timeout=600 speed=full long=6.1,7.2,debug
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

FRAMES=20000
MOVES=10
# Of the gate; until a cut has been looked at.
[ "$LPARKIT_KERNEL" != debug ] || { FRAMES=5000 MOVES=4; }
linger=/sys/module/netbuf/parameters/hook_linger_ms
state=/sys/class/net/v0/netbuf/state
HOOKS_MAX=1024

# has_hooks NETDEV, has_none NETDEV: of ours, as nft lists them (not all versions do those of
# egress)
has_hooks() {
	nft list hooks netdev device "$1" | grep -q netbuf_hook
}

has_none() {
	! has_hooks "$1"
}

# Not each kernel can list them; what they do shows on all.
can_list() {
	modprobe nfnetlink_hook 2>/dev/null
}

# cycle: holds and drains until FILE is there, tells how often
cycle() {
	local n=0

	while [ ! -e "$1" ]; do
		echo hold >$state
		echo drain >$state
		until grep -q pass $state; do :; done
		((++n))
	done
	echo $n
}

# hammer FILE: holds and drains it wherever it is, until FILE is there
hammer() {
	while [ ! -e "$1" ]; do
		{ echo hold >$state; echo drain >$state; } 2>/dev/null
		in_other sh -c "echo hold >$state; echo drain >$state" 2>/dev/null
	done
}

in_other() {
	ip netns exec other "$@"
}

peer_is_gone() {
	! in_guest test -e /sys/class/net/g0
}

# fill_hooks: as many as netfilter takes at one netdev; fails while ours are there
fill_hooks() {
	local i

	{
		echo "table netdev full {"
		for ((i = 0; i < HOOKS_MAX; i++)); do
			echo "chain c$i { type filter hook egress device v0 priority $i; }"
		done
		echo "}"
	} | nft -f -
}

armed_id() {
	lparctl -j cut list | /usr/bin/python3 -c '
import json, sys
print([c["id"] for c in json.load(sys.stdin) if c["state"] == "armed"][0])'
}

load netbuf
make_veth
lparctl create web cpus 1 gate-timeout 1h
lparctl activate web
echo 100 >$linger
lparctl netbuf attach v0 --lpar web

# When are they there?
if can_list; then
	check "attached: they go" wait_until 10 has_none v0
	lparctl netbuf hold v0
	check "it holds: they are there" has_hooks v0
	lparctl netbuf drain v0
	check "it passes: they go" wait_until 10 has_none v0
	lparctl cut --at +600s --lpar web --no-wait
	check "a cut is armed: they are there" has_hooks v0
	lparctl netbuf hold v0
	lparctl netbuf drain v0
	sleep 0.5
	check "also after a drain meanwhile" has_hooks v0
	lparctl cut cancel "$(armed_id)"
	check "cancelled: they go" wait_until 10 has_none v0
	lparctl cut --at +600s --lpar web --action open --no-wait
	check "to open needs none" has_none v0
	lparctl cut cancel "$(armed_id)"
	echo 600000 >$linger
	lparctl netbuf hold v0
	lparctl netbuf drain v0
	sleep 0.5
	check "they linger as long as they are told" has_hooks v0
	echo 0 >$linger
	lparctl netbuf hold v0
	lparctl netbuf drain v0
	check "and no longer" wait_until 10 has_none v0
fi
echo 0 >$linger

# A cut of netdevs that have none
expect_on_host 200
expect_in_guest 200
to_guest 0 100
to_host 0 100
check "cut" lparctl cut --at now --lpar web
to_guest 100 100
to_host 100 100
check "holds what comes after it, one way" is v0 txpcnt 100
check "and the other" is v0 rxpcnt 100
check "open" lparctl cut --at now --lpar web --action open
data check "each came to the host once, in order" came_to_host
data check "and to the guest" came_to_guest

# Under load
expect_on_host $FRAMES
expect_in_guest $FRAMES
start cycle "$scratch/over" >"$scratch/cycles"
cycle_pid=$pid
wire stream $guest 0 $FRAMES &
stream_pid=$!
in_guest wire stream $host 0 $FRAMES
wait $stream_pid
touch "$scratch/over"
wait "$cycle_pid"
diag "$(cat "$scratch/cycles") cycles"
check "held again and again" test "$(cat "$scratch/cycles")" -ge 10
data check "under load each came to the host once, in order" came_to_host
data check "and to the guest" came_to_guest
check "nothing is held" is v0 bytes 0

# Others come and go meanwhile
make_netns other
start hammer "$scratch/enough"
hammer_pid=$pid
for ((i = 0; i < MOVES; i++)); do
	ip link set v0 netns other
	in_other ip link set v0 netns $$
	lparctl netbuf detach v0 --force
	lparctl netbuf attach v0 --lpar web
done
touch "$scratch/enough"
wait "$hammer_pid"
check "moved, detached and attached while it holds and drains: it is there" test -e $state
ip link set v0 netns other
start hammer "$scratch/gone"
hammer_pid=$pid
ip netns del other
check "its network namespace ends meanwhile: so does it, and its peer" wait_until 20 peer_is_gone
touch "$scratch/gone"
wait "$hammer_pid"
ip netns del guest

# No room for hooks
make_veth
lparctl netbuf attach v0 --lpar web
check "$HOOKS_MAX rules' hooks" wait_until 30 fill_hooks
refused "cannot be registered" "no room for its hooks: does not hold" lparctl netbuf hold v0
check "nor say so" is v0 state pass
refused "netbuf: cannot take part" "nor is it cut" lparctl cut --at now --lpar web
check "nor its LPAR" says "^open$" cat /sys/class/lpar/web/gate
lparctl freeze web
check "opening is not refused" lparctl cut --at now --lpar web --action open
lparctl netbuf detach v0
refused "cannot be registered" "nor is it attached" lparctl netbuf attach v0
nft delete table netdev full
check "room again: attached" lparctl netbuf attach v0
expect_in_guest 10
check "holds" lparctl netbuf hold v0
to_guest 0 10
check "what comes" is v0 txpcnt 10
lparctl netbuf drain v0
data check "and goes on" came_to_guest
lparctl netbuf detach v0
lparctl deactivate web
lparctl delete web
check "the module can be unloaded" unload netbuf
