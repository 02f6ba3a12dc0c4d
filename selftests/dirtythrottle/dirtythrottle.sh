# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# What the tests of dirtythrottle.ko have in common: guests that dirty their
# memory, with KVM's dirty log as the witness (see dirtyguest.c).

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/rig.sh"

PATH=$LPARKIT_BUILD/selftests/dirtythrottle:$LPARKIT_BUILD/selftests/lpar:$PATH
class=/sys/class/dirtythrottle

# The VM as it was found: others may come after.
clear_away() {
	local module

	for module in dirtythrottle lpar; do
		[ ! -d /sys/module/$module ] || rmmod $module
	done
}
trap 'leave clear_away' EXIT

# guest NAME OPTION...: starts a dirtyguest; its process is $pid. Its vCPUs stand.
guest() {
	local name=$1

	shift
	start dirtyguest run --socket "$scratch/$name.sock" "$@"
	wait_until 60 guest_do "$name" tids >/dev/null 2>&1
}

# guest_do NAME COMMAND
guest_do() {
	timeout 30 dirtyguest ctl "$scratch/$1.sock" "$2"
}

# guest_end PID: so that it is gone when this returns.
guest_end() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

# is PID FILE VALUE, in sysfs
is() {
	same "$(cat "$class/$1/$2")" "$3"
}

# is_state PID STATE
is_state() {
	[[ $(cat "$class/$1/state") == "$2"* ]]
}

# at_least A B
at_least() {
	[ "$1" -ge "$2" ] && return 0
	echo "# $1 is less than $2"
	return 1
}

# at_most A B
at_most() {
	[ "$1" -le "$2" ] && return 0
	echo "# $1 is more than $2"
	return 1
}

# of_first KEY: of the first object of a list in JSON
of_first() {
	/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0].get(sys.argv[1], ""))' "$1"
}

# field PID KEY: of lparctl's JSON
field() {
	lparctl -j throttle show "$1" | of_first "$2"
}

# vcpu_field PID KEY: of each vCPU that has written, in the order of their numbers
vcpu_field() {
	lparctl -j throttle show "$1" | /usr/bin/python3 -c '
import json, sys
for vcpu in sorted(json.load(sys.stdin)[0]["vcpus"], key=lambda v: v["id"]):
    print(vcpu[sys.argv[1]])' "$2"
}

# measure NAME SECONDS: lets the time pass; then $pages were found in the log in $ns,
# and the vCPUs made $turns.
measure() {
	local before after i

	read -ra before <<<"$(guest_do "$1" count)"
	sleep "$2"
	read -ra after <<<"$(guest_do "$1" count)"
	ns=$((after[0] - before[0]))
	pages=$((after[1] - before[1]))
	turns=()
	for ((i = 2; i < ${#after[@]}; i++)); do
		turns+=($((after[i] - before[i])))
	done
}

# What the last measure has found, in KiB per second.
measured_kib() {
	echo $((pages * 4 * 1000000 / (ns / 1000)))
}

# in_limit KIB VCPUS: no more than the limit, what an idle guest has saved (100 ms), debt
# (50 ms), and a page for each vCPU.
in_limit() {
	at_most "$pages" $(($1 * (ns / 1000000 + 150) / 4000 + $2))
}

# uses_limit KIB: most of it.
uses_limit() {
	at_least "$pages" $(($1 * 90 * (ns / 1000000) / 400000))
}

# refused TEXT COMMAND...: with these words.
refused() {
	local said text=$1

	shift
	said=$("$@" 2>&1) && return 1
	[[ $said == *"$text"* ]] && return 0
	echo "# it said: $said"
	return 1
}

# Events go to a file from the return of this call on.
listen() {
	lparctl throttle monitor >"$scratch/events" 2>"$scratch/listening" &
	monitor=$!
	started+=("$monitor")
	wait_until 10 grep -q listening "$scratch/listening"
}

# event EVENT PID|ADDRESS
event() {
	wait_until 5 grep -q " $1 $2 " "$scratch/events" && return 0
	sed 's/^/# /' "$scratch/events"
	return 1
}
