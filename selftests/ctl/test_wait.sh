#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl start --wait, which a unit of systemd's runs: it stays as long as there is a guest,
# gives everything back when that has powered itself down, and is no guest's end.
# vm: none timeout=400
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 82
states=$scratch/states
host_up h
boot_disk echo
describe h g "args=-drive if=virtio,format=raw,readonly=on,file=$scratch/echo.disk" \
	"args=-serial unix:$scratch/line,server=on,wait=off"

# shellcheck disable=SC2120 # most have no systemd
# supervise [NOTIFY_SOCKET]: what the unit runs, with the id $supervisor
supervise() {
	rm -f "$scratch/said"
	NOTIFY_SOCKET=$1 start "$scratch/via" h lparctl start g --wait >"$scratch/said" 2>&1
	supervisor=$pid
	wait_until 60 grep -q "^g: guest runs" "$scratch/said"
}

# ended [CODE]: the supervisor, with this exit code
ended() {
	wait "$supervisor"
	same $? "${1:-0}"
}

watches() {
	kill -0 "$supervisor"
}

# tell TEXT: the guest that is ready to hear it
tell() {
	python3 - "$scratch/line" "$1" <<-'EOT'
		import socket, sys
		line = socket.socket(socket.AF_UNIX)
		line.connect(sys.argv[1])
		line.settimeout(60)
		heard = b""
		# It may have been ready before anybody has listened.
		while b"?" not in heard:
		    line.sendall(b"?")
		    heard += line.recv(64)
		line.sendall(sys.argv[2].encode())
		while line.recv(64) if sys.argv[2] == "q" else sys.argv[2].encode() not in heard:
		    heard += line.recv(64)
	EOT
}

# Nothing of it is left.
given_back() {
	only_log h g && same "$(cat "$scratch/h/kernel/g/state")" 0
}

# hear SOCKET: what systemd hears next, from the return of this call on
hear() {
	: >"$scratch/heard"
	hear_one "$1" >>"$scratch/heard" &
	wait_until 100 grep -q listens "$scratch/heard"
}

hear_one() {
	python3 - "$1" <<-'EOT'
		import socket, sys
		own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		own.bind(sys.argv[1].replace("@", "\0"))
		print("listens", flush=True)
		own.settimeout(300)
		print(own.recv(4096).decode(), flush=True)
	EOT
}

# The guest powers down
for socket in "$scratch/notify" "@lparkit-test-$$"; do
	hear "$socket"
	check "the guest starts" supervise "$socket"
	check "systemd hears of it" wait_until 60 grep -qx READY=1 "$scratch/heard"
	check "it is watched" watches
	check "the guest powers down" tell q
	check "so its supervisor ends" ended
	check "it says so" grep -q "^g: guest has powered down" "$scratch/said"
	check "everything is given back" given_back
done

# Somebody stops it
check "the guest starts" supervise
check "stop" exits 0 on h stop g --timeout 0
check "so its supervisor ends" ended
check "everything is given back" given_back

# QEMU dies
check "the guest starts" supervise
kill -9 "$(guest_pid h g)"
check "QEMU is killed: its supervisor ends" ended 1
check "it says so" grep -q "QEMU has failed, or was killed" "$scratch/said"
check "everything is given back" given_back

# The supervisor dies, or is told to end
check "the guest starts" supervise
guest=$(guest_pid h g)
kill -9 "$supervisor"
check "a supervisor is killed" ended 137
check_fails "and has ended" pgrep -f "$scratch/h/root start"
check "the guest runs" tell hello
check "a start without --wait" says 1 "runs already" on h start g
check "another one watches it" supervise
check "says so" grep -q "^g: guest runs already, pid $guest, and is watched" "$scratch/said"
kill -TERM "$supervisor"
check "it is told to end" ended
check "says so" grep -q "^g: guest runs on, and is watched no more" "$scratch/said"
check "the guest runs" tell hello
check "another one watches it" supervise
check "the guest powers down" tell q
check "so its supervisor ends" ended
check "which it was not told of by its own child" grep -q "powered down" "$scratch/said"
check "everything is given back" given_back
check "the guest starts" supervise
kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
supervise ""
kill -9 "$(guest_pid h g)"
check "QEMU, no child of its, is killed" ended 1
check "everything is given back" given_back

