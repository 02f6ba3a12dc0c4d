#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What test_migrate_cuts.sh has no time for: everything that can go wrong, at each request; hosts
# that reboot, and a destination that hangs while the guest stands.
# vm: none timeout=3000 speed=long
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"

# reboots HOST OP: after that step all else is dead, and the host has what is on its disk.
reboots() {
	local host=$1 kept=$home code=0

	decided_at "$2" kill-both && kept=$away
	script reboot "kill -9 \$(cat $(run_of "$host" g)/qemu.pid)" \
		"rm -rf $scratch/$host/root/run $scratch/$host/kernel" \
		"mkdir $scratch/$host/root/run $scratch/$host/kernel" "sleep 0.1"
	moves_with "$2" kill-both
	"$scratch/reboot"
	for host in a b; do
		[ ! -e "$(record_of $host)" ] || migrate $host recover g
	done >"$scratch/recovered" 2>&1
	# Undone, it has died with its host, which is as one that has lost its /var.
	if grep -qe --abandon "$scratch/recovered"; then
		migrate $away recover g --abandon >>"$scratch/recovered" 2>&1
	fi
	# Whoever has it now, or, if its QEMU has died with the host, its description
	same "$(left)" "" && starts_again "$kept" && return
	sed 's/^/# /' "$scratch/recovered"
	tell_move "reboot of $1" "$2"
}

# starts_again HOST: if it runs nowhere it can be had there.
starts_again() {
	if [ "$(statuses a b)" = "none none" ]; then
		exits 0 on "$1" start g || return 1
	fi
	find_home
	lives_on $home
}

# Its QEMU at the destination hangs, and the guest is not kept standing for it.
hangs() {
	script hang "kill -STOP \$(cat $(run_of $away g)/qemu.pid)"
	took_less 100 moves_with "$1" run "$scratch/hang"
	same "$code" 5 || same "$code" 4 || tell_move "hang at $1" || return 1
	lives_on $home
}

# What cannot be undone stays on record, whoever comes next.
cannot_go_on() {
	script stop "kill -STOP \$(cat $(run_of $home g)/qemu.pid)"
	moves_with finish run "$scratch/stop"
	move >"$scratch/moved.2" 2>&1
	kill -CONT "$(cat "$(run_of $home g)/qemu.pid")"
	recovers
}

hosts_up
for op in leave copy halt finish held decide release enter take prepare run; do
	for how in refuse lost-before lost-after kill-before kill-after kill-both killed interrupt; do
		check "at $op: $how" cut_at $op $how
	done
done
for op in copy finish prepare decide run; do
	check "the source reboots after $op" reboots $home $op
	check "the destination reboots after $op" reboots $away $op
done
check "the destination's QEMU hangs" hangs halt
check "it hangs when all is sent" hangs prepare
check "QEMU hangs at the source" cannot_go_on
