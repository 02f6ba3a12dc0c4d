#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl migrate between hosts that are played, with real QEMUs: it moves with all that it is,
# what is in the way is refused, and what was there before is there after it.
# vm: none timeout=900
# shellcheck disable=SC2119,SC2120 # options of a move are options
# shellcheck source=selftests/ctl/moved.sh
. "$(dirname "$0")/moved.sh"

# What may not be done to a guest that migrates
attempts=("a stop g --timeout 0s" "b stop g --timeout 0s" "a resume g" "b resume g" "b start g" "a pin g")

# meanwhile: a script that tries them, and tells what became of each
meanwhile() {
	local words lines=()

	for words in "${attempts[@]}"; do
		lines+=("$scratch/via ${words%% *} lparctl ${words#* } >/dev/null && echo '$words: done' || echo '$words: refused'")
	done
	script meanwhile "exec >$scratch/meanwhile.out 2>/dev/null" "${lines[@]}"
}

same_memory() {
	same "$(qmp $home g human-monitor-command "command-line=xp /16xb 0x$1")" "$2"
}

# A start that has read its description just before it goes with its guest
starts_too_late() {
	local file=$scratch/c/root/etc/lparkit/late.lpar

	describe c late
	mv "$file" "$scratch/late"
	mkfifo "$file"
	start on c start late >"$scratch/late.out" 2>&1
	exec 7>"$file"
	cat "$scratch/late" >&7
	rm "$file"
	exec 7>&-
	wait "$pid"
	same $? 5 && grep -q "cannot copy" "$scratch/late.out" && [ ! -e "$(run_of c late)/qemu.pid" ]
}

hosts_up
meanwhile
check "who starts it as it is released is too late" starts_too_late
check "it can move" exits 0 move --check
check "and has not" lives_on a
echo fc-parent=any >>"$(run_of a g)/lpar.conf"
check "not with a Fibre Channel port of its own" says 5 "logged in on two hosts" move
check "it lives as before" lives_on a
sed -i '$d' "$(run_of a g)/lpar.conf"
memory=$(qmp a g human-monitor-command "command-line=xp /16xb 0xf0000")
drop_ins=$scratch/a/root/etc/lparkit/g.lpar.d
mkdir "$drop_ins" "$scratch/b/root/etc/lparkit/g.lpar.d"
printf '[lpar]\nweight=300\n' | tee "$drop_ins/own.conf" >"$scratch/b/root/etc/lparkit/g.lpar.d/left.conf"
check "not where drop-ins were left" says 5 "left.conf would be part" move
rm -r "$scratch/b/root/etc/lparkit/g.lpar.d"
check "it moves" exits 0 move
check "it lives there" lives_on b
running=root/var/lib/lparkit/running
check "and would run there after a crash, and not here" same "$(cd "$scratch" && ls -d [ab]/$running/*)" "b/$running/g.json"
check "as one that has arrived" lacks incoming "$scratch/b/$running/g.json"
find_home
check "its drop-ins are kept, and are not in force" test ! -e "$drop_ins" -a \
	-e "${drop_ins%.d}.moved.d/own.conf"
check "with its memory" same_memory f0000 "$memory"
check "its description has moved, too" test -e "$scratch/b/root/etc/lparkit/g.lpar" -a \
	! -e "$scratch/a/root/etc/lparkit/g.lpar"
check "the LPAR it had is defined" same "$(cat "$scratch/a/kernel/g/state")" 0
check "and back" exits 0 move --limit off --bandwidth 100 --downtime 50
check "it lives where it did" lives_on a
find_home

# What is refused
check "nobody" says 5 "runs no guest" migrate b g --to a
check "storage" says 2 "cannot be moved so yet" move --storage fc
check "post-copy" says 2 "lost with the link" move --on-slow postcopy
echo 2 >"$scratch/a/kernel/g/gate"
check "one that is frozen" says 5 "is frozen" move
echo 0 >"$scratch/a/kernel/g/gate"
check "it lives where it did" lives_on a
echo 1 >"$scratch/b/kernel/g/state"
check "where its LPAR is active" says 5 "is active here already" move
echo 0 >"$scratch/b/kernel/g/state"
: >"$scratch/a/kernel/log"
echo "prepare run $scratch/meanwhile" >"$scratch/cut"
check "while it is under way" exits 0 move --limit 10
for words in "${attempts[@]}"; do
	check "refused meanwhile: $words" grep -qx -- "$words: refused" "$scratch/meanwhile.out"
done
check "its writes were limited" grep -q "^throttle" "$scratch/a/kernel/log"
check "frames were held, and carried over" grep -q "^load ta" "$scratch/b/kernel/log"
find_home
check "it lives there" lives_on b
move >/dev/null
find_home
check "nothing is throttled" lives_on a

