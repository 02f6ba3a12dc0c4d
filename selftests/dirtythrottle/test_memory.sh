#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest on LPAR memory faults as any other while its dirty log is on, and can be named
# by its LPAR.
# vm: cpus=4 mem=1024 timeout=120 modprobe=kvm_amd kernels=6.12 speed=long here=kvm,cores
# shellcheck source=selftests/dirtythrottle/dirtythrottle.sh
. "$(dirname "$0")/dirtythrottle.sh"

load lpar
load dirtythrottle
lparctl create a cpus 1 memory 64M
lparctl activate a
check "a guest on LPAR memory" guest one --vcpus 2 --mib 64 --mem /dev/lpar/a
one=$pid
lparctl member add a "$one"
guest_do one log-on
check "is throttled by the LPAR's name" lparctl throttle attach a --limit 1M
guest_do one go
measure one 3
diag "$(measured_kib) KiB/s of 1024"
check "no more than 1024 KiB/s" in_limit 1024 2
check "no less" uses_limit 1024
check "shown by the LPAR's name" lparctl throttle show a
check "detached by it" lparctl throttle detach a
guest_end "$one"
check "the LPAR ends" wait_until 10 lparctl deactivate a
lparctl delete a
check "the modules can be unloaded" rmmod dirtythrottle lpar
