#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The Fibre Channel switch by itself: frames in, frames out; and its control socket.
# vm: none
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

build=${LPARKIT_BUILD:-$(dirname "$0")/../../build}/selftests/fabric
scratch=$(mktemp -d)
trap 'kill "$switch" 2>/dev/null; rm -rf "$scratch"; tap_end' EXIT
plan 6

says() {
	[ "$("$build/fcswd" -s "$scratch/s" -c "${@:2}")" = "$1" ]
}

check "frames" "$build/fabrictest"
"$build/fcswd" -s "$scratch/s" -l "$scratch/log" "unix:$scratch/a" "unix:$scratch/b" &
switch=$!
# No word is an answer as well.
check "it listens" wait_until 10 test -S "$scratch/s"
check "it serves commands" wait_until 10 says "" list
check "with an answer" says 0 clashes
check_fails "or an error" "$build/fcswd" -s "$scratch/s" -c frobnicate

# advertises SOCKET: whoever connects is told of the switch.
advertises() {
	/usr/bin/python3 - "$1" <<-'PYTHON'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(30)
	s.connect(sys.argv[1])
	length = int.from_bytes(s.recv(4, socket.MSG_WAITALL), "big")
	frame = s.recv(length, socket.MSG_WAITALL)
	sys.exit(frame[12:14] != b"\x89\x14" or frame[16:20] != b"\0\1\0\2")
	PYTHON
}

check "a link is a stream of frames" advertises "$scratch/b"
