#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl start and stop: what they do, what they undo, and how they end a QEMU
# that does not want to. The QEMU is a fake one.
# vm: cpus=4 threads=2 mem=1024 disks=64M timeout=400 kernels=6.1,7.2 long=6.1
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 90
load lpar
disk=$(disk 1)
fake=$(readlink -f "$(dirname "$0")/fake-qemu")
mkdir -p /etc/lparkit

# ini MODE LINE...: the description of web; more lines go into [lpar].
ini() {
	local mode=$1
	shift
	printf '%s\n' "[lpar]" "cpus=2-3" "memory=64M" "disk=$disk" "$@" "[guest]" "binary=$fake" \
		"args=-fake $mode" >/etc/lparkit/web.lpar
}

# Nothing of a start is left.
nothing_left() {
	same "$(lparctl -j list)" "[]" &&
		same "$(ls -d /run/lparkit/web/q*.{sock,pid} 2>/dev/null)" "" &&
		same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-3 &&
		same "$(pgrep -f fake-qemu)" ""
}

# The CPUs of each thread.
affinities() {
	local task

	for task in /proc/"$1"/task/*; do
		taskset -pc "${task##*/}" | sed 's/.*: //'
	done
}

stopped() {
	is web state defined &&
		same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-3 &&
		same "$(pgrep -f fake-qemu)" ""
}

# An interrupt that can be moved.
find_irq() {
	local file list
	for file in /proc/irq/*/smp_affinity_list; do
		list=$(cat "$file")
		if [ "$list" = 0-3 ] && echo 0-1 >"$file" 2>/dev/null; then
			echo 0-3 >"$file"
			basename "$(dirname "$file")"
			return
		fi
	done
}
irq=$(find_irq)

# Failures at each step
ini no
sed -i "s|^binary=.*|binary=/nowhere/qemu|" /etc/lparkit/web.lpar
check "no QEMU" says 5 "/nowhere/qemu: No such file" lparctl start web
check "nothing is left of it" nothing_left
ini exit
check "a QEMU that ends at once" says 5 "QEMU ended at once" lparctl start web
check "its last words are shown" grep -q "this is the end" "$scratch/err"
check "nothing is left of it" nothing_left
ini silent
check "a QEMU that does not answer" says 5 "does not answer" lparctl start web --timeout 1s
check "nothing is left of it" nothing_left
lparctl start web 2>"$scratch/err" &
starter=$!
wait_until 30 test -S /run/lparkit/web/qmp.sock
kill -TERM $starter
wait $starter
check "a start that is interrupted" same $? 5
check "nothing is left of it" nothing_left
ini no "memory=$(awk '/^MemTotal/ { print int($2 / 2048) * 2 "M" }' /proc/meminfo)"
check "too much memory" says 5 "^lparctl: LPAR \"*web\"*[: ]" lparctl start web
check "nothing is left of it" nothing_left
ini no "cpus=0-1"
check "CPU 0" says 1 "^lparctl: LPAR \"*web\"*[: ]" lparctl start web
check "nothing is left of it" nothing_left
ini no "memory=0"
check "no memory" says 1 "needs memory=" lparctl start web
ini no "memory=much"
check "bad INI file" says 1 "web.lpar:5: memory" lparctl start web
lparctl create other cpus 2-3
ini no
check "CPUs of another LPAR" says 1 "^lparctl: LPAR \"*web\"*[: ]" lparctl start web
lparctl delete other
mkdir -p "$scratch/mnt"
mkfs.ext4 -q "$disk"
mount "$disk" "$scratch/mnt"
check "mounted disk" says 5 "^lparctl: LPAR \"*web\"*[: ]" lparctl start web
umount "$scratch/mnt"
check "nothing is left of it" nothing_left

# Without room in /run nothing can be remembered of the interrupts.
all_irqs() {
	cat /proc/irq/*/smp_affinity_list | xargs
}
before=$(all_irqs)
mount -t tmpfs -o size=64k none /run/lparkit
dd if=/dev/zero of=/run/lparkit/full bs=1k 2>/dev/null
check "/run is full" says 5 "No space left on device" lparctl start web
check "all interrupts are where they were" same "$(all_irqs)" "$before"
umount /run/lparkit
check "nothing is left of it" nothing_left

