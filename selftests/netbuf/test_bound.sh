#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Frames that IPsec has still to encrypt when the hook sees them, as with ESP
# offload: they never leave in clear, nor get into a file. They cannot be held.
# vm: cpus=2 mem=1024 timeout=200 speed=full kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

# associate COMMAND-PREFIX FROM TO: transport mode, both ways; "" is the host
associate() {
	local prefix=$1 key=0x0102030405060708090a0b0c0d0e0f1011121314 pair dir

	for pair in "$2 $3" "$3 $2"; do
		dir=in
		[ "$pair" != "$2 $3" ] || dir=out
		# shellcheck disable=SC2086 # a command, and two addresses
		set -- "$1" "$2" "$3" $pair
		$prefix ip xfrm state add src "$4" dst "$5" proto esp spi "0x10${4##*.}" reqid 1 \
			mode transport aead 'rfc4106(gcm(aes))' $key 128 &&
			$prefix ip xfrm policy add src "$4" dst "$5" dir $dir \
				tmpl src "$4" dst "$5" proto esp reqid 1 mode transport || return 1
	done
}

pings() {
	ping -c 3 -i 0.3 -W 10 -p cafebabe $guest
}

# in_clear FILE: lines with the payload
in_clear() {
	tcpdump -nXr "$1" >"$scratch/text" || { echo unreadable; return; }
	grep -c 'cafe babe' "$scratch/text"
}

unload_detached() {
	lparctl netbuf detach v0 && unload netbuf
}

# Others may come after, with the same addresses.
clear_associations() {
	ip xfrm policy flush
	ip xfrm state flush
	clear_away
}
trap 'leave clear_associations' EXIT

plan 14
load netbuf
modprobe -a esp4 esp4_offload xfrm_user || bail "no ESP in this kernel"
make_veth
check "security associations of the host" associate "" $host $guest
check "and of the guest" associate in_guest $guest $host
check "they talk" pings
lparctl netbuf attach v0
check_fails "nothing to warn of" says '"warning"' lparctl -j netbuf show v0

start ip netns exec guest tcpdump -Uni g0 -w "$scratch/wire" 'ip proto 50' 2>"$scratch/tcpdump"
tcpdump_pid=$pid
wait_until 20 grep -q listening "$scratch/tcpdump"
lparctl netbuf hold v0
start pings >"$scratch/pings"
pings_pid=$pid
unholdable() {
	[ "$(netbuf v0 unholdable)" -ge 3 ]
}
check "frames that are to be encrypted are not held" wait_until 20 unholdable
check "show warns of them" says '"warning":".*IPsec' lparctl -j netbuf show v0
check "what is held is saved" lparctl netbuf save "$scratch/file" v0
lparctl netbuf drain v0
check "they are answered" wait "$pings_pid"
seen() {
	[ "$(tcpdump -nr "$scratch/wire" 2>/dev/null | wc -l)" -ge 6 ]
}
check "the guest has seen them" wait_until 20 seen
kill -INT "$tcpdump_pid"
wait "$tcpdump_pid"
data check "none in clear" same "$(in_clear "$scratch/wire")" 0
data check "nor is any in the file" same "$(in_clear "$scratch/file")" 0

lparctl netbuf set v0 --unmatched drop
lparctl netbuf hold v0
before=$(netbuf v0 dropped_filter)
check_fails "dropped if what is not chosen is to be" ping -c 1 -W 2 $guest
check "and counted" test "$(netbuf v0 dropped_filter)" -gt "$before"
lparctl netbuf drain v0
check "the module can be unloaded" unload_detached
