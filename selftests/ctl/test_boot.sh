#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl boot: after the crash of a host the LPARs that ran run again, in order, and no others;
# before it goes down they end in the reverse one. Their guests are fake ones.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 68
host_up h
root=$scratch/h/root
fake=$here/fake-qemu
log=$scratch/log

mode=no
# lpar NAME LINE...: its description; its QEMU is as $mode says
lpar() {
	describe h "$1" "binary=$fake" "args=-fake $mode" "${@:2}"
}

# Those that run, in the order of their names
running() {
	local file

	for file in "$root"/run/lparkit/*/qemu.pid; do
		[ ! -e "$file" ] || basename "$(dirname "$file")"
	done | xargs
}

only_e() {
	[ "$(running)" = e ]
}

# In the order in which they were started
started() {
	# shellcheck disable=SC2012 # names of LPARs
	ls -tr "$root"/run/lparkit/*/qemu.pid 2>/dev/null |
		sed 's|/qemu.pid$||; s|.*/||' | xargs
}

# What a crash of the host leaves: no process, nothing of /run, no LPAR.
crash() {
	local one

	for one in $(pgrep -f -- "${root}[/ ]"); do
		kill -9 "$one"
	done
	wait_until 60 eval "! pgrep -f -- '${root}[/ ]' >/dev/null"
	rm -rf "$root/run" "$scratch/h/kernel"
	mkdir "$root/run" "$scratch/h/kernel"
}

# results VERB...: of those that are not left alone
results() {
	on h boot "$@" -j 2>/dev/null |
		json "' '.join(r['name'] + ':' + r['result'] for r in j if r['result'] != 'left')"
}

# plan_of NAME
plan_of() {
	on h boot show -j 2>/dev/null | json "[r['plan'] for r in j if r['name'] == '$1'][0]"
}

check "no LPAR" same "$(on h boot show -j)" "[]"
check "nothing to be restored" exits 0 on h boot restore
mv "$root/etc/lparkit" "$scratch/away"
ln -s lparkit "$root/etc/lparkit"
check "descriptions that cannot be looked at" says 1 "Too many levels of symbolic links" on h boot restore
rm "$root/etc/lparkit"
mv "$scratch/away" "$root/etc/lparkit"

# A crash
for name in a b c d e; do
	lpar $name
done
lpar b after=d
lpar c activation=never
lpar d after=e
lpar e activation=always
for name in a b c d; do
	on h start $name >/dev/null || bail "no guest"
done
on h stop a >/dev/null
check "some run" same "$(running)" "b c d"
check "they would run on" same "$(plan_of b)" runs
crash
check "none does after a crash" same "$(running)" ""
check "those to be started are told first, in order" same \
	"$(on h boot show -j | json "' '.join(r['name'] for r in j)")" "e d b a c"
check "one that did not run" same "$(plan_of a)" "did not run"
check "one that is never started" same "$(plan_of c)" "activation=never"
check "one that did run" same "$(plan_of b)" "to be started"
check "the same as a table" says 0 "^b *if-running *yes *d *- *to be started$" on h boot show
check "nothing was started by that" same "$(running)" ""
check "restored" same "$(results restore)" "b:done d:done e:done"
check "those that ran run, and those that are always to" same "$(running)" "b d e"
check "in their order" same "$(started)" "e d b"
check "once more" exits 0 on h boot restore
check "nobody is started twice" same "$(started)" "e d b"

# Crash after crash
crash
check "restored" exits 0 on h boot restore
check "they run once more" same "$(running)" "b d e"

