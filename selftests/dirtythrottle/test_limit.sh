#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Guests dirty as much as they may, and no more: as KVM's dirty log says, for writers of
# all kinds. Those that only read are not slowed.
# vm: cpus=4 mem=1024 timeout=300 modprobe=kvm_amd speed=full long=6.1,7.2,debug here=kvm
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

SECONDS_EACH=3

# writers LIMIT-KIB VCPUS PATTERN
writers() {
	local name=w$2$3

	guest "$name" --vcpus "$2" --pattern "$3" || return 1
	guest_do "$name" log-on
	lparctl throttle attach "$pid" --limit "$1K"
	guest_do "$name" go
	measure "$name" $SECONDS_EACH
	diag "$3, $2 vCPUs: $(measured_kib) KiB/s of $1"
}

# counted_right: the module counted what was found in the log, but for a few faults
# that KVM had to retry. The guest stands.
counted_right() {
	local logged counted

	guest_do "$1" stop
	read -r _ logged _ <<<"$(guest_do "$1" count)"
	counted=$(field "$pid" pages)
	at_least "$counted" "$logged" && at_most "$counted" $((logged + logged / 50 + 8))
}

# fair PID: no vCPU has had less than half of its part.
fair() {
	vcpu_field "$1" pages | awk '{ sum += $1; if (NR == 1 || $1 < min) min = $1 }
		END { print "# least", min, "mean", sum / NR; exit min < sum / NR / 2 }'
}

# delayed_vcpus PID: their numbers
delayed_vcpus() {
	lparctl -j throttle show "$1" | /usr/bin/python3 -c '
import json, sys
print(*sorted(v["id"] for v in json.load(sys.stdin)[0]["vcpus"] if v["delayed_us"]))'
}

load dirtythrottle

# How fast is this machine?
guest free --vcpus 1 --pattern seq
free=$pid
guest_do free log-on
guest_do free go
measure free $SECONDS_EACH
diag "without the module's help: $(measured_kib) KiB/s"
most=$(measured_kib)
guest_end "$free"
check "it dirties fast enough to be tested" at_least "$most" 4096

# The last one leaves room for a machine that is busier by then than it was above.
for what in "1024 1 seq" "4096 1 seq" "2048 2 random" "2048 4 hot" "1024 8 seq" \
	"$((most / 4)) 1 seq"; do
	read -r kib vcpus pattern <<<"$what"
	check "$pattern, $vcpus vCPUs: starts" writers "$kib" "$vcpus" "$pattern"
	check "$pattern, $vcpus vCPUs: no more than $kib KiB/s" in_limit "$kib" "$vcpus"
	check "$pattern, $vcpus vCPUs: no less" uses_limit "$kib"
	if [ "$pattern" = seq ]; then
		check "$pattern, $vcpus vCPUs: each page is counted once" \
			counted_right "w$vcpus$pattern"
		check "$pattern, $vcpus vCPUs: none starves" fair "$pid"
	fi
	guest_end "$pid"
done

check "burst: starts" writers 1024 1 burst
check "burst: no more than 1024 KiB/s" in_limit 1024 1
guest_end "$pid"

# Readers
guest mixed --vcpus 4 --readers 2
guest_do mixed log-on
guest_do mixed go
lparctl throttle attach "$pid" --count
measure mixed $SECONDS_EACH
read_before=$(((turns[2] + turns[3]) * 1000 / (ns / 1000000)))
lparctl throttle set "$pid" --limit 1M
measure mixed $SECONDS_EACH
read_after=$(((turns[2] + turns[3]) * 1000 / (ns / 1000000)))
check "writers beside readers: no more than 1024 KiB/s" in_limit 1024 4
check "only they are delayed" same "$(delayed_vcpus "$pid" | xargs)" "0 1"
# How much more or less that is depends on who else has the machine's CPUs.
diag "reads a second: $read_before before, $read_after with the limit"
guest_end "$pid"

# Two guests at once, each with a limit of its own
guest slow --vcpus 2
slow=$pid
guest fast --vcpus 2
fast=$pid
for name in slow fast; do
	guest_do $name log-on
	guest_do $name go
done
lparctl throttle attach "$slow" --limit 1M
lparctl throttle attach "$fast" --limit 2M
measure fast $SECONDS_EACH
check "two guests: one has its limit" in_limit 2048 2
check "and uses it" uses_limit 2048
measure slow $SECONDS_EACH
check "the other has its own" in_limit 1024 2
check "and uses it" uses_limit 1024
guest_end "$slow"
guest_end "$fast"
