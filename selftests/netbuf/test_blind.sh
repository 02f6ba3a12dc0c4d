#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Netdevs whose frames do not all come by the hooks: refused, or with a warning
# that says why. (SR-IOV takes hardware: see buffer_kunit.c.)
# vm: cpus=2 mem=1024 timeout=120 speed=quick long=6.1,6.12,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

# bypass_by WHAT: until no_bypass
bypass_by() {
	start bypass "$1" v0 >"$scratch/bypass"
	bypass_pid=$pid
	ready "$scratch/bypass"
}

no_bypass() {
	kill "$bypass_pid"
	wait "$bypass_pid"
	# The kernel may let go of it only after the process.
	wait_until 10 sees_all
}

sees_all() {
	[ "$(ip -json -detail link show v0 | grep -c '"xdp"')" = 0 ] &&
		! says warning lparctl -j netbuf show v0
}

# told_of_netfilter FAMILY: what its table "blind" has at the ingress of v0, and goes
told_of_netfilter() {
	check "comes before the hook" \
		says '"warning":".*netfilter forwards at its ingress' lparctl -j netbuf show v0
	nft delete table "$1" blind
	check "without it there is nothing to warn of" sees_all
}

load netbuf
make_veth

check "an XDP program in the driver" bypass_by native
check "attached, with a warning" says "warning: .*XDP program" lparctl netbuf attach v0
check "show tells it too" says '"warning":".*XDP program' lparctl -j netbuf show v0
lparctl netbuf hold v0
to_guest 0 10
to_host 0 10
check "what the program lets pass is held" same "$(netbuf v0 rxpcnt) $(netbuf v0 txpcnt)" "10 10"
expect_on_host 10
expect_in_guest 10
check "drained" lparctl netbuf drain v0
data check "it came to the host" came_to_host
data check "and to the guest" came_to_guest
check "without the program there is nothing to warn of" no_bypass
lparctl netbuf detach v0

check "an XDP program in the stack" bypass_by generic
refused "generic XDP" "it would see held frames twice: refused" lparctl netbuf attach v0
check_fails "and not attached" test -e /sys/class/net/v0/netbuf
no_bypass
check "attached without it" lparctl netbuf attach v0

if [ "$LPARKIT_KERNEL" = debug ]; then
	skip "an AF_XDP socket" "this kernel has none"
else
	check "an AF_XDP socket" bypass_by socket
	check "show tells of it" says '"warning":".*AF_XDP' lparctl -j netbuf show v0
	lparctl netbuf detach v0
	check "attach too" says "warning: .*AF_XDP" lparctl netbuf attach v0
	check "without it there is nothing to warn of" no_bypass
fi
lparctl netbuf detach v0

modprobe -a macvtap tun dummy
ip link add d0 type dummy
lparctl netbuf attach v0
check "without tc there is nothing to warn of" sees_all
tc qdisc add dev v0 clsact
check "tc at its ingress comes before the hook" \
	says '"warning":".*tc redirects at its ingress' lparctl -j netbuf show v0
tc qdisc del dev v0 clsact
check "a chain of nftables at its ingress" \
	nft 'table netdev blind { chain c { type filter hook ingress device v0 priority 0; }; }'
told_of_netfilter netdev
if [ "$LPARKIT_KERNEL" = debug ]; then
	skip "a flowtable" "this kernel has none"
else
	check "a flowtable of nftables" \
		nft 'table inet blind { flowtable f { hook ingress priority 0; devices = { v0 }; }; }'
	told_of_netfilter inet
fi
tc qdisc add dev d0 clsact
check "tc at another netdev may redirect to it" \
	says '"warning":".*tc at other netdevs' lparctl -j netbuf show v0
lparctl netbuf detach v0
check "attach warns as well" says "warning: .*tc at other netdevs" lparctl netbuf attach v0
tc qdisc del dev d0 clsact
check "and when it has gone there is nothing to warn of" sees_all
lparctl netbuf detach v0
ip link add link d0 name mv0 type macvtap
refused "macvtap" "macvtap by-passes the hooks" lparctl netbuf attach mv0
ip tuntap add tun0 mode tun
refused "no Ethernet" "a tun has no Ethernet frames" lparctl netbuf attach tun0
refused "no Ethernet" "nor has the loopback device" lparctl netbuf attach lo
refused "no such netdev" "a netdev of another network namespace" lparctl netbuf attach g0
refused "no such netdev" "what has no netdev, as vhost-user" lparctl netbuf attach vhost-user0
check "the module can be unloaded" unload netbuf
