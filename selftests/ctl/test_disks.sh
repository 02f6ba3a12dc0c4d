#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Disks of a guest that fill up, or fail: it stands, everybody is told why, it goes on where it
# stood when there is space, and finds all that it has written. What it trims is given back.
# vm: none timeout=300
if [ -z "$IN_NAMESPACE" ] && unshare -m true 2>/dev/null; then
	IN_NAMESPACE=1 exec unshare -m "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs root"
mknod "$scratch/node" b 7 250 || skip_all "needs device nodes"

plan 37
full=$scratch/full
mkdir "$full"
mount -t tmpfs -o size=1M tmpfs "$full" || skip_all "needs mounts"
trap 'end_hosts; umount "$full"; rm -rf "$scratch"; tap_end' EXIT
host_up h
boot_disk writer

# QEMU has a file in place of the block device that lparctl knows, which needs no O_DIRECT.
# disk WHAT: that file, or one whose writes fail
disk() {
	cat >"$scratch/qemu" <<-EOT
		#!/bin/bash
		args=("\${@/file=*node,/file=$1,}")
		exec qemu-system-x86_64 "\${args[@]/cache=none,aio=native,/}"
	EOT
	chmod +x "$scratch/qemu"
}

# ready LINE...: an empty disk, and a guest that is described by these lines of [guest]
ready() {
	on h stop g --timeout 0 >/dev/null 2>&1
	rm -f "$full/disk" "$scratch/serial"
	truncate -s 4M "$full/disk"
	dd if="$scratch/writer.disk" of="$full/disk" bs=512 count=1 conv=notrunc status=none
	describe h g "binary=$scratch/qemu" "args=-serial file:$scratch/serial" "$@"
	sed -i "s|^memory=|disk=$scratch/node\nmemory=|" "$scratch/h/root/etc/lparkit/g.lpar"
}

# guest LINE...: it runs
guest() {
	ready "$@"
	on h start g >/dev/null
}

# says_so PATTERN: the guest, on its line
says_so() {
	wait_until 60 grep -q "$1" "$scratch/serial"
}

# guest_is STATUS: as list tells
guest_is() {
	[ "$(on h -j list | json "j[0]['guest']['status']")" = "$1" ]
}

# Each 32 KiB begins with its number; the first are the program.
all_written() {
	python3 - "$full/disk" <<-'EOT'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		wrong = [n for n in range(64, 8192, 64) if struct.unpack_from("<I", data, n * 512)[0] != n]
		sys.exit(f"# wrong: {wrong}" if wrong or len(data) != 4 << 20 else 0)
	EOT
}

disk "$full/disk"
guest
check "the guest writes" says_so "^W+"
check "its disk is full, and it stands" wait_until 60 guest_is io-error
said=$(cat "$scratch/serial")
check_fails "it was told of no error" grep -q E "$scratch/serial"
check "list" says 0 "^g .* io-error " on h list
check "show says where and why" says 0 "guest *io-error: $full/disk: no space" on h show g
exec 9< <(exec socat -u "UNIX:$(run_of h g)/qmp.sock" -)
holder=$!
read -r -t 20 _ <&9
check "list while somebody has the monitor" guest_is io-error
check "who is there" kill "$holder"
exec 9<&-
check "resume without space" says 1 "stands again: io-error: $full/disk: no space" on h resume g
check "it stands" guest_is io-error
check "a save is refused" says 5 "its state is 'io-error'" lparctl cluster save bad \
	--dir "$scratch/states" --via "$scratch/via" --hosts h
check "it stands where it stood" same "$(cat "$scratch/serial")" "$said"
mount -o remount,size=16M "$full"
check "resume with space" says 0 "^g: guest goes on" on h resume g
check "it writes all of it" says_so "D$"
check_fails "and was told of no error" grep -q E "$scratch/serial"
check "nothing is lost" all_written
check "it runs" guest_is running
check "once more" says 0 "^g: guest runs" on h resume g
check "nothing to say of it" same "$(on h -j show g | json "j[0]['guest']")" "{'status': 'running'}"

# What it trims
before=$(stat -c %b "$full/disk")
qmp h g human-monitor-command command-line='qemu-io disk0 "discard 1M 2M"' >/dev/null
check "what is trimmed is given back" test $((before - $(stat -c %b "$full/disk"))) = 4096

# One that was paused
qmp h g stop >/dev/null
check "paused" guest_is paused
check "resume" says 0 "goes on" on h resume g
check "it runs" guest_is running
exec 8<"$(run_of h g)/lock"
flock 8
check "list while another lparctl is at work" guest_is running
check "resume then" says 1 "another lparctl" on h resume g
exec 8<&-

# Policies, with a disk that is full, and with one that fails
on h stop g --timeout 0 >/dev/null
rm "$full/disk"
mount -o remount,size=1M "$full"
guest disk-error=report
check "report: the guest is told" says_so "E$"
check "and runs" guest_is running
cat >"$scratch/fails" <<-EOT
	[inject-error]
	event = "none"
	iotype = "write"
	errno = "5"
EOT
disk "blkdebug:$scratch/fails:$full/disk"
guest
check "full: it is told of other errors" says_so "E$"
guest disk-error=stop
check "stop: it stands" wait_until 60 guest_is io-error
check "show says why" says 0 "guest *io-error: .*: I/O error" on h show g
check "and is told of none" same "$(cat "$scratch/serial")" W
ready disk-error=maybe
check "no policy" says 1 "disk-error 'maybe' is not" on h start g
check "no guest, no state" same "$(on h -j list | json "j[0]['guest']")" None
check "resume of none" says 1 "no guest" on h resume g

# An LPAR that is still active, and another description
touch "$scratch/h/kernel/claims"
mkdir "$scratch/other"
mknod "$scratch/other/node" b 7 251
disk "$full/disk"
guest
kill -9 "$(guest_pid h g)"
sed -i "s|^disk=.*|disk=$scratch/other/node|" "$scratch/h/root/etc/lparkit/g.lpar"
check "a guest with another disk than is claimed" says 1 "is active with other disks .*'lparctl deactivate g' first" on h start g
sed -i "/^disk=/d" "$scratch/h/root/etc/lparkit/g.lpar"
check "or with fewer" says 1 "is active with other disks" on h start g
sed -i "s|^memory=|disk=$scratch/node\nmemory=|" "$scratch/h/root/etc/lparkit/g.lpar"
check "the same one once more" exits 0 on h start g
kill -9 "$(guest_pid h g)"
sed -i "s|^disk=.*|disk=$scratch/other/node|" "$scratch/h/root/etc/lparkit/g.lpar"
check "and another one as the LPAR is given back" exits 0 sh -c "'$scratch/via' h lparctl deactivate g && '$scratch/via' h lparctl start g"
on h stop g --timeout 0 >/dev/null
