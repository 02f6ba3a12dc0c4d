#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl start and stop of an LPAR with a port of its own: the switch is the witness of when
# it is logged in, and the target of what it sees. The QEMU is a fake one.
# vm: cpus=4 threads=2 mem=1536 timeout=300 kernels=6.12 speed=long
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

load lpar
load fcnpiv
plan 19
make_fabric
fake=$(readlink -f "$(dirname "$0")/../ctl/fake-qemu")
note=/run/lparkit/web/fc
disk=/dev/web-disk
names=("wwnn=$wwnn" "wwpn=$original" "wwpn-maintenance=$maintenance")
mkdir -p /etc/lparkit

# ini MODE LINE...: web, with its first LUN; more lines of [guest]
ini() {
	printf '%s\n' "[lpar]" "cpus=2-3" "memory=64M" "disk=$disk" "[guest]" "binary=$fake" \
		"args=-fake $1" "${@:2}" >/etc/lparkit/web.lpar
}

# What udev does: a name for the LUN, by what the LUN says of itself, some time after it came.
name_disks() {
	local path

	while sleep 0.3; do
		for path in /sys/block/sd*; do
			grep -qsa abc0000 "$path/device/vpd_pg80" && ln -sfn "/dev/${path##*/}" $disk
		done
		[ -b $disk ] || rm -f $disk
	done
}

nothing_left() {
	wait_until 20 logged_out $original && [ ! -e $note ] && no_guest
}

no_guest() {
	! lparctl list | grep -q active && ! pgrep -f fake-qemu
}

# tells CODE PATTERN COMMAND...: it ends so, and its messages match
tells() {
	local status

	"${@:3}" >"$scratch/said" 2>&1
	status=$?
	[ $status = "$1" ] && grep -qe "$2" "$scratch/said" && return 0
	sed 's/^/# /' "$scratch/said"
	echo "# exit code $status, expected $1"
	return 1
}

# The guest's disk is the LUN.
has_the_lun() {
	grep -qa abc0000 "/sys/block/$(basename "$(readlink $disk)")/device/vpd_pg80"
}

start name_disks
define --login 1s
ini no "${names[@]}" "fc-parent=200002fc0a0000ff"
check "no such adapter" tells 5 "no fc_host" lparctl start web
check "nothing is left of it" nothing_left
lparctl fc delete web
ini no "${names[@]}" fc-parent=any
fcswd -c reject $original
lparctl start web 2>"$scratch/said" &
starter=$!
wait_until 20 grep -qs o-login /sys/class/fcnpiv/web/step
kill -TERM $starter
wait $starter
check_is "a login that takes long can be given up" $? 5
fcswd -c accept
check "nothing is left of it" nothing_left
check "nor an identity" test ! -e /sys/class/fcnpiv/web
ini exit "${names[@]}" fc-parent=any
check "a QEMU that ends at once" tells 5 "QEMU ended at once" lparctl start web
check "nothing is left of it" nothing_left
ini no "${names[@]}" fc-parent=any
check "it starts" tells 0 "port 20:01:00:00:00:00:00:01 is logged in" lparctl start web
check "the switch sees it" logged_in $original
check "its disk is the LUN" has_the_lun
check "names of an LPAR are no other's" grep -q "^web $wwnn $original $maintenance$" /var/lib/lparkit/wwn
check "a second start leaves it alone" tells 1 "runs already" lparctl start web
check "it is still logged in" logged_in $original
check "it stops" tells 0 "port is logged out" lparctl stop web
check "nothing is left of it" nothing_left
check "but its identity" is original absent
lparctl fc login web
ini exit "${names[@]}" fc-parent=any
check "a start that fails" tells 5 "QEMU ended at once" lparctl start web
check "leaves what an operator has logged in" logged_in $original
lparctl fc logout web
ini no wwnn=$wwnn wwpn=2001000000000011 wwpn-maintenance=2001000000000012 fc-parent=any
check "another identity is not overwritten" tells 1 "other names than its description" lparctl start web
