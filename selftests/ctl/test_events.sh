#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl monitor --hooks, --journal: who gets events, where a kernel that is played has violations
# without end.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 24
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
	cat "$scratch/$1" 2>/dev/null | wc -l
}

check "an object" says 0 'lpar violation name="g" comm="a?b"' monitor --object lpar --count 1
check "one that nothing comes of" exits 4 monitor --object netbuf --count 1 --timeout 100ms
check "one that is none" exits 2 monitor --object moon

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

# A hook that hangs, and what it has started: others get their events, nobody waits for ever.
hook slow "sleep 1234 & sleep 1234"
rm "$scratch/env"
start "$scratch/via" h lparctl monitor --hooks --count 5 2>"$scratch/said"
check "others do not wait for one that hangs" wait_until 8 eval "[ \$(calls env) = 5 ]"
check_fails "which was not killed before" grep -q killed "$scratch/said"
check "it is, after its time" wait_until 30 grep -q "hooks.d/slow: killed after 10 s" "$scratch/said"
kill "$pid"
check "who is told to end does not wait for hooks" wait "$pid"
check_fails "nor leaves any, with all that they have started" pgrep -f "^sleep 1234"
rm "$hooks/slow"

# The journal
check "no journal" says 1 "journal/socket: no journal is there" monitor --journal --count 1
mkdir -p "$scratch/h/root/run/systemd/journal"
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
