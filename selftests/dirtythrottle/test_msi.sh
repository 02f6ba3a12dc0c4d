#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Interrupts that come late: of an NVMe disk and of two NICs, with the host's own
# drivers. Nothing is lost, whatever happens meanwhile.
# vm: cpus=4 mem=1024 disks=nvme:64M timeout=300 modprobe=e1000e long=6.1,7.2,debug
# vm: qemu="-netdev hubport,id=a,hubid=0 -device e1000e,netdev=a -netdev hubport,id=b,hubid=0 -device e1000e,netdev=b"
# shellcheck source=selftests/dirtythrottle/msi.sh
. "$(dirname "$0")/msi.sh"

disk=/dev/nvme0n1
READS=50

# read_us: how long READS reads take, one after the other
read_us() {
	local before

	before=$(now_us)
	dd if=$disk of=/dev/null bs=4k count=$READS iflag=direct status=none || return 1
	echo $(($(now_us) - before))
}

# takes_ms READ_US MS: at least
takes_ms() {
	at_least "$1" $(($2 * 1000))
}

# Writes all of the disk at random, and reads it back.
verified() {
	fio --name=verify --filename=$disk --direct=1 --ioengine=libaio --rw=randwrite --bs=4k \
		--iodepth=16 --size=16M --verify=crc32c --verify_fatal=1 --randseed=7 \
		--output="$scratch/fio" && return 0
	sed 's/^/# /' "$scratch/fio"
	return 1
}

# verified_while COMMAND...: which is repeated meanwhile
verified_while() {
	local rounds=0 verify

	verified &
	verify=$!
	while kill -0 $verify 2>/dev/null; do
		"$@" || return 1
		rounds=$((rounds + 1))
	done
	echo "# $rounds rounds"
	wait $verify && at_least $rounds 2
}

unplug_and_plug_cpu() {
	echo 0 >/sys/devices/system/cpu/cpu3/online && echo 1 >/sys/devices/system/cpu/cpu3/online
}

on_and_off() {
	lparctl throttle msi "$nvme" --delay 2ms --force && sleep 0.2 && lparctl throttle msi "$nvme" off
}

load_and_unload() {
	load dirtythrottle && lparctl throttle msi "$nvme" --delay 5ms --force && sleep 0.3 &&
		rmmod dirtythrottle
}

# irqs ADDRESS: numbers
irqs() {
	ls "$pci/$1/msi_irqs"
}

# Of both NICs, to the next CPU.
move_irqs() {
	local irq

	cpu=$(((cpu + 1) % 4))
	for irq in $(irqs "$nic_a") $(irqs "$nic_b"); do
		echo $cpu >"/proc/irq/$irq/smp_affinity_list" || return 1
	done
}

pinged_while() {
	local ping

	ip netns exec b ping -q -c 100 -i 0.02 10.9.0.1 >"$scratch/ping" &
	ping=$!
	while kill -0 $ping 2>/dev/null; do
		"$@" || return 1
	done
	wait $ping && grep -q " 0% packet loss" "$scratch/ping" && return 0
	sed 's/^/# /' "$scratch/ping"
	return 1
}

# rtt_us: the shortest of ten
rtt_us() {
	ip netns exec b ping -q -c 10 -i 0.02 10.9.0.1 |
		sed -n 's,^rtt min/[^=]*= \([0-9]*\)\.\([0-9]*\)/.*,\1\2,p' | sed 's/^0*//'
}

nics_up() {
	local nic

	for nic in "$nic_a" "$nic_b"; do
		wait_until 10 test -d "$pci/$nic/net" || return 1
	done
	a=$(ls "$pci/$nic_a/net")
	b=$(ls "$pci/$nic_b/net")
	ip netns add b && ip link set "$b" netns b && ip link set "$a" up &&
		ip addr add 10.9.0.1/24 dev "$a" && ip netns exec b ip addr add 10.9.0.2/24 dev "$b" &&
		ip netns exec b ip link set "$b" up
	wait_until 20 ip netns exec b ping -q -c 1 -W 1 10.9.0.1
}

bind() {
	echo "$2" >"/sys/bus/pci/drivers/$1/bind"
}

unbind() {
	echo "$2" >"/sys/bus/pci/drivers/$1/unbind"
}

# Four requests of 4 KiB in flight: 10 ms of delay.
TARGET_KIB=1600

# rate_kib SECONDS: what the disk carries meanwhile
rate_kib() {
	local before after

	before=$(awk '{ print $3 }' /sys/block/nvme0n1/stat)
	sleep "$1"
	after=$(awk '{ print $3 }' /sys/block/nvme0n1/stat)
	echo $(((after - before) / 2 / $1))
}

# holds SECONDS PERCENT: the target, give or take that much
holds() {
	held_kib=$(rate_kib "$1")
	at_most "$held_kib" $((TARGET_KIB * (100 + $2) / 100)) &&
		at_least "$held_kib" $((TARGET_KIB * (100 - $2) / 100))
}

