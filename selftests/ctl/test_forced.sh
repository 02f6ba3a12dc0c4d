#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A forced deactivation leaves QEMU running outside of its LPAR: it is not forgotten, and no second
# one is started beside it.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 39
host_up h
describe h g
run=$(run_of h g)

# qemus: how many run in or for that LPAR
qemus() {
	pgrep -c -f -- "-name g,.*$scratch/h/root/"
}

check "start" exits 0 on h start g
guest=$(guest_pid h g)
background+=("$guest")
check "a guest runs" same "$(qemus)" 1
check "deactivate by force: it is told" says 0 "g: its guest, pid $guest, runs on outside of it" \
	on h deactivate g --force
check "it does" kill -0 "$guest"
check "start: refused, with the remedy" says 1 "pid $guest, still runs, .*'lparctl stop g'" on h start g
check "so it is for a supervisor" says 1 "pid $guest, still runs" on h start g --wait
check "there is no second one" same "$(qemus)" 1
check "whose monitor is still there" same "$(status h g)" running
save() {
	lparctl cluster save one --dir "$scratch/states" --via "$scratch/via" --hosts h "$@"
}
describe h g2
on h start g2 >/dev/null || bail "no guest g2"
check "a save does not leave it out" says 5 "g: its QEMU, pid $guest, runs outside of its LPAR: 'lparctl stop g'" save
check "nor does one of it" says 5 "g: its QEMU, pid $guest, runs outside" save --lpar g
check "the others run" same "$(status h g2)" running
check "a save of those" exits 0 save --lpar g2 --continue
on h stop g2 --timeout 0 >/dev/null
on h delete g2 >/dev/null
rm "$run/qemu.pid"
check "without its pidfile" says 1 "pid $guest, still runs" on h start g
check "delete" exits 0 on h delete g
check "start of what is not defined" says 1 "pid $guest, still runs" on h start g
check "there is no second one" same "$(qemus)" 1
check "nothing was defined" same "$(on h list -j)" "[]"
check "stop ends it" says 0 "g: QEMU quit" on h stop g --timeout 0
check "it has ended" same "$(qemus)" 0
check "nothing is left of it" only_log h g
check "then another one may start" exits 0 on h start g

# Defined still
guest=$(guest_pid h g)
background+=("$guest")
on h deactivate g --force >/dev/null
check "it ends with its host" says 1 "g: QEMU was ended before its guest had powered down" \
	on h boot shutdown --timeout 1s
check "it has ended" same "$(qemus)" 0

# Deleted
on h start g >/dev/null
guest=$(guest_pid h g)
background+=("$guest")
on h deactivate g --force >/dev/null
check "delete" exits 0 on h delete g
check "it ends with its host" says 1 "g: QEMU was ended before its guest had powered down" \
	on h boot shutdown --timeout 1s
check "it has ended" same "$(qemus)" 0

# The number is another's by now
start sleep 1000
echo "$pid 1" >"$run/process"
check "another process of that number is none" exits 0 on h start g
check "nor is it ended" kill -0 "$pid"

# Start is undone, and its QEMU does not go
cp "$scratch/h/root/etc/lparkit/g.lpar" "$scratch/good"
on h stop g --timeout 0 >/dev/null
printf '%s\n' "#!/bin/bash" "exec sleep 1000" >"$scratch/deaf"
chmod +x "$scratch/deaf"
describe h g "binary=$scratch/deaf"
touch "$scratch/h/kernel/unkillable"
check "nobody waits for it for ever" says 4 "QEMU, pid .*, does not go: 'lparctl stop g'" \
	timeout 60 "$scratch/via" h lparctl start g --timeout 1s
guest=$(guest_pid h g)
background+=("$guest")
check "it is there" kill -0 "$guest"
check "in its LPAR" same "$(cat "$scratch/h/kernel/g/state")" 1
check "there is no second one" says 1 "runs already, pid $guest" on h start g
rm "$scratch/h/kernel/unkillable"
check "stop" exits 0 on h stop g --timeout 0
check "nothing is left of it" only_log h g
cp "$scratch/good" "$scratch/h/root/etc/lparkit/g.lpar"
check "start" exits 0 on h start g

# Who is at it
exec 9<"$run/lock"
flock 9
check "deactivate meanwhile is refused" says 1 "another lparctl starts, stops or saves it" \
	on h deactivate g
check "the LPAR is as it was" same "$(cat "$scratch/h/kernel/g/state")" 1
check "by force it says so" says 0 "another lparctl starts, stops or saves it" on h deactivate g --force
exec 9<&-
check "stop" exits 0 on h stop g --timeout 0
