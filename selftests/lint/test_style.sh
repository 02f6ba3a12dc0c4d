#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=600
# Style of what runs in user space; the kernel's C is test_kernel's.
. "$(dirname "$0")/lint.sh"

mapfile -t sources < <(files 'ctl/*.c' 'ctl/*.h' 'selftests/*.c' 'selftests/*.h')
mapfile -t scripts < <(files 'selftests/*' 'ctl/*' .ci/run |
	xargs -r grep -lIE '^#!/bin/(ba)?sh|^#!/bin/busybox sh|^# shellcheck shell=')
mapfile -t pythons < <(files '*' | xargs -r grep -lIE '^#!/usr/bin/python3'; files '*.py')

# Every one is parsed; there is no more of it in the standard library.
parses() {
	/usr/bin/python3 - "$@" <<-'EOF'
	import ast, sys
	for path in sys.argv[1:]:
	    with open(path) as f:
	        ast.parse(f.read(), path)
	EOF
}

plan 3
clean "C: clang-format" clang-format --dry-run -Werror "${sources[@]}"
clean "shell: shellcheck" shellcheck -x -P SCRIPTDIR "${scripts[@]}"
clean "Python: syntax" parses "${pythons[@]}"
