#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# relocate start --from: SOURCE is a disk of another host. That crashes and boots, the disk is
# another one afterwards, who keeps the connection is killed or gives up: the guest waits, and
# never sees an error, nor anything but its data.
# vm: cpus=2 mem=1024 disks=16M,4M,16M timeout=400 long=6.1,7.2,debug
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"
# shellcheck source=selftests/relocate/away.sh
. "$(dirname "$0")/away.sh"

disk=$scratch/disk
low=/dev/mapper/low
said=$scratch/said
via=$(readlink -f "$(dirname "$0")/via")

# begin OPTION...: lparctl relocate start, with a source on the other host
begin() {
	lparctl relocate start vm --dest "$dest" --meta "$meta" --ahead 0 --rate 1M "$@"
}

# keep COMMAND...: in the background, with what it says in $said
keep() {
	"$@" >"$said" 2>&1 &
	keeper=$!
}

reconnect() {
	keep lparctl relocate connect vm "away:$disk" "$@"
}

# Its exit code.
ended() {
	local code

	wait $keeper
	code=$?
	cat "$said"
	return $code
}

is_active() {
	[ -b $vm ] && dmsetup status vm | grep -q relocate
}

source_is() {
	status_is vm 13 "$1"
}

# A block that is not here yet: the load is in the lower half of the disk.
hole=$((16 * 1024))

# read_hole: in the background; it takes the last one that nobody has asked for.
read_hole() {
	hole=$((hole - 256))
	kib $vm $hole 4 &
	reader=$!
}

waits() {
	sleep 2
	kill -0 $reader
}

connected() {
	cat /sys/block/nbd*/pid 2>/dev/null | wc -l
}

one_serves() {
	[ "$(servers)" = 1 ]
}

nobody_serves() {
	[ "$(servers)" = 0 ]
}

command -v nbdkit >/dev/null || skip_all "no nbdkit"
modprobe nbd nbds_max=0 max_part=0 || skip_all "no nbd"
modprobe sch_netem || skip_all "no netem"
trap 'dmsetup remove low vm; clear_away_host; clear_away' EXIT
plan 34
set_up_link || bail "no link"
link_is delay 20ms
away_up || bail "no host"
ln -s "$near" "$disk"

check "DEV is a path" grep -q "wants HOST:DEV" <(begin --from away:disk 2>&1)
# shellcheck disable=SC2016 # that is what it says
check "of which a shell makes nothing" grep -q "wants HOST:DEV" <(begin --from 'away:/dev/$(id)' 2>&1)
check "a disk that is not there is named" grep -q "cannot connect to away:/dev/none" \
	<(begin --from away:/dev/none --via "$via" 2>&1)
check "so is a host" grep -q "cannot connect to far:$near" <(begin --from "far:$near" --via "$via" 2>&1)
check_fails "there is no volume" is_active

rm -f "$model"
keep begin --from "away:$disk" --via "$via"
check "a disk begins" wait_until 60 is_active
# From here on there are holes.
message vm pause
check_is "by one connection" "$(connected)" 1
data check "it serves at once" same $vm "$near" 8192 64
dmsetup create low --table "0 $((8192 * 2)) linear $vm 0"
# It ends only when the host is there again, as it comes to blocks that are not here.
relmodel --random $low "$model" $RANDOM 300 2 &
load=$!
away_down
check "the host crashes" wait_until 30 source_is none
check_is "nothing is left of the connection" "$(connected)" 0
read_hole
check "who reads what is not here waits" waits
away_up || bail "no host"
check "it boots: the source is there again" wait_until 60 source_is ok
check "who waited has it" wait $reader
data check "the guest has seen nothing of it" wait $load

dmsetup create other --table "0 $(sectors "$near") zero"
away_down
ln -sfn /dev/mapper/other "$disk"
away_up || bail "no host"
ended
check_is "after a boot, the name is that of another disk" $? 1
check "it is refused" grep -q "another disk" "$said"
check_is "there is no source" "$(status_word vm 13)" none
read_hole
check "who reads what is not here waits" waits
ln -sfn "$near" "$disk"
reconnect --via "$via"
check "the right one is given back" wait_until 60 source_is ok
data check "who waited has it" wait $reader

kill -KILL $keeper
wait $keeper 2>/dev/null
read_hole
check "without who keeps it, the connection goes on" wait $reader
reconnect --via "$via" --deadline 5s
check "another one keeps it" wait_until 60 grep -q "fed from" "$said"
check "by a connection of its own" wait_until 30 one_serves
check_is "the former one is gone" "$(connected)" 1
away_down
ended
check_is "a host that stays away is given up" $? 4
check "and the remedy is named" grep -q "run 'lparctl relocate connect vm away:$disk'" "$said"
read_hole
check "the guest waits" waits
away_up || bail "no host"
reconnect --via "$via"
check "until it is back" wait $reader
message vm rate 0
message vm resume
check "all comes, and the connection ends" ended
check "nobody serves any more" wait_until 30 nobody_serves
check_is "nor is there a device for it" "$(connected)" 0
data check "what the guest has written is there" relmodel --check $low "$model"
data check "and what it has not" same $vm "$near" 8192 8192
dmsetup remove low
dmsetup suspend vm && dmsetup resume vm
data check "DEST has all of it" same $vm "$dest" 0 16384
dmsetup remove vm
