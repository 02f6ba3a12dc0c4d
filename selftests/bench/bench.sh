# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# What the benchmarks have in common: figures as lines of JSON. Needs lib/tap.sh,
# and $bench, the name of the benchmark.

die() {
	echo "bench_$bench: $*" >&2
	exit 1
}

# figure METRIC VALUE UNIT
figure() {
	[ -n "$2" ] || die "no value for $1"
	printf '{"bench":"%s","metric":"%s","value":%s,"unit":"%s"}\n' "$bench" "$1" "$2" "$3" >&3
}

# percentile P < NUMBERS
percentile() {
	sort -g | awk -v p="$1" '{ v[NR] = $1 } END { i = int((NR - 1) * p / 100 + 0.5); if (NR) print v[i + 1] }'
}

median() {
	percentile 50
}

# ratio A B
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.4f", a / b }'
}
