#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl metrics: what is told of LPARs, guests and the pool, in a form that a strict reader
# takes, and the file that another one may read at any time.
# vm: none
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 27
host_up h
root=$scratch/h/root
prom=$scratch/lparkit.prom

# A node of 4 CPUs, of which one may be kept, and 1 GiB.
mkdir -p "$root"/sys/devices/system/{node/node0,cpu}
echo 0-3 | tee "$root/sys/devices/system/cpu/online" >"$root/sys/devices/system/node/node0/cpulist"
echo 0 >"$root/sys/devices/system/node/online"
echo "Node 0 MemTotal: 1048576 kB" >"$root/sys/devices/system/node/node0/meminfo"
for n in 0 1 2 3; do
	mkdir -p "$root/sys/devices/system/cpu/cpu$n/topology"
	echo $n >"$root/sys/devices/system/cpu/cpu$n/topology/thread_siblings_list"
done

# valid: standard input is the text format: each family once, with help and type before its
# samples, no series twice, counters with their ending.
valid() {
	python3 -c '
import re, sys
seen, series, family, kind = set(), set(), None, None
text = sys.stdin.read()
assert text.endswith("\n") and "\n\n" not in text
for line in text.splitlines():
    if line.startswith("# HELP "):
        family = line.split(" ")[2]
        assert family not in seen and len(line.split(" ")) > 3, line
        seen.add(family)
        kind = None
    elif line.startswith("# TYPE "):
        name, kind = line.split(" ")[2:]
        assert name == family and kind in ("gauge", "counter"), line
        assert name.endswith("_total") == (kind == "counter"), line
    else:
        labels = r"[a-z_]+=\"(?:[^\"\\\n]|\\[\"\\n])*\""
        found = re.fullmatch(r"([a-z_]+)\{%s(?:,%s)*\} (\d+)" % (labels, labels), line)
        assert found and found[1] == family and kind, line
        assert line.rpartition(" ")[0] not in series, line
        series.add(line.rpartition(" ")[0])
'
}

# told LINE...: each is among what is told now
told() {
	local line

	on h metrics >"$scratch/text" || return
	for line; do
		grep -qxF -e "$line" "$scratch/text" || { echo "# not told: $line" && cat "$scratch/text" && return 1; }
	done
}

told_not() {
	on h metrics >"$scratch/text" && ! grep -e "$1" "$scratch/text"
}

check "without LPARs" told 'lparkit_up{part="lpar"} 1' 'lparkit_up{part="pool"} 1'
check "it is valid" valid <"$scratch/text"
check "the pool" told 'lparkit_pool_cpus{node="0"} 3' 'lparkit_pool_free_cpus{node="0"} 3' \
	'lparkit_pool_memory_bytes{node="0"} 1040187392' 'lparkit_pool_free_memory_bytes{node="0"} 1040187392'
on h create web cpus 1-2 memory 16M
on h create db cpus 3 memory 64M
check "each LPAR" told 'lparkit_lpar_cpus{lpar="web"} 2' 'lparkit_lpar_cpus{lpar="db"} 1' \
	'lparkit_lpar_memory_bytes{lpar="web"} 16777216' 'lparkit_lpar_memory_bytes{lpar="db"} 67108864' \
	'lparkit_lpar_state{lpar="web",state="defined"} 1' 'lparkit_lpar_violations_total{lpar="web"} 0'
check "they are valid" valid <"$scratch/text"
check "an LPAR without a guest has no status" told_not 'guest_status{'
on h freeze db
check "a closed gate" told 'lparkit_lpar_gate_closed{lpar="db"} 1' 'lparkit_lpar_gate_closed{lpar="web"} 0'
on h delete db
check "who is gone is told of no more" told_not '"db"'
on h delete web
describe h web
check "a guest" exits 0 on h start web
check "runs" told 'lparkit_guest_status{lpar="web",status="running"} 1' \
	'lparkit_lpar_state{lpar="web",state="active"} 1' 'lparkit_lpar_members{lpar="web"} 1'
check "it is valid, too" valid <"$scratch/text"
qmp h web stop >/dev/null
check "it stands" told 'lparkit_guest_status{lpar="web",status="paused"} 1'
check "and runs no more" told_not '"running"'
check "the file" exits 0 on h metrics --file "$prom"
check "says the same" told "$(grep 'guest_status{' "$prom")" "$(grep 'members{' "$prom")"
check "nothing is left beside it" same "$(echo "$prom"*)" "$prom"
# SIGXFSZ, as it writes
dies() {
	local before

	before=$(cat "$prom")
	(ulimit -c 0 -f 0 && on h metrics --file "$prom") 2>/dev/null
	[ $? -gt 128 ] && same "$(cat "$prom")" "$before" && same "$(echo "$prom"*)" "$prom"
}
check "nor when it is killed, and the file is the old one" dies

# A reader at any time
for n in 1 2 3 4 5 6 7 8; do
	on h metrics --file "$prom"
done &
writer=$!
readers_find_it_whole() {
	while kill -0 $writer 2>/dev/null; do
		[ "$(tail -n 1 "$prom")" = 'lparkit_pool_free_memory_bytes{node="0"} 1023410176' ] || return
	done
}
check "it is whole whenever it is read" readers_find_it_whole
wait $writer

# What somebody else has put in its way, as in a directory that all may write to
cat >"$scratch/guesses" <<-END
	#!/bin/bash
	ln -s "$scratch/precious" "$prom.\$\$"
	exec "$scratch/via" h lparctl metrics --file "$prom"
END
chmod +x "$scratch/guesses"
echo precious >"$scratch/precious"
check "a link where it is written" exits 0 "$scratch/guesses"
check "is not followed" same "$(cat "$scratch/precious")" precious
check "and the file is a new one" test -f "$prom" -a ! -L "$prom"

# A QEMU that was taken over has words of its own
describe h liar "binary=$here/fake-qemu" "args=-fake liar"
on h start liar >/dev/null
check "a status that is none" told 'lparkit_guest_status{lpar="liar",status="unknown"} 1'
on h stop liar --timeout 0s >/dev/null

check "a file that cannot be written" says 1 "$scratch/none/x.prom: No such file" on h metrics --file "$scratch/none/x.prom"
check "no path" exits 2 on h metrics --file
echo "[lpar" >"$root/etc/lparkit/bad.lpar"
check "what cannot be looked at is told, not made up" told 'lparkit_up{part="pool"} 0' 'lparkit_up{part="lpar"} 1'
check "and missing" told_not lparkit_pool
check "still valid" valid <"$scratch/text"
rm "$root/etc/lparkit/bad.lpar"
on h stop web --timeout 0s >/dev/null
