#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Hardware errors in the memory of an LPAR: the holder is told by SIGBUS which page it
# is, loses no other, and nobody ever gets the page again. The debug kernel knows no such errors.
# vm: cpus=2 mem=1024 timeout=240 kernels=6.1,6.12,7.2 long=6.1,6.12
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

corrupted_kib() {
	awk '$1 == "HardwareCorrupted:" { print $2 }' /proc/meminfo
}

holds() {
	same "$(value a holder)" "$1"
}

# A page of the memory of LPAR a gets an error; its holder is $pid.
poison() {
	start memtool poison /dev/lpar/a >"$scratch/poison"
	wait_until 60 grep -q . "$scratch/poison"
	grep -qx poisoned "$scratch/poison" && return
	cat "$scratch/poison"
	return 1
}

is_logged() {
	dmesg | grep -q "lpar: a: page 0x[0-9a-f]* of its $1"
}

events() {
	grep -c event=memory-failed "$events"
}

plan 30
load lpar
events=$scratch/events
listen "$events"
make a memory 32M

check "SIGBUS with the address of the page, and of no other" poison
check "event" event "$events" memory-failed 'name="a"'
check "its 2 MiB are shown" wait_until 10 is a memory_bad $((2 << 20))
check "lparctl shows them" says "hardware errors 2M" lparctl show a
check "degraded" wait_until 10 is a state degraded
check "with the reason" says "hardware errors" value a reason
check "the holder lives" holds "$pid"
stop "$pid"
check "the next holder has all of it, and it is zero" memtool zero /dev/lpar/a
check "none is bad any more" wait_until 10 is a memory_bad 0
check "active" wait_until 10 is a state active
check "all in large pieces" is a memory_small 0
check "mapped as such" same "$(memtool pmd /dev/lpar/a)" $((32 << 10))
data check "zero again" memtool zero /dev/lpar/a

# Twice, and given back with the error in it
check "another one" poison
lparcall deactivate a force
check "the holder lives" kill -0 "$pid"
stop "$pid"
lparcall activate a
check "activated anew: all is there" memtool zero /dev/lpar/a
check "and none is bad" is a memory_bad 0

# Of memory that the LPAR has had before
start memtool poison-when /dev/lpar/a "$scratch/go" >"$scratch/poison"
wait_until 60 grep -q held "$scratch/poison"
lparcall deactivate a force
lparcall activate a
known=$(events)
touch "$scratch/go"
check "an error in memory that it has no more" wait_until 60 grep -qx poisoned "$scratch/poison"
check "is logged as such" wait_until 10 is_logged "former memory"
stop "$pid"
# What comes later than that would have come before it.
lparcall deactivate a
wait_until 10 is a state defined
check "and is no event of the LPAR" same "$(events)" "$known"

# All memory of the host is used: the pages do not come back.
check "the pages are known to be bad" test "$(corrupted_kib)" -ge 8
check "all that is free can be used" memtool dirty $(($(free_kib any) / 1024 - 200))
check "and again by an LPAR" make b memory $(($(free_kib any) / 2048 / 2 * 2 - 100))M
check "which finds it zero" memtool zero /dev/lpar/b
lparcall deactivate b
check_fails "no bad page was given out" says "BUG: Bad page\|Bad page state" dmesg

# In small pages: what is not fragmented goes elsewhere.
start memtool fragment $(($(free_kib any) / 1024 - 150)) >"$scratch/fragment"
fragments=$pid
wait_until 60 grep -q held "$scratch/fragment"
make rest memory 200M
lparcall set a memory 64M
if lparcall activate a && [ "$(value a memory_small)" -gt $((60 << 20)) ]; then
	check "a small page: SIGBUS with its address" poison
	check "its 2 MiB are shown" wait_until 10 is a memory_bad $((2 << 20))
	stop "$pid"
	check "the next holder has all of it" memtool zero /dev/lpar/a
	check "none is bad" wait_until 10 is a memory_bad 0
else
	skip "a small page: SIGBUS with its address" "the memory is not fragmented"
	skip "its 2 MiB are shown" "the memory is not fragmented"
	skip "the next holder has all of it" "the memory is not fragmented"
	skip "none is bad" "the memory is not fragmented"
fi
lparcall deactivate a force
stop "$fragments"
check "the module can go" eval 'remove_all && rmmod lpar'
