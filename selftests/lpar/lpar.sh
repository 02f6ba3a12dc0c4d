# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the tests of lpar.ko have in common. They talk to the module through
# lparcall, not lparctl: an interrupt that lparctl moves, or a vCPU, would hide
# what the module does itself.

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"

PATH=$LPARKIT_BUILD/selftests/lpar:$PATH

# stop PID: kills one of them, so that it is gone when this returns.
stop() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# Opens every gate, cancels every cut and deletes every LPAR.
remove_all() {
	local name cut

	for cut in $(lparcall cut-list | sed -n 's/.* cut=\([0-9]*\).*cut_state=armed.*/\1/p'); do
		lparcall cut-cancel cut "$cut" 2>/dev/null
	done
	for name in $(names); do
		lparcall gate-open "$name" 2>/dev/null
		lparcall deactivate "$name" force 2>/dev/null
		lparcall delete "$name" || return 1
	done
}

# What a test has made in the module, if it is there.
remove_rest() {
	[ ! -d /sys/module/lpar ] || remove_all
}
trap 'leave remove_rest' EXIT

names() {
	ls /sys/class/lpar 2>/dev/null
}

# value NAME FILE
value() {
	cat "/sys/class/lpar/$1/$2"
}

# put NAME FILE VALUE
put() {
	echo "$3" >"/sys/class/lpar/$1/$2"
}

# is NAME FILE VALUE
is() {
	local is

	is=$(value "$1" "$2")
	[ "$is" = "$3" ] && return 0
	echo "# $1/$2 is \"$is\", expected \"$3\""
	return 1
}

# below VALUE LIMIT
below() {
	[ "$1" -lt "$2" ] && return 0
	echo "# $1 is not below $2"
	return 1
}

# refused ERRNO DESCRIPTION COMMAND...: the command fails with this errno and
# with words of the module's own. Only -EPERM may come from netlink itself.
refused() {
	local errno=$1 description=$2 said

	shift 2
	if said=$("$@" 2>&1); then
		not_ok "$description: was accepted"
	elif [[ $said == "$errno: "?????????* || $said == "EPERM: " && $errno == EPERM ]]; then
		ok "$description"
		echo "# $said"
	else
		not_ok "$description"
		echo "# expected $errno and a text, got \"$said\""
	fi
}

# make NAME KEY VALUE...: creates and activates.
make() {
	lparcall create "$@" && lparcall activate "$1"
}

# unmake NAME: deactivates and deletes.
unmake() {
	lparcall deactivate "$1" force && lparcall delete "$1"
}

# When a member or holder was killed just now.
deactivate_soon() {
	wait_until 5 lparcall deactivate "$1" 2>/dev/null
}

# affinity PID: of all its threads, one line for each that differs.
affinity() {
	hog where "$1" | sort -u
}

has_affinity() {
	same "$(affinity "$1")" "$2"
}

# listen FILE: events go to FILE from the return of this call on.
listen() {
	: >"$1"
	start lparcall monitor 100000 100000 >"$1"
	wait_until 10 grep -q listening "$1"
}

# line_with FILE WORD...: a line of FILE has them all, in whatever order.
line_with() {
	local lines word

	lines=$(sed 's/$/ /' "$1")
	shift
	for word; do
		lines=$(grep -F -- " $word " <<<"$lines") || return 1
	done
}

# event FILE EVENT WORD...: such an event comes within five seconds.
event() {
	local file=$1 kind=$2

	shift 2
	wait_until 5 line_with "$file" "event=$kind" "$@" && return 0
	echo "# no event $kind $* in:"
	sed 's/^/#   /' "$file"
	return 1
}

# at_least NAME FILE NUMBER
at_least() {
	[ "$(value "$1" "$2")" -ge "$3" ]
}

# vm NAME OPTION...: starts a minikvm that is known by NAME; its pid is in $pid.
vm() {
	local name=$1

	shift
	start minikvm run --counters "$scratch/$name" --socket "$scratch/$name.sock" "$@"
	wait_until 20 minikvm ctl "$scratch/$name.sock" pids >/dev/null 2>&1
}

# vm_do NAME COMMAND
vm_do() {
	timeout 20 minikvm ctl "$scratch/$1.sock" "$2"
}

# watch VERB NAME-OF-VM ARGUMENT: gatewatch on the counters of a minikvm.
watch() {
	gatewatch "$1" "$scratch/$2" "$3"
}

# watch_gate close|open|rounds LPAR NAME-OF-VM N
watch_gate() {
	gatewatch "$1" "$2" "$scratch/$3" "$4"
}

# free_kib NODE|any: what nobody has. Pages that a CPU keeps for its next allocation count,
# the page cache does not.
free_kib() {
	echo 1 >/proc/sys/vm/drop_caches
	awk -v wanted="$1" '
		$1 == "Node" { node = $2 + 0; next }
		wanted != "any" && wanted != node { next }
		$1 == "pages" && $2 == "free" { pages += $3 }
		$1 == "count:" { pages += $2 }
		END { print pages * 4 }' /proc/zoneinfo
}

# The same, when KASAN has given back what was freed: it does with the cache it came from.
settled_kib() {
	local cache

	echo 3 >/proc/sys/vm/drop_caches
	[ "$LPARKIT_KERNEL" != debug ] ||
		for cache in /sys/kernel/slab/*; do
			[ -L "$cache" ] || echo 1 >"$cache/shrink"
		done
	free_kib any
}

# nothing_lost BEFORE LIMIT: in KiB; a process that has just ended may still have some.
nothing_lost() {
	below $(($1 - $(settled_kib))) "$2"
}
