#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc swap: the whole move of an identity, and what becomes of it when a host, a command
# or the caller fails at each of its steps; on hosts that are played.
# vm: none timeout=900
# shellcheck source=selftests/ctl/swap.sh
. "$(dirname "$0")/swap.sh"

hosts_up
plan 168

log() {
	same "$(xargs <"$scratch/$1/kernel/log")" "$2"
}

check "without a name" exits 2 on a fc swap
check "without a host" says 2 "either --to HOST or --switch" on a fc swap web
check "--via is for whoever comes later" says 2 "absolute path" on a fc swap web --to b --via ./via
check "with both" exits 2 swap --switch
check "a bad host" says 2 "needs a host" on a fc swap web --to -oProxyCommand=x

# The whole of it
as_it_was
check "it moves" says 0 "^web: lives at b" swap
check "and is there" moved
check "in this order here" log a "source web io web switched web"
check "and there" log b "destination web switched web"
check "at the adapter that is there" grep -qx 21000024ff000002 "$kernel_b/names"
as_it_was
check "JSON" same "$(on a -j fc swap web --to b --via "$scratch/between" |
	json "j['outcome'], [s['number'] for s in j['stages']]")" "moved [3, 4, 5, 11, 12]"
as_it_was
has_been_there
check "where it has been before" exits 0 swap
check "it is" moved

# It lives there, also when this host has forgotten that
rm -r "$kernel_a"
identity "$kernel_a"
check "a reboot later it is not logged in here" says 1 "it has moved to b" on a fc login web
describe a web fc-parent=any
check "nor does its guest start here" says 1 "it has moved to b" on a start web
rm "$scratch"/a/root/{etc/lparkit/web.lpar,dev/lpar/web}
printf '%s\n' "2 3 1" "$luns" >"$kernel_b/original"
sed -i s/21000024ff000001/21000024ff000002/ "$kernel_b/names"
check "it comes back" says 0 "^web: lives at a" on b fc swap web --to a --via "$scratch/between"
rm -f "$scratch"/b/root/var/lib/lparkit/fc/web.away
check "and may be logged in" exits 0 on a fc login web
as_it_was
swap >/dev/null
check "with force" exits 0 on a fc login web --force
on a fc logout web
check "it is here from then on" exits 0 on a fc login web

# In two parts
as_it_was
check "prepared" says 0 "ready at b" swap --prepare
check "here it is on the maintenance port" same "$(cat "$kernel_a/step")" 6
check "there it is armed" same "$(cat "$kernel_b/step")" 11
check "no second one begins" says 1 "another swap of it is not over" swap
check "which changes nothing" same "$(cat "$kernel_b/step")" 11
check "switched over" says 0 "^web: lives at b" on a fc swap web --switch
check "it is there" moved
check "only once" says 1 "no swap of it is prepared" on a fc swap web --switch
as_it_was
swap --prepare >/dev/null
check "or it stays after all" says 0 "everything is as it was" recover
check "and is as before" stays
check "there nothing of it is left" test ! -e "$kernel_b"
check "recover is of no use then" says 0 "nothing is under way" recover
as_it_was
swap --prepare >/dev/null
rm -r "$kernel_a"
identity "$kernel_a"
check "the source has rebooted" says 1 "not prepared any more" on a fc swap web --switch

# Meanwhile the original is there, and nothing here may log it in
names=(--wwnn 2000000000000001 --wwpn 2001000000000001 --wwpn-maintenance 2001000000000002)
over="swap of it is not over"
check "it is not logged in here" says 1 "$over" on a fc login web
check "nor moved" says 1 "$over" on a fc start web source
check "nor defined" says 1 "$over" on a fc define web "${names[@]}" --parent host2
check "nor comes back by another move" says 1 "$over" on a fc start web destination --token 00
check "it is logged in nowhere here" same "$(head -c 1 "$kernel_a/original")" 0
describe a web fc-parent=any
check "nor does a guest start" says 1 "$over" on a start web
check "whose port stays away" same "$(head -c 1 "$kernel_a/original")" 0
rm "$scratch"/a/root/{etc/lparkit/web.lpar,dev/lpar/web}
check "with force it is" exits 0 on a fc login web --force
rm -r "$kernel_a"
identity "$kernel_a"
check "recover ends it there" says 0 "everything is as it was" recover
check "where nothing of it is left" test ! -e "$kernel_b" -a ! -e "$journal"
check "then it may be logged in" exits 0 on a fc login web

