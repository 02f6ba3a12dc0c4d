#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SOURCE hangs, fails, comes back, is another one: only what needs it waits.
# vm: cpus=2 mem=768 disks=8M,4M,8M timeout=300 long=6.1,7.2,debug
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

# answers COMMAND...: in time, and well.
answers() {
	# shellcheck disable=SC2016 # it is for the inner shell
	timeout 30 bash -c '"$@"' answers "$@" >"$scratch/answer"
}

# later COMMAND...: in the background; "ended N" tells whether it has.
later() {
	rm -f "$scratch/status"
	{ "$@"; echo $? >"$scratch/status"; } &
}

ended() {
	[ -s "$scratch/status" ] && [ "$(cat "$scratch/status")" = "$1" ]
}

waiting() {
	[ "$(status_word vm 10)" -ge "$1" ]
}

nobody_waits() {
	[ "$(status_word vm 10)" = 0 ]
}

source_is() {
	status_is vm 13 "$1"
}

synced_write() {
	head -c 4096 /dev/zero | tr '\0' x |
		dd of=$vm bs=4k seek=$(($1 / 4)) oflag=direct conv=notrunc,fsync iflag=fullblock status=none
}

export vm
export -f kib synced_write

plan 49
relocate_paused region 4 || bail "no device"
kib $vm 0 64
hang_far
later kib $vm 1024 4
check "a hole is waited for" wait_until 30 waiting 1
check "what is there is read" answers kib $vm 0 64
check "what is written whole is written, durably" answers synced_write 2048
check "next to what is waited for, too" answers synced_write 1032
check "and even there" answers synced_write 1024
check "its reader has it then" wait_until 30 ended 0
later kib $vm 4096 4
check "a hole is waited for again" wait_until 30 waiting 1
check "status answers" answers dmsetup status vm
check "so does the table" answers dmsetup table vm
check "a state is said" wait_until 30 source_is silent
check "the copier is told to go on" answers dmsetup message vm 0 resume
check "and to stop" answers dmsetup message vm 0 pause
check "a suspend gives back what waits" answers dmsetup suspend --noflush --nolockfs vm
check "a resume takes it again" answers dmsetup resume vm
check "it still waits" wait_until 30 waiting 1
dmsetup create spare --table "0 $(sectors "$near") linear $near 0"
check "another device comes and goes" answers dmsetup remove spare
dmsetup resume far
check "SOURCE answers, and so does the device" wait_until 30 ended 0
data check "with the right data" same $vm "$near" 4096 4
check "all is well" wait_until 30 source_is ok

message vm source -
later kib $vm 4608 4
check "without a SOURCE a hole is waited for" wait_until 30 waiting 1
check "it is written, durably" answers synced_write 4608
check "and read then" wait_until 30 ended 0
message vm source $far

hang_far
later kib $vm 5120 4
wait_until 30 waiting 1
dmsetup create spare --table "0 $(sectors "$near") linear $near 0"
check "another SOURCE" answers dmsetup message vm 0 source /dev/mapper/spare
check "answers what was asked of the old one" wait_until 30 ended 0
data check "with the right data" same $vm "$near" 5120 4
check "the device goes" answers dmsetup remove vm
check_is "the module stays as long as SOURCE owes an answer" \
	"$(rmmod dm-snapsync 2>/dev/null || echo busy)" busy
dmsetup resume far
check "and goes then" wait_until 30 unload dm-snapsync
dmsetup remove spare
load dm-snapsync

relocate_paused fetch 4 || bail "no device"
kept=$(present)
far_is error
later kib $vm 6144 4
check "a read error is not the guest's" wait_until 30 source_is retry
check "it waits" wait_until 30 waiting 1
check "what is there is read" kib $vm 0 64
check "what is written whole is written, durably" answers synced_write 7168
far_is linear "$near" 0
check "SOURCE is well again" wait_until 30 ended 0
data check "with the right data" same $vm "$near" 6144 4
check "it is known" wait_until 30 source_is ok
check "what failed has harmed nothing" test "$(present)" -gt "$kept"

# What failed, and waits to be tried again, when another SOURCE comes.
far_is error
later same $vm "$near" 6400 4
wait_until 30 source_is retry
check "it waits" wait_until 30 waiting 1
dmsetup create spare --table "0 $(sectors "$near") linear $near 0"
message vm source /dev/mapper/spare
data check "another SOURCE answers it, with the right data" wait_until 30 ended 0
data check "and what is asked for next" same $vm "$near" 6656 64
check "nobody waits" nobody_waits
far_is linear "$near" 0
message vm source $far
wait_until 30 dmsetup remove spare

# A single bad sector: all but its region comes.
bad=$((4 * 2048 + 3))
dmsetup remove vm
wipe_store
relocate_paused region 4 || bail "no device"
dmsetup suspend --noflush --nolockfs far
dmsetup load far <<-END
	0 $bad linear $near 0
	$bad 1 error
	$((bad + 1)) $(($(sectors "$near") - bad - 1)) linear $near $((bad + 1))
END
dmsetup resume far
message vm resume
all_but_one() {
	[ "$(present)" = 2047 ]
}
check "all but the region of a bad sector comes" wait_until 120 all_but_one
message vm fail_after 500
check_fails "which fails after the time that the table allows" kib $vm 4096 4
check "its neighbours do not" kib $vm 4100 60
message vm fail_after 0
check "it may be written" synced_write 4096
check "and that is all" complete
cut_over
data check "the guest has SOURCE's" same $vm "$near" 0 1024
data check "and what it has written" test "$(byte $vm $((4096 * 1024)))" = 170

dmsetup remove vm
wipe_store
relocate_paused region 4
hang_far
later kib $vm 1024 4
wait_until 30 waiting 1
message vm fail_after 1000
check "a hang fails as well, if that is wished" wait_until 30 ended 1
dmsetup resume far
check "and the answer is kept all the same" wait_until 30 some_present 0
dmsetup remove vm
