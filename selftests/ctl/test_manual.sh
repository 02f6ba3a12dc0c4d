#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The manual pages, the completion, and what is installed.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 20
ctl=$(dirname "$0")/../../ctl
page=$ctl/lparctl.8

clean() {
	same "$(groff -man -t -ww -Tutf8 "$1" 2>&1 >/dev/null)" ""
}

# Every verb of the help is in the manual.
documented() {
	local verb missing=""
	for verb in $(lparctl help | sed -n '/^LPARs/,/^Cuts/s/^  \([a-z]\+\) .*/\1/p'); do
		grep -q "\.B[A-Z]* [\"]*$verb" "$page" || missing="$missing $verb"
	done
	same "$missing" ""
}

# Every verb of an object that has a file of its own.
object_documented() {
	local verb missing=""
	# shellcheck disable=SC2013
	for verb in $(sed -n '/verbs\[\]/,$s/^\t{ "\([a-z]*\)".*/\1/p' "$ctl/$1.c"); do
		[ "$verb" = list ] || grep -q "\.BI \"$1 $verb" "$page" || missing="$missing $verb"
	done
	same "$missing" ""
}

# Every key of the source is in the manual.
keys_documented() {
	local key missing=""
	# shellcheck disable=SC2013
	for key in $(sed -n 's/^\t{ "\(lpar\|guest\)", "\([a-z-]*\)",.*/\2/p' "$ctl/config.c"); do
		grep -q "${key//-/\\\\-}=" "$ctl/lpar.conf.5" || missing="$missing $key"
	done
	same "$missing" ""
}

# complete PATTERN WORD...: the completion of the last word offers a match.
complete_offers() {
	local pattern=$1
	shift
	COMP_WORDS=(lparctl "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_lparctl
	printf '%s\n' "${COMPREPLY[@]}" | grep -qx -e "$pattern"
}

# As it would be if installed for good.
unit_is_valid() {
	sed "s|/usr/local|$scratch&|" "$scratch/lib/systemd/system/lparkit@.service" >"$scratch/lparkit@.service"
	same "$(systemd-analyze verify --man=no "$scratch/lparkit@web.service" 2>&1)" ""
}

check "lparctl(8)" clean "$page"
check "lpar.conf(5)" clean "$ctl/lpar.conf.5"
check "every verb is documented" documented
check "every verb of netbuf is documented" object_documented netbuf
check "every verb of throttle is documented" object_documented throttle
check "every key is documented" keys_documented

# shellcheck source=ctl/lparctl.bash
. "$ctl/lparctl.bash"
check "completion of an object" complete_offers monitor mon
check "completion of a verb" complete_offers freeze lpar fr
check "completion of a verb without its object" complete_offers thaw th
check "completion of a key" complete_offers memory create web m
check "completion of an option" complete_offers --action cut --ac
check "completion of a verb of netbuf" complete_offers drain netbuf dr
check "completion of a setting of netbuf" complete_offers --limit-bytes netbuf attach tap0 --lim
check "completion of a verb of throttle" complete_offers follow throttle fo
check "completion of an event" complete_offers gate-timeout monitor --event gate-t
check_fails "no completion of nonsense" complete_offers . frobnicate ""

check "install" make -s -C "$ctl" install BUILD="$(readlink -f "$build")/ctl" DESTDIR="$scratch" PREFIX=/usr/local
check "the installed command runs" "$scratch/usr/local/sbin/lparctl" -V
check "the unit names it" grep -q "ExecStart=/usr/local/sbin/lparctl" \
	"$scratch/lib/systemd/system/lparkit@.service"
check "systemd takes the unit" unit_is_valid
