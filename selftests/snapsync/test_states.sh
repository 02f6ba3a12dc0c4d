#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# States: take, restore, delete, rename, branches; BASE stays as it is.
# vm: cpus=2 mem=768 disks=4M,24M timeout=240 speed=quick long=6.1,6.12,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol

plan 43
head -c 4M /dev/urandom | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
before=$(sum "$base")

check "a blank store is formatted" volume vol
data check_is "the volume shows BASE" "$(sum $vol)" "$before"
check "state zero" message vol take zero
check_is "no chunk is used" "$(used_chunks vol)" 0

fill $vol 101 0 64
data check_is "what was written is read" "$(byte $vol 4096)" 101
one=$(sum $vol)
check "state one" message vol take one "with a note"
fill $vol 102 4 4
fill $vol 102 1024 256
two=$(sum $vol)
check "state two" message vol take two
fill $vol 103 0 32
data check_is "what was written last is on top" "$(byte $vol 5000)" 103
data check_is "the rest is below" "$(byte $vol 40000)" 101
check_fails "a name only once" message vol take one
check_fails "no such state" message vol restore nowhere
check_fails "no empty name" message vol take ""
check_fails "no unknown message" message vol frobnicate

check "restore one" message vol restore one
data check_is "it is as it was" "$(sum $vol)" "$one"
check "restore two" message vol restore two
data check_is "restoring one did no harm to it" "$(sum $vol)" "$two"
check "restore zero" message vol restore zero
data check_is "that is BASE" "$(sum $vol)" "$before"
fill $vol 104 8 8
branch=$(sum $vol)
check "a branch" message vol take branch
check "rename" message vol rename branch twig
check_fails "not to a name that there is" message vol rename twig one
message vol list >&2
check_is "the tree" "$(message vol list | cut -d ' ' -f 1,2 | sort | tr '\n' ,)" \
	"- twig,one zero,twig zero,two one,zero -,"
check_is "the note" "$(message vol list | sed -n 's/^one.*- //p')" "with a note"

dmsetup remove vol
check "again after removal" volume vol
data check_is "as it was" "$(sum $vol)" "$branch"
check "restore two after removal" message vol restore two
data check_is "it is as it was" "$(sum $vol)" "$two"
check "delete the middle of the tree" message vol delete one
check "it is reaped" reaped vol
data check_is "two is as it was" "$(sum $vol)" "$two"
message vol restore twig
data check_is "twig is as it was" "$(sum $vol)" "$branch"
message vol delete two
message vol delete twig
check "restore zero" message vol restore zero
check "all is reaped" reaped vol
check_is "all chunks are free" "$(used_chunks vol)" 0
message vol restore zero
reaped vol
check_is "layers are free, too" "$(status_word vol 6)" 3

dmsetup remove vol
check "again" volume vol
data check_is "it is BASE" "$(sum $vol)" "$before"
check_fails "another chunk size is refused" dmsetup load vol --table \
	"0 $(sectors "$base") snapsync $base $store 2 chunk 4"
check_is "the module is in use" "$(rmmod dm-snapsync 2>/dev/null || echo busy)" busy
dmsetup remove vol
data check_is "BASE was never written" "$(sum "$base")" "$before"
check "unload" unload dm-snapsync
check "load" load dm-snapsync
