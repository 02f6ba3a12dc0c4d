# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the tests of lparctl have in common.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

build=${LPARKIT_BUILD:-$(dirname "$0")/../../build}
PATH=$build/ctl:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; tap_end' EXIT

# same A B
same() {
	[ "$1" = "$2" ] && return 0
	echo "# is \"$1\", expected \"$2\""
	return 1
}

# exits CODE COMMAND...: the command ends with this exit code.
exits() {
	local code=$1 status
	shift
	"$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	[ "$status" = "$code" ] && return 0
	sed 's/^/# /' "$scratch/out" "$scratch/err"
	echo "# exit code $status, expected $code"
	return 1
}

# says CODE PATTERN COMMAND...: the same, and its messages match the pattern.
says() {
	local code=$1 pattern=$2
	shift 2
	exits "$code" "$@" || return 1
	grep -q -e "$pattern" "$scratch/out" "$scratch/err" && return 0
	sed 's/^/# /' "$scratch/out" "$scratch/err"
	echo "# no \"$pattern\""
	return 1
}

# json EXPRESSION: of the value j on standard input.
json() {
	python3 -c "import json, sys; j = json.load(sys.stdin); print($1)"
}

# value NAME FILE: what sysfs says; much faster under emulation than to parse JSON.
value() {
	cat "/sys/class/lpar/$1/$2"
}

# is NAME FILE VALUE
is() {
	same "$(value "$1" "$2")" "$3"
}

# lacks PATTERN FILE: one that is there, and has no such line
lacks() {
	grep -q -e "$1" "$2"
	same "status $?" "status 1"
}
