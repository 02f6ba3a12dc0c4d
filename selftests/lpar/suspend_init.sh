#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The init of the machine that test_suspend.sh puts to sleep: an LPAR with two busy members, and
# two processes that are none. Says who may run where, and what the LPAR is, before and after.
PATH=/bin
ROUNDS=2

# see WHEN NAME=PID...
see() {
	when=$1
	shift
	for task; do
		echo "$when ${task%=*} $(sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "/proc/${task#*=}/status")"
	done
	for what in state members holder; do
		echo "$when $what $(cat /sys/class/lpar/a/$what)"
	done
}

is_home() {
	grep -q '^Cpus_allowed_list:.*2-3$' "/proc/$1/status"
}

spin() {
	while :; do :; done
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
insmod /lpar.ko
lparcall create a cpus 2-3 memory 32M
spin &
first=$!
spin &
second=$!
spin &
host=$!
taskset 0xd sleep 10000 &
chosen=$!
lparcall activate a
lparcall member-add a member "$first" member "$second"
memtool hold /dev/lpar/a 0x5a &
holder=$!
until grep -q "$holder" /sys/class/lpar/a/holder; do sleep 1; done
set -- "first=$first" "second=$second" "host=$host" "chosen=$chosen"
see before "$@"
for round in $(seq $ROUNDS); do
	# All but waiting for somebody to wake it.
	echo core >/sys/power/pm_test
	echo mem >/sys/power/state && echo "slept $round"
	until grep -q active /sys/class/lpar/a/state; do sleep 1; done
	until is_home "$first" && is_home "$second"; do sleep 1; done
	see "after$round" "$@"
done
kill "$holder" "$first" "$second"
wait "$holder" "$first" "$second"
lparcall deactivate a && echo deactivated
see defined "host=$host" "chosen=$chosen"
rmmod lpar && echo unloaded
dmesg | grep 'WARNING:\|BUG:\|INFO:' && echo complaint
echo "the end"
poweroff -f
