# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# What the parts of "make demo" have in common: an account for the reader, each line of
# which was checked just before. "--colour" is the first argument of who sources it.

[ "${1:-}" = --colour ] &&
	good=$'\e[32m' bad=$'\e[31;1m' bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'

exec 3>&1 1>&2 # figures go to the reader, the commands' own words to the log

held=0
failed=0
unjudged=0

title() {
	printf '\n%s%s%s\n' "$bold" "$1" "$plain" >&3
}

shell() {
	printf '   %s$ %s%s\n' "$dim" "$*" "$plain" >&3
	"$@"
}

# claim TEXT CONDITION...: a line of the account, and the proof of it.
claim() {
	local text=$1

	shift
	if "$@"; then
		held=$((held + 1))
		printf '   %sok%s  %s\n' "$good" "$plain" "$text" >&3
	else
		failed=$((failed + 1))
		printf '   %sNO%s  %s\n' "$bad" "$plain" "$text" >&3
	fi
}

# unjudged TEXT: nothing can be said of that claim here
unjudged() {
	unjudged=$((unjudged + 1))
	printf '   %s??%s  %s\n' "$bold" "$plain" "$1" >&3
}

# The last line; the status says whether all claims held.
account_end() {
	local more=

	[ "$unjudged" = 0 ] ||
		more="; of $unjudged nothing can be said: try SLOW=$((2 * LPARKIT_SLOW)), or a machine that is less busy"
	title "$held claims held, $failed did not$more"
	[ "$failed" = 0 ]
}

now_ms() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

wait_until() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
	done
}
