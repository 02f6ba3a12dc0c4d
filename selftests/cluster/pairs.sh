# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# A cluster of pairs of guests, seen from host a of the rig. Needs wait_until.

# shellcheck source=selftests/cluster/node.sh
. "$(dirname "${BASH_SOURCE[0]}")/node.sh"

via=selftests/cluster/via
# Not shared, but for the tests that need it.
dir=/var/lib/lparkit/cluster
primaries=()
standbys=()

# For a trap on EXIT: both hosts as they can be left.
clear_guests() {
	local guest

	for guest in "${primaries[@]}" "${standbys[@]}"; do
		on "$(where "$guest")" lparctl stop "$guest" --timeout 0s
	done
}
# hosts_up
hosts_up() {
	node_up || return 1
	wait_until 120 test -e $share/b.up
}

# cluster_up PAIRS MS [TOKEN ADVERT]: that many pairs, which beat every MS; see describe
cluster_up() {
	local i guest

	for ((i = 1; i <= $1; i++)); do
		primaries+=("a$i")
		standbys+=("b$i")
	done
	node_disks "${primaries[@]}" || return 1
	on b node_disks "${standbys[@]}" || return 1
	for guest in "${primaries[@]}" "${standbys[@]}"; do
		on "$(home_of "$guest")" describe "$guest" "${@:2}" || return 1
		on "$(home_of "$guest")" lparctl start "$guest" || return 1
	done
	for guest in "${primaries[@]}" "${standbys[@]}"; do
		wait_until 300 on "$(home_of "$guest")" guest_is_up "$guest" || return 1
	done
	wait_until 60 all_hear
}

# ask GUEST KEY: what it says of itself, wherever it runs
ask() {
	on "$(where "$1")" shown "$1" "$2"
}

# where GUEST: its host; the tests that move guests say so.
declare -A moved_to
where() {
	echo "${moved_to[$1]:-$(home_of "$1")}"
}

tell() {
	on "$(where "$1")" say "$1" "$2"
}

tell_all() {
	local guest

	for guest in "${primaries[@]}" "${standbys[@]}"; do
		tell "$guest" "$1" || return 1
	done
}

all_hear() {
	local guest

	for guest in "${primaries[@]}" "${standbys[@]}"; do
		is_beyond "$guest" received 2 || return 1
	done
}

# has_none GUEST KEY...: its counters of these things are 0
has_none() {
	local shown key

	shown=$(tell "$1" "pair show")
	for key in "${@:2}"; do
		[[ " $shown " = *" $key=0 "* ]] && continue
		echo "# $1: $shown"
		on a noticed "$1"
		on b noticed "$1"
		return 1
	done
}

all_have_none() {
	local guest

	for guest in "${primaries[@]}" "${standbys[@]}"; do
		has_none "$guest" "$@" || return 1
	done
}

# All guests want to run at once, and each has its LPAR's CPUs. They are looked at together,
# since each look takes a second or two of a clock that may be slow.
all_use_their_cpus() {
	local guest pid looks=() status=0

	tell_all "spin 1" || return 1
	for guest in "${primaries[@]}" "${standbys[@]}"; do
		on "$(where "$guest")" use_all_cpus "$guest" &
		looks+=($!)
	done
	for pid in "${looks[@]}"; do
		wait "$pid" || status=1
	done
	tell_all "spin 0" && return $status
}

# Each message came, once and in order.
all_came() {
	all_have_none lost repeated disordered
}

# Nothing happened that a cluster would notice.
all_quiet() {
	all_have_none lost repeated disordered missed changes splits
}

# grows GUEST KEY: a number of it goes up
grows() {
	local before

	before=$(ask "$1" "$2" | tr -cd 0-9)
	wait_until 30 is_beyond "$1" "$2" "${before:-0}"
}

is_beyond() {
	local now

	now=$(ask "$1" "$2" | tr -cd 0-9)
	[ "${now:-0}" -gt "$3" ]
}

all_count() {
	local guest

	for guest in "${primaries[@]}" "${standbys[@]}"; do
		grows "$guest" count || return 1
	done
}

# is_saving GUEST: its LPAR's stage, on this host: saving has begun
is_saving() {
	stage_is "$1" 2
}

# cluster VERB ARGUMENT...
cluster() {
	lparctl cluster "$1" --via $via --dir $dir "${@:2}"
}
