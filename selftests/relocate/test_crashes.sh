#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_crash at many more points, as they are chosen by chance.
# vm: cpus=2 mem=1024 disks=2M,1M,2M,64M,3M timeout=900 speed=long here
STEPS=400 MARKS=20 POINTS=20 exec "$(dirname "$0")/test_crash.sh"