# Another host does not know what became of it
as_it_was
host_up e
adapter e host1 21000024ff000003
swap --prepare >/dev/null
check "another host is not asked" says 1 "was moving to b" recover --peer e
check "nor the same one in another way" says 1 "was moving to b" recover --peer b --via false
check "nothing has happened" same "$(cat "$kernel_a/step"),$(cat "$kernel_b/step")" 6,11
check "the same one may be said" says 0 "everything is as it was" recover --peer b
check "and is as before" stays

# What is in its way
as_it_was
echo 1 >"$kernel_a/away"
check "what check finds" says 3 "lives on another host" swap
check "and nothing is touched" test ! -e "$journal" -a ! -e "$kernel_b"
as_it_was
mkdir -p "${journal%/*}"
echo damaged >"$journal"
check "a journal that cannot be read" says 1 "damaged" swap
check "is no reason to begin anew" test ! -e "$kernel_b"
as_it_was
on a create web memory 2M >/dev/null 2>&1
: >"$scratch/a/kernel/claims"
exec 9<"$(run_of a web)/lock"
flock 9
check "one that somebody else is at" says 1 "another lparctl" swap
flock -u 9
exec 9<&-

# A command there is refused, and is undone
for at in "list 1" "show 1"; do
	cut_at "$at" refuse
	check "$at is refused" exits 1 swap
	check "before it has begun" stays
done
for at in "show 2" "list 2" "define 1" "show 3" "start 1" "confirm 1"; do
	cut_at "$at" refuse
	check "$at is refused: it goes back" says 5 "everything is as it was" swap
	check "and is as before" stays
done
as_it_was
has_been_there
echo "set 1 refuse" >"$scratch/at"
check "set is refused" exits 5 swap
check "and it is as before" stays
as_it_was
has_been_there
echo "start 1 refuse" >"$scratch/at"
check "start where it has been" exits 5 swap
check "cannot come later, as its token is worth nothing there" cmp "$kernel_b/used" "$kernel_a/token"
check "where it is still known to be away" same "$(cat "$kernel_b/away")" 1
check "and it is as before" stays

# The answer is lost, but not what was asked
for at in "define 1" "start 1"; do
	cut_at "$at" lost
	check "$at is not answered: it goes back" says 5 "everything is as it was" swap
	check "and is as before" stays
done
cut_at confirm 1 lost
check "the decision is not answered, but was taken" says 0 "^web: lives at b" swap
check "it is there" moved

# The host is gone
for at in "define 1" "show 2"; do
	cut_at "$at" gone
	check "it is gone at $at: it goes back" exits 5 swap
	check "and is as before" stays
done
for at in "start 1 gone" "start 1 gone-after" "show 4 gone-interrupt"; do
	cut_at "$at"
	check "it is gone at $at" says 1 "nobody but b knows" swap
	check "never both" not_both
	check "the guest goes on here" same "$(head -c 1 "$kernel_a/maintenance")" 2
	check "as long as it is gone" says 1 "nobody but b knows" recover
	rm "$scratch/gone"
	check "then it goes back" says 0 "everything is as it was" recover
	check "and is as before" stays
done
cut_at start 1 gone-after
swap >/dev/null 2>&1
check "a host that is fenced is not asked" says 0 "everything is as it was here" recover --force
check "which is said, and what is to be done there" grep -q "b was not asked.* 'lparctl fc abort web' there" "$scratch/err"
check "the original is back" same "$(head -c 1 "$kernel_a/original")" 2

# Somebody interrupts
for at in "define 1" "show 3" "start 1" "show 4"; do
	cut_at "$at" interrupt
	check "interrupted at $at: it goes back" says 5 "everything is as it was" swap
	check "and is as before" stays
