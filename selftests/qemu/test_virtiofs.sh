#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: cpus=4 mem=2048 timeout=600 kernels=6.1,6.12,7.2 speed=long
#
# A guest on the memory of an LPAR that has a directory of the host by virtiofs: QEMU's own
# virtiofsd maps the memory, if it was granted to it, and for as long as it is.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=selftests/qemu/guest.sh
. "$(dirname "$0")/guest.sh"

virtiofsd=/usr/lib/qemu/virtiofsd
daemons=()
MIB=8

clear_away() {
	local status=$?

	[ ${#daemons[@]} = 0 ] || kill -9 "${daemons[@]}" 2>/dev/null
	(exit $status)
	guest_kill_all
	tap_end
}
trap clear_away EXIT

# serve NAME: the directory NAME below $run; it is $daemon.
serve() {
	mkdir -p "$run/$1"
	"$virtiofsd" --socket-path="$run/$1.fs" -o source="$run/$1" -o sandbox=chroot \
		2>"$run/$1.fsd" &
	daemon=$!
	daemons+=("$daemon")
	wait_until 20 test -S "$run/$1.fs"
}

# guest_on NAME TAG: the guest NAME, with what is served as TAG
guest_on() {
	guest_start "$1" 256 2 "$(lpar_backend web)" -chardev socket,id=fs,path="$run/$2.fs" \
		-device vhost-user-fs-pci,chardev=fs,tag="$2"
	lparctl member add web "$guest_pid"
}

is_free() {
	[ -z "$(cat /sys/class/lpar/web/holder)" ]
}

# maps PID: it has memory of the LPAR mapped, by its own account.
maps() {
	grep -q /dev/lpar/web "/proc/$1/maps"
}

[ -x "$virtiofsd" ] || skip_all "no $virtiofsd"
load lpar
guest_prepare || bail "the host VM has no KVM"
# shellcheck disable=SC2034 # for guest_start
guest_initrd=$LPARKIT_BUILD/guest/initramfs-fs
lparctl create web cpus 2-3 memory 256M
check "the LPAR is active" lparctl activate web

# Without a grant
serve a || bail "no virtiofsd"
guest_on first a
check "a guest boots" wait_until 300 guest_is_up first
check "virtiofsd without a grant ends" wait_until 60 guest_ended "$daemon"
check "as it cannot map the memory" grep -q "mmap error: Device or resource busy" "$run/a.fsd"
guest_say first "mount a"	# which does not wait for an answer
check_fails "the guest has no files" guest_say first "file write /a/refused 20 1" 10
check "nor has the host of it" test ! -e "$run/a/refused"
guest_kill "$guest_pid"
check "the memory is free again" wait_until 60 is_free

# With one
serve b || bail "no virtiofsd"
check "grant" lparctl grant web "$daemon"
guest_on second b
check "a guest boots" wait_until 300 guest_is_up second
check "virtiofsd has mapped the memory" maps "$daemon"
check "the guest has the directory" guest_say second "mount b"
data check "it writes a file" guest_say second "file write /b/from-guest 21 $MIB" 120
data check "which the host has" peer disk "$run/b/from-guest" 21 $MIB
cp "$run/b/from-guest" "$run/b/from-host"
data check "it reads what the host has written" guest_say second "file verify /b/from-host 21 $MIB" 120
check_fails "which is no other pattern" guest_say second "file verify /b/from-host 22 1"
check "virtiofsd goes on" maps "$daemon"
check "freeze and thaw" eval "lparctl freeze web && lparctl thaw web"
data check "it writes another" guest_say second "file write /b/after 23 1" 120
data check "which the host has" peer disk "$run/b/after" 23 1

# Until it is taken away
check "revoke" lparctl revoke web "$daemon"
check_fails "the guest's files do not answer" guest_say second "file write /b/revoked 24 1" 10
check "virtiofsd has lost the memory" wait_until 60 guest_ended "$daemon"
wait "$daemon"
check "by SIGBUS" test $? = $((128 + $(kill -l BUS)))
check "the guest goes on" guest_goes_on second
guest_kill "$guest_pid"
check "the LPAR can be deactivated" wait_until 60 lparctl deactivate web
check "and the module unloaded" wait_until 60 unload lpar
