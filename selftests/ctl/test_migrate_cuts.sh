#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whatever is killed, cut or refused while a guest moves: never two copies run, and in the end
# one does, where the source's record says, with nothing left; or an operator is told.
# test_migrate_killed.sh has what takes longer.
# vm: none timeout=900
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"

# An execd that nobody has said hello to has no say in the session of another.
aborts_another() {
	script abort "ls $(session_of a) $(session_of b) >$scratch/before" \
		"for host in a b; do echo '{\"op\":\"abort\",\"remove\":\"\"}' | $scratch/via \$host lparctl execd; done >/dev/null" \
		"ls $(session_of a) $(session_of b) >$scratch/after"
	moves_with prepare run "$scratch/abort" && same $code 0 &&
		same "$(cat "$scratch/after")" "$(cat "$scratch/before")" &&
		same "$(wc -l <"$scratch/after")" 2
}

# Both ends of the source's channel are killed, and what undoes is gone.
without_session() {
	moves_with "$1" kill-both
	rm -f "$(session_of $home)"
	recovers || tell_move "$1"
}

# A copy that nobody has decided on goes nowhere else.
moves_on() {
	local before

	moves_with prepare kill-both
	before=$(cat "$(record_of $away)")
	says 5 "is not over" migrate $away g --to $home --from $away --address "${address[$home]}" &&
		same "$(cat "$(record_of $away)")" "$before" && recovers && return
	tell_move moves_on
}

# The link is down for longer than the connection.
run_is_tried_again() {
	local expected=$away

	script off "touch $scratch/cut.off" "kill -9 \$PPID"
	moves_with run run "$scratch/off"
	same $code 0 && lives_on $expected || tell_move run_is_tried_again || return 1
	find_home
}

# Two at once take the hosts in the same order.
recover_at_both() {
	local codes

	moves_with run kill-before
	migrate a recover g >"$scratch/recovered" 2>&1 &
	migrate b recover g >"$scratch/recovered.b" 2>&1
	codes=$?
	wait $! && [ $codes = 0 ] && lives_on $away && find_home && return
	cat "$scratch"/recovered*
	return 1
}

# Whoever is asked by mistake knows of nothing, and that says nothing.
ask_another() {
	moves_with run kill-before
	says 1 "is not the one" migrate $away recover g --to c --abandon &&
		same "$(statuses a b | grep -c none)" 0 && recovers && same $home "$1" && return
	tell_move ask_another
}

# The same from the source, whether it is decided or not: nothing of it is given up there.
asks_another_from_source() {
	moves_with "$1" "${@:3}"
	migrate $home recover g --to c >"$scratch/recovered" 2>&1 && cat "$scratch/recovered"
	grep -q "is not the one that it goes to, $away:" "$scratch/recovered" &&
		[ -e "$(record_of $home)" ] && exits 0 migrate $home recover g &&
		find_home && lives_on "$2" && return
	tell_move asks_another_from_source "$1"
}

# The source cannot give the word that its copy is waited for: it was installed anew, or is gone.
outlives_source() {
	local id=$scratch/$home/root/etc/machine-id

	moves_with prepare kill-both
	migrate $home recover g --to c >/dev/null 2>&1
	cp "$id" "$scratch/machine-id"
	printf '%032d\n' 7 >"$id"
	migrate $away recover g --abandon >"$scratch/recovered" 2>&1
	grep -q "abandon --source-gone' here" "$scratch/recovered" && [ -e "$(record_of $away)" ] &&
		says 2 "needs --abandon" migrate $away recover g --source-gone &&
		says 1 "is not the destination" on $home migrate recover g --abandon --source-gone &&
		exits 0 on $away migrate recover g --abandon --source-gone &&
		same "$(left)" "" && lives_on "$home"
	local ret=$?
	cp "$scratch/machine-id" "$id"
	[ $ret = 0 ] || tell_move outlives_source
}

# The host that it was on its way to is to start it with no boot.
crashes_there() {
	local there=$scratch/$away record=$scratch/$away/root/var/lib/lparkit/running/g.json

	moves_with prepare kill-both
	[ -e "$record" ] || return 1
	kill -9 "$(guest_pid "$away" g)"
	rm -rf "$there"/root/run "$there"/kernel
	mkdir "$there"/root/run "$there"/kernel
	recovers && [ ! -e "$record" ]
}

# It is decided that it runs there, whether or not that can be on record.
runs_unrecorded() {
	local there=$away
	local new=$scratch/$there/root/var/lib/lparkit/running/g.json.new

	script full "mkdir -p '$new/in-the-way'"
	moves_with decide run "$scratch/full"
	rm -r "$new"
	same "$(statuses $home "$there" | grep -o "[a-z]*$")" running && recovers && same $home "$there"
}

