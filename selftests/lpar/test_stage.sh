#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Stages: what the operator watches during a long operation.
# vm: cpus=4 mem=512 timeout=120 kernels=6.1,6.12,7.2,debug speed=quick long=6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

plan 42
load lpar
lparcall create a
events=$scratch/events
listen "$events"

check "no operation at first" is a stage/number 0
check "all at once" lparcall stage a number 3 text "copying memory" progress 40 \
	transfer_rate 1000000000 dirty_bytes 5000000000
check "sysfs: number" is a stage/number 3
check "sysfs: text" is a stage/text "copying memory"
check "sysfs: progress" is a stage/progress 40
check "sysfs: rate" is a stage/transfer_rate 1000000000
check "sysfs: dirty bytes beyond 32 bits" is a stage/dirty_bytes 5000000000
check "event" event "$events" stage 'name="a"' 'number=3' 'text="copying memory"'
check "get shows it" says progress=40 lparcall get a

check "a part leaves the rest" lparcall stage a progress 41
check "sysfs: progress" is a stage/progress 41
check "sysfs: text is as before" is a stage/text "copying memory"
start sysfspoll /sys/class/lpar/a/stage/progress 10 >"$scratch/polled"
poller=$pid
wait_until 5 grep -q ready "$scratch/polled"
check "sysfs: writable" put a stage/progress 42
check "sysfs: the poller wakes up" wait "$poller"
check "and sees it" grep -qx 42 "$scratch/polled"
check "sysfs: text is writable" put a stage/text "last pass"
check "without the newline" is a stage/text "last pass"
check_fails "101 percent" lparcall stage a progress 101
check_fails "text that is too long" lparcall stage a text "$(printf '%064d' 0)"
check_fails "sysfs: nonsense" put a stage/number many

check_fails "a defined LPAR cannot migrate" lparcall stage a number 1 state migrating
lparcall activate a
check "active to migrating" lparcall stage a number 1 state migrating
check "sysfs: state" is a state migrating
check_fails "migrating to saved, which is another operation" lparcall stage a number 1 state saved
check "and back" lparcall stage a number 0 state active
check "active to saved" lparcall stage a number 0 state saved
check "sysfs: state" is a state saved
check "and back" lparcall stage a number 0 state active

# lparcall's socket is closed when it ends.
check "one that ends with its socket" lparcall stage a number 2 text "seventh pass" \
	state migrating transient
check "event" event "$events" stage 'name="a"' 'number=2' 'text="seventh pass"'
check "there is none any more" wait_until 5 is a stage/number 0
check "nor is the LPAR migrating" is a state active

# What a degraded LPAR goes on with once its CPUs are back.
online=/sys/devices/system/cpu/cpu2/online
lparcall deactivate a
lparcall set a cpus 2
lparcall activate a
lparcall stage a number 1 state migrating
echo 0 >$online
check "a CPU goes while it migrates" wait_until 5 is a state degraded
check "it may be told that this is over" lparcall stage a number 0 state active
check "it is still degraded" is a state degraded
check "with the reason" is a reason "cpu 2 offline"
echo 1 >$online
check "and active with its CPU back" wait_until 5 is a state active

echo 0 >$online
wait_until 5 is a state degraded
check "a degraded LPAR may migrate away" lparcall stage a number 1 state migrating
check_fails "but not be saved then" lparcall stage a number 1 state saved
echo 1 >$online
check "it does so with its CPU back" wait_until 5 is a state migrating
echo 0 >$online
wait_until 5 is a state degraded
lparcall stage a number 2 state migrating transient
check "its socket is gone" wait_until 5 is a stage/number 0
echo 1 >$online
check "so it migrates no more" wait_until 5 is a state active
