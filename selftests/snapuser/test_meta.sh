#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=60
# Single cases of the metadata of dm-snapsync's own code on disks in memory.
exec "$LPARKIT_BUILD/selftests/snapuser/snapmeta"
