#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# run-tests, hostvm and sequence with tests that fail by chance or not, in a tree of
# their own, where a VM is this machine.
# shellcheck disable=SC2016 # what is quoted is for the shells of those tests
# vm: none timeout=300
# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
trap 'leave end_process' EXIT

# Those that tests leave behind.
end_process() {
	[ ! -s "$scratch/process" ] || xargs kill <"$scratch/process" 2>/dev/null
}

tree=$scratch/tree
times=$scratch/times
unset LPARKIT_BUILD

make_tree() {
	local vm=$tree/selftests/vm from=$LPARKIT_TOP/selftests

	mkdir -p "$vm" "$tree"/selftests/{lib,cluster} "$tree"/build/modules/{6.1,7.2}/ko "$scratch/bin" "$times"
	cp "$from"/vm/{run-tests,hostvm,initramfs-init,*.py} "$vm"
	cp "$from/lib/tap.sh" "$tree/selftests/lib"
	sed "s,>/dev/kmsg,>>\"\$LPARKIT_CONSOLE\"," "$from/vm/sequence" >"$vm/sequence"
	cp "$from/vm/fake-qemu" "$scratch/bin/qemu-system-x86_64"
	echo 1.0 >"$tree/release"
	printf '#!/bin/sh\n[ $1 = fetch ] || echo %s\n' "$tree" >"$vm/kernels.sh"
	printf '#!/bin/sh\n[ $1 != 7.2 ] || exit $(cat %s/build_status)\n' "$tree" >"$vm/modules.sh"
	echo 'exec "$(dirname "$0")/../vm/hostvm" "$@"' | cat <(echo '#!/bin/sh') - >"$tree/selftests/cluster/rig"
	chmod +x "$vm"/{sequence,*.sh} "$tree/selftests/cluster/rig"
	echo 0 >"$tree/build_status"
}

# fake NAME VM-LINE: a test whose commands come from standard input; $time counts its runs.
fake() {
	local path=$tree/selftests/$1.sh

	mkdir -p "$(dirname "$path")" "$times/$(dirname "$1")"
	cat - >"$path" <<-EOF
	#!/bin/bash
	# vm: kernels=6.1 $2
	. "\$(dirname "\$0")/../lib/tap.sh"
	echo run >>$times/$1
	time=\$(wc -l <$times/$1)
	# FLAGS: what a kernel writes that has stopped with such
	report() {
		printf '[    2.000000] %s\\n' "WARNING: CPU: 0 PID: 1 at traps.c:1120" "CPU: 0 UID: 0" \\
			"RIP: 0010:exc_debug" "RSP: 0018:0 EFLAGS: \$1" "Call Trace:" "traps: tr general protection"
	}
	plan 1
	$(cat)
	EOF
	chmod +x "$path"
}

# runs [OPTION...]: all of it goes to $scratch/said
runs() {
	rm -rf "$times" && mkdir "$times" && mkdir "$times"/{chance,fault,hung,left,many,lint,stumble}
	PATH=$scratch/bin:$PATH "$tree/selftests/vm/run-tests" --jobs 2 "$@" >"$scratch/said" 2>&1
	local status=$?
	sed 's/^/  /' "$scratch/said"
	return $status
}

# ends_with PASSED FAILED
ends_with() {
	[ "$(tail -n 1 "$scratch/said")" = "$1 passed, $2 failed" ]
}

# unsteady, failed: the tests named as such, sorted
unsteady() {
	sed -n '/^unsteady:/,/^$/p' "$scratch/said" | sed -n 's/^  \([^ ]* [^ ]*\), logs:.*/\1/p' | sort | xargs
}

failed() {
	sed -n 's/^FAILED: \(.*\), log:.*/\1/p' "$scratch/said" | sort | xargs
}

# ran TEST: how often
ran() {
	wc -l <"$times/$1"
}