# What is in the way
crash
mode="exit" lpar d after=e
check "one fails" same "$(results restore)" "b:failed d:failed e:done"
check "and keeps those that come after it" same "$(running)" e
check "its reason is told" says 1 "d: not started: LPAR d: QEMU ended at once" on h boot restore
check "so is theirs" says 1 "b: not started: after=d, which does not run" on h boot restore
check "they still ran" same "$(plan_of b)" "to be started"
lpar d after=e
check "when it is mended" exits 0 on h boot restore
check "they run" same "$(running)" "b d e"
crash
rm "$root/etc/lparkit/b.lpar"
check "a description that is gone" says 1 "b: not started: .*b.lpar: No such file" on h boot restore
check "keeps no others" same "$(running)" "d e"
check "nobody wants it any more" exits 0 on h boot forget b
check "then it is not missed" exits 0 on h boot restore
check "one that runs is not forgotten" says 1 "its guest runs" on h boot forget d
check "nor one that did not" says 1 "no record that it ran" on h boot forget a
lpar b after=d
lpar a after=b
lpar d after=a
on h start a >/dev/null
on h start b >/dev/null
crash
check "a circle" says 1 "goes round in a circle" on h boot restore
check "keeps no others" same "$(running)" e
lpar a
lpar d
echo "nonsense" >"$root/etc/lparkit/x.lpar"
check "a description that cannot be read" says 1 "x: not started: .*x.lpar:1: " on h boot restore
check "keeps no others" same "$(running)" "a b d e"
rm "$root/etc/lparkit/x.lpar"

# One that was on its way
on h stop a >/dev/null
on h start a --incoming >/dev/null
crash
check "who was on his way" says 1 "a: not started: it was on its way" on h boot restore
check "is not here" same "$(running)" "b d e"
on h boot forget a

# Another description
mv "$root/etc/lparkit/b.lpar" "$scratch/b.lpar"
on h stop b >/dev/null
on h start b --file "$scratch/b.lpar" >/dev/null
crash
check "one of another description" exits 0 on h boot restore
check "has it again" grep -q "$fake" "$(run_of h b)/lpar.conf"
on h stop b >/dev/null
mv "$scratch/b.lpar" "$root/etc/lparkit"
on h start b >/dev/null

# Later
on h stop b >/dev/null
on h stop d >/dev/null
lpar b
lpar d after=e delay=2s
on h start b >/dev/null
on h start d >/dev/null
crash
on h boot restore >/dev/null
# apart NAME OTHER SECONDS: so much later it was started
apart() {
	[ $(($(stat -c %Y "$(run_of h "$1")/qemu.pid") - $(stat -c %Y "$(run_of h "$2")/qemu.pid"))) -ge "$3" ]
}
check "one that is to be late is" apart d e 1
check "others do not wait for it" same "$(started)" "b e d"

# Meanwhile: w is slow to start, and all others wait for it
cat >"$scratch/slow" <<-END
	#!/bin/bash
	until [ -e "$scratch/go" ]; do sleep 0.1; done
	exec "$fake" "\$@"
END
chmod +x "$scratch/slow"
describe h w "binary=$scratch/slow" "args=-fake no"
for name in a b d f; do
	on h stop $name >/dev/null 2>&1
	lpar $name after=w
	on h start $name >/dev/null || bail "no guest"
done
touch "$scratch/go"
on h start w >/dev/null || bail "no guest"
on h stop a >/dev/null
lpar a after=w activation=always
crash
rm "$scratch/go"
start on h boot restore -j >"$scratch/said" 2>&1
restore=$pid
wait_until 100 test -e "$(run_of h w)/qemu.pid"
check "one is started, and" exits 0 on h start b
check "stopped again, as others are restored" exits 0 on h stop b
check "one is forgotten" exits 0 on h boot forget d
check "one that is always to run, too" exits 0 on h boot forget a
check "one is started" exits 0 on h start f
touch "$scratch/go"
wait $restore
check "nothing is wrong with that" same $? 0
check "those that nobody wants any more stay down, on this host" same "$(running)" "e f w"
check "which is no failure" same \
	"$(json "' '.join(r['name'] + ':' + r['result'] for r in j)" <"$scratch/said")" \
	"a:left b:left c:left d:left e:done f:done w:done"
