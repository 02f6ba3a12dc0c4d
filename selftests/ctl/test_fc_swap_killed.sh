#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc swap is killed: whenever it has asked the kernel for something or changed the disk, and
# at each command for the other host. Then fc recover ends the move, in one of the two ways.
# vm: none timeout=900 speed=full
# shellcheck source=selftests/ctl/swap.sh
. "$(dirname "$0")/swap.sh"

killer=$build/selftests/ctl/killer_preload.so
[ -e "$killer" ] || bail "no killer_preload.so: run 'make programs'"
hosts_up
plan 27

# killed_at N WORD...: lparctl on host a, killed at the N-th of what it does itself
killed_at() {
	echo "$1" >"$scratch/killer"
	# The shell's own word of it is no news.
	{
		KILLER=$scratch/killer PLAYED_KERNEL=$scratch/a/kernel \
			LD_PRELOAD="$killer $build/selftests/ctl/kernel_preload.so" \
			"$build/ctl/lparctl" --root "$scratch/a/root" "${@:2}" \
			>"$scratch/out" 2>"$scratch/err"
		code=$?
	} 2>/dev/null
	rm -f "$scratch/killer"
}

# ends HOW: never both, and recover ends it; there is nothing left to be recovered
ends() {
	not_both && exits 0 recover && one_has_it && says 0 "nothing is under way" recover && return
	echo "# killed $1"
	return 1
}

to_b=(--to b --via "$scratch/between")

# killed_anywhere PREPARATION OPTION...: until it is not killed any more
killed_anywhere() {
	local n=0

	code=137
	while [ $code = 137 ]; do
		n=$((n + 1))
		as_it_was
		$1
		killed_at $n fc swap web "${@:2}"
		[ $code != 137 ] || ends "at $n" || return 1
	done
	echo "# $((n - 1)) times"
	[ $n -gt 10 ] && same $code 0
}

prepared() {
	swap --prepare >/dev/null
}

check "wherever it is killed" killed_anywhere has_been_there "${to_b[@]}"
check "also where it has never been" killed_anywhere : "${to_b[@]}"
check "also while it switches over" killed_anywhere prepared --switch
for at in "list 1" "show 1" "show 2" "list 2" "define 1" "show 3" "start 1" "show 4" "confirm 1" \
	"show 5"; do
	cut_at "$at" killed
	swap >/dev/null 2>&1
	check "killed before $at" ends "before $at"
	cut_at "$at" killed-after
	swap >/dev/null 2>&1
	check "killed after $at" ends "after $at"
done

# recover is killed as well
killed_recover() {
	local n=0

	code=137
	while [ $code = 137 ]; do
		n=$((n + 1))
		as_it_was
		swap --prepare >/dev/null
		killed_at $n fc recover web
		[ $code != 137 ] || ends "recover at $n" || return 1
	done
	[ $n -gt 3 ] && same $code 0
}

check "recover itself is killed" killed_recover
check "then it stays" stays
cut_at confirm 1 killed-after
swap >/dev/null 2>&1
check "killed when it was decided" says 0 "^web: lives at b" recover
check "it is there" moved