# One that is paused stays so
qmp a g stop >/dev/null
echo "prepare lost-before" >"$scratch/cut"
check "paused, and given up when all is copied" says 5 "connection is lost" move
check "it is paused" lives_on a paused
check "moved" exits 0 move
check "it is paused there" lives_on b paused
find_home
qmp b g cont >/dev/null

# What was an operator's before is his after it.
echo 1 >"$scratch/$home/kernel/throttled"
check "his throttle is no limit of ours" says 5 "already, by somebody else" move --limit 10
check "given up beside his throttle" moves_with prepare refuse
check "it is there" same "$(left)" "$scratch/$home/kernel/throttled"
rm "$scratch/$home/kernel/throttled"
script freeze "echo 2 >$scratch/$home/kernel/g/gate"
check "who freezes it meanwhile" moves_with halt run "$scratch/freeze"
check "finds it frozen" same "$code $(left) $(statuses $home $away)" "5 2 running none"
echo 0 >"$scratch/$home/kernel/g/gate"
check "it lives there" lives_on $home
on $home netbuf attach ta --lpar g >/dev/null || echo "# no buffer of his"
check "given up with a buffer of his" moves_with prepare refuse
check "which passes" same "$(left) $(cat "$scratch/$home/kernel/net ta/state")" \
	"$scratch/$home/kernel/net ta 0"
on $home netbuf detach ta >/dev/null
check "it lives there" lives_on $home

# So is what defines an LPAR where it does not go
defined() {
	xargs <<<"$(cat "$scratch/$away/kernel/g/memory" "$scratch/$away/kernel/g/cpus")"
}
check "its LPAR is another one there" on $away set g memory 8M cpus 3
check "it is given up" moves_with prepare refuse
check "that LPAR is as it was" same "$(defined)" "8388608 3"
check "it lives where it did" lives_on $home

# Whoever pauses it meanwhile has it paused, wherever it is.
script pause "$(declare -f qmp run_of)" "scratch=$scratch" "qmp $home g stop >/dev/null"
check "it is paused while it is copied, and moves" moves_with copy run "$scratch/pause"
check "it is paused there" lives_on $away paused
find_home
qmp $home g cont >/dev/null

# What is told while it is copied
script look "for ((i = 0; i < 300; i++)); do" \
	"$scratch/via $home lparctl -j migrate status g >$scratch/seen" \
	"$scratch/via $home lparctl migrate status >$scratch/table" \
	"! grep -q '\"left_bytes\":[1-9][0-9]*,\"transfer_rate\":[1-9]' $scratch/seen || break" \
	"done"
script look-on "$scratch/look &"
echo "copy run $scratch/look-on" >"$scratch/cut"
check "slowly, it moves" exits 0 move --bandwidth 1
check "status told the pass, and a time that was left" same "$(json "(j[0]['pass'],
	j[0]['left_ms'] > 0, j[0]['sent_bytes'] > 0, j[0]['why'])" <"$scratch/seen")" "(1, True, True, '')"
check "its table, too" grep -qE "^g +source +$away +.* [0-9]+ +[0-9.]+ MiB/s +[0-9.]+ MiB +[0-9.]+ m?s *$" "$scratch/table"
find_home
check "it lives there" lives_on $home

# Cancelling
script cancel "$scratch/via $home lparctl migrate cancel g >$scratch/cancelled 2>&1 &" \
	"sleep 0.3"
check "it is cancelled while it is copied" moves_with halt run "$scratch/cancel"
check "and has gone nowhere" lives_on $home
check "both say so" same "$code $(cat "$scratch/cancelled")" "5 g: is cancelled, and lives here"
check "it is cancelled too late" moves_with run run "$scratch/cancel"
check "it has moved" lives_on $away
check "whoever cancels is told" grep -q "too late" "$scratch/cancelled"
check "lparctl does not mind" same "$code" 0
find_home

# A disk that is full when its description is to be kept where it lives now
etc=$scratch/$away/root/etc/lparkit
mount -t tmpfs -o size=64k none "$etc" || bail "no disk to be filled"
script full "head -c 1M /dev/zero >$etc/filler 2>/dev/null"
check "there is no room for its description, and it moves" moves_with run run "$scratch/full"
check "which is a failure" same "$code" 1
check "it runs there" same "$(status_or_none $away)" running
check "half a description is none" test ! -e "$etc/g.lpar"
check_fails "as long as there is no room, that stays so" migrate $away recover g
rm "$etc/filler"
check "with room" exits 0 migrate $away recover g
migrate $home recover g >/dev/null 2>&1
check "it has a whole one" grep -q "^accel=" "$etc/g.lpar"
find_home
check "it lives there" lives_on $home
check "of a wrong name there is no migration" says 1 "nobody: no migration is on record" on $home migrate status nobody
umount -l "$etc"
