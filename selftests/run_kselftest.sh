#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs selftests as the kernel's script of this name does: KTAP, a result for each test, with
# what it says indented by "# ".  Beside an installed list (make install) it runs those,
# in the sources all that there are.
# Exit status: 0, 1 if a test failed, 2 if it was asked for what there is not.

usage() {
	cat <<-END
	Usage: $0 [OPTIONS]
	  -c | --collection COLLECTION  all tests of COLLECTION (repeatable)
	  -t | --test COLLECTION:TEST   one test (repeatable)
	  -l | --list                   only list the tests
	  -d | --dry-run                only say what would run
	  -s | --summary                what tests say goes to output.log, beside this script
	  -p | --per-test-log           what a test says goes to /tmp/TEST
	  -n | --netns                  each test in a network namespace
	  -o | --override-timeout N     seconds for each test; otherwise it says itself
	  -h | --help                   this
	END
}

die() {
	echo "$0: $1" >&2
	exit 2
}

# COLLECTION:TEST, one a line
available() {
	local file

	cat kselftest-list.txt 2>/dev/null && return
	for file in */test_*.sh */test_*.py; do
		[ ! -x "$file" ] || echo "${file/\//:}"
	done
}

# has PATTERN: one of the available tests
has() {
	grep -qxe "$1" <<<"$available"
}

# The tests that are asked for, each once.
chosen() {
	local test

	[ ${#wanted[@]} -gt 0 ] || wanted=(".*")
	while read -r test; do
		for one in "${wanted[@]}"; do
			[[ ! $test =~ ^$one$ ]] || { echo "$test" && break; }
		done
	done <<<"$available"
}

# run NUMBER COLLECTION TEST: prints its result; fails if it does.
run() {
	local name="selftests: $2: $3" command=("./$3") status

	[ -z "$per_test" ] || exec 4>"/tmp/$3"
	[ -z "$limit" ] || command=(timeout --kill-after=10 "$limit" "${command[@]}")
	[ -z "$netns" ] || command=("${in_netns[@]}" "${command[@]}")
	echo "# $name"
	if [ -n "$dry_run" ]; then
		echo "ok $1 $name # SKIP dry run"
		return
	fi
	(cd "$2" && "${command[@]}" </dev/null 2>&1; echo $? >"$scratch/status") |
		sed -u 's/^/# /' >&4
	status=$(cat "$scratch/status")
	case $status in
	0) echo "ok $1 $name" ;;
	4) echo "ok $1 $name # SKIP" ;;
	124) echo "not ok $1 $name # TIMEOUT" ;;
	*) echo "not ok $1 $name # exit=$status" ;;
	esac
	[ "$status" = 0 ] || [ "$status" = 4 ]
}

# run_all COLLECTION TEST...: fails if one does.
run_all() {
	local collection=$1 number=0 failed=0 test

	shift
	echo "TAP version 13"
	echo "1..$#"
	for test in "$@"; do
		number=$((number + 1))
		run $number "$collection" "$test" || failed=1
	done
	return $failed
}

cd "$(dirname "$(readlink -f "$0")")" || exit
# shellcheck disable=SC2016 # for the inner shell
in_netns=(unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh)
# Each test is given its own of these.
unset LPARKIT_KERNEL LPARKIT_TOP
available=$(available)
wanted=()
exec 4>&1
dry_run='' per_test='' netns='' limit=''

while [ $# -gt 0 ]; do
	case $1 in
	-c | --collection)
		has "${2-}:.*" || die "no such collection: ${2-}"
		wanted+=("$2:.*")
		shift
		;;
	-t | --test)
		has "${2-}" || die "no such test: ${2-}"
		wanted+=("$2")
		shift
		;;
	-o | --override-timeout)
		[[ ${2-} =~ ^[0-9]+$ ]] || die "$1 takes seconds"
		limit=$2
		shift
		;;
	-l | --list)
		echo "$available"
		exit
		;;
	-d | --dry-run) dry_run=1 ;;
	-s | --summary) exec 4>output.log || exit ;;
	-p | --per-test-log) per_test=1 ;;
	-n | --netns) netns=1 ;;
	-h | --help)
		usage
		exit
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tests=$(chosen)
failed=0
mapfile -t collections < <(cut -d: -f1 <<<"$tests" | sort -u)
for collection in "${collections[@]}"; do
	# shellcheck disable=SC2046 # words are meant
	run_all "$collection" $(sed -n "s/^$collection://p" <<<"$tests") || failed=1
done
exit $failed
