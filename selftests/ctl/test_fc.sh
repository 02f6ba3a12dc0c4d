#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc check and recover: what is found before an identity is to move, and what becomes of
# a move whose caller is gone, on hosts that are played.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 105
host_up a
host_up b
here=$scratch/a/kernel/fc\ web
away=$scratch/b/kernel/fc\ web
lun="naa.600140500000000000000000000abc00"

# port HOST DIRECTORY NAME WWPN [MAX]: an fc_host, as sysfs has it
port() {
	local root=$scratch/$1/root dir

	dir=$root/sys/devices/$2/$3/fc_host/$3
	mkdir -p "$dir" "$root/sys/class/fc_host"
	ln -sfn "$dir" "$root/sys/class/fc_host/$3"
	echo "0x$4" >"$dir/port_name"
	echo Online >"$dir/port_state"
	echo "${5:-255}" >"$dir/max_npiv_vports"
	echo 1 >"$dir/npiv_vports_inuse"
}

# identity DIRECTORY: web, which is logged in nowhere
identity() {
	mkdir -p "$1"
	printf '%s\n' 2000000000000001 2001000000000001 2001000000000002 21000024ff000001 >"$1/names"
	echo 0 | tee "$1/step" >"$1/away"
	echo "0 0 0" | tee "$1/original" >"$1/maintenance"
}

# logged_in STATE HOST MATCHES [LINE]...: the original of web
logged_in() {
	printf '%s\n' "$1 $2 $3" "${@:4}" >"$here/original"
}

# numbers DIRECTORY OPERATION STEP STATE RESULT GOES_BACK: of an operation, as in the ABI
numbers() {
	echo "$2" >"$1/operation"
	echo "$3" >"$1/step"
	echo "$4" >"$1/state"
	echo "$5" >"$1/result"
	echo "$6" >"$1/goes_back"
}

# usual: as it is when it can move
usual() {
	rm -rf "$scratch"/[ab]/root/{sys,var/lib/lparkit/fc} "$away"
	port a pci0000:00 host2 21000024ff000001
	port a pci0000:00/host2/vport-2:0-0 host3 2001000000000001
	port b pci0000:00 host1 21000024ff000002
	identity "$here"
	logged_in 2 3 1 "${lun}00 131072 sdb" "${lun}01 131072 sdc"
}

look() {
	on a fc check web "$@"
}

there() {
	look --peer b --via "$scratch/via"
}

# finds PATTERN: it is the only problem
finds() {
	says 3 "^web: $1" look && same "$(grep -c "^web: " "$scratch/out")" "${2:-2}"
}

finds_there() {
	says 3 "^web: b: $1" there && same "$(grep -c "^web: " "$scratch/out")" 2
}

check "without a name" exits 2 on a fc check
check "a bad name" says 2 "no name of an LPAR" on a fc check A/B
check "a bad host" says 2 "needs a host" on a fc check web --peer -oProxyCommand=x
check "a command for nobody" says 2 "of no use" on a fc check web --via ssh
check "an LPAR without an identity" exits 1 look

usual
check "it can move" says 0 "^web: ok" look
check "what cannot be known is said" grep -q "^web: not known: what the maintenance name sees" "$scratch/out"
check "also there" says 0 "^web: ok" there
check "JSON" same "$(on a -j fc check web --peer b --via "$scratch/via" |
	json "j['peer'], j['problems'], len(j['unknown'])")" "b [] 1"
