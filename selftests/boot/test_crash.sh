#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: systemd cpus=4 mem=1280 disks=64M,16M,32M,64M,32M timeout=1200 kernels=6.12 speed=long
#
# A host crashes at random times as LPARs start and stop, also as it restores them: after each
# reboot exactly those that ran run again, in order, with clean disks; those that are never to be
# started do not. At last it is shut down: all end in the reverse order, in time, and run again.
# ROUNDS: crashes (3). SEED: of when they are.

# shellcheck source=selftests/boot/boot.sh
. "$(dirname "$0")/boot.sh"

rounds=${ROUNDS:-3}

# They have to be there for each disk to be looked at.
start_all() {
	local name

	for name in p q r u; do
		start_one "$name" || return 1
	done
}

wrote_more() {
	[ "$(sayings "$1" | grep -c wrote)" -gt "$2" ]
}

# At a shutdown: who ends when, as long as anybody runs
watch_ends() {
	local name left="$*"

	while [ -n "${left// /}" ]; do
		for name in $left; do
			runs "$name" && continue
			echo "$name $(cut -d ' ' -f 1 /proc/uptime)" >>$kept/ends
			left=${left//$name/}
		done
		sync $kept/ends
	done
}

# ended LPAR: its place among those that have
ended() {
	grep -n "^$1 " $kept/ends | cut -d : -f 1
}

shut_down() {
	local name

	for name in "${lpars[@]}"; do
		runs "$name" || start_one "$name" || return 1
	done
	wait_until 300 wrote_more q "$(sayings q | grep -c wrote)" || return 1
	watch_ends "${lpars[@]}" &
	cut -d ' ' -f 1 /proc/uptime >$kept/begun
	sync $kept/begun $kept
	echo again >"$LPARKIT_STATUS"
	systemctl reboot
	wait
}

in_time() {
	awk 'NR == FNR { begun = $1; next } { took = $2 - begun; if (took > max) max = took }
		END { print "# all had ended after " max " s"; exit FNR != 6 || max >= 150 }' \
		$kept/begun $kept/ends >&3
}

# last_check_is_clean LPAR: as it was started once more
last_check_is_clean() {
	sayings "$1" | grep '^check' | tail -n 1 | grep -q clean
}

check_shutdown() {
	diag "ended: $(xargs <$kept/ends)"
	check "all had ended, in time" in_time
	check "r before q, which it comes after" test "$(ended r)" -lt "$(ended q)"
	check "q before p" test "$(ended q)" -lt "$(ended p)"
	data check "p with a disk that needs no repair" last_check_is_clean p
	data check "q too" last_check_is_clean q
}

# The host's own look at the disks
disks_at_rest() {
	local name

	for name in "${lpars[@]}"; do
		! runs "$name" || stop_one "$name" || return 1
	done
	e2fsck -fn /dev/mapper/p && e2fsck -fn /dev/vde
}

begin_boot
if [ "$boot" = 1 ]; then
	checking set_up
	checking check "all start" start_all
	crash_within 60
	load
fi
if [ "$boot" -le "$rounds" ] && [ $((boot % 3)) = 0 ]; then
	crash_within 60
	crashes=1
fi
wait_until 600 restore_is_over || bail "boot $boot: nobody restores LPARs"
checking check_boot
if [ "$boot" -le "$rounds" ]; then
	[ -n "$crashes" ] || crash_within 60
	load
elif [ "$boot" = $((rounds + 1)) ]; then
	shut_down
	bail "the host did not go down"
fi
check "those that are asked to start or stop do" test -z "$(grep failed $log)"
check_shutdown
data check "at the end both disks are without a fault" disks_at_rest
