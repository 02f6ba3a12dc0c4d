#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl snap: the verbs, their output and their refusals; what its disks ask for.
# vm: cpus=2 mem=768 disks=1M,12M timeout=120 long=6.12,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol

# value FILTER: of the JSON list, by python.
value() {
	lparctl -j snap list vol | python3 -c "import json, sys; s = {x['name']: x for x in json.load(sys.stdin)}; print($1)"
}

says() {
	grep -q "$1" "$scratch/err"
}

# stable_writes DEV: the file that says whether a page must not change while it is written
stable_writes() {
	echo "/sys/dev/block/$(($(stat -Lc '0x%t' "$1"))):$(($(stat -Lc '0x%T' "$1")))/queue/stable_writes"
}

# wants_stable DISK: a volume of which a disk does, with a table that is loaded once more
wants_stable() {
	local is

	echo 1 >"$(stable_writes "$1")"
	volume vol chunk 4
	dmsetup load vol --table "$(dmsetup table vol)" && dmsetup resume vol
	is=$(cat "$(stable_writes $vol)")
	dmsetup remove vol
	echo 0 >"$(stable_writes "$1")"
	[ "$is" = 1 ]
}

plan 71
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
dmsetup create another --table "0 8 error"
check "a volume is created" lparctl snap create vol "$base" "$store" --chunk 4k
check_is "from its base" "$(byte $vol 4096)" 142
check_is "and listed" "$(lparctl snap list | awk 'NR > 1 { print $1, $2, $5, $6, $7 }')" "vol 1M 0 - no"
check_is "for programs, too" "$(lparctl -j snap list | python3 -c "import json, sys; v, = json.load(sys.stdin); print(v['name'], v['bytes'], v['chunk_bytes'], v['used_chunks'], v['condition'])")" "vol 1048576 4096 0 "
check_fails "no second one of its disks" lparctl snap create other "$base" "$store"
check_fails "nor one of its name" lparctl snap create vol "$base" "$store"
dmsetup remove another
check_fails "its store is not formatted" mkfs.ext4 -q "$store"
check_fails "nor its base" mkfs.ext4 -q "$base"
check_fails "nor wiped" wipefs -a "$store"
check "take" lparctl snap take vol one note "after the installation"
fill $vol 101 0 64
check "take, abbreviated" lparctl sn t vol two
check_is "the note" "$(value "s['one']['note']")" "after the installation"
check_is "the parent" "$(value "s['two']['parent']")" one
check_is "what is its own" "$(value "s['two']['own_bytes']")" 65536
check_is "what runs is above" "$(value "s['']['parent']")" two
lparctl snap list vol >&2
check_is "the tree" "$(lparctl snap list vol | awk 'NR > 1 { print $1 }' | tr '\n' ,)" "one,two,(running),"
cat $vol >/dev/null
check "restore" lparctl snap restore vol one
data check_is "no cached page is left" "$(head -c 1 $vol)" b
exec 5<$vol
check_fails "a volume that is open is not restored" lparctl snap restore vol two 2>"$scratch/err"
check "says so" says "vol is open"
check_is "nor changed" "$(byte $vol 0)" 142
fill $vol 103 0 4
dd if=<(head -c 64K /dev/zero | tr '\0' d) of=$vol bs=64k iflag=fullblock conv=notrunc status=none
check "but by force" lparctl snap restore vol one --force
data check_is "what the page cache had does not come back" "$(byte $vol 0)" 142
exec 5<&-
# meanwhile COMMAND ARGUMENT...: somebody comes between the look and the deed
meanwhile() {
	MEANWHILE=$1 LD_PRELOAD=$LPARKIT_BUILD/selftests/snapsync/meanwhile_preload.so lparctl snap restore vol one "${@:2}"
}
claim="python3 -c 'import os; os.open(\"$vol\", os.O_RDONLY | os.O_EXCL)' 2>$scratch/claim; echo \$? >$scratch/claimed"
check "a restore that somebody would be in time for" meanwhile "$claim"
check_is "nobody mounts or formats the volume meanwhile" "$(cat "$scratch/claimed")" 1
check "it was busy" grep -q "busy" "$scratch/claim"
check "by force anybody may" meanwhile "$claim" --force
check_is "and did" "$(cat "$scratch/claimed")" 0
check "and it is nobody's after that" bash -c "$claim; grep -qx 0 $scratch/claimed"
check "rename" lparctl snap rename vol two three
check "delete" lparctl snap delete vol three
check "differences from a state to what runs" lparctl -j snap diff vol one
check_is "none yet" "$(lparctl snap diff vol one)" ""
fill $vol 104 64 4
fill $vol 104 68 8
fill $vol 104 128 4
check_is "are ranges" "$(lparctl snap diff vol one | tr '\n' ,)" "65536 12288,131072 4096,"
lparctl snap take vol differs
check_is "between states" "$(lparctl -j snap diff vol one differs)" \
	'[{"start":65536,"bytes":12288},{"start":131072,"bytes":4096}]'
