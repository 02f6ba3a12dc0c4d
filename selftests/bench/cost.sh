# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What things cost in instructions, of us and of our peers, in a host VM that counts them:
# there a nanosecond is an instruction, and costbench tells for how many CPUs were busy.
#
# Each thing is done COUNT times and twice as often, in turns, so that what is done once falls
# out of the difference; of each the least of $rounds, as whatever comes in between adds.
# Who sources it calls cost_PART, and finds in ${cost[NAME]} how many instructions one takes.

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/rig.sh"
bench=cost
# shellcheck source=selftests/bench/bench.sh
. "$(dirname "${BASH_SOURCE[0]}")/bench.sh"

PATH=$LPARKIT_BUILD/selftests/bench:$LPARKIT_BUILD/selftests/lpar:$LPARKIT_BUILD/selftests/dirtythrottle:$PATH
export DM_DISABLE_UDEV=1
declare -A cost=()
rounds=${ROUNDS:-3}
scale=100	# of the counts, in percent
targets=(snapsync thin snapshot)	# beside linear

trap 'leave' EXIT

# times COUNT: as many as the scale asks for
times() {
	echo $(($1 * scale / 100))
}

# record NAME COUNT COMMAND...: what the command prints is what COUNT cost.
record() {
	local name=$1 count=$2

	shift 2
	"$@" >>"$scratch/$name.$count" || die "$name: $* has failed"
}

# settle NAME COUNT: of one, by what was recorded for COUNT and for twice as many
settle() {
	local once twice

	once=$(sort -g "$scratch/$1.$2" | head -1)
	twice=$(sort -g "$scratch/$1.$(($2 * 2))" | head -1)
	cost[$1]=$(awk -v a="$once" -v b="$twice" -v n="$2" 'BEGIN { printf "%.1f", (b - a) / n }')
	echo "# $1: $(tr '\n' ' ' <"$scratch/$1.$2")/ $(tr '\n' ' ' <"$scratch/$1.$(($2 * 2))")"
}

# measure NAME COUNT COMMAND...: COMMAND and a number
measure() {
	local name=$1 count=$2 round n

	shift 2
	for ((round = 0; round < rounds; round++)); do
		for n in "$count" $((2 * count)); do
			record "$name" "$n" "$@" "$n"
		done
	done
	settle "$name" "$count"
}

# only_cpu0, both_cpus: two that are busy at a time would each count the other's instructions.
only_cpu0() {
	echo 0 >/sys/devices/system/cpu/cpu1/online
}

both_cpus() {
	echo 1 >/sys/devices/system/cpu/cpu1/online
}

# make NAME [KEY VALUE]...: an active LPAR
make() {
	lparcall create "$@" || die "no LPAR"
	lparcall activate "$1" || die "LPAR $1 does not become active"
}

unmake() {
	wait_until 10 lparcall deactivate "$1" force || die "LPAR $1 does not end"
	lparcall delete "$1"
}

# --- frames ---

make_netdev() {
	modprobe dummy numdummies=0
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	ip link add d0 type dummy
	ip addr add 10.8.0.1/24 dev d0
	ip link set d0 up
	ip neigh add 10.8.0.2 lladdr 02:00:00:08:00:02 dev d0
}

sent() {
	cat /sys/class/net/d0/statistics/tx_packets
}

hold_by_plug() {
	local before

	before=$(sent)
	tc qdisc replace dev d0 root plug limit $(($1 * 4096)) || die "no sch_plug"
	record plug_hold "$1" costbench send 10.8.0.2 "$1"
	[ "$(sent)" = "$before" ] || die "sch_plug has let frames pass"
	record plug_drain "$1" costbench release d0 "$1"
	tc qdisc del dev d0 root
}

hold_by_netbuf() {
	lparctl netbuf hold d0 || die "no hold"
	record netbuf_hold "$1" costbench send 10.8.0.2 "$1"
	[ "$(cat /sys/class/net/d0/netbuf/txpcnt)" = "$1" ] || die "netbuf does not hold all"
	record netbuf_drain "$1" costbench drain d0 "$1"
	wait_until 10 grep -q pass /sys/class/net/d0/netbuf/state || die "no pass"
}

# no_hooks: a netbuf that passes has none, soon.
no_hooks() {
	! nft list hooks netdev device d0 | grep -q netbuf_hook
}

