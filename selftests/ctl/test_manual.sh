#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The manual pages, the completion, and what is installed.
# vm: none timeout=300
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 69
ctl=$(dirname "$0")/../../ctl
page=$ctl/lparctl.8

clean() {
	same "$(groff -man -t -ww -Tutf8 "$1" 2>&1 >/dev/null)" ""
}

# What the page says, as it is read.
MANWIDTH=400 groff -man -t -Tascii -rLL=400n -rHY=0 -P-cbou "$page" 2>/dev/null >"$scratch/page"

# objects: those that are documented; their verbs come from the same table
objects() {
	lparctl __complete
}

# every OBJECT: verb of it is in the manual, with its options
documented() {
	local verb option prefix="$1 " missing=""

	[ "$1" != lpar ] || prefix=
	for verb in $(lparctl __complete "$1"); do
		grep -q -e "^ *$prefix$verb\b" -e ", $prefix$verb\b" -e "^ *$1 --" "$scratch/page" ||
			missing="$missing $verb"
		for option in $(lparctl __complete "$1" "$verb"); do
			[ "${option#--}" = "$option" ] || grep -q -e "$option\b" "$scratch/page" ||
				missing="$missing $verb:$option"
		done
	done
	same "$missing" ""
}

# Every object is in the synopsis.
in_synopsis() {
	local object missing=""

	for object in $(objects); do
		[ "$object" = lpar ] || grep -q "^ *lparctl \[OPTIONS\] $object " "$scratch/page" ||
			missing="$missing $object"
	done
	same "$missing" ""
}

# Each verb says how it is used, and what it does.
has_help() {
	local verb missing=""

	for verb in $(lparctl __complete "$1"); do
		lparctl "$1" "$verb" --help | grep -q "^Usage: lparctl .*$verb" &&
			[ "$(lparctl help "$1" "$verb" | wc -l)" -ge 3 ] || missing="$missing $verb"
	done
	same "$missing" ""
}

# What takes something away says so in one of these words.
taking='^(Forget|Remove|Cancel|Drop|Throw|Undo|Go back|Take .* away|Give .* (back|up)|Let .* (at once|no more))'
taking+='|they end|names end|goes over to'

# stray OBJECT VERB: refuses what it does not know, wherever that stands, before it does anything
stray() {
	local words

	# It is offered where there is no verb, and would take the word for its value.
	[ "${2#--}" = "$2" ] || set -- "$1" ""
	for words in "" "a" "a b" "a b c"; do
		# shellcheck disable=SC2086 # words are meant
		lparctl --root "$scratch/none" "$1" "$2" $words --frobnicate >/dev/null 2>"$scratch/err" </dev/null
		[ $? = 2 ] || echo "$1 $2 $words"
	done
}

# twice OBJECT VERB: takes an option a second time, which is not its "[--OPTION ...]..."
twice() {
	local option

	for option in $(lparctl __complete "$1" "$2" | grep '^--'); do
		! lparctl help "$1" "$2" | grep -q -e "\[$option [^]]*\]\.\.\." || continue
		lparctl --root "$scratch/none" "$1" "$2" a "$option=1" "$option=2" >/dev/null 2>"$scratch/err" </dev/null
		[ $? = 2 ] && grep -qx -e "lparctl: $option is given twice" "$scratch/err" || echo "$1 $2 $option"
	done
}

# apart ONE OTHER VERB...: what belongs to two forms of a verb is refused before anything is done
apart() {
	says 2 "$1 does not go with $2" lparctl --root "$scratch/none" "${@:3}"
}

# each_verb COMMAND...: of all objects, as "OBJECT VERB"
each_verb() {
	local object verb

	for object in $(objects); do
		for verb in $(lparctl __complete "$object"); do
			"$@" "$object" "$verb"
		done
	done
}

must_be_whole() {
	lparctl help "$1" "$2" | grep -qx "It must be written in full."
}

# Those that take something away and may be abbreviated
short_one() {
	lparctl help "$1" "$2" | grep -qE "$taking" && ! must_be_whole "$1" "$2" && echo "$1 $2"
}

whole_one() {
	must_be_whole "$1" "$2" && echo "$1 $2"
}