# killed: run-tests, while a test waits in a VM
killed() {
	rm -f "$times/wait/test_long"
	mkdir -p "$times/wait"
	PATH=$scratch/bin:$PATH start "$tree/selftests/vm/run-tests" --kernel 6.1 --test wait/test_long
	wait_until 60 test -e "$times/wait/test_long" || return 1
	kill "-$1" "$pid"
	wait "$pid"
	wait_until 20 no_hostvm
}

no_hostvm() {
	! pgrep -f "$tree/selftests/vm/hostvm" >&2
}

make_tree
fake chance/test_a '' <<<'check "right" true'
fake chance/test_b '' <<<'check "once wrong" test $time -gt 1'
fake chance/test_c '' <<<'[ $time -gt 1 ] || kill -9 $(ps -o sid= -p $$); check "has not died" true'
fake chance/test_d 'timeout=5' <<<'[ $time -gt 1 ] || sleep 60; check "in time" true'
fake chance/test_e 'cpus=4' <<<'check "in another VM" true'
fake chance/test_f 'rig' <<<'check "once wrong, on two hosts" test $time -gt 1'
fake chance/test_g '' <<<'check "right, at the end" true'
fake fault/test_always '' <<<'check "wrong" false'
fake fault/test_complaint '' <<<'
[ $time -gt 1 ] || echo "[    2.000000] WARNING: at once" >>$LPARKIT_CONSOLE
check "right" true'
fake fault/test_data '' <<<'data check_is "bytes" "$time" 2'
fake left/test_module 'kernels=7.2' <<<'touch $LPARKIT_MODULES/printk.ko; check "right" true'
fake left/test_process '' <<<'sleep 600 >&- 2>&- 3>&- & echo $! >>'"$scratch/process"'; check "right" true'
fake fault/test_right '' <<<'check "right" true'
fake left/test_right 'kernels=6.1,7.2' <<<'check "right" true'
for n in 1 2 3 4 5 6; do
	fake many/test_$n '' <<<'check "once wrong" test $time -gt 1'
done
fake stumble/test_a '' <<<'check "right" true'
fake stumble/test_b '' <<<'[ $time -gt 1 ] || report 4fc44382 >>$LPARKIT_CONSOLE; check "right" true'
fake stumble/test_c '' <<<'check "right" true'
fake fault/test_flags '' <<<'report 00044386 >>$LPARKIT_CONSOLE; check "right" true'
fake fault/test_before '' <<<'
echo "[    2.000000] BUG: KASAN: slab-use-after-free in ours" >>$LPARKIT_CONSOLE
yes "[    2.000000] more of it" | head -n 20 >>$LPARKIT_CONSOLE
report 4fc44382 >>$LPARKIT_CONSOLE
check "right" true'
fake hung/test_a 'timeout=2' <<<'check "right" true'
fake hung/test_b 'timeout=2' <<<'[ $time -gt 1 ] || kill -STOP $(ps -o sid= -p $$) $(pgrep -s $(ps -o sid= -p $$) timeout); check "once hung" true'
fake hung/test_c 'timeout=2' <<<'check "right" true'
fake wait/test_long '' <<<'echo $$ >>'"$scratch/process"'; exec sleep 600'
fake lint/test_style 'none' <<<'check "once wrong" test $time -gt 1'

plan 49
diag "by chance"
check "tests that fail once: success" runs --kernel 6.1 --test 'chance/*'
check "all have passed" ends_with 7 0
check "who failed is named" same "$(unsteady)" "6.1 chance/test_b 6.1 chance/test_c 6.1 chance/test_d 6.1 chance/test_f"
check "none is named as failed" same "$(failed)" ""
check "who passed ran once, whatever became of the VM" same \
	"$(ran chance/test_a) $(ran chance/test_e) $(ran chance/test_g)" "1 1 1"
check "who failed ran twice" same \
	"$(ran chance/test_b) $(ran chance/test_c) $(ran chance/test_d) $(ran chance/test_f)" "2 2 2 2"
