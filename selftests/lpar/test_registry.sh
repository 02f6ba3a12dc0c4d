#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The registry: names, what each resource may be, sysfs, poll, events.
# vm: cpus=6 threads=2 mem=1024 disks=64M timeout=240 kernels=6.1,6.12,7.2,debug speed=quick long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

plan 82
load lpar
disk=$(disk 1)
longest=abcdefghijklmnopqrstuvwxyz.-_09
events=$scratch/events
listen "$events"

# Names
check "create" lparcall create a cpus 2-3 memory 4M disk "$disk"
check "the longest name, each kind of character" lparcall create "$longest"
check "list shows both" same "$(lparcall list | grep -c ' name=')" 2
refused EEXIST "duplicate name" lparcall create a
refused ENOENT "get an unknown name" lparcall get nobody
refused ENOENT "set an unknown name" lparcall set nobody memory 2M
refused ENOENT "delete an unknown name" lparcall delete nobody
refused ENOENT "activate an unknown name" lparcall activate nobody
refused ENOENT "gate of an unknown name" lparcall gate-close nobody
for name in "" . .. A a/b "a b" ../a ü --force "${longest}x"; do
	check_fails "name \"$name\"" lparcall create "$name"
done
check_fails "no name at all" lparcall create
check "delete" lparcall delete "$longest"
check_fails "its directory is gone" test -e "/sys/class/lpar/$longest"
check_fails "its device is gone" test -e "/dev/lpar/$longest"

# CPUs of b, while a has 2-3
refused EINVAL "CPU 0" lparcall create b cpus 0-1
refused EINVAL "half a core" lparcall create b cpus 4
refused EINVAL "half a core, sibling of CPU 0" lparcall create b cpus 1
refused EINVAL "CPU that does not exist" lparcall create b cpus 64-65
refused EINVAL "list that ends early" lparcall create b cpus 4-
refused EINVAL "list of letters" lparcall create b cpus four
refused EBUSY "CPUs of another LPAR" lparcall create b cpus 2-5
check_fails "nothing of b is left" test -e /sys/class/lpar/b

# An offline CPU
echo 0 >/sys/devices/system/cpu/cpu5/online
refused EINVAL "offline CPU" lparcall create b cpus 4-5
echo 1 >/sys/devices/system/cpu/cpu5/online

# Memory, node, disks, time-out
refused EINVAL "memory that is no multiple of 2 MiB" lparcall create b memory 3M
refused EINVAL "node that does not exist" lparcall create b memory 2M node 7
check_fails "node -2" lparcall create b memory 2M node -2
refused ENXIO "disk that is a character device" lparcall create b disk /dev/null
refused ENXIO "disk that is a directory" lparcall create b disk /tmp
check_fails "disk that does not exist" lparcall create b disk /dev/nothing
refused EBUSY "disk of another LPAR" lparcall create b disk "$disk"
ln -s "$disk" "$scratch/alias"
refused EBUSY "the same disk by another name" lparcall create b disk "$scratch/alias"
check_fails "the same disk twice" lparcall create b disk "$disk" disk "$disk"
check_fails "gate time-out of zero" lparcall create b gate_timeout_ms 0
check_fails "gate time-out of two hours" lparcall create b gate_timeout_ms 7200000
check_fails "nothing of b is left" test -e /sys/class/lpar/b

# What sysfs shows
check "sysfs: state" is a state defined
check "sysfs: cpus" is a cpus 2-3
check "sysfs: memory" is a memory $((4 << 20))
check "sysfs: disks" is a disks "$disk"
check "sysfs: gate" is a gate open
check "sysfs: members" is a members ""
check "sysfs: holder" is a holder ""
check "sysfs: violations" is a violations 0
check "sysfs: reason" is a reason ""
check "sysfs: time-out" is a gate_timeout_ms 30000
check "sysfs: time-out is writable" put a gate_timeout_ms 5000
check "sysfs: and kept" is a gate_timeout_ms 5000
check_fails "sysfs: time-out of zero" put a gate_timeout_ms 0
check_fails "sysfs: nonsense for the gate" put a gate ajar
check "the device is private" same "$(stat -c %a:%u:%g /dev/lpar/a)" 600:0:0

# set and the life cycle
check "set memory" lparcall set a memory 2M
check "set owner" lparcall set a owner_uid 1000 owner_gid 100
check "the device has the owner" same "$(stat -c %a:%u:%g /dev/lpar/a)" 600:1000:100
number=$(stat -c %t:%T /dev/lpar/a)
check "set another" lparcall set a owner_uid 1001
check_fails "which a node of the former one's is not" same "$(stat -c %t:%T /dev/lpar/a)" "$number"
check "set takes the disks away" lparcall set a disk ""
check "sysfs: no disk" is a disks ""
check "check finds nothing" same "$(lparcall check a | grep -c problem)" 0
check "and changes nothing" is a state defined

start sysfspoll /sys/class/lpar/a/state 10 >"$scratch/polled"
poller=$pid
wait_until 5 grep -q ready "$scratch/polled"
check "activate" lparcall activate a
check "poll wakes up" wait "$poller"
check "and shows the new state" grep -q active "$scratch/polled"
refused EBUSY "delete while active" lparcall delete a
refused EBUSY "set while active" lparcall set a memory 4M
refused EBUSY "activate twice" lparcall activate a
check "still active" is a state active
check "deactivate" lparcall deactivate a
check "deactivated" is a state defined
check "delete" lparcall delete a

# Each step was an event, in order and without a gap
check "event created" event "$events" created 'name="a"'
check "event state" event "$events" state 'name="a"'
check "event deleted" event "$events" deleted 'name="a"'
gap=$(sed -n 's/.* seq=\([0-9]*\).*/\1/p' "$events" |
	awk 'NR > 1 && $1 != last + 1 { print "after", last } { last = $1 }')
check "sequence numbers without a gap" same "$gap" ""
