#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# check-here on a machine, which is this host VM: what it refuses, what makes it fail, and
# that the machine is as before, whatever a test has done and whenever it is interrupted.
# vm: cpus=4 threads=2 mem=1536 disks=4M timeout=900 modprobe=kvm_amd kernels=6.12 speed=long
# shellcheck source=selftests/lib/rig.sh
. "$(dirname "$0")/../lib/rig.sh"
trap 'leave true' EXIT

PATH=$LPARKIT_BUILD/selftests/lpar:$PATH
check_here=$LPARKIT_TOP/selftests/vm/check-here
probe=$LPARKIT_TOP/selftests/probe
modules=$LPARKIT_MODULES
disk=$(disk 1)
settings=(/proc/sys/net/ipv6/conf/default/disable_ipv6 /proc/sys/kernel/printk
	/proc/irq/*/smp_affinity_list)
unset LPARKIT_DISKS

# probe NAME OPTIONS [LIBRARY]: a selftest, whose lines are on standard input.
probe() {
	local library=${3:-snapsync}

	library=$library/$library.sh
	mkdir -p "$probe"
	{
		printf '#!/bin/bash\n# vm: cpus=1 mem=64 %s\n' "$2"
		echo "# shellcheck source=selftests/$library"
		echo ". \"\$(dirname \"\$0\")/../$library\""
		cat
	} >"$probe/test_$1.sh"
	chmod +x "$probe/test_$1.sh"
}

# Of all that a test may leave. The machine's clean-up of namespaces takes its time.
machine() {
	lsmod | grep -E '^(lpar|netbuf|dm_snapsync|dirtythrottle) '
	dmsetup ls | sort
	ls /sys/class/net
	losetup --all
	cat /proc/mounts "${settings[@]}" /sys/fs/cgroup/cgroup.subtree_control
	ls -d /tmp/check-here* /dev/shm/* /etc/lparkit /run/* /sys/fs/cgroup/lparkit* 2>/dev/null
	pgrep -l sleep
	pgrep -l minikvm
	sha256sum "$disk"
}

differs_not() {
	machine | diff "$scratch/before" - >"$scratch/diff"
}

is_as_before() {
	wait_until 10 differs_not && return
	sed 's/^/# /' "$scratch/diff"
	return 1
}

# here STATUS NAME...: check-here with these tests ends so.
here() {
	local wanted=$1 status

	shift
	"$check_here" "${@/#/--test=}" >"$scratch/out" 2>&1 </dev/null
	status=$?
	[ $status = "$wanted" ] && return
	echo "# status $status"
	tell
}

# What the last one said; fails.
tell() {
	sed 's/^/# /' "$scratch/out"
	return 1
}

# said PATTERN: by the last one
said() {
	grep -qe "$1" "$scratch/out" || tell
}

last_line() {
	same "$(tail -n 1 "$scratch/out")" "$1" || tell
}

# While a test holds all that there is to hold
interrupted() {
	rm -f "$probe/made"
	start env MESS=wait "$check_here" --test probe/test_mess
	wait_until 60 test -e "$probe/made" || return 1
	kill "$pid"
	wait "$pid"
	same $? 143
}

probe good "disks=4M here" <<-'END'
	check "a scratch disk is none of the machine's" test "${LPARKIT_DISKS%[0-9]*}" = /dev/loop
	check "and can be written" dd if=/dev/urandom of="$(disk 1)" bs=1M count=4
END
probe mess "disks=4M,12M here=kvm" <<-'END'
	PATH=$LPARKIT_BUILD/selftests/lpar:$PATH
	load lpar
	load dirtythrottle
	volume vol && mkfs.ext4 -q /dev/mapper/vol && mkdir "$scratch/mnt" &&
		mount /dev/mapper/vol "$scratch/mnt"
	message vol take one && view old vol one
	check "a volume" mountpoint "$scratch/mnt"
	lparcall create mess memory 4M gate_timeout_ms 3600000 && lparcall activate mess
	minikvm run --counters "$scratch/counters" --socket "$scratch/socket" --mem /dev/lpar/mess &
	guest=$!
	wait_until 20 test -S "$scratch/socket"
	check "an LPAR" lparcall member-add mess member $guest
	check "a closed gate" lparcall gate-close mess
	check "an armed cut" lparctl cut --at +600s --lpar mess --no-wait
	check "a netdev" ip link add mess0 type dummy
	check "files" touch /etc/lparkit/mess.lpar /run/lparkit/mess
	check "a cgroup" mkdir /sys/fs/cgroup/lparkit-mess
	check "a controller" eval 'echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control'
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	for irq in /proc/irq/*/smp_affinity_list; do echo 1 >"$irq"; done 2>/dev/null
	setsid sleep 1000 &
	touch "$(dirname "$0")/made"
	[ "$MESS" != wait ] || sleep 1000
END
probe udev here <<-'END'
	dmsetup create vol --table "0 8 zero"
	sleep 1000 </dev/mapper/vol &
	echo $! >/run/holder
	check "a device that udev looks into" sh -c "dmsetup remove vol"
END
probe beside here netbuf <<-'END'
	check "a netdev" ip link add v0 type dummy
	check "somebody else makes things meanwhile" eval "$MEANWHILE"
END
probe bad here <<<'check "this is not so" false'
probe splat here <<<'check "a splat" sh -c "echo l >/proc/sysrq-trigger"'
probe hangs "timeout=2 here" <<<'sleep 1000'
probe many "here cpus=999" <<<'check "nothing" true'
probe disk here <<<'check "a disk" dd if=/dev/vda of=/dev/null count=1'
probe plain "" <<<'check "nothing" true'

head -c 4M /dev/urandom >"$disk"
# What programs make for themselves.
modprobe -a loop dm-mod
mkdir -p /run/mount
# Of somebody who does not use it just now.
dmsetup create foreign --table "0 8 zero"
# The console is judged by hostvm, the log by check-here.
dmesg -n 1
machine >"$scratch/before"

# Nobody says yes
check "refuses without a word" here 1 probe/test_good
check "and says which" said "say YES=1"
check "refuses if the answer is no" sh -c "echo n | script -qec \
	'$check_here --test probe/test_good' /dev/null >$scratch/out 2>&1; ! grep passed $scratch/out"
check "it has asked" said 'Go on?'
check "and said what it would do" said "unload them"
export YES=1

# What is in the way
check "refuses who is not root" says "sudo selftests/vm/check-here" \
	unshare --user "$check_here" --test probe/test_good
export DM_DISABLE_UDEV=1
load lpar
lparctl create web memory 4M
lparctl activate web
lparctl create db memory 4M
load dm-snapsync
truncate -s 8M "$scratch/base" "$scratch/store"
base=$(losetup --find --show "$scratch/base")
store=$(losetup --find --show "$scratch/store")
dmsetup create vol --table "0 8192 snapsync $base $store 0"
mkfs.ext4 -q /dev/mapper/vol
mkdir "$scratch/mnt"
mount /dev/mapper/vol "$scratch/mnt"
start minikvm run --counters "$scratch/counters" --socket "$scratch/socket"
guest=$pid
wait_until 20 test -S "$scratch/socket"
export LPARKIT_MODULES=$scratch
check "refuses what is in the way" here 1 probe/test_good
check "no modules" said "make modules"
check "an active LPAR" said "LPAR web is active: lparctl stop web; lparctl delete web"
check "a defined one" said "LPAR db is defined: lparctl delete db"
check "a mounted volume" said "vol is mounted on $scratch/mnt: umount $scratch/mnt"
check "modules that are loaded" said "dm_snapsync is loaded already: rmmod dm_snapsync"
check "guests" said "end minikvm ($guest), or say DISTURB=1"
export LPARKIT_MODULES=$modules
check "all that is as it was" sh -c "umount '$scratch/mnt' && dmsetup remove vol &&
	lparctl deactivate web && lparctl delete web && lparctl delete db"
# Of the lparctl above; check-here takes away those of its tests.
rm -f /run/lparkit.irqs
losetup --detach "$base" "$store"
rmmod dm-snapsync lpar

# Tests, beside a guest
export DISTURB=1
check "it fails if a test does" here 1 probe/test_{good,bad,splat,hangs,many}
unset DISTURB
check "a good one has passed" said "probe/test_good *ok"
check "a bad one has not" said "^  this is not so"
check "nor one that makes the kernel complain" said "the kernel complained"
check "nor one without an end" said "^  time-out"
check "what the machine has not is told" said "skipped: needs 999 CPUs, 4 are online"
# Those that end early have no plan either.
check "all are counted" last_line "3 passed, 5 failed"
kill -9 "$guest"
wait "$guest"
check "a test that names a disk is refused" here 1 probe/test_disk
check "by its name" said "names /dev/vda"
check "one that is not said to be safe too" here 1 probe/test_plain
dmsetup create vol --table "0 8 zero"
check "a real one passes" here 0 netbuf/test_pages probe/test_mess
check "somebody else's dm device is spared" said "a dm device is called vol"
check "and is there" dmsetup remove vol
check "the machine is as before" is_as_before

# Others on the machine
export MEANWHILE='ip link add foreign0 type dummy && dmsetup create foreign0 --table "0 8 zero"'
check "others may work beside it" here 0 probe/test_beside
check "what they made stays" sh -c "ip link delete foreign0 && dmsetup remove foreign0"
check "and the machine is as before" is_as_before

# udev, which has a device open for a while
mkdir -p /run/udev
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/udev/control")'
cat >/usr/local/sbin/udevadm <<-'END'
	#!/bin/sh
	[ "$1" = settle ] && read -r holder </run/holder && kill "$holder"
	while [ -e "/proc/$holder/fd/0" ]; do sleep 0.1; done
END
chmod +x /usr/local/sbin/udevadm
check "is waited for" here 0 probe/test_udev
rm -r /run/udev /run/holder

# What a test leaves
check "a test leaves all that it can" here 0 probe/test_mess
check "and the machine is as before" is_as_before
check "interrupted" interrupted
check "and the machine is as before" is_as_before
