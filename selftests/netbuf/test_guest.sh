#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A real QEMU guest on a tap with vhost-net: its traffic, checked at both ends,
# survives hold and drain, and its tap survives it.
# vm: cpus=2 mem=1536 timeout=600 speed=full long=6.1,6.12,debug here=net,kvm
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
trap 'guest_kill_all; leave clear_away' EXIT

mac=52:54:00:09:00:02

start_guest() {
	guest_more="guest_addr=$guest" guest_start web 256 1 memory-backend-ram \
		-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=on \
		-device virtio-net-pci,netdev=net,romfile=,mac=$mac
	wait_until 300 guest_is_up web
}

answers() {
	busybox ping -c 1 -W 5 $guest >/dev/null
}

# Both ways at once, 32 MiB of them, with cycles of hold and drain in between.
exchange_with_cycles() {
	local peer cycles=0

	peer net $guest 32 &
	peer=$!
	while kill -0 $peer 2>/dev/null; do
		lparctl netbuf hold tap0 || return 1
		wait_until 10 holds tap0 || ! kill -0 $peer 2>/dev/null || return 1
		lparctl netbuf drain tap0 || return 1
		cycles=$((cycles + 1))
	done
	wait $peer || return 1
	echo "# $cycles cycles"
	[ $cycles -ge 3 ]
}

load netbuf
guest_prepare || bail "the host VM has no KVM"
make_tap tap0
ip neigh replace $guest lladdr $mac dev tap0
check "attached" lparctl netbuf attach tap0
check "the guest boots" start_guest
check "it answers" wait_until 60 answers
check "its traffic survives cycles of hold and drain" exchange_with_cycles

lparctl netbuf hold tap0
check_fails "held: it does not answer" answers
check "the request is held" at_least tap0 txpcnt 1
check "drained" lparctl netbuf drain tap0
check "it answers again" wait_until 20 answers

# The guest stands still while frames for it are drained: none more than fit.
check "QMP stop" guest_qmp web stop
lparctl netbuf hold tap0
to_guest 0 50
check "held" at_least tap0 txpcnt 50
check "QMP cont" guest_qmp web cont
check "drained" lparctl netbuf drain tap0
check "it answers" wait_until 20 answers

lparctl netbuf hold tap0
to_guest 0 50
guest_kill "$guest_pid"
check "killed: what was for it is still held" at_least tap0 txpcnt 50
check "a new guest boots" start_guest
check "what was held for the old one goes to the new one" lparctl netbuf drain tap0
check "it answers" wait_until 60 answers
guest_kill "$guest_pid"
check "detached" lparctl netbuf detach tap0
check "the module can be unloaded" unload netbuf
