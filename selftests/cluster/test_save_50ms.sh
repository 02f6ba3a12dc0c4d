#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Twenty times (ROUNDS) each way, with a heartbeat each 50 ms.
# vm: rig cpus=3 mem=1280 slow=20 timeout=7200 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/rounds.sh
. "$(dirname "$0")/rounds.sh"

rounds 2 50 "${ROUNDS:-20}"
