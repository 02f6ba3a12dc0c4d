# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A host of the rig, a or b: modules, network, disks, and how each is reached.
# Guests a1 ... a4 are the primaries, at home on host a; b1 ... b4 their standbys, on b.

# shellcheck source=selftests/lib/vcpus.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/vcpus.sh"

share=/mnt/share
guests_a="a1 a2 a3 a4"
guests_b="b1 b2 b3 b4"
# shellcheck disable=SC2034 # for those who source it
hosts=a,b
ha_address=10.8.0.100 # of the service that keepalived moves
export DM_DISABLE_UDEV=1
PATH=$LPARKIT_BUILD/selftests/qemu:$LPARKIT_BUILD/selftests/cluster:$PATH

me=$(hostname)

host_address() {
	case $1 in a) echo 10.8.0.1 ;; b) echo 10.8.0.2 ;; esac
}

# guest_address GUEST
guest_address() {
	case $1 in a*) echo "10.8.0.1${1#a}" ;; b*) echo "10.8.0.2${1#b}" ;; esac
}

# peer_of GUEST
peer_of() {
	case $1 in a*) echo "b${1#a}" ;; b*) echo "a${1#b}" ;; esac
}

# disk_of KIND: bases or stores
disk_of() {
	local serial

	for serial in /sys/block/vd*/serial; do
		[ "$(cat "$serial")" != "$1" ] || basename "$(dirname "$serial")"
	done
}

