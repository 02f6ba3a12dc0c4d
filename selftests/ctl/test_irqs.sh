#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Interrupts that start moves off an LPAR's CPUs come back, also where nothing can be
# remembered of them. They are files here.
# vm: none
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 33
host_up h
root=$scratch/h/root
mkdir -p "$root/sys/devices/system/cpu"
echo 0-3 >"$root/sys/devices/system/cpu/online"
describe h g
sed -i 's/^memory=/cpus=2-3\nmemory=/' "$root/etc/lparkit/g.lpar"

# irqs LIST...: interrupts 1, 2, ... that may use these CPUs
irqs() {
	local list n=0

	for list; do
		n=$((n + 1))
		mkdir -p "$root/proc/irq/$n"
		echo "$list" >"$root/proc/irq/$n/smp_affinity_list"
	done
}

# are LIST...
are() {
	same "$(for n in 1 2 3; do cat "$root/proc/irq/$n/smp_affinity_list"; echo; done | xargs)" "$*"
}

irqs 0-3 2-3 0-0
check "start" exits 0 on h start g
check "none has the LPAR's CPUs" are 0-1 0-1 0-0
check "stop" exits 0 on h stop g --timeout 0
check "all are as they were" are 0-3 2-3 0-0

# A full /run
ln -sf /dev/full "$(run_of h g)/irqs"
check "start, and nothing can be remembered" exits 0 on h start g
check "it says so" grep -q "stay where they are: .* No space left" "$scratch/err"
check "none was moved" are 0-3 2-3 0-0
rm "$(run_of h g)/irqs"
check "stop" exits 0 on h stop g --timeout 0
on h start g >/dev/null && on h stop g --timeout 0 >/dev/null
check "another start and stop" are 0-3 2-3 0-0
check "no record is left" test ! -e "$(run_of h g)/irqs"

# One that cannot be moved: a file that nobody may write to
on h delete g
stuck=$(cat /proc/sys/kernel/cap_last_cap)
sed -i "s/^cpus=.*/cpus=2-3,$stuck/" "$root/etc/lparkit/g.lpar"
mkdir -p "$root/proc/irq/4"
ln -s /proc/sys/kernel/cap_last_cap "$root/proc/irq/4/smp_affinity_list"
check "start, and one cannot be moved" says 0 "1 cannot be moved" on h start g
check "it is not remembered: it has not come back" same "$(cut -d ' ' -f 1 "$(run_of h g)/irqs" | sort | xargs)" "1 2"
# A driver that is bound anew has others than before; a guest's are where it likes.
mkdir -p "$root/proc/irq/5/vfio-msix[0](0000:00:05.0)"
echo 2-3 >"$root/proc/irq/5/smp_affinity_list"
# strays: of what the kernel says, as a description in another root is another host's
strays() {
	mv "$root/etc/lparkit/g.lpar" "$scratch/g.lpar"
	on h check g 2>&1 | grep "may come to its CPUs"
	mv "$scratch/g.lpar" "$root/etc/lparkit/g.lpar"
}
check "neither the guest's nor one that cannot be moved is complained of" same "$(strays)" ""
mkdir -p "$root/proc/irq/6"
echo 0-3 >"$root/proc/irq/6/smp_affinity_list"
check "one that was not there before is" eval 'strays | grep -q "interrupt 6 "'
echo 2-3 >"$root/proc/irq/1/smp_affinity_list"
on h activate g --host >/dev/null
check "moved again" are 0-1 0-1 0-0
check "the new one, too" same "$(cat "$root/proc/irq/6/smp_affinity_list")" 0-1
on h stop g --timeout 0 >/dev/null
check "what they had at first counts" are 0-3 2-3 0-0

# irqbalance writes while there is a supervisor.
may_use() {
	[ "$(cat "$root/proc/irq/$1/smp_affinity_list")" = "$2" ]
}
start "$scratch/via" h lparctl start g --wait >"$scratch/said" 2>&1
supervisor=$pid
check "start with a supervisor" wait_until 60 grep -q "^g: guest runs" "$scratch/said"
echo 0-3 >"$root/proc/irq/1/smp_affinity_list"
check "one that comes back is moved off again" wait_until 60 may_use 1 0-1
check "its owner hears of it" grep -q "interrupt 1 may come to its CPUs again" "$scratch/said"
on h stop g --timeout 0 >/dev/null
wait "$supervisor"
check "what they had at first counts even so" are 0-3 2-3 0-0

# A lparctl that stands has the lock.
start flock --no-fork "$root/run/lparkit.irqs" sleep 1000
check "the lock is held" wait_until 20 eval "! flock -n $root/run/lparkit.irqs true"
check "start does not wait for ever" says 0 "stay where they are: .* another lparctl" \
	timeout -k 1 20 "$scratch/via" h lparctl start g
kill -9 "$pid"
wait "$pid" 2>/dev/null
check "stop" exits 0 timeout -k 1 20 "$scratch/via" h lparctl stop g --timeout 0
check "none was moved, nor is" are 0-3 2-3 0-0

# Whoever has activated it comes to the interrupts when it is deactivated: a FIFO holds him up.
g_is() {
	on h list | grep -q "^g .*$1"
}
online=$root/sys/devices/system/cpu/online
rm "$online"
mkfifo "$online"
on h activate g --host >/dev/null &
activation=$!
check "activate" wait_until 20 g_is active
on h deactivate g >/dev/null &
deactivation=$!
check "deactivate" wait_until 20 g_is defined
# Waits for no reader
echo 0-3 1<>"$online"
check "both end" wait "$activation" "$deactivation"
check "none is left away" are 0-3 2-3 0-0

# Nobody reads what is said
rm "$online"
echo 0-3 >"$online"
mkfifo "$scratch/full"
exec 6<>"$scratch/full"
timeout 2 head -c 65536 /dev/zero >&6
start "$scratch/via" h lparctl activate g --host >&6
check "activate, and nobody reads" wait_until 30 may_use 1 0-1
check "nobody else waits for that" wait_until 20 flock -n "$root/run/lparkit.irqs" true
kill -9 "$pid"
wait "$pid" 2>/dev/null
exec 6>&-
check "deactivate" exits 0 on h deactivate g
check "none is left away" are 0-3 2-3 0-0
