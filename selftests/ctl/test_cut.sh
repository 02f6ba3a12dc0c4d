#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl cut and monitor; what a cut does to guests is judged by lpar/test_cut.sh.
# vm: cpus=4 threads=2 mem=768 timeout=300 kernels=6.1,6.12,7.2 long=6.1,7.2 here
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 41
load lpar

lparctl create a memory 2M
lparctl create b memory 2M
lparctl activate a
lparctl activate b

# cut_field ID EXPRESSION
cut_field() {
	lparctl -j cut show "$1" | json "$2"
}

# watch OPTION...: a monitor in the background that listens when this returns.
watch() {
	lparctl -j monitor "$@" >"$scratch/events" 2>"$scratch/listening" &
	monitor=$!
	wait_until 10 grep -q listening "$scratch/listening"
}

# events EXPRESSION: of each event e, in one line.
events() {
	python3 -c "import json, sys
print(*[($1) for e in map(json.loads, sys.stdin)])" <"$scratch/events"
}

check "no cuts" same "$(lparctl -j cut list)" "[]"
check "cut now" says 0 "^cut [0-9]*: close fired at .*, skew" lparctl cut --at now --lpar a,b
check "table of participants" same "$(awk '/^gate/ { print $2, $NF }' "$scratch/out" | xargs)" \
	"a ok b ok"
check "a is frozen" is a gate closed
check "b is frozen" is b gate closed
check "cut open" exits 0 lparctl cut --at now --lpar a --lpar b --action open
check "a is thawed" is a gate open
check "b is thawed" is b gate open
check "list of two" same "$(lparctl cut list | awk 'NR > 1 { print $2, $3 }' | xargs)" \
	"fired close fired open"

before=$(date +%s%N)
lparctl -j cut --at +3s --lpar a >"$scratch/cut"
check "it waits" test $(($(date +%s%N) - before)) -ge 3000000000
check "JSON of a cut" same "$(json "j['state'], j['action'], j['lpars']" <"$scratch/cut")" \
	"fired close ['a']"
check "a participant" same "$(json "j['points'][0]['kind'], j['points'][0]['error']" \
	<"$scratch/cut")" "gate 0"
check "never before the deadline" same \
	"$(json "j['points'][0]['latency_ns'] >= 0" <"$scratch/cut")" True
check "latency is fired minus deadline" same "$(json \
	"j['points'][0]['fired_ns'] - j['deadline_ns'] - j['points'][0]['latency_ns']" \
	<"$scratch/cut")" 0
lparctl thaw a

at=$(($(date +%s) + 1800))
id=$(lparctl -j cut --at @$at.25 --lpar a,b --no-wait | json "j['id']")
check "--no-wait does not wait" cut_field "$id" "j['state']"
check "armed" same "$(cut_field "$id" "j['state']")" armed
check "exact deadline" same "$(cut_field "$id" "j['deadline_ns']")" ${at}250000000
check "the gate is armed" is a gate armed
check "an LPAR in two cuts" says 1 "^lparctl: cut: " lparctl cut --at +1s --lpar a
check "show" says 0 "^cut $id: close armed" lparctl cut show "$id"
check "cancel" exits 0 lparctl cut cancel "$id"
check "cancelled" same "$(cut_field "$id" "j['state']")" cancelled
check "the gate is open" is a gate open
check "cancel twice" exits 1 lparctl cut cancel "$id"
check "unknown cut" says 1 "^lparctl: cut 4711: " lparctl cut cancel 4711
check "past" says 1 "^lparctl: cut: " lparctl cut --at @1 --lpar a
check "too far ahead" says 1 "^lparctl: cut: " lparctl cut --at +2h --lpar a
check "unknown LPAR" says 1 "^lparctl: cut: " lparctl cut --at now --lpar nobody

# Cancelled while somebody waits for it
lparctl cut --at +1800s --lpar a 2>"$scratch/err" &
waiter=$!
wait_until 10 is a gate armed
id=$(lparctl -j cut list | json "[c['id'] for c in j if c['state'] == 'armed'][0]")
lparctl cut cancel "$id"
wait $waiter
check "the one who waits is told" same "$?" 1
check "and why" grep -q "cut $id was cancelled" "$scratch/err"

# Events
watch --lpar a --count 3
lparctl freeze b
lparctl freeze a
lparctl thaw a b
lparctl stage a number 1 text go
check "monitor ends after its count" wait $monitor
check "events of one LPAR" same "$(events "e['name'], e['event']")" \
	"('a', 'gate-closed') ('a', 'gate-opened') ('a', 'stage')"
check "stage of an event" same "$(events "e['stage']['text'] if 'stage' in e else ''" | xargs)" go
check "in order" same "$(events "e['seq']")" "$(events "e['seq']" | tr ' ' '\n' | sort -n | xargs)"
check "numbered" same "$(events "e['time_ns'] > 1e18")" "True True True"
watch --event cut-fired --count 1
lparctl cut --at now --lpar a,b --no-wait
check "an event by its kind" wait $monitor
check "cut of an event" same "$(events "e['cut_lpars']")" "['a', 'b']"
lparctl thaw a b
check "monitor without events times out" exits 4 lparctl monitor --count 1 --timeout 200ms
check "monitor for a while" exits 0 lparctl monitor --timeout 200ms
lparctl monitor --lpar b --count 1 >"$scratch/out" 2>"$scratch/listening" &
monitor=$!
wait_until 10 grep -q listening "$scratch/listening"
lparctl deactivate b
wait $monitor
check "event as text" grep -q ' state name="b" state="defined"' "$scratch/out"
lparctl deactivate a
check "delete" exits 0 lparctl delete a b
