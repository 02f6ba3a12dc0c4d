#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# LPAR memory: where it comes from, who may have it, what is in it, and that it
# comes back.
# vm: cpus=4 nodes=2 mem=1536 disks=64M timeout=360 kernels=6.1,6.12,7.2,debug speed=quick long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

SIZE_MIB=64
# Other users of memory come and go while this runs.
NOISE_KIB=$((20 << 10))

# Rounded down to 2 MiB.
node_total_mib() {
	awk '/MemTotal:/ { print int($4 / 2048) * 2 }' "/sys/devices/system/node/node$1/meminfo"
}

# fell NODE FROM_KIB BY_KIB: free memory of the node fell by so much, roughly
fell() {
	local by=$(($2 - $(free_kib "$1")))

	[ $by -gt $(($3 - NOISE_KIB)) ] && [ $by -lt $(($3 + NOISE_KIB)) ] && return 0
	echo "# node $1 lost $by KiB, expected $3"
	return 1
}

# back NODE FROM_KIB: what the node had free, it has free again
back() {
	below $(($2 - $(free_kib "$1"))) $NOISE_KIB
}

# gained NODE FROM_KIB BY_KIB: the reverse of fell
gained() {
	fell "$1" "$2" "-$3"
}

# hold NAME BYTE: starts a holder, its id is in $pid.
hold() {
	start memtool hold "/dev/lpar/$1" "$2" >"$scratch/hold"
	wait_until 20 grep -q held "$scratch/hold"
}

# Activates p, which was filled before, and deactivates it: the CPUs on which threads of the
# module have taken its memory are $1.
taken_on() {
	local cpus

	: >"$tracing/trace"
	lparcall activate p || return 1
	cpus=$(sed -n 's/.*lpar_crew.*\[0*\([0-9][0-9]*\)\].*mm_page_alloc.*/\1/p' \
		"$tracing/trace" | sort -u | xargs)
	lparcall deactivate p
	same "$cpus" "$1"
}

# Both at a time; which one is active is $winner, the other is $loser.
activate_two() {
	local first second

	lparcall activate "$1" 2>"$scratch/$1" &
	first=$!
	lparcall activate "$2" 2>"$scratch/$2" &
	second=$!
	winner='' loser=$2
	wait $first && winner=$1
	if wait $second; then
		[ -z "$winner" ] || return 1
		winner=$2 loser=$1
	fi
	[ -n "$winner" ]
}

activated_or_not() {
	lparcall activate "$1" || is "$1" state defined
}

plan 94
load lpar
events=$scratch/events
listen "$events"
disk=$(disk 1)

# Before and without
lparcall create a memory ${SIZE_MIB}M node 1
lparcall create none
lparcall activate none
check "there when defined" test -c /dev/lpar/a
refused_open() {
	same "$(memtool open "/dev/lpar/$2" 2>&1 | cut -d: -f1)" "$1"
}
check "no memory when defined" refused_open ENXIO a
check "no memory when it has none" refused_open ENXIO none

# From its node, zeroed
memtool dirty 400
free_0=$(free_kib 0)
free_1=$(free_kib 1)
check "activate" lparcall activate a
check "the memory is from node 1" fell 1 "$free_1" $((SIZE_MIB << 10))
check "not from node 0" fell 0 "$free_0" 0
check "sysfs: node" is a node 1
check "sysfs: memory" is a memory $((SIZE_MIB << 20))
check "sysfs: all in large pieces" is a memory_small 0
check "its size by lseek" same "$(memtool size /dev/lpar/a)" $((SIZE_MIB << 20))
check "zero at first" memtool zero /dev/lpar/a
check "mapped in large pieces" same "$(memtool pmd /dev/lpar/a)" $((SIZE_MIB << 10))
check "zero after somebody filled it" memtool zero /dev/lpar/a

