#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# keepalived and corosync in two guests do not notice a save, nor a restore, though the
# guests stand for longer than the time-outs; they do when one guest stands alone.
# vm: rig cpus=3 mem=1280 slow=5 timeout=1800 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/ha.sh
. "$(dirname "$0")/ha.sh"

ha 1000 0.3 1
