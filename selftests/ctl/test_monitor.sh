#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl monitor, where a kernel that is played has violations without end.
# vm: none
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 9
host_up h
monitor() {
	timeout 30 "$scratch/via" h lparctl monitor "$@"
}

# in_time WORD...: not as long as events come
in_time() {
	monitor --timeout 100ms "$@" >/dev/null
}

check "nothing comes" exits 0 monitor --timeout 100ms
check "nor the event that is waited for" exits 4 monitor --count 1 --timeout 100ms
printf fio >"$scratch/h/kernel/intruder"
check "an event" says 0 'violation name="g" comm="fio"' monitor --count 1
check "as many as are waited for" same "$(monitor --count 3 2>/dev/null | wc -l)" 3
check "they come without end: not longer than that" exits 0 in_time
check "nor are others waited for longer" exits 4 in_time --event stage --count 1
printf 'a\e[31mb' >"$scratch/h/kernel/intruder"
check "a name that colors" says 0 'comm="a?\[31mb"' monitor --count 1
check_fails "does not" grep -q $'\e' "$scratch/out"
check "a program is told it as it is" same \
	"$(monitor --count 1 -j 2>/dev/null | json "repr(j['comm'])")" "'a\\x1b[31mb'"
