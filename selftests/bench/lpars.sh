# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# LPARs of benchmarks. Needs lib/tap.sh and bench.sh.

# make NAME KEY VALUE...: an active LPAR.
make() {
	lparctl create "$@" || die "no LPAR"
	lparctl activate "$1" || die "LPAR $1 does not become active"
}

unmake() {
	wait_until 10 lparctl deactivate "$1" || die "LPAR $1 does not end"
	lparctl delete "$1"
}
