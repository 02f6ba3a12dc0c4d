#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=600
# The kernel's own checks on our kernel code: checkpatch, kernel-doc, sparse.
. "$(dirname "$0")/lint.sh"

kernels=selftests/vm/kernels.sh

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

# modules.sh compiles with W=1 and -Werror always; what is compiled already is checked.
sparse() {
	local log

	$kernels fetch 6.12 || return
	log=$(selftests/vm/modules.sh 6.12 -j"$(nproc)" C=2 2>&1) || {
		echo "$log"
		return 1
	}
	! grep -E '(kmod-|include/|selftests/).*(warning|error):' <<<"$log"
}

kernel_doc() {
	local said

	$kernels fetch 6.12 || return
	said=$(perl "$($kernels path 6.12)/build/scripts/kernel-doc" -none "${sources[@]}" 2>&1) || {
		echo "$said"
		return 1
	}
	! grep -E 'warning|error' <<<"$said"
}

plan 3
clean "checkpatch --strict" checkpatch
clean "kernel-doc" kernel_doc
clean "6.12: sparse" sparse
