# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A pair of guests, and host b dies in a step of save or restore. One death per boot.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

said=$scratch/said

# stage_is LPAR N
stage_is() {
	[ "$(cat "/sys/class/lpar/$1/stage/number" 2>/dev/null)" = "$2" ]
}

pair_up() {
	check "two hosts" hosts_up || bail "no rig"
	check "a pair of guests" cluster_up 1 1000 || bail "no cluster"
}

# The moments, as host a sees them
stopping() { stage_is a1 1; }
starting() { stage_is a1 2; }
loading() { stage_is a1 3; }
committed() { [ -e "$dir/dead/a" ]; }

# dies MOMENT VERB ARGUMENT...: host b does at that moment, and the command fails
dies() {
	local moment=$1 verb=$2 pid

	shift 2
	lparctl cluster "$verb" "$@" --via $via --dir $dir --timeout 30s 2>"$said" &
	pid=$!
	wait_until 60 "$moment" || return 1
	on b crash &
	! wait $pid
}

# What must be so whatever host a was at.
host_a_is_free() {
	check "the error names host b" grep -q "host b" "$said"
	sed 's/^/# /' "$said"
	check "host a: nothing is held" wait_until 60 nothing_held
	check "host a: no session is left" no_session
	check "host a: no operation is shown" stage_is a1 0
}

# has_ended GUEST: on this host
has_ended() {
	! kill -0 "$(qemu_pid "$1")" 2>/dev/null
}
