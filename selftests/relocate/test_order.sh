#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What comes first: hot, then used, then the rest or zeroes; in front of a reader; at what rate.
# vm: cpus=2 mem=768 disks=16M,4M,16M timeout=300 here speed=long
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

# ranges FIRST-KIB SIZE-KIB...: as sectors.
ranges() {
	local word

	for word in "$@"; do printf ' %u' $((word * 2)); done
}

# list WORD FIRST SIZE...
list() {
	# shellcheck disable=SC2046 # words are meant
	message vm "$1" $(ranges "${@:2}")
}

waits() {
	stage_is wait
}

is_zero() {
	cmp -n $(($3 * 1024)) <(dd if="$1" bs=4k skip=$(($2 / 4)) count=$(($3 / 4)) iflag=direct status=none) \
		/dev/zero
}

# Sectors of SOURCE, in the order in which they were read: dm-log-writes logs only writes, so
# each range has a device of its own below.
pieces() {
	local i table=

	for i in 0 1 2 3; do
		dmsetup create piece$i --table "0 8192 linear $near $((i * 8192))" || return 1
		table+="$((i * 8192)) 8192 linear /dev/mapper/piece$i 0"$'\n'
	done
	dmsetup create whole <<<"$table"
}

plan 31
relocate - order hot,used || bail "no device"
message vm source $far
check "without lists nothing comes" wait_until 30 waits
check_is "not a region" "$(present)" 0
check "hot" list hot 8192 256
check "used" list used 1024 512 2048 64
check "both come" wait_until 60 present_is $((64 + 128 + 16))
check "and no more" wait_until 30 waits
data check "they are SOURCE's" same $vm "$near" 1024 512
data check "DEST has them, and what it had" test "$(byte "$dest" 0)" = 252
check_is "SOURCE was read for no more" "$(status_word vm 9)" $((256 + 512 + 64))
kib $vm 4096 64
check_fails "a table that has received something else has no complete lists" message vm end used 3
check_is "and goes on to wait" "$(status_word vm 2)" wait
check "the lists are complete" message vm end used 2
check "so the rest becomes zeroes" complete
check_is "as many as there are" "$(status_word vm 8)" $((4096 - 64 - 144 - 16))
data check "what was not listed is zero" is_zero $vm 12288 4096
data check "on DEST as well" is_zero "$dest" 0 1024
data check "what was read before is SOURCE's" same $vm "$near" 4096 64
data check "what was listed is, too" same $vm "$near" 8192 256
dmsetup remove vm
wipe_store

pieces || bail "no pieces"
relocate - rate 1 || bail "no device"
list hot 8192 4096
list used 12288 4096
message vm source /dev/mapper/whole
order_is_kept() {
	local read=() i

	for i in 0 1 2 3; do read+=("$(read_of /dev/mapper/piece$i)"); done
	diag "read so far: ${read[*]}"
	# Piece 2 is hot, 3 is used. A slot or two may be under way in the next one.
	[ "${read[3]}" = 0 ] || [ "${read[2]}" -ge $((8192 - 2048)) ] || return 1
	[ "${read[0]}" = 0 ] || [ "${read[3]}" -ge $((8192 - 2048)) ] || return 1
}
all_the_time() {
	until stage_is complete; do
		order_is_kept || return 1
		# As soon as the order can be told.
		[ "$(present)" -lt 2200 ] || message vm rate 0
		sleep 0.5
	done
}
check "hot comes first, then used, then the rest" all_the_time
data check "all is there" same $vm "$near" 0 16384
dmsetup remove vm
wipe_store

from=$(date +%s%N)
relocate $far rate 4 || bail "no device"
complete
took=$((($(date +%s%N) - from) / 1000000))
diag "16 MiB at 4 MiB/s: $took ms"
check "the rate is kept" test $took -ge 3000
dmsetup remove vm
wipe_store

# What was copied without a limit does not count when there is one.
relocate - order hot || bail "no device"
message vm source $far
list hot 0 15360
check "without a limit" wait_until 60 present_is 3840
message vm rate 1
list hot 15360 1024
check "what comes with one does not wait for what came before" wait_until 10 present_is 4096
dmsetup remove vm
wipe_store

# A copier that is paused reads ahead for nobody: it would be there by the last of these.
far_is delay "$near" 0 50
relocate_paused ahead 2048 || bail "no device"
before=$(read_of $far)
for i in 0 64 128 192 256; do kib $vm $i 64; done
check "what is read comes" wait_until 30 present_is 80
check_is "a paused copier reads nothing ahead" "$(($(read_of $far) - before))" $((320 * 2))
dmsetup remove vm
wipe_store
relocate - ahead 2048 order hot || bail "no device"
message vm source $far
kib $vm 0 64
kib $vm 64 64
check "what is in front of a reader comes" wait_until 30 present_is $((32 + 512))
kib $vm 128 1024
check "and again when it has come half way" wait_until 30 present_is $((32 + 1024))
kib $vm 12288 64
check "a reader elsewhere has what it reads" wait_until 30 present_is $((32 + 1024 + 16))
check_fails "no list that the table does not name" list used 0 4
check "forget" message vm forget
check "again" list hot 15360 4
dmsetup remove vm
