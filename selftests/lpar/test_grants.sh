#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Grants: who may map the memory of an LPAR beside its holder, and that nobody keeps
# what is taken from it, however it clings to it.
# vm: cpus=3 mem=1024 timeout=500 kernels=6.1,6.12,7.2,debug long=6.1,6.12,debug
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

NOBODY=65534
SIZE_MIB=64
ROUNDS=10
GRANTS_MAX=64
NOISE_KIB=$((SIZE_MIB << 9))

# give NAME BYTE: starts a holder that passes its file to who asks; its id is in $pid
give() {
	start granttool give "$scratch/socket" "/dev/lpar/$1" "$2" >"$scratch/give"
	wait_until 20 grep -q held "$scratch/give"
}

# give, by a device node in a file system that ends with its holder
give_jailed() {
	local number

	number=$(stat -c '%Hr %Lr' /dev/lpar/a)
	mkdir "$scratch/jail"
	start unshare -m bash -c "mount -t tmpfs none '$scratch/jail' &&
		mknod '$scratch/jail/mem' c $number &&
		exec granttool give '$scratch/jailed' '$scratch/jail/mem' 0x5a" >"$scratch/give"
	wait_until 20 grep -q held "$scratch/give"
}

# grantee VERB SOCKET: starts one with a grant; its id is in $pid, what it says in $scratch/VERB
grantee() {
	start granttool "$1" "$scratch/$2" >"$scratch/$1"
	wait_until 20 grep -q granttool "/proc/$pid/comm" && lparcall grant a grant "$pid"
}

# It shows as a zombie, as its first thread has ended.
leaderless() {
	start granttool leaderless "$scratch/socket" >"$scratch/leaderless"
	wait_until 20 grep -q '^State:.Z' "/proc/$pid/status" && lparcall grant a grant "$pid"
}

# A child that has its parent's address space yet; its id is in $child
between_vfork_and_exec() {
	start granttool vfork >"$scratch/vfork"
	wait_until 20 grep -q . "$scratch/vfork" && child=$(<"$scratch/vfork")
}

heir_has_nothing() {
	wait_until 20 grep -q heir "$scratch/bequeath" && says "^heir 0 " cat "$scratch/bequeath" && return
	sed 's/^/#   /' "$scratch/bequeath"
	return 1
}

no_busy_inodes() {
	! dmesg | grep "Busy inodes"
}

# said LINE COUNT: the back end has said it so often
said() {
	[ "$(grep -c "^$1" "$scratch/take")" -ge "$2" ]
}

# says_soon LINE COUNT
says_soon() {
	wait_until 60 said "$1" "$2" && return 0
	sed 's/^/#   /' "$scratch/take"
	return 1
}

# It has not ended, as it does when it can read what it had lost.
clean() {
	kill -0 "$taker" && return 0
	sed 's/^/#   /' "$scratch/take"
	return 1
}

# The holder, which runs, sees this byte at the end of its memory.
holder_sees() {
	says "^the holder sees $1" granttool try "$scratch/socket"
}

# A shell with a grant, of which the commands in $1 try to map.
with_grant() {
	local shell

	mkfifo "$scratch/go"
	start bash -c "echo ready; read -r <'$scratch/go'; $1; exit" >"$scratch/out" 2>&1
	shell=$pid
	wait_until 20 grep -q ready "$scratch/out" || return 1
	lparcall grant a grant "$shell" || return 1
	is a grants "$taker $shell" || return 1
	echo >"$scratch/go"
	wait "$shell"
	rm "$scratch/go"
	says "^EBUSY: mmap" cat "$scratch/out"
}

# With the back end's, as many grants as there may be.
crowd() {
	local i

	for ((i = 1; i < GRANTS_MAX; i++)); do
		start sleep 1000
		# Until then it is a shell, with another address space.
		wait_until 20 grep -q sleep "/proc/$pid/comm" || return 1
		lparcall grant a grant "$pid" || return 1
	done
}

again() {
	local round

	for ((round = 2; round <= ROUNDS; round++)); do
		lparcall grant a grant "$taker" && says_soon mapped "$round" || return 1
		lparcall revoke a grant "$taker" && says_soon lost "$round" || return 1
	done
}

# back FROM_KIB: what was free is free again
back() {
	below $(($1 - $(free_kib any))) $NOISE_KIB
}

