#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_netlink.sh with more nonsense.
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=2400 kernels=debug speed=long
# shellcheck disable=SC2034 # read by test_netlink.sh
messages=100000
# shellcheck source=selftests/lpar/test_netlink.sh
. "$(dirname "$0")/test_netlink.sh"
