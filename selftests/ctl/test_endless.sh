#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A start that does not end, as where a disk does not answer: others do not wait for it for ever,
# and when it goes on at last nobody has forgotten it.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 20
states=$scratch/states
root=$scratch/h/root
record=$root/run/lparkit/cluster.session
irq=$root/proc/irq/1/smp_affinity_list

# Whoever starts an LPAR with CPUs of its own writes to interrupt 1, which nobody reads.
hang() {
	rm -f "$irq"
	mkfifo "$irq"
}

go_on() {
	exec 8<>"$irq"
	echo 0-3 >&8
	rm "$irq"
	echo 0-3 >"$irq"
	exec 8>&-
}

# starting NAME
starting() {
	[ "$(cat "$scratch/h/kernel/$1/state" 2>/dev/null)" != 0 ] &&
		pgrep -f "^lparctl --root $root start $1" >/dev/null
}

# undone NAME: it has ended, and is not there
undone() {
	! starting "$1" && [ ! -e "$(run_of h "$1")/qemu.pid" ]
}

is_down() {
	same "$(cat "$scratch/h/kernel/b/state")" 0 && [ ! -e "$(run_of h b)/qemu.pid" ]
}

host_up h
sed -i "s,kernel_preload.so,&:$build/selftests/ctl/later_preload.so," "$scratch/via"
mkdir -p "$root/proc/irq/1" "$root/sys/devices/system/cpu"
echo 0-3 >"$root/sys/devices/system/cpu/online"
echo 0-3 >"$irq"

# A restore
describe h b
sed -i 's/^memory=/cpus=2-3\nmemory=/' "$root/etc/lparkit/b.lpar"
on h start b >/dev/null || bail "no guest"
check "saved" exits 0 lparctl cluster save one --dir "$states" --via "$scratch/via" --hosts h
hang
start lparctl cluster restore one --dir "$states" --via "$scratch/via" 2>"$scratch/said"
caller=$pid
check "its guest is being started" wait_until 60 starting b
touch "$scratch/h/kernel/later"
check "a restore does not wait for ever" exits 1 wait "$caller"
check "and says what is left" grep -q "b: it is being started still: run 'lparctl cluster recover'" "$scratch/said"
check "on record" test -e "$record"
check "that is so until it has come" says 1 "b: it is being started still" on h cluster recover
go_on
check "the guest has come" wait_until 60 test -S "$(run_of h b)/lparctl.sock"
check "recover" exits 0 on h cluster recover
check "ends it, and its LPAR is given back" is_down
check "nothing is left on record" test ! -e "$record"
rm "$scratch/h/kernel/later"
check "restored then" exits 0 lparctl cluster restore one --dir "$states" --via "$scratch/via"
on h stop b --timeout 0 >/dev/null

# Boot: b waits, and others come later in the order of names
describe h c "binary=$here/fake-qemu" "args=-fake no"
for name in b c; do
	on h start $name >/dev/null || bail "no guest $name"
	kill -9 "$(guest_pid h $name)"
done
rm -rf "$root/run" "$scratch/h/kernel"
mkdir "$root/run" "$scratch/h/kernel"
hang
start "$scratch/via" h lparctl boot restore 2>"$scratch/said"
restorer=$pid
check "it is being started" wait_until 60 starting b
check "another waits" test ! -e "$(run_of h c)/qemu.pid"
touch "$scratch/h/kernel/later"
check "not for ever" wait_until 60 test -e "$(run_of h c)/qemu.pid"
check "boot restore ends" exits 1 wait "$restorer"
check "and says why" grep -q "b: not started: 'lparctl start' of it does not end" "$scratch/said"
check "it is on record still" test -e "$root/var/lib/lparkit/running/b.json"
go_on
check "what goes on is undone, as nobody waits for it" wait_until 60 undone b
rm "$scratch/h/kernel/later"
check "once more" exits 0 on h boot restore
check "both run" test -e "$(run_of h b)/qemu.pid" -a -e "$(run_of h c)/qemu.pid"
