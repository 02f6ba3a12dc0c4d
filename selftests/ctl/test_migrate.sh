#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl migrate between hosts that are played, with real QEMUs: it moves, it is refused, and
# whatever is killed at whatever moment, in the end one copy runs, and nothing is left.
# vm: none timeout=400
# shellcheck disable=SC2119,SC2120 # options of a move are options
if [ -z "$IN_NAMESPACE" ] && unshare -n true 2>/dev/null; then
	# shellcheck disable=SC2016 # expanded by the other shell
	IN_NAMESPACE=1 exec unshare -n -m bash -c 'mount -t sysfs sysfs /sys; exec "$0"' "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs a network namespace, and so root"

home=a away=b # where the guest lives, and where it does not

# Host b has a network namespace of its own, with the same tap in it.
declare -A address=([a]=10.9.0.1 [b]=10.9.0.2)
has_network() {
	[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$pid/ns/net")" ]
}

networks_up() {
	local inside

	start unshare -n sleep 1000
	inside="nsenter -t $pid -n"
	wait_until 10 has_network || return 1
	ip link add va type veth peer name vb netns "$pid" || return 1
	ip addr add 10.9.0.1/24 dev va
	ip link set va up
	$inside ip addr add 10.9.0.2/24 dev vb
	$inside ip link set vb up
	ip tuntap add ta mode tap && $inside ip tuntap add ta mode tap || return 1
	# Wherever it is called from
	sed -i "s|^exec env|declare -A of=([a]=$$ [b]=$pid)\nexec nsenter -t \${of[\$1]} -n env|" "$scratch/via"
}

migrate() {
	on "$1" migrate "${@:2}" --via "$scratch/cut-via"
}

# move [OPTION]...: to where it does not live
move() {
	migrate $home g --to $away --from $home --address "${address[$away]}" "$@"
}

# Also what is held, and how many copies run, by QEMU's own words
left() {
	find "$scratch"/[ab]/root/var/lib/lparkit/migrate -type f 2>/dev/null
	ls -d "$scratch"/[ab]/root/run/lparkit/cluster.session "$scratch"/[ab]/kernel/net\ * 2>/dev/null
	cat "$scratch"/[ab]/kernel/g/gate 2>/dev/null | grep -vx 0
	ls "$scratch"/[ab]/kernel/throttled 2>/dev/null
}

status_or_none() {
	local file

	file=$(run_of "$1" g)/qemu.pid
	# One that nobody has waited for is none.
	if [ -e "$file" ] && grep -qs '^State:.[^Z]' "/proc/$(cat "$file")/status"; then
		status "$1" g
	else
		echo none
	fi
}

# lives_on HOST [STATUS]: there, not at the other one, and nothing is on record or held
lives_on() {
	local other=b

	[ "$1" = a ] || other=a
	same "$(status_or_none "$1") $(status_or_none $other)" "${2:-running} none" && same "$(left)" "" &&
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
	local statuses

	statuses="$(status_or_none a) $(status_or_none b)"
	[ "$statuses" != "running running" ] && return
	echo "# both run"
	return 1
}

# recovers: where there is a record, or from the source; then there is one copy
recovers() {
	local host

	one_at_most || return 1
	for host in a b; do
		[ -e "$scratch/$host/root/var/lib/lparkit/migrate/g.json" ] || continue
		migrate $host recover g >"$scratch/recovered" 2>&1
	done
	find_home
	lives_on $home && return
	sed 's/^/# recover: /' "$scratch/recovered"
	return 1
}

# cut_at OP HOW...: a move in which that happens; only from "run" on it is decided
cut_at() {
	local expected=$home

	[ "$1" != run ] || expected=$away
	echo "$@" >"$scratch/cut"
	move >"$scratch/out" 2>&1
	code=$?
	[ ! -e "$scratch/cut" ] || echo "# there was no $1"
	[ ! -e "$scratch/cut" ] && recovers && same $home $expected && return
	echo "# after $*, exit code $code"
	sed 's/^/# /' "$scratch/out"
	return 1
}