# What can be done with it, and what cannot
check_fails "private mapping" memtool map /dev/lpar/a 0 $((2 << 20)) private
check "the refusal is EINVAL" says ^EINVAL memtool map /dev/lpar/a 0 4096 private
check "a part" memtool map /dev/lpar/a $((2 << 20)) 4096 shared
check_fails "behind the end" memtool map /dev/lpar/a $((SIZE_MIB << 20)) 4096 shared
check_fails "across the end" memtool map /dev/lpar/a $(((SIZE_MIB - 2) << 20)) $((4 << 20)) shared
check_fails "far behind the end" memtool map /dev/lpar/a 0x7ffffffffffff000 4096 shared
check "no read, write or truncate" memtool rw /dev/lpar/a
check "unmap, map and protect pieces of a large piece" memtool partial /dev/lpar/a
check "madvise as QEMU does, and worse" memtool advise /dev/lpar/a
check "O_DIRECT to and from a disk" memtool direct /dev/lpar/a "$disk"
check "a page that a pipe pins is not given on" memtool pinned /dev/lpar/a
check "zero afterwards" memtool zero /dev/lpar/a
check "a forked child has no part" memtool fork /dev/lpar/a
check "nor has a process that is given the file" memtool others /dev/lpar/a
check "nor has one that comes to be where the holder was" memtool abandoned /dev/lpar/a

# One holder
check "hold" hold a 0x5a
holder=$pid
check "sysfs: holder" is a holder "$holder"
check "event" event "$events" memory-held 'name="a"' "pid=$holder"
check "another one is refused" refused_open EBUSY a
refused EBUSY "deactivate while held" lparcall deactivate a
check "still active" is a state active
free_1=$(free_kib 1)
stop "$holder"
check "kill -9 frees it for others" wait_until 5 is a holder ""
check "event" event "$events" memory-released 'name="a"'
check "it stays the LPAR's" fell 1 "$free_1" 0
check "zero for the next" memtool zero /dev/lpar/a

# A user of its own
lparcall deactivate a
lparcall set a owner_uid 65534 owner_gid 65534
lparcall activate a
check "its owner can hold it" setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$(command -v memtool)" zero /dev/lpar/a
check_fails "another user cannot" setpriv --reuid 1 --regid 1 --clear-groups \
	"$(command -v memtool)" zero /dev/lpar/a
lparcall deactivate a
lparcall set a owner_uid 0 owner_gid 0

# Given back
free_1=$(free_kib 1)
lparcall activate a
hold a 0x5a
stop "$pid"
check "deactivate" deactivate_soon a
check "the memory is back" wait_until 30 back 1 "$free_1"
check "none to be had" refused_open ENXIO a

# By force
lparcall activate a
hold a 0x5a
holder=$pid
check "force" lparcall deactivate a force
check "defined" is a state defined
check "the holder lives" kill -0 "$holder"
check "it keeps the memory" fell 1 "$free_1" $((SIZE_MIB << 10))
check "nobody else gets it" refused_open ENXIO a
check "the LPAR can be deleted" lparcall delete a
stop "$holder"
check "the memory is back when the holder is gone" wait_until 30 back 1 "$free_1"

# A page of a former holder stays pinned
make n memory ${SIZE_MIB}M node 1
start memtool pin /dev/lpar/n >"$scratch/pin"
pinner=$pid
check "somebody has a page in a pipe" wait_until 20 grep -q pinned "$scratch/pin"
try_open() {
	same "$(memtool try "/dev/lpar/$2" 2>&1 | cut -d: -f1)" "$1"
}
check "who cannot wait for it is refused" try_open EAGAIN n
check "sysfs: what is left of it" wait_until 10 is n memory_left $((2 << 20))
check "which is shown" says "pinned for a former holder 2M," lparctl show n
check "and is a problem" says "still pinned for a former holder" lparctl check n
lparcall deactivate n
check "nothing but its piece is kept" wait_until 30 back 1 "$free_1"
check "the LPAR gets other memory" lparcall activate n
check "of which none is left" is n memory_left 0
check "and nothing is taken away" below "$(memtool faults /dev/lpar/n 1)" 10
stop "$pinner"
check "deactivate" deactivate_soon n
check "all memory is back" wait_until 30 back 1 "$free_1"
lparcall delete n

# A copy of the node of a former owner, whose file is open yet
make d memory ${SIZE_MIB}M node 1
mknod "$scratch/copy" c "$(stat -c '0x%t' /dev/lpar/d)" "$(stat -c '0x%T' /dev/lpar/d)"
start memtool hold "$scratch/copy" 0x5a >"$scratch/hold"
check "is held" wait_until 20 grep -q held "$scratch/hold"
lparcall deactivate d force
lparcall set d owner_uid 1000
lparcall activate d
check "there is a next owner" is d state active
check "whose memory it is not" same "$(memtool try "$scratch/copy" 2>&1 | cut -d: -f1)" ENXIO
free_1=$(free_kib 1)
stop "$pid"
check "its memory goes" wait_until 30 gained 1 "$free_1" $((SIZE_MIB << 10))
check_fails "of which nobody is told: it is the LPAR's no more" \
	line_with "$events" event=memory-released 'name="d"'
