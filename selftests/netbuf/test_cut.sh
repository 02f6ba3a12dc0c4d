#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cut: eight netdevs of an LPAR hold at one instant, and drain at another.
# vm: cpus=2 mem=1024 timeout=600 speed=full long=6.1,7.2,debug
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

NETDEVS=8
# Of the gate. To look at what is held until then takes the debug kernel a while.
[ "$LPARKIT_KERNEL" = debug ] && timeout_s=60 || timeout_s=10

# all_are STATE
all_are() {
	local i

	for ((i = 1; i <= NETDEVS; i++)); do
		is "n$i" state "$1" || return 1
	done
}

# cut WORD...: waits until it has fired; its report is $report.
cut() {
	report=$(lparctl -j cut --at now --lpar web "$@") && return
	echo "# $report"
	return 1
}

# of REPORT-EXPRESSION: in Python, r is the report, p the points of netbuf
of() {
	/usr/bin/python3 -c '
import json, sys
r = json.loads(sys.argv[1])
p = [x for x in r["points"] if x["kind"] == "netbuf"]
print(eval(sys.argv[2]))' "$report" "$1"
}

load netbuf
make_veth
lparctl create web cpus 1 gate-timeout 1h
lparctl activate web
lparctl netbuf attach v0 --lpar other
for ((i = 1; i <= NETDEVS; i++)); do
	ip link add n$i type veth peer name m$i
	ip link set n$i up
	ip link set m$i up
	lparctl netbuf attach n$i --lpar web || bail "not attached"
done

check "cut" cut
check "$NETDEVS netdevs took part" same "$(of 'len(p)')" $NETDEVS
check "without an error" same "$(of 'sum(x["error"] for x in p)')" 0
check "each with its own time" same "$(of 'len({x["name"] for x in p})')" $NETDEVS
check "after the deadline" same "$(of 'all(x["latency_ns"] >= 0 for x in p)')" True
check "one after the other" same \
	"$(of '[x["fired_ns"] for x in p] == sorted(x["fired_ns"] for x in p)')" True
check "the skew is that of the report" same \
	"$(of 'max(x["fired_ns"] for x in p) - min(x["fired_ns"] for x in p) <= r["skew_ns"]')" True
diag "skew over $NETDEVS netdevs and a gate: $(of 'r["skew_ns"]') ns"
check "before the gate" same "$(of '[x["kind"] for x in r["points"]][-1]')" gate
check "all hold" all_are hold
check "those of other LPARs do not" is v0 state pass

check "open" cut --action open
check "in reverse: the gate first" same \
	"$(of 'all(r["points"][-1]["fired_ns"] <= x["fired_ns"] for x in p)')" True
check "all pass soon" wait_until 10 all_are pass

# Whoever made the cut is gone: the guest goes on by its gate's time-out, and so do its frames
others_are() {
	local i

	for ((i = 2; i <= NETDEVS; i++)); do
		is "n$i" state "$1" || return 1
	done
}
echo "${timeout_s}000" >/sys/class/lpar/web/gate_timeout_ms
lparctl netbuf hold n1
check "cut" cut
lparctl thaw web
check "cut while they hold, by a former cut" cut
check "all hold" all_are hold
check "the time-out lets go what the cut held" wait_until $((timeout_s + 50)) others_are pass
check "not what was held before" is n1 state hold
lparctl netbuf drain n1
check "cut" cut
lparctl netbuf hold n2
check "the time-out lets go" wait_until $((timeout_s + 50)) is n1 state pass
check "not what somebody has held since" is n2 state hold
lparctl netbuf drain n2
check "all pass soon" wait_until 10 all_are pass
lparctl freeze web
lparctl cut --at now --lpar web --no-wait
check "a cut of a gate that is closed: all hold" wait_until $((timeout_s - 1)) all_are hold
check "the time-out of the gate lets go what the cut held" wait_until $((timeout_s + 50)) all_are pass
echo 3600000 >/sys/class/lpar/web/gate_timeout_ms

# No time-out comes after a deactivation by force, although the guest lives on
lparctl netbuf hold n1
check "cut" cut
check "all hold" all_are hold
check "deactivated by force" lparctl deactivate web --force
check "which lets go what the cut held" wait_until 10 others_are pass
check "not what was held before" is n1 state hold
lparctl netbuf drain n1
check "all pass soon" wait_until 10 all_are pass
lparctl activate web

# A netdev goes while a cut is armed
check "armed" lparctl cut --at +600s --lpar web --no-wait
check_fails "the module is in use" rmmod netbuf
ip link del n8
id=$(lparctl -j cut list | /usr/bin/python3 -c '
import json, sys
print([c["id"] for c in json.load(sys.stdin) if c["state"] == "armed"][0])')
check "cancelled" lparctl cut cancel "$id"
NETDEVS=7
check "none holds" all_are pass

lparctl cut --at +3s --lpar web --no-wait
ip link del n7
NETDEVS=6
check "cut with one netdev gone: the others hold" wait_until 20 all_are hold
fired() {
	report=$(lparctl -j cut list | /usr/bin/python3 -c '
import json, sys
print(json.dumps([c for c in json.load(sys.stdin)][-1]))')
	same "$(of 'r["state"]')" fired
}
check "fired" wait_until 10 fired
check "the report tells which" same "$(of '[x["name"] for x in p if x["error"]]')" "['n7']"
lparctl thaw web
for ((i = 1; i <= NETDEVS; i++)); do
	lparctl netbuf detach n$i --force
done
lparctl netbuf detach v0
lparctl deactivate web
lparctl delete web
check "the module can be unloaded" unload netbuf
