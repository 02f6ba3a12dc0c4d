#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Over ssh, which is what lparctl uses when it is told nothing: saved, continued,
# restored, and a connection that breaks.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

# over_ssh VERB ARGUMENT...
over_ssh() {
	lparctl cluster "$1" --dir $dir "${@:2}"
}

# The connection to b, in the middle of a save
breaks() {
	local pid

	over_ssh save broken --hosts $hosts 2>"$scratch/said" &
	pid=$!
	wait_until 60 is_saving a1
	pkill -9 -x -f 'ssh .* b lparctl execd'
	! wait $pid
}

check "two hosts" hosts_up || bail "no rig"
check "a key" ssh_key || bail "no key"
for host in a b; do
	check "host $host lets its owner in" on $host ssh_up || bail "no sshd"
done
check "and says which kernel it has" same "$(ssh b uname -r)" "$(uname -r)"
check "a pair of guests, a heartbeat each 3 s" cluster_up 1 3000 || bail "no cluster"
tell_all "pair forget"
check "saved and continued" over_ssh save one --hosts $hosts --continue
check "it is listed" says one over_ssh list
check "verified" over_ssh verify one
check "it counts on" all_count
data check "each message came once" all_came
check "and nothing was noticed" all_quiet
tell_all "pair forget"
check "saved" over_ssh save two --hosts $hosts
check "restored" over_ssh restore two || bail "not restored"
check "it counts on" all_count
data check "each message came once" all_came
check "and nothing was noticed" all_quiet
check "the connection breaks: it fails" breaks
check "and names the host" grep -q "host b" "$scratch/said"
for host in a b; do
	wait_until 60 on $host no_session
	check "host $host: nothing is held" on $host nothing_held
	check "host $host: nothing is left" on $host nothing_left broken
done
check "the guests go on" all_count
