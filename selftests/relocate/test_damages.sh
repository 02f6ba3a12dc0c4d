#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test_damage with many more bytes of each block, as they are chosen by chance.
# vm: cpus=2 mem=768 disks=8M,1M,8M timeout=600 speed=long here
FLIPS=10 exec "$(dirname "$0")/test_damage.sh"
