#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# File systems on a volume, over takes and restores: fio's files verify, the file systems
# are sound, and a backup reads from a view while the volume is written.
# vm: cpus=2 mem=1024 disks=320M,512M timeout=400 speed=long here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
mkdir "$scratch/mnt" "$scratch/old"

# fio_files ARG...: files whose blocks carry checksums.
fio_files() {
	fio --name=f --directory="$1" --nrfiles=4 --size=8M --rw=randwrite --bsrange=512-32k \
		--blockalign=512 --verify=crc32c --verify_fatal=1 --randseed="$2" \
		--output="$scratch/fio" "${@:3}" || { cat "$scratch/fio"; return 1; }
}

is_sound() {
	case $1 in
	ext4) e2fsck -fn $vol ;;
	xfs) xfs_repair -n $vol ;;
	esac
}

norecovery() {
	case $1 in
	ext4) echo noload ;;
	xfs) echo norecovery,nouuid ;;
	esac
}

backup() {
	view view vol "$2" && mount -o "ro,$(norecovery "$1")" /dev/mapper/view "$scratch/old" ||
		return 1
	tar -C "$scratch/old" -cf "$scratch/$2.tar" .
	local status=$?
	umount "$scratch/old" && dmsetup remove view && return $status
}

# What is in a backup is what was restored.
same_as_backup() {
	tar -C "$scratch/mnt" -df "$scratch/$1.tar"
}

start_writer() {
	fio --name=f --directory="$scratch/mnt" --nrfiles=4 --size=8M --rw=randwrite --bs=4k \
		--time_based --runtime=600 --output=/dev/null &
	writer=$!
}

stop_writer() {
	kill "$writer"
	wait "$writer"
}

plan 26
for fs in ext4 xfs; do
	wipe_store
	volume vol chunk 8 || bail "no volume"
	"mkfs.$fs" -q $vol || bail "no $fs"
	check "$fs is mounted" mount $vol "$scratch/mnt"
	check "files are written" fio_files "$scratch/mnt" 1 --do_verify=0 --end_fsync=1
	check "a state" take_mounted vol "$scratch/mnt" one
	check "they are overwritten" fio_files "$scratch/mnt" 2
	check "another state" take_mounted vol "$scratch/mnt" two
	start_writer
	check "a backup of the first, while files are written" backup $fs one
	check "and of the second" backup $fs two
	stop_writer
	umount "$scratch/mnt"
	for state in one two; do
		check "restore $state" lparctl snap restore vol $state
		mount $vol "$scratch/mnt"
		data check "it is what the backup has" same_as_backup $state
		umount "$scratch/mnt"
		data check "and sound" is_sound $fs
	done
	dmsetup remove vol
done
