#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Host b dies while guests are being stopped: what host a had goes on.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/death.sh
. "$(dirname "$0")/death.sh"

pair_up
check "it fails" dies $stopping save dead --hosts a,b
host_a_is_free
check "host a: its guest runs" grows a1 sent
check "host a: nothing is left" nothing_left dead
