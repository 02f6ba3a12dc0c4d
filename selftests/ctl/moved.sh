# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2119,SC2120 # for those who source it; options of a move are options
# A guest, g, that moves between hosts that are played: a and b, each with a network of its own
# and a tap ta in it; c knows of no guest. What is between lparctl and either host can be cut: see cut-contact.
if [ -z "$IN_NAMESPACE" ] && unshare -n true 2>/dev/null; then
	# shellcheck disable=SC2016 # expanded by the other shell
	IN_NAMESPACE=1 exec unshare -n -m bash -c 'mount -t sysfs sysfs /sys; exec "$0"' "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "${BASH_SOURCE[0]}")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs a network namespace, and so root"

home=a away=b # where the guest lives, and where it does not
declare -A address=([a]=10.9.0.1 [b]=10.9.0.2)

has_network() {
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$pid/ns/net")" ]
}

# Host b has a network namespace of its own, with the same tap in it.
networks_up() {
	local inside

	start unshare -n sleep infinity
	inside="nsenter -t $pid -n"
	wait_until 10 has_network || return 1
	ip link add va type veth peer name vb netns "$pid" || return 1
	ip addr add 10.9.0.1/24 dev va
	ip link set va up
	$inside ip addr add 10.9.0.2/24 dev vb
	$inside ip link set vb up
	ip tuntap add ta mode tap && $inside ip tuntap add ta mode tap || return 1
	# Wherever it is called from
	sed -i "s|^exec env|declare -A of=([a]=$$ [b]=$pid [c]=$$)\nexec nsenter -t \${of[\$1]} -n \\\\\n\tenv PLAYED_EXECD=\"$scratch/\$1/execd\"|" "$scratch/via"
}

# host_can_be_cut HOST: also from itself; and it is not taken for another one
host_can_be_cut() {
	printf '#!/bin/bash\nexec "%s/cut-contact" "%s/cut" "%s/via" "%s" lparctl execd\n' \
		"$here" "$scratch" "$scratch" "$1" >"$scratch/$1/execd"
	chmod +x "$scratch/$1/execd"
	printf '%032d\n' "$((36#$1))" >"$scratch/$1/root/etc/machine-id"
}

# hosts_up [LINE]...: of the guest's description
hosts_up() {
	local host

	for host in a b c; do
		host_up $host
		host_can_be_cut $host
	done
	printf '#!/bin/bash\nexec "%s/cut-contact" "%s/cut" "%s/via" "$@"\n' "$here" "$scratch" \
		"$scratch" >"$scratch/cut-via"
	chmod +x "$scratch/cut-via"
	networks_up || bail "no networks"
	describe a g "args=-netdev tap,id=n,ifname=ta,script=no,downscript=no -device e1000,netdev=n,romfile=" "$@"
	ln -sfn /dev/zero "$scratch/b/root/dev/lpar/g"
	on a start g >/dev/null || bail "no guest"
}

migrate() {
	on "$1" migrate "${@:2}" --via "$scratch/cut-via"
}

# move [OPTION]...: to where it does not live
move() {
	migrate $home g --to $away --from $home --address "${address[$away]}" "$@"
}

record_of() {
	echo "$scratch/$1/root/var/lib/lparkit/migrate/g.json"
}

session_of() {
	echo "$scratch/$1/root/run/lparkit/cluster.session"
}

# Also what is held, and how many copies run, by QEMU's own words
left() {
	find "$scratch"/[ab]/root/var/lib/lparkit/migrate -type f 2>/dev/null
	ls -d "$(session_of a)" "$(session_of b)" "$scratch"/[ab]/kernel/net\ * \
		"$scratch"/[ab]/root/run/lparkit/g/moved* 2>/dev/null
	cat "$scratch"/[ab]/kernel/g/gate 2>/dev/null | grep -vx 0
	ls "$scratch"/[ab]/kernel/throttled 2>/dev/null
}

# One that nobody has waited for is none.
status_or_none() {
	local file

	file=$(run_of "$1" g)/qemu.pid
	if [ -e "$file" ] && grep -qs '^State:.[^Z]' "/proc/$(cat "$file")/status"; then
		status "$1" g 2>/dev/null || echo ending
	else
		echo none
	fi
}

statuses() {
	echo "$(status_or_none "$1") $(status_or_none "$2")"
}

# lives_on HOST [STATUS]: there, not at the other one, and nothing is on record or held
lives_on() {
	local other=b

	[ "$1" = a ] || other=a
	same "$(statuses "$1" $other)" "${2:-running} none" && same "$(left)" "" &&
		same "$(cat "$scratch/$other/kernel/g/state" 2>/dev/null || echo 0)" 0
}

find_home() {
	local host

	for host in a b; do
		[ "$(status_or_none $host)" = none ] || home=$host
	done
	away=b
	[ $home = a ] || away=a
}

# Never two copies that run, even while it is not known which one is to
one_at_most() {
	[ "$(statuses a b)" != "running running" ] && return
	echo "# both run"
	return 1
}

# recovers: where there is a record, or from the source; then there is one copy
recovers() {
	local host

	one_at_most || return 1
	for host in a b; do
		[ -e "$(record_of $host)" ] || [ -e "$(session_of $host)" ] || continue
		migrate $host recover g >"$scratch/recovered" 2>&1
	done
	find_home
	lives_on $home && return
	sed 's/^/# recover: /' "$scratch/recovered"
	return 1
}

# decided_at OP HOW: from then on it lives at the destination
decided_at() {
	case $1,$2 in
	run,* | release,*) return 0 ;;
	decide,refuse | decide,lost-before | decide,kill-before) return 1 ;;
	decide,*) return 0 ;;
	*) return 1 ;;
	esac
}

# moves_with OP HOW...: a move in which that happens; its exit code is in $code
moves_with() {
	echo "$@" >"$scratch/cut"
	move >"$scratch/moved" 2>&1
	code=$?
	[ ! -e "$scratch/cut" ] && return
	echo "# there was no $1"
	rm "$scratch/cut"
	return 1
}

tell_move() {
	echo "# after $*, exit code $code"
	sed 's/^/# /' "$scratch/moved"
	return 1
}

# cut_at OP HOW...: after which one copy can be had, where it is to be; then it lives there
cut_at() {
	local expected=$home

	decided_at "$1" "$2" && expected=$away
	moves_with "$@" && recovers && same $home $expected && return
	tell_move "$@"
}

# ends_well OP HOW CODE: the same, but lparctl itself has seen to that
ends_well() {
	local expected=$home

	decided_at "$1" "$2" && expected=$away
	moves_with "$1" "$2" && same $code "$3" && lives_on $expected || tell_move "$@" || return 1
	find_home
}

# script NAME LINE...: a program in $scratch
script() {
	printf '#!/bin/bash\n' >"$scratch/$1"
	printf '%s\n' "${@:2}" >>"$scratch/$1"
	chmod +x "$scratch/$1"
}

# end_qemu HOST: a script that kills its QEMU, and a throttle goes with its process
end_qemu() {
	script end-qemu "kill -9 \$(cat $(run_of "$1" g)/qemu.pid)" \
		"rm -f $scratch/$1/kernel/throttled" "sleep 0.1"
}
