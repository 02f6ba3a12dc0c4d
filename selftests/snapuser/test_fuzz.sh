#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=600
# lparctl snap check against the module itself, on stores that are damaged in all kinds of ways:
# it calls lost what is refused, repairable what is repaired, and its own repair loses nothing.
# ROUNDS: damages (500).  SEED: of the first.
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

seed=${SEED:-$RANDOM}

plan 1
diag "seed $seed"
data check "snap check and the module agree" \
	"$LPARKIT_BUILD/selftests/snapuser/snapfuzz" "$seed" "${ROUNDS:-500}"
