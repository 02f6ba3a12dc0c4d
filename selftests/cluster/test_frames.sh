#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flood of numbered messages and a TCP stream, both ways between guests on two hosts,
# go on over a save and a restore: none lost, none twice, none out of order.
# vm: rig cpus=3 mem=1280 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

both_stream() {
	grows a1 stream_received && grows b1 stream_received
}

stream_is_right() {
	[ "$(ask "$1" stream_wrong) $(ask "$1" stream_broken)" = "0 0" ]
}

frames_held() {
	lparctl -j cluster show "$1" --dir $dir |
		grep -o '"frames_[a-z_]*":[0-9]*' | awk -F: '{ n += $2 } END { print n + 0 }'
}

check "two hosts" hosts_up || bail "no rig"
check "a pair of guests" cluster_up 1 1000 || bail "no cluster"
tell_all "pair forget"
tell_all "pair flood 1"
tell_all "pair stream 1"
check "a flood and a stream, undisturbed" both_stream
for what in continue restore; do
	if [ $what = continue ]; then
		check "saved and continued" cluster save $what --hosts a,b --continue
	else
		check "saved" cluster save $what --hosts a,b
		check "restored" cluster restore $what
	fi
	diag "$(frames_held $what) frames were held"
	check "$what: streams go on" both_stream
	check "$what: no message is lost, repeated or out of order" all_quiet
	data check "$what: no word of a stream is wrong: a1" stream_is_right a1
	data check "$what: no word of a stream is wrong: b1" stream_is_right b1
done
check "frames were held" test "$(frames_held restore)" -gt 0