echo 1 >"$here/away"
check "not one that lives elsewhere" finds "it lives on another host"
usual
echo 6 >"$here/step"
check "nor one that moves" finds "an operation is under way: on-m"
usual
logged_in 1 3 0
check "nor one that logs in" finds "the original is not logged in here: it is coming"
logged_in 2 3 0
check "nor one without disks" finds "the original sees no disk"
logged_in 2 3 0 "${lun}00 131072 sdb"
check "nor one with other disks than it has" finds "the original does not see just"
usual
printf '%s\n' "2 4 0" "${lun}00 131072 sdd" "${lun}01 131072 sde" >"$here/maintenance"
check "the maintenance name sees the same" says 0 "^web: ok" look
check "and it is known" same "$(wc -l <"$scratch/out")" 1
printf '%s\n' "2 4 0" "${lun}00 131072 sdd" >"$here/maintenance"
check "a LUN is missing" finds "LUN ${lun}01 (sdc) is seen by the original port only" 1
printf '%s\n' "2 4 0" "${lun}00 131072 sdd" "${lun}01 131072 sde" "${lun}02 8 sdf" >"$here/maintenance"
check "a LUN is one too many" finds "LUN ${lun}02 (sdf) is seen by the maintenance port only" 1
printf '%s\n' "2 4 0" "${lun}00 131072 sdd" "${lun}01 131000 sde" >"$here/maintenance"
check "a LUN has another size" finds "LUN ${lun}01" 2
echo "3 4 0" >"$here/maintenance"
check "the fabric refuses the maintenance name" finds "the maintenance port is refused" 1
usual
rm -r "$scratch/a/root/sys/class/fc_host/host2"
check "its adapter is gone" finds "its adapter 21:.*:01 is not here"
usual
echo Linkdown >"$scratch/a/root/sys/class/fc_host/host2/port_state"
check "its adapter has no link" finds "its adapter .* is Linkdown"
usual
echo 1 >"$scratch/a/root/sys/class/fc_host/host2/max_npiv_vports"
check "its adapter is full" finds "its adapter .* has no room"

usual
echo 1 >"$scratch/b/root/sys/class/fc_host/host1/max_npiv_vports"
check "there is no room there" finds_there "no adapter has a link and room"
usual
port b pci0000:00/host1/vport-1:0-0 host7 2001000000000001
check "the original is logged in there" finds_there "the original name 20:01:.*:01 is logged in there: host7"
usual
port b pci0000:00/host1/vport-1:0-0 host7 2001000000000002
check "the maintenance name is, of a move that has not ended" \
	finds_there "the maintenance name 20:01:.*:02 is logged in there: host7"
usual
identity "$away"
check "it has been there before" says 0 "^web: ok" there
echo 8 >"$away/step"
check "and something is under way there" finds_there "an operation is under way there: o-login"
sed -i 's/2001000000000002/2001000000000009/' "$away/names"
check "it has other names there" finds_there "its identity has other names there"
identity "$scratch/b/kernel/fc db"
rm -r "$away"
check "another LPAR has its names there" finds_there "LPAR db has one of its names there"
rm -r "$scratch/b/kernel/fc db"
check "a host that does not answer" says 1 "^lparctl: b: 'lparctl fc list': failed" \
	on a fc check web --peer b --via false
check "one that says something else" says 1 "its answer is no JSON" \
	on a fc check web --peer b --via echo
check "a program that is none" exits 1 on a fc check web --peer b --via /nowhere/ssh

# A disk of the LPAR that is a path itself. Any block device of this machine will do.
device=$(lsblk -dnro PATH | head -n 1)
if [ -b "$device" ]; then
	usual
	touch "$scratch/a/kernel/claims"
	on a create web memory 2M
	echo "$device" >"$scratch/a/kernel/web/disks"
	mkdir -p "$scratch/a/root/sys/class/block/sdc"
	lsblk -dnro MAJ:MIN "$device" | tr -d ' ' >"$scratch/a/root/sys/class/block/sdc/dev"
	check "a guest has to have a map over its paths" finds "disk $device is a path of the original itself"
else
	skip "no block device here"
fi

# recover: web has left for b, and its caller is gone
token=0123456789abcdef
moved() {
	usual
	rm -f "$scratch"/[ab]/kernel/log
	numbers "$here" 3 6 2 0 0
	echo "0 0 0" >"$here/original"
	echo "2 4 1" >"$here/maintenance"
	printf %s $token >"$here/token"
	rm -rf "$away"
	identity "$away"
	rm "$scratch/a/root/sys/class/fc_host/host3"
}

# armed: b could be told of the switch-over any time
armed() {
	moved
	numbers "$away" 4 11 2 0 0
	printf %s $token | tee "$away/token" >"$away/used"
	echo "2 7 1" >"$away/original"
	port b pci0000:00/host1/vport-1:0-0 host7 2001000000000001
}

recover() {
	on a fc recover web --peer b --via "$scratch/via" "$@"
}

log() {
	[ -e "$scratch/$1/kernel/log" ] || : >"$scratch/$1/kernel/log"
	same "$(xargs <"$scratch/$1/kernel/log")" "$2"
}

# A host that speaks of receipts in another way
cat >"$scratch/odd" <<-EOT
	#!/bin/bash
	set -o pipefail
	"$scratch/via" "\$@" | sed -E 's/("receipt":) *"[^"]*"/\1"of 2027"/'
