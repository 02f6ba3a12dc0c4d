#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Volumes that make a save impossible, which is found before any guest stands; and one whose store
# does not answer: nobody waits for it but that volume.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
# shellcheck source=selftests/ctl/execd.sh
. "$here/execd.sh"

plan 75
states=$scratch/states
kernel=$scratch/h/kernel
record=$scratch/h/root/run/lparkit/cluster.session

cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}

are() {
	same "$(status h g) $(status h g2)" "$*"
}

taken() {
	same "$(cat "$kernel/.dm/v")" "$*"
}

gates_are_open() {
	same "$(cat "$kernel"/g*/gate | xargs)" "0 0"
}

# gives_up WHAT COMMAND...: soon, and with guests that go on
gives_up() {
	check "$1" took_less 25 says 1 "volume v: its store does not answer" "${@:2}"
	check "what is to be done is told" grep -q "'lparctl cluster recover'" "$scratch/err"
	check "on record" test -e "$record"
}

host_up h
sed -i "s,kernel_preload.so,&:$build/selftests/ctl/dm_preload.so," "$scratch/via"
describe h g
describe h g2
mkdir "$kernel/.dm"
: >"$kernel/.dm/v"
on h start g >/dev/null || bail "no guest"
on h start g2 >/dev/null || bail "no guest"
echo "$kernel/.dm/v" >"$kernel/g/disks"
touch "$kernel/claims"

# One that answers
check "save and continue" exits 0 cluster save one --hosts h --continue
check "the volume's state is taken" taken cluster-one
check "both go on" are running running
check "delete" exits 0 cluster delete one
check "no state is left" taken ""

# What stands in its way is found while all run
# refused_early PATTERN: a save, which has closed no gate and written nothing
refused_early() {
	: >"$kernel/log"
	says 5 "$1" cluster save left --hosts h && lacks "^arm" "$kernel/log" &&
		same "$(find "$states" -name "*.state")" ""
}
echo cluster-left >"$kernel/.dm/v"
mkdir -p "$states/left/h.part"
echo '{"version": 1, "guests": [{"volumes": ["v"]}]}' >"$states/left/h.part/description.json"
check "what a host has left that died" refused_early "volume v has a state cluster-left already"
check "is there as it was" taken cluster-left
check "nobody has forgotten where it came from" test -e "$states/left/h.part/description.json"
check "delete" exits 0 cluster delete left --hosts h
check "no state is left" taken ""
touch "$kernel/read-only"
check "a volume that takes nothing" refused_early "volume v is read-only: cannot write metadata"
check "nothing of it is left" same "$(find "$states" -path "*left*")" ""
rm "$kernel/read-only"
memory=$(cat "$kernel/g/memory")
echo $((1 << 60)) >"$kernel/g/memory"
check "a guest with more memory than there is room" exits 0 cluster save large --hosts h --continue
check "is warned of" grep -q "warning: host h: $states/large/h.part has room for [0-9]* MiB, and the guests have 10995[0-9]* MiB" \
	"$scratch/err"
echo "$memory" >"$kernel/g/memory"
check "delete" exits 0 cluster delete large
check "both run" are running running
check "no state is left" taken ""

# One that does not
touch "$kernel/hung"
gives_up "a save" cluster save two --hosts h --timeout 4s
check "both go on" are running running
check "their gates are open" gates_are_open
check "no state was taken" taken ""
check "nothing is saved" same "$(find "$states" -type f)" ""
# What its user does to a guest since then is not undone.
qmp h g2 stop >/dev/null
gives_up "recover, while it still does not" on h cluster recover
check "who was paused meanwhile stays so" are running paused
check "a save, which would undo first" says 1 "volume v: its store does not answer" cluster save three --hosts h
rm "$kernel/hung"
check "recover, once it does" exits 0 on h cluster recover
check "nothing is left on record" test ! -e "$record"
check "no state is left" taken ""
check "who was paused meanwhile stays so" are running paused
qmp h g2 cont >/dev/null

