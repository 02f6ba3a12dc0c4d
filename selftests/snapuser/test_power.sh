#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=300
# dm-snapsync's own code on a disk in memory: the power goes anywhere, even in the middle of a
# commit, and metadata are damaged beside. Nothing that was acknowledged is lost or wrong.
# ROUNDS: scripts of 40 crashes each (60).  SEED: of the first.
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

seed=${SEED:-$RANDOM}

plan 1
diag "seed $seed"
data check "what was acknowledged is there, or the store is refused" \
	"$LPARKIT_BUILD/selftests/snapuser/snappower" "$seed" "${ROUNDS:-60}"
