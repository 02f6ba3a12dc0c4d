#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_cycles.sh with a thousand lives; a hundred where each takes some seconds.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=1800 kernels=6.1,6.12,7.2,debug speed=long
# shellcheck disable=SC2034 # read by test_cycles.sh
[ "$LPARKIT_KERNEL" = debug ] && cycles=100 || cycles=1000
# shellcheck source=selftests/lpar/test_cycles.sh
. "$(dirname "$0")/test_cycles.sh"