crash
rm "$scratch/go"
start "$scratch/via" h lparctl boot restore
wait_until 100 test -e "$(run_of h w)/qemu.pid"
kill "$pid"
check "a restore that is ended starts nothing more" \
	wait_until 40 eval "! pgrep -f -- '${root}[/ ].*lpar/w' >/dev/null"
# Its QEMU is gone before what tells of it is.
check "what it had begun is undone, and no other is started" \
	wait_until 40 only_e
check "but it is to run" same "$(plan_of w)" "to be started"
touch "$scratch/go"
cat >"$scratch/systemctl" <<-END
	#!/bin/bash
	unit=\${2#lparkit@}
	"$scratch/via" h lparctl boot forget "\${unit%.service}" >&2 || exit 1
	exec "$scratch/via" h lparctl start "\${unit%.service}" --wait
END
chmod +x "$scratch/systemctl"
crash
check "forgotten between systemd and its unit" same \
	"$(PATH=$scratch:$PATH results restore --units)" ""
check "none is started by that" same "$(running)" ""
rm "$scratch/systemctl"
on h boot restore >/dev/null
check "what is always to run is with the next one" same "$(running)" "a e"
for name in b d; do
	lpar $name
	on h start $name >/dev/null || bail "no guest"
done
on h stop a >/dev/null
lpar a
rm "$root"/etc/lparkit/[fw].lpar

# The host goes down
mode="deaf" lpar d after=e
on h stop d >/dev/null
on h start d >/dev/null
stops_in_order() {
	took_less 60 on h boot shutdown --timeout 2s >"$scratch/said" 2>&1
	same $? 1 || return 1
	sed 's/^/# /' "$scratch/said"
	same "$(sed -n 's/^lparctl: LPAR \(d\): QEMU was ended before .*/\1/p; s/^\(e\): stopped$/\1/p' \
		"$scratch/said" | xargs)" "d e"
}
check "all end, in the reverse order; one that was no use to ask is told of" stops_in_order
check "one whose turn was late had time, too" same "$(tail -1 "$(run_of h e)/qemu.log")" "powered down"
check "none runs" same "$(running)" ""
check "all of it is given back" same "$(cat "$scratch"/h/kernel/[bde]/state | xargs)" "0 0 0"
crash
check "and they run with the next boot" same "$(results restore)" "b:done d:done e:done"
on h stop b >/dev/null
on h boot shutdown --timeout 1s >/dev/null
crash
check "but not one that somebody has stopped" same "$(results restore)" "d:done e:done"
check "none has time: it is told of each" same "$(results shutdown --timeout 0)" "d:ended e:ended"
on h boot restore >/dev/null

on h stop d --timeout 0 >/dev/null
lpar b after=d
mode="no" lpar d after=b
on h start b >/dev/null
on h start d >/dev/null
check "a circle" exits 0 on h boot shutdown --timeout 1s
check "is no reason for them to stay" same "$(running)" ""
mode="deaf" lpar d after=e
lpar b
on h boot forget b
on h start d >/dev/null
on h start e >/dev/null

# With systemd, which is played
on h boot shutdown --timeout 1s >/dev/null
cat >"$scratch/systemctl" <<-END
	#!/bin/bash
	echo "\$*" >>"$log"
	[[ \$2 == lparkit@e.service ]] && exec "$scratch/via" h lparctl start e
	echo "Job for \$2 failed." >&2
	exit 1
END
chmod +x "$scratch/systemctl"
: >"$log"
check "by their units" same "$(PATH=$scratch:$PATH results restore --units)" "d:failed e:done"
check "which were asked for in order" same "$(xargs -d '\n' printf '%s;' <"$log")" \
	"start lparkit@e.service;start lparkit@d.service;"
check "what systemd says is told" says 1 "d: not started: Job for lparkit@d.service failed" \
	env PATH="$scratch:$PATH" "$scratch/via" h lparctl boot restore --units
