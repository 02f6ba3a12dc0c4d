#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Drains run where the host's work is done: never on CPUs of an LPAR, and they leave those
# that become its own.
# vm: cpus=4 mem=1024 timeout=120 speed=full long=6.1,7.2,debug here=cores
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

trace=/sys/kernel/tracing
BUFFERS=4
N=20

# make_dummy I: whatever it sends has landed.
make_dummy() {
	ip link add d"$1" type dummy
	ip addr add 10.9.1"$1".1/24 dev d"$1"
	ip link set d"$1" up
	ip neigh add 10.9.1"$1".2 lladdr 02:00:00:09:01:02 dev d"$1"
}

# cpus_of_drains: within a second
cpus_of_drains() {
	echo >$trace/trace
	sleep 1
	sed -n 's/.*\[\([0-9]*\)\].*function drain_work.*/\1/p' $trace/trace | sort -un |
		sed 's/^0*\(.\)/\1/' | xargs
}

# run_on CPU...: no others
run_on() {
	local cpu

	drains=$(cpus_of_drains)
	diag "drains run on $drains"
	[ -n "$drains" ] || return 1
	for cpu in $drains; do
		[[ " $* " == *" $cpu "* ]] || return 1
	done
}

all_pass() {
	[ "$(cat /sys/class/net/d?/netbuf/state | sort -u)" = pass ]
}

mountpoint -q $trace || mount -t tracefs tracefs $trace
load lpar
load netbuf
echo 1 >$trace/events/workqueue/workqueue_execute_start/enable
for ((i = 0; i < BUFFERS; i++)); do
	make_dummy $i
	lparctl netbuf attach d$i
	lparctl netbuf hold d$i
	wire send 10.9.1$i.2 0 $N 64
	ip link set d$i carrier off
	echo drain >/sys/class/net/d$i/netbuf/state
done
check "all hold" same "$(cat /sys/class/net/d?/netbuf/txpcnt | sort -u)" $N
check "drains that wait for a carrier are on all CPUs" same "$(cpus_of_drains)" "0 1 2 3"
lparctl create a cpus 2-3
check "two of them belong to an LPAR now" lparctl activate a
check "no drain stays there" wait_until 5 run_on 0 1
check "nor comes back" run_on 0 1
lparctl netbuf detach d0 --force
lparctl netbuf attach d0
lparctl netbuf hold d0
wire send 10.9.10.2 0 $N 64
check "one that begins now" sh -c "echo drain >/sys/class/net/d0/netbuf/state"
check "begins elsewhere" run_on 0 1
for ((i = 0; i < BUFFERS; i++)); do
	ip link set d$i carrier on
done
check "all goes on" wait_until 10 all_pass
check "each once" same "$(cat /sys/class/net/d[123]/statistics/tx_packets | sort -u)" $N
echo 0 >$trace/events/workqueue/workqueue_execute_start/enable
check "the LPAR ends" lparctl deactivate a
lparctl delete a
