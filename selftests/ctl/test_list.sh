#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl list and show ask all guests at once: one that does not answer delays nobody.
# vm: none timeout=200
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 9
guests=(a b c d e f)
host_up h
# Their QEMUs are one process, which the kernel takes for a member of each.
for guest in "${guests[@]}"; do
	mkdir -p "$scratch/h/kernel/$guest" "$(run_of h "$guest")"
done
mkdir "$scratch/h/kernel/idle"

# qemus all|none|events: see deaf-monitors
qemus() {
	rm -f "$scratch"/h/root/run/lparkit/*/*.sock "$scratch/ready"
	# shellcheck disable=SC2046 # no blanks in them
	start "$here/deaf-monitors" "$1" $(for guest in "${guests[@]}"; do
		echo "$(run_of h "$guest")/qmp.sock"
	done) >"$scratch/ready"
	for guest in "${guests[@]}"; do
		echo "$pid" | tee "$scratch/h/kernel/$guest/members" >"$(run_of h "$guest")/qemu.pid"
	done
	wait_until 60 grep -q ready "$scratch/ready"
}

# states VERB...: of all their guests
states() {
	on h -j "$@" | json "' '.join(l['guest']['status'] if l['guest'] else '-' for l in j)"
}

# all_run VERB...: the answer of each came while all others had been asked
all_run() {
	[ "$(states "$@")" = "running running running running running running -" ]
}

qemus all
check "list asks all at once" wait_until 60 all_run list
check "show asks all at once" wait_until 60 all_run show
check "show of some that are named" wait_until 60 all_run show "${guests[@]}" idle
check "one that is not there" says 1 "nobody" on h show a nobody
kill -9 "$pid"

qemus none
check "nobody answers: list" took_less 5 says 0 "^f .* unknown" on h list
check "nobody answers: show" took_less 5 says 0 "guest  *unknown" on h show
check "they are in their order" same "$(on h list | awk 'NR > 1 { print $1 }' | xargs)" \
	"a b c d e f idle"
kill -9 "$pid"

# ends VERB: however much QEMU says, it has a deadline
ends() {
	says 0 "unknown" timeout 20 "$scratch/via" h lparctl "$1"
}
qemus events
check "events without end: list" ends list
check "events without end: show" ends show
