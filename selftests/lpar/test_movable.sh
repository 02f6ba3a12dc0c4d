#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Memory that the kernel only has for what it can move is none of an LPAR's: an activation does not
# count on it, whether it names a node or not.
# vm: cpus=2 mem=1536 timeout=120 kernels=6.1,6.12,7.2 append=movablecore=768M long=6.1,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# movable COUNTER: of the movable zone, in MiB
movable() {
	awk -v what="$1" '/^Node/ { zone = $4 }
		zone == "Movable" && $0 ~ "^ *(pages )?" what " " { print int($NF / 256); exit }' /proc/zoneinfo
}

# What is available besides, in MiB
fixed_mib() {
	echo $((($(awk '/MemAvailable/ { print $2 }' /proc/meminfo) / 1024 - $(movable free)) / 2 * 2))
}

refused_at_once() {
	says "^ENOMEM: .*MiB available" lparcall activate "$1"
}

plan 7
load lpar
check "half of the memory is movable" test "$(movable managed)" -gt 600
more=$(($(fixed_mib) + 64))
lparcall create any memory ${more}M
lparcall create one memory ${more}M node 0
check "more than there is besides is refused at once, of any node" refused_at_once any
# Pages of files there do not count either.
dd if=/dev/zero of="$scratch/file" bs=1M count=64 status=none
check "and of a node" refused_at_once one
lparcall set any memory $((more / 3 & ~1))M
check "a part of the rest" lparcall activate any
check "zero" memtool zero /dev/lpar/any
check "deactivate" deactivate_soon any
check_fails "and no process had to die for it" says "Out of memory" dmesg
