#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 threads=2 mem=1024 disks=64M,64M timeout=120 kernels=debug speed=quick
# Loads every module and hands on what its KUnit suites reported.
. "$(dirname "$0")/../lib/tap.sh"

results=/sys/kernel/debug/kunit

load kunit
# Participants of the cut go before lpar, which they use.
ours=()
for ko in "$LPARKIT_MODULES"/*.ko; do
	name=$(basename "$ko" .ko)
	load "$name"
	[ "$name" = lpar ] || ours+=("$name")
done

[ -d $results ] || skip_all "no KUnit suites"
# One that nobody builds or loads is missed.
plan "$(cat "$(dirname "$0")"/../../kmod-*/*_kunit.c | grep -c '^static struct kunit_suite')"
n=0
for suite in "$results"/*/results; do
	n=$((n + 1))
	# The suite's own plan of one gives way to ours.
	sed -E "/^KTAP version/d; /^1\.\.1$/d; s/^((not )?ok) [0-9]+/\1 $n/" "$suite" >&3
done
unload "${ours[@]}" lpar
