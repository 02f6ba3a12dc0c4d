#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest hears of its interrupts soon, however long its vCPUs wait for their pages, and
# the limit holds.
# vm: cpus=4 mem=1024 timeout=120 modprobe=kvm_amd speed=full long=6.1,7.2,debug here=kvm
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

# Forty pages a second: the turn of one of sixteen comes after 400 ms, and it is not
# kept waiting for the last 50 of them.
VCPUS=16
LIMIT_KIB=160
# One in three that does not look for interrupts would be faster; all of them never.
SOON_NS=150000000

all_wait() {
	[ "$(vcpu_field "$pid" delayed_us | awk '$1 > 300000' | wc -l)" = $VCPUS ]
}

load dirtythrottle
guest busy --vcpus $VCPUS --irqchip
guest_do busy log-on
guest_do busy go
unthrottled=$(guest_do busy interrupt)
diag "without a limit $((unthrottled / 1000)) us"
check "its interrupts are handled" at_most "$unthrottled" 5000000000
lparctl throttle attach "$pid" --limit ${LIMIT_KIB}K
check "all wait" wait_until 20 all_wait || diag "us: $(vcpu_field "$pid" delayed_us | xargs)"
throttled=$(guest_do busy interrupt)
diag "with a limit $((throttled / 1000)) us"
check "no vCPU is deaf while it waits" at_most "$throttled" $SOON_NS
measure busy 3
check "no more than $LIMIT_KIB KiB/s" in_limit $LIMIT_KIB $VCPUS
check "no less" uses_limit $LIMIT_KIB

# More interrupts than there are pages to be had: half a second is owed, and no more.
guest_do busy storm
measure busy 6
check "nor do interrupts beat the limit" at_most "$pages" $((LIMIT_KIB * (ns / 1000000 + 600) / 4000 + VCPUS))
# What each vCPU owes alone is bounded as well.
lparctl throttle set "$pid" --delay 50ms
measure busy 4
check "nor a fixed delay" at_most "$pages" $((VCPUS * ((ns / 1000000 + 600) / 50 + 1)))
check "detach" lparctl throttle detach "$pid"
guest_end "$pid"
check "the module can be unloaded" rmmod dirtythrottle
