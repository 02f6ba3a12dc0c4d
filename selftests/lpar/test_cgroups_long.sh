#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_cgroups.sh for ten minutes.
# vm: cpus=4 threads=2 mem=1024 timeout=1200 kernels=6.1,6.12,7.2 speed=long
# shellcheck disable=SC2034 # read by test_cgroups.sh
seconds=600
# shellcheck source=selftests/lpar/test_cgroups.sh
. "$(dirname "$0")/test_cgroups.sh"