# devtmpfs does not tell that a file was in its way.
mkdir -p /dev/lpar
mknod /dev/lpar/web c 1 5
check "another device in the place of the memory" says 5 "not the device of its memory" lparctl start web
lparctl delete web 2>/dev/null
rm /dev/lpar/web
lparctl create web
chown daemon /dev/lpar/web
check "the device is another user's" says 5 "not user 0's" lparctl start web
check "what it says" lparctl delete web
check_fails "takes it away" test -e /dev/lpar/web

# Start
# A service manager or taskset may have left lparctl some CPUs only: that is no wish of QEMU's.
check "start" says 0 "^web: guest runs, pid [0-9]*" taskset -c 0-2 lparctl start web
cp "$scratch/out" "$scratch/said"
pid=$(cat /run/lparkit/web/qemu.pid)
check "says what it did: vCPUs" grep -q "2 vCPUs have a CPU each" "$scratch/said"
check "says what it did: interrupts" grep -q "interrupts moved off CPUs 2-3" "$scratch/said"
check "active" is web state active
check "QEMU is a member" is web members "$pid"
check "QEMU holds the memory" is web holder "$pid"
check "each vCPU has a CPU, others share" same "$(affinities "$pid" | sort | xargs)" "2 2,3 2,3 2,3 3"
check "show says so" says 0 "vCPUs *0 on CPU 2, 1 on CPU 3, others on 2-3" lparctl show web
check "pin again" says 0 "2 vCPUs have a CPU each" lparctl pin web
check "nothing is different" same "$(affinities "$pid" | sort | xargs)" "2 2,3 2,3 2,3 3"
check "QEMU is a session of its own" same "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"
discount() {
	awk '/^(MemTotal|SwapTotal):/ { kib += $2 } END { print -int((65536 * 1000 + kib - 1) / kib) }' \
		/proc/meminfo
}
check "the LPAR's memory does not count for the OOM killer" \
	same "$(cat "/proc/$pid/oom_score_adj")" "$(discount)"
check "show says so" says 0 "held by $pid (oom_score_adj $(discount))" lparctl show web
check "interrupt was moved" same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-1
echo 2-3 >"/proc/irq/$irq/smp_affinity_list"
check "an interrupt that has come back is a problem" \
	says 3 "interrupt $irq may come to its CPUs again" lparctl check web
