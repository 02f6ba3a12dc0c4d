#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=120
# A state comes to a volume that others use meanwhile, or whose disk fails.
exec "$LPARKIT_BUILD/selftests/snapuser/snapmeanwhile"
