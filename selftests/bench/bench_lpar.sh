#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=10 mem=4096 timeout=1800 kernels=6.12 speed=long here=kvm,cores
#
# lpar.ko beside its peers, in one boot, in turns: figures from an emulated machine say
# something only as ratios. One line of JSON for each figure.
# ROUNDS: of everything that is compared (15). The gate has its own: bench_lpar_gate.sh.

set -u

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/../qemu/guest.sh"
# shellcheck source=selftests/lib/vcpus.sh
. "$(dirname "$0")/../lib/vcpus.sh"
bench=lpar
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source=selftests/bench/lpars.sh
. "$(dirname "$0")/lpars.sh"
trap guest_kill_all EXIT

PATH=$LPARKIT_BUILD/selftests/bench:$PATH
rounds=${ROUNDS:-15}
guest_mib=384
work_mib=128
work_ms=300

# --- memory ---

# All guests are members, so that they run on the same CPUs.
start_memory_guest() {
	guest_start "$1" $guest_mib 1 "$2"
	lparctl member add ram "$guest_pid"
	wait_until 300 guest_is_up "$1" || die "the guest on $1 does not boot"
}

# The guest measures itself; only one of them works at a time.
guest_rate() {
	guest_say "$1" "$2 $work_mib $work_ms" | sed -n 's/^ok //p'
}

compare_guests() {
	local round how which

	for ((round = 0; round < rounds; round++)); do
		for how in stream random; do
			for which in lpar hugetlbfs memfd; do
				guest_rate $which $how >>"$run/$which.$how"
			done
		done
	done
}

report_guests() {
	local how which lpar peer

	for how in stream random; do
		lpar=$(median <"$run/lpar.$how")
		figure "mem_${how}_lpar_mib_s" "$((lpar >> 20))" MiB/s
		for which in hugetlbfs memfd; do
			peer=$(median <"$run/$which.$how")
			figure "mem_${how}_vs_$which" "$(ratio "$lpar" "$peer")" ratio
		done
	done
}

# The same passes in a process of the host, without KVM in between.
compare_process() {
	local round how

	for ((round = 0; round < rounds; round++)); do
		for how in stream random; do
			lparbench memory /dev/lpar/ram $work_mib $how $work_ms >>"$run/process-lpar.$how"
			lparbench memory hugetlb $work_mib $how $work_ms >>"$run/process-huge.$how"
		done
	done
	for how in stream random; do
		figure "mem_${how}_process_vs_hugetlbfs" \
			"$(ratio "$(median <"$run/process-lpar.$how")" "$(median <"$run/process-huge.$how")")" ratio
	done
}

bench_memory() {
	local pid

	make ram cpus 1-2 memory ${guest_mib}M
	echo $((guest_mib + 8)) >/proc/sys/vm/nr_hugepages
	mkdir "$run/huge"
	mount -t hugetlbfs none "$run/huge" || die "no hugetlbfs"
	start_memory_guest lpar "$(lpar_backend ram)"
	start_memory_guest hugetlbfs "memory-backend-file,mem-path=$run/huge,share=on"
	start_memory_guest memfd "memory-backend-memfd,hugetlb=on,hugetlbsize=2M,share=on"
	compare_guests
	report_guests
	for pid in "${guest_pids[@]}"; do
		guest_kill "$pid"
	done
	compare_process
	umount "$run/huge"
	echo 0 >/proc/sys/vm/nr_hugepages
	unmake ram
}

# --- activation ---

bench_activation() {
	local round which column name value

	lparctl create big memory 1G || die "no LPAR"
	for ((round = 0; round < rounds; round++)); do
		lparbench activate big >>"$run/time.lpar" || die "no activation"
		lparbench hugepages 1024 >>"$run/time.hugetlbfs" || die "no huge pages"
	done
	lparctl delete big
	for column in 1 2; do
		name=$([ $column = 1 ] && echo activate || echo release)
		for which in lpar hugetlbfs; do
			value=$(cut -d ' ' -f $column "$run/time.$which" | median)
			figure "${name}_ms_per_gib_$which" "$value" ms
			echo "$value" >"$run/value.$which"
		done
		figure "${name}_ms_per_gib_vs_hugetlbfs" \
			"$(ratio "$(cat "$run/value.lpar")" "$(cat "$run/value.hugetlbfs")")" ratio
	done
}

# --- guard ---

