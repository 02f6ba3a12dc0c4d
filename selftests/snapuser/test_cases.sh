#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=60
# Single cases of what volumes of dm-snapsync's own code show, on disks in memory.
exec "$LPARKIT_BUILD/selftests/snapuser/snapcases"