EOT
chmod +x "$scratch/odd"

# untouched_here: nothing was asked for at the source
untouched_here() {
	[ ! -e "$scratch/a/kernel/log" ]
}

# untouched: what was asked for changes nothing
untouched() {
	[ ! -e "$scratch/a/kernel/log" ] && [ ! -e "$scratch/b/kernel/log" ]
}

usual
check "recover without a name" exits 2 on a fc recover
check "nothing is under way" says 0 "nothing is under way" recover
numbers "$here" 3 8 1 0 0
check "what goes on by itself" says 0 "goes on by itself: o-login" recover
numbers "$here" 3 3 2 0 0
check "paths are the operator's" says 0 "paths to change over to the maintenance" recover
numbers "$here" 3 14 2 0 1
check "also on the way back" says 0 "paths to change over to the original" recover
numbers "$here" 4 11 2 0 0
check "a destination decides nothing" says 0 "recover it where it comes from" recover
check "nothing was done" untouched

moved
check "a host has to be said" says 2 "--peer HOST" on a fc recover web
numbers "$away" 4 0 0 1 0
echo "2 7 1" >"$away/original"
check "it lives there" says 0 "^web: lives at b" recover
check "the source is told of the switch-over" log a "switched web"
moved
numbers "$away" 4 12 1 0 0
echo "2 7 1" >"$away/original"
check "its disks are just let go there" says 0 "^web: lives at b" recover
moved
numbers "$away" 4 0 0 1 0
check "a former move proves nothing" says 1 "b does not know what became" recover
check "and nothing is done for it" untouched
armed
rm -r "$scratch/b/root/sys/class/fc_host/host7"
check "undecided, it goes back" says 0 "paths to change over to the original" recover
check "there first" log b "abort web"
check "then here, with the receipt" log a "abort web returned web"
check "the original has left there" same "$(cat "$away/original")" "0 0 0"
check "twice is once" says 0 "paths to change over to the original" recover
armed
check "the original may not be there by whatever" says 1 "is logged in there: host7" recover
check "then it stays as it is here" log a ""
armed
numbers "$here" 3 13 2 0 1
rm -r "$scratch/b/root/sys/class/fc_host/host7"
check "one that goes back already is ended" says 0 "paths to change over to the original" recover
check "with the receipt" log a "returned web"
moved
numbers "$here" 3 13 2 0 1
numbers "$away" 4 0 0 1 0
echo "2 7 1" >"$away/original"
check "one that lives on both is nobody's to mend" says 1 "it lives at b, and this host goes back" recover
check "and is left alone" untouched
armed
rm -r "$scratch/b/root/sys/class/fc_host/host7"
printf %s fedcba9876543210 | tee "$away/token" >"$away/used"
check "a receipt for another token is none" says 1 "b does not know what became" recover
check "it goes back with force only" says 0 "paths to change over to the original" recover --force
check "which is used then" log a "abort web forced web"
armed
rm -r "$scratch/b/root/sys/class/fc_host/host7"
check "what is no receipt is none" says 1 "b does not know what became" \
	on a fc recover web --peer b --via "$scratch/odd"
check "and is not taken for force" untouched_here
moved
check "one that never began" says 1 "no host has 20:01:.* logged in" recover
check "is left alone" untouched
check "unless that is sure" says 0 "paths to change over to the original" recover --force
check "without a receipt" log a "abort web forced web"

# The last token there, whatever was done since
armed
rm -r "$scratch/b/root/sys/class/fc_host/host7"
on b fc confirm web switched
on b fc logout web
check "one that came by the token lives there" says 0 "^web: lives at b" recover
check "the source is told" log a "switched web"
armed
rm -r "$scratch/b/root/sys/class/fc_host/host7"
on b fc abort web
on b fc login web --force
on b fc logout web
check "one that has gone back there" says 0 "paths to change over to the original" recover
check "gives its receipt for the asking" log a "abort web returned web"
hex=$(printf %s $token | od -An -tx1 | tr -d ' \n')
check "a token that was revoked" exits 0 on b fc revoke web --token "$hex" --used "$hex"
check "is worth nothing any more" exits 1 on b fc start web destination --token "$hex" --luns - <<-EOT
	[{"luns": [{"id": "${lun}00", "sectors": 131072, "block_size": 512}]}]
EOT
check "another one is not revoked on a guess" exits 1 on b fc revoke web --token "00${hex#??}" --used "01${hex#??}"

