# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Whether a cluster notices what is done to it, told apart from whether it notices the
# emulator. Needs account.sh and cluster/pairs.sh.

# claim_unnoticed TEXT SECONDS: by the cluster, of what took so long. Where it has noticed
# something, the undisturbed cluster is asked the same for as long: does it notice the
# emulator? Messages are lost, repeated or out of order by nobody but us.
claim_unnoticed() {
	if all_quiet; then
		claim "$1" true
	elif ! all_came || is_quiet_for "$2"; then
		claim "$1" false
	else
		unjudged "$1: not so, but undisturbed it notices as much in $2 s"
	fi
}

is_quiet_for() {
	tell_all "pair forget" && sleep "$1" && all_quiet
}
