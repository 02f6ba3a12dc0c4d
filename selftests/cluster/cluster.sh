# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Common to the tests that run on host a of the rig.

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/rig.sh"
# shellcheck source=selftests/cluster/pairs.sh
. "$(dirname "${BASH_SOURCE[0]}")/pairs.sh"
trap 'leave clear_guests' EXIT
