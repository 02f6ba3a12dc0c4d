#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every verb of lparctl that needs the module but no guest.
# vm: cpus=6 threads=2 mem=1024 disks=64M timeout=300 kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 95
load lpar
disk=$(disk 1)
: "${disk:?no scratch disk}"

# column NAME N: of the table
column() {
	lparctl list | awk -v name="$1" -v n="$2" '$1 == name { print $n }'
}

# Create, list, show, set, delete
check "list of none" same "$(lparctl list | wc -l)" 1
check "JSON list of none" same "$(lparctl -j list)" "[]"
check "in another network namespace" says 1 "not the host's network namespace (run lparctl by 'nsenter" unshare -n lparctl list
check "create" exits 0 lparctl lpar create a cpus 2-3 memory 64M disk "$disk" gate-timeout 5s
check "create without resources" exits 0 lparctl create b
check "list" same "$(lparctl list | awk 'NR > 1 { print $1 }' | xargs)" "a b"
check "table" same "$(column a 2) $(column a 3) $(column a 4)" "defined 2-3 64M"
check "memory" is a memory 67108864
check "CPUs" is a cpus 2-3
check "disk" is a disks "$disk"
check "gate time-out" is a gate_timeout_ms 5000
lparctl -j show a >"$scratch/json"
check "JSON: scalars" same "$(json "j[0]['name'], j[0]['memory'], j[0]['node'], j[0]['holder']" \
	<"$scratch/json")" "a 67108864 -1 None"
check "JSON: lists" same "$(json "j[0]['disks'], j[0]['members']" <"$scratch/json")" \
	"['$disk'] []"
check "JSON: stage" same "$(json "j[0]['stage']" <"$scratch/json")" \
	"{'number': 0, 'text': '', 'progress': 0, 'transfer_rate': 0, 'dirty_bytes': 0}"
check "JSON: as many keys as the kernel has attributes, and its guest" same "$(json "len(j[0])" <"$scratch/json")" 26
check "show as text" says 0 "^a: defined" lparctl show a
check "show all" same "$(lparctl show | grep -c '^[a-z]')" 2
check "indented JSON" same "$(lparctl -p show a | json "j[0]['name']")" a
check "abbreviations" same "$(lparctl l sh a)" "$(lparctl lpar show a)"
check "duplicate" says 1 "^lparctl: LPAR \"*a\"*[: ]" lparctl create a
check "unknown" says 1 "^lparctl: LPAR \"*nobody\"*[: ]" lparctl show nobody
check "CPU 0" says 1 "^lparctl: LPAR \"*c\"*[: ].*CPU" lparctl create c cpus 0-1
check "overlap" says 1 "^lparctl: LPAR \"*c\"*[: ]" lparctl create c cpus 2-3
check "set" exits 0 lparctl set b memory 4M owner root:daemon node 0 disk ""
check "set: memory" is b memory 4194304
check "set: node" is b node 0
check "set: owner" same "$(lparctl -p show b | grep -c '"owner_[ug]id": [01],')" 2
check "owner of the device" same "$(stat -c %U:%G /dev/lpar/b)" root:daemon
check "a disk is taken out" exits 0 lparctl set a disk ""
check "and is gone" is a disks ""
check "delete" exits 0 lparctl delete b
check "deleted" says 1 "LPAR b" lparctl show b

# From an INI file
mkdir -p /etc/lparkit
printf '[lpar]\nmemory=2M\ngate-timeout=1s\n' >/etc/lparkit/b.lpar
check "create by the file of its name" exits 0 lparctl create b
check "the file counts" is b memory 2097152
cp /etc/lparkit/b.lpar "$scratch/c.lpar"
check "create by another file" exits 0 lparctl create -f "$scratch/c.lpar"
check "it has its name" is c gate_timeout_ms 1000
check "create by a file, with a name" exits 0 lparctl create d -f "$scratch/c.lpar"
check "delete several" exits 0 lparctl delete c d

