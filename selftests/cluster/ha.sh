# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Two guests on two hosts run Debian's keepalived and corosync. What either of them notices
# it says, and once settled it says nothing else.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# lines GUEST [TEXT]: how many the two have said since the guest was told to forget
lines() {
	tell "$1" "ha count${2:+ $2}" | sed -n 's/^ok //p'
}

have_said() {
	[ "$(lines "$1" "$2")" -gt 0 ]
}

# repeat GUEST: what they have said, or how it begins
repeat() {
	local count i

	count=$(lines "$1")
	for ((i = 1; i <= ${count:-0} && i <= 80; i++)); do
		echo "# $1: $(tell "$1" "ha line $i")"
	done
}

# silent GUEST: neither has said anything
silent() {
	[ "$(lines "$1")" = 0 ] || { repeat "$1"; return 1; }
}

nobody_noticed() {
	local status=0

	silent a1 || status=1
	silent b1 || status=1
	return $status
}

# holds GUEST: who asks for the service's address hears of this one
holds() {
	ip neigh flush to $ha_address
	ping -q -c 1 -W 2 $ha_address >/dev/null
	ip neigh show to $ha_address | grep -q ":$(guest_address "$1" | sed 's/.*\.//') "
}

are_one() {
	have_said a1 "Members[2]" && have_said b1 "Members[2]" && holds a1
}

# settled SECONDS
settled() {
	tell_all "ha forget"
	sleep "$1"
	nobody_noticed
}

# quiet_after SECONDS DESCRIPTION: succeeds if nobody has noticed
quiet_after() {
	sleep "$1"
	check "$2: the guests count on" all_count
	check "$2: the service is where it was" holds a1
	check "$2: neither keepalived nor corosync has noticed" nobody_noticed
}

# instant STEP FILE: when it was, in ns
instant() {
	sed -n "s/.*\"$1\":{\"at_ns\":\([0-9]*\).*/\1/p" "$2"
}

# paused_for ROUND MS: a pause that is shorter than a token is nothing to be noticed.
paused_for() {
	local saved=$scratch/saved ms

	lparctl -j cluster show state --dir $dir >"$saved"
	ms=$((($(instant resume "$saved") - $(instant stop "$saved")) / 1000000))
	if [ "$ms" -ge "$2" ]; then
		ok "$1: the guests were paused for $ms ms"
	else
		skip "$1: the guests were paused for $2 ms" "it was $ms: a smaller SLOW is needed here"
	fi
}

# alone GUEST: the other has taken it for gone
alone() {
	have_said "$1" "Members[1]" && holds "$1"
}

# stand_alone GUEST OTHER: is stopped until the other notices, and goes on
stand_alone() {
	tell_all "ha forget"
	check "$1 is stopped alone" on "$(where "$1")" qmp "$1" stop
	check "which $2 notices: it is alone, and has the service" wait_until 60 alone "$2"
	check "$1 goes on" on "$(where "$1")" qmp "$1" cont
	check "and they are one again" wait_until 60 are_one
}

# ha TOKEN ADVERT ROUNDS: corosync's in ms, keepalived's in s. Undisturbed they are heard for
# as long as in all rounds.
ha() {
	local i settle=$((4 * $1 / 1000 + 1)) # s, longer than any time-out of theirs

	check "two hosts" hosts_up || bail "no rig"
	check "two guests" cluster_up 1 "$1" "$1" "$2" || bail "no cluster"
	check "keepalived (each $2 s) and corosync ($1 ms) are one" wait_until 120 are_one ||
		{ repeat a1; repeat b1; bail "no cluster"; }
	check "and settle" wait_until 60 settled $settle
	tell_all "ha forget"
	quiet_after $((2 * $3 * settle)) "undisturbed" ||
		bail "a longer token is needed here, or a larger SLOW"
	for ((i = 1; i <= $3; i++)); do
		tell_all "ha forget"
		check "round $i: saved and continued" cluster save state --hosts a,b --continue
		paused_for "round $i" "$1"
		quiet_after $settle "round $i, continued"
		cluster delete state
	done
	for ((i = 1; i <= $3; i++)); do
		tell_all "ha forget"
		check "round $i: saved" cluster save state --hosts a,b
		sleep $settle
		check "round $i: restored" cluster restore state
		quiet_after $settle "round $i, restored"
		cluster delete state
	done
	stand_alone a1 b1
	stand_alone b1 a1
}