# Its caller is gone, and with it whoever might be told
touch "$kernel/hung"
start "$scratch/via" h lparctl cluster save four --dir "$states" --hosts h --via "$scratch/via"
caller=$pid
waits() {
	grep -q '"taken": true' "$record" 2>/dev/null
}
check "it waits for the store" wait_until 30 waits
kill -9 "$caller"
check "both go on" wait_until 30 are running running
idle() {
	flock -n "$scratch/h/root/run/lparkit/cluster.lock" true
}
check "nobody keeps others out" wait_until 30 idle
check "on record" test -e "$record"
rm "$kernel/hung"
check "recover, once it answers" exits 0 on h cluster recover
check "no state is left" taken ""

# Whoever gives up at once, as another host has failed, does not blame the store
check "hello" hello h 60000000000
check "begin" ask begin "\"name\": \"five\", \"dir\": \"$states\", \"host\": \"h\", \"lpars\": []"
check "arm" ask arm "$(soon 500)"
check "stop" ask stop
check "write" ask write
touch "$kernel/hung"
echo '{"op": "disks"}' >&9
check "it waits for the store" wait_until 30 waits
check "that is all that is said" refused abort "given up " '"remove": ""'
rm "$kernel/hung"
exec 8<&- 9>&-
check "all is undone" wait_until 30 test ! -e "$record"
check "both go on" are running running
check "no state is left" taken ""

# execd is killed while a child of its waits, and would go on to take
orphan() {
	pgrep -f "root $scratch/h/root execd" >/dev/null
}
check "hello" hello h 60000000000
check "begin" ask begin "\"name\": \"six\", \"dir\": \"$states\", \"host\": \"h\", \"lpars\": []"
check "arm" ask arm "$(soon 500)"
check "stop" ask stop
check "write" ask write
echo list 1 >"$kernel/hung"
echo '{"op": "disks"}' >&9
check "it waits in front of the take" wait_until 30 grep -q waits "$kernel/hung"
kill -9 "$execd"
exec 8<&- 9>&-
check "its child ends with it" wait_until 10 eval '! orphan'
rm "$kernel/hung"
check "recover" exits 0 on h cluster recover
check "both go on" are running running
check "no state is left" taken ""

# A saved state whose volume is silent keeps nobody else out
check "save and continue" exits 0 cluster save seven --hosts h --continue
for verb in verify delete; do
	echo list 0 >"$kernel/hung"
	check "$verb" took_less 25 exits 4 cluster $verb seven --timeout 2s
	check "does not keep the host's lock" wait_until 10 idle
done
rm "$kernel/hung"
check "delete, once it answers" exits 0 cluster delete seven
check "no state is left" taken ""

# Frozen for it, until the time is over; and then somebody asks for the end
mkdir "$scratch/bin"
printf '#!/bin/sh\n' >"$scratch/bin/fsfreeze"
chmod +x "$scratch/bin/fsfreeze"

# agent_is [WAY]: see played-agent
agent_is() {
	rm -f "$scratch/agent"
	: >"$scratch/asked"
	PATH=$scratch/bin:$PATH start "$here/../snapsync/played-agent" "$scratch/agent" "$scratch" \
		"$scratch/asked" "$scratch/go" "$@"
	wait_until 30 test -S "$scratch/agent"
}

# takes TIME: in the background; its id is in $pid
takes() {
	start "$scratch/via" h lparctl snap take v still --fs-freeze "$1" --agent "$scratch/agent" \
		2>"$scratch/said"
}

asked() {
	[ "$(xargs <"$scratch/asked")" = "$*" ]
}

agent_is
touch "$kernel/hung"
takes 1s
check "the time is over" wait_until 30 asked freeze thaw
kill "$pid"
rm "$kernel/hung"
check "a take that is asked to end fails" exits 1 wait "$pid"
check "the time is told" grep -q "the time was over" "$scratch/said"
check "it is deleted again" grep -q "still is deleted again" "$scratch/said"
check "no state is left" taken ""
agent_is waits
takes 20s
check "asked to end before it is taken" wait_until 30 asked freeze
kill "$pid"
touch "$scratch/go"
check "it fails" exits 1 wait "$pid"
check "they are thawed" asked freeze thaw
check "no state is left" taken ""
