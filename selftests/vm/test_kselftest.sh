#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The selftests as those of the kernel are run: installed elsewhere, by run_kselftest.sh.
# shellcheck disable=SC2016 # what is quoted is for other shells
# vm: none timeout=300
# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
trap 'leave true' EXIT

top=$LPARKIT_TOP
build=$LPARKIT_BUILD
unset LPARKIT_KERNEL LPARKIT_TOP LPARKIT_BUILD
export LC_ALL=C.UTF-8
dest=$scratch/dest
chmod 755 "$scratch"

# Without kernel headers, so that no modules are built.
from() {
	make --no-print-directory -C "$1" KDIR=/none BUILD="$build" "${@:2}" >"$scratch/out" 2>&1
}

# probe NAME VM-LINE: a test of a collection of this one's own
probe() {
	mkdir -p "$dest/lparkit/selftests/probe"
	ln -sfn lparkit/selftests/probe "$dest/probe"
	echo "probe:test_$1.sh" >>"$dest/kselftest-list.txt"
	{
		printf '#!/bin/bash\n# vm: %s\n. "$(dirname "$0")/../lib/tap.sh"\n' "$2"
		cat
	} >"$dest/probe/test_$1.sh"
	chmod +x "$dest/probe/test_$1.sh"
}

# runs STATUS OPTION...: it ends so; what it said is in $scratch/out.
runs() {
	local wanted=$1

	shift
	"${as[@]}" "$dest/run_kselftest.sh" "$@" >"$scratch/out" 2>&1
	same $? "$wanted" || tell
}

# What was said last; fails.
tell() {
	sed 's/^/# /' "$scratch/out"
	return 1
}

# said LINE...: each of them
said() {
	local line

	for line; do
		grep -qxF -e "$line" "$scratch/out" || { echo "# not said: $line" && tell && return; }
	done
}

# said_part TEXT
said_part() {
	grep -qF -e "$1" "$scratch/out" || tell
}

# finds_nothing_of SOURCE: nothing that is installed leads back to where it came from.
finds_nothing_of() {
	! find "$dest" -type l -lname "$1/*" | grep . || return
	! grep -rIl -e "$1" "$dest" --include='*.sh' --include='kselftest*' | grep .
}

# The harness's decision for a test of modules, with the machine played: what check-here
# does when it runs one is vm/test_here's.
played() {
	/usr/bin/python3 - "$dest/lparkit/selftests" "$@" <<-'END'
	import sys
	top, name, failures, text = sys.argv[1:5]
	sys.path.insert(0, f"{top}/vm")
	from program import program
	it = program("kselftest")
	it.check_here.refusals = lambda: iter(())
	it.check_here.why_not_loadable = lambda: iter(())
	it.check_here.why_not = lambda test: None
	it.check_here.LOCK = sys.argv[5]
	it.check_here.PRIVATE = ()
	def run(test):
	    outcome = it.check_here.Outcome("here", test.name, "/log", text)
	    for why in filter(None, [failures]):
	        outcome.results.fail(why)
	    return outcome
	it.check_here.run = run
	sys.argv[1:] = [f"{top}/probe/test_{name}.sh"]
	sys.exit(it.main())
	END
}

# plays STATUS FAILURE TEXT
plays() {
	played here "$2" "$3" "$scratch/lock" >"$scratch/out" 2>&1
	same $? "$1" || tell
}

as=()
check "installed" from "$top/selftests" install TARGETS="ctl lpar" INSTALL_PATH="$dest"
check "the collections asked for" same "$(cut -d: -f1 "$dest/kselftest-list.txt" | sort -u | xargs)" "ctl lpar"
check "with all their tests" same "$(grep -c ^ctl: "$dest/kselftest-list.txt")" \
	"$(find "$top/selftests/ctl" -name 'test_*.sh' | wc -l)"
check "it stands alone" finds_nothing_of "$top"
check_fails "no collection of that name" from "$top/selftests" run_tests TARGETS=none
check "says so" said "no such collection: none"
check_fails "nothing is left" from "$top/selftests" run_tests TARGETS=ctl SKIP_TARGETS=ctl

