#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In a host VM, for test_kill: killed.sh load|end. Is all there that must be? Then a load
# until somebody kills the VM.
store=none	# nothing is to be wiped
# shellcheck source=selftests/snapsync/group.sh
. "$(dirname "$0")/group.sh"

record=$(disk 4)

names() {
	states "$1" | tr ' ' '\n' | sort
}

# state_is_intact NAME HASH-A HASH-B
state_is_intact() {
	local status

	view va a "$1" && view vb b "$1" || return 1
	[ "$(snapkill hash /dev/mapper/va) $(snapkill hash /dev/mapper/vb)" = "$2 $3" ] &&
		snapkill pair /dev/mapper/va /dev/mapper/vb
	status=$?
	dmsetup remove va && dmsetup remove vb && return $status
}

states_are_right() {
	local how name hash_a hash_b on

	while read -r how name hash_a hash_b; do
		on=$(names a | grep -cx "$name")$(names b | grep -cx "$name")
		echo "# $how $name: $on"
		case $how,$on in
		*,11) state_is_intact "$name" "$hash_a" "$hash_b" || return 1 ;;
		taken,00 | deleted,00) ;;
		deleted,*) message a group delete "$name" || return 1 ;;
		*) return 1 ;;
		esac
	done <"$scratch/states"
}

plan 4
check "activation" members
data check "what was flushed is there" snapkill running a b "$record"
snapkill states "$record" >"$scratch/states"
data check "states are intact, on both or on none" states_are_right
check_is "there are no others" \
	"$(both names | tr '/' '\n' | sort -u | grep -vcxFf <(cut -d ' ' -f 2 "$scratch/states"; echo))" 0
# shellcheck disable=SC2046 # one word each
[ "$1" = end ] || snapkill load a b "$record" $(names a) >&3
remove_members