plan 61
load lpar
events=$scratch/events
listen "$events"
lparcall create a memory ${SIZE_MIB}M
refused EINVAL "a grant while there is no memory" lparcall grant a grant $$
free=$(free_kib any)
lparcall activate a

# Who may
chmod 711 "$scratch"
check "hold" give a 0x5a
holder=$pid
start setpriv --reuid $NOBODY --regid $NOBODY --clear-groups \
	"$(command -v granttool)" take "$scratch/socket" >"$scratch/take"
taker=$pid
check "a back end without a grant is refused" says_soon EBUSY 1
check "nobody has a grant" is a grants ""
check "grant" lparcall grant a grant "$taker"
check "it maps what the holder has" says_soon "mapped 0x5a" 1
check "the holder has what it writes" wait_until 5 holder_sees 0x77
check "shown" is a grants "$taker"
check "shown by netlink" says " grant=$taker" lparcall get a
check "another is refused" says "^EBUSY: mmap" granttool try "$scratch/socket"
check "it cannot open it" says "^EBUSY: open" memtool open /dev/lpar/a
check "not for a child" with_grant "granttool try '$scratch/socket'"
check "nor for what is executed" with_grant "exec granttool try '$scratch/socket'"
check "both are gone" wait_until 5 is a grants "$taker"

# Refusals
refused EEXIST "twice" lparcall grant a grant "$taker"
refused ESRCH "no process" lparcall grant a grant 4000000
refused EINVAL "a kernel thread" lparcall grant a grant 2
refused EINVAL "init" lparcall grant a grant 1
refused EINVAL "nobody" lparcall grant a
refused EPERM "by a user" lparcall --user $NOBODY grant a grant $$
refused EPERM "revocation by a user" lparcall --user $NOBODY revoke a grant "$taker"
refused ESRCH "revocation of what is none" lparcall revoke a grant $$
check "it has it yet" holder_sees 0x77

# Revocation, while it has fault after fault
check "revoke" lparcall revoke a grant "$taker"
check "it has lost all" says_soon lost 1
check "not shown" is a grants ""
check "it is refused" says_soon EBUSY 2
check "the holder goes on" holder_sees 0x77
check "again and again" again
check "nothing came back to it" clean

# The holder dies; the back end clings to its file and its mapping
check "grant" lparcall grant a grant "$taker"
check "mapped" says_soon mapped $((ROUNDS + 1))
: >"$events"
kill -9 "$holder"
check "the memory is free for the next" event "$events" memory-released 'name="a"'
check "it has lost all" says_soon lost $((ROUNDS + 1))
check "zero" memtool zero /dev/lpar/a

# A holder dies in a jail, whose file system is gone before the memory is zero
check "in a jail" give_jailed
holder=$pid
check "grant" grantee pin jailed
check "pinned" wait_until 20 grep -q pinned "$scratch/pin"
: >"$events"
kill -9 "$holder"
check "neither a holder" wait_until 5 is a holder ""
stop "$pid"
check "nor a pin" event "$events" memory-released 'name="a"'
check "no file system was ended under it" no_busy_inodes

# The next
check "the next holder" give a 0x66
holder=$pid
check "the grant is of the LPAR" says_soon "mapped 0x66" 1
check "nothing of the former came back" clean

# Who is granted
check "before it executes its program" between_vfork_and_exec
refused EAGAIN "is refused" lparcall grant a grant "$child"
kill -9 "$child"
check "one whose first thread has ended" leaderless
check "has mapped" wait_until 20 grep -q "mapped 0x66" "$scratch/leaderless"
check "revoke" lparcall revoke a grant "$pid"
check "has lost" wait_until 20 grep -q lost "$scratch/leaderless"
kill -9 "$pid"
check "one with an heir" grantee bequeath socket
check "who inherits nothing" heir_has_nothing
check "nor the grant" wait_until 5 is a grants "$taker"
kill "$(sed -n 's/^heir 0 //p' "$scratch/bequeath")"

# Limits, and the end
check "as many as there may be" crowd
refused E2BIG "one more" lparcall grant a grant $$
check "by force" lparcall deactivate a force
check "the back end has what the holder has" holder_sees 0x77
stop "$holder"
check "and loses it with it" says_soon lost $((ROUNDS + 2))
check "the memory is back, whose files it keeps" wait_until 30 back "$free"
memtool dirty 400
check "nothing came back to it, nor what others have there now" clean
stop "$taker"
check "all is given back when it has ended" wait_until 30 back "$free"
