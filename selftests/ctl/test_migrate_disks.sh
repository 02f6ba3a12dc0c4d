#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest moves with disks that both hosts see: only if they are the same ones, it writes to them
# all the time, and never do two QEMUs have them open to write. QEMU's own locks of the file, which
# both of them have in place of the block device, are a witness: they let one writer in.
# vm: none timeout=1200
# shellcheck disable=SC2119,SC2120 # options of a move are options
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"
mknod "$scratch/node" b 7 250 || skip_all "needs device nodes"

image=$scratch/image

# fact HOST FILE VALUE: what the kernel of that host says of the disk
fact() {
	local file=$scratch/$1/root/sys/dev/block/7:250/$2

	mkdir -p "$(dirname "$file")"
	echo "$3" >"$file"
}

# Each has the disk, by the same name in the world
facts() {
	local host

	for host in a b; do
		mkdir -p "$scratch/$host/kernel"
		touch "$scratch/$host/kernel/claims"
		rm -rf "$scratch/$host/root/sys"
		fact $host device/wwid naa.60014051f3a2b7c0
		fact $host size 8192
		fact $host ro 0
	done
}

# writers: hosts whose QEMU may write to the disk just now
writers() {
	local host fd flags

	for host in a b; do
		[ -e "$(run_of $host g)/qemu.pid" ] || continue
		for fd in "/proc/$(guest_pid $host g)/fd"/*; do
			[ "$fd" -ef "$image" ] || continue
			flags=$(awk '/^flags:/ { print $2 }' "${fd/\/fd\//\/fdinfo\/}")
			[ $((flags & 3)) = 0 ] || echo $host
		done
	done | sort -u | xargs
}

# The guest's own numbers, once it stands: the last 64 writes, and nothing else
ring() {
	python3 - "$image" <<-'EOT'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		found = [struct.unpack_from("<I", data, (i + 1) << 15)[0] for i in range(64)]
		last = max(found)
		wrong = [n for i, n in enumerate(found) if n != last - (last - i) % 64]
		sys.exit(f"# last {last}, wrong: {wrong}") if wrong or last < 64 else print(last)
	EOT
}

# all_written HOST: it stands, its disk is looked at, and it goes on
all_written() {
	local status

	qmp "$1" g stop >/dev/null
	ring >"$scratch/ring"
	status=$?
	cat "$scratch/ring"
	qmp "$1" g cont >/dev/null
	return $status
}

writes_beyond() {
	[ "$(all_written "$1")" -gt "$2" ]
}

is_beyond_64() {
	writes_beyond a 64 2>/dev/null
}

# witness: a script that notes who may write
witness() {
	script witness "$(declare -f writers run_of guest_pid)" "scratch=$scratch image=$image" \
		"writers >$scratch/writers"
}

# Its block device is a file, for it alone, which needs no O_DIRECT.
cat >"$scratch/qemu" <<-EOT
	#!/bin/bash
	[[ "\$*" = *file=* ]] || exec qemu-system-x86_64 "\$@"
	exec unshare -m bash -c 'mount --bind "$image" "$scratch/node" && exec "\$@"' - \\
		qemu-system-x86_64 "\${@/cache=none,aio=native,/}"
EOT
chmod +x "$scratch/qemu"

# comes_nameless: of a source that would let it go; no name at b
comes_nameless() {
	printf '%s\n' '{"op": "hello", "version": 3}' '{"op": "enter", "name": "h",
		"id": "0123456789abcdef", "from": "a", "host_id": "", "address": "10.9.0.2",
		"config": "[lpar]\nmemory=16M\ndisk='"$scratch"'/node\n", "memory": 16777216,
		"disks": [{"path": "'"$scratch"'/node", "id": "", "sectors": "8192"}]}' |
		sed -z 's/,\n\t*/, /g' | "$scratch/via" b lparctl execd >"$scratch/answers"
	grep -q "is nothing with a WWID here" "$scratch/answers" || { cat "$scratch/answers"; return 1; }
}

boot_disk ring
mv "$scratch/ring.disk" "$image"
truncate -s 4M "$image"
facts
hosts_up "binary=$scratch/qemu" "[lpar]" "disk=$scratch/node"
witness
check "the guest writes" wait_until 60 is_beyond_64

