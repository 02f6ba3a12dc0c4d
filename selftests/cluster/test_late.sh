#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest that is told to go on long after its peers misses none of their messages: neither those
# that were held, nor those that come before its QEMU runs.
# vm: rig cpus=3 mem=1024 timeout=900 kernels=6.1,6.12,7.2 speed=long
# shellcheck source=selftests/cluster/cluster.sh
. "$(dirname "$0")/cluster.sh"

report=$scratch/report

# b's guest went on that long after its gate had opened, in ns
late_ns() {
	/usr/bin/python3 -c '
import json, sys
resume = next(h["resume"] for h in json.load(sys.stdin)["hosts"] if h["host"] == "b")
print(resume["halted"]["b1"] - resume["cut"]["deadline_ns"])' <"$report"
}

save_late() {
	lparctl -j cluster save late --via "$via" --dir "$dir" --hosts a,b --continue >"$report"
}

plan 6
check "two hosts" hosts_up || bail "no rig"
check "a pair of guests" cluster_up 1 1000 || bail "no cluster"
tell_all "pair forget"
on b late_qemu b1 4 &
check "saved and continued" save_late
wait $!
check "b was late" test "$(late_ns)" -gt 2000000000
check "it counts on" all_count
data check "each message came once" all_came
