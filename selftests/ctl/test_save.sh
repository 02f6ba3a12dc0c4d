#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Saving and restoring real guests of two hosts: what ran before runs after it, what was
# paused stays so, and what is somebody else's is left alone, also when it fails.
# vm: none timeout=300
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 126
states=$scratch/states
bandwidth=1000000

cluster() {
	lparctl cluster "$1" --dir "$states" --via "${via:-$scratch/via}" "${@:2}"
}

# are A1 A2 B1: the states of the guests
are() {
	same "$(status a a1) $(status a a2) $(status b b1)" "$*"
}

limit_is() {
	same "$(qmp a a1 query-migrate-parameters | json "j['max-bandwidth']")" "$1"
}

# No gate is closed, nothing is half done.
at_rest() {
	same "$(cat "$scratch"/*/kernel/*/gate)" "$(printf '0\n0\n0')" &&
		same "$(ls "$scratch"/*/root/run/lparkit/cluster.session 2>/dev/null)" ""
}

# nothing_of NAME: is saved
nothing_of() {
	same "$(find "$states" -path "*/$1*" 2>/dev/null)" ""
}

host_up a
host_up b
for guest in a1 a2 b1; do
	describe "${guest%?}" $guest
	on "${guest%?}" start $guest >/dev/null || bail "no guest $guest"
done
qmp a a2 stop >/dev/null
qmp a a1 migrate-set-parameters max-bandwidth=$bandwidth >/dev/null
check "two run, one is paused" are running paused running

# Saved and continued, saved and restored
check "save and continue" exits 0 cluster save one --hosts a,b --continue
check "what ran runs, what was paused stands" are running paused running
check "QEMU's limit is what it was" limit_is $bandwidth
check "all is at rest" at_rest
check "verify" exits 0 cluster verify one
# On b nothing is in the way: which host answers first makes no difference.
on b stop b1 --timeout 0 >/dev/null
pids=$(cat "$scratch"/*/root/run/lparkit/*/qemu.pid)
check "a restore on other hosts: they would be there twice" \
	says 5 "guest a1 runs here, and another host is to have it back" cluster restore one --hosts b,a
check "the same run" same "$(cat "$scratch"/*/root/run/lparkit/*/qemu.pid)" "$pids"
on b start b1 >/dev/null || bail "no guest b1"
check "as they did" are running paused running
# What spoils a stream is found while all run.
qmp b b1 human-monitor-command "command-line=migrate_set_capability pause-before-switchover on" >/dev/null
check "a QEMU that would wait for an answer" says 5 "b1: cannot be saved: QEMU's pause-before-switchover is on" \
	cluster save bad --hosts a,b
check "QEMU is as its user wants it" same "$(qmp b b1 query-migrate-capabilities |
	json "[c['capability'] for c in j if c['state']]")" "['pause-before-switchover']"
qmp b b1 human-monitor-command "command-line=migrate_set_capability pause-before-switchover off" >/dev/null
check "nothing has stood" are running paused running
check "nothing of it is left" nothing_of bad
check "save" exits 0 cluster save two --hosts a,b
check "the guests are gone" same "$(cat "$scratch"/*/root/run/lparkit/*/qemu.pid 2>/dev/null)" ""
check "restore" exits 0 cluster restore two
check "what ran runs, what was paused stands" are running paused running
check "all is at rest" at_rest
# One host fails when another one's guests go on already.
cat >"$scratch/mixed" <<-EOT
	#!/bin/bash
	[ "\$1" != b ] ||
		exec "$here/odd-host" fails resume "$scratch/a/root/run/lparkit/cluster.session" "\$@"
	exec "$scratch/via" "\$@"
EOT
chmod +x "$scratch/mixed"
via=$scratch/mixed
check "a host that fails at the end" says 1 "host b: resume: no resume" cluster restore one
check "the other's guests are named" grep -q "host a: its guests a1, a2 are there" "$scratch/err"
check "nobody says that they are gone" lacks "are gone" "$scratch/err"
check "and are there" are running paused running
via=
check "restore over those that run" exits 0 cluster restore one
check "what ran runs, what was paused stands" are running paused running
check "all is at rest" at_rest
qmp a a1 migrate-set-parameters max-bandwidth=$bandwidth >/dev/null

