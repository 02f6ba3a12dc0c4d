# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Where the vCPUs of a real guest run, and how much. Needs talk.

# Looks at where they run
VCPUS_LOOKS=5
# Percent of the time that a vCPU wants to run: two on one CPU have half of it each. What an
# LPAR without a spare CPU needs besides, QEMU's own threads and the kernel's, is not little
# where all are emulated.
VCPUS_SHARE=60

# vcpu_threads QMP-SOCKET: the properties of a vCPU have a "thread-id" of another kind.
vcpu_threads() {
	talk "$1" '{"execute":"query-cpus-fast"}' 60 | sed 's/"props": *{[^}]*}//g' |
		grep -o '"thread-id": *[0-9]*' | grep -o '[0-9]*$'
}

# ran PID THREAD...: nanoseconds that these have run, and that they have waited for a CPU
ran() {
	local pid=$1 thread ran=0 waited=0 one other

	shift
	for thread; do
		read -r one other _ <"/proc/$pid/task/$thread/schedstat" || return
		ran=$((ran + one)) waited=$((waited + other))
	done
	echo $ran $waited
}

# in_words LIST: 2-3,5 as 2 3 5
in_words() {
	local part

	for part in ${1//,/ }; do
		seq "${part%-*}" "${part#*-}"
	done
}

# run_on_all PID CPUS THREAD...: each of them was on one of the CPUs last, another one each,
# and none is left over. Nothing is forked, as busy vCPUs leave little to others.
run_on_all() {
	local pid=$1 cpus=$2 stat thread places=()

	shift 2
	for thread; do
		read -r stat <"/proc/$pid/task/$thread/stat" || return
		read -ra stat <<<"${stat##*) }"
		places[stat[36]]=$thread
	done
	[ "${!places[*]}" = "$cpus" ] && [ ${#places[@]} = $# ] && return
	echo "# $# vCPUs of PID $pid run on CPUs ${!places[*]}, its own are $cpus"
	return 1
}

# use_all_cpus LPAR: of its guest, all of whose vCPUs want to run, each has a CPU of the LPAR
# to itself, none of these is left over, and it gets what it wants.
use_all_cpus() {
	local pid threads cpus before look

	pid=$(cat "/run/lparkit/$1/qemu.pid") || return
	# shellcheck disable=SC2207 # words
	threads=($(vcpu_threads "/run/lparkit/$1/qmp.sock"))
	cpus=$(in_words "$(cat "/sys/class/lpar/$1/cpus")" | xargs)
	[ -n "$cpus" ] || return
	before=$(ran "$pid" "${threads[@]}") || return
	for ((look = 0; look < VCPUS_LOOKS; look++)); do
		sleep 0.2
		run_on_all "$pid" "$cpus" "${threads[@]}" || return
	done
	echo "$before $(ran "$pid" "${threads[@]}")" |
		awk -v name="$1" -v least=$VCPUS_SHARE '{
			ran = $3 - $1; wanted = ran + $4 - $2
			share = wanted > 0 ? 100 * ran / wanted : 0
			printf "# %s: its vCPUs had %d ms of %d that they wanted\n", name, ran / 1e6, wanted / 1e6
			exit share < least
		}'
}
