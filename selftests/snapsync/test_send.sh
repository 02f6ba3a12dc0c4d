#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A state travels from one volume to another, whose base disk is another one, through a pipe
# that breaks; what the writer goes on with has no part in it.
# vm: cpus=2 mem=768 disks=8M,24M,8M,24M timeout=180 long=6.1,7.2,debug here
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
other=/dev/mapper/other

# uuid VOL STATE
uuid() {
	lparctl -j snap list "$1" | python3 -c "import json, sys; print(*(x['uuid'] for x in json.load(sys.stdin) if x['name'] == '$2'))"
}

# sum_of VOL STATE: by a view.
sum_of() {
	view seen "$1" "$2" && sum /dev/mapper/seen
	dmsetup remove seen
}

no_view_is_left() {
	! dmsetup ls | grep -q snap-send
}

send() {
	lparctl snap send vol "$@"
}

receive() {
	lparctl snap receive other "$@"
}

plan 29
fill "$base" 130 0 8192	# X
fill "$(disk 3)" 131 0 8192	# Y
volume vol chunk 4
store=$(disk 4) base=$(disk 3)
wipe_store
volume other chunk 16
fill $vol 141 0 2048	# a
blkdiscard -z -o 1M -l 3M $vol
lparctl snap take vol one note "the first of them"
good=$(sum $vol)
printf '%s\n' "[lpar]" "memory=16M" "disk=$other" "[guest]" >"$scratch/g.lpar"
check_fails "a part of a whole one is no state" eval "send one | head -c 700000 | receive"
check "and no guest starts from it" eval "! lparctl lpar start g --file $scratch/g.lpar 2>$scratch/said && grep -q 'part of a state' $scratch/said"
check "a state is sent and received, while the volume is written" eval "send one | receive"
data check_is "it runs" "$(sum $other)" "$good"
data check_is "it is a state" "$(sum_of other one)" "$good"
check_is "of the same take" "$(uuid other one)" "$(uuid vol one)"
check "whose view is gone" no_view_is_left
fill $vol 142 4 64	# b
fill $vol 142 5000 3000
lparctl snap take vol two
fill $vol 143 0 8000	# c
good_two=$(sum_of vol two)
check "what another has that it has not" eval "send two --from one >$scratch/two"
check "is less" test "$(stat -c %s "$scratch/two")" -lt $((4 << 20))
check_fails "half of it is no state" eval "head -c 1500000 $scratch/two | receive"
check_is "nor has it one" "$(uuid other two)" ""
data check_is "and runs what it ran before" "$(sum $other)" "$good"
fill $other 145 100 8	# e
check_fails "what was written since is not thrown away" eval "send --from one two --at \$(receive --at) | receive"
check_is "it is there" "$(byte $other $((100 << 10)))" 145
lparctl snap restore other one
check_is "where to go on is known" "$(receive --at)" "$(lparctl -j snap receive other --at | tr -dc 0-9)"
check "it goes on" eval "send --from one two --at \$(receive --at) | receive"
data check_is "it runs, too" "$(sum $other)" "$good_two"
check_is "nothing else is left" "$(lparctl snap list other | awk 'NR > 1 { print $1 }' | tr '\n' ,)" "one,two,(running),"
data check_is "the former one is as it was" "$(sum_of other one)" "$good"
check_fails "it is not received twice" eval "receive <$scratch/two"
exec {fd}<$other
lparctl snap take vol three
check_fails "nor while anybody has it open" eval "send three --from two | receive"
exec {fd}<&-
lparctl snap restore other two
three=$scratch/three
send three --from two >"$three"
# Somebody comes when half of it is here, and goes.
interrupted() {
	{
		head -c 1500000 "$three"
		fill $other 146 4096 4	# f
		tail -c +1500001 "$three"
	} | receive
}
check_fails "what somebody writes in the middle is not taken for the sender's" interrupted
check_is "there is no such state" "$(uuid other three)" ""
lparctl snap restore other two
check "without that it goes on" eval "send three --from two --at \$(receive --at) | receive"
data check_is "and is the same" "$(sum_of other three)" "$(sum_of vol three)"
# Nobody reads: it ends, and so does its view.
check_fails "a pipe that nobody reads" eval "(send three | true; exit \${PIPESTATUS[0]})"
check "leaves no view" wait_until 20 no_view_is_left
dmsetup remove vol
dmsetup remove other
data check "the store of one is sound" lparctl snap check "$(disk 2)"
data check "and that of the other" lparctl snap check "$(disk 4)"
