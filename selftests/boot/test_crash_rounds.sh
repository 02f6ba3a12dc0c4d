#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: systemd cpus=4 mem=1280 disks=64M,16M,32M,64M,32M timeout=6000 kernels=6.12 speed=long
#
# test_crash with 20 crashes.

ROUNDS=${ROUNDS:-20} exec "$(dirname "$0")/test_crash.sh"
