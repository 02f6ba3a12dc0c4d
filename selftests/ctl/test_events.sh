#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl monitor --hooks, --journal: who gets events, where a kernel that is played has violations
# without end.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 46
host_up h
top=$here/../..
hooks=$scratch/h/root/etc/lparkit/hooks.d
mkdir -p "$hooks"
printf 'a\nb' >"$scratch/h/kernel/intruder"

monitor() {
	timeout 60 "$scratch/via" h lparctl monitor "$@"
}

# hook NAME LINE...
hook() {
	printf '%s\n' "#!/bin/bash" "${@:2}" >"$hooks/$1"
	chmod 755 "$hooks/$1"
}

# The calls of a hook that writes a line for each
calls() {
	if [ -e "$scratch/$1" ]; then wc -l <"$scratch/$1"; else echo 0; fi
}

check "an object" says 0 'lpar violation name="g" comm="a?b"' monitor --object lpar --count 1
check "one that nothing comes of" exits 4 monitor --object netbuf --count 1 --timeout 100ms
check "one that is none" exits 2 monitor --object moon
check "an event that it does not have" says 2 "fc has no event attached" \
	monitor --event attached --object fc
check "what is no LPAR's name" says 2 "the name of an LPAR" monitor --lpar "A B"
check "a format for what is not printed" says 2 "no effect" monitor --hooks -j
printf 'x" state="ok' >"$scratch/h/kernel/intruder"
check "nobody's name looks like a value" says 0 "comm=\"x' state='ok\"" monitor --count 1
printf 'a\nb' >"$scratch/h/kernel/intruder"

# A module that comes, of which something was said before anybody could listen
echo told >"$scratch/h/kernel/comer"
check "one that is loaded later is heard" exits 0 monitor --count 1
check "what was lost of it is told" grep -q "2 events of lpar were lost" "$scratch/err"
echo lost >"$scratch/h/kernel/comer"
check "also if its coming was lost" exits 0 monitor --count 1 --timeout 20s
check "with what was lost, again" same \
	"$(grep -c "^lparctl: events were lost\|2 events of lpar were lost" "$scratch/err")" 2

# recv_one SOCKET: what comes first there
recv_one() {
	python3 - "$1" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		print(s.recv(100).decode())
	END
}
start recv_one "$scratch/notify" >"$scratch/ready"
wait_until 20 test -e "$scratch/notify"
NOTIFY_SOCKET=$scratch/notify check "systemd is told" exits 0 monitor --count 1
check "when all is heard" wait_until 20 test -s "$scratch/ready"
check "as it wants it" same "$(cat "$scratch/ready")" READY=1

# Hooks
check "no hook: nothing is printed" same "$(monitor --hooks --count 3 2>/dev/null)" ""
hook env "echo \"\$LPARKIT_OBJECT \$LPARKIT_EVENT \$LPARKIT_NAME \$LPARKIT_SEQ\" >>$scratch/env" \
	"echo \"\$LPARKIT_JSON\" >$scratch/json" "echo \"\$PWD\$(id -u)\" >$scratch/place"
check "a hook" exits 0 monitor --hooks --count 3
check "gets all events, in order" same "$(xargs <"$scratch/env")" \
	"lpar violation g 1 lpar violation g 2 lpar violation g 3"
check "and all that is known of them" same "$(json "repr(j['comm'])" <"$scratch/json")" "'a\\nb'"
check "in a directory that nobody removes" same "$(cat "$scratch/place")" /0
check "events that are not wanted" exits 4 monitor --hooks --count 1 --event stage --timeout 300ms
check "are not its, either" same "$(calls env)" 3
hook fails "exit 3"
check "one that fails is told of" says 0 "hooks.d/fails: exit status 3" monitor --hooks --count 1
rm "$hooks/fails"
hook open "echo >>$scratch/open"
chmod go+w "$hooks/open"
check "one that others may write is told of" says 0 "hooks.d/open: not called" monitor --hooks --count 2
check "once, and not called" same \
	"$(monitor --hooks --count 3 2>&1 | grep -c 'not called')$(calls open)" 10
rm "$hooks/open"
hook later "echo >>$scratch/later" "sleep 2"
start "$scratch/via" h lparctl monitor --hooks --count 3 2>"$scratch/said"
wait_until 20 test -s "$scratch/later"
chmod go+w "$hooks/later"
wait "$pid"
check "nor is one that others may write by now" same \
	"$(calls later)$(grep -c "hooks.d/later: not called" "$scratch/said")" 11