# Those that the manual names for it, one a line
in_manual() {
	tr '\n' ' ' <"$scratch/page" | grep -o "must be written in full:[^.]*" |
		sed 's/.*full: *//; s/ and /, /; s/, */\n/g' | sed 's/  */ /g; s/^[a-z]*$/lpar &/'
}

# Every key of the source is in the manual.
keys_documented() {
	local key missing=""
	# shellcheck disable=SC2013
	for key in $(sed -n 's/^\t{ "\(lpar\|guest\)", "\([a-z-]*\)",.*/\2/p' "$ctl/lpar/config.c"); do
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
	sed "s|/usr/local|$scratch&|" "$scratch/lib/systemd/system/$1" >"$scratch/$1"
	same "$(systemd-analyze verify --man=no "$scratch/${1/@/@web}" 2>&1)" ""
}

check "lparctl(8)" clean "$page"
check "lpar.conf(5)" clean "$ctl/lpar.conf.5"
check "every object is in the synopsis" in_synopsis
for object in lpar boot pool cut netbuf throttle fc snap relocate cluster migrate; do
	check "every verb of $object is documented" documented $object
	check "every verb of $object has a help" has_help $object
done
check "every key is documented" keys_documented
check "what takes something away is not to be abbreviated" same "$(each_verb short_one)" ""
check "the manual names what is not" same "$(in_manual | sort)" "$(each_verb whole_one | sort)"

check "no verb takes an option that it does not know" same "$(each_verb stray)" ""
check "nor one a second time" same "$(each_verb twice)" ""
check "nor one that goes with another word" apart --token source fc start a source --token t
check "nor behind that" apart destination source fc start a source destination
check "nor before it" apart source --token fc start a --token t source
check "nor of another word of several" apart --receipt gone fc confirm a gone --receipt r
check "nor of another option" apart --via --switch fc swap a --switch --via v
check "nor of one that stands behind" apart off --counter throttle msi d --counter f off
check "nor of what is for all" apart --chunk --all snap create --all --chunk 4K
for name in source swap destination token; do
	check "an LPAR may be called $name" says 2 "fc swap has no option --frobnicate" \
		lparctl --root "$scratch/none" fc swap $name --frobnicate
done
check "an option's value is none" says 2 "fc start has no option --frobnicate" \
	lparctl --root "$scratch/none" fc start a destination --token --force --frobnicate

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
check "completion of a verb of fc" complete_offers confirm fc co
check "completion of what is confirmed" complete_offers switched fc confirm web sw
check "completion of a verb of relocate" complete_offers abort relocate ab
check "completion of a line of a file" complete_offers net= define web --cpus 2 ne
check "completion of a schedule" complete_offers stop schedule web st
check "completion of a verb of boot" complete_offers restore boot re
check "completion of an event" complete_offers gate-timeout monitor --event gate-t
check_fails "no completion of nonsense" complete_offers . frobnicate ""

check "install" make -s -C "$ctl" install BUILD="$(readlink -f "$build")/ctl" DESTDIR="$scratch" PREFIX=/usr/local
check "the installed command runs" "$scratch/usr/local/sbin/lparctl" -V
check "the unit names it" grep -q "ExecStart=/usr/local/sbin/lparctl" \
	"$scratch/lib/systemd/system/lparkit@.service"
# Guests use them, whoever starts, restores or ends these.
ends_before_disks() {
	local other

	for other in remote-fs.target iscsi.service open-iscsi.service multipathd.service lparkit-volumes.service; do
		grep -q "^After=.*\b$other" "$scratch/lib/systemd/system/$1" || return 1
	done
}
for unit in lparkit@.service lparkit-restore.service lparkit-shutdown.service; do
	check "$unit ends before what guests have disks from" ends_before_disks $unit
done
check "and before sessions" grep -qx "Before=lparkit-shutdown.service" \
	"$scratch/lib/systemd/system/session-.scope.d/lparkit.conf"
for unit in lparkit@.service lparkit-restore.service lparkit-shutdown.service lparkit-volumes.service; do
	check "systemd takes $unit" unit_is_valid $unit
done
