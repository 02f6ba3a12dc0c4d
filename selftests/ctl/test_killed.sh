#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# execd is killed after each thing that it asks of the kernel while it saves and restores: what
# is recovered is as if it had not begun, or as if it had ended.
# vm: none timeout=200
if [ -z "$IN_NAMESPACE" ] && unshare -n true 2>/dev/null && [ -w /dev/net/tun ]; then
	# shellcheck disable=SC2016 # expanded by the other shell
	IN_NAMESPACE=1 exec unshare -n -m bash -c 'mount -t sysfs sysfs /sys; exec "$0"' "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs taps, and so root"

plan 13
states=$scratch/states
kernel=$scratch/a/kernel

cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}

# No buffer, no cut to come, no gate closed, no record
at_rest() {
	same "$(cd "$kernel" && ls -d net\ * 2>/dev/null)" "" &&
		same "$(cut -d ' ' -f 3 "$kernel"/cut.* 2>/dev/null | grep -cx 0)" 0 &&
		same "$(cat "$kernel/a1/gate" 2>/dev/null || echo 0)" 0 &&
		same "$(ls "$scratch/a/root/run/lparkit/cluster.session" 2>/dev/null)" ""
}

# A state is whole, or it is not there.
whole_or_gone() {
	if [ -e "$states/$1/manifest.json" ]; then
		cluster verify "$1" >/dev/null 2>&1
	else
		same "$(find "$states" -path "*/$1*" 2>/dev/null)" ""
	fi
}

# killed_in N VERB...: of the cluster, whose execd is killed after the N-th thing; fails when it
# has ended before that.
killed_in() {
	rm -f "$kernel"/cut.*
	echo "$1" >"$kernel/killer"
	: >"$kernel/log"
	cluster "${@:2}" >"$scratch/out" 2>&1
	[ ! -e "$kernel/killer" ] && return
	rm "$kernel/killer"
	return 1
}

recovers() {
	exits 0 on a cluster recover && at_rest && whole_or_gone bad && return
	echo "# killed after $1: $(sed "$1q" "$kernel/log" | xargs)"
	sed 's/^/# /' "$scratch/out"
	return 1
}

# A guest that stood goes on; it is the same one.
saves() {
	local before

	before=$(guest_pid a a1)
	for ((rounds = 1; ; rounds++)); do
		killed_in $rounds save bad --hosts a --continue || break
		recovers $rounds || return 1
		same "$(guest_pid a a1) $(status a a1)" "$before running" || return 1
		cluster delete bad --hosts a >/dev/null 2>&1
	done
	[ ! -e "$states/bad" ] || cluster delete bad >/dev/null
}

# A guest that was loaded by halves is ended, one that was loaded runs.
restores() {
	for ((rounds = 1; ; rounds++)); do
		killed_in $rounds restore good || break
		recovers $rounds || return 1
		exits 0 cluster verify good || return 1
		[ ! -e "$(run_of a a1)/qemu.pid" ] || same "$(status a a1)" running || return 1
	done
}

# Interrupt 1 of a host is a pipe: whoever starts a guest waits for what it says.
starting() {
	[ "$(cat "$scratch/b/kernel/b1/state")" != 0 ] &&
		pgrep -f "^lparctl --root $scratch/b/root start b1" >/dev/null
}

host_up a
ip tuntap add ta mode tap
ip link set ta up
describe a a1 "args=-netdev tap,id=n,ifname=ta,script=no,downscript=no -device e1000,netdev=n"
on a start a1 >/dev/null || bail "no guest"
check "saved" exits 0 cluster save good --hosts a --continue
check "killed after each thing that a save asks for" saves
check "they were many" test "$rounds" -gt 8
check "killed after each thing that a restore asks for" restores
check "they were many" test "$rounds" -gt 8
check "the guest runs" same "$(status a a1)" running

# Killed as it starts a guest, whose QEMU comes only later
host_up b
irqs=$scratch/b/root/proc/irq/1
mkdir -p "$irqs" "$scratch/b/root/sys/devices/system/cpu"
echo 0-3 >"$scratch/b/root/sys/devices/system/cpu/online"
describe b b1
sed -i 's/^memory=/cpus=2-3\nmemory=/' "$scratch/b/root/etc/lparkit/b1.lpar"
on b start b1 >/dev/null || bail "no guest"
check "saved" exits 0 cluster save other --hosts b
mkfifo "$irqs/smp_affinity_list"
start cluster restore other 2>"$scratch/err"
caller=$pid
check "its guest is being started" wait_until 30 starting
pkill -9 -f "root $scratch/b/root execd"
wait "$caller"
check "restore fails" test $? = 1
check "and says what is left" grep -q "b1: it is being started still" "$scratch/err"
exec 8<>"$irqs/smp_affinity_list"
echo 0-3 >&8
rm "$irqs/smp_affinity_list"
echo 0-3 >"$irqs/smp_affinity_list"
exec 8>&-
check "the guest has come" wait_until 30 test -S "$(run_of b b1)/lparctl.sock"
check "recover" exits 0 on b cluster recover
check "ends it, and its LPAR is given back" same "$(cat "$scratch/b/kernel/b1/state")" 0
