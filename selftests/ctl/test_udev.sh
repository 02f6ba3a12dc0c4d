#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What udev is told of the disks below volumes: which they are, by whatever name they are listed,
# and rules that it takes, where udevadm can tell.
# vm: none timeout=60
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

ctl=$(readlink -f "$(dirname "$0")/../../ctl")
dir=$(readlink -f "$scratch")
trap 'rm -rf "$scratch"; tap_end' EXIT

# role DEVNAME DEVLINKS ROLE: of a disk with these names; nothing is no role
role() {
	local said

	said=$(env DEVNAME="$1" DEVLINKS="$2" LPARKIT_VOLUMES="$dir/volumes" \
		"$installed/lparkit-disk") || return 1
	same "$said" "${3:+LPARKIT_DISK=}$3"
}

plan 11
installed=$scratch/root/lib/udev
check "it is installed" make -s -C "$ctl" BUILD="$build/ctl" DESTDIR="$scratch/root" install
check "where udev looks" same "$(cd "$installed" && find . -type f | sort | xargs)" \
	"./lparkit-disk ./rules.d/56-lparkit-volumes.rules ./rules.d/61-lparkit-disks.rules"

mkdir "$scratch/by-id"
touch "$scratch/sda" "$scratch/sdb"
ln -s ../sdb "$scratch/by-id/there"
cat >"$scratch/volumes" <<-EOT
	# VOLUME BASE STORE

	web /dev/vg0/web /dev/disk/by-id/store --group web # ours
	db $dir/sda $dir/by-id/there --chunk 4k
	# old /dev/old /dev/older
EOT
check "BASE by a link that is not there yet" role /dev/dm-3 "/dev/mapper/vg0-web /dev/vg0/web" base
check "STORE" role /dev/sdx "/dev/disk/by-path/x /dev/disk/by-id/store" store
check "BASE by its own name" role "$dir/sda" "" base
check "STORE by a link that is there" role "$dir/sdb" "" store
check "another disk" role /dev/sdy "/dev/disk/by-id/storeroom /dev/vg0/webs" ""
check "one that is listed no more" role /dev/old "" ""
check "the name of a volume is none of a disk" role web web ""
if udevadm verify --help >/dev/null 2>&1; then
	check "udev takes the rules" udevadm verify --resolve-names=never "$installed"/rules.d/*.rules
else
	skip "udev takes the rules" "no udevadm that verifies"
fi
make -s -C "$ctl" BUILD="$build/ctl" DESTDIR="$scratch/root" uninstall
check "it is uninstalled" same "$(find "$installed" -type f)" ""
