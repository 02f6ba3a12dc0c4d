#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The gate, judged by counters that the guests write: closed means that they do
# not move at all.
# vm: cpus=4 mem=1024 timeout=480 kernels=6.1,6.12,7.2,debug speed=quick long=6.1,6.12,debug here=kvm,cores
# shellcheck source=selftests/lpar/lpar.sh
. "$(dirname "$0")/lpar.sh"
# shellcheck source=selftests/lib/kvm.sh
. "$(dirname "$0")/../lib/kvm.sh"

VCPUS=4
# On the debug kernel each takes its time.
CROWD=200
# No gate may open by itself while a slow machine is still looking at it.
PATIENCE_MS=3600000
# Each takes a second on the debug kernel.
[ "$LPARKIT_KERNEL" = debug ] && rounds=40 || rounds=200

field() {
	gatewatch get "$scratch/$1" "$2"
}

# rises NAME-OF-VM FIELD FROM BY: within five seconds
rose() {
	[ "$(field "$1" "$2")" -ge $(($3 + $4)) ]
}

# A signal to each vCPU thread, again and again.
# kick_often NAME
kick_often() {
	local round

	for round in {1..40}; do
		vm_do "$1" kick >/dev/null || echo "# kick $round failed"
	done
}

new_vm_of_member() {
	# The shell is a member before it forks.
	start bash -c "until [ -e $scratch/go ]; do sleep 0.05; done
		minikvm run --counters $scratch/child --socket $scratch/child.sock &
		echo \$! >$scratch/child.pid
		wait"
	lparcall member-add b member "$pid"
	touch "$scratch/go"
	wait_until 20 vm_do child pids >/dev/null 2>&1
	started+=("$(cat "$scratch/child.pid")")
}

# crowd_of WHAT LINE: many threads of a member of c call KVM_RUN on it. From now on rounds
# of them end so, with the gate watched.
crowd_of() {
	local seen

	start crowd "$1" $CROWD >"$scratch/crowd"
	lparcall member-add c member "$pid" || return 1
	# The next but one has begun after that.
	wait_until 60 test -s "$scratch/crowd" || return 1
	seen=$(wc -l <"$scratch/crowd")
	wait_until 60 lines_after $((seen + 1)) || return 1
	same "$(tail -1 "$scratch/crowd")" "$2"
}

lines_after() {
	[ "$(wc -l <"$scratch/crowd")" -gt "$1" ]
}

plan 77
load lpar
load_kvm || bail "no KVM"
events=$scratch/events
listen "$events"

refused ENOENT "gate of no LPAR" lparcall gate-close a
lparcall create a cpus 2-3 memory 4M gate_timeout_ms $PATIENCE_MS
check_fails "gate of an LPAR that is not active" lparcall gate-close a
lparcall activate a
check "close without a vCPU" lparcall gate-close a
check "closed" is a gate closed
check "open" lparcall gate-open a

# vCPUs that entered KVM_RUN before anybody could see them do so
vm one --vcpus $VCPUS --mem /dev/lpar/a || bail "minikvm does not start"
one=$pid
check "guests run" watch move one 10000
lparcall member-add a member "$one"
check "guests run as members" watch move one 10000
check "close: no instruction for 0.5 s" watch_gate close a one 500
check "sysfs: closed" is a gate closed
check "sysfs: held" is a gate_held $VCPUS
check "sysfs: vCPUs" is a gate_vcpus $VCPUS
check "sysfs: time to stop them" at_least a gate_stop_ns 1
echo "# stopped in $(value a gate_stop_ns) ns"
check "event" event "$events" gate-closed 'name="a"'
ticks=$(field one ticks)
check "threads that are no vCPU go on" wait_until 5 rose one ticks "$ticks" 20
check "closing a closed gate" watch_gate close a one 100
check "still closed" is a gate closed

# Signals
eintr=$(field one eintr)
check "kick" vm_do one kick
check "KVM_RUN ends with EINTR" wait_until 5 rose one eintr "$eintr" $VCPUS
check "and they enter again, to be held" wait_until 5 is a gate_held $VCPUS
check "without an instruction" watch still one 300
kick_often one &
kicker=$!
check "nor under many signals" watch still one 1000
wait "$kicker"

# As QMP stop and cont do
check "pause while closed" vm_do one pause
check "none is held" wait_until 5 is a gate_held 0
check "resume while closed" vm_do one resume
check "all are held again" wait_until 5 is a gate_held $VCPUS
check "without an instruction" watch still one 300

