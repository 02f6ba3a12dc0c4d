#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# SOURCE is an NBD export of another network namespace, 20 ms away: each block is asked for
# once, a link that is cut or loses frames is no error, and the server that comes back is used.
# vm: cpus=2 mem=1024 disks=32M,4M,32M timeout=400 long=6.1,7.2,debug
# shellcheck source=selftests/relocate/relocate.sh
. "$(dirname "$0")/relocate.sh"

log=$scratch/nbd.log
server=10.99.0.2

# It is the link that is on trial, not this machine's network.
set_up_link() {
	ip netns add away && ip link add here type veth peer name there netns away &&
		ip addr add 10.99.0.1/24 dev here && ip link set here up &&
		ip -n away addr add $server/24 dev there && ip -n away link set there up &&
		ip -n away link set lo up
}

# link_is NETEM-WORD...: on its way back.
link_is() {
	ip netns exec away tc qdisc replace dev there root netem "$@" limit 10000
}

listens() {
	ip netns exec away ss -ltn | grep -q ":10809 "
}

# Each request ends up in the log.
serve() {
	ip netns exec away nbdkit -r -f --filter=log file "$near" logfile="$log" &
	nbdkit=$!
	wait_until 30 listens
}

attach() {
	nbd-client $server 10809 /dev/nbd0 -b 512 -t 10 -C 2
}

is_detached() {
	! nbd-client -c /dev/nbd0 >/dev/null
}

# Bytes that were asked for, once each and more than once.
asked() {
	python3 - "$log" <<-'END'
		import re, sys
		seen, twice = set(), 0
		for line in open(sys.argv[1]):
		    read = re.search(r" Read .*?offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+)", line)
		    if not read:
		        continue
		    offset, count = (int(number, 16) for number in read.groups())
		    for sector in range(offset // 512, (offset + count) // 512):
		        twice += sector in seen
		        seen.add(sector)
		print(len(seen), twice)
	END
}

forget_asked() {
	: >"$log"
}

source_is() {
	status_is vm 13 "$1"
}

clean_up() {
	dmsetup remove vm 2>/dev/null
	nbd-client -d /dev/nbd0 >/dev/null 2>&1
	kill -KILL "${nbdkit:-}" 2>/dev/null
	ip netns del away 2>/dev/null
}

command -v nbdkit >/dev/null || skip_all "no nbdkit"
command -v nbd-client >/dev/null || skip_all "no nbd-client"
modprobe nbd nbds_max=1 max_part=0 || skip_all "no nbd"
modprobe sch_netem || skip_all "no netem"

plan 14
set_up_link || bail "no link"
link_is delay 20ms
serve || bail "no server"
check "a client" attach
sleep 1
forget_asked
rm -f "$model"
check "a disk begins" relocate /dev/nbd0
data check "random I/O while it comes" relmodel --random $vm "$model" $RANDOM 200 4
check "all of it comes" complete
read -r once twice <<<"$(asked)"
diag "asked for $once sectors once, $twice more than once"
data check_is "nothing was asked for twice" "$twice" 0
check "what was written was not asked for" test "$once" -lt "$(sectors "$near")"
data check "all is right" relmodel --check $vm "$model"
dmsetup remove vm

wipe_store
spoil_dest
rm -f "$model"
link_is delay 20ms loss 1%
# Without a copier there are holes all the time.
relocate - fetch 4 ahead 0 || bail "no device"
message vm pause
message vm source /dev/nbd0
relmodel --random $vm "$model" $RANDOM 200 4 &
load=$!
wait_until 60 some_present 16
ip -n away link set there down
sleep 5
ip -n away link set there up
link_is delay 20ms
check "the guest sees nothing of a link that loses frames, and is cut" wait $load
# The server dies; another one is used as soon as it is there.
kill -KILL $nbdkit
wait $nbdkit 2>/dev/null
relmodel --random $vm "$model" $RANDOM 50 4 &
load=$!
check "it is known that SOURCE is in trouble" wait_until 60 source_is retry
nbd-client -d /dev/nbd0
message vm source -
wait_until 30 is_detached
serve || bail "no second server"
attach || bail "no second client"
check "another server" message vm source /dev/nbd0
check "the guest sees nothing of that either" wait $load
message vm resume
check "all of it comes" complete
data check "all is right" relmodel --check $vm "$model"
dmsetup remove vm
data check "on DEST as well" relmodel --check "$dest" "$model"
clean_up
