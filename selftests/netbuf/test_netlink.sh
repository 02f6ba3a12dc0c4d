#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The netlink family: who may, and what nonsense does.
# vm: cpus=2 mem=1024 timeout=300 speed=full long=6.1,6.12,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

case $LPARKIT_KERNEL in
debug) messages=30000 ;;
*) messages=10000 ;;
esac
seed=${LPARKIT_SEED:-$RANDOM}

as_nobody() {
	setpriv --reuid 65534 --clear-groups "$(command -v lparctl)" netbuf "$@"
}

load netbuf
make_veth
lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 10
lparctl netbuf save "$scratch/file" v0
chmod 755 "$scratch"
chmod 644 "$scratch/file"

for change in "attach g0" "set v0 --policy pass" "hold v0" "drain v0 --no-wait" "flush v0" \
	"detach v0" "load $scratch/file" "save /dev/shm/file v0"; do
	# shellcheck disable=SC2086 # words
	check_fails "nobody: $change" as_nobody $change
done
check "nobody may ask" as_nobody show v0
check_fails "root of a user namespace may not" unshare -U -r -n sh -c \
	'ip link add d0 type veth && lparctl netbuf attach d0'
check "nothing of it had an effect" is v0 txpcnt 10
check "and it still holds" is v0 state hold

# Held frames are in the way of no nonsense: it drains, flushes and detaches too.
check "$messages messages of nonsense" framefuzz "$messages" "$seed" v0
fuzz_together() {
	framefuzz $((messages / 4)) $((seed + 1)) v0 &
	framefuzz $((messages / 4)) $((seed + 2)) v0 && wait $!
}
check "two at once" fuzz_together
lparctl netbuf detach v0 --force
check "attached again" lparctl netbuf attach v0
lparctl netbuf hold v0
to_guest 0 10
check "it still works" is v0 txpcnt 10
check "detached" lparctl netbuf detach v0 --force
check "the module can be unloaded" unload netbuf