# The supervisor is killed, then its guest powers down
unwatched() {
	kill -9 "$supervisor"
	wait "$supervisor" 2>/dev/null
}
# gone PID
gone() {
	wait_until 60 test ! -d "/proc/$1"
}
# runs_anew: not the guest that was there
runs_anew() {
	supervise "" && test "$(guest_pid h g)" != "$guest"
}
check "the guest starts" supervise
guest=$(guest_pid h g)
qmp h g system_reset >/dev/null
check "a guest that reboots goes on" tell hello
unwatched
check "it powers down, and nobody watches" tell q
check "QEMU has ended" gone "$guest"
hear "$scratch/third"
NOTIFY_SOCKET=$scratch/third check "the next supervisor starts none" says 0 \
	"^g: guest has powered down" timeout 60 "$scratch/via" h lparctl start g --wait
check "systemd takes that for a start" wait_until 60 grep -qx READY=1 "$scratch/heard"
check "everything is given back" given_back
check "the guest starts again when somebody wants it" supervise
unwatched
guest=$(guest_pid h g)
tell q
gone "$guest"
check "start without --wait is somebody who wants it" exits 0 on h start g
check "what it has started is not taken for another" supervise
check "the guest powers down" tell q
check "so its supervisor ends" ended
check "the guest starts" supervise
unwatched
guest=$(guest_pid h g)
kill -9 "$guest"
gone "$guest"
check "a QEMU that was killed, as was its supervisor, is started anew" runs_anew
guest=$(guest_pid h g)
kill -TERM "$supervisor"
check "a supervisor is told to end" ended
tell q
gone "$guest"
check "what powers down after that is started anew" runs_anew
guest=$(guest_pid h g)
on h stop g --timeout 0 >/dev/null
wait "$supervisor"
on h start g >/dev/null
guest=$(guest_pid h g)
tell q
gone "$guest"
check "as is what was never watched" runs_anew
check "the guest powers down" tell q
check "so its supervisor ends" ended

# QEMU does not even start
description=$scratch/h/root/etc/lparkit/g.lpar
cp "$description" "$scratch/good"
echo "args=-nonsense" >>"$description"
on h activate g >/dev/null
check "in an LPAR that is active QEMU ends at once" says 5 "QEMU ended at once" on h start g --wait
check "only its words are left" only_log h g
cp "$scratch/good" "$description"
check "the next start starts the guest" supervise
check "the guest powers down" tell q
check "so its supervisor ends" ended

# A restore puts another guest in its place
cluster() {
	lparctl cluster "$1" --dir "$states" --via "$scratch/via" "${@:2}"
}
check "the guest starts" supervise
tell hello
check "save" exits 0 cluster save one --hosts h --continue
first=$(guest_pid h g)
check "restore" exits 0 cluster restore one
check "it is another guest" test "$(guest_pid h g)" != "$first"
check "which is watched" watches
check "it powers down" tell q
check "so its supervisor ends" ended
check "everything is given back" given_back

# A restore that takes its time
mkdir -p "$(run_of h g)"
check "the guest starts" supervise
echo '{"kind": "restore", "id": "0123456789abcdef", "guests": [{"name": "g"}]}' \
	>"$scratch/h/root/run/lparkit/cluster.session"
on h stop g --timeout 0 >/dev/null
check_fails "between two guests it does not end" wait_until 2 test ! -d "/proc/$supervisor"
check "nobody restores it any more: that is said" \
	wait_until 30 grep -q "nobody is at it any more: run 'lparctl cluster recover'" "$scratch/said"
on h start g >/dev/null
rm "$scratch/h/root/run/lparkit/cluster.session"
check "the second one powers down" tell q
check "so its supervisor ends" ended
check "it was said once" same "$(grep -c "cluster recover" "$scratch/said")" 1

# An operation is at it
check "the guest starts" supervise
exec 8<"$(run_of h g)/lock"
flock 8
tell q
check_fails "another lparctl is not disturbed" wait_until 2 test ! -d "/proc/$supervisor"
exec 8<&-
check "then it ends" ended
check "everything is given back" given_back
