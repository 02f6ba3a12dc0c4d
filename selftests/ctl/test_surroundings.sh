#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whoever starts lparctl may have any umask, no standard output, or stop reading it; and there may
# be no room for a thread, or a QEMU that reads no more: nothing is left half done.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 29
states=$scratch/states
root=$scratch/a/root
record=$root/var/lib/lparkit/running/a1.json

cluster() {
	lparctl cluster "$1" --dir "$states" --via "${via:-$scratch/via}" "${@:2}"
}

runs() {
	same "$(status a a1)" running && test -e "$record"
}

# is_down: nothing of its start is left
is_down() {
	[ ! -e "$record" ] && only_log a a1 && same "$(cat "$scratch/a/kernel/a1/state")" 0
}

host_up a
describe a a1

# A umask of 0
check "with a umask of 0" eval "(umask 0 && on a start a1 >/dev/null)"
check "nobody else may write what there is" same \
	"$(find "$root/run" "$root/etc" "$root/var" -newer "$scratch/via" ! -type l -perm /022)" ""
check "it runs" runs

# Nobody reads
# unread VERB...: what it says goes to a pipe that is closed
unread() {
	local status

	on a "$@" 2>&1 | true
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || same "$status" 141
}
check "a stop that nobody reads" unread stop a1 --timeout 0
check "is a whole one" is_down
check "a start that nobody reads" unread start a1
check "is a whole one" runs
check "who reads one line gets one" same "$(on a list | head -n 1 | cut -c1-4)" NAME

# No standard output: what is opened is none
blank=$scratch/blank
truncate -s 4M "$blank"
sum=$(sha256sum <"$blank")
muted() {
	! lparctl snap check "$blank" --repair >&- 2>&-
}
deaf() {
	! lparctl snap check "$blank" --repair 2>&-
}
check "messages without a place" muted
check "go nowhere" same "$(sha256sum <"$blank")" "$sum"
check "nor one of them" deaf
check "goes there" same "$(sha256sum <"$blank")" "$sum"

# A file that a loop device has, which claims no file
mkdir -p "$root/sys/block/loop7/loop"
readlink -f "$blank" >"$root/sys/block/loop7/loop/backing_file"
check "a repair of what a loop device has" says 1 "a loop device has it" on a snap check "$blank" --repair
check "it is as it was" same "$(sha256sum <"$blank")" "$sum"
check "to look at it is no harm" exits 3 on a snap check "$blank"
rm -r "$root/sys/block/loop7"
check "nor is a repair without" exits 3 on a snap check "$blank" --repair

# No threads
touch "$scratch/a/kernel/no-thread"
check "without threads it is not saved" exits 5 cluster save one --hosts a --continue
check "and goes on" runs
rm "$scratch/a/kernel/no-thread"
check "it is saved with them" exits 0 cluster save one --hosts a --continue
touch "$scratch/a/kernel/no-thread"
check "without them nobody knows whether it is whole" says 1 "no thread for it" cluster verify one
rm "$scratch/a/kernel/no-thread"
check "with them it is" exits 0 cluster verify one
mv "$states/one/a/a1.state" "$scratch/a1.state"
check "a file that is gone is damage" exits 3 cluster verify one
mv "$scratch/a1.state" "$states/one/a/"
size=$(stat -c %s "$states/one/a/a1.state")
echo x >>"$states/one/a/a1.state"
runs=$(guest_pid a a1)
check "what is not what was saved is not restored" says 5 "a1.state" cluster restore one
check "and ends nobody" same "$(guest_pid a a1) $(status a a1)" "$runs running"
truncate -s "$size" "$states/one/a/a1.state"

# A QEMU that reads no more
qemu=$(command -v qemu-system-x86_64)
cat >"$scratch/qemu" <<-END
	#!/bin/bash
	STUCK=$scratch/stuck LD_PRELOAD=$build/selftests/ctl/stuck_preload.so exec "$qemu" "\$@"
END
# As over ssh, execd lives on when what has started it is killed.
printf '#!/bin/bash\nexec setsid --wait "%s" "$@"\n' "$scratch/via" >"$scratch/via-far"
chmod +x "$scratch/qemu" "$scratch/via-far"
on a stop a1 --timeout 0 >/dev/null
describe a a1 "binary=$scratch/qemu"
on a start a1 >/dev/null || bail "no guest"
check "a guest is saved" exits 0 cluster save two --hosts a
touch "$scratch/stuck"
via=$scratch/via-far
check "its QEMU does not take it back" exits 4 cluster restore two --timeout 2s
idle() {
	flock -n "$root/run/lparkit/cluster.lock" true
}
check "nobody waits for that for ever" wait_until 40 idle
check "nothing of it is left" is_down
rm "$scratch/stuck"
via=
check "it is restored then" exits 0 cluster restore two
