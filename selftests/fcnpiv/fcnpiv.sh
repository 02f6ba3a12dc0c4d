# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # some of it is for those who source it
# What the tests of fcnpiv.ko have in common: a switch, a target with two LUNs, and
# an adapter, all in one kernel. The LPAR "web" has the names below.

# shellcheck source=selftests/lib/rig.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/rig.sh"

# Nobody runs udev in the host VM.
[ -S /run/udev/control ] || export DM_DISABLE_UDEV=1
PATH=$LPARKIT_BUILD/selftests/fabric:$LPARKIT_BUILD/selftests/fcnpiv:$PATH
wwnn=2000000000000001
original=2001000000000001
maintenance=2001000000000002
adapter=200002fc0a000001
target=20:00:02:fc:0e:00:00:01
tcm=/sys/kernel/config/target
ports=$tcm/fc/$target/tpgt_1
mapped=/dev/mapper/fcnpiv-test

# colons WWPN: as LIO wants it
colons() {
	sed 's/../&:/g; s/:$//' <<<"$1"
}

# The VM as it was found, but for what LIO has: nobody else uses it.
clear_away() {
	local path

	dmsetup remove --retry fcnpiv-test 2>/dev/null
	lparctl fc abort web 2>/dev/null
	[ ! -d /sys/class/fcnpiv/web ] || wait_until 60 end_operation
	for path in /sys/class/fc_vports/vport-*; do
		[ ! -e "$path" ] || echo 1 >"$path/vport_delete"
	done
	for path in i0 t0; do
		[ ! -d "/sys/class/net/$path" ] || echo $path >/sys/bus/fcoe/ctlr_destroy
	done
	wait_until 20 unload_ours
	forgive_libfc
}

# libfc loses remote ports, with fcnpiv.ko and without: a port that gets ready while an
# event is pending keeps a reference for ever. Any other leak is told, with these.
forgive_libfc() {
	local kmemleak=/sys/kernel/debug/kmemleak

	[ -w $kmemleak ] || return 0
	sleep 6 # kmemleak reports what is older than five seconds
	echo scan >$kmemleak
	echo scan >$kmemleak
	awk '/^unreferenced/ { n++ } /fc_rport_create\+/ { of_libfc++ }
		END { exit n != of_libfc }' $kmemleak && echo clear >$kmemleak
	return 0
}

# Whatever it waits for.
end_operation() {
	case $(field step) in
	idle) ;;
	io-to-o) lparctl fc confirm web io && return 1 ;;
	o-return) lparctl fc confirm web returned --force && return 1 ;;
	on-m | armed) lparctl fc confirm web switched && return 1 ;;
	*) return 1 ;;
	esac
}

unload_ours() {
	[ ! -d /sys/module/fcnpiv ] || rmmod fcnpiv
}

trap 'leave clear_away' EXIT

# field FILE: of the identity, in sysfs
field() {
	cat "/sys/class/fcnpiv/web/$1"
}

# is FILE VALUE
is() {
	same "$(field "$1")" "$2"
}

# shown EXPRESSION: of the identity j
shown() {
	lparctl -j fc show web | /usr/bin/python3 -c \
		"import json, sys; j = json.load(sys.stdin)[0]; print($1)"
}

# disk_of PORT [LUN]: 0 unless said
disk_of() {
	shown "next(p['disk'] for p in j['$1']['paths'] if p['number'] == ${2:-0})"
}

# paths PORT COUNT
paths() {
	[ "$(shown "len(j['$1']['paths'])")" = "$2" ]
}

# logged_in WWPN: the switch is the witness
logged_in() {
	[ "$(fcswd -c list | grep -c "$1")" = 1 ]
}

logged_out() {
	local list

	list=$(fcswd -c list) || return 1
	! grep -q "$1" <<<"$list"
}

# frames WWPN: that the switch has had from it
frames() {
	fcswd -c list | sed -n "s/.* $1 .* frames=\([0-9]*\).*/\1/p"
}

# More frames come from this name.
sends() {
	local before

	before=$(frames "$1")
	wait_until 30 more_frames "$1" "${before:-0}"
}

more_frames() {
	[ "$(frames "$1")" -gt $(($2 + 20)) ]
}

