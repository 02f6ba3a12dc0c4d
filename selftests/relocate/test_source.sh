#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# relocate-source: counts what is read, fades, and hands over.
# vm: cpus=2 mem=768 disks=8M,4M,8M timeout=120 here speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

src=/dev/mapper/src

hot() {
	dmsetup message src 0 hot
}

times() {
	local i

	for ((i = 0; i < $1; i++)); do "${@:2}"; done
}

is_written() {
	[ "$(statistic $src 7)" -gt 8 ]
}

in_flight() {
	[ "$(statistic $src 9)" -gt 0 ]
}

# sleep_in_kernel PID...
sleep_in_kernel() {
	local pid

	for pid in "$@"; do
		[ "$(cut -d ' ' -f 3 "/proc/$pid/stat")" = D ] || return 1
	done
}

plan 23
check "a disk that counts" dmsetup create src --table "0 $(sectors "$near") relocate-source $near"
check_is "nothing was read" "$(hot)" ""
times 20 kib $src 1024 4
times 5 kib $src 4096 4
fill $src 101 2048 4
# Two CPUs at once may count as one, and a minute may end meanwhile.
check "the first is the hottest" test "$(hot | sort -k 3nr | head -1 | cut -d ' ' -f 1,2)" = "2048 2048"
check_is "what is written is not counted" "$(hot | cut -d ' ' -f 1 | sort -n | tr '\n' ,)" 2048,8192,
weight=$(hot | sort -k 3nr | head -1 | cut -d ' ' -f 3)
check "weights are reads" test "$weight" -gt 5 -a "$weight" -le 20
data check "it is the disk below" same $src "$near" 0 8192
check "forget" message src forget
check_is "nothing is known" "$(hot)" ""

fio --name=w --filename=$src --direct=1 --rw=randwrite --bs=4k --ioengine=libaio --iodepth=16 \
	--time_based --runtime=30 --offset=4m --size=2m --output=/dev/null 2>/dev/null &
load=$!
wait_until 30 is_written
check "the hand-over" message src handover
check_is "is said" "$(status_word src 1)" handed-over
before=$(sum "$near")
check_fails "nobody writes" fill $src 102 0 4
check_fails "nor discards" blkdiscard -o 0 -l 4096 $src
check_fails "nor by an ioctl" sg_inq $src
kill $load 2>/dev/null
wait $load 2>/dev/null
data check_is "the disk stays as it was" "$(sum "$near")" "$before"
check "it is read" kib $src 0 4
check "it is taken back" message src return
check "and written again" fill $src 102 0 4
check_fails "no other message" message src frobnicate
dmsetup remove src

# Two hand-overs wait for a write; one of them is killed.
dmsetup create src --table "0 $(sectors "$near") relocate-source $far"
hang_far
fill $src 103 0 4 &
load=$!
wait_until 30 in_flight
dmsetup message src 0 handover &
first=$!
dmsetup message src 0 handover &
second=$!
wait_until 30 sleep_in_kernel $first $second
kill -KILL $first
wait $first
dmsetup resume far
check "one hand-over is killed, the other one succeeds" wait $second
check_is "and holds" "$(status_word src 1)" handed-over
wait $load
check_fails "nobody writes" fill $src 104 0 4
dmsetup remove src

dmsetup create big --table "0 $((1 << 33)) zero"
check "a large disk" dmsetup create src --table "0 $((1 << 33)) relocate-source /dev/mapper/big"
check_is "has larger regions" "$(status_word src 2)" 4096
dmsetup remove src
dmsetup remove big
