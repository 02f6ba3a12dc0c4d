# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Where the threads of a process run, and how fast. Busy threads leave little to others, so
# that nothing is forked for what the shell can do.

# Percent of the time that a thread could run. Kernel threads have the rest.
SHARE=95

tasks() {
	local task

	for task in "/proc/$1/task"/*; do
		echo "${task##*/}"
	done
}

# On which CPUs the threads were last, each once.
places() {
	local task stat

	for task in "/proc/$1/task"/*; do
		read -r stat <"$task/stat"
		read -ra stat <<<"${stat##*) }"
		echo "${stat[36]}"
	done | sort -u
}

are_apart() {
	[ "$(places "$1" | wc -l)" = "$2" ]
}

# snapshot PID: thread, nanoseconds that it ran, nanoseconds that it waited for a CPU
snapshot() {
	local task times

	for task in "/proc/$1/task"/*; do
		read -r times <"$task/schedstat"
		echo "${task##*/} $times"
	done
}

# Every thread of the process has such a share of the time that it wants to run.
has_share() {
	local before least

	before=$(snapshot "$1")
	sleep 5
	least=$(join <(echo "$before") <(snapshot "$1") | awk '
		{ run = $5 - $2; wait = $6 - $3; share = 100 * run / (run + wait) }
		NR == 1 || share < least { least = share }
		END { print int(least) }')
	diag "the least of the threads had $least % of the time that it wanted"
	[ "$least" -ge $SHARE ]
}

# pins PID CPU...: words that pin its threads to these CPUs
pins() {
	local pid=$1 vcpu=0 task

	shift
	for task in $(tasks "$pid"); do
		[ $# -gt 0 ] || return
		echo "pin $vcpu:$task:$1"
		vcpu=$((vcpu + 1))
		shift
	done
}