cost_netbuf() {
	local count round n what linger=/sys/module/netbuf/parameters/hook_linger_ms

	count=$(times 5000)
	load netbuf
	make_netdev
	measure detached "$count" costbench send 10.8.0.2
	modprobe nfnetlink_hook
	echo 0 >$linger
	lparctl netbuf attach d0 || die "no buffer"
	wait_until 10 no_hooks || die "hooks stay"
	measure netbuf_pass "$count" costbench send 10.8.0.2
	# As while a cut is armed
	echo 3600000 >$linger
	lparctl netbuf hold d0
	lparctl netbuf drain d0
	no_hooks && die "no hooks"
	measure netbuf_hooked "$count" costbench send 10.8.0.2
	for ((round = 0; round < rounds; round++)); do
		for n in "$count" $((2 * count)); do
			hold_by_netbuf "$n"
		done
	done
	lparctl netbuf detach d0
	for ((round = 0; round < rounds; round++)); do
		for n in "$count" $((2 * count)); do
			hold_by_plug "$n"
		done
	done
	tc qdisc replace dev d0 root plug limit 1000000
	tc qdisc change dev d0 root plug release_indefinite
	measure plug_pass "$count" costbench send 10.8.0.2
	for what in plug_hold plug_drain netbuf_hold netbuf_drain; do
		settle $what "$count"
	done
	ip link delete d0
	unload netbuf lpar
}

# --- blocks ---

mib=2048		# sectors
volume=$((128 * mib))
place=65536		# the largest chunk among them: so each write is the first into its chunk
cow=$((24 * mib))	# three rounds at depth 1, and what follows
declare -A parts=() states=() next=()

# part NAME START SECTORS: a partition; a device under dm would cost some targets a layer more.
part() {
	local number=$((${#parts[@]} + 1))

	addpart /dev/ram0 $number "$2" "$3" || die "no partition for $1"
	parts[$1]=/dev/ram0p$number
}

create() {
	dmsetup create "$1" --table "$2" || die "no $1"
}

make_disks() {
	local name

	modprobe -a dm-thin-pool dm-snapshot || die "no peers"
	modprobe brd rd_nr=1 rd_size=$((9 << 20)) || die "no brd"
	part base 0 $volume
	part disk $((256 * mib)) $volume
	part store $((512 * mib)) $((384 * mib))
	part pooldata $((1024 * mib)) $((384 * mib))
	part poolmeta $((1536 * mib)) $((64 * mib))
	part origin $((1792 * mib)) $volume
	part cows $((2048 * mib)) $((257 * cow))
	# All of it, or the first writes would pay for brd's memory.
	for name in base disk origin store pooldata; do
		dd if=/dev/zero of="${parts[$name]}" bs=1M oflag=direct status=none
	done
	create linear "0 $volume linear ${parts[disk]} 0"
	create snapsync "0 $volume snapsync ${parts[base]} ${parts[store]}"
	create pool "0 $((384 * mib)) thin-pool ${parts[poolmeta]} ${parts[pooldata]} 128 0 1 skip_block_zeroing"
	dmsetup message pool 0 "create_thin 0"
	create thin "0 $volume thin /dev/mapper/pool 0 ${parts[base]}"
	create snapshot "0 $volume snapshot-origin ${parts[origin]}"
}

# take TARGET: one more state
take() {
	local n=$((states[$1] += 1)) slice

	case $1 in
	snapsync)
		dmsetup message snapsync 0 take s$n
		;;
	thin)
		dmsetup suspend thin && dmsetup message pool 0 "create_snap $n 0" && dmsetup resume thin
		;;
	snapshot)
		slice=cow$n
		create $slice "0 $cow linear ${parts[cows]} $((n * cow))"
		# A write for brd's memory, which its header takes as well.
		dd if=/dev/zero of=/dev/mapper/$slice bs=1M count=1 oflag=direct status=none
		dmsetup suspend snapshot
		create state$n "0 $volume snapshot ${parts[origin]} /dev/mapper/$slice P 16"
		dmsetup resume snapshot
		;;
	esac || die "$1: no state"
}

# deepen TARGET DEPTH: as many states, each but dm-snapshot's with 64 KiB of its own: that has
# no chain, but copies what is overwritten once for each state.
deepen() {
	while [ "${states[$1]:-0}" -lt "$2" ]; do
		[ "$1" = snapshot ] || dd if=/dev/zero of=/dev/mapper/"$1" bs=4k count=16 \
			seek=$((states[$1] * 37 % 2048 * 16)) oflag=direct status=none
		take "$1"
	done
}

# first_writes TARGET COUNT: into chunks that were not written since the last take
first_writes() {
	costbench write /dev/mapper/"$1" $place "${next[$1]}" "$2"
}