# delete_port WWPN, create_port WWPN: by somebody else
delete_port() {
	echo "$1:$wwnn" >"/sys/class/fc_host/$(host_of $adapter)/vport_delete"
}

create_port() {
	echo "$1:$wwnn" >"/sys/class/fc_host/$(host_of $adapter)/vport_create"
}

# cable NAME MAC: NAME for fcoe, sNAME for the switch
cable() {
	ip link add "$1" address "$2" type veth peer name "s$1"
	ip link set "$1" mtu 2500 up
	ip link set "s$1" mtu 2500 up
}

# partition FILE: one of 16 MiB behind the first MiB
partition() {
	printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\200\0\0' |
		dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# lun NUMBER: 64 MiB, in memory. LIO makes the name from the hex digits of the serial.
make_lun() {
	local dir=$tcm/core/fileio_$1/lun

	truncate -s 64M "$scratch/lun$1"
	[ "$1" = 0 ] || partition "$scratch/lun$1"
	mkdir -p "$dir"
	echo "fd_dev_name=$scratch/lun$1,fd_dev_size=67108864" >"$dir/control"
	echo "abc000$1" >"$dir/wwn/vpd_unit_serial"
	echo 1 >"$dir/enable"
	mkdir -p "$ports/lun/lun_$1"
	ln -s "$dir" "$ports/lun/lun_$1/port"
}

# unmask, mask WWPN LUN
unmask() {
	local acl

	acl=$ports/acls/$(colons "$1")/lun_$2
	mkdir -p "$acl"
	ln -s "$ports/lun/lun_$2" "$acl/port"
}

mask() {
	local acl

	acl=$ports/acls/$(colons "$1")/lun_$2
	rm "$acl/port"
	rmdir "$acl"
}

make_target() {
	modprobe configfs
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	modprobe target_core_file
	modprobe tcm_fc
	mkdir -p "$ports"
	make_lun 0
	make_lun 1
	for name in $original $maintenance; do
		unmask "$name" 0
		unmask "$name" 1
	done
}

# host_of WWPN
host_of() {
	local host

	for host in /sys/class/fc_host/host*; do
		[ "$(cat "$host/port_name")" != "0x$1" ] || basename "$host"
	done
}

online() {
	grep -q Online "/sys/class/fc_host/$(host_of "$1")/port_state"
}

# The switch has to be there before the adapters look for it.
make_fabric() {
	local name controller

	echo 100000 >/proc/sys/net/core/netdev_max_backlog
	modprobe sd_mod
	modprobe fcoe
	cable i0 02:fc:0a:00:00:01
	cable t0 02:fc:0e:00:00:01
	make_target
	start fcswd -l "$scratch/switch" si0 st0
	wait_until 20 fcswd -c list || bail "no switch"
	for name in t0 i0; do
		echo $name >/sys/bus/fcoe/ctlr_create
	done
	for controller in /sys/bus/fcoe/devices/ctlr_*; do
		echo 1 >"$controller/enabled"
	done
	for name in ${target//:/} $adapter; do
		wait_until 60 online "$name" || bail "$name does not log in"
	done
}

# define SETTING...
define() {
	lparctl fc define web --wwnn $wwnn --wwpn $original --wwpn-maintenance $maintenance \
		--parent $adapter --grace 500ms "$@"
}

# log_in: the original, with both disks
log_in() {
	lparctl fc login web && wait_until 60 paths original 2
}

# map_to PORT: as a host's path does; what is under way goes on there
map_to() {
	local disk table

	disk=$(disk_of "$1") || return
	table="0 $(blockdev --getsz "/dev/$disk") linear /dev/$disk 0"
	if [ ! -e $mapped ]; then
		dmsetup create fcnpiv-test --table "$table"
		return
	fi
	dmsetup suspend fcnpiv-test && dmsetup load fcnpiv-test --table "$table" &&
		dmsetup resume fcnpiv-test
}

# on STEP: the operation waits there
on() {
	lparctl fc wait web "$1" --timeout 60s
}

# ends CODE: the operation ends so
ends() {
	local status

	lparctl fc wait web idle --timeout 90s
	status=$?
	[ $status = "$1" ] && return 0
	echo "# exit code $status, expected $1: $(field reason)"
	return 1
}