plan 43
load dirtythrottle
nvme=$(basename "$(readlink -f /sys/block/nvme0n1/device/device)")
read -r nic_a nic_b <<<"$(basename -a /sys/bus/pci/drivers/e1000e/0000:* | xargs)"
listen

# Who may, and what
check "a driver that is not VFIO's: refused" refused "--force" lparctl throttle msi "$nvme" --delay 1ms
check "no such device" refused "no such PCI device" lparctl throttle msi 0000:7f:1f.7 --delay 1ms
check "more than 50 ms" refused "50ms at most" lparctl throttle msi "$nvme" --delay 51ms
check "delay and rate" refused "one of" lparctl throttle msi "$nvme" --delay 1ms --rate 100
check "a limit without a counter" refused "belong together" lparctl throttle msi "$nvme" --limit 1M
check_fails "not as nobody" setpriv --reuid 65534 --clear-groups "$(command -v lparctl)" \
	throttle msi "$nvme" --delay 1ms --force
check "what is not throttled is not switched off" refused "not throttled" lparctl throttle msi "$nvme" off

# A delay
free_us=$(read_us)
check "delay" lparctl throttle msi "${nvme#0000:}" --delay 5ms --force
check "event" event attached "$nvme"
check "it is in force" msi_is "$nvme" state throttling
took_us=$(read_us)
check "each read waits for it" takes_ms "$took_us" $((READS * 5))
check "but not for much longer" at_most "$took_us" $((READS * 15000 + 3 * free_us))
diag "$READS reads: $free_us us, with a delay of 5 ms $took_us us"
check "its interrupts are counted" at_least "$(msi_field "$nvme" delayed)" $READS
check "on average they waited so long" at_least \
	$(($(msi_field "$nvme" delayed_us) / $(msi_field "$nvme" delayed))) 5000
check "another delay is in force at once" lparctl throttle msi "$nvme" --delay 100us
data check "bytes are verified" verified
check "no interrupt is unaccounted for" wait_until 5 all_waited "$nvme"

# A rate
check "rate" lparctl throttle msi "$nvme" --rate 100
took_us=$(read_us)
check "no more than that" takes_ms "$took_us" $(((READS - 5) * 10))
sleep 0.1
before=$(msi_field "$nvme" delayed)
dd if=$disk of=/dev/null bs=4k count=1 iflag=direct status=none
check "one alone does not wait" same "$(msi_field "$nvme" delayed)" "$before"

# Whatever happens
lparctl throttle msi "$nvme" --delay 2ms
data check "CPUs come and go" verified_while unplug_and_plug_cpu
check "off" lparctl throttle msi "$nvme" off
check "event" event detached "$nvme"
data check "on and off under load" verified_while on_and_off
lparctl throttle msi "$nvme" --delay 50ms --force
dd if=$disk of=/dev/null bs=4k count=1 iflag=direct status=none &
check "off delivers what waits" lparctl throttle msi "$nvme" off
check "the read ends" wait $!
rmmod dirtythrottle
data check "load and unload under load" verified_while load_and_unload
load dirtythrottle
listen
lparctl throttle msi "$nvme" --delay 1ms --force
before=$(irqs "$nvme")
unbind nvme "$nvme"
check "without a driver it is blocked" wait_until 5 msi_is "$nvme" state blocked
bind nvme "$nvme"
check "with one its vectors are taken" wait_until 10 has_vectors "$nvme"
wait_until 10 test -b $disk
data check "and bytes are verified" verified
diag "vectors before: $(xargs <<<"$before"), after: $(irqs "$nvme" | xargs)"
check "watchdog" lparctl throttle msi "$nvme" --watchdog 500ms
check "who is silent is switched off" wait_until 5 is_off "$nvme"
check "event" event timeout "$nvme"

# A closed loop
start fio --name=load --thread --filename=$disk --direct=1 --ioengine=libaio --rw=randread --bs=4k \
	--iodepth=4 --size=16M --time_based --runtime=120 --output="$scratch/load"
fio=$pid
start lparctl throttle msi "$nvme" --limit ${TARGET_KIB}K --counter /sys/block/nvme0n1/stat --force
loop=$pid
check "a bandwidth is held" wait_until 60 holds 3 25
# Long enough for a second in which the machine is busy elsewhere.
check "and stays" holds 10 25
diag "target $TARGET_KIB KiB/s, held $held_kib"
kill -TERM "$loop"
check "the loop ends" wait "$loop"
check "and with it the delay" is_off "$nvme"
guest_end "$fio"

# NICs
check "two NICs" nics_up
lparctl throttle msi "$nic_a" --delay 5ms --force
lparctl throttle msi "$nic_b" --delay 5ms --force
rtt=$(rtt_us)
# Either end may be waiting already, for another frame's interrupt, when this one comes.
check "interrupts wait" at_least "$rtt" 5000
diag "the shortest round trip of a ping: $rtt us"
check "no ping is lost while interrupts move" pinged_while move_irqs
echo 1 >"$pci/$nic_b/remove"
check "a device that is gone is forgotten" wait_until 5 is_off "$nic_b"
check "event" event exited "$nic_b"
check "unload while interrupts come late" rmmod dirtythrottle