rm "$hooks/later" "$scratch/env"
chmod g+w "$hooks"
check "nor any, if others may put some there" says 0 "hooks.d: not called" monitor --hooks --count 2
check "which is true" same "$(calls env)" 0
chmod g-w "$hooks"
cp "$hooks/env" "$hooks/env~"
check "what an editor leaves is none" says 0 "hooks.d/env~: not called" monitor --hooks --count 2
check "and the other one is" same "$(calls env)" 2
rm "$hooks/env~"

# What the host, or whoever starts us, has in store
rm "$scratch/env"
touch "$scratch/h/kernel/no-fork"
start "$scratch/via" h lparctl monitor --hooks --count 3 2>"$scratch/said"
check "no room for a process is told" wait_until 20 grep -q "hooks.d/env: waits" "$scratch/said"
rm "$scratch/h/kernel/no-fork"
wait "$pid"
check "and no event is lost by that" same "$(calls env)" 3
rm "$scratch/env"
check "children that nobody cares for" exits 0 timeout 8 python3 -c \
	"import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])" \
	"$scratch/via" h lparctl monitor --hooks --count 3
check "are cared for" same "$(calls env)" 3

# A hook that hangs, and what it has started: others get their events, nobody waits for ever.
hook slow "sleep 1234 & sleep 1234"
rm "$scratch/env"
start "$scratch/via" h lparctl monitor --hooks --count 5 2>"$scratch/said"
check "others do not wait for one that hangs" wait_until 8 eval "[ \$(calls env) = 5 ]"
check "which was not killed before" lacks killed "$scratch/said"
check "it is, after its time" wait_until 30 grep -q "hooks.d/slow: killed after 10 s" "$scratch/said"
kill "$pid"
check "who is told to end does not wait for hooks" took_less 5 wait "$pid"
# Those that are killed may take a moment.
check "nor leaves any, with all that they have started" wait_until 5 eval '! pgrep -f "^sleep 1234"'
rm "$hooks/slow"

# The journal
check "no journal" says 1 "journal/socket: no journal is there" monitor --journal --count 1
mkdir -p "$scratch/h/root/run/systemd/journal"
start python3 -c "import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
time.sleep(1000)" "$scratch/h/root/run/systemd/journal/socket"
wait_until 20 test -e "$scratch/h/root/run/systemd/journal/socket"
check "one that does not read holds nobody up" exits 0 timeout 20 \
	"$scratch/via" h lparctl monitor --journal --count 5000
check "what it does not get is told" same \
	"$(grep -c "takes no more events\|[0-9] events were left out" "$scratch/err")" 2
rm "$scratch/h/root/run/systemd/journal/socket"
cat >"$scratch/journal.py" <<-'END'
	import socket, struct, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	data, fields = s.recv(65536), {}
	while data:
	    key, _, data = data.partition(b"\n")
	    n, = struct.unpack("<Q", data[:8])
	    assert data[8 + n:9 + n] == b"\n"
	    fields[key.decode()], data = data[8:8 + n].decode(), data[9 + n:]
	print(fields)
END
start python3 "$scratch/journal.py" "$scratch/h/root/run/systemd/journal/socket" >"$scratch/journal"
wait_until 20 test -e "$scratch/h/root/run/systemd/journal/socket"
check "an event for the journal" exits 0 monitor --journal --count 1
field() {
	python3 -c "print(repr(eval(open('$scratch/journal').read())['$1']))"
}
wait_until 20 test -s "$scratch/journal"
check "with its values, whatever is in them" same "$(field LPARKIT_COMM)" "'a\\nb'"
check "in a line" same "$(field MESSAGE)$(field PRIORITY)" \
	"'lpar violation name=\"g\" comm=\"a?b\"''4'"
mkdir -p "$scratch/c/usr/lib/systemd/catalog" "$scratch/c/var/lib/systemd/catalog"
cp "$top/ctl/lparkit.catalog" "$scratch/c/usr/lib/systemd/catalog"
journalctl --root "$scratch/c" --update-catalog
check "the catalog explains it" says 0 "A process of the host runs on a CPU of LPAR" \
	journalctl --root "$scratch/c" --dump-catalog "$(field MESSAGE_ID | tr -d "'")"
check "and all others" same \
	"$(sed -n 's/.*"\([0-9a-f]\{32\}\)" },/\1/p' "$top/ctl/event/journal.c" | sort)" \
	"$(sed -n 's/^-- //p' "$top/ctl/lparkit.catalog" | sort)"
