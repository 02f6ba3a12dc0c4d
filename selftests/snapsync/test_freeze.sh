#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# snap take --fs-freeze: the file system of a "guest", which is this host, needs no journal in the
# state, and does not stand still longer than it may, whatever becomes of lparctl or the agent.
# vm: cpus=2 mem=768 disks=16M,32M,1M,12M timeout=240 long=6.1,7.2,debug
# shellcheck source=selftests/snapsync/snapsync.sh
. "$(dirname "$0")/snapsync.sh"

vol=/dev/mapper/vol
mnt=$scratch/mnt
agent=$scratch/agent
mkdir "$mnt" "$scratch/old"

# agent_is [WAY]: another agent takes its place; see played-agent
agent_is() {
	[ -z "$played" ] || { kill "$played"; wait "$played"; } 2>/dev/null
	rm -f "$agent" "$scratch/go"
	: >"$scratch/log"
	"$(dirname "$0")/played-agent" "$agent" "$mnt" "$scratch/log" "$scratch/go" "$@" &
	played=$!
	wait_until 30 test -S "$agent"
}

# take NAME [TIME]
take() {
	lparctl snap take vol "$1" --fs-freeze "${2:-10s}" --agent "$agent" 2>"$scratch/err"
}

# fails PATTERN NAME [TIME]: and says so
fails() {
	if take "${@:2}"; then return 1; fi
	cat "$scratch/err"
	grep -q "$1" "$scratch/err"
}

has() {
	message "$1" list | grep -q "^$2 "
}

none_has() {
	! has vol "$1" && ! has log "$1"
}

# logged LINE...: this and no more
logged() {
	[ "$(xargs <"$scratch/log")" = "$*" ]
}

is_frozen() {
	grep -q freeze "$scratch/log"
}

# Nobody waits for a file system that stands still.
goes_on() {
	timeout 20 touch "$mnt/$RANDOM"
}

# needs_journal STATE
needs_journal() {
	view view vol "$1" || return 2
	dumpe2fs -h /dev/mapper/view 2>/dev/null | grep -q needs_recovery
	local status=$?
	dmsetup remove view && return $status
}

# mounts STATE: as it is
mounts() {
	view view vol "$1" && mount -o ro /dev/mapper/view "$scratch/old"
	local status=$?
	[ $status != 0 ] || umount "$scratch/old"
	dmsetup remove view && return $status
}

# start_take NAME [TIME]: it waits for the agent, which has frozen; its id is in $taker
start_take() {
	take "$@" &
	taker=$!
	wait_until 30 is_frozen
}

holder() {
	pgrep -P "$(pgrep -P $taker lparctl || echo $taker)"
}

plan 41
dmsetup create below --table "0 $(sectors "$(disk 4)") linear $(disk 4) 0"
mkfs.ext4 -q -E lazy_itable_init=0 "$base" || bail "no ext4"
volume vol group g
base=$(disk 3) store=/dev/mapper/below volume log group g
mount $vol "$mnt" || bail "not mounted"
goes_on

check "no socket" fails "agent=yes" none
agent_is mute
check "an agent that is not there" fails "no agent answers" none
check_fails "no agent said" lparctl snap take vol none --fs-freeze 1s
check_fails "no time said" lparctl snap take vol none --agent "$agent"
check_fails "a time that is none" lparctl snap take vol none --agent "$agent" --fs-freeze 2h
agent_is refuses
check "an agent that refuses" fails "the hook says no" none
check "nothing is taken" none_has none
agent_is nothing
check "nothing to freeze" fails "no file system" none

agent_is
check "a state as it comes" lparctl snap take vol plain
check "its file system needs its journal" needs_journal plain
check "a state with a freeze" take frozen
check "of both volumes" has log frozen
check "the agent has frozen, and thawed" logged freeze thaw
check_fails "its file system needs no journal" needs_journal frozen
check "and is mounted without" mounts frozen
check_fails "as the other is not" mounts plain
check "it goes on" goes_on
check_fails "a name that is in use" take frozen
check "it goes on, too" goes_on
agent_is frozen
check "somebody else has frozen it" fails "frozen already" none
check "and has not done with it" logged ""
agent_is stale
check "an agent that has more to say" take stale

agent_is waits
start_take none
kill -9 "$(pgrep -P $taker lparctl || echo $taker)"
touch "$scratch/go"
check "lparctl is killed: it is thawed" wait_until 30 logged freeze thaw
check "nothing is taken" none_has none
check "it goes on" goes_on
agent_is waits
start_take none
kill -9 "$(holder)"
touch "$scratch/go"
check_fails "who thaws is killed: that fails" wait "$taker"
check "but lparctl thaws" goes_on
agent_is waits
start_take none 200ms
check "an agent that takes too long" wait_until 30 grep -q "in time" "$scratch/err"
touch "$scratch/go"
check_fails "that fails" wait "$taker"
check "it thaws then" logged freeze thaw
check "it goes on" goes_on

# What the file system is on does answer, or it could not be thawed.
agent_is waits
start_take late 8s
dmsetup suspend below
touch "$scratch/go"
check "a disk of the other does not answer: it is thawed" wait_until 60 logged freeze thaw
check "still nothing is taken" kill -0 "$taker"
dmsetup resume below
check_fails "the take comes too late" wait "$taker"
check "that is told" grep -q "the time was over" "$scratch/err"
check "it is deleted again" none_has late
agent_is itself
check "an agent that thaws before" fails "somebody else" none
check "its state is deleted" none_has none
agent_is loses
check "a request to thaw that is lost" fails "does not thaw" none
check "is repeated" logged freeze thaw
check "it goes on" goes_on
kill "$played"
