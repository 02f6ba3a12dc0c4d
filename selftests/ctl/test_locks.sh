#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Who may open a file may lock it for ever, so what lparctl locks is root's alone: another user
# who locks all that he can keeps nobody from anything. Nor does a guest hold a lock of who has
# started it.
# vm: none timeout=400
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root"

plan 15
host_up h
describe h g console=yes activation=always
# Not the way to what is below keeps him out.
chmod 755 "$scratch"
root=$scratch/h/root
sed -i 's/^memory=/cpus=2-3\nmemory=/' "$root/etc/lparkit/g.lpar"
mkdir -p "$root/proc/irq/1" "$root/sys/devices/system/cpu"
echo 0-3 | tee "$root/sys/devices/system/cpu/online" >"$root/proc/irq/1/smp_affinity_list"

cat >"$scratch/locker" <<-EOT
	import fcntl, os, signal, stat, sys
	os.setgroups([]), os.setgid(65534), os.setuid(65534)
	held = []
	def lock(path):
	    if not stat.S_ISSOCK(os.lstat(path).st_mode):
	        try:
	            held.append(os.open(path, os.O_RDONLY))
	            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
	        except OSError:
	            pass
	for top in sys.argv[1:]:
	    for path, _, files in os.walk(top):
	        for name in [path] + [os.path.join(path, name) for name in files]:
	            lock(name)
	print(len(held), flush=True)
	signal.pause()
EOT

# lock_all: he has a lock of all that he can open
lock_all() {
	start python3 "$scratch/locker" "$root/etc" "$root/run" >"$scratch/locked"
	locker=$pid
	wait_until 30 test -s "$scratch/locked"
}

unlock_all() {
	kill "$locker"
	wait "$locker" 2>/dev/null
}

check "a guest has been there" exits 0 on h boot restore
on h stop g --timeout 0 >/dev/null
on h export g | grep -v "^cpus" >"$scratch/text"
check "as has an import" exits 0 on h import --rename g=other <"$scratch/text"
rm "$root/etc/lparkit/other.lpar"
check "another user locks what he can" lock_all
check "that is something" test "$(cat "$scratch/locked")" -gt 4
check "start" exits 0 timeout 200 "$scratch/via" h lparctl start g
unlock_all
check "he locks what there is now" lock_all
check "resume" says 0 "g: guest runs" timeout 200 "$scratch/via" h lparctl resume g
check "save" exits 0 timeout 200 lparctl cluster save one --dir "$scratch/states" --via "$scratch/via" \
	--hosts h --continue
check "stop" exits 0 timeout 200 "$scratch/via" h lparctl stop g --timeout 0
check "import" exits 0 timeout 200 "$scratch/via" h lparctl import --rename g=other <"$scratch/text"
unlock_all
# And what is locked is not there to be opened.
# locks [TEST]...: what is locked
locks() {
	find "$root" \( -name '*lock' -o -name lparkit.irqs -o -name restored \) -type f "$@" -printf '%f\n' |
		sort -u | xargs
}
check "nobody may open a lock" same "$(locks -perm /077)" ""
check "there are all of them" same "$(locks)" "cluster.lock lock lparkit.irqs lparkit.lock restored"

# started_with_lock: whoever starts the guest has a lock meanwhile, and a pipe
started_with_lock() {
	local status

	exec 7> >(cat >/dev/null; touch "$scratch/closed") 9>"$scratch/own"
	flock 9
	on h start g >/dev/null
	status=$?
	exec 9>&- 7>&-
	return $status
}
check "a guest is started by who holds a lock" started_with_lock
check "it does not hold it" flock -n "$scratch/own" true
check "nor keeps a pipe open" wait_until 20 test -e "$scratch/closed"