check "the triple fault is named" grep -q "^      hostvm: the VM died.*a triple fault" "$scratch/said"
check "the time-out blames its test" grep -q "^    time-out" <(grep -A2 "^  6.1 chance/test_d, logs" "$scratch/said")
logs=$tree/build/logs/6.1/chance
check "the first log is there" grep -rq "not ok 1 - once wrong, on" "$logs/test_f/stdout"
check "and the second" grep -q "^ok 1 - once wrong, on" "$logs/test_f.again/stdout"
check "where the time went" grep -q "^  6.1 .*[0-9]" <(sed -n '/^where the time/,$p' "$scratch/said")

check_fails "--once: a failure" runs --once --kernel 6.1 --test chance/test_b --test chance/test_a
check "is one" ends_with 1 1
check "after one run" same "$(ran chance/test_b)" 1
check "an old second log is gone" test ! -e "$logs/test_b.again"

diag "no chance"
check_fails "faults: a failure" runs --kernel 6.1 --test 'fault/*'
check "each is counted" ends_with 4 5
check "each is named" same "$(failed)" \
	"6.1 fault/test_always 6.1 fault/test_before 6.1 fault/test_complaint 6.1 fault/test_data 6.1 fault/test_flags"
check "none is unsteady" same "$(unsteady)" ""
check "a complaint of the kernel is not forgiven" same "$(ran fault/test_complaint)" 1
check "nor are wrong data" same "$(ran fault/test_data)" 1
check "what it failed for is told" grep -q "no second run: wrong data" "$scratch/said"
check "others in its VM are not to blame" same "$(ran fault/test_right)" 1

diag "flags that no processor has"
check "in a complaint: it is the emulator's" runs --kernel 6.1 --test 'stumble/*'
check "all have passed" ends_with 3 0
check "the test is named" same "$(unsteady)" "6.1 stumble/test_b"
check "and why" grep -q "^    the emulator stumbled" "$scratch/said"
check "others ran once" same "$(ran stumble/test_a) $(ran stumble/test_c)" "1 1"

check "what leaves something behind" runs --kernel 6.1,7.2 --test 'left/*'
check "has no test fail" ends_with 4 0
check "a module is named" grep -qx "  7.2 left/test_module: module printk" "$scratch/said"
check "a process is named" grep -qx "  6.1 left/test_process: process sleep 600 " "$scratch/said"
check "who followed ran once, on each kernel" same "$(ran left/test_right)" 2
rm -f "$tree"/build/modules/7.2/ko/*

diag "an emulator that hangs"
sed -i 's/^BOOT_TIME_STOCK = .*/BOOT_TIME_STOCK = 1/; s/^TIMEOUT_GRACE = .*/TIMEOUT_GRACE = 2/' "$tree/selftests/vm/run-tests"
check "in a test: only the VM's share of time is lost" runs --kernel 6.1 --test 'hung/*'
check "all have passed" ends_with 3 0
check "the test is named" same "$(unsteady)" "6.1 hung/test_b"
check "others ran once" same "$(ran hung/test_a) $(ran hung/test_c)" "1 1"
touch "$scratch/bin/hang"
check "at boot" runs --kernel 6.1 --test hung/test_a --test hung/test_c
check "that is no failure of many tests: each ran" ends_with 2 0
touch "$scratch/bin/die"
check "a VM that dies at boot is booted again" runs --kernel 6.1 --test hung/test_a --test hung/test_c
check "and named" grep -q "^  6.1 hung/test_a: hostvm: the VM died at boot" "$scratch/said"

check_fails "many failures: no second run" runs --kernel 6.1 --test 'many/*'
check "all count" ends_with 0 6
check_fails "lint" runs --kernel host --test 'lint/*'
check "is run once" same "$(ran lint/test_style)" 1
echo 1 >"$tree/build_status"
check_fails "modules that do not build" runs --kernel 6.1,7.2 --test left/test_right
check "fail once" ends_with 1 1
echo 0 >"$tree/build_status"
check "killed by TERM: no hostvm is left" killed TERM
check "nor by KILL" killed KILL
