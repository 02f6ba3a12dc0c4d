#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A disk that arrives: what is fetched, and what is not; what stays; the end; refusals.
# vm: cpus=2 mem=768 disks=8M,4M,8M timeout=240 speed=quick long=6.1,6.12,debug here
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

total=2048

plan 56
check "a blank META is formatted" relocate -
check_is "there is no SOURCE yet" "$(status_word vm 13)" none
check "the copier pauses" message vm pause
check "SOURCE comes" message vm source $far
check_is "nothing is there" "$(status_word vm 4)" 0/$total

kib $vm 1024 4
data check "a hole is read from SOURCE" same $vm "$near" 1024 4
check "and 64 KiB are kept" wait_until 30 present_is 16
before=$(read_of $far)
data check "what came with it is SOURCE's, too" same $vm "$near" 1024 64
check_is "and is not read from there again" "$(read_of $far)" "$before"
check_is "a reader waited for all of it" "$(status_word vm 5)" 16

fill $vm 101 2048 16
check_is "what is written is not fetched" "$(read_of $far)" "$before"
check_is "but present" "$(present)" 20
data check_is "it is what was written" "$(byte $vm $((2050 * 1024)))" 101
printf 'x%.0s' {1..512} | dd of=$vm bs=512 seek=6001 oflag=direct conv=notrunc status=none
data check_is "a part of a region is written" "$(byte $vm $((6001 * 512)))" 170
data check "the rest of the region is SOURCE's" cmp \
	<(dd if=$vm bs=512 skip=6000 count=1 iflag=direct status=none) \
	<(dd if="$near" bs=512 skip=6000 count=1 iflag=direct status=none)
check "what is not there is discarded" blkdiscard -o $((3072 * 1024)) -l $((64 * 1024)) $vm
before=$(read_of $far)
data check "it does not show what DEST held" cmp -n 65536 \
	<(dd if=$vm bs=4k skip=768 count=16 iflag=direct status=none) /dev/zero
check_is "and is not fetched" "$(read_of $far)" "$before"
check "zeroes are written" blkdiscard -z -o $((3200 * 1024)) -l $((64 * 1024)) $vm
data check "they are there" cmp -n 65536 \
	<(dd if=$vm bs=4k skip=800 count=16 iflag=direct status=none) /dev/zero
check_is "and are not fetched" "$(read_of $far)" "$before"
check_is "it is known that the guest has written" "$(status_word vm 15)" written

shown=$(sum "$near")
kept=$(present)
dmsetup remove vm
check "again after removal" relocate_paused region 4
check_is "all is still there" "$(present)" "$kept"
data check_is "what was written, too" "$(byte $vm $((2050 * 1024)))" 101
check_is "and that it was" "$(status_word vm 15)" written
before=$(read_of $far)
data check "what was fetched is SOURCE's" same $vm "$near" 1024 64
check_is "and is not fetched once more" "$(read_of $far)" "$before"
message vm source -
check "a reload" dmsetup load vm --table "$(dmsetup table vm)"
check "takes effect" dmsetup resume vm
check_is "all is still there" "$(present)" "$kept"

check_fails "another region is refused" dmsetup load vm --table \
	"0 $(sectors "$near") relocate $dest $far $meta 2 region 8"
check_fails "another size is refused" dmsetup load vm --table \
	"0 $(($(sectors "$near") - 8)) relocate $dest $far $meta"
check_fails "a read-only table is refused" dmsetup create other --readonly --table \
	"0 $(sectors "$near") relocate $dest $far $meta"
check_fails "no device twice" dmsetup create other --table \
	"0 $(sectors "$near") relocate $dest $far $meta"
dmsetup remove other 2>/dev/null
check_fails "DEST is not SOURCE" dmsetup create other --table \
	"0 $(sectors "$near") relocate $dest $dest $meta"
check_fails "no unknown option" dmsetup load vm --table \
	"0 $(sectors "$near") relocate $dest $far $meta 2 colour red"
# As long as device mapper lets a name be: what is refused is let go all the same.
check_fails "also by a long name" dmsetup create "$(printf 'n%.0s' {1..127})" --table \
	"0 $(sectors "$near") relocate $dest $far $meta 2 colour red"
check_fails "no wrong order" dmsetup load vm --table \
	"0 $(sectors "$near") relocate $dest $far $meta 2 order rest,hot"
for words in frobnicate "rate x" "hot 1" "hot 0 0" "hot $(sectors "$near") 1" "hot 8 18446744073709551615"; do
	# shellcheck disable=SC2086 # words are meant
	check_fails "no message '$words'" message vm $words
done
check_fails "an ioctl does not reach DEST" sg_inq $vm
check_fails "SOURCE is not the device itself" message vm source $vm

message vm source $far
check "the rest comes" complete
check_is "all of it is there" "$(status_word vm 4)" $total/$total
check_is "SOURCE is let go" "$(status_word vm 13)" closed
check "it may be removed" wait_until 30 dmsetup remove far
data check_is "SOURCE was never written" "$(sum "$near")" "$shown"
dmsetup suspend vm && dmsetup resume vm
data check "DEST has what the guest has" same $vm "$dest" 0 8192
good=$(sum $vm)
check "the guest goes over to DEST" cut_over
data check_is "and notices nothing" "$(sum $vm)" "$good"
dmsetup remove vm
check "unload" wait_until 30 unload dm-snapsync
