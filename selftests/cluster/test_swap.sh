#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Saved on a and b, restored on b and a: each host goes on with what the other had.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

dir=$share/saved

# move GUEST FROM TO: its CPUs are free on the one host, and its disk, which both
# reach, is active on the other.
move() {
	on "$2" lparctl delete "$1" && on "$2" disk_down "$1" && on "$3" disk_up "$1"
}

check "two hosts" hosts_up || bail "no rig"
check "a pair of guests" cluster_up 1 1000 || bail "no cluster"
tell_all "pair forget"
check "something on the disk of a" write_disk a1
check "something on the disk of b" on b write_disk b1
check "saved" cluster save both --hosts a,b
saved_a1=$(digest_of_disk a1) saved_b1=$(on b digest_of_disk b1)
check "two disks" test "$saved_a1" != "$saved_b1"
check "the disk of a is spoilt" write_disk a1
check "the disk of b is spoilt" on b write_disk b1
count=$(lparctl cluster list --dir $dir | grep -c both)
check_is "it is listed" "$count" 1
check "a1 leaves a for b" move a1 a b
check "b1 leaves b for a" move b1 b a
moved_to[a1]=b moved_to[b1]=a
check "restored" cluster restore both --hosts b,a
check "they count on" all_count
check "and have noticed nothing" all_quiet
data check_is "the disk of a1 is what was saved" "$(on b digest_of_disk a1)" "$saved_a1"
data check_is "the disk of b1 is what was saved" "$(digest_of_disk b1)" "$saved_b1"
check "restored once more, where they are" cluster restore both --hosts b,a
check "they count on" all_count
check "and have noticed nothing" all_quiet