# fails_at OP SIGNAL: a save, of which host b's execd does not hear
fails_at() {
	local via="$here/cut-line $scratch/via b $1 $2"

	rm -f "$scratch/via.cut"
	exits "${code:-5}" cluster save bad --hosts a,b
}
for op in arm stop write commit keep; do
	for signal in KILL TERM; do
		check "execd gets SIG$signal before $op: all is undone" fails_at $op SIG$signal
		check "SIG$signal before $op: all are as they were" are running paused running
		check "SIG$signal before $op: so is QEMU's limit" limit_is $bandwidth
		check "SIG$signal before $op: all is at rest" at_rest
		check "SIG$signal before $op: nothing is saved" nothing_of bad
	done
done

# Deleting, also by halves, and what a lost save has left
check "delete" exits 0 cluster delete two
check "nothing is left of it" nothing_of two
via="$here/cut-line $scratch/via b delete SIGKILL"
rm "$scratch/via.cut"
check "a delete that fails on b" says 1 "half deleted: run .* again" cluster delete one
unset via
check "is no state any more" says 1 "No such file" cluster restore one
check "its name is still taken" says 1 "half deleted" cluster save one --hosts a,b
check "again" exits 0 cluster delete one
check "nothing is left of it" nothing_of one
cluster save lost --hosts a,b --continue >/dev/null 2>&1
rm "$states/lost/manifest.json"
check "a state without a manifest" says 1 "No such file" cluster delete lost
check "is deleted where it is said to be" exits 0 cluster delete lost --hosts a,b
check "nothing is left of it" nothing_of lost
mkdir -p "$states/lost/a.part"
touch "$states/lost/a.part"/{a1.state,description.json.part}
check "so is what a host has left that died in it" exits 0 cluster delete lost --hosts a,b
check "nothing is left of it" nothing_of lost
check "a name of nothing" says 1 "lost: nothing of it is on these hosts" cluster delete lost --hosts a,b
mkdir -p "$states/backup/a"
touch "$states/backup/a"/{a1.state,precious}
check "a directory that is none of ours" says 1 "has a file precious that no save has written" \
	cluster delete backup --hosts a
check "is left alone" same "$(ls "$states/backup/a")" $'a1.state\nprecious'
rm -r "$states/backup"

# A host that has not mounted its part
cluster save away --hosts a,b --continue >/dev/null 2>&1
mv "$states/away/b" "$scratch/unmounted"
check "verify without one host's part" says 1 "host b: check: .*/b/description.json is not there" cluster verify away
check "delete without it" says 1 "host b: delete: .*/b/description.json is not there: is its directory mounted" \
	cluster delete away
mv "$scratch/unmounted" "$states/away/b"
check "delete with it" exits 0 cluster delete away
check "nothing is left of it" nothing_of away
cluster save away --hosts a,b --continue >/dev/null 2>&1
rm -r "$states/away/b"
check "delete when it is gone" says 1 "half deleted: run .* again" cluster delete away
check "delete once more" exits 0 cluster delete away

# Where a description cannot be read, nobody else knows which states of disks go with it
description=$states/hurt/a/description.json
cluster save hurt --hosts a,b --continue >/dev/null 2>&1
cp "$description" "$scratch/whole"

# hurt PATTERN [WORD]...: a delete that fails on a, and leaves what is there
hurt() {
	says 1 "host a: delete: $description$1" cluster delete hurt "${@:2}" && [ -d "$states/hurt/a" ]
}
sed 's/"volumes": *\[/&"his"/' "$scratch/whole" >"$description"
check "volumes of a description that was changed are not deleted" hurt " is damaged"
rm "$states/hurt/manifest.deleting"
echo "{" >"$description"
check "nor is one that is no JSON, without a manifest" hurt ": damaged" --hosts a,b
sed 's/"version": 1/"version": 2/' "$scratch/whole" >"$description"
check "nor one of a later version" hurt ": version 2" --hosts a,b
ln -sf description.json "$description"
check "nor one that cannot be reached" hurt ": Too many levels" --hosts a,b
rm "$description"
check "one that is gone is" exits 0 cluster delete hurt --hosts a,b
check "nothing is left of it" nothing_of hurt

