#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Which LPARs of several hosts are saved: those that --lpar names, each on the host that has it;
# and what is named in vain, there or by --qmp, is refused.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 26
states=$scratch/states

cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}

# saved_are NAME...: the guests of the state "some", host after host
saved_are() {
	same "$(lparctl -j cluster show some --dir "$states" | json "' '.join(g['name'] for h in j['hosts'] for g in h['description']['guests'])")" "$*"
}

# chosen NAMES HOSTS: saved, and then forgotten; the guests go on
chosen() {
	cluster save some --hosts "$2" --continue --lpar "$1" || return
	# shellcheck disable=SC2086 # names are words
	saved_are ${1//,/ } && cluster delete some
}

# in_vain PATTERN OPTION...: refused, nothing is left, and all run
in_vain() {
	says 5 "$1" cluster save some --hosts a,b --continue "${@:2}" || return
	same "$(find "$states" -path '*/some*' 2>/dev/null)" "" &&
		same "$(status a a1) $(status a a2) $(status b b1)" "running running running"
}

host_up a
host_up b
for guest in a1 a2 b1; do
	describe "${guest%?}" $guest
	on "${guest%?}" start $guest >/dev/null || bail "no guest $guest"
done

check "of each host one" chosen a1,b1 a,b
check "all of one, one of the other" chosen a1,a2,b1 a,b
check "of one host alone" chosen a2 a
check "one that is nowhere" in_vain "LPAR c1: none of these hosts" --lpar a1,b1,c1
check "the remedy is named" grep -q -e "--qmp c1=PATH" "$scratch/err"
check "two that are nowhere are both named" in_vain "LPAR c1, c2:" --lpar a1,b1,c1,c2
check "a host that has none of them" in_vain "host b: .*leave this host out of --hosts" --lpar a1,a2
check "one that is nowhere, of one host" says 5 "LPAR b1 runs no guest" \
	cluster save some --hosts a --lpar a1,b1
check "nor may it be named twice" says 2 "a1 is named twice" cluster save some --hosts a --lpar a1,a1

# Monitors
socket=$(run_of a a1)/qmp.sock
check "a monitor of an LPAR that is nowhere" in_vain "--qmp c1=.*: no such LPAR" --qmp "c1=$socket"
check "of one that lparctl has started" in_vain "--qmp a1=.*'lparctl start' has started" --qmp "a1=$socket"
check "of one that is not to be saved" says 2 "--qmp a2=.* --lpar" \
	cluster save some --hosts a,b --lpar a1,b1 --qmp "a2=$socket"
check "named twice" says 2 "a1 is named twice" cluster save some --hosts a --qmp "a1=/a,a1=/b"

# by_hand HOST NAME: a guest that somebody has started himself
by_hand() {
	on "$1" create "$2" memory 16M >/dev/null && on "$1" activate "$2" >/dev/null
	start qemu-system-x86_64 -accel tcg,thread=single -m 16 -nodefaults -display none \
		-qmp "unix:$scratch/$2.sock,server=on,wait=off"
	wait_until 10 test -S "$scratch/$2.sock"
	on "$1" member add "$2" "$pid" >/dev/null
}

describe b b2
check "a guest that others have started" by_hand b b2
check "is told of when it is left out" says 0 "LPAR b2 has members" cluster save some --hosts a,b --continue
check "is not in the state" saved_are a1 a2 b1
check "the state is deleted" exits 0 cluster delete some
check "with its monitor" exits 0 cluster save some --hosts a,b --continue --qmp "b2=$scratch/b2.sock"
check "it is saved" saved_are a1 a2 b1 b2
check "the state is deleted" exits 0 cluster delete some
check "with others" exits 0 cluster save some --hosts a,b --continue --lpar a1,b2 --qmp "b2=$scratch/b2.sock"
check "it is saved with them alone" saved_are a1 b2
check "the state is deleted" exits 0 cluster delete some

# A state is whole or none
check "a part is not restored" says 2 "cluster restore has no option --lpar" cluster restore some --lpar a1
check "nor verified" says 2 "cluster verify has no option --lpar" cluster verify some --lpar a1
check "nor deleted" says 2 "cluster delete has no option --lpar" cluster delete some --lpar a1
