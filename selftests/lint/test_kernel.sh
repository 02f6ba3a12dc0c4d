#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=900
# The kernel's own checks on our kernel code: checkpatch, sparse, more warnings.
. "$(dirname "$0")/lint.sh"

kernels=selftests/vm/kernels.sh
# Objects of their own: a build with checks would spoil the timestamps of the other.
export LPARKIT_BUILD=${LPARKIT_BUILD:-$top/build}/lint

# What is shadowed for older kernels follows the newest, whatever checkpatch says.
mapfile -t sources < <(files 'kmod-*/*.[ch]' 'selftests/vm/*/*.c' 'selftests/dirtythrottle/*/*.c' 'include/lparkit/*.h' 'include/uapi/*.h')

checkpatch() {
	local script

	script=$($kernels source)/scripts/checkpatch.pl || return
	# A message is one line, however long, so that it can be searched for.
	# vcpu.c asks for ENOSYS, which a system call has until it has its result;
	# struct Scsi_Host is the kernel's name.
	"$script" --no-tree --strict --terse --show-types --quiet --max-line-length=100 \
		--ignore LONG_LINE_STRING,ENOSYS,CAMELCASE --file "${sources[@]}" | grep -v '^total:'
	return "${PIPESTATUS[0]}"
}

# build KERNEL ARG...: from scratch, a warning from our files is a failure.
build() {
	local kernel=$1 log

	shift
	$kernels fetch "$kernel" || return
	rm -rf "$LPARKIT_BUILD/modules/$kernel"
	log=$(selftests/vm/modules.sh "$kernel" -j"$(nproc)" "$@" 2>&1) || {
		echo "$log"
		return 1
	}
	! grep -E '(kmod-|include/|selftests/).*(warning|error):' <<<"$log"
}

plan 4
clean "checkpatch --strict" checkpatch
clean "6.1: W=1" build 6.1 W=1
clean "6.12: W=1, sparse" build 6.12 W=1 C=2
clean "7.2: W=1" build 7.2 W=1
