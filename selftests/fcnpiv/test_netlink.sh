#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink family: who may, what nonsense does, and allocations that fail.
# vm: cpus=2 mem=1024 timeout=300 kernels=7.2,debug speed=long
# shellcheck source=selftests/fcnpiv/fcnpiv.sh
. "$(dirname "$0")/fcnpiv.sh"

messages=5000
seed=${LPARKIT_SEED:-$RANDOM}

as_nobody() {
	setpriv --reuid 65534 --clear-groups "$(command -v lparctl)" fc "$@"
}

# Needed by what follows, which is for kernels with fault injection.
inject() {
	local kind

	for kind in failslab fail_page_alloc; do
		[ -d /sys/kernel/debug/$kind ] || return 1
		echo N >/sys/kernel/debug/$kind/ignore-gfp-wait
		echo 0 >/sys/kernel/debug/$kind/verbose
	done
	echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
}

# Operations of what the fuzzer has left end by themselves.
delete_all() {
	local path

	for path in /sys/class/fcnpiv/*; do
		[ ! -d "$path" ] || lparctl fc delete "$(basename "$path")" 2>/dev/null || return 1
	done
}

load fcnpiv
lparctl fc define web --wwnn $wwnn --wwpn $original --wwpn-maintenance $maintenance \
	--parent $adapter

for change in "set web --grace 1s" "login web" "start web source" "confirm web io" "abort web" \
	"delete web"; do
	# shellcheck disable=SC2086 # words
	check_fails "nobody: $change" as_nobody $change
done
check "nobody may ask" as_nobody show web
check_fails "root without CAP_SYS_ADMIN may not" setpriv --bounding-set=-sys_admin \
	lparctl fc set web --grace 1s
check "nothing of it had an effect" is grace_ms 10000
check "delete" lparctl fc delete web

check "$messages messages of nonsense" fcnfuzz $messages "$seed"
check "two at once" sh -c "fcnfuzz $((messages / 4)) $((seed + 1)) &
	fcnfuzz $((messages / 4)) $((seed + 2)) && wait \$!"
for lpar in /sys/class/fcnpiv/*; do
	lparctl fc abort "$(basename "$lpar")" 2>/dev/null
done
check "all operations end" wait_until 60 delete_all
if inject; then
	check "define: all or nothing, whatever fails" fcnfault
fi
check "the module goes" rmmod fcnpiv
