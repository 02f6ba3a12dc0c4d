#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=120
# States travel from one volume to another, through streams that are cut off or damaged.
exec "$LPARKIT_BUILD/selftests/snapuser/snapsend"
