# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# What tests in a host VM have in common: a scratch directory, processes in the
# background that end with the test, and comparisons for check of tap.sh.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

scratch=$(mktemp -d)
started=()

# start COMMAND...: in the background, killed at the end; its id is in $pid.
start() {
	"$@" &
	pid=$!
	started+=("$pid")
}

# For a trap on EXIT: CLEAN-UP-COMMAND..., if any, runs when nothing else does.
leave() {
	local status=$? one

	for one in "${started[@]}"; do
		kill -9 "$one" 2>/dev/null
	done
	[ ${#started[@]} = 0 ] || wait "${started[@]}" 2>/dev/null
	"$@"
	rm -rf "$scratch"
	(exit $status)
	tap_end
}

# same A B
same() {
	[ "$1" = "$2" ] && return 0
	echo "# \"$1\" is not \"$2\""
	return 1
}

# says PATTERN COMMAND...: the command prints such a line.
says() {
	local pattern=$1

	shift
	"$@" 2>&1 | grep -qe "$pattern"
}
