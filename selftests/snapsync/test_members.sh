#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Restore, delete and rename of a state on all members of a group: refused as a whole, or
# done on all; what a crash left half done is completed by doing it again.
# vm: cpus=2 mem=768 disks=1M,12M,12M,48M,48M timeout=200 kernels=6.1,6.12,7.2,debug long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/group.sh
. "$(dirname "$0")/group.sh"

# Writes a byte to both, durably.
write_both() {
	local member

	for member in a b; do
		fill /dev/mapper/$member "$1" 0 64 && sync /dev/mapper/$member
	done
}

first_byte() {
	byte "/dev/mapper/$1" 0
}

# What shows through the page cache.
cached_byte() {
	head -c 1 "/dev/mapper/$1"
}

replay_to() {
	replay_before "$1" "$(logreplay "${logs[$1]}" list | awk -v name="$2" '$3 == name { print $1 }')"
}

# crash MARK-A MARK-B: a and b as they were at these points.
crash() {
	replay_to 0 "$1" && replay_to 1 "$2" && members
}

plan 42
head -c 1M /dev/zero | tr '\0' b | dd of="$base" bs=1M iflag=fullblock oflag=direct status=none
wipe_stores
members || bail "no volumes"
check_is "members are known" "$(message a members | sort | tr '\n' ,)" a,b,
write_both 101
message a take one
write_both 102
message a take two
write_both 103
check "restore on the group" message b group restore one
data check_is "is on all" "$(both first_byte)" 101/101
check "from the command line" lparctl snap restore a two --group
data check_is "too" "$(both first_byte)" 102/102
data check_is "(cached)" "$(both cached_byte)" B/B
check "no cached page is left" lparctl snap restore a one --group
data check_is "on any" "$(both cached_byte)" A/A
check "a restore on one" message a restore two
data check_is "is on one" "$(both first_byte)" 102/101

message b delete two
check_fails "a state that one lacks is not restored" message a group restore two
data check_is "on any" "$(both first_byte)" 102/101
check_fails "nor renamed" message b group rename two three
check_is "on any, too" "$(both states)" "one two /one "
check "it can be deleted" message b group delete two
check_is "where it is" "$(both states)" "one /one "
check_fails "but not twice" message b group delete two
check_fails "merge is for one" message a group merge one
check_fails "and take is for all anyway" message a group take one
dmsetup remove b
dmsetup create b --readonly --table "0 $(sectors "$base") snapsync $base ${stores[1]} 2 group g"
check_fails "with a member that is read-only no state is taken" lparctl snap take a without 2>"$scratch/err"
check "which is named" grep -q "b is read-only" "$scratch/err"
dmsetup remove b
store=${stores[1]} volume b group g

view view b one
check_fails "a state that one shows is not deleted" message a group delete one
check_is "on any" "$(both states)" "one /one "
dmsetup remove view
message a take two
message b rename two three
check_fails "a name that one has is not given" message a group rename one three
check_is "to any" "$(both states)" "one two /one three "
message a rename one three
message b rename one other
check_fails "states from two takes are none of the group" lparctl snap restore a three --group
check_is "nothing has changed" "$(both states)" "three two /other three "
remove_members

wipe_stores
log_stores || bail "no logs"
members /dev/mapper/log0 /dev/mapper/log1 || bail "no volumes on them"
write_both 101
message a take one
write_both 102
mark taken
check "restore" message a group restore one
mark restored
check "rename, from the command line" lparctl snap rename a one two --group
mark renamed
check "delete, from the command line" lparctl snap delete b two --group
mark deleted
remove_members
dmsetup remove log0
dmsetup remove log1

check "died with the restore on a alone" crash restored taken
data check_is "it is on a alone" "$(both first_byte)" 101/102
check "it is done again" message b group restore one
data check_is "and is on both" "$(both first_byte)" 101/101
remove_members
check "died with the new name on b alone" crash restored renamed
check_is "it is on b alone" "$(both states)" "one /two "
check "it is done again" message a group rename one two
check_is "and is on both" "$(both states)" "two /two "
remove_members
check "died with the state deleted on a alone" crash deleted renamed
check_fails "it cannot be restored" message b group restore two
check "it can be deleted" message b group delete two
check_is "and is on none" "$(both states)" /