# Check
check "check of what is fine" says 0 "^b: ok" lparctl check b
check "check of what has no file" says 0 "^a: ok" lparctl check a
check "check of what is unknown" exits 1 lparctl check nobody
check "more than the host has" says 1 "^lparctl: LPAR \"*b\"*[: ]" lparctl set b memory 512G
lparctl set b memory "$(awk '/^MemTotal/ { print int($2 / 2048) * 2 "M" }' /proc/meminfo)"
check "check finds what activate would" exits 3 lparctl check b
check "in JSON too" same "$(lparctl -j check b | json "len(j[0]['problems']) > 0")" True
check "activate refuses it" says 1 "^lparctl: LPAR \"*b\"*[: ]" lparctl activate b
lparctl set b memory 2M

# Activate with all that the host can do
check "activate --host" exits 0 lparctl activate a --host
cp "$scratch/out" "$scratch/said"
check "active" is a state active
check "interrupts were moved" grep -q "[1-9][0-9]* interrupts moved off CPUs 2-3" "$scratch/said"
irq=$(awk 'NR == 1 { print $1 }' /run/lparkit/a/irqs)
check "one of them" same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-1,4-5
check "activate twice" exits 1 lparctl activate a
check "once more with what the host can do: interrupts only" exits 0 lparctl activate a --host
check "each is noted once" same "$(cut -d' ' -f1 /run/lparkit/a/irqs | sort | uniq -d)" ""
check "delete while active" says 1 "^lparctl: LPAR \"*a\"*[: ]" lparctl delete a

# A second one, whose CPUs the first one's interrupts must not come back to
lparctl create e cpus 4-5
check "activate another" exits 0 lparctl activate e --host
check "its interrupts" same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-1

# Members
sleep 1000 &
pid=$!
check "member add" exits 0 lparctl member add a $pid
check "is a member" is a members "$pid"
check "is on the CPUs" same "$(taskset -pc $pid | sed 's/.*: //')" 2,3
check "is in the table" same "$(column a 7)" 1
check "deactivate with members" says 1 "^lparctl: LPAR \"*a\"*[: ]" lparctl deactivate a
check "member of another" exits 1 lparctl member add e $pid
check "member del" exits 0 lparctl member del a $pid
check "is no member" is a members ""
check "no such process" exits 1 lparctl member add a 4194303

# Grants
check "grant" exits 0 lparctl grant a $pid
check "has a grant" is a grants "$pid"
check "grants as text" says 0 "^  grants  *$pid$" lparctl show a
check "grants as JSON" same "$(lparctl -j show a | json "j[0]['grants']")" "[$pid]"
check "revoke is not abbreviated" exits 2 lparctl revok a $pid
check "revoke" exits 0 lparctl revoke a $pid
check "has none" is a grants ""
check "revoke what is none" exits 1 lparctl revoke a $pid

# Freeze, thaw, stages
check "freeze" says 0 "^a: frozen, 0 vCPUs" lparctl freeze a
check "frozen" is a gate closed
check "freeze what is frozen" exits 0 lparctl freeze a
check "thaw two" exits 0 lparctl thaw a e
check "thawed" is a gate open
check "freeze all or none" says 5 "thawed again" lparctl freeze a nobody
check "none" is a gate open
check "freeze for a while" exits 0 lparctl freeze a --timeout 200ms
check "it opens by itself" wait_until 5 is a gate open
check "stage" exits 0 lparctl stage a number 3 text "copy memory" progress 40 \
	transfer-rate 1G dirty 10M state migrating
check "stage is shown" says 0 "3 copy memory, 40 %" lparctl show a
check "stage in sysfs" same "$(cd /sys/class/lpar/a/stage && cat number text progress \
	transfer_rate dirty_bytes | xargs)" "3 copy memory 40 1073741824 10485760"
check "state" is a state migrating
check "back to active" exits 0 lparctl stage a number 0 text "" state active

# Deactivate in the order of activation: not the reverse
check "deactivate" exits 0 lparctl deactivate a
check "interrupts are not on the other's CPUs" \
	same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-3
lparctl member add e $pid
check "deactivate --force" exits 0 lparctl deactivate e --force
check "interrupts are as at first" same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-5
kill $pid

# Who may do what
as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}
check "anybody may list" as_nobody lparctl list
check "only root may create" says 1 "root" as_nobody lparctl create f
check "only root may activate" exits 1 as_nobody lparctl activate a
check "only root may delete" exits 1 as_nobody lparctl delete a
check "delete all" exits 0 lparctl delete a b e
