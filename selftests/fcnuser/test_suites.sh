#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=120
# The state machine of fcnpiv.ko, tokens and sets of LUNs: their KUnit suites in user space,
# with many more ways in which things go wrong.
exec "$LPARKIT_BUILD/selftests/fcnuser/suites"