# There is room for the name of its description, and for nothing in it.
keeps_no_half() {
	local there=$away
	local etc=$scratch/$away/root/etc/lparkit
	local brought=$scratch/$away/root/var/lib/lparkit/migrate/g.lpar

	script full "mount -t tmpfs -o size=4k none $etc && echo x >$etc/filler"
	moves_with decide run "$scratch/full"
	same "$code" 1 && cp "$brought" "$scratch/brought" && mount -o remount,size=1M "$etc" &&
		recovers && same $home "$there" && same "$(cat "$etc/g.lpar")" "$(cat "$scratch/brought")"
	local ret=$?
	umount "$etc" && cp "$scratch/brought" "$etc/g.lpar"
	[ $ret = 0 ] || tell_move keeps_no_half
}

# What runs is no copy that waits.
runs_already() {
	moves_with prepare kill-both
	migrate $home recover g --to c >/dev/null 2>&1
	qmp $home g stop >/dev/null
	qmp $away g cont >/dev/null
	says 1 "runs here" on $away migrate recover g --abandon --source-gone &&
		same "$(statuses $home $away)" "paused running" || tell_move runs_already || return 1
	qmp $away g stop >/dev/null
	qmp $home g cont >/dev/null
	recovers
}

# After "run" the destination has no record, and the source has.
recover_there() {
	local from=$home

	moves_with run kill-after
	migrate $away recover g --to "$from" >"$scratch/recovered" 2>&1
	lives_on $away && find_home && return
	sed 's/^/# /' "$scratch/recovered"
	return 1
}

# Decided, and its QEMU is dead before it has run: what describes it is there.
dies_before_run() {
	local there=$away

	end_qemu $away
	moves_with run run "$scratch/end-qemu"
	same "$code $(statuses a b)" "1 none none" && same "$(left)" "" &&
		exits 0 on "$there" start g && find_home && lives_on "$there" && return
	tell_move dies_before_run
}

# It is dead at the source, and not whole at the destination: nothing stays closed or held.
dies_while_sent() {
	local there=$home

	end_qemu $home
	moves_with "$1" run "$scratch/end-qemu"
	same "$code $(statuses a b)" "1 none none" && same "$(left)" "" &&
		exits 0 on "$there" stop g --timeout 0s && exits 0 on "$there" start g &&
		find_home && lives_on "$there" && return
	tell_move dies_while_sent
}

hosts_up

for how in refuse:5 interrupt:5 interrupt-after:5; do
	for op in copy prepare; do
		check "at $op: ${how%:*}, and lparctl sees to all" ends_well $op ${how%:*} ${how#*:}
	done
done
for op in decide run release; do
	check "at $op: who interrupts is not heard" ends_well $op interrupt 0
done
check "not decided: the disk is full" ends_well decide refuse 5
for cut in leave:kill-after copy:killed halt:kill-after halt:killed finish:lost-after held:kill-before \
	decide:kill-before decide:lost-before decide:kill-after decide:killed release:kill-before release:killed \
	enter:lost-after enter:killed take:kill-after prepare:lost-after prepare:killed prepare:kill-after \
	run:lost-after run:killed run:kill-before; do
	check "at ${cut%:*}: ${cut#*:}" cut_at "${cut%:*}" "${cut#*:}"
done
check "a session is not another's to end" aborts_another
find_home
for op in copy finish decide; do
	check "at $op: all are killed, and there is no session" without_session $op
done
check "a copy that is not decided on goes nowhere" moves_on
check "the destination is not reached for a while" run_is_tried_again
check "recover at both ends at once" recover_at_both
check "recover asks a host that knows nothing" ask_another $away
check "the same at the source, decided" asks_another_from_source run $away kill-before
end_qemu $home
echo "echo decide kill-before >$scratch/cut" >>"$scratch/end-qemu"
check "not decided, and its QEMU is gone" asks_another_from_source prepare $away run "$scratch/end-qemu"
check "the source was installed anew, or is gone" outlives_source
check "but here it runs" runs_already
find_home
check "the host that it is on its way to crashes" crashes_there
check "what runs there cannot be on record" runs_unrecorded
find_home
check "nor described" keeps_no_half
find_home
check "recover at the destination, which has no record" recover_there
check "its QEMU dies before it runs there" dies_before_run
for op in copy finish; do
	check "its QEMU dies at the source, at $op" dies_while_sent $op
done
end_qemu $home
check "it dies there when all is sent" cut_at decide run "$scratch/end-qemu"
