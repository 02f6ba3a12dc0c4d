# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # scratch and background are played.sh's
# What a caller says to an execd, request by request.

# execd_up HOST: one that listens to ask; what it says to people is in $scratch/said
execd_up() {
	coproc "$scratch/via" "$1" lparctl execd 2>"$scratch/said"
	execd=$!
	background+=("$execd")
	exec 8<&"${COPROC[0]}" 9>&"${COPROC[1]}"
	eval "exec ${COPROC[0]}<&- ${COPROC[1]}>&-"
}

# ask OP [JSON]: a request, which succeeds
ask() {
	local line

	echo "{\"op\": \"$1\"${2:+, $2}}" >&9
	while read -r -t 60 line <&8; do
		[[ $line != *'"progress"'* ]] && break
	done
	[[ $line = *'"result"'* ]] || echo "# $1: $line"
	[[ $line = *'"result"'* ]]
}

# refused OP WHY [JSON]: a request, which fails for that reason
refused() {
	local line

	echo "{\"op\": \"$1\"${3:+, $3}}" >&9
	while read -r -t 60 line <&8; do
		[[ $line != *'"progress"'* ]] && break
	done
	[[ $line = *"\"error\""*"$2"* ]] || echo "# $1: $line"
	[[ $line = *"\"error\""*"$2"* ]]
}

# hello HOST SILENCE_NS: the first one
hello() {
	execd_up "$1"
	ask hello "\"version\": 3, \"silence_ns\": $2"
}

# soon MS: of arm, the instant at which guests are to stand
soon() {
	echo "\"action\": \"close\", \"at_ns\": $(($(date +%s%N) + $1 * 1000000))"
}
