#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The second part of "make demo", on host a of the rig: a cluster of guests on two
# hosts is saved, broken, and restored.
# usage: cluster_tour.sh [--colour]

# shellcheck source=selftests/demo/account.sh
. "$(dirname "$0")/account.sh"
# shellcheck source=selftests/demo/unnoticed.sh
. "$(dirname "$0")/unnoticed.sh"
# shellcheck source=selftests/cluster/pairs.sh
. "$(dirname "$0")/../cluster/pairs.sh"
trap clear_guests EXIT

pairs=${PAIRS:-4}
period_ms=1000

give_up() {
	printf '   %sNO%s  %s\n' "$bad" "$plain" "$1" >&3
	exit 1
}

role() {
	tell "$1" "pair show" | tr ' ' '\n' | sed -n 's/^role=//p'
}

is_primary() {
	[ "$(role "$1")" = primary ]
}

is_standby() {
	[ "$(role "$1")" = standby ]
}

the_cluster() {
	title "Two hosts, $((2 * pairs)) guests: $pairs pairs, each with a member on either host"
	began=$SECONDS
	cluster_up "$pairs" "$period_ms" || give_up "no cluster"
	claim "all run, and hear each other: a heartbeat each $period_ms ms, dead after two ($((SECONDS - began)) s)" all_hear
	claim "a1 is primary, b1 its standby; a counter on both disks goes up" is_primary a1
	claim "when all are busy, each has all its CPUs" all_use_their_cpus
	tell_all "pair forget"
}

the_save() {
	title "The cluster is saved while it runs on"
	began=$SECONDS
	shell lparctl cluster save clean --hosts $hosts --via $via --dir $dir --continue >&3 ||
		give_up "not saved"
	claim "it counts on" all_count
	claim_unnoticed "and has noticed nothing: no heartbeat missed, no message lost, repeated or out of order" \
		$((SECONDS - began + 1))
	count_then=$(ask a1 count)
}

the_disaster() {
	title "Disaster: a primary is killed, a disk overwritten"
	shell kill -9 "$(cat /run/lparkit/a1/qemu.pid)"
	claim "b1 takes over" wait_until 30 is_primary b1
	on b lparctl stop b1 --timeout 0s
	shell on b dd if=/dev/urandom of=/dev/mapper/b1 bs=64k count=16 oflag=direct
	claim "the cluster is in pieces" test "$(ask b1 count)" = ""
}

the_restore() {
	title "And back"
	began=$(now_ms)
	shell lparctl cluster restore clean --via $via --dir $dir >&3 || give_up "not restored"
	claim "$((2 * pairs)) guests restored in $(($(now_ms) - began)) ms" all_hear
	claim "a1 is primary again" is_primary a1
	claim "b1 is its standby again" is_standby b1
	claim "the counter goes on from where it was saved ($count_then)" grows a1 count
	claim_unnoticed "and nobody has noticed anything" $((($(now_ms) - began) / 1000 + 1))
}

hosts_up || give_up "no hosts"
the_cluster
the_save
the_disaster
the_restore
account_end
