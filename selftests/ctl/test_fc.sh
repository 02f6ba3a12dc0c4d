#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc check: what it finds before an identity is to move, on hosts that are played.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 34
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

# usual: as it is when it can move
usual() {
	rm -rf "$scratch"/[ab]/root/sys "$away"
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