# What is not to be saved, or is another's
qmp a a1 migrate-set-parameters max-bandwidth=1000 >/dev/null
qmp a a1 migrate "uri=exec:cat >/dev/null" >/dev/null
check "a guest that migrates" says 5 "a1: cannot be saved: it migrates" cluster save bad --hosts a,b
check "its migration goes on" same "$(qmp a a1 query-migrate | json "j['status']")" active
check "all are as they were" are running paused running
qmp a a1 migrate_cancel >/dev/null
on b freeze b1 >/dev/null
check "a guest that is frozen" says 5 "LPAR b1 is frozen: run 'lparctl thaw b1' first" \
	cluster save bad --hosts a,b
check "it stays so" same "$(cat "$scratch/b/kernel/b1/gate")" 2
on b thaw b1 >/dev/null
describe b b2 "args=-device nvme,serial=x"
on b start b2 >/dev/null
check "a device that QEMU cannot save" says 5 "b2: cannot be saved: QEMU cannot save it: .*nvme" \
	cluster save bad --hosts a,b
on b stop b2 --timeout 0 >/dev/null
truncate -s 1M "$scratch/disk"
describe b b2 "args=-drive if=virtio,format=raw,file=$scratch/disk"
on b start b2 >/dev/null
check "a disk that is none of its LPAR" says 5 "b2: cannot be saved: its disk .* none of its LPAR" \
	cluster save bad --hosts a,b
on b stop b2 --timeout 0 >/dev/null
check "all are as they were" are running paused running
describe b b2 "args=-drive if=virtio,format=raw,readonly=on,file=$scratch/disk" \
	"args=-nic user,model=e1000" "machine=q35,hpet=off" "vcpus=100"
on b start b2 >/dev/null
check "one that it cannot write, with 100 vCPUs" exits 0 cluster save some --hosts b --lpar b2
check "a NIC without a tap is told of" grep -q "b2 has 1 NICs and 0 taps" "$scratch/err"
check "so is a clock that jumps" grep -q "b2 has no kvm-clock" "$scratch/err"
check "the machine type is pinned" grep -q "^machine=pc-q35-[0-9.]*,hpet=off$" "$states/some/b/b2.lpar"
check "QEMU's version is known" grep -q '"qemu": "[0-9]*\.[0-9]*\.[0-9]*"' "$states/some/b/description.json"
check "only that guest was saved" are running paused running
check "restore" exits 0 cluster restore some
check "it runs" same "$(status b b2)" running
check "as such a machine" same "$(qmp b b2 qom-get path=/machine property=type)" \
	"\"$(sed -n 's/^machine=\(pc-[^,]*\).*/\1/p' "$states/some/b/b2.lpar")-machine\""

# Records of operations that somebody else's guest has outlived
record() {
	cat >"$scratch/a/root/run/lparkit/cluster.session" <<-EOT
		{"kind": "$1", "id": "0123456789abcdef", "name": "old", "dir": "$states/old/a",
		 "guests": [{"name": "$2", "attached": [], "volumes": [], "ran": true $3}]}
	EOT
}
pid=$(guest_pid a a1)
record restore a1
check "a guest that was started since is not ended" exits 0 on a cluster recover
check "it runs" test -d "/proc/$pid"
record save a2 ', "pid": 1, "start": 1'
check "nor is one made to run" exits 0 on a cluster recover
check "which was paused" are running paused running
describe a a3
LPARKIT_SESSION=0123456789abcdef on a start a3 >/dev/null
pid=$(guest_pid a a3)
record restore a3
check "one of a restore that was killed" exits 0 on a cluster recover
check "is ended" wait_until 5 test ! -d "/proc/$pid"
check "no record is left" same "$(ls "$scratch"/*/root/run/lparkit/cluster.session 2>/dev/null)" ""
