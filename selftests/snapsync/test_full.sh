#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A full store: event, hold, ENOSPC, and writes go on when there is space.
# vm: cpus=2 mem=768 disks=16M,16M timeout=400 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
whole=$store
store=/dev/mapper/part

# part SECTORS: a STORE of that size, which can grow.
part() {
	dmsetup "${2:-create}" part --table "0 $1 linear $whole 0"
}

event_after() {
	timeout 60 dmsetup wait vol "$1"
}

events() {
	dmsetup info -c --noheadings -o events vol
}

holds() {
	status_is vol 10 held
}

is_full() {
	status_is vol 10 full
}

has_grown() {
	[ "$(status_word vol 3 | cut -d / -f 2)" -gt 256 ]
}

# Writes until there is no space; says how far it came, in blocks of 16 KiB.
fill_up() {
	dd if=/dev/urandom of=$vol bs=16k oflag=direct conv=notrunc 2>&1 |
		sed -n 's/^[0-9]*+0 records out/&/p' | cut -d + -f 1
}

plan 22
modprobe scsi_mod 2>/dev/null
small=$(((3 + 1 + 4) * 2048))
head -c 16M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
before=$(sum "$base")
part $small
check "a volume on a small store" volume vol chunk 16 hold_ms 0 low_water 64
total=$(status_word vol 3 | cut -d / -f 2)
check_is "has room for 4 MiB" "$total" 256
message vol take start
number=$(events)
event_after "$number" &
waiter=$!
check_is "writes end when it is full" "$(fill_up)" 256
check "there was an event at low water" wait $waiter
check "status says so" is_full
check "what is there can be overwritten" fill $vol 125 0 4
data check_is "and read" "$(byte $vol 100)" 125
check_fails "the rest cannot be written" fill $vol 125 8192 4
data check_is "it is still BASE" "$(byte $vol $((8192 * 1024)))" 142
message vol take full
check "a state can be taken" test -n "$(message vol list | grep ^full)"
check_fails "now nothing can be overwritten" fill $vol 126 0 4
check "the state can be restored" message vol restore start
data check_is "it is BASE" "$(sum $vol)" "$before"
message vol delete full
reaped vol
check_is "deleting frees its chunks" "$(used_chunks vol)" 0
check "writes go on" fill $vol 127 0 64
dmsetup remove vol

check "with time to hold" volume vol chunk 16 hold_ms 600000
(fill_up >"$scratch/filled") &
filler=$!
check "writes are held" wait_until 60 holds
check "a flush is not" timeout 30 blockdev --flushbufs $vol
part $(((3 + 1 + 6) * 2048)) reload
dmsetup resume part
check "space is added: the held write goes on" wait_until 60 has_grown
wait_until 60 holds
dmsetup load vol --table "0 $(sectors "$base") snapsync $base $store 4 chunk 16 hold_ms 0"
dmsetup suspend --noflush vol
check "held writes go back at a suspend without flush" dmsetup resume vol
wait $filler
check_is "and fail then, as there is no time to hold" "$(($(cat "$scratch/filled") > 256))" 1
dmsetup remove vol
data check_is "BASE was never written" "$(sum "$base")" "$before"
