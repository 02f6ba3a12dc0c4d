#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A saved guest on a host whose QEMU cannot be that guest, or where it is in use: restore says so
# before any guest ends, or, where only the saved state tells, leaves nothing behind.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 29
states=$scratch/states
qemu=$scratch/qemu
moves=$scratch/h/root/var/lib/lparkit/migrate

cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}

# says_version VERSION: as another QEMU would
says_version() {
	echo "QEMU emulator version $1" >"$qemu.version"
}

# The guest that ran before still does.
untouched() {
	same "$(status h g) $(guest_pid h g)" "running $pid"
}

# A QEMU that can be taken for another one
cat >"$qemu" <<-EOT
	#!/bin/bash
	[ "\$1" != --version ] || touch "$qemu.asked"
	[ "\$1" != --version ] || [ ! -e "$qemu.version" ] || exec cat "$qemu.version"
	[ "\$1" != --version ] || [ ! -e "$qemu.stays" ] || exec sleep 1000 >&-
	[ "\$1 \$2" != "-machine help" ] || [ ! -e "$qemu.machines" ] || exec cat "$qemu.machines"
	device=virtio-balloon-pci
	[ ! -e "$qemu.other" ] || device=virtio-rng-pci
	exec qemu-system-x86_64 "\$@" -device \$device,addr=0x1c
EOT
chmod +x "$qemu"
version=$("$qemu" --version | sed -n 's/.* version \([0-9.]*\).*/\1/p')
machine=$("$qemu" -machine help | sed -n 's/^q35 .*alias of \([^)]*\)).*/\1/p')

host_up h
describe h g "binary=$qemu"
on h start g >/dev/null || bail "no guest"
check "save" exits 0 cluster save one --hosts h --continue
pid=$(guest_pid h g)

says_version 1.7.2
check "an older QEMU" says 5 "guest g: it was saved by QEMU $version, .* is 1.7.2" cluster restore one
check "what is to be done" grep -q "$qemu.*update it" "$scratch/err"
check "the guest still runs" untouched
says_version "$version.1-rc (Vendor 2:1.0)"
check "a newer one" exits 0 cluster restore one
pid=$(guest_pid h g)
says_version none
check "one that tells no version" says 5 "$qemu --version: .*none" cluster restore one
check "the guest still runs" untouched
rm "$qemu.version"
touch "$qemu.stays"
check "one that says nothing, and stays" says 5 "$qemu --version: Connection timed out" \
	cluster restore one --timeout 40s
check "the guest still runs" untouched
rm "$qemu.stays"

qemu-system-x86_64 -machine help | grep -v "^$machine " >"$qemu.machines"
check "one that is no such machine" says 5 "guest g: it is a $machine, .* is none" cluster restore one
check "what is to be done" grep -q "'$qemu -machine help'" "$scratch/err"
check "the guest still runs" untouched
echo "${machine}1 Longer" >"$qemu.machines"
check "nor is one by a part of a name" says 5 "guest g: it is a $machine" cluster restore one
rm "$qemu.machines" "$qemu.asked"

mkdir -p "$moves"
echo '{"version": 1, "id": "0123456789abcdef", "name": "g"}' >"$moves/g.json"
check "a guest that migrates" says 5 "its guest migrates" cluster restore one
check "it still runs" untouched
check "what is saved is whole" exits 0 cluster verify one
rm "$moves/g.json"
(
	flock 9
	says 5 "another lparctl starts, stops or saves it" cluster restore one
) 9<"$(run_of h g)/lock"
check "one that another lparctl has" same $? 0
check "it still runs" untouched

mv "$qemu" "$qemu.gone"
check "none at all" says 5 "$qemu: No such file" cluster restore one
check "the guest still runs" untouched
check "what is saved is whole" exits 0 cluster verify one
mv "$qemu.gone" "$qemu"
check "what is saved is whole" exits 0 cluster verify one
check "to say so, nothing of it is run" test ! -e "$qemu.asked"
touch "$qemu.other"
check "one with another device ends, and says why" \
	says 1 "guest g: loading: QEMU has ended: .*virtio-balloon" cluster restore one
check "the LPAR is given back" same "$(cat "$scratch/h/kernel/g/state")" 0
check "nothing else is left" only_log h g
rm "$qemu.other"
check "restore" exits 0 cluster restore one
check "QEMU was asked" test -e "$qemu.asked"
check "the guest runs" same "$(status h g)" running
