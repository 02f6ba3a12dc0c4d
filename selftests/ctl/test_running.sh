#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Which LPARs run, on record: what lparctl finds after the crash of a host, or when it was killed
# itself. All but one of the guests are fake ones.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 63
host_up h
fake=$here/fake-qemu
describe h g "binary=$fake" "args=-fake no"
record=$scratch/h/root/var/lib/lparkit/running/g.json
kernel=$scratch/h/kernel

# noted EXPRESSION: of the record j
noted() {
	json "$1" <"$record"
}

# What a killed lparctl has begun to write is none.
no_record() {
	same "$(ls "${record%/*}"/*.json 2>/dev/null)" ""
}

# QEMU as a process, whoever knows of it
lives() {
	pgrep -f "^/usr/bin/python3 $fake .*$scratch/h/root/" >/dev/null
}

dies() {
	kill -9 "$(guest_pid h g)"
	wait_until 60 eval '! lives'
}

# What a crash of the host leaves: no process, nothing of /run, no LPAR.
crash() {
	local one

	for one in $(pgrep -f -- "$scratch/h/root[/ ]"); do
		kill -9 "$one"
	done
	wait_until 60 eval '! lives'
	rm -rf "$scratch/h/root/run" "$kernel"
	mkdir "$scratch/h/root/run" "$kernel"
}

# What the unit of an LPAR runs
supervise() {
	start "$scratch/via" h lparctl start g --wait >"$scratch/said" 2>&1
	supervisor=$pid
	wait_until 100 grep -q "^g: guest runs" "$scratch/said"
}

# start and stop
check "start" exits 0 on h start g
check "is on record" same "$(noted "sorted(j)")" "['since_ns']"
check "stop" exits 0 on h stop g
check "is none" no_record
check "a guest with another description" exits 0 on h start g --file "$scratch/h/root/etc/lparkit/../lparkit/g.lpar"
on h stop g >/dev/null
cp "$scratch/h/root/etc/lparkit/g.lpar" "$scratch/other"
on h start g --file "$scratch/other" >/dev/null
check "is on record with that" same "$(noted "j['file']")" "$scratch/other"
on h stop g >/dev/null
check "one that is yet to come" exits 0 on h start g --incoming
check "is on record as such" same "$(noted "j['incoming']")" True
on h stop g >/dev/null
check "and none when it is given up" no_record

# What fails
describe h bad "binary=$fake" "args=-fake exit"
check "a start fails" exits 5 on h start bad
check "without a record" no_record
echo '{"since_ns": 7}' >"${record%/*}/bad.json"
check "a start after a crash fails" exits 5 on h start bad
check "and it is still one of those that ran" same "$(cat "${record%/*}/bad.json")" '{"since_ns":7}'
rm "${record%/*}/bad.json"
echo '{"since' >"$record"
check "a record that nobody can read" exits 0 on h start g
check "is replaced" noted "j['since_ns']"
on h stop g >/dev/null
rmdir "${record%/*}"
: >"${record%/*}"
check "no record can be written" says 5 "running/g.json: " on h start g
check_fails "so there is no guest" lives
check "nor anything of it" only_log h g
rm "${record%/*}"
on h start g >/dev/null
rm "$record"
mkdir -p "$record/in-the-way"
check "a record that cannot be removed" says 1 "running/g.json: Is a directory" on h stop g
check_fails "is no reason for a guest to stay" lives
check "but all else is given back" only_log h g
rm -r "$record"

# QEMU crashes, the host crashes
on h start g >/dev/null
dies
check "QEMU was killed: it ran" noted "j['since_ns']"
check "stopped after that" exits 0 on h stop g
check "it did not" no_record
supervise
dies
wait "$supervisor"
check "its supervisor says so" same $? 1
check "and has given all back" only_log h g
check "it ran" noted "j['since_ns']"
on h start g >/dev/null
crash
check "the host has crashed: it ran" noted "j['since_ns']"

# The host goes down
on h start g >/dev/null
check "stopped with its host" exits 0 on h stop g --keep
check "it ran" same "$(noted "j['kept']")" True
check "also when its unit stops it once more" exits 0 on h stop g
check "it ran, still" same "$(noted "j['kept']")" True
on h start g >/dev/null
check "when it runs again nothing is left of that" same "$(noted "sorted(j)")" "['since_ns']"
on h stop g >/dev/null

# systemd says so: what ends now is to run again, whoever ends it
mkdir -p "$scratch/bin" "$scratch/h/root/run/systemd/system"
printf '#!/bin/bash\n[ "$*" = is-system-running ] && cat "%s"\nexit 1\n' "$scratch/systemd" >"$scratch/bin/systemctl"
chmod +x "$scratch/bin/systemctl"
PATH=$scratch/bin:$PATH
echo stopping >"$scratch/systemd"
on h start g >/dev/null
check "a unit is stopped as the host goes down" exits 0 on h stop g
check "it ran" same "$(noted "j['kept']")" True
check "also when that is done once more" exits 0 on h stop g
check "it ran, still" same "$(noted "j['kept']")" True
describe h g
on h start g >/dev/null
told_to_end() {
	kill "$(guest_pid h g)"
	wait_until 100 eval "! grep -q . '$(run_of h g)/qemu/alive' 2>/dev/null"
}
check "QEMU ends as all are told to" told_to_end
check "before it is stopped with its host" exits 0 on h stop g --keep
check "it ran" noted "j['since_ns']"
supervise
check "QEMU ends as all are told to, and somebody watches" told_to_end
wait "$supervisor"
check "it ran" noted "j['since_ns']"
on h start g >/dev/null
# Nothing in it powers down.
check "who wants it no more can say so" exits 0 on h stop g --forget --timeout 0
check "it did not" no_record
check "what was never on record" exits 0 on h stop g
check "is not for that" no_record
echo degraded >"$scratch/systemd"
on h start g >/dev/null
check "the host goes on, and QEMU ends" told_to_end
check "it is stopped after that" exits 0 on h stop g
check "it did not" no_record
rm -r "$scratch/h/root/run/systemd"

# A guest of QEMU's powers down
boot_disk echo
describe h g "args=-drive if=virtio,format=raw,readonly=on,file=$scratch/echo.disk" \
	"args=-serial unix:$scratch/line,server=on,wait=off"
supervise
# Whatever reads it before it is ready is the firmware.
power_down() {
	python3 - "$scratch/line" <<-'EOS'
		import socket, sys
		line = socket.socket(socket.AF_UNIX)
		line.connect(sys.argv[1])
		line.settimeout(100)
		heard = b""
		while b"?" not in heard:
		    line.sendall(b"?")
		    heard += line.recv(64)
		line.sendall(b"q")
		while line.recv(64):
		    pass
	EOS
}
check "a guest powers down" power_down
wait "$supervisor"
check "and its supervisor ends" same $? 0
check "it does not run" no_record

# lparctl is killed after each thing that it does to the disk, or asks of the kernel
describe h g "binary=$fake" "args=-fake no"
# dying VERB...: the same as on, in reach of the killer
dying() {
	PLAYED_KERNEL=$kernel KILLER=$scratch/killer \
		LD_PRELOAD="$build/selftests/ctl/killer_preload.so $build/selftests/ctl/kernel_preload.so" \
		"$build/ctl/lparctl" --root "$scratch/h/root" "$@" >/dev/null 2>&1
}

# killed VERB...: in each place. There is no guest without a record, whatever else is left.
killed() {
	for ((rounds = 1; ; rounds++)); do
		[ "$1" = start ] || exits 0 on h start g || return 1
		echo $rounds >"$scratch/killer"
		dying "$@"
		if lives && [ ! -e "$record" ]; then
			echo "# killed in its $rounds. step it has left a guest without a record"
			return 1
		fi
		[ ! -e "$scratch/killer" ] || break
		on h stop g --timeout 0 >/dev/null 2>&1
		if lives || ! no_record; then
			echo "# killed in its $rounds. step: stop does not help"
			return 1
		fi
	done
	rm "$scratch/killer"
}
check "start is killed" killed start g
check "in many places" test "$rounds" -gt 15
check "it ran at last" noted "j['since_ns']"
on h stop g >/dev/null
check "stop is killed" killed stop g
check "in many places" test "$rounds" -gt 10
check "and at last it did not" no_record

# Its program is on a file system that does not answer.
hanging() {
	PLAYED_KERNEL=$kernel timeout 60 env \
		LD_PRELOAD="$build/selftests/ctl/exec_preload.so $build/selftests/ctl/kernel_preload.so" \
		"$build/ctl/lparctl" --root "$scratch/h/root" "$@"
}
check "undisturbed, it begins" exits 0 hanging start g
on h stop g >/dev/null
touch "$kernel/exec-hangs"
check "QEMU does not begin: start ends" says 5 "fake-qemu does not begin to run" hanging start g --timeout 1s
check "nothing runs" exits 1 lives
check "nothing is on record" no_record
rm "$kernel/exec-hangs"
check "then it can be started" exits 0 hanging start g
on h stop g >/dev/null
