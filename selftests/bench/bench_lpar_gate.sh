#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=10 mem=2048 slow=100 timeout=3600 kernels=6.12 speed=long
#
# From the deadline of a cut to the last vCPU stopped, in slowed time: ten threads of the
# emulator take turns of some ms on the real CPUs, and a hundredth of that is not to be
# seen. One line of JSON for each figure. CUTS: for each number of vCPUs (50).

set -u

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
bench=lpar
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=selftests/lib/kvm.sh
. "$(dirname "$0")/../lib/kvm.sh"
# shellcheck source=selftests/bench/lpars.sh
. "$(dirname "$0")/lpars.sh"
trap leave EXIT

PATH=$LPARKIT_BUILD/selftests/bench:$LPARKIT_BUILD/selftests/lpar:$PATH
cuts=${CUTS:-50}

bench_gate() {
	local vcpus=$1

	make gate cpus "1-$vcpus"
	start minikvm run --vcpus "$vcpus" --counters "$scratch/counters" --socket "$scratch/minikvm"
	wait_until 20 minikvm ctl "$scratch/minikvm" pids || die "minikvm does not start"
	lparctl member add gate "$pid"
	lparbench cuts gate "$cuts" "$vcpus" >"$scratch/cuts" || die "no cuts"
	figure "gate_stop_us_${vcpus}vcpu_median" "$(median <"$scratch/cuts")" us
	figure "gate_stop_us_${vcpus}vcpu_p99" "$(percentile 99 <"$scratch/cuts")" us
	kill -9 "$pid"
	wait "$pid"
	unmake gate
}

load_kvm || die "the host VM has no KVM"
load lpar
figure slowed_times "$LPARKIT_SLOW" times
for vcpus in 1 4 8; do
	bench_gate $vcpus
done
