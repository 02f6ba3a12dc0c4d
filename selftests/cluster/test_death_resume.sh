#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Host b dies while guests are told to go on: the state is whole, host a goes on.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/death.sh
. "$(dirname "$0")/death.sh"

pair_up
check "it fails" dies $resuming save dead --hosts a,b --continue
host_a_is_free
check "host a: its guest runs" grows a1 sent
check "host a: its part of the state is there" test -s $dir/dead/a/a1.state
