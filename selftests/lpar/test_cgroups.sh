#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# LPARs come and go while others move processes between cgroups without end, as service
# managers do: both go on, and so does all else. An isolated cpuset partition, made
# meanwhile, stops the whole host on some kernels.
# vm: cpus=4 threads=2 mem=1024 timeout=300 kernels=6.1,6.12,7.2 long=6.1,7.2
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"

# test_cgroups_long.sh sets it.
seconds=${seconds:-30}
# What stands still does so for good.
STILL_S=24
CGROUP=/sys/fs/cgroup

# note NAME NUMBER...: whoever reads it while it is written has these or the former.
note() {
	printf '%09d ' "${@:2}" 1<>"$scratch/$1"
}

# mover NUMBER PID: moves it to and fro
mover() {
	local moves=0

	while echo "$2" >$CGROUP/x/cgroup.procs && echo "$2" >$CGROUP/y/cgroup.procs; do
		moves=$((moves + 1))
		note "moves.$1" $moves
	done
}

# How many rounds, and in how many of them somebody was moved during the activation.
activator() {
	local rounds=0 beside=0 before

	while [ ! -e "$scratch/enough" ]; do
		before=$(cat "$scratch"/moves.*)
		lparctl activate a --host || return
		[ "$(cat "$scratch"/moves.*)" = "$before" ] || beside=$((beside + 1))
		lparctl deactivate a || return
		rounds=$((rounds + 1))
		note rounds $rounds $beside
	done
}

# How many forks, and how many milliseconds the longest took.
forker() {
	local forks=0 longest=0 began took

	while :; do
		began=${EPOCHREALTIME/./}
		(:)
		took=$(((${EPOCHREALTIME/./} - began) / 1000))
		[ $took -le $longest ] || longest=$took
		forks=$((forks + 1))
		note forks $forks $longest
		read -r -t 0.1 -u 7
	done
}

# Forks nothing, which would never return on a host that stands still.
goes_on() {
	local end=$((SECONDS + seconds)) last='' since=$SECONDS now_rounds now_forks

	while [ $SECONDS -lt $end ]; do
		read -r -t 1 -u 7
		read -r now_rounds <"$scratch/rounds"
		read -r now_forks <"$scratch/forks"
		if [ "$now_rounds" != "${last%:*}" ] && [ "$now_forks" != "${last#*:}" ]; then
			last=$now_rounds:$now_forks
			since=$SECONDS
		fi
		if [ $((SECONDS - since)) -gt $STILL_S ]; then
			diag "since $STILL_S s: rounds $now_rounds, forks $now_forks"
			return 1
		fi
	done
}

is_moved() {
	grep -q '/[xy]$' "/proc/$1/cgroup"
}

no_partition() {
	same "$(grep -sLx member $CGROUP/*/cpuset.cpus.partition | xargs)" ""
}

# Whoever was moved has been killed when this runs.
remove_cgroups() {
	rmdir $CGROUP/x $CGROUP/y
	echo -cpuset >$CGROUP/cgroup.subtree_control
	remove_rest
}
trap 'leave remove_cgroups' EXIT

# Nobody writes to it.
mkfifo "$scratch/never"
exec 7<>"$scratch/never"
plan 8
load lpar
lparctl create a cpus 2-3
echo +cpuset >$CGROUP/cgroup.subtree_control
mkdir $CGROUP/x $CGROUP/y
note rounds 0 0
note forks 0 0
moved=()
for number in 1 2 3; do
	start sleep 10000
	moved+=("$pid")
	note "moves.$number" 0
	start mover $number "$pid"
done
check "a process is moved to and fro" wait_until 20 is_moved "${moved[0]}"
start forker
start activator >/dev/null
activator=$pid
check "for $seconds s neither LPARs nor forks stand still" goes_on || bail "the host stands still"
echo >"$scratch/enough"
check "no LPAR was refused" wait "$activator"
read -r rounds beside <"$scratch/rounds"
read -r forks longest <"$scratch/forks"
rounds=$((10#$rounds)) beside=$((10#$beside)) forks=$((10#$forks)) longest=$((10#$longest))
diag "$rounds rounds, $beside of them beside a move; $forks forks, the longest took $longest ms"
check "LPARs come and go" test $rounds -ge 3
check "while processes are moved" test $beside -gt $((rounds / 2))
check "no fork takes long" below $longest $((STILL_S * 1000))
check "activate once more" lparctl activate a --host
check "there is no partition" no_partition
lparctl deactivate a