check "moved again" says 0 "interrupts moved off CPUs 2-3" lparctl activate web --host
check "it is off" same "$(cat "/proc/irq/$irq/smp_affinity_list")" 0-1
check "disk is claimed" exits 1 bash -c "exec 3<>$disk && python3 -c '
import os; os.open(\"$disk\", os.O_RDWR | os.O_EXCL)'"
arguments() {
	tr '\0' '\n' <"/proc/$pid/cmdline"
}
check "memory backend" same "$(arguments | grep -A1 -x -e -object | tail -1)" \
	"memory-backend-file,id=lpar,size=67108864,mem-path=/dev/lpar/web,share=on,align=2M"
check "vCPUs" same "$(arguments | grep -A1 -x -e -smp | tail -1)" 2
check "memory size" same "$(arguments | grep -A1 -x -e -m | tail -1)" 65536k
check "disk" same "$(arguments | grep -A1 -x -e -drive | tail -1)" \
	"file=$disk,format=raw,if=none,id=disk0,cache=none,aio=native,discard=unmap,werror=enospc,rerror=report"
check "defaults" same "$(arguments | grep -A1 -x -e -accel | tail -1)" kvm
check "start twice" says 1 "runs already, pid $pid" lparctl start web
check "it still runs" test -d "/proc/$pid"
check "deactivate under it" exits 1 lparctl deactivate web

# Stop
check "stop" says 0 "^web: guest powered down" lparctl stop web
check "all is given back" stopped
check "stop what is stopped" exits 0 lparctl stop web
check "stop what is unknown" exits 1 lparctl stop nobody
check "pin what does not run" exits 1 lparctl pin web
printf 'vcpus=3\n' >>/etc/lparkit/web.lpar
check "more vCPUs than CPUs share them" says 0 "share CPUs 2-3: there are more" lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
check "they do" same "$(affinities "$pid" | sort -u)" 2,3
lparctl stop web --timeout 0 >/dev/null
printf 'vcpu-pin=3\n' >>/etc/lparkit/web.lpar
check "more vCPUs than CPUs to be pinned to" says 5 "vcpu-pin=3: there are more" lparctl start web
check "nothing is left of it" is web state defined
printf 'vcpus=1\n' >>/etc/lparkit/web.lpar
check "a vCPU on the CPU of one's choice" exits 0 lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
check "it is there, others on what is left" same "$(affinities "$pid" | sort | xargs)" "2 2 2 3"
lparctl stop web --timeout 0 >/dev/null
printf 'vcpu-pin=none\n' >>/etc/lparkit/web.lpar
lparctl start web >/dev/null
pid=$(cat /run/lparkit/web/qemu.pid)
check "none is pinned if that is wanted" same "$(affinities "$pid" | sort -u)" 2,3
lparctl stop web --timeout 0 >/dev/null
ini no
check "start again" exits 0 lparctl start web
check "stop without asking the guest" says 0 "^web: QEMU quit" lparctl stop web --timeout 0
check "all is given back" stopped

ini deaf "gate-timeout=20s"
check "start applies a changed file" exits 0 lparctl start web
check "to what is defined" is web gate_timeout_ms 20000
check "freeze" exits 0 lparctl freeze web
check "stop of a deaf, frozen guest" says 0 "^web: QEMU quit" lparctl stop web --timeout 500ms
check "it was thawed" grep -q "^web: thawed" "$scratch/out"
check "all is given back" stopped

ini stubborn
lparctl start web
check "stop of a stubborn one" says 0 "^web: QEMU killed" lparctl stop web --timeout 500ms
check "all is given back" stopped

ini no
lparctl start web
kill -9 "$(cat /run/lparkit/web/qemu.pid)"
check "stop after QEMU was killed" exits 0 lparctl stop web
check "all is given back" stopped

# A guest that powers itself down: QEMU takes its pidfile away, and ends some time later.
lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
rm /run/lparkit/web/qemu.pid /run/lparkit/web/process
(sleep 1 && kill "$pid") &
check "stop while QEMU ends by itself" exits 0 lparctl stop web
check "all is given back" stopped

lparctl start web
pid=$(cat /run/lparkit/web/qemu.pid)
sleep 1000 &
other=$!
lparctl member add web $other
check "stop with another member" says 1 "^lparctl: LPAR \"*web\"*[: ]" lparctl stop web
check_fails "its guest is gone" test -d "/proc/$pid"
check "the rest is as it was" is web state active
check "start on top of an active LPAR" exits 0 lparctl start web
kill $other
wait $other
check "stop" exits 0 lparctl stop web
check "all is given back" stopped

# JSON, options, drop-ins
mkdir -p /etc/lparkit/web.lpar.d
printf '[guest]\nvcpus=3\ncpu=max\naccel=tcg\nargs=-a "b c" d\\ e\n' >/etc/lparkit/web.lpar.d/10.conf
check "JSON of start" same "$(lparctl -j start web | json "j['name'], j['qmp']")" \
	"web /run/lparkit/web/qmp.sock"
pid=$(cat /run/lparkit/web/qemu.pid)
check "vcpus of a drop-in" same "$(arguments | grep -A1 -x -e -smp | tail -1)" 3
check "quoted arguments" same "$(arguments | grep -A2 -x -e -a | tr '\n' '|')" "-a|b c|d e|"
(
	flock 9
	exits 1 lparctl stop web
) 9</run/lparkit/web/lock
check "stop while another one starts or stops it" same $? 0
check "stop" exits 0 lparctl stop web
check "delete" exits 0 lparctl delete web
