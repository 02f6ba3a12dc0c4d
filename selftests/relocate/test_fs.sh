#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A file system that arrives, by lparctl: used blocks first or alone, a mount from the first
# moment, files that are changed meanwhile; at the end no SOURCE, and fsck has nothing to say.
# vm: cpus=2 mem=1024 disks=64M,8M,64M timeout=300 long=6.1,7.2,debug here
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

mnt=$scratch/mnt
files=$scratch/files

# relocate_status EXPRESSION: of the status of vm.
relocate_status() {
	lparctl -j relocate status vm --interval 0 |
		python3 -c "import json, sys; j = json.load(sys.stdin); print($1)"
}

arrived() {
	[ "$(relocate_status "j['complete']")" = True ]
}

sums() {
	(cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2)
}

start_vm() {
	lparctl relocate start vm --dest "$dest" --meta "$meta" "$@"
}

plan 39
mkdir -p "$mnt" "$files/dir"
for i in 1 2 3 4 5 6; do
	head -c $((i * 200000)) /dev/urandom >"$files/dir/$i"
done
dmsetup remove far
blkdiscard -z "$near"
mkfs.ext4 -qF -d "$files" "$near" || bail "no file system"
far_is linear "$near" 0
good=$(sums "$files")
used=$(lparctl relocate order "$near" 2>/dev/null | awk '$1 != "end" { sum += $2 } END { print sum / 2 }')
diag "used: $used KiB of 65536"

check "a disk begins" start_vm --source $far
check "its file system is mounted at once" mount "/dev/mapper/vm" "$mnt"
data check_is "its files are there" "$(sums "$mnt")" "$good"
check "one is changed" cp "$files/dir/6" "$mnt/dir/1"
check "one is new" cp "$files/dir/5" "$mnt/new"
check "one goes" rm "$mnt/dir/2"
check "unused blocks are given back" fstrim "$mnt"
check "it is not to be aborted" grep -q "has written" <(lparctl relocate abort vm 2>&1)
good=$(sums "$mnt")
check "the rest comes" wait_until 120 arrived
check "SOURCE is not needed" wait_until 30 dmsetup remove far
check "status says so to people" grep -q "100%.*complete" <(lparctl relocate status vm)
check "the mount goes over to DEST" lparctl relocate finish vm
check_is "which is all that is left" "$(dmsetup table vm | cut -d ' ' -f 3)" linear
check "the mount goes on" touch "$mnt/after"
rm -f "$mnt/after"
data check_is "with the same files" "$(sums "$mnt")" "$good"
umount "$mnt"
dmsetup remove vm
data check "there is nothing to repair" e2fsck -fn "$dest"
check "DEST is a disk by itself" mount "$dest" "$mnt"
data check_is "with all files" "$(sums "$mnt")" "$good"
umount "$mnt"

# Only what is used, as the file system was unmounted cleanly.
far_is linear "$near" 0
wipe_store
spoil_dest
good=$(sums "$files")
check "a disk begins, without the rest" start_vm --source $far --order used --rate 1M
check "its list is exact" lparctl relocate order "$near" --exact
check "an empty list is one" lparctl relocate send vm used </dev/null
check_fails "but none that it has no place for" lparctl relocate send vm hot </dev/null
check "it is sent" sh -c "lparctl relocate order $near --exact 2>/dev/null | lparctl relocate send vm used --end"
check "no other list" grep -q "not in its order" <(echo 0 8 | lparctl relocate send vm hot 2>&1)
check "nor more of it" grep -q "complete" <(echo 0 8 | lparctl relocate send vm used 2>&1)
check "the copier stops" lparctl relocate pause vm
check "and goes on" lparctl relocate resume vm
check "faster" lparctl relocate rate vm 0
check "all comes" wait_until 120 arrived
moved=$(relocate_status "j['source_bytes'] // 1024")
diag "moved: $moved KiB"
check "what was moved is what is used" test "$moved" -le $((used + used / 10 + 64))
check "finish" lparctl relocate finish vm
dmsetup remove vm
data check "there is nothing to repair" e2fsck -fn "$dest"
mount "$dest" "$mnt"
data check_is "all files are there" "$(sums "$mnt")" "$good"
umount "$mnt"

# A change of mind. Meanwhile neither its name nor its disks are another's.
wipe_store
start_vm --source $far --rate 1M
table=$(dmsetup table vm)
check "a name in use is refused" grep -q "a device of that name" <(start_vm --source $far 2>&1)
check_fails "which is a failure" start_vm --source $far
check_is "and leaves the device as it is" "$(dmsetup table vm)" "$table"
check_fails "so is what the kernel refuses" lparctl relocate start other --dest "$dest" --meta "$meta" --source $far
lparctl relocate pause vm
check "abort" lparctl relocate abort vm
check "META knows nothing of it" cmp -n 131072 "$meta" /dev/zero
