# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# A pair of guests, and host b dies in a step of save or restore. One death per boot.
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

said=$scratch/said

pair_up() {
	check "two hosts" hosts_up || bail "no rig"
	check "a pair of guests" cluster_up 1 1000 || bail "no cluster"
}

# Stages of b1's LPAR, as execd_save.c, execd_files.c and execd_restore.c have them
stopping=1
starting=2
loading=3
resuming=4

# dies STAGE VERB ARGUMENT...: host b does in that stage, and the command fails
dies() {
	local stage=$1 verb=$2

	shift 2
	on b crash_at b1 "$stage" &
	! lparctl cluster "$verb" "$@" --via $via --dir $dir --timeout 30s 2>"$said"
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