done
cut_at confirm 1 interrupt
check "interrupted at the decision: it is not heard" exits 0 swap
check "it is there" moved
# told_and HOST-COMMAND: b was told of the switch-over, and a not; then something was done at b
told_and() {
	cut_at confirm 1 killed-after
	swap >/dev/null 2>&1
	"$@"
}

# What has come by the token lives there, whatever was done there since
told_and on b fc logout web
check "it was stopped there" says 0 "^web: lives at b" recover
check "here it is away" same "$(cat "$kernel_a/step"),$(cat "$kernel_a/away")" 0,1
port_deleted() {
	echo "0 0 0" >"$kernel_b/original"
}
told_and port_deleted
check "its port was deleted there" says 0 "^web: lives at b" recover
restarted() {
	on b fc logout web
	on b fc login web
}
told_and restarted
check "it was stopped and started there" says 0 "^web: lives at b" recover
told_and restarted
rm -r "$kernel_a"
check "and the source has rebooted" says 0 "^web: lives at b" recover
check "it keeps its identity there" same "$(head -c 1 "$kernel_b/original")" 2

# Or was seen to live there, which is on disk
told_and :
python3 -c "import json, sys; j = json.load(open(sys.argv[1])); j['lives'] = True; json.dump(j, open(sys.argv[1], 'w'))" \
	"$journal"
rm -r "$kernel_b"
check "what was seen once is not forgotten" says 0 "^web: lives at b" recover

# A host that has forgotten is not taken for one that never had it
forgot() {
	rm -r "$kernel_b"
	identity "$kernel_b"
}
told_and forgot
check "the destination has rebooted" says 1 "b does not know what became" recover
check "nothing was done" same "$(cat "$kernel_a/step")" 6
check "an operator who has looked goes back" says 0 "everything is as it was" recover --force
told_and rm -r "$kernel_b"
check "nor is one without the identity" says 1 "b does not know what became" recover
told_and forgot
rm -r "$kernel_a"
check "both have rebooted" says 1 "b does not know what became" recover
adapter b host7 2001000000000001
check "one that has its name logged in has it" says 0 "^web: lives at b" recover
rm -r "$scratch"/b/root/sys/{class/fc_host/host7,devices/pci0000:00/host7}
another_token() {
	printf "another's token." >"$kernel_b/used"
	echo 0 >"$kernel_b/has_come"
	port_deleted
}
told_and another_token
check "nor one that had another token since" says 1 "b does not know what became" recover
cut_at start 1 killed
swap >/dev/null 2>&1
check "one that knows that it was never asked is believed" says 0 "everything is as it was" recover
check "and is as before" stays

# What it had before is put back
as_it_was
has_been_there
echo 7000 >"$kernel_b/logout_ms"
swap --prepare >/dev/null
check "it has the deadlines of the source" same "$(cat "$kernel_b/logout_ms")" 1000
check "it goes back" exits 0 recover
check "and its own again" same "$(cat "$kernel_b/logout_ms"),$(cat "$kernel_b/away")" 7000,1

# A destination that stands still keeps nobody waiting for ever
cut_at start 1 lost
has_been_there
echo 1 >"$kernel_b/hangs"
check "a logout there that hangs" says 4 "b: o-logout" timeout 60 "$scratch/via" a lparctl fc swap web --to b \
	--via "$scratch/between"
rm "$kernel_b/hangs"
as_it_was
has_been_there
echo 1 >"$kernel_b/hangs"
check "disks there that are not let go" exits 4 timeout 60 "$scratch/via" a lparctl fc swap web --to b \
	--via "$scratch/between"
check "it lives there all the same" same "$(cat "$kernel_a/away")" 1
cat >"$scratch/forgets" <<-EOT
	#!/bin/bash
	"$scratch/via" "\$@" || exit
	[ "\$4" != "\$(cat "$scratch/forgets-after")" ] || rm -r "$kernel_b"
EOT
chmod +x "$scratch/forgets"
for at in start confirm; do
	as_it_was
	echo $at >"$scratch/forgets-after"
	check "it reboots after $at" says 1 "b does not know" timeout 60 "$scratch/via" a lparctl fc swap web --to b \
		--via "$scratch/forgets"
	check "the source waits for an operator" same "$(cat "$kernel_a/step")" 6
