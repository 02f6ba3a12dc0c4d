#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A STORE that does not answer keeps its own volume waiting, and nobody else.
# vm: cpus=4 mem=768 disks=4M,12M,12M,12M timeout=300 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

# answers COMMAND...: in time, and well.
answers() {
	timeout 60 "$@" >"$scratch/answer"
}

is_over() {
	! kill -0 "$1" 2>/dev/null
}

# has_cuts VOLUME NUMBER: states that cuts have made
has_cuts() {
	[ "$(dmsetup message "$1" 0 list | grep -c ^cut-)" = "$2" ]
}

hang() {
	dmsetup suspend --noflush --nolockfs hung
}

plan 43
for i in 0 1 2; do
	dmsetup create base$i --table "0 2048 linear $base $((i * 2048))"
done
dmsetup create hung --table "0 $(sectors /dev/vdb) linear /dev/vdb 0"
base=/dev/mapper/base1 store=/dev/vdc volume w
base=/dev/mapper/base2 store=/dev/vdd volume x
message w take a || bail "no volumes"
hang
base=/dev/mapper/base0 store=/dev/mapper/hung volume v &
activation=$!
wait_until 60 test -e /sys/module/dm_snapsync
sleep 2
check "while a volume is activated, another takes a state" answers dmsetup message w 0 take b
check "tells its members" answers dmsetup message w 0 members
check "gets a view" answers dmsetup create wv --readonly --table "0 2048 snapsync-view /dev/mapper/w a"
check "and loses it" answers dmsetup remove wv
check "gets another table" answers dmsetup load w --table "$(dmsetup table w)"
check "that is in use" answers dmsetup resume w
check "all devices are asked" answers dmsetup status
check "another volume goes" answers dmsetup remove x
dmsetup resume hung
check "the activation goes on" wait $activation

fill /dev/mapper/v 101 0 4
hang
message v take a &
take=$!
sleep 2
check "while a state is taken, all devices are asked" answers dmsetup status
check "the one that waits says so" grep -q "a disk does not answer" "$scratch/answer"
check "another takes a state" answers dmsetup message w 0 take c
check "gets a view" answers dmsetup create wv --readonly --table "0 2048 snapsync-view /dev/mapper/w a"
check "and loses it" answers dmsetup remove wv
dmsetup resume hung
check "the state is there in the end" wait $take
check "and the volume is as it should be" status_is v 5 1
dmsetup remove v && dmsetup remove w

# A cut of its group, and one of another LPAR, are armed while an operation waits.
base=/dev/mapper/base0 store=/dev/mapper/hung volume v group v
base=/dev/mapper/base1 store=/dev/vdc volume w group w
load lpar
if ! lparctl create v cpus 1 || ! lparctl activate v; then bail "no LPAR"; fi
if ! lparctl create w cpus 2 || ! lparctl activate w; then bail "no LPAR"; fi
fill /dev/mapper/v 102 0 4
hang
message v take b &
take=$!
sleep 2
check "while a state is taken, a cut of that group is armed" answers lparctl -j cut --at +1800s --lpar v --no-wait
check "and cancelled" answers lparctl cut cancel "$(grep -o '"id": *[0-9]*' "$scratch/answer" | tr -dc 0-9)"
dmsetup message v 0 delete a &
waiter=$!
dmsetup message v 0 list &
reader=$!
sleep 1
kill -KILL $waiter $reader
check "who waits for the operation can be killed" wait_until 60 is_over $waiter
check "and who waits for the commit" wait_until 60 is_over $reader
check "another LPAR is cut" answers lparctl cut --at now --lpar w
check "which is a state" wait_until 60 sh -c 'dmsetup message w 0 list | grep -q ^cut-'
dmsetup resume hung
check "the state is there in the end" wait $take
check "and the volume is as it should be" status_is v 5 2

# A cut that has fired, and cannot be finished.
lparctl thaw w
fill /dev/mapper/v 103 0 4
hang
check "an LPAR is cut whose disk does not answer" answers lparctl -j cut --at now --lpar v --no-wait
cp "$scratch/answer" "$scratch/cut"
check "its gate closes" wait_until 60 grep -q closed /sys/class/lpar/v/gate
id=$(grep -o '"id": *[0-9]*' "$scratch/cut" | tr -dc 0-9)
cancel() {
	timeout 60 lparctl cut cancel "$1" 2>"$scratch/answer"
}
check_fails "it cannot be cancelled" cancel "$id"
check "and is not told to be over" grep -q "has fired and is being finished" "$scratch/answer"
check "meanwhile another LPAR is cut" answers lparctl cut --at now --lpar w
check "which is another state" wait_until 60 has_cuts w 2
check "the first is being cut yet" sh -c 'lparctl -j cut list | grep -q armed'
dmsetup resume hung
check "and is a state in the end" wait_until 60 sh -c 'dmsetup message v 0 list | grep -q ^cut-'
check "and the volume is as it should be" status_is v 5 3
lparctl deactivate v && lparctl deactivate w && lparctl delete v && lparctl delete w
dmsetup remove v && dmsetup remove w

# A BASE that does not answer.
base=/dev/mapper/base2 store=/dev/vdd volume y
dmsetup suspend --noflush --nolockfs base2
dd if=/dev/mapper/y of="$scratch/read" bs=4k count=1 skip=4 iflag=direct &
reader=$!
fill /dev/mapper/y 101 0 8
wait_until 60 test -d /proc/$reader
sleep 2
check "while a read of BASE waits, a flush ends" answers dd if=/dev/zero of=/dev/mapper/y bs=4k count=1 oflag=direct conv=fsync
check "a state is taken" answers dmsetup message y 0 take a
check "and listed" answers dmsetup message y 0 list
fill /dev/mapper/y 102 0 8
check "one more" answers dmsetup message y 0 take b
check "it is restored" answers dmsetup message y 0 restore a
check "and deleted" answers dmsetup message y 0 delete b
check "what it had is freed" reaped y
check "status is not late" answers dmsetup status y
check_fails "and says nothing of a disk" grep -q "does not answer" "$scratch/answer"
dmsetup resume base2
check "the read ends" wait $reader
dmsetup remove y && dmsetup remove hung
