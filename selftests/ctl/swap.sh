# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# An LPAR, web, whose Fibre Channel identity moves from host a to host b, which are played. What
# is between lparctl and host b can be cut.

# shellcheck source=selftests/ctl/played.sh
. "$(dirname "${BASH_SOURCE[0]}")/played.sh"

kernel_a=$scratch/a/kernel/fc\ web
kernel_b=$scratch/b/kernel/fc\ web
journal=$scratch/a/root/var/lib/lparkit/fc/web.json
luns="naa.600140500000000000000000000abc0000 131072 sdb
naa.600140500000000000000000000abc0001 131072 sdc"

# adapter HOST NAME WWPN
adapter() {
	local root=$scratch/$1/root dir

	dir=$root/sys/devices/pci0000:00/$2/fc_host/$2
	mkdir -p "$dir" "$root/sys/class/fc_host"
	ln -sfn "$dir" "$root/sys/class/fc_host/$2"
	echo "0x$3" >"$dir/port_name"
	echo Online >"$dir/port_state"
	echo 255 >"$dir/max_npiv_vports"
	echo 1 >"$dir/npiv_vports_inuse"
}

# identity DIRECTORY: web, which is logged in nowhere
identity() {
	mkdir -p "$1"
	printf '%s\n' 2000000000000001 2001000000000001 2001000000000002 21000024ff000001 >"$1/names"
	echo 0 | tee "$1/step" >"$1/away"
	echo "0 0 0" | tee "$1/original" >"$1/maintenance"
}

# as_it_was: web lives on a
as_it_was() {
	rm -rf "$scratch"/{a,b}/kernel "$scratch"/{gone,at} "$scratch"/count.* "$journal" "${journal%.json}.away"
	mkdir "$scratch"/{a,b}/kernel
	identity "$kernel_a"
	printf '%s\n' "2 3 1" "$luns" >"$kernel_a/original"
}

# has_been_there: b has its identity since it left
has_been_there() {
	identity "$kernel_b"
	echo 1 >"$kernel_b/away"
	echo 3 >"$kernel_b/operation"
	echo 1 >"$kernel_b/result"
}

hosts_up() {
	host_up a
	host_up b
	adapter a host2 21000024ff000001
	adapter b host1 21000024ff000002
	# Between the two: VERB N HOW in the file "at" is done at its N-th use.
	cat >"$scratch/between" <<-EOT
		#!/bin/bash
		unset KILLER
		cd "$scratch"
		verb=\$4
		[ "\$3" = -j ] && verb=\$5
		echo x >>count.\$verb
		[ ! -e gone ] || exit 255
		how=
		if [ -e at ] && read -r at n what <at && [ "\$at" = "\$verb" ] &&
			[ "\$(wc -l <count.\$verb)" = "\$n" ]; then
			how=\$what
			rm at
		fi
		case \$how in
		refuse) echo "refused" >&2; exit 1 ;;
		gone) touch gone; exit 255 ;;
		gone-after) ./via "\$@" >/dev/null; touch gone; exit 255 ;;
		# It is not waited for for a minute when somebody interrupts.
		gone-interrupt) touch gone; kill -INT \$PPID; exit 255 ;;
		lost) ./via "\$@" >/dev/null; exit 255 ;;
		killed) kill -9 \$PPID; exit 1 ;;
		killed-after) ./via "\$@" >/dev/null; kill -9 \$PPID; exit 1 ;;
		interrupt) kill -INT \$PPID ;;
		esac
		exec ./via "\$@"
	EOT
	chmod +x "$scratch/between"
}

# cut_at VERB N HOW: from the beginning
cut_at() {
	as_it_was
	echo "$@" >"$scratch/at"
}

swap() {
	on a fc swap web --to b --via "$scratch/between" "$@"
}

recover() {
	on a fc recover web "$@"
}

# is_at HOST OTHER: it is logged in there, nothing is under way, and nothing left to be done
is_at() {
	local here=$scratch/$1/kernel/fc\ web there=$scratch/$2/kernel/fc\ web

	same "$(head -c 1 "$here/original"),$(cat "$here/step"),$(cat "$here/away")" 2,0,0 || return 1
	same "$(head -c 1 "$here/maintenance")" 0 || return 1
	[ ! -e "$journal" ] || { echo "# there is a journal"; return 1; }
	[ -e "$there" ] || return 0
	same "$(head -qc 1 "$there/original" "$there/maintenance"),$(cat "$there/step")" 00,0
}

stays() {
	is_at a b
}

moved() {
	is_at b a && same "$(cat "$kernel_a/away")" 1
}

# one_has_it: wherever it is
one_has_it() {
	if [ "$(head -c 1 "$kernel_b/original" 2>/dev/null)" = 2 ]; then
		moved
	else
		stays
	fi
}

# Never both, whatever was said.
not_both() {
	[ "$(head -c 1 "$kernel_a/original")" = 0 ] ||
		[ "$(head -c 1 "$kernel_b/original" 2>/dev/null)" != 2 ]
}

# tell: what was said, when a check fails
tell() {
	sed 's/^/# /' "$scratch/out" "$scratch/err"
	return 1
}