done
as_it_was
cat >"$scratch/hiccups" <<-EOT
	#!/bin/bash
	[ "\$4" != start ] || touch "$scratch/hiccup.now"
	[ "\$5" != show ] || ! rm "$scratch/hiccup.now" 2>/dev/null || exit 255
	exec "$scratch/via" "\$@"
EOT
chmod +x "$scratch/hiccups"
check "one answer that is lost is none too many" exits 0 on a fc swap web --to b --via "$scratch/hiccups"

# Before the I/O is held the destination is armed
as_it_was
swap --prepare >/dev/null
echo 10 >"$kernel_b/step"
check "a destination that is not armed" says 1 "not armed there: o-hold" on a fc swap web --switch
check "is not switched over to" same "$(cat "$kernel_a/step"),$(cat "$kernel_b/step")" 6,10
check "and nothing is held" same "$(json "'maps' in j" <"$journal")" False
echo 11 >"$kernel_b/step"
cp "$kernel_a/maintenance" "$scratch/maintenance"
sed -i '1s/1$/0/' "$kernel_a/maintenance"
check "a maintenance port without its disks" says 1 "maintenance port" on a fc swap web --switch
check "has no I/O held, which would fail" same "$(json "'maps' in j" <"$journal")" False
cp "$scratch/maintenance" "$kernel_a/maintenance"
check "when both are, it is" says 0 "^web: lives at b" on a fc swap web --switch

as_it_was
echo 1 >"$kernel_a/slow"
# In the foreground: else it interrupts twice, itself and as a group.
check "interrupted while it logs in" says 5 "everything is as it was" \
	timeout --foreground --preserve-status -s INT 2 "$scratch/via" a lparctl fc swap web --to b --via "$scratch/between"
check "and is as before" stays

# An answer that is lost while the guest's I/O waits
as_it_was
cat >"$scratch/mutters" <<-EOT
	#!/bin/bash
	[ "\$4" != confirm ] || { touch "$scratch/mutter.now"; exit 1; }
	[ "\$5" != list ] || ! rm "$scratch/mutter.now" 2>/dev/null || exit 255
	exec "$scratch/via" "\$@"
EOT
chmod +x "$scratch/mutters"
check "no answer once after a refusal: it goes back" says 5 "everything is as it was" \
	on a fc swap web --to b --via "$scratch/mutters"
check "and is as before" stays

# While the original is here, nobody logs it in there
cut_at start 1 killed
swap >/dev/null 2>&1
check "where it is to come" exits 1 on b fc login web
check "it is not logged in before" same "$(head -c 1 "$kernel_b/original")" 0
check "nor prevents that it goes back" says 0 "everything is as it was" recover
check "and is as before" stays

# A QEMU that lparctl has not started is a guest as well
as_it_was
mkdir -p "$scratch/a/kernel/web"
start sleep 900
echo "$pid" >"$scratch/a/kernel/web/members"
echo 0 | tee "$scratch/a/kernel/web/gate" >"$scratch/a/kernel/web/state"
check "whose guest runs it does not switch over" says 1 "its guest runs" swap
check "and nothing is touched" test ! -e "$journal" -a ! -e "$kernel_b"
check "it is prepared" says 0 "ready at b" swap --prepare
check "and does not switch over either" says 1 "its guest runs" on a fc swap web --switch
check "but is prepared still" same "$(cat "$kernel_a/step"),$(cat "$kernel_b/step")" 6,11
echo 2 >"$scratch/a/kernel/web/gate"
check "with a closed gate it does" says 0 "^web: lives at b" on a fc swap web --switch
rm -r "$scratch/a/kernel/web"

# A guest's port that was logged in by its start, and is moving
as_it_was
mkdir -p "$(run_of a web)"
touch "$(run_of a web)/fc"
swap --prepare >/dev/null
check "a stop leaves a move alone" says 0 "a move of it is not over" on a stop web
check "and remembers the port" test -e "$(run_of a web)/fc"
check "which is here again" says 0 "everything is as it was" recover
check "and logged out by the next one" says 0 "port is logged out" on a stop web
check "it is" same "$(head -c 1 "$kernel_a/original"),$(ls "$(run_of a web)")" 0,lock