slot_of() {
	case $1 in a*) echo $((${1#a} - 1)) ;; b*) echo $((${1#b} + 3)) ;; esac
}

# slice NAME DISK SECTORS SLOT
slice() {
	dmsetup create "$1" --table "0 $3 linear /dev/$2 $(($3 * $4))"
}

# disk_up GUEST: its snapsync volume, on this host
disk_up() {
	local slot

	slot=$(slot_of "$1")
	slice "base-$1" "$(disk_of bases)" 8192 "$slot" &&
		slice "store-$1" "$(disk_of stores)" 32768 "$slot" &&
		dmsetup create "$1" --table \
			"0 8192 snapsync /dev/mapper/base-$1 /dev/mapper/store-$1 2 group all-$me"
}

disk_down() {
	dmsetup remove "$1" && dmsetup remove "store-$1" "base-$1"
}

# write_disk GUEST: anything behind the block with the counter
write_disk() {
	head -c 4190208 /dev/urandom |
		dd of="/dev/mapper/$1" bs=4k seek=1 iflag=fullblock oflag=direct status=none
}

# digest_of_disk GUEST: of what is there
digest_of_disk() {
	dd if="/dev/mapper/$1" bs=4k skip=1 iflag=direct status=none | sha256sum
}

make_tap() {
	ip tuntap add "tap-$1" mode tap
	ip link set "tap-$1" master br0 up
}

network_up() {
	echo 1 | tee /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6 >/dev/null
	modprobe -a bridge tun vhost_net
	ip link set lo up
	ip link add br0 type bridge
	ip link set br0 type bridge forward_delay 0
	ip link set eth0 master br0 up
	ip addr add "$(host_address "$me")/24" dev br0
	ip link set br0 up
	for guest in $guests_a $guests_b; do
		make_tap "$guest"
	done
}

# Host b follows a; its first settings are large. No children of the test: it waits for those.
clocks_up() {
	if [ "$me" = a ]; then
		(clockset serve &)
	else
		(clockset follow 10.8.0.1 >/run/clock &)
		until grep -q set /run/clock; do
			sleep 0.2
		done
	fi
}

# In the order in which they depend on each other; on the kernel's as well.
modules_up() {
	local name

	modprobe kvm_amd
	for name in lpar netbuf dm-snapsync; do
		modinfo -F depends "$LPARKIT_MODULES/$name.ko" | tr , '\n' |
			xargs -r -n 1 modprobe -q
		insmod "$LPARKIT_MODULES/$name.ko" || return 1
	done
}

# describe GUEST MS [TOKEN ADVERT]: its INI file. Standbys have vhost-net, primaries QEMU's
# own thread. Their consoles are quieter than others': each letter is an exit from the
# guest. With corosync's token, in ms, and keepalived's advertisements, in s, it runs both.
describe() {
	local role=primary vhost=off memory=128M initramfs=initramfs words=

	[[ $1 = a* ]] || role=standby vhost=on
	if [ $# -gt 2 ]; then
		memory=256M initramfs=initramfs-ha
		words=" ha_token=$3 ha_advert=$4 ha_address=$ha_address"
	fi
	mkdir -p /etc/lparkit /run/guest
	cat >"/etc/lparkit/$1.lpar" <<-EOT
		[lpar]
		cpus=$((${1#?}))
		memory=$memory
		disk=/dev/mapper/$1
		[guest]
		kernel=$LPARKIT_BUILD/guest/vmlinux
		initrd=$LPARKIT_BUILD/guest/$initramfs
		append=console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests guest_addr=$(guest_address "$1") pair=$(guest_address "$(peer_of "$1")") pair_role=$role pair_ms=$2 beat_ms=2000$words
		machine=q35,sata=off,smbus=off,hpet=off
		args=-netdev tap,id=n,ifname=tap-$1,script=no,downscript=no,vhost=$vhost
		args=-device virtio-net-pci,netdev=n,romfile=,mac=52:54:00:08:00:$(guest_address "$1" | sed 's/.*\.//')
		args=-serial file:/run/guest/$1.console -serial unix:/run/guest/$1.line,server=on,wait=off
	EOT
}

# Everything that a host has before its guests.
node_up() {
	mkdir -p $share /var/lib/lparkit/cluster
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share $share &&
		touch "$share/$me.booted" && modules_up && network_up && clocks_up
}

# node_disks GUEST...: volumes of the guests that are at home here
node_disks() {
	local guest

	for guest; do
		disk_up "$guest" || return 1
	done
}

# on HOST COMMAND...: there, with this file at hand
on() {
	local host=$1 answer

	shift
	if [ "$host" = "$me" ]; then
		"$@"
		return
	fi
	answer=$(printf '%q ' "$@" | { cat; echo; } |
		socat -t 600 -T 600 - "TCP:$(host_address "$host"):7001")
	head -n -1 <<<"$answer"
	return "$(tail -n 1 <<<"$answer")"
}

# ssh_key: with which host a comes in, everywhere; and where everywhere is
ssh_key() {
	local host

	install -d -m 700 /root/.ssh
	rm -f $share/key $share/key.pub
	ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/lparkit || return 1
	cp /root/.ssh/lparkit.pub $share/key.pub
	for host in a b; do
		cat <<-EOT
			Host $host
			HostName $(host_address $host)
			User root
			IdentityFile /root/.ssh/lparkit
			StrictHostKeyChecking no
			LogLevel error
		EOT
	done >/root/.ssh/config
}

# ssh_up: a server that lets that key in, and a lparctl where it looks for commands
ssh_up() {
	install -d -m 700 /root/.ssh
	chmod go-w /root
	cp $share/key.pub /root/.ssh/authorized_keys
	ln -sf "$(command -v lparctl)" /usr/bin/lparctl
	dropbearkey -t ed25519 -f /run/host.key >/dev/null || return
	# It keeps what it is given, at times, and whoever has asked us would wait for its end.
	dropbear -s -r /run/host.key </dev/null >/dev/null 2>&1
}

home_of() {
	echo "${1:0:1}"
}

# say GUEST COMMAND: to the guest that runs on this host
say() {
	talk "/run/guest/$1.line" "$2" 60
}

# shown GUEST KEY: a number of "pair show"
shown() {
	say "$1" "pair show" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

# qmp GUEST COMMAND: to the QEMU of a guest on this host
qmp() {
	talk "/run/lparkit/$1/qmp.sock" "{\"execute\": \"$2\"}"
}

guest_is_up() {
	grep -q '^beat ' "/run/guest/$1.console" 2>/dev/null
}

# What a guest said, and where its host has lost frames
noticed() {
	grep '^pair: ' "/run/guest/$1.console" | tail -n 20
	grep -H -v '^0$' /sys/class/net/*/statistics/*_{dropped,errors}
	awk '{ print "softnet: " $1, "dropped", $2, "squeezed", $3 }' /proc/net/softnet_stat
}

# ---- what may be done to a host, and looked at ----

small=/run/small # where no guest's state has room

small_dir() {
	mkdir -p $small && mount -t tmpfs -o size=8m tmpfs $small
}

# nothing_left NAME: of a saved state
nothing_left() {
	[ -z "$(find /var/lib/lparkit/cluster $small -path "*/$1*" 2>/dev/null)" ]
}

nothing_held() {
	! lparctl netbuf show | grep -w hold && ! lparctl list | grep -w closed
}

no_session() {
	[ ! -e /run/lparkit/cluster.session ]
}

# spoil FILE: a byte in its middle
spoil() {
	printf x | dd of="$1" bs=1 seek=5000 conv=notrunc status=none
}

qemu_pid() {
	cat "/run/lparkit/$1/qemu.pid"
}

# A QEMU that stands does not answer.
freeze_qemu() {
	kill -STOP "$(qemu_pid "$1")"
}

thaw_qemu() {
	kill -CONT "$(qemu_pid "$1")"
}

kill_execd() {
	pkill -9 -f '^lparctl execd'
}

# As by a power failure
crash() {
	echo b >/proc/sysrq-trigger
}

# stage_is LPAR N; starts no process, as crash_at() has little time
stage_is() {
	local stage=

	{ read -r stage <"/sys/class/lpar/$1/stage/number"; } 2>/dev/null
	[ "$stage" = "$2" ]
}

# crash_at LPAR N: in that stage, some of which last for 60 ms
crash_at() {
	until stage_is "$1" "$2"; do
		:
	done
	crash
}

# late_qemu LPAR SECONDS: from when all is armed for going on, QEMU hears nothing for so long.
# Starts no process: that may take longer than the lead.
late_qemu() {
	local pid

	read -r pid <"/run/lparkit/$1/qemu.pid"
	until stage_is "$1" 4; do
		:
	done
	kill -STOP "$pid"
	sleep "$2"
	kill -CONT "$pid"
}

# fired LPARS INSTANT ACTION: when the gates of this host acted, in ns
fired() {
	lparctl -j cut --at "@$2" --lpar "$1" --action "$3" | grep -o '"fired_ns":[0-9]*' | cut -d : -f 2
}

# read_states DIRECTORY: all files at the same time, as the guests' states are read.
read_states() {
	local file

	for file in "$1"/*.state; do
		cat "$file" >/dev/null &
	done
	wait
}