check_is "from the base disk" "$(lparctl snap diff vol - differs)" "$(lparctl snap diff vol one)"
check_fails "not of a state that is none" lparctl snap diff vol one nothing
lparctl snap restore vol one
lparctl snap delete vol differs
check_is "one is left" "$(value "len(s)")" 2
check_fails "no such state" lparctl snap restore vol two 2>"$scratch/err"
check "says so" says "no such state"
check_fails "no such volume" lparctl snap list nowhere 2>"$scratch/err"
check "says so, too" says "no such volume"
check_fails "nor is it restored" lparctl snap restore nowhere one 2>"$scratch/err"
check "for that reason" says "nowhere: no such volume"
check_fails "not by force either" lparctl snap restore nowhere one --force 2>"$scratch/err"
check "for that reason, too" says "nowhere: no such volume"
lparctl snap take vol
check_is "a name is needed" $? 2
lparctl snap take vol "a b"
check_is "without blanks" $? 2
check "a note with all kinds of characters" lparctl snap take vol 'a\b' note 'C:\dir  two'
check_is "is kept" "$(lparctl -j snap list vol | grep -o '"note":"C:[^"]*"')" '"note":"C:\\dir  two"'
check "so is the name" lparctl snap restore vol 'a\b'
check "it goes" lparctl snap delete vol 'a\b'
for i in {1..20}; do lparctl snap take vol "day$i"; done
check "a line of states does not wander to the right" test "$(lparctl snap list vol | wc -L)" -lt 100
check "the volume gets another name" dmsetup rename vol new
check "a view" dmsetup create view --readonly --table "0 $(sectors "$base") snapsync-view /dev/mapper/new day3"
check_is "a view calls it so" "$(dmsetup status view | cut -d ' ' -f 4,5)" "/dev/mapper/new day3"
dmsetup rename new vol
check_is "and so again" "$(dmsetup status view | cut -d ' ' -f 4)" /dev/mapper/vol
dmsetup remove view
check_fails "no merge without leave" lparctl snap merge vol one
dmsetup remove vol
check_fails "of another chunk it is refused" lparctl snap create vol "$base" "$store" --chunk 8k
check_is "and nothing is left" "$(dmsetup ls --target snapsync | grep -c vol)" 0
check "it goes on" lparctl snap create vol "$base" "$store" --writable-base
check_is "from where it was" "$(lparctl -j snap list | grep -o '"states":[0-9]*')" '"states":21'
dmsetup remove vol
mkdir -p "$scratch/etc/lparkit"
printf '%s\n' "# of a storage network" "lost /dev/nowhere /dev/none" "" "vol $base $store --writable-base # ours" \
	>"$scratch/etc/lparkit/volumes"
check_fails "of two that are listed one has no disk" lparctl --root "$scratch" snap create --all 2>"$scratch/err"
check "says so" says "line 2"
check_is "the other is there" "$(lparctl -j snap list | grep -o '"states":[0-9]*')" '"states":21'
sed -i 2d "$scratch/etc/lparkit/volumes"
check "what is there already stays" lparctl --root "$scratch" snap create --all
check_is "it may be merged into" "$(dmsetup table vol | grep -o writable_base)" writable_base
check_is "pages may change while they are written" "$(cat "$(stable_writes $vol)")" 0
dmsetup remove vol
check "unless BASE takes checksums of them" wants_stable "$base"
check "or STORE does" wants_stable "$store"
data check "check" lparctl snap check "$store"
