#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl execd with real guests: what it does when its caller falls silent or is gone, and
# what is as it was after that.
# vm: none timeout=180
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
# shellcheck source=selftests/ctl/execd.sh
. "$here/execd.sh"

plan 54
host_up h
describe h g
states=$scratch/states

# begin_save NAME
begin_save() {
	ask begin "\"name\": \"$1\", \"dir\": \"$states\", \"host\": \"h\", \"lpars\": []"
}

# stop_guests NAME: a save, as far as that
stop_guests() {
	begin_save "$1" && ask arm "$(soon 500)" && ask stop
}

# Signs of life, whatever the test does meanwhile
beats() {
	while echo >&9; do
		sleep 0.3
	done
}

status_is() {
	same "$(status h g)" "$1"
}

no_session() {
	! test -e "$scratch/h/root/run/lparkit/cluster.session"
}

gate_is_open() {
	same "$(cat "$scratch/h/kernel/g/gate")" 0
}

check "start" exits 0 on h start g
check "hello" hello h 6000000000
start beats
beater=$pid
check "begin, arm, stop" stop_guests one
check "the guest stands" status_is paused
check "nobody stops it meanwhile" says 1 "another lparctl" on h stop g
# Longer than it may say nothing
sleep 8
check "it stands while the caller is there" status_is paused
check "in a session" test -e "$scratch/h/root/run/lparkit/cluster.session"
kill "$beater"
check "its caller says nothing more: it goes on" wait_until 20 status_is running
check "no session is left" wait_until 20 no_session
check "the gate is open" gate_is_open
check "nothing is saved" same "$(find "$states" -type f)" ""
check "execd has ended" wait_until 20 test ! -e "/proc/$execd"
exec 8<&- 9>&-

# A caller that is gone, without a word or by a broken pipe
check "hello" hello h 60000000000
check "begin, arm, stop" stop_guests two
exec 9>&-
check "the input ends: it goes on" wait_until 20 status_is running
exec 8<&-

# Two guests, and one of them in the hands of another lparctl when a killed save is undone
describe h g2
check "another guest" exits 0 on h start g2
hello h 60000000000
check "begin, arm, stop" stop_guests three
kill -9 "$execd"
exec 8<&- 9>&-
exec 7<"$(run_of h g)/lock"
flock 7
check "recover while one is locked" says 1 "another lparctl" on h cluster recover
check "the other one goes on" same "$(status h g2)" running
exec 7<&-
check "recover again" exits 0 on h cluster recover
check "both go on" same "$(status h g) $(status h g2)" "running running"

# No room for one more thread, when they stand already
hello h 60000000000
check "begin, arm, stop" stop_guests four
touch "$scratch/h/kernel/no-thread"
check "a step that cannot be begun is refused" refused write "no thread for it"
check "who asks for it undoes" ask abort '"remove": ""'
check "both go on" same "$(status h g) $(status h g2)" "running running"
check "no session is left" no_session
rm "$scratch/h/kernel/no-thread"
exec 8<&- 9>&-
check "execd ends" wait_until 20 test ! -e "/proc/$execd"

# ran: those of the session that did
ran() {
	json "[g['name'] for g in j['guests'] if g['ran']]" <"$scratch/h/root/run/lparkit/cluster.session"
}

# What its user has done to a guest since begin is not taken for ours
hello h 60000000000
check "begin" begin_save six
qmp h g stop >/dev/null
on h freeze g2 >/dev/null
check "an LPAR that is frozen by now" refused arm "LPAR g2 is frozen" "$(soon 500)"
check "who asks for it undoes" ask abort '"remove": ""'
check "a guest that is paused by now stays so" same "$(status h g)" paused
check "it stays frozen" same "$(cat "$scratch/h/kernel/g2/gate")" 2
on h thaw g2 >/dev/null
qmp h g cont >/dev/null
check "begin" begin_save six
qmp h g stop >/dev/null
check "arm" ask arm "$(soon 500)"
check "stop" ask stop
check "only one was running" same "$(ran)" "['g2']"
check "who asks for it undoes" ask abort '"remove": ""'
check "and that one goes on" same "$(status h g) $(status h g2)" "paused running"
qmp h g cont >/dev/null
check "begin" begin_save six
check "arm" ask arm "$(soon 1000)"
on h freeze g2 >/dev/null
check "an LPAR that is frozen since it was armed" refused stop "LPAR g2 is frozen"
check "who asks for it undoes" ask abort '"remove": ""'
check "all runs, and nothing that was frozen goes on" \
	same "$(status h g) $(status h g2) $(cat "$scratch/h/kernel/g/gate" "$scratch/h/kernel/g2/gate" | xargs)" \
	"running running 0 2"
check "no session is left" no_session
on h thaw g2 >/dev/null
exec 8<&- 9>&-

# No memory for anything, when they stand
sed -i "s,kernel_preload.so,&:$build/selftests/ctl/memory_preload.so," "$scratch/via"
hello h 60000000000
check "begin, arm, stop" stop_guests seven
touch "$scratch/h/kernel/no-memory"
echo '{"op": "arm", "action": "open"}' >&9
check "execd ends" wait_until 20 test ! -e "/proc/$execd"
rm "$scratch/h/kernel/no-memory"
check "it says what is to be done" grep -q "in the middle of an operation: 'lparctl cluster recover' on this host" "$scratch/said"
check "that" exits 0 on h cluster recover
check "and both go on" same "$(status h g) $(status h g2)" "running running"
exec 8<&- 9>&-

# To a QEMU that stops just then: first a part, so that there is not room for all of the next
feed() {
	exec python3 - "$states/five/h/g.state" "$(run_of h g)/qemu.pid" "$scratch/fed" <<-'EOT'
		import array, fcntl, os, signal, sys, termios, time
		def drained(pipe):
		    left = array.array("i", [1])
		    while left[0]:
		        time.sleep(0.01)
		        fcntl.ioctl(pipe, termios.FIONREAD, left)
		with open(sys.argv[1], "wb", buffering=0) as pipe:
		    os.kill(int(open(sys.argv[2]).read()), signal.SIGSTOP)
		    for size in 3000, 65536:
		        pipe.write(bytes(size))
		        drained(pipe)
		    open(sys.argv[3], "w").close()
		    signal.pause()
	EOT
}

# A QEMU that hangs while it loads
check "save" exits 0 lparctl cluster save five --dir "$states" --via "$scratch/via" --hosts h --lpar g
rm "$states/five/h/g.state"
mkfifo "$states/five/h/g.state"
sum=$(sha256sum <"$states/five/h/description.json")
start feed
hello h 60000000000
echo "{\"op\": \"load\", \"name\": \"five\", \"dir\": \"$states\", \"host\": \"h\", \"sha256\": \"${sum%% *}\"}" >&9
check "QEMU reads no more" wait_until 60 test -e "$scratch/fed"
exec 9>&-
check "who gives up is heard" wait_until 60 no_session
check "and others are let in" exits 0 on h cluster recover
check "nothing of it is left" only_log h g
exec 8<&-
