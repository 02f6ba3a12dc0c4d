#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Guests that were not started by lparctl: saved when their QMP sockets are named.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 23
states=$scratch/states
own=$scratch/own.sock

cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}

# by_hand: the same QEMU as lparctl starts, with a monitor elsewhere; a member by hand, too
by_hand() {
	local word
	local -a words=()

	mkdir "$scratch/qemu"
	for word in "${as_started[@]}"; do
		word=${word/$(run_of h g)\/qmp.sock/$own}
		words+=("${word/$(run_of h g)/$scratch}")
	done
	start "${words[@]}" 2>/dev/null
	wait_until 20 test -S "$own" && on h member add g "$pid"
}

host_up h
describe h g
on h start g >/dev/null || bail "no guest"
mapfile -d '' as_started <"/proc/$(guest_pid h g)/cmdline"
on h stop g --timeout 0 >/dev/null
check "a guest by hand" by_hand
foreign=$pid

check "it is not found by itself" says 5 "by --qmp g=PATH" cluster save one --hosts h --lpar g
check "nor is any" says 5 "by --qmp LPAR=PATH" cluster save one --hosts h
check "no path" says 2 "absolute path" cluster save one --hosts h --qmp g=own.sock
check "no LPAR" says 2 "absolute path" cluster save one --hosts h --qmp "$own"
check "nobody listens" says 5 "$scratch/none is no member" cluster save one --hosts h --qmp "g=$scratch/none"
start "$here/odd-qmp" "$scratch/late" late
wait_until 20 test -e "$scratch/late.ready"
check "somebody else listens" says 5 "is no member of its LPAR" \
	cluster save one --hosts h --qmp "g=$scratch/late"
mv "$scratch/h/root/etc/lparkit/g.lpar" "$scratch/g.lpar"
check "it could not be restored" says 5 "must describe the same machine" \
	cluster save one --hosts h --qmp "g=$own"
mv "$scratch/g.lpar" "$scratch/h/root/etc/lparkit/g.lpar"
check "it still runs" test -d "/proc/$foreign"

check "save and continue" exits 0 cluster save one --hosts h --continue --qmp "g=$own"
check "it still runs" test -d "/proc/$foreign"
check "it is in the way of a restore" says 5 "pid $foreign, that no 'lparctl start'" cluster restore one
check "which has ended nothing" test -d "/proc/$foreign"
check "what is saved is whole all the same" exits 0 cluster verify one
describe h g2
on h start g2 >/dev/null
check "one that is not named is told of" says 0 "warning: host h: LPAR g has members.*--qmp g=PATH" \
	cluster save three --hosts h --continue
check "one that is not wanted is not" exits 0 cluster save four --hosts h --lpar g2
check "and nothing is said of it" sh -c "! grep -q 'LPAR g has' '$scratch/err'"
check "save" exits 0 cluster save two --hosts h --qmp "g=$own"
check "it has ended" wait_until 5 test ! -d "/proc/$foreign"
check "its LPAR is given back" same "$(cat "$scratch/h/kernel/g/state")" 0
check "restore" exits 0 cluster restore two
check "it runs" same "$(status h g)" running
check "as one of lparctl's" test -d "/proc/$(guest_pid h g)"
