#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A save that is undone by halves, or before it has stopped anybody: what users do to their guests
# meanwhile is left as it is.
# vm: none timeout=300
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
# shellcheck source=selftests/ctl/execd.sh
. "$here/execd.sh"

plan 38
host_up h
states=$scratch/states
kernel=$scratch/h/kernel

begins() {
	ask begin "\"name\": \"one\", \"dir\": \"$states\", \"host\": \"h\", \"lpars\": []"
}

# dies: execd, in the middle of it
dies() {
	kill -9 "$execd"
	exec 8<&- 9>&-
}

are() {
	same "$(status h g) $(status h g2)" "$*"
}

goes_on() {
	same "$(status h "$1")" running
}

# gates G G2: 2 is closed
gates() {
	same "$(cat "$kernel/g/gate" "$kernel/g2/gate" | xargs)" "$*"
}

no_session() {
	! test -e "$scratch/h/root/run/lparkit/cluster.session"
}

for guest in g g2; do
	describe h $guest
	on h start $guest >/dev/null || bail "no guest $guest"
done

# One goes on, the other one is in the hands of another lparctl
check "hello" hello h 60000000000
check "begin" begins
check "arm" ask arm "$(soon 500)"
check "stop" ask stop
dies
exec 7<"$(run_of h g2)/lock"
flock 7
check "recover while one is locked" says 1 "another lparctl" on h cluster recover
check "the other one goes on" are running paused
qmp h g stop >/dev/null
on h freeze g >/dev/null
check "again, in vain" says 1 "another lparctl" on h cluster recover
check "who is paused and frozen since stays so" are paused paused
check "its gate, too" gates 2 0
exec 7<&-
check "recover" exits 0 on h cluster recover
check "who is paused and frozen since stays so" are paused running
check "its gate, too" gates 2 0
check "no session is left" no_session
on h thaw g >/dev/null
qmp h g cont >/dev/null

# The same, and one QEMU is stuck
check "hello" hello h 60000000000
check "begin" begins
check "arm" ask arm "$(soon 500)"
check "stop" ask stop
dies
stuck=$(guest_pid h g2)
kill -STOP "$stuck"
start on h cluster recover
check "the other one goes on meanwhile" wait_until 10 goes_on g
kill -CONT "$stuck"
wait "$pid"
on h cluster recover >/dev/null
check "both, in the end" are running running
check "no session is left" no_session

# Frozen between arm and stop, which does not come
check "hello" hello h 60000000000
check "begin" begins
check "arm" ask arm "$(soon 20000)"
on h freeze g >/dev/null
check "who asks for it undoes before that" ask abort '"remove": ""'
check "who was frozen stays so" gates 2 0
on h thaw g >/dev/null
qmp h g stop >/dev/null
check "begin, with one that is paused" begins
check "arm" ask arm "$(soon 20000)"
on h freeze g >/dev/null
: >"$kernel/log"
dies
check "recover" exits 0 on h cluster recover
check "who was frozen stays so" gates 2 0
check "nor gets another time-out" lacks "^close g$" "$kernel/log"
on h thaw g >/dev/null
qmp h g cont >/dev/null

# Found frozen by stop, and execd dies before it undoes that
check "hello" hello h 60000000000
check "begin" begins
check "arm" ask arm "$(soon 2000)"
on h freeze g >/dev/null
check "it is too late to freeze" refused stop "LPAR g is frozen"
dies
sleep 1 # the cut has closed the other gate by then
check "recover" exits 0 on h cluster recover
check "who was frozen stays so" gates 2 0
check "both run" are running running
check "no session is left" no_session
