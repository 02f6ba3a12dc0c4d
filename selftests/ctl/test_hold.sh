#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# throttle msi --limit leaves the device as it was, also when it cannot hold it.
# vm: none
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 8
host_up h
device=0000:00:05.0
counter=$scratch/counter
echo 0 >"$counter"

# msi_is DELAY RATE WATCHDOG FORCE: or nothing, which is off
msi_is() {
	[ "$(xargs 2>/dev/null <"$scratch/h/kernel/msi")" = "$*" ]
}

# holds: a loop, with the id $pid, which has no delay as the device does nothing
holds() {
	start "$scratch/via" h lparctl throttle msi "$device" --limit 1M --counter "$counter" --force
	wait_until 30 msi_is 0 0 10000 1
}

check "a limit" holds
kill "$pid"
check "ends when it is told to" wait "$pid"
check "and the delay with it" test ! -e "$scratch/h/kernel/msi"
on h throttle msi "$device" --rate 100 --watchdog 7s
check "somebody's rate" msi_is 0 100 7000 0
check "a limit instead" holds
kill "$pid"
wait "$pid"
check "the rate is in force again" msi_is 0 100 7000 0
check "a file that counts nothing" says 1 "No such file" on h throttle msi "$device" --limit 1M --counter "$counter.no"
check "the rate is in force again" msi_is 0 100 7000 0
