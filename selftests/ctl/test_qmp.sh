#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What lparctl does with QEMU's monitors: odd ones, and real ones that somebody else has.
# vm: none timeout=300
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 27

# odd ODDITY: such a monitor
odd() {
	start "$here/odd-qmp" "$scratch/$1" "$1"
	wait_until 20 test -e "$scratch/$1.ready"
}

# follows CODE PATTERN ODDITY: how "throttle follow" of it ends
follows() {
	says "$1" "$2" lparctl throttle follow "$scratch/$3" --wait 500ms
}

# The slow ones first, beside the others
for oddity in slow full; do
	odd $oddity
	start lparctl throttle follow "$scratch/$oddity" --wait 500ms 2>"$scratch/$oddity.err"
	waits[${#waits[@]}]=$pid
done
for oddity in late refused long endless foreign; do
	odd $oddity
done
check "an answer to another command is none" follows 4 "no migration has begun" late
check "nor is a refusal" follows 4 "no migration has begun" refused
check "lines of a megabyte" follows 4 "no migration has begun" long
check "a line without end" follows 1 "does not answer: Message too long" endless
check "something else that greets" follows 1 "Bad message" foreign
check "nobody listens" follows 1 "No such file" nowhere

# A guest, and somebody who has its monitor
host_up h
describe h g
sed -i 's/^memory=/cpus=2\nmemory=/' "$scratch/h/root/etc/lparkit/g.lpar"
check "start" exits 0 on h start g
check "two monitors" test -S "$(run_of h g)/qmp.sock" -a -S "$(run_of h g)/lparctl.sock"
exec 9< <(socat - "UNIX:$(run_of h g)/qmp.sock"; sleep 1000)
holder=$!
background+=("$holder")
read -r -t 20 _ <&9
check "pin while somebody has the monitor" says 0 "1 vCPUs have a CPU each" on h pin g
exec 8<"$(run_of h g)/lock"
flock 8
check "pin while another lparctl is at work" took_less 10 says 1 "another lparctl" on h pin g
exec 8<&-
began=$SECONDS
check "stop while somebody has the monitor" says 0 "^g: QEMU quit" on h stop g --timeout 6s
check "the guest had its time" test $((SECONDS - began)) -ge 5
check "nothing is left of it" only_log h g
check "pin of nothing" says 1 "no guest" on h pin g
describe h g "args=-S"
on h start g >/dev/null
kill -STOP "$(guest_pid h g)"
check "stop of a QEMU that is deaf" says 0 "^g: QEMU killed" on h stop g --timeout 1s

wait "${waits[0]}"
check "an answer that comes too slowly" same "$?" 1
check "it says so" grep -q "Connection timed out" "$scratch/slow.err"
wait "${waits[1]}"
check "a queue that is full" same "$?" 1

# One that was taken over, and says things without end
describe h f "binary=$here/fake-qemu" "args=-fake flood"
floods() {
	grep -c flooded "$(run_of h f)/qemu.log"
}
# asked_again: by a supervisor, at its next look
asked_again() {
	[ "$(floods)" -gt "$before" ]
}
check "start" exits 0 on h start f
check "stop of one that floods" says 0 "^f: QEMU quit" timeout 100 "$scratch/via" h lparctl stop f --timeout 2s
check "it has flooded" test "$(floods)" -ge 1
start "$scratch/via" h lparctl start f --wait >"$scratch/said" 2>&1
supervisor=$pid
check "a supervisor of it" wait_until 60 grep -q "^f: guest runs" "$scratch/said"
before=$(floods)
check "looks at it" wait_until 60 asked_again
kill -TERM "$(guest_pid h f)"
ends() {
	wait "$supervisor"
	same $? 1
}
check "and sees its end" ends
check "which was none of its own" grep -q "QEMU has failed, or was killed" "$scratch/said"

# One that says that it has tens of thousands of vCPUs
describe h m "binary=$here/fake-qemu" "args=-fake many" "[lpar]" "cpus=2-3"
check "start of one with many" exits 0 took_less 20 on h start m
check "it does not take long to see that" took_less 10 says 0 "share CPUs 2-3: there are more" on h pin m
on h stop m --timeout 0 >/dev/null