# What is not the same disk, or could be another one
check "storage that is not to be there" says 5 "storage none is for guests without" move --storage none
check "ways that are not there yet" says 2 "cannot be moved so yet" move --storage relocate
fact b device/wwid naa.60014051f3a2b7c1
check "another disk" says 5 "is naa.60014051f3a2b7c1 here, and naa.60014051f3a2b7c0 at" move
rm -r "$scratch/b/root/sys/dev/block/7:250/device"
check "one without a name in the world" says 5 "is nothing with a WWID here" move
facts
fact b size 8200
check "another size" says 5 "8200 sectors here, and 8192" move
facts
fact b ro 1
check "where it cannot be written" says 5 "is read-only here" move
facts
fact a device/wwid "t10.ATA     QEMU HARDDISK"
fact b device/wwid "t10.ATA     QEMU HARDDISK"
check "a name that others may have" says 5 "no name that no other disk has" move
fact a device/wwid naa.3001405000000000
fact b device/wwid naa.3001405000000000
check "or whoever likes" says 5 "no name that no other disk has" move
facts
rm -r "$scratch"/[ab]/root/sys/dev/block/7:250/device
fact a dm/uuid LVM-x
check "a volume of this host alone" says 5 "device of device mapper, which is this host's" move
fact a dm/uuid mpath-360014051f3a2b7c0
fact b device/wwid naa.60014051f3a2b7c0
check "a map of multipath is the disk of its paths" exits 0 move --check
fact a dm/uuid mpath-33001405000000000
check "not if whoever likes gives their name" says 5 "device of device mapper" move
fact a dm/uuid mpath-uuid.6a5e6f4c-9d0b-4c59-8a1e-3f0f7c2d1b90
fact b device/wwid uuid.6a5e6f4c-9d0b-4c59-8a1e-3f0f7c2d1b90
check "one of NVMe's, too" exits 0 move --check
facts
rm -r "$scratch/b/root/sys/dev/block/7:250/device"
check "no name at either end is no name" comes_nameless
facts
for host in a b; do
	fact $host partition 1
	fact $host start 2048
	# A partition is a directory within that of its disk.
	mkdir -p "$scratch/$host/root/sys/dev/block/whole"
	mv "$scratch/$host/root/sys/dev/block/7:250" "$scratch/$host/root/sys/dev/block/whole/part"
	mv "$scratch/$host/root/sys/dev/block/whole/part/device" "$scratch/$host/root/sys/dev/block/whole/"
	ln -s whole/part "$scratch/$host/root/sys/dev/block/7:250"
done
check "the same partition" exits 0 move --check
fact b start 4096
check "another partition" says 5 "from sector 4096 here, and .* from sector 2048" move
facts
check "it lives where it did" lives_on a
data check "and has its disk as it was" all_written a

# It moves, and writes
check "a is the one that writes" same "$(writers)" a
echo "prepare run $scratch/witness" >"$scratch/cut"
check "it moves" exits 0 move
check "when it stood nobody could write" same "$(cat "$scratch/writers")" ""
check "it lives there" lives_on b
check "b is the one that writes" same "$(writers)" b
before=$(cat "$scratch/ring")
check "it writes on" wait_until 60 writes_beyond b "$before"
data check "all that it has written is there" all_written b
find_home
echo "run run $scratch/witness" >"$scratch/cut"
check "and back" exits 0 move
check "until it is told to run nobody can write" same "$(cat "$scratch/writers")" ""
find_home
check "it lives where it did" lives_on a
before=$(cat "$scratch/ring")
check "it writes on there" wait_until 60 writes_beyond a "$before"
data check "all of it is there" all_written a

# A failure while its disk is nobody's
for how in "finish lost-after" "take refuse" "prepare lost-before" "prepare kill-after" "decide refuse" \
	"decide killed" "run lost-before" "run kill-both" "release lost-before"; do
	read -r op what <<<"$how"
	check "after $how" cut_at "$op" "$what"
	check "one writes" same "$(writers)" "$home"
	before=$(cat "$scratch/ring")
	check "it writes on, after $how" wait_until 60 writes_beyond $home "$before"
	data check "all of it is there, after $how" all_written $home
done
end_qemu $away
echo "prepare run $scratch/end-qemu" >"$scratch/cut"
check "its QEMU there is killed when it is whole" exits 5 move
check "it lives where it did" lives_on $home
data check "all of it is there" all_written $home

# Who was paused has its disk, and writes nothing
qmp $home g stop >/dev/null
before=$(ring)
check "paused, it moves" exits 0 move
check "it is paused there" lives_on $away paused
data check "its disk is as it was" same "$(ring)" "$before"
find_home
qmp $home g cont >/dev/null
check "it goes on" wait_until 60 writes_beyond $home "$before"
data check "and all of it is there" all_written $home