# The LPAR is on CPUs 2-3. A player inside is a member.
bench_switches() {
	local round

	for ((round = 0; round < rounds; round++)); do
		unload lpar
		lparbench switches 1 $work_ms >>"$run/outside.without"
		lparbench switches 2 $work_ms >>"$run/inside.without"
		load lpar
		make guard cpus 2-3
		lparbench switches 1 $work_ms >>"$run/outside.with"
		# shellcheck disable=SC2016 # the member is that shell
		sh -c 'lparctl member add guard $$ && exec lparbench switches 2 "$1"' sh $work_ms \
			>>"$run/inside.with"
		unmake guard
	done
	figure switch_rate_with_guard_vs_without \
		"$(ratio "$(median <"$run/outside.with")" "$(median <"$run/outside.without")")" ratio
	figure switch_rate_inside_with_guard_vs_without \
		"$(ratio "$(median <"$run/inside.with")" "$(median <"$run/inside.without")")" ratio
	figure switch_rate_without_guard "$(median <"$run/outside.without")" 1/s
}

# --- CPUs ---

# cpu_use NAME PID THREAD...: what part of the time its vCPUs run while they want all of it. Both
# are the scheduler's own figures, so that it does not matter what the machine does besides.
cpu_use() {
	local name=$1 pid=$2 before

	shift 2
	guest_say "$name" "spin 1" >/dev/null || die "the guest $name does not spin"
	sleep 1
	before=$(ran "$pid" "$@") || die "a vCPU has gone"
	sleep 5
	echo "$before $(ran "$pid" "$@")" | awk '{ ran = $3 - $1; printf "%.4f\n", ran / (ran + $4 - $2) }'
	guest_say "$name" "spin 0" >/dev/null
}

# The same guest once as "lparctl start" has it, once with each vCPU on a CPU by taskset.
start_lpar_guest() {
	mkdir -p /etc/lparkit
	cat >/etc/lparkit/use.lpar <<EOT
[lpar]
cpus=$1
memory=${guest_mib}M
[guest]
machine=$guest_machine
kernel=$guest_kernel
initrd=$guest_initrd
append=$guest_append
args=-no-reboot $(guest_lines use)
EOT
	lparctl start use >/dev/null || die "the guest of the LPAR does not start"
	wait_until 300 guest_is_up use || die "the guest of the LPAR does not boot"
}

start_taskset_guest() {
	local thread cpu=6

	guest_start peer $guest_mib "$1" "memory-backend-memfd,share=on"
	wait_until 300 guest_is_up peer || die "the guest with taskset does not boot"
	for thread in $(vcpu_threads "$run/peer.qmp"); do
		taskset -pc $cpu "$thread" >/dev/null || die "no taskset"
		cpu=$((cpu + 1))
	done
}

# 1, 2 and 4 vCPUs, all busy. CPUs 2-5 are the LPAR's, 6-9 the peer's.
bench_cpu_use() {
	local n cpus round lpar peer

	for n in 1 2 4; do
		cpus=2-$((n + 1))
		start_lpar_guest "$cpus"
		start_taskset_guest $n
		rm -f "$run"/use.{lpar,taskset}
		for ((round = 0; round < rounds; round += 3)); do
			# shellcheck disable=SC2046 # words
			cpu_use use "$(cat /run/lparkit/use/qemu.pid)" \
				$(vcpu_threads /run/lparkit/use/qmp.sock) >>"$run/use.lpar"
			# shellcheck disable=SC2046 # words
			cpu_use peer "$guest_pid" $(vcpu_threads "$run/peer.qmp") >>"$run/use.taskset"
		done
		lpar=$(median <"$run/use.lpar")
		peer=$(median <"$run/use.taskset")
		figure "cpu_use_${n}vcpu" "$lpar" ratio
		figure "cpu_use_vs_taskset_${n}vcpu" "$(ratio "$lpar" "$peer")" ratio
		guest_kill "$guest_pid"
		lparctl stop use --timeout 0 >/dev/null || die "the guest of the LPAR does not end"
		lparctl delete use
	done
	rm /etc/lparkit/use.lpar
}

# It takes all there are, and leaves none.
[ "$(cat /proc/sys/vm/nr_hugepages)" = 0 ] || die "huge pages are reserved: echo 0 >/proc/sys/vm/nr_hugepages"
load lpar
guest_prepare || die "the host VM has no KVM"
wanted=" ${*:-memory activation switches cpus} "
case $wanted in *" memory "*) bench_memory ;; esac
case $wanted in *" activation "*) bench_activation ;; esac
case $wanted in *" switches "*) bench_switches ;; esac
case $wanted in *" cpus "*) bench_cpu_use ;; esac
