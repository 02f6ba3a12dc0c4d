#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Identities without a fabric: what is refused, what is told, what is left behind.
# vm: cpus=2 mem=768 timeout=120 speed=quick long=6.1,6.12,debug
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

load fcnpiv
plan 23

# refuses PATTERN COMMAND...: with these words
refuses() {
	local pattern=$1

	shift
	! "$@" 2>"$scratch/refusal" && grep -qe "$pattern" "$scratch/refusal"
}

# other NAME SETTING...: another identity
other() {
	lparctl fc define "$1" --wwnn $wwnn --parent $adapter "${@:2}"
}

check "an identity is defined" define --login 1s
check "its names are in sysfs" is wwpn_original 0x$original
check "and its deadlines" is login_ms 1000
check "it is idle" is state idle
check "its port is absent" is original absent
check "it is shown" same "$(shown "j['wwpn_maintenance']")" "$(colons $maintenance)"
check "not twice" refuses "has an identity already" define
check "no name twice" refuses "is a name of LPAR" \
	other db --wwpn $maintenance --wwpn-maintenance 2001000000000009
check "the two names differ" refuses "have to differ" \
	other db --wwpn 2001000000000009 --wwpn-maintenance 2001000000000009
check "a name is one" refuses "world wide name" other db --wwpn 12 --wwpn-maintenance 13
check "none is missing" refuses "no world wide names" other db --wwpn 2001000000000009
check "nor the adapter's" refuses "name of an adapter" \
	other db --wwpn $adapter --wwpn-maintenance 2001000000000009
check "a source has its original" refuses "not logged in here" lparctl fc start web source
check "a destination has a token" refuses "token is missing" lparctl fc start web destination
check "of its own" refuses "not that of this LPAR" lparctl fc start web destination \
	--token 20010000000000ff0000000000000000
check "nothing is confirmed that is not waited for" refuses "does not wait" \
	lparctl fc confirm web switched
check "nothing is aborted" refuses "nothing is under way" lparctl fc abort web
lparctl fc login web
check_is "a login without its adapter goes back" $? 5
check "and says why" grep -q "no fc_host" /sys/class/fcnpiv/web/reason
check_fails "not for everybody" setpriv --bounding-set=-all --inh-caps=-all \
	lparctl fc delete web
lparctl fc define web2 --wwnn $wwnn --wwpn 2001000000000007 --wwpn-maintenance 2001000000000008 \
	--parent $adapter --away
check "one that is away does not log in" refuses "moved to another host" lparctl fc login web2
check "an identity is deleted" lparctl fc delete web2
check "those that are idle do not hold the module" rmmod fcnpiv
