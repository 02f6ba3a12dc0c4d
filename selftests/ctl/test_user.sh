#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# QEMU as a user of its own: what it is given, what it cannot have, and what it does with the
# one directory that is its own.
# vm: none timeout=600
if [ -z "$IN_NAMESPACE" ] && unshare -n -m true 2>/dev/null; then
	IN_NAMESPACE=1 exec unshare -n -m "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs root"
ip tuntap add t0 mode tap || skip_all "needs taps"
id nobody daemon >/dev/null || skip_all "needs users"

plan 104
states=$scratch/states
host_up h
boot_disk echo
# Its ways to the guest are open; what is behind them need not be.
chmod 755 "$scratch"
root=$scratch/h/root
run=$(run_of h g)
uid=$(id -u nobody)
booted="args=-drive if=virtio,format=raw,readonly=on,file=$scratch/echo.disk"

# is_user: all of QEMU's ids are those of the user, and what root may do it may not
is_user() {
	local status

	status=/proc/$(guest_pid h g)/status
	same "$(awk '/^(Uid|Gid|Groups):/ { $1 = ""; print }' "$status" | xargs)" \
		"$uid $uid $uid $uid $(id -g nobody | awk '{ print $1, $1, $1, $1 }')" &&
		same "$(awk '/^Cap(Prm|Eff|Amb):/ { print $2 }' "$status" | sort -u)" 0000000000000000 &&
		same "$(awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "$status" | xargs)" "1 2"
}

# as USER COMMAND...: what that user can do
as() {
	setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups "${@:2}"
}

# owner_of NAME: as the kernel has it
owner_of() {
	on h -j show "$1" | json "j[0]['owner_uid']"
}

# connects USER SOCKET
connects() {
	as "$1" perl -e "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0);
		connect(S, pack_sockaddr_un('$2')) or die"
}

# mounts: how many there are of it
mounts() {
	grep -c "$scratch/.*/own" /proc/self/mountinfo
}

# Who it can be
describe h g user=nobody "$booted" console=yes agent=yes net=t0,mac=02:00:00:00:00:01
describe h other user=daemon
check "start" exits 0 env SECRET=1 "$scratch/via" h lparctl start g
check "QEMU is that user, for good" is_user
check "so is the LPAR's memory" same "$(owner_of g)" "$uid"
check "nothing of root's environment" same \
	"$(tr '\0' '\n' <"/proc/$(guest_pid h g)/environ" | grep -v '^PATH=\|^LANG=\|^TZ=\|^LPARKIT_')" ""
