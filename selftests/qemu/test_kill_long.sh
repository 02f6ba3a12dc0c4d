#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_kill.sh at all of its moments.
# vm: cpus=4 mem=2048 disks=64M timeout=900 kernels=7.2,debug speed=long
# shellcheck disable=SC2034 # read by test_kill.sh
moments="starting booting running writing frozen frozen_while_writing paused_while_frozen armed"
# shellcheck source=selftests/qemu/test_kill.sh
. "$(dirname "$0")/test_kill.sh"
