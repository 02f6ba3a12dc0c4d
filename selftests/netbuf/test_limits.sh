#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Limits and what happens beyond them, filters, events, files in sysfs.
# vm: cpus=2 mem=1024 timeout=300 speed=quick long=6.1,6.12,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

refill() {
	lparctl netbuf flush v0
	lparctl netbuf set v0 "$@"
	lparctl netbuf hold v0
}

# put FILE VALUE
put() {
	echo "$2" >"/sys/class/net/v0/netbuf/$1"
}

# shown KEY: of lparctl netbuf show
shown() {
	lparctl -j netbuf show v0 | jq_value "$1"
}

# jq_value KEY: of the first object on stdin; nested keys are joined by a dot
jq_value() {
	/usr/bin/python3 -c '
import json, sys
value = json.load(sys.stdin)[0]
for key in sys.argv[1].split("."):
    value = value[key]
print(value)' "$1"
}

load netbuf
make_veth

# Attach with all settings
check "attached with settings" lparctl netbuf attach v0 --lpar web --limit-frames 100 \
	--limit-bytes 1M --policy head-drop --high-water 50 --filter 'udp or arp' --unmatched drop
check "limit_frames" is v0 limit_frames 100
check "limit_bytes" is v0 limit_bytes 1048576
check "policy" is v0 policy head-drop
check "high_water" is v0 high_water 50
check "lpar" is v0 lpar web
check "the filter is shown" same "$(shown filter)" "udp or arp"
refused "already" "attached twice" lparctl netbuf attach v0
refused "no such netdev" "no netdev" lparctl netbuf attach nothing
refused "pcap-filter" "a filter that is none" lparctl netbuf set v0 --filter 'udp or'
refused "at least 1" "no frames at all" lparctl netbuf set v0 --limit-frames 0
check "none of it has changed anything" is v0 limit_frames 100

# Policies
events=$scratch/events
listen "$events"
refill --policy tail-drop --filter ''
to_guest 0 150
check "tail-drop: as many as the limit" is v0 txpcnt 100
check "the others are dropped and counted" is v0 dropped_limit 50
check "event: high-water" event "$events" high-water
check "event: drop" event "$events" drop
check "event: state" event "$events" state
check "one event for many drops" same "$(grep -c '"event":"drop"' "$events")" 1
expect_in_guest 100
lparctl netbuf drain v0
data check "the oldest were kept" came_to_guest

refill --policy head-drop
to_guest 0 50
to_guest 0 100
check "head-drop: as many as the limit" is v0 txpcnt 100
check "the oldest are dropped and counted" is v0 dropped_limit 100
expect_in_guest 100
lparctl netbuf drain v0
data check "the newest were kept" came_to_guest

refill --policy pass
to_guest 100 100
expect_in_guest 200
to_guest 0 100
check "pass: those beyond the limit go by" is v0 passed_limit 100
lparctl netbuf drain v0
data check "and are first" came_to_guest

refill --policy tail-drop --limit-frames 100000 --limit-bytes 20000
to_guest 0 100
check "the limit in bytes is kept" test "$(netbuf v0 bytes)" -le 20000
check "by dropping frames" test "$(netbuf v0 txpcnt)" -lt 100
check "more than a few fit" test "$(netbuf v0 txpcnt)" -gt 5
check "the peak is noted" test "$(netbuf v0 peak_bytes)" -ge "$(netbuf v0 bytes)"

# Filters: frames of the test are UDP
refill --limit-bytes 1M --filter 'tcp or arp' --unmatched pass
expect_in_guest 20
expect_on_host 20
to_guest 0 20
to_host 0 20
data check "not chosen, pass: it goes by" came_to_guest
data check "not chosen, pass: from the guest too" came_to_host
lparctl netbuf set v0 --unmatched drop
to_guest 0 20
to_host 0 20
check "not chosen, drop: dropped and counted" is v0 dropped_filter 40
lparctl netbuf set v0 --filter "udp port $port and ether[0] & 1 = 0"
to_guest 0 20
to_host 0 30
check "chosen towards the guest" is v0 txpcnt 20
check "chosen from the guest: the filter sees the same header" is v0 rxpcnt 30
lparctl netbuf set v0 --filter ''
to_guest 20 5
check "no filter: all" is v0 txpcnt 25

# sysfs
check "echo drain" put state drain
check "passes" wait_until 10 is v0 state pass
check "echo hold" put state hold
check "holds" is v0 state hold
check_fails "pass is no order" put state pass
check_fails "nor is nonsense" put state nonsense
check "limit_frames can be written" put limit_frames 7
check "and has an effect" same "$(shown limit_frames)" 7
check_fails "not 0" put limit_frames 0
check_fails "high_water is at most 100" put high_water 101
check "policy can be written" put policy pass
check "and has an effect" same "$(shown policy)" pass
for file in state limit_frames; do
	check_fails "nobody may write $file" setpriv --reuid 65534 --clear-groups \
		sh -c "echo hold >/sys/class/net/v0/netbuf/$file"
done

# Zero copy
lparctl netbuf drain v0
refill --copy no --limit-frames 10000 --limit-bytes 100M
expect_in_guest 2000
expect_on_host 2000
to_guest 0 2000 1400
to_host 0 2000 1400
check "held without a copy" is v0 txpcnt 2000
check "drained" lparctl netbuf drain v0
data check "towards the guest: in order, intact" came_to_guest
data check "from the guest: in order, intact" came_to_host

lparctl netbuf hold v0
to_guest 0 1
refused "drain it first" "detach while frames are held" lparctl netbuf detach v0
check "detach --force" lparctl netbuf detach v0 --force
check "event: detached" event "$events" detached
