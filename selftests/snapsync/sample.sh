#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In a host VM, for test_bytes: a store with one metadata block of each class in use.
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

plan 1
volume vol chunk 4 || bail "no volume"
message vol take one "with a note"
fill /dev/mapper/vol 101 0 64
blkdiscard -z -o 131072 -l 65536 /dev/mapper/vol
message vol take two
fill /dev/mapper/vol 102 32 64
check "a store" dmsetup remove vol
