#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# As test_ha, five times (ROUNDS) each way.
# vm: rig cpus=3 mem=1280 slow=4 timeout=3600 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/ha.sh
. "$(dirname "$0")/ha.sh"

ha 1000 0.3 "${ROUNDS:-5}"