check "a test of lparctl" runs 0 -t ctl:test_house.sh
check "as the kernel's" said "TAP version 13" "1..1" "# selftests: ctl: test_house.sh" \
	"# 1..$(sed -n 's/^plan //p' "$top/selftests/ctl/test_house.sh")" \
	"ok 1 selftests: ctl: test_house.sh"

probe good none <<-'END'
	plan 2
	check "its directory is the sources'" test -f Makefile
	check "lparctl is the installed one" test "$LPARKIT_BUILD" = "$PWD/build" -a -x build/ctl/lparctl
END
probe bad none <<-'END'
	plan 1
	check "wrong" false
END
probe skip none <<-'END'
	skip_all "no moon"
END
probe hang "none timeout=1" <<-'END'
	plan 1
	sleep 1000
END
probe leaver none <<-'END'
	plan 1
	setsid sleep 20 >&3 3>&- &
	ok "gone"
END
probe vm "cpus=2 kernels=6.1,7.2" <<-'END'
	plan 1
	check "on the machine itself" false
END
probe here "here" <<-'END'
	plan 1
	check "without its modules" false
END
check "one failure fails all" runs 1 -c probe
check "each with its result" said "1..7" "ok 1 selftests: probe: test_good.sh" \
	"not ok 2 selftests: probe: test_bad.sh # exit=1" "# not ok 1 - wrong" \
	"ok 3 selftests: probe: test_skip.sh # SKIP" "# 1..0 # SKIP no moon" \
	"not ok 4 selftests: probe: test_hang.sh # TIMEOUT" \
	"ok 6 selftests: probe: test_vm.sh # SKIP" "ok 7 selftests: probe: test_here.sh # SKIP"
check "what was left behind holds nothing up" said "ok 5 selftests: probe: test_leaver.sh"
check "which needs a host VM" said_part \
	"# 1..0 # SKIP needs a host VM: selftests/vm/run-tests --kernel 6.1 --test probe/test_vm"
check "by hand" eval '(cd "$dest/probe" && ./test_vm.sh) >"$scratch/out"; same $? 4'
as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
[ "$(id -u)" = 0 ] || as=()
check "nobody runs what needs modules" runs 0 -t probe:test_here.sh
check "root would" said "# 1..0 # SKIP only root may load modules: sudo selftests/vm/check-here" \
	"ok 1 selftests: probe: test_here.sh # SKIP"
as=()
check "with modules, it passes" plays 0 "" $'1..1\nok 1 - fine'
check "and says so" said "ok 1 - fine"
check "it fails" plays 1 "" $'1..1\nnot ok 1 - bad'
check "or the kernel complained" plays 1 "the kernel complained: WARNING" $'1..1\nok 1 - fine'
check "as it is told" said "# failed: the kernel complained: WARNING" "# its log: /log"
check "it takes too long" plays 124 "time-out" $'1..1'
check "it skips all" plays 4 "" "1..0 # SKIP no moon"

check "a list" runs 0 --list
check "of tests" said probe:test_good.sh ctl:test_house.sh
check "dry run" runs 0 -d -c probe
check "runs nothing" said "ok 2 selftests: probe: test_bad.sh # SKIP dry run"
check "summary" runs 1 -s -t probe:test_bad.sh
check "without what it said" eval '! grep -q wrong "$scratch/out"'
check "which is in output.log" grep -qx '# not ok 1 - wrong' "$dest/output.log"
check "a log of its own" runs 1 -p -t probe:test_bad.sh
check "has it" grep -qx '# not ok 1 - wrong' /tmp/test_bad.sh
rm -f /tmp/test_bad.sh
check "a shorter limit" runs 1 -o 1 -t probe:test_hang.sh
check "no such test" runs 2 -t probe:test_none.sh
check "no such option" runs 2 --none

rm "$dest/lparkit/build/ctl/lparctl"
check "lparctl is missing" runs 0 -t probe:test_good.sh
check "what to do" said_part "SKIP no lparctl in"
