#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "lparctl throttle follow" with migrations that are over before it sees them run, and with
# a QEMU that is gone, by its own socket and by virsh. No module is needed for that.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"
fake=$(readlink -f "$(dirname "$0")/fake-monitor")
mkdir "$scratch/bin"
PATH=$scratch/bin:$PATH
trap 'kill_monitor; rm -rf "$scratch"; tap_end' EXIT
monitor=

kill_monitor() {
	[ -z "$monitor" ] || kill "$monitor" 2>/dev/null
	monitor=
}

not_running() {
	[ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# answers ANSWER...: of the next follower's QEMU
answers() {
	kill_monitor
	rm -f "$scratch/qmp" "$scratch/ready"
	"$fake" "$scratch/qmp" "$@" >"$scratch/ready" &
	monitor=$!
	wait_until 10 grep -qs ready "$scratch/ready"
}

follow() {
	lparctl -j throttle follow "$scratch/qmp" --wait 1s
}

# virsh_answers ANSWER...
virsh_answers() {
	rm -f "$scratch/given"
	cat >"$scratch/bin/virsh" <<-EOF2
	#!/bin/sh
	echo "\$@" >>"$scratch/words"
	exec "$fake" --next "$scratch/given" $*
	EOF2
	chmod +x "$scratch/bin/virsh"
}

follow_domain() {
	lparctl -j --root "$scratch/root" throttle follow --libvirt web --wait 3s "$@"
}

answers none none completed:30
check "over before it is seen" says 0 '"status":"completed".*"total_ms":30' follow
answers none failed
check "failed before it is seen" says 1 '"status":"failed"' follow
answers none cancelled
check "cancelled before it is seen" says 1 '"status":"cancelled"' follow
answers cancelled cancelled completed:20
check "completed after one that was cancelled" says 0 '"status":"completed"' follow
answers completed:30 completed:30 completed:40
check "a second one" says 0 '"total_ms":40' follow
# What was over before is not what it waits for.
answers completed:30
check "what was over before is none" says 4 "no migration has begun" follow
answers none
check "none at all" says 4 "no migration has begun" follow
answers none quit
check "QEMU quits at once" says 1 "QEMU does not answer" follow
answers quit
check "before it was asked" says 1 "QEMU does not answer" follow

virsh_answers none
check "a domain that does not run" says 1 "process is not known" follow_domain
mkdir -p "$scratch/root/run/libvirt/qemu"
echo 4242 >"$scratch/root/run/libvirt/qemu/web.pid"
virsh_answers none completed:30
check "a migration of a domain" says 0 '"status":"completed".*"total_ms":30' follow_domain
check "by a command of virsh" same "$(head -1 "$scratch/words")" \
	'-q qemu-monitor-command --domain=web {"execute":"query-migrate"}'
virsh_answers none quit
check "a domain that is gone" says 1 "QEMU does not answer" follow_domain
virsh_answers none completed:30
check "a domain whose process is named" says 0 '"status":"completed"' follow_domain --target 1
printf '#!/bin/sh\nsleep 60\n' >"$scratch/bin/virsh"
# A signal in between does not make it wait for what never comes.
lparctl --root "$scratch/root" throttle follow --libvirt web >"$scratch/out" 2>&1 &
monitor=$!
wait_until 5 pgrep -P $monitor >/dev/null
kill -TERM $monitor
check "a signal while virsh hangs" wait_until 20 not_running $monitor
monitor=
check "virsh hangs" says 1 "does not answer: .*timed out" follow_domain
rm "$scratch/bin/virsh"
check "no virsh" says 1 "." follow_domain
check "no domain" says 2 "domain" lparctl throttle follow --libvirt
