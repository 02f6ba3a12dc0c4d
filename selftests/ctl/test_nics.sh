#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# MAC addresses that lparctl makes: what QEMU gives to the guest is the guest's own, on this
# host and no other, at every start, and goes with it when it is saved.
# vm: none timeout=300
if [ -z "$IN_NAMESPACE" ] && unshare -n true 2>/dev/null && [ -w /dev/net/tun ]; then
	# shellcheck disable=SC2016 # expanded by the other shell
	IN_NAMESPACE=1 exec unshare -n -m bash -c 'mount -t sysfs sysfs /sys; exec "$0"' "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs taps, and so root"

plan 32

# macs HOST GUEST: those that its NICs have, by netdev
macs() {
	qmp "$1" "$2" query-rx-filter | json "*[r['main-mac'] for r in j]"
}

# restarted HOST GUEST: its MACs after another start
restarted() {
	on "$1" stop "$2" --timeout 0 >/dev/null
	on "$1" start "$2" >/dev/null
	macs "$1" "$2"
}

# machine HOST ID
machine() {
	echo "$2" >"$scratch/$1/root/etc/machine-id"
}

# its_own MAC...: each is local and unicast, and none comes twice
its_own() {
	local mac

	for mac in "$@"; do
		[[ $mac =~ ^.[26ae](:[0-9a-f]{2}){5}$ ]] || { echo "# $mac"; return 1; }
	done
	same "$(printf '%s\n' "$@" | sort -u | wc -l)" $#
}

for tap in ta tb tc; do
	ip tuntap add $tap mode tap
	ip link set $tap up
done
host_up a
host_up b
machine a 0123456789abcdef0123456789abcdef
machine b 0123456789abcdef0123456789abcdee

# One guest, its restarts and its neighbours
describe a g net=ta net=tb,mac=02:12:34:56:78:9A
check "start" says 0 "^g: NIC at tb has MAC 02:12:34:56:78:9a" on a start g
said=$(sed -n 's/^g: NIC at ta has MAC //p' "$scratch/out")
read -r first second < <(macs a g)
check "its own" its_own "$first"
check "which it was told" same "$first" "$said"
check "a given one" same "$second" 02:12:34:56:78:9a
check "both are on record" same "$(grep ^net= "$(run_of a g)/lpar.conf" | tail -n 2 | xargs)" \
	"net=ta,mac=$first net=tb,mac=$second"
check "another start" same "$(restarted a g)" "$first $second"
describe a g net=tb net=ta
read -r other again < <(restarted a g)
check "another order" same "$again" "$first"
check "another netdev" its_own "$first" "$other"
on a stop g --timeout 0 >/dev/null
describe a h net=ta
on a start h >/dev/null
check "another LPAR" its_own "$first" "$other" "$(macs a h)"
check "says JSON" same "$(restarted a h >/dev/null; on a stop h --timeout 0 >/dev/null
	on a -j start h | json "j['nics'][0]['netdev']")" ta
neighbour=$(macs a h)
on a stop h --timeout 0 >/dev/null
describe b g net=ta
on b start g >/dev/null
check "another machine" its_own "$first" "$other" "$neighbour" "$(macs b g)"
on b stop g --timeout 0 >/dev/null

# Saved, and restored on a machine that would make another one
describe a g net=ta
on a start g >/dev/null
check "as before" same "$(macs a g)" "$first"
check "save" exits 0 lparctl cluster save one --dir "$scratch/states" --via "$scratch/via" --hosts a --lpar g
machine a 00000000000000000000000000000001
check "restore" exits 0 lparctl cluster restore one --dir "$scratch/states" --via "$scratch/via"
check "it keeps its own" same "$(macs a g)" "$first"
check "one that starts anew is this machine's" its_own "$first" "$(restarted a g)"
on a stop g --timeout 0 >/dev/null

# A machine without a name
for id in "" uninitialized 0123 0123456789abcdef0123456789abcdef0; do
	machine a "$id"
	check "machine-id '$id'" says 1 "machine-id does not name this machine" on a start g
done
check "nothing has begun" only_log a g
describe a g net=ta,mac=02:12:34:56:78:9a
check "a given MAC needs none" exits 0 on a start g
on a stop g --timeout 0 >/dev/null

# What is wrong with a description
describe a g net=td,mac=02:12:34:56:78:9a
check "no such netdev" says 1 "net td: no such netdev: make it by 'ip tuntap add td mode tap user root'" on a start g
check "none is made" test ! -e /sys/class/net/td
wrong() {
	describe a g "${@:2}"
	says 1 "$1" on a start g
}
check "a group's MAC" wrong "has no ,mac=MAC" net=ta,mac=03:12:34:56:78:9a
check "half a MAC" wrong "has no ,mac=MAC" net=ta,mac=02:12:34:56:78
check "an option of QEMU's" wrong "has no ,mac=MAC" net=ta,script=/bin/sh
check "a path" wrong "is not the name of a netdev" net=../ta
check "twice the same netdev" wrong "is there twice" net=ta net=ta
check "twice the same MAC" wrong "has the MAC of another" net=ta,mac=02:12:34:56:78:9a net=tb,mac=02:12:34:56:78:9a
describe a g net=ta net= net=tb
describe a h net=tb,mac=02:12:34:56:78:9a
check "a list that is emptied" says 3 "netdev tb is also in LPAR h" on a check g
check "and no more of it" same "$(grep -c netdev "$scratch/out")" 1