moved
check "a host that does not answer" says 1 "nobody but b knows" on a fc recover web --peer b --via false
check "is not guessed at" untouched
check "unless it is fenced" says 0 "paths to change over to the original" \
	on a fc recover web --peer b --via false --force

# start and stop of a guest with a port of its own
usual
rm -rf "$here" "$scratch/a/kernel/log" "$scratch/a/kernel/web" "$scratch/a/root/etc/lparkit/web.lpar"
note=$(run_of a web)/fc
describe a web fc-parent=any
check "a guest starts" says 0 "port 20:01:.* is logged in at host3" on a start web
check "its port has been logged in" grep -qx "login web" "$scratch/a/kernel/log"
check "at the adapter that is there" grep -qx 21000024ff000001 "$here/names"
check "it stops" says 0 "port is logged out" on a stop web --timeout 0s
check "its port, too" grep -qx "logout web" "$scratch/a/kernel/log"
check "and nothing is left but the identity" test ! -e "$note" -a -d "$here"
on a start web >/dev/null
echo 1 >"$here/busy"
mkdir -p "$scratch/a/root/sys/class/block/sdb/holders/dm-0"
check "a map keeps the port" says 0 "stays logged in" on a stop web --timeout 0s
check "which is known" test -e "$note"
echo 0 >"$here/busy"
check "the next stop logs it out" says 0 "port is logged out" on a stop web --timeout 0s
on a fc login web
on a start web >/dev/null
on a stop web --timeout 0s >/dev/null
check "what an operator has logged in stays so" same "$(head -c 1 "$here/original")" 2
on a fc logout web
rm -rf "$scratch/a/kernel/web" "$scratch/a/kernel/log"
echo 1 >"$scratch/a/kernel/killer"
check "a start is killed as its port is logged in" exits 137 on a start web
check "the port of an LPAR that nobody knows" says 1 "No such file" on a show web
check "is logged out by its stop" says 0 "port is logged out" on a stop web
check "it is" log a "login web logout web"
rm "$scratch/a/kernel/log"
echo 1 >"$here/slow"
echo 1 >"$scratch/a/kernel/killer"
on a start web >/dev/null 2>&1
check "one whose port was still logging in" says 0 "port is logged out" on a stop web
check "goes back" log a "login web abort web"
echo 0 >"$here/slow"
on a start web >/dev/null
rm "$scratch/a/kernel/log"
echo 1 >"$here/slow"
check "a logout that does not end is not waited for" says 4 "the next stop waits" \
	timeout 60 "$scratch/via" a lparctl stop web --timeout 0s
check "only the port is left" says 1 "no guest" on a console web
check "which is known" test -e "$note"
(
	sleep 1
	echo "0 0 0" >"$here/original"
	echo 0 | tee "$here/step" >"$here/state"
) &
check "the next stop sees it end" says 0 "port is logged out" on a stop web
check "and has asked for it once" same "$(grep -c "logout web" "$scratch/a/kernel/log")" 1
echo 0 >"$here/slow"

# What a start has changed that fails
rm -rf "$scratch/a/kernel/web"
sed -i 's/21000024ff000001/21000024ff0000aa/' "$here/names"
describe a web fc-parent=any binary=/bin/false
check "a start fails" says 5 "everything is as it was" on a start web
check "its adapter is the former one" grep -qx 21000024ff0000aa "$here/names"
rm -r "$here"
check "one that has defined the identity" says 5 "everything is as it was" on a start web
check "has deleted it" test ! -e "$here"
cat >"$scratch/breaker" <<-EOT
	#!/bin/bash
	cd "$scratch/a/root/var/lib/lparkit/running" && rm web.json && mkdir web.json
	exit 1
EOT
chmod +x "$scratch/breaker"
describe a web fc-parent=any binary="$scratch/breaker"
check "what is on record and cannot be taken back" says 1 "running/web.json" on a start web
check "is not called as it was" same "$(grep -c "everything is as it was" "$scratch/err")" 0
rmdir "$scratch/a/root/var/lib/lparkit/running/web.json"
describe a web fc-parent=any
on a start web >/dev/null
on a stop web --timeout 0s >/dev/null
echo 1 >"$scratch/a/root/sys/class/fc_host/host2/max_npiv_vports"
echo "20000000000000aa" | cat - "$here/names" >"$scratch/names"
mv "$scratch/names" "$here/names"
check "another identity is not overwritten" says 1 "other names than its description" on a start web