# end_qemu HOST: a script that kills its QEMU
end_qemu() {
	printf '#!/bin/sh\nkill -9 %s; sleep 0.1\n' "\$(cat $(run_of "$1" g)/qemu.pid)" >"$scratch/end-qemu"
	chmod +x "$scratch/end-qemu"
}

without_qemu() {
	end_qemu $away
	cut_at prepare run "$scratch/end-qemu"
}

# meanwhile: what may not be done to a guest that migrates, each with what became of it
meanwhile() {
	cat <<-EOT >"$scratch/meanwhile"
		#!/bin/bash
		exec >"$scratch/meanwhile.out" 2>/dev/null
		for words in "a stop g --timeout 0s" "b stop g --timeout 0s" "a resume g" "b resume g" "b start g" "a pin g"; do
			set -- \$words
			"$scratch/via" "\$1" lparctl "\${@:2}" >/dev/null && echo "\$words: done" || echo "\$words: refused"
		done
	EOT
	chmod +x "$scratch/meanwhile"
}

same_memory() {
	same "$(qmp $home g human-monitor-command "command-line=xp /16xb 0x$1")" "$2"
}
host_up a
host_up b
printf '#!/bin/bash\nexec "%s/cut-contact" "%s/cut" "%s/via" "$@"\n' "$here" "$scratch" "$scratch" >"$scratch/cut-via"
chmod +x "$scratch/cut-via"
networks_up || bail "no networks"
describe a g "args=-netdev tap,id=n,ifname=ta,script=no,downscript=no -device e1000,netdev=n,romfile="
ln -sfn /dev/zero "$scratch/b/root/dev/lpar/g"
on a start g >/dev/null || bail "no guest"

meanwhile
check "it can move" exits 0 move --check
check "and has not" lives_on a
memory=$(qmp a g human-monitor-command "command-line=xp /16xb 0xf0000")
check "it moves" exits 0 move
check "it lives there" lives_on b
find_home
check "with its memory" same_memory f0000 "$memory"
check "its description has moved, too" test -e "$scratch/b/root/etc/lparkit/g.lpar" -a \
	! -e "$scratch/a/root/etc/lparkit/g.lpar"
check "the LPAR it had is defined" same "$(cat "$scratch/a/kernel/g/state")" 0
check "and back" exits 0 move --limit off --bandwidth 100 --downtime 50
check "it lives where it did" lives_on a
find_home

# What is refused
check "nobody" says 5 "runs no guest" migrate b g --to a
check "storage" says 2 "cannot be moved yet" move --storage fc
check "post-copy" says 2 "lost with the link" move --on-slow postcopy
echo 2 >"$scratch/a/kernel/g/gate"
check "one that is frozen" says 5 "is frozen" move
echo 0 >"$scratch/a/kernel/g/gate"
check "it lives where it did" lives_on a
echo 1 >"$scratch/b/kernel/g/state"
check "where its LPAR is active" says 5 "is active here already" move
echo 0 >"$scratch/b/kernel/g/state"
: >"$scratch/a/kernel/log"
echo "prepare run $scratch/meanwhile" >"$scratch/cut"
check "while it is under way" exits 0 move --limit 10
while read -r line; do
	check "refused meanwhile: $line" test "${line##*: }" = refused
done <"$scratch/meanwhile.out"
check "its writes were limited" grep -q "^throttle" "$scratch/a/kernel/log"
check "frames were held, and carried over" grep -q "^load ta" "$scratch/b/kernel/log"
find_home
check "it lives there" lives_on b
move >/dev/null
find_home
check "nothing is throttled" lives_on a

# One that is paused stays so
qmp a g stop >/dev/null
echo "prepare lost-before" >"$scratch/cut"
check "paused, and given up when all is copied" says 5 "connection is lost" move
check "it is paused" lives_on a paused
check "moved" exits 0 move
check "it is paused there" lives_on b paused
find_home
qmp b g cont >/dev/null

for how in refuse lost-before lost-after kill-before kill-after killed interrupt; do
	for op in enter prepare run; do
		check "at $op: $how" cut_at $op $how
	done
done
check "the destination's QEMU is killed before it is whole" \
	without_qemu
