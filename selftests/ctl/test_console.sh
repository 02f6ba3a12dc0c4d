#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl console: what is typed is the guest's, what it says is shown; one user has it at a
# time; the terminal is as it was, whatever ends it.
# vm: none timeout=300
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 27
host_up h
boot_disk echo
describe h g "args=-drive if=virtio,format=raw,readonly=on,file=$scratch/echo.disk" console=yes \
	"args=-serial file:$scratch/second"
describe h quiet

# at_terminal LINE...: a user of the console does this; see terminal
console=("$scratch/via" h lparctl console g)
at_terminal() {
	printf '%s\n' "$@" | "$here/terminal" "${console[@]}" >"$scratch/shown"
	grep -qx "terminal restored" "$scratch/shown"
}

# piped FILE: its console, with the id $pid, is told what is in a file
piped() {
	start sh -c "exec '$scratch/via' h lparctl console g <'$1'"
}

# shown PATTERN
shown() {
	grep -q -e "$1" "$scratch/shown"
}

on h start g >/dev/null
check "a user" at_terminal "? Ctrl-] . ends it" x "? x" hello "? hello" '\x1d.'
check "the escape ends it" shown "^exit 0"
check "keys that a terminal would take" at_terminal "? ends it" '\x03\x04\x1a!' "? !" '\x1d.'
check "are the guest's" shown "^exit 0"
check "an escape" at_terminal "? ends it" 'a\x1d\x1db' "? a" "? b" '\x1d.'
check "is the guest's when it comes twice" grep -q "a$(printf '\035')b" "$scratch/shown"
check "an escape before another key" at_terminal "? ends it" '\x1dc' "? c" '\x1d.'
check "is none" grep -q "$(printf '\035')c" "$scratch/shown"
check "SIGTERM" at_terminal "? ends it" x "? x" "kill SIGTERM"
check "ends it" shown "^exit 0"

# What it says goes to somebody who ends
cat >"$scratch/one-line" <<-EOT
	#!/bin/sh
	${console[*]} 2>"$scratch/said" | { head -n 1; exec <&-; echo gone; }
EOT
chmod +x "$scratch/one-line"
console=("$scratch/one-line")
check "a reader that ends" at_terminal "? gone" x
check "is not the guest's end" grep -q "console: Broken pipe" "$scratch/said"
console=("$scratch/via" h lparctl console g)

# Another one has it
mkfifo "$scratch/typed"
exec 7<>"$scratch/typed"
piped "$scratch/typed" >"$scratch/first"
user=$pid
printf '1' >&7
check "one that is no terminal" wait_until 60 grep -q 1 "$scratch/first"
check "a second user" says 1 "its console is in use, by process $user" on h console g
check "at a terminal" at_terminal
check "is told as well" shown "in use, by process $user"
printf '2' >&7
check "the first one is not disturbed" wait_until 60 grep -q 12 "$scratch/first"
kill -9 "$user"
wait "$user" 2>/dev/null
check "the first one is killed" at_terminal "? ends it" x "? x" '\x1d.'
check "it is the next one's" shown "^exit 0"

# Input that ends, and many bytes
python3 -c "print('0123456789abcdef' * 160, end='.')" >"$scratch/many"
piped "$scratch/many" >"$scratch/said"
check "input that ends is all the guest's" wait_until 200 grep -q '\.' "$scratch/said"
check "in its order" cmp "$scratch/many" "$scratch/said"
kill "$pid"
wait "$pid" 2>/dev/null

# The guest ends
check "the guest powers down" at_terminal "? ends it" x "? x" q
check "that is told" shown "its guest has ended"
check "another port is its own" test -e "$scratch/second"
check "no console of no guest" says 1 "no guest" on h console g
on h stop g >/dev/null
on h start quiet >/dev/null
check "no console of its own" says 1 "console=yes" on h console quiet
check "only what was left is there" same "$(ls "$(run_of h g)")" qemu.log
