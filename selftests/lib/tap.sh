# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Test Anything Protocol for shell tests:
#
#	. "$(dirname "$0")/../lib/tap.sh"
#	plan 2
#	load lpar
#	check "an LPAR is created" lparctl lpar create a
#	check_fails "but not twice" lparctl lpar create a
#
# Without a plan, the last line tells the number of tests.  A command's output
# goes to the log; results go to standard output.

# Started by hand or by run_kselftest.sh, and by no harness of ours: it lacks an environment,
# and this machine may be none for it.
case ${LPARKIT_KERNEL:+known}/${0##*/} in
/test_*) exec "$(dirname "${BASH_SOURCE[0]}")/../vm/kselftest" "$0" ;;
esac

tap_count=0
tap_failed=0
tap_plan=
tap_mark=

exec 3>&1 1>&2

plan() {
	tap_plan=$1
	echo "1..$1" >&3
}

ok() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1" >&3
}

not_ok() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1$tap_mark" >&3
}

# skip DESC REASON: one test that does not apply here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2" >&3
}

# skip_all REASON
skip_all() {
	tap_plan=0
	echo "1..0 # SKIP $1" >&3
	exit 0
}

# A line for the reader of the results.
diag() {
	echo "# $*" >&3
}

bail() {
	echo "Bail out! $*" >&3
	trap - EXIT
	exit 1
}

# check DESC CMD...: passes if CMD succeeds.
check() {
	local desc=$1 status

	shift
	"$@"
	status=$?
	if [ $status = 0 ]; then
		ok "$desc"
	else
		not_ok "$desc"
		diag "status $status: $*"
	fi
	return $status
}

# check_fails DESC CMD...: passes if CMD fails as a refusal does, not by a signal.
check_fails() {
	local desc=$1 status

	shift
	"$@"
	status=$?
	if [ $status -gt 0 ] && [ $status -lt 124 ]; then
		ok "$desc"
	else
		not_ok "$desc"
		diag "status $status, expected a failure: $*"
		return 1
	fi
}

# check_is DESC GOT WANTED
check_is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "got '$2', expected '$3'"
		return 1
	fi
}

# data CHECK...: one whose failure means that data are wrong, lost or repeated, which no
# second run forgives.
data() {
	local tap_mark=" # data"

	"$@"
}

# wait_until SECONDS CMD...: polls until CMD succeeds; fails at the deadline.
wait_until() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.1
	done
}

# load MODULE [PARAM...]: one of ours, with what it depends on, or the kernel's.
load() {
	local name=$1 ko dep

	shift
	[ ! -d "/sys/module/${name//-/_}" ] || return 0
	ko=$LPARKIT_MODULES/$name.ko
	if [ ! -f "$ko" ]; then
		modprobe "$name" "$@" || bail "cannot load $name"
		return
	fi
	for dep in $(modinfo -F depends "$ko" | tr , ' '); do
		[ -f "$LPARKIT_MODULES/$dep.ko" ] || dep=${dep//_/-}
		load "$dep"
	done
	insmod "$ko" "$@" || bail "cannot load $name"
}

unload() {
	rmmod "$@"
}

# disk N: the N-th of the scratch disks given by "# vm: disks=". On a real host the
# machine's own may have the names of those in a host VM: none of them is for tests.
disk() {
	local disks

	# shellcheck disable=SC2206 # words are meant
	disks=(${LPARKIT_DISKS-/dev/vd?})
	echo "${disks[$1 - 1]}"
}

# A test that ends early must not look complete.
tap_end() {
	local status=$?

	if [ -z "$tap_plan" ]; then
		if [ $status = 0 ]; then
			echo "1..$tap_count" >&3
		else
			echo "Bail out! exit status $status after $tap_count tests" >&3
		fi
	fi
	[ $status != 0 ] || [ $tap_failed = 0 ] || exit 1
}
trap tap_end EXIT
