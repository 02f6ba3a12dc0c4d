#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Host b dies while a restore is loading: host a holds nothing, and has the state still.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/death.sh
. "$(dirname "$0")/death.sh"

pair_up
check "saved" cluster save good --hosts a,b --continue
check "it fails" dies $loading restore good
host_a_is_free
check "host a: its guest is not left half loaded" has_ended a1
check "host a: its part of the state is there" test -s $dir/good/a/a1.state