check "nor its directory" same "$(readlink "/proc/$(guest_pid h g)/cwd")" /
check "its netdev is the one that was named" grep -qx "iff:.t0" /proc/"$(guest_pid h g)"/fdinfo/*

# Its sockets
check "lparctl asks its monitor" same "$(on h -j list | json "j[0]['guest']['status']")" running
check "root has the other one" same "$(status h g)" running
for socket in qmp lparctl console agent; do
	check "$socket.sock is root's" same "$(stat -c %U:%a "$run/$socket.sock")" root:600
	check_fails "and the user's it is not" connects nobody "$run/$socket.sock"
done
printf x >"$scratch/typed"
start sh -c "exec '$scratch/via' h lparctl console g <'$scratch/typed' >'$scratch/heard'"
check "the console" wait_until 60 test -s "$scratch/heard"
kill "$pid"
wait "$pid" 2>/dev/null
check_fails "he puts nothing in their place" as nobody rm -f "$run/lparctl.sock"
check_fails "nor beside it" as nobody touch "$run/more"
check_fails "nor reads the log" as nobody cat "$run/qemu.log"

# What he may fill
place=$run/qemu
fills() {
	as nobody sh -c "head -c 8M /dev/zero >'$place/filler'"
}
litters() {
	as nobody sh -c "cd '$place'; for i in \$(seq 100); do : >\$i || exit; done"
}
check_fails "he has no room without end" fills
check "but 1 MiB" test "$(stat -c %s "$place/filler")" -le 1048576
rm "$place/filler"
check_fails "nor files without end" litters
check "the guest goes on" same "$(status h g)" running
check_fails "he is not beside that" as nobody touch "$run/own/more"

# What another guest's user has, he has not
check "start of another" exits 0 on h start other
other=$(guest_pid h other)
check_fails "he cannot connect to it" connects nobody "$(run_of h other)/qmp.sock"
check_fails "nor tell it to end" as nobody kill "$other"
check_fails "nor have its place" as nobody ls "$(run_of h other)/qemu"
describe h twin user=nobody
check "a user has one LPAR" says 5 "user=nobody is that of LPAR g, too" on h start twin
check "check says so" says 3 "user nobody is also that of LPAR g " on h check twin
check "both run" same "$(status h g) $(status h other)" "running running"
check "stop of the other" exits 0 on h stop other --timeout 0

# A save, and a restore
check "save" exits 0 lparctl cluster save one --dir "$states" --via "$scratch/via" --hosts h --lpar g
check "it has ended" only_log h g
check "restore" exits 0 lparctl cluster restore one --dir "$states" --via "$scratch/via"
check "it is that user again" is_user
check "and runs" same "$(status h g)" running

# Its end, of itself and otherwise, with and without who watches
supervise() {
	start "$scratch/via" h lparctl start g --wait >"$scratch/said" 2>&1
	supervisor=$pid
	wait_until 60 grep -q "^g: guest runs" "$scratch/said"
}
ended() {
	wait "$supervisor"
	same $? "$1"
}
powers_down() {
	printf q | timeout 100 "$scratch/via" h lparctl console g >/dev/null 2>&1
	wait_until 60 test ! -d "/proc/$1"
}
on h stop g --timeout 0 >/dev/null
check "a guest is watched" supervise
check "it powers down" powers_down "$(guest_pid h g)"
check "that is its end" ended 0
check "a guest is watched" supervise
kill -9 "$(guest_pid h g)"
check "it is killed: that is a failure" ended 1
check "a guest is watched" supervise
kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
check "it powers down, and nobody watches" powers_down "$(guest_pid h g)"
check "the next supervisor knows" says 0 "powered down" on h start g --wait
check "only what was left is there" only_log h g
# As a former lparctl has started it: its pidfile is beside its sockets
on h start g >/dev/null
rm -r "$run/qemu"
check "a guest without a directory is watched" supervise
kill -9 "$(guest_pid h g)"
check "it is killed: that is a failure" ended 1

# hostile WHAT: what a QEMU that was taken over makes of its directory
hostile() {
	local place=$run/qemu

	case $1 in
	symlink) as nobody ln -sfn "$scratch/precious" "$place/alive" ;;
	dangling) as nobody ln -sfn /nowhere "$place/alive" ;;
	fifo) as nobody sh -c "rm '$place/alive'; mkfifo '$place/alive'" ;;
	directory) as nobody sh -c "rm '$place/alive'; mkdir '$place/alive'" ;;
	full) as nobody sh -c "rm '$place/alive'; mkdir '$place/alive'; touch '$place/alive/x'" ;;
	litter) as nobody sh -c "mkdir '$place/more'; ln -s '$scratch/precious' '$place/more/link'" ;;
	pid) as nobody sh -c "echo $$ >'$place/alive'" ;;
	esac
}
echo precious >"$scratch/precious"
chmod 600 "$scratch/precious"
for what in symlink dangling fifo directory full litter pid; do
	on h start g >/dev/null
	hostile "$what"
	check "$what: stop ends QEMU, and nobody else" says 0 "QEMU quit" timeout 200 "$scratch/via" h lparctl stop g --timeout 0
	check "$what: nothing is left" only_log h g
	check "$what: the next start" exits 0 timeout 200 "$scratch/via" h lparctl start g
	on h stop g --timeout 0 >/dev/null
done
# One that was left, and is still his
install -d -o nobody "$run/qemu" "$run/qemu/alive"
as nobody sh -c "touch '$run/qemu/alive/x'; ln -s '$scratch/precious' '$run/qemu/link'"
check "a directory that is left" exits 0 on h start g
check "is a new one" same "$(ls "$run/qemu")" alive
on h stop g --timeout 0 >/dev/null
install -d -o nobody "$run/qemu"
as nobody mkdir -p "$run/qemu$(printf '/d%.0s' {1..40})"
check "one without end" says 5 "run/lparkit/g/qemu: File exists" on h start g
rm -r "$run/qemu"
# One that had another user, who has left it open to all
on h start g >/dev/null
as nobody chmod 777 "$run/qemu"
as nobody touch "$run/qemu/litter"
on h stop g --timeout 0 >/dev/null
describe h g user=daemon
on h deactivate g >/dev/null 2>&1
on h delete other >/dev/null 2>&1
check "a directory that had another user" exits 0 on h start g
check_fails "is not his any more" as nobody touch "$run/qemu/more"
on h stop g --timeout 0 >/dev/null
check "nothing else was touched" same "$(stat -c %U:%a "$scratch/precious") $(cat "$scratch/precious")" "root:600 precious"
rm -rf "$run/qemu"

# What it says
printf '#!/bin/sh\nprintf "\\033[2J\\n" >&2\n' >"$scratch/says"
chmod +x "$scratch/says"
describe h g user=nobody "binary=$scratch/says"
check "a log" says 5 "qemu.log: ?\[2J" on h start g
check_fails "that a terminal would obey" grep -q $'\e' "$scratch/out" "$scratch/err"
cat >"$scratch/says" <<-'END'
	#!/usr/bin/python3
	import os
	os.ftruncate(2, 15 << 40)
	os.lseek(2, 0, os.SEEK_END)
	os.write(2, "".join(f"word {i}\n" for i in range(1, 101)).encode())
END
check "a log of 15 TiB" says 5 "qemu.log: word 100$" timeout 100 "$scratch/via" h lparctl start g
check "its last lines" same "$(grep -c "qemu.log: " "$scratch/err") $(grep -c "word 61$" "$scratch/err")" "40 1"

# A log without end: QEMU goes on, and the end stays
cat >"$scratch/says" <<-EOT
	#!/bin/sh
	(
		while [ ! -s "$place/alive" ]; do sleep 0.1; done
		head -c 8M /dev/zero | tr "\\0" x >&2
		: >"$place/done"
	) &
	exec qemu-system-x86_64 "\$@"
EOT
describe h g user=nobody "binary=$scratch/says"
check "start" exits 0 on h start g
check "it says too much" wait_until 60 test -e "$place/done"
check "of which there is 1 MiB" test "$(stat -Lc %s "$run/qemu.log")" -le 1048576
check "it runs" same "$(status h g)" running
check "stop" exits 0 on h stop g --timeout 0
check "the end of it is there" same "$(stat -c %F:%a:%s "$run/qemu.log")" "regular file:600:16384"
check "nothing is mounted any more" same "$(mounts)" 0

# Who has mounts of his own would be the only one to see it
mount --make-rshared /
describe h g user=nobody
check "a start where mounts are not seen by others" says 0 "may fill that of" \
	unshare -m --propagation slave "$scratch/via" h lparctl start g
check "it has a directory all the same" test ! -L "$run/qemu" -a -e "$run/qemu/alive"
check "stop" exits 0 on h stop g --timeout 0
check "nothing of it is left" only_log h g
# As systemd makes those of a service.
check "nor where they are shared within it" says 0 "may fill that of" \
	unshare -m --propagation slave sh -c 'mount --make-rshared / && exec "$@"' - \
	"$scratch/via" h lparctl start g
check "stop" exits 0 on h stop g --timeout 0

# What it cannot read, and what is no user
install -m 600 /dev/null "$scratch/kernel"
describe h g user=nobody "kernel=$scratch/kernel"
check "a kernel for root alone" says 5 "kernel.*Permission denied\|Permission denied.*kernel" on h start g
describe h g user=nobody "args=-netdev tap,id=x,script=/bin/true -device virtio-net-pci,netdev=x"
check "a script" says 5 "QEMU ended" on h start g
describe h g user=root
check "root is none" says 1 "is root" on h start g
describe h g user=no-such-user
check "nor is a name of nobody" says 1 "is not a user of this host" on h start g
describe h g user=nobody
sed -i 's/^memory=/owner=daemon\nmemory=/' "$root/etc/lparkit/g.lpar"
check "another owner" says 1 "owner= is not user=nobody" on h start g
describe h g user=nobody
mkdir -p "$root/dev"
mknod "$root/dev/kvm" c 1 3 && chmod 600 "$root/dev/kvm"
sed -i '/^accel=/d' "$root/etc/lparkit/g.lpar"
check "a /dev/kvm for root alone" says 1 "chgrp kvm /dev/kvm" on h start g

# What was defined by other means is defined so again
describe h by-hand "binary=/bin/false"
on h create by-hand memory 32M cpus 1 owner daemon >/dev/null
as_defined=$(on h -j show by-hand)
check "a start that fails" says 5 "everything is as it was" on h start by-hand
check "has changed nothing of its LPAR" same "$(on h -j show by-hand)" "$as_defined"
on h create theirs memory 32M owner daemon >/dev/null
describe h by-hand user=daemon
check "one that fails before its LPAR is active" says 1 "user=daemon is that of LPAR theirs" on h start by-hand
check "has changed nothing of it, either" same "$(on h -j show by-hand)" "$as_defined"

# owner= alone: what a later line does not say, it does not keep from an earlier one
describe h owned
sed -i 's/^memory=/owner=daemon:daemon\nowner=nobody\nmemory=/' "$root/etc/lparkit/owned.lpar"
on h start owned >/dev/null
check "an owner without a group" same \
	"$(on h -j show owned | json "j[0]['owner_uid'], j[0]['owner_gid']")" "$uid 0"