# A vCPU that is created while closed
check "add a vCPU while closed" vm_do one addcpu
check "it is held as well" wait_until 5 is a gate_held $((VCPUS + 1))
check "without an instruction" watch still one 300
check "and known" is a gate_vcpus $((VCPUS + 1))

check "open: each of them runs" watch_gate open a one 10000
check "sysfs: open" is a gate open
check "sysfs: none is held" is a gate_held 0
check "event" event "$events" gate-opened 'name="a"'
check "opening an open gate" lparcall gate-open a

# Nobody in KVM_RUN at the close
check "pause while open" vm_do one pause
check "close" watch_gate close a one 100
check "resume" vm_do one resume
check "no instruction" watch still one 300
check "open: each of them runs" watch_gate open a one 10000

# sysfs
check "sysfs: close" put a gate close
check "no instruction" watch still one 300
check "sysfs: open" put a gate open
check "they run" watch move one 10000

# Time-out
check "close with a time-out for this time" lparcall gate-close a gate_timeout_ms 500
check "opens by itself" wait_until 5 is a gate open
check "event" event "$events" gate-timeout 'name="a"'
check "they run" watch move one 10000
check "the LPAR's own time-out is as before" is a gate_timeout_ms $PATIENCE_MS
check "a cut closes it" lparcall cut deadline_ns 0 lpar a
check "close it once more, with a time-out" lparcall gate-close a gate_timeout_ms 500
check "that counts" wait_until 5 is a gate open

# Again and again, with others on the CPUs
start hog spin 0-1
load=$pid
check "$rounds rounds under load" watch_gate rounds a one "$rounds"
stop "$load"

# Two LPARs
make b cpus 1 gate_timeout_ms $PATIENCE_MS
vm two --vcpus 2
two=$pid
lparcall member-add b member "$two"
check "close the first" watch_gate close a one 100
check "the second runs on" watch move two 10000
check "close the second" watch_gate close b two 100
lparcall gate-open a
check "open the first: it runs" watch move one 10000
check "the second stays closed" watch still two 300

# A member that comes while the gate is closed, its guest running
vm three --vcpus 2
lparcall member-add b member "$pid"
check "a member that comes to a closed gate is held" wait_until 5 watch still three 300
stop "$pid"

# Halted vCPUs, one of which is woken by a timer
vm idle --vcpus 2 --hlt
idle=$pid
lparcall member-add b member "$idle"
vm_do idle wake >/dev/null
check "an interrupt while closed does not run it" watch still idle 300
lparcall gate-open b
check "it is not lost" watch_gate open b two 10000
check "a halted vCPU that was woken runs" wait_until 5 rose idle guest 0 2
vm ticking --vcpus 2 --hlt --wake-ms 5
lparcall member-add b member "$pid"
check "halted and woken each 5 ms: runs" watch move ticking 10000
check "and is still when closed" watch_gate close b ticking 500
lparcall gate-open b

# A descriptor that is a vCPU's at one moment and none at the next
vm flicker --vcpus 2 --flicker
lparcall member-add b member "$pid"
check "a guest whose descriptors come and go runs" watch move flicker 10000
check "and is still when closed" watch_gate close b flicker 300
kick_often flicker &
kicker=$!
check "also when it calls KVM_RUN again and again" watch still flicker 1000
wait "$kicker"
check "and it lives" vm_do flicker pids
stop "$pid"
lparcall gate-open b

# Threads that are no vCPUs, while a cut is armed
make c
lparcall cut deadline_ns $(($(date +%s) + 3000))000000000 lpar c >"$scratch/armed"
check "$CROWD threads call KVM_RUN on nothing" crowd_of none "ebadf=$CROWD enotty=0 eintr=0"
check "none of them has a record" is c gate_vcpus 0
stop "$pid"
check "on a file" crowd_of /dev/null "ebadf=0 enotty=$CROWD eintr=0"
check "none of them has a record" is c gate_vcpus 0
stop "$pid"
lparcall cut-cancel cut "$(sed -n 's/.* cut=\([0-9]*\).*/\1/p' "$scratch/armed")"

# A child of a member
new_vm_of_member
check "a guest started by a member is held" watch_gate close b child 300
lparcall gate-open b

# Death and force
lparcall gate-close a
stop "$one"
check "kill -9 while closed" wait_until 5 is a members ""
check "none is held" is a gate_held 0
lparcall gate-close b
check "force lets members go" lparcall deactivate b force
check "they run on" watch move two 10000
