#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The pool: what is free where, what define takes of it, what it refuses, and that then nothing
# is written.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"
plan 61

root=$scratch/a

# cores NODE CPUS THREADS: CPUs FIRST-LAST of a NUMA node of 16 GiB, in cores of so many.
cores() {
	local cpu=$root/sys/devices/system/cpu node=$root/sys/devices/system/node/node$1 n core

	mkdir -p "$node"
	echo "$2" >"$node/cpulist"
	echo "Node $1 MemTotal:       16777216 kB" >"$node/meminfo"
	for ((n = ${2%-*}; n <= ${2#*-}; n++)); do
		mkdir -p "$cpu/cpu$n/topology"
		core=$((n / $3 * $3))
		echo "$core-$((core + $3 - 1))" >"$cpu/cpu$n/topology/thread_siblings_list"
	done
}

# A host of two nodes: CPUs 0-7 and 8-19, in cores of two.
mkdir -p "$root/etc/lparkit"
cores 0 0-7 2
cores 1 8-19 2
echo 0-19 >"$root/sys/devices/system/cpu/online"
echo 0-1 >"$root/sys/devices/system/node/online"

on() {
	lparctl --root "$root" "$@"
}

# ini FILE LINE...
ini() {
	printf '%s\n' "${@:2}" >"$root/etc/lparkit/$1"
}

pool() {
	on pool show -j | json "' '.join(f\"{n['node']}:{n['free_cpus']}:{n['free_memory'] >> 20}M\" for n in j)"
}

# writes_nothing COMMAND...
writes_nothing() {
	local before

	before=$(cd "$root/etc" && find . -type f -exec sha256sum {} + | sort)
	"$@" && same "$(cd "$root/etc" && find . -type f -exec sha256sum {} + | sort)" "$before"
}

forget() {
	rm -rf "$root/etc/lparkit"/*
}

# described NAME: its file, in one line
described() {
	sed '/^$/d' "$root/etc/lparkit/$1.lpar" | xargs
}

# What is free
check "without pool.conf it is what the host can do without" same "$(pool)" "0:2-7:15872M 1:8-19:15872M"
check "a table" says 0 "^0 *2-7 *6 *2-7 *15872M *15872M$" on pool show
check "the verb may be left out" says 0 "^1 *8-19 *12 *8-19 *15872M *15872M$" on pool
ini web.lpar "[lpar]" "cpus=4-5" "memory=2G" "node=0"
ini db.lpar "[lpar]" "cpus=8-11" "memory=1G" "node=1"
check "descriptions have theirs" same "$(pool)" "0:2-3,6-7:13824M 1:12-19:14848M"
ini any.lpar "[lpar]" "cpus=12-13" "memory=20G"
check "one of any node leaves less of each" same "$(pool)" "0:2-3,6-7:8192M 1:14-19:8192M"
rm "$root/etc/lparkit/any.lpar"
echo 0-5,8-18 >"$root/sys/devices/system/cpu/online"
check "an offline CPU takes its core with it" same "$(pool)" "0:2-3:13824M 1:12-17:14848M"
echo 0-19 >"$root/sys/devices/system/cpu/online"
ini half.lpar "[lpar]" "cpus=14" "memory=2M"
check "half a core leaves its sibling to the pool, but nobody gets it" \
	says 3 "^.*no node has whole cores of 8 CPUs" on define x --cpus 8 --memory 1G
rm "$root/etc/lparkit/half.lpar"
ini bad.lpar "[lpar]" "cpus=x"
check "what cannot be read may have anything" says 1 "bad.lpar:2" on pool show
check "so nothing is defined" writes_nothing exits 3 on define x --cpus 2 --memory 1G
rm "$root/etc/lparkit/bad.lpar"

# What define takes
check "whole cores of the node that they leave the least of" says 0 "^x: CPUs 2-3,6-7 and 1G of node 0$" \
	on define x --cpus 4 --memory 1G --check
check "--check writes nothing" test ! -e "$root/etc/lparkit/x.lpar"
check "define" says 0 "^x: ok" on define x --cpus 4 --memory 1G
check "its file" same "$(described x)" "[lpar] cpus=2-3,6-7 memory=1G node=0 [guest]"
check "it is one as any" says 0 "^x: ok" on check x
check "what it has is free no more" same "$(pool)" "0::12800M 1:12-19:14848M"
check "the next one goes elsewhere" says 0 "^y: CPUs 12-13 and 1G of node 1$" on define y --cpus 2 --memory 1G
check "a node is asked for" says 3 "node 0: CPUs - and 12800M are free" on define z --cpus 2 --memory 1G --node 0
check "with a remedy" grep -q "ask for less, or see 'lparctl pool show'" "$scratch/err"
check "more CPUs than there are" writes_nothing says 3 "no node has whole cores of 8 CPUs" on define z --cpus 8 --memory 1G
check "half a core" writes_nothing says 3 "whole cores of 3 CPUs" on define z --cpus 3 --memory 1G
check "more memory" writes_nothing says 3 "and 14G free" on define z --cpus 2 --memory 14G
check "memory that is no whole piece" writes_nothing says 3 "no multiple of 2 MiB" on define z --cpus 2 --memory 3M
check "a node that is none" says 3 "node 7 is not in the pool" on define z --cpus 2 --memory 1G --node 7
check "JSON says what was chosen" same "$(on define z --cpus 2 --memory 1G --check -j |
	json "[(p['name'], p['cpus'], p['memory'] >> 20, p['node'], p['problems']) for p in j]")" \
	"[('z', '14-15', 1024, 1, [])]"
check "and nothing else" same "$(on define z --cpus 2 --memory 1G --check -j | wc -l)" 1

# More lines of its file
check "other keys" exits 0 on define more --cpus 2 --memory 1G pages=large console=yes args=-x "append=a=b  c" owner=0:0
check "are in its file" same "$(described more)" \
	"[lpar] pages=large owner=0:0 cpus=14-15 memory=1G node=1 [guest] console=yes args=-x append=a=b c"
check "white space too" grep -qx "append=a=b  c" "$root/etc/lparkit/more.lpar"
check "a key that is none" writes_nothing says 2 "colour 'red' belongs to no key" on define q --cpus 2 --memory 1G colour=red
check "a bad value" says 2 "pages 'small' is not 'any' or 'large'" on define q --cpus 2 --memory 1G pages=small
check "what is chosen" says 2 "cpus is chosen: say --cpus" on define q --cpus 2 --memory 1G cpus=4-5
check "a control character" writes_nothing says 2 "has a control character" \
	on define q --cpus 2 --memory 1G $'append=a\001b'
# A line of a file is as long as 4095 bytes with its end: "append=" and 4088.
check "more than a line" writes_nothing says 2 "too long for a line" \
	on define q --cpus 2 --memory 1G "append=$(printf '%4088s' x | tr ' ' y)"
check "a whole line" exits 0 on define long --cpus 2 --memory 64M "append=$(printf '%4087s' x | tr ' ' y)"
check "can be read" exits 0 on pool show
check "as it is" same "$(on export long | grep -c "^append=y\{4086\}x$")" 1
rm "$root/etc/lparkit/long.lpar"
check "blanks around a value" exits 0 on define blank --cpus 2 --memory 64M "append=  a ; b  # c "
check "are none of it, in the file as well" same "$(grep append "$root/etc/lparkit/blank.lpar")" \
	"append=a ; b  # c"
rm "$root/etc/lparkit/blank.lpar"
check "two lines in one" writes_nothing says 2 "more than one line" on define q --cpus 2 --memory 1G "append=a
memory=9G"
ini more.lpar "[lpar]" "disk=/dev/null" "[guest]" "net=tap9"
check "a disk of another" writes_nothing says 3 "^q: disk /dev/null is also in LPAR more" \
	on define q --cpus 2 --memory 1G disk=/dev/null
check "the same netdev" writes_nothing says 3 "^q: netdev tap9 is also in LPAR more" \
	on define q --cpus 2 --memory 1G net=tap9

# Names
check "a name that is taken" writes_nothing says 3 "LPAR web is described on this host already" \
	on define web --cpus 2 --memory 1G
mkdir "$root/etc/lparkit/old.lpar.d" && ini old.lpar.d/10-x.conf "[lpar]" "cpus=2-3"
check "drop-ins of a former one" says 3 "old.lpar.d/10-x.conf would be part" on define old --cpus 2 --memory 1G
check "no name" exits 2 on define ../x --cpus 2 --memory 1G
check "no memory" says 2 "are needed" on define q --cpus 2
check "no CPUs" says 2 "takes a number of CPUs" on define q --cpus 0 --memory 1G

# Its file
forget
ini pool.conf "[node1]" "cpus=10-13" "memory=4G"
check "pool.conf is all that there is" same "$(pool)" "1:10-13:4096M"
ini pool.conf "[node0]" "cpus=0-3" "[node1]" "memory=4G"
check "the host's core is not in it, what is not said is whole" same "$(pool)" "0:2-3:15872M 1:8-19:4096M"
check "no more than it has" says 3 "node 1: CPUs 8-19 and 4G are free" on define q --cpus 4 --memory 5G
ini pool.conf "[node0]" "cpus=6-9"
check "CPUs of another node" says 1 "pool.conf:2: cpus '6-9' are not all CPUs of this node" on pool show
ini pool.conf "[node0]" "memory=17G"
check "more than the node has" says 1 "is more than this node has for LPARs" on pool show
ini pool.conf "[node7]" "memory=1G"
check "no such node" says 1 "is of no NUMA node of this host" on pool show
ini pool.conf "[nodes]" "memory=1G"
check "no such section" says 1 "is in no section such as" on pool show
ini pool.conf "[lpar]" "memory=1G"
check "nor an LPAR's" says 1 "pool.conf:2" on pool show

# Cores of several sizes, as hybrid processors have them
forget
cores 1 8-11 1
echo 8-19 >"$root/sys/devices/system/node/node1/cpulist"
ini pool.conf "[node1]" "memory=8G"
check "small cores fill what large ones leave" says 0 "^odd: CPUs 8,12-13 and" on define odd --cpus 3 --memory 1G
check "the smallest will do" says 0 "^one: CPUs 9 and" on define one --cpus 1 --memory 1G

# Two at once get what the other one has not
cores 1 8-19 2
forget
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
	on define p$n --cpus 2 --memory 64M >/dev/null 2>&1 &
done
wait
check "at once, each core goes to one" same "$(cat "$root"/etc/lparkit/*.lpar | grep -c '^cpus=')" 9
check "and to no other" exits 0 on check
check "the pool is empty" same "$(pool | sed 's/:[0-9]*M//g')" "0: 1:"

# What the kernel knows, though no file does
mkdir "$scratch/kernel"
cat >"$scratch/played" <<-END
	#!/bin/bash
	mount --bind "$root/etc" /etc && mount --bind "$root/sys/devices/system" /sys/devices/system || exit 99
	export PLAYED_KERNEL=$scratch/kernel LD_PRELOAD=$(readlink -f "$build")/selftests/ctl/kernel_preload.so
	exec "$(readlink -f "$build")/ctl/lparctl" "\$@"
END
chmod +x "$scratch/played"
forget
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	played() { unshare -m "$scratch/played" "$@"; }
	played lpar create made cpus 2-3 memory 1G node 0
	check "an LPAR that is in no file has its own" says 0 "^0 *2-7 *4 *4-7 *15872M *14848M$" played pool show
	check "its name is taken" says 3 "exists without a description" played define made --cpus 2 --memory 1G
else
	skip "an LPAR that is in no file has its own" "no mount namespace"
	skip "its name is taken" "no mount namespace"
fi
