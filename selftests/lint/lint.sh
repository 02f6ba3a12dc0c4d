# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the lint tests have in common: files are those that git knows, and a
# complaint goes to the results as well as to the log.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
cd "$top" || bail "no $top"

# files GLOB...: tracked, or new and not ignored.
files() {
	git ls-files --cached --others --exclude-standard -- "$@" |
		while read -r file; do
			[ ! -f "$file" ] || echo "$file"
		done
}

# clean DESC CMD...: passes if CMD succeeds; shows what it says otherwise.
clean() {
	local desc=$1 output

	shift
	if output=$("$@" 2>&1); then
		ok "$desc"
	else
		not_ok "$desc"
		echo "$output" >&2
		while read -r line; do
			diag "$line"
		done <<<"$output"
	fi
}
