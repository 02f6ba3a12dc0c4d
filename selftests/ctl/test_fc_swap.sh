#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc swap: the whole move of an identity, and what becomes of it when a host, a command
# or the caller fails at each of its steps; on hosts that are played.
# vm: none timeout=900
# shellcheck source=selftests/ctl/swap.sh
. "$(dirname "$0")/swap.sh"

hosts_up
plan 91

log() {
	same "$(xargs <"$scratch/$1/kernel/log")" "$2"
}

check "without a name" exits 2 on a fc swap
check "without a host" says 2 "either --to HOST or --switch" on a fc swap web
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
check "recover ends it there" says 0 "everything is as it was" recover
check "where nothing of it is left" test ! -e "$kernel_b" -a ! -e "$journal"

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
for at in "show 2" "list 2" "define 1" "start 1" "confirm 1"; do
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
check "cannot come later, as nobody is there" test ! -e "$kernel_b"
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
for at in "start 1 gone" "start 1 gone-after" "show 3 gone-interrupt"; do
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
check "a host that is fenced is not asked" says 0 "everything is as it was" recover --force
check "the original is back" same "$(head -c 1 "$kernel_a/original")" 2

# Somebody interrupts
for at in "define 1" "start 1" "show 3"; do
	cut_at "$at" interrupt
	check "interrupted at $at: it goes back" says 5 "everything is as it was" swap
	check "and is as before" stays
done
cut_at confirm 1 interrupt
check "interrupted at the decision: it is not heard" exits 0 swap
check "it is there" moved
as_it_was
echo 1 >"$kernel_a/slow"
check "interrupted while it logs in" says 5 "everything is as it was" \
	timeout --preserve-status -s INT 2 "$scratch/via" a lparctl fc swap web --to b --via "$scratch/between"
check "and is as before" stays
