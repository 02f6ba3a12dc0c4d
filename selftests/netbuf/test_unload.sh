#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Somebody unloads the module again and again, beside buffers that come, hold, drain and go:
# it is in use as long as there is a buffer, or a frame that a drain has sent has not landed,
# and goes otherwise. No frame is lost to that.
# vm: cpus=2 mem=1024 timeout=300 speed=long
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

ROUNDS=5
FRAMES=500
# Each takes some programs, which that kernel is slow to start.
[ "$LPARKIT_KERNEL" != debug ] || ROUNDS=3
state=/sys/class/net/v0/netbuf/state
tries=$scratch/tries

# unloader FILE: until it is there; tells each time what became of it. Who has loaded the module
# again gives the next buffer a chance, as no attach is as quick.
unloader() {
	while [ ! -e "$1" ]; do
		if rmmod netbuf 2>/dev/null; then
			echo unloaded
			insmod "$LPARKIT_MODULES/netbuf.ko" || return 1
			wait_until 10 test -e $state -o -e "$1"
		else
			echo refused
		fi
	done
}

# told WORD NUMBER: at least so often
told() {
	[ "$(grep -c "$1" "$tries")" -ge "$2" ]
}

# once_more WORD: from now on
once_more() {
	wait_until 30 told "$1" $(($(grep -c "$1" "$tries") + 1))
}

# round NUMBER: between two of them the module goes
round() {
	local first=$(($1 * FRAMES))

	once_more unloaded || return 1
	wait_until 30 lparctl netbuf attach v0 || return 1
	echo hold >$state || return 1
	to_guest $first $FRAMES
	to_host $first $FRAMES
	once_more refused || return 1
	is v0 txpcnt $FRAMES && is v0 rxpcnt $FRAMES || return 1
	echo drain >$state
	wait_until 30 is v0 state pass && lparctl netbuf detach v0
}

all_rounds() {
	local i

	for ((i = 0; i < ROUNDS; i++)); do
		round $i || return 1
	done
}

# plug WORD...: a qdisc that keeps what it gets
plug() {
	tc qdisc "$1" dev v0 root plug "${@:2}"
}

load netbuf
make_veth
expect_on_host $((ROUNDS * FRAMES))
expect_in_guest $((ROUNDS * FRAMES))
start unloader "$scratch/enough" >"$tries"
unloader_pid=$pid
check "$ROUNDS buffers come, hold, drain and go beside who unloads the module" all_rounds
touch "$scratch/enough"
check "which was loaded again each time" wait "$unloader_pid"
diag "unloaded $(grep -c unloaded "$tries") times, refused $(grep -c refused "$tries") times"
data check "each frame came to the host once, in order" came_to_host
data check "and to the guest" came_to_guest

# A drain that does not end, and a frame of it that outlives the buffer
expect_in_guest 1
plug add limit 1000000
lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 10
echo drain >$state
check "what is behind keeps the first frame: the drain waits" wait_until 10 is v0 txpcnt 9
refused "in use" "the module is in use while it drains" rmmod netbuf
check "and it still drains" is v0 state drain
check "detached" lparctl netbuf detach v0 --force
refused "in use" "in use by the frame that is on its way" rmmod netbuf
plug change release_indefinite
check "that has landed: the module goes" wait_until 10 rmmod netbuf
data check "so did the frame" came_to_guest
plug del

# One that a qdisc has taken out of the charge
tc qdisc add dev v0 root netem delay 200s
load netbuf
lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 10
check "a qdisc that delays frames takes all" lparctl netbuf drain v0
check "detached" lparctl netbuf detach v0
refused "in use" "in use by the frames that it delays" rmmod netbuf
tc qdisc del dev v0 root
check "it has dropped them: the module goes" wait_until 10 rmmod netbuf