unmake d

# Memory that is being zeroed, on CPUs that become another LPAR's meanwhile
make p memory 400M node 1
hold p 0x5a
stop "$pid"
make q cpus 2,3
most=0 times=0
while try_open EAGAIN p >/dev/null; do
	left=$(value p memory_left)
	most=$((left > most ? left : most)) times=$((times + 1))
done
diag "seen $times times while it was zeroed"
check "what is not zeroed yet is not told of as pinned" same $most 0
data check "zero for the next" memtool zero /dev/lpar/p
unmake q
unmake p

# The next owner of the same memory
make b memory ${SIZE_MIB}M node 1
hold b 0x77
stop "$pid"
unmake b
make c memory ${SIZE_MIB}M node 1
check "zero for another LPAR" memtool zero /dev/lpar/c
unmake c

# More than there is
free_0=$(free_kib 0)
free_1=$(free_kib 1)
refused ENOMEM "more than the node has" make huge memory 4G node 1
lparcall create big memory "$(node_total_mib 1)M" node 1
refused ENOMEM "more than can be free on the node" lparcall activate big
check "defined" is big state defined
check "nothing is lost" wait_until 30 back 1 "$free_1"
check "not from the other node" back 0 "$free_0"
lparcall set big memory $(((free_1 >> 11 << 1) - 8))M node 1
check "nearly all there is: done or refused" activated_or_not big
check_fails "and no process had to die for it" says "Out of memory" dmesg
lparcall deactivate big
check "nothing is lost" wait_until 30 back 1 "$free_1"

# Two that are more than the node has together
free_1=$(free_kib 1)
half=$(((free_1 * 6 / 10) >> 11 << 1))
lparcall create x memory ${half}M node 1
lparcall create y memory ${half}M node 1
check "two at a time: one is activated" activate_two x y
check "the other is not" is "$loser" state defined
check "and told why" says "^ENOMEM: " cat "$scratch/$loser"
check_fails "no process had to die for it" says "Out of memory" dmesg
lparcall deactivate "$winner"
check "nothing is lost" wait_until 30 back 1 "$free_1"

# By several CPUs of the node, not by those of another LPAR
tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
echo 'order == 9' >$tracing/events/kmem/mm_page_alloc/filter
echo 1 >$tracing/events/kmem/mm_page_alloc/enable
memtool dirty 600
lparcall create p memory 300M node 1
check "taken on all CPUs of the node" wait_until 60 taken_on "2 3"
make q cpus 3
check "not on another LPAR's" taken_on 2
unmake q
lparcall set p cpus 3
check "but on its own" wait_until 60 taken_on "2 3"
echo 0 >$tracing/events/kmem/mm_page_alloc/enable
lparcall activate p
data check "zero, whoever has taken it" memtool zero /dev/lpar/p
unmake p

# No 2 MiB in one piece: 4 KiB pages, or a refusal
start taskset -c 2 memtool fragment 500 >"$scratch/fragment"
fragments=$pid
wait_until 20 grep -q held "$scratch/fragment"
lparcall create small memory 300M node 1 pages large
refused ENOMEM "a fragmented node, and large pages are asked for" lparcall activate small
check "which is shown" is small pages large
lparcall set small pages any
check "a fragmented node: done or refused" activated_or_not small
echo "# $(value small state), $(value small memory_small) bytes in small pages"
if is small state active; then
	check "small pages: zero" memtool zero /dev/lpar/small
	check "small pages: unmap, map and protect" memtool partial /dev/lpar/small
	check "small pages: O_DIRECT" memtool direct /dev/lpar/small "$disk"
else
	skip "small pages: zero" "refused"
	skip "small pages: unmap, map and protect" "refused"
	skip "small pages: O_DIRECT" "refused"
fi
lparcall deactivate small force
stop "$fragments"

# A guest
make g memory 4M
modprobe kvm_amd
vm guest --mem /dev/lpar/g
check "a guest runs in it" watch move guest 10000
check "and writes to it" test "$(vm_do guest ram)" -gt 0
