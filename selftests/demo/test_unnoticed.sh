#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=60 speed=quick
# What "make demo" says of a cluster that has noticed something, with a cluster that says
# what is wanted.
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

here=$(dirname "$0")

# account QUIET CAME QUIET-UNDISTURBED: the account of such a cluster, and its status; 0 is yes
account() (
	exec 3>&1
	LPARKIT_SLOW=4
	# shellcheck source=selftests/demo/account.sh
	. "$here/account.sh" --plain
	exec 3>&4
	# shellcheck source=selftests/demo/unnoticed.sh
	. "$here/unnoticed.sh"
	quiet=$1 came=$2 undisturbed=$3
	all_quiet() { return "$quiet"; }
	all_came() { return "$came"; }
	tell_all() { quiet=$undisturbed; }
	sleep() { :; }
	claim_unnoticed "nobody has noticed" 7
	account_end
	echo "status $?" >&3
) 4>&1

says() {
	local pattern=$1

	shift
	account "$@" | grep -qe "$pattern"
}

check "nothing noticed: the claim holds" says '^ *ok  nobody' 0 0 0
check "and the demo is right" says 'status 0' 0 0 0
check "noticed, and quiet undisturbed: it does not hold" says '^ *NO  nobody' 1 0 0
check "and the demo fails" says 'status 1' 1 0 0
check "noticed, and undisturbed as well: nothing can be said" says '^ *??  nobody.*in 7 s' 1 0 1
check "which does not fail the demo" says 'status 0' 1 0 1
check "but is told, with a remedy" says '0 did not; of 1 nothing can be said: try SLOW=8' 1 0 1
check "a message that is lost fails it, noticed undisturbed or not" says 'status 1' 1 1 1
