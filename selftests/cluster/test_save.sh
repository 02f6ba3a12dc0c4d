#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two pairs of guests: saved and continued, saved and restored.
# vm: rig cpus=3 mem=1280 timeout=900 kernels=6.1,6.12,7.2 speed=full long=6.1,7.2
# shellcheck source=selftests/cluster/rounds.sh
. "$(dirname "$0")/rounds.sh"

rounds 2 3000 1
