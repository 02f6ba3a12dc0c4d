#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A cut of more LPARs than one message can name: all are cut, and all are in the report.
# vm: cpus=4 mem=1024 timeout=300 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# With names as long as they may be, a report of so many takes more than one message.
MANY=400
[ "$LPARKIT_KERNEL" != debug ] || MANY=320

many() {
	seq -f "lpar-with-a-name-of-31-char-%03g" 0 $((MANY - 1))
}

# each VERB [WORD]...: one command for each of them
each() {
	many | sed "s/^/$1 /; s/$/ ${*:2}/" | lparcall -
}

# The words of a cut's report that begin with this, one a line.
report() {
	lparcall cut-get cut "$cut" | grep -o " $1=[^ ]*"
}

has_fired() {
	lparcall cut-get cut "$cut" | grep -q cut_state=fired
}

# The LPARs in the report are those, each once.
names_all() {
	same "$(report "$1" | sort | md5sum)" "$(many | sed "s/.*/ $1=\"&\"/" | sort | md5sum)"
}

gates_are() {
	same "$(cat /sys/class/lpar/*/gate | sort | uniq -c | xargs)" "$MANY $1"
}

# Of the last one: its gate was closed, then it opened by itself.
closed_first() {
	local last

	last=$(many | tail -1)
	same "$(grep "name=\"$last\"" "$events" | grep -o 'event=gate-[a-z]*' | tail -2 | xargs)" \
		"event=gate-closed event=gate-timeout"
}

# Deletes what it has loaded, last.
remove_slow() {
	[ ! -d /sys/module/slowcut ] || echo 0 >/sys/module/slowcut/parameters/wait
	remove_rest
	[ ! -d /sys/module/slowcut ] || wait_until 20 rmmod slowcut
}
trap 'leave remove_slow' EXIT

# One cut of each, now.
cut_each() {
	many | sed 's/^/cut deadline_ns 0 lpar /' | lparcall - >/dev/null
}

cuts_armed() {
	same "$(lparcall cut-list | grep -c cut_state=armed)" "$1"
}

plan 22
load lpar
events=$scratch/events
listen "$events"
check "$MANY LPARs" each create gate_timeout_ms 3600000
check "are activated" each activate

# shellcheck disable=SC2046 # words
said=$(lparcall cut deadline_ns 0 $(many | sed 's/^/lpar /'))
cut=$(sed -n 's/.* cut=\([0-9]*\).*/\1/p' <<<"$said")
check "one cut of them" test -n "$cut"
check "fired" wait_until 60 has_fired
check "each gate is closed" gates_are closed
check "the report takes more than one message" test "$(lparcall cut-get cut "$cut" | wc -l)" -gt 1
check "each LPAR is in it once" names_all lpar
check "and has one point" names_all point
check "the list of cuts has them too" \
	same "$(lparcall cut-list | grep -o ' point=' | wc -l)" $MANY
check "lparctl shows them" \
	same "$(lparctl -j cut show "$cut" | grep -o '"kind": *"gate"' | wc -l)" $MANY
check "the event has its number" event "$events" cut-fired "cut=$cut"
check_fails "but not some of the names only" says ' lpar="' grep event=cut-fired "$events"
if [ "$LPARKIT_KERNEL" = 6.1 ]; then
	# Its netlink carries no words of a dump that does not begin.
	check "a report of no cut is refused" says "^ENOENT: " lparcall cut-get cut 4000000
else
	refused ENOENT "a report of no cut" lparcall cut-get cut 4000000
fi

# shellcheck disable=SC2046 # words
check "opened at one instant" lparcall cut deadline_ns 0 action open $(many | sed 's/^/lpar /')
check "each gate is open" wait_until 60 gates_are open

# Somebody does not finish, in more cuts than may finish at a time: gates open by themselves
insmod "$LPARKIT_MODULES/../test/slowcut.ko" || bail "cannot load slowcut"
each set gate_timeout_ms 3000
check "a cut of each that is not finished" cut_each
check "each gate opens by itself all the same" wait_until 60 gates_are open
check "while all are being finished" cuts_armed $MANY
echo 0 >/sys/module/slowcut/parameters/wait
check "they are finished" wait_until 60 cuts_armed 0
check "each gate is open still" gates_are open
check "closed comes before timed out" closed_first

each deactivate
check "and all can go" each delete