# blocks_at TARGET SUFFIX COUNT: the states are there
blocks_at() {
	local target=$1 name=$2 count=$3 round n

	next[$target]=0
	# Once, for what a state makes at its first write.
	first_writes "$target" 8 >/dev/null
	next[$target]=8
	for ((round = 0; round < rounds; round++)); do
		for n in "$count" $((2 * count)); do
			record "${1}_write$name" "$n" first_writes "$target" "$n"
			next[$target]=$((next[$target] + n))
		done
	done
	dmsetup status | grep -q Invalid && die "a snapshot has become full"
	settle "${1}_write$name" "$count"
	# More of them, as a tick more or less weighs as much as some; not beyond what was written.
	measure "${1}_rewrite$name" $((4 * count)) costbench write /dev/mapper/"$target" $place 0
	measure "${1}_read$name" $((4 * count)) costbench read /dev/mapper/"$target" $place 0
}

# cost_blocks DEPTH...
cost_blocks() {
	local depth count target n

	count=$(times 200)
	load dm-snapsync
	make_disks
	blocks_at linear "" "$count"
	for depth; do
		for target in "${targets[@]}"; do
			deepen "$target" "$depth"
			n=$count
			[ "$target" != snapshot ] || n=$((count / depth + 10))
			blocks_at "$target" "_depth$depth" "$n"
		done
	done
	for target in $(dmsetup ls | cut -f 1 | grep ^state); do dmsetup remove "$target"; done
	dmsetup remove_all
	unload dm-snapsync lpar
}

# --- write faults ---

# count_faults NAME MS
count_faults() {
	costbench faults "$scratch/guest" "$2" >>"$scratch/$1.$2" || die "$1: no faults"
}

# settle_faults NAME MS: of both columns, for they are as many as there is time for
settle_faults() {
	cost[$1]=$(awk '{ s = FNR == NR ? -1 : 1; ns += s * $1; n += s * $2 }
		END { printf "%.1f", ns / n }' "$scratch/$1.$2" "$scratch/$1.$((2 * $2))")
	echo "# $1: $(tr '\n' , <"$scratch/$1.$2")/ $(tr '\n' , <"$scratch/$1.$((2 * $2))")"
}

cost_faults() {
	local ms round n guest

	ms=$(times 40)
	load dirtythrottle
	start dirtyguest run --socket "$scratch/guest" --mib 256 --round-ms 1000000
	guest=$pid
	wait_until 60 dirtyguest ctl "$scratch/guest" tids || die "no guest"
	# Its memory is mapped before it is logged.
	dirtyguest ctl "$scratch/guest" go
	sleep 2
	dirtyguest ctl "$scratch/guest" stop
	dirtyguest ctl "$scratch/guest" log-on
	for ((round = 0; round < rounds; round++)); do
		for n in "$ms" $((2 * ms)); do
			count_faults fault_plain "$n"
		done
		lparctl throttle attach "$guest" --count || die "no throttle"
		for n in "$ms" $((2 * ms)); do
			count_faults fault_probed "$n"
		done
		lparctl throttle detach "$guest"
	done
	settle_faults fault_plain "$ms"
	settle_faults fault_probed "$ms"
	kill -9 "$guest"
	wait "$guest" 2>/dev/null
	unload dirtythrottle
}

# --- system calls, context switches ---

cost_calls() {
	local count

	count=$(times 50000)
	load lpar
	make shut
	measure call_plain "$count" costbench calls
	lparcall gate-close shut || die "no gate"
	measure call_watched "$count" costbench calls
	grep -q closed /sys/class/lpar/shut/gate || die "the gate has opened"
	lparcall gate-open shut
	unmake shut
	unload lpar
}

# A player inside is a member.
switches_inside() {
	# shellcheck disable=SC2016 # the member is that shell
	sh -c 'lparcall member-add guard member $$ >/dev/null && exec taskset -c 1 costbench switches "$1"' sh "$1"
}

cost_switches() {
	local count what

	count=$(times 10000)
	both_cpus
	measure switch_plain "$count" taskset -c 0 costbench switches
	load lpar
	make guard cpus 1
	measure switch_guarded "$count" taskset -c 0 costbench switches
	measure switch_inside "$count" switches_inside
	unmake guard
	unload lpar
	only_cpu0
	# Two are made in each turn.
	for what in plain guarded inside; do
		cost[switch_$what]=$(ratio "${cost[switch_$what]}" 2)
	done
}

# --- gate and cut ---

# cost_gate VCPUS: in minikvms of 32 at most. Their turns are those of nobody else, or what is
# to stop them would wait for its own.
cost_gate() {
	local left=$1 vcpus=$1 count n=0 what round files=() vms=()

	count=$(times $((vcpus == 1 ? 20 : 3)))
	load lpar
	make gate
	while [ "$left" -gt 0 ]; do
		n=$((left < 32 ? left : 32))
		left=$((left - n))
		files+=("$scratch/counters$left")
		start chrt --idle 0 minikvm run --vcpus $n --counters "$scratch/counters$left" --socket "$scratch/minikvm$left" \
			--no-ticks
		vms+=("$pid")
		wait_until 60 minikvm ctl "$scratch/minikvm$left" pids || die "minikvm does not start"
		lparcall member-add gate member "$pid" || die "no member"
	done
	for ((round = 0; round < rounds; round++)); do
		record "spin_$vcpus" 1 costbench spin gate 500 "${files[@]}"
		for what in rest gate cut; do
			record "${what}_$vcpus" "$count" costbench $what gate "$count" "${files[@]}"
		done
	done
	settle_gate "$vcpus" "$count"
	kill -9 "${vms[@]}"
	wait "${vms[@]}" 2>/dev/null
	unmake gate
	unload lpar
}

# over_guests WHAT VCPUS COUNT: "LEAST MOST" of what one of COUNT rounds took beside the
# guests. A turn of theirs costs what it does while they only spin, ticks included.
over_guests() {
	awk -v count="$3" 'FNR == NR { ns += $1; turns += $2; next }
		{ print ($1 - $2 * ns / turns) / count }' "$scratch/spin_$2.1" "$scratch/$1_$2.$3" |
		sort -g | sed -n '1p;$p' | paste -sd ' '
}

# settle_gate VCPUS COUNT: what is left of a round without a gate is costbench's own. What comes
# in between weighs more here than elsewhere, so the most is told as well.
settle_gate() {
	local what rest least most

	read -r rest _ < <(over_guests rest "$1" "$2")
	for what in gate cut; do
		read -r least most < <(over_guests $what "$1" "$2")
		cost[${what}_$1vcpu]=$(awk -v a="$least" -v b="$rest" 'BEGIN { printf "%.1f", a - b }')
		cost[${what}_$1vcpu_most]=$(awk -v a="$most" -v b="$rest" 'BEGIN { printf "%.1f", a - b }')
	done
	for what in spin rest gate cut; do
		echo "# ${what}_$1: $(tr '\n' , <"$scratch/${what}_$1".*)"
	done
}

# --- what the figures are compared with ---

# versus METRIC NAME PEER: nothing if either was not measured
versus() {
	[ -n "${cost[$2]:-}" ] && [ -n "${cost[$3]:-}" ] || return 0
	echo "$1 $(ratio "${cost[$2]}" "${cost[$3]}")"
}

# extra METRIC NAME PEER: by how much more NAME costs, in context switches
extra() {
	[ -n "${cost[$2]:-}" ] && [ -n "${cost[$3]:-}" ] && [ -n "${cost[switch_plain]:-}" ] || return 0
	awk -v name="$1" -v a="${cost[$2]}" -v b="${cost[$3]}" -v unit="${cost[switch_plain]}" \
		'BEGIN { printf "%s_extra_vs_switch %.4f\n", name, (a - b) / unit }'
}

# ratios: "METRIC VALUE" lines, all of one boot. What has no peer is told in context switches.
ratios() {
	local depth what peer vcpus

	versus netbuf_pass_vs_detached netbuf_pass detached
	versus netbuf_hooked_vs_detached netbuf_hooked detached
	for what in pass hold drain; do
		versus netbuf_${what}_vs_plug netbuf_$what plug_$what
	done
	for depth in 1 64 256; do
		for what in write rewrite read; do
			versus snapsync_${what}_depth${depth}_vs_linear snapsync_${what}_depth$depth linear_$what
			for peer in thin snapshot; do
				versus snapsync_${what}_depth${depth}_vs_$peer \
					snapsync_${what}_depth$depth ${peer}_${what}_depth$depth
			done
		done
	done
	# What is ours of it: where most is the same for both, a ratio says little.
	extra netbuf_hooked netbuf_hooked detached
	extra netbuf_hold netbuf_hold detached
	for depth in 1 64 256; do
		for what in write rewrite read; do
			extra snapsync_${what}_depth$depth snapsync_${what}_depth$depth linear_$what
		done
	done
	extra call_watched call_watched call_plain
	extra fault_probed fault_probed fault_plain
	extra switch_guarded switch_guarded switch_plain
	versus fault_probed_vs_plain fault_probed fault_plain
	versus switch_guarded_vs_plain switch_guarded switch_plain
	versus switch_inside_vs_plain switch_inside switch_plain
	versus call_watched_vs_plain call_watched call_plain
	for vcpus in 1 64; do
		versus gate_${vcpus}vcpu_vs_switch gate_${vcpus}vcpu switch_plain
		versus cut_${vcpus}vcpu_vs_switch cut_${vcpus}vcpu switch_plain
	done
}
