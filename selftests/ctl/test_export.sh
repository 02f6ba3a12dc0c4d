#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Descriptions of LPARs go from one host to another as one text: what is the same there, what
# is refused, and that then nothing is written.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"
plan 51

# host NAME: one of 8 CPUs in cores of two and a NUMA node of 16 GiB; $NAME is its root.
host() {
	local root=$scratch/$1 cpu=$scratch/$1/sys/devices/system/cpu n

	mkdir -p "$root/etc/lparkit" "$root/sys/devices/system/node/node0"
	for n in 0 1 2 3 4 5 6 7; do
		mkdir -p "$cpu/cpu$n/topology"
		echo $((n / 2 * 2))-$((n / 2 * 2 + 1)) >"$cpu/cpu$n/topology/thread_siblings_list"
	done
	echo 0-7 >"$cpu/online"
	echo 0 >"$root/sys/devices/system/node/online"
	echo "Node 0 MemTotal:       16777216 kB" >"$root/sys/devices/system/node/node0/meminfo"
	printf '%s' "$1" | md5sum | cut -c 1-32 >"$root/etc/machine-id"
}

on() {
	lparctl --root "$scratch/$1" "${@:2}"
}

# ini HOST FILE LINE...
ini() {
	local file=$scratch/$1/etc/lparkit/$2

	mkdir -p "$(dirname "$file")"
	printf '%s\n' "${@:3}" >"$file"
}

# import CODE PATTERN HOST WORD...: of what is in $text, with what it says.
import() {
	says "$1" "$2" on "${@:3}" <<<"$text"
}

# writes_nothing COMMAND...: on host b.
writes_nothing() {
	local before

	before=$(find "$scratch/b/etc" | sort)
	"$@" && same "$(find "$scratch/b/etc" | sort)" "$before"
}

described() {
	sed '/^#/d; /^$/d' "$scratch/$1/etc/lparkit/$2.lpar"
}

host a
host b
ini a web.lpar "# a comment" "[lpar]" "cpus=2-3" "memory=1G" "node=0" "gate-timeout=5s" \
	"[guest]" "append=a=b ; c" "args=-a 'b c'" "args=-d" "net=web0" "net=web1,mac=02:00:00:00:00:01" "cpu=max"
ini a web.lpar.d/10-more.conf "[lpar]" "memory = 2G" "[guest]" "cpu=" "args=-e \"f\""
ini a db.lpar "[lpar]" "cpus=4-5" "memory=4G" "disk=/dev/gone" "disk=" "[guest]" "args=-x" "args="

# What is printed
check "export of all" exits 0 on a export --all
check "export of one" says 0 "^name=web" on a export web
check "of no other" sh -c "! grep -q ^name=db '$scratch/out'"
text=$(on a export web)
check "a drop-in is part of it" grep -qx "memory=2G" <<<"$text"
check "what it replaced is not" sh -c '! grep -q "memory=1G\|cpu=max" <<EOF
'"$text"'
EOF'
check "lists are whole, in their order" same "$(grep ^args= <<<"$text" | xargs -d '\n')" \
	"args=-a 'b c' args=-d args=-e \"f\""
check "a value is as it was" grep -qx "append=a=b ; c" <<<"$text"
mac=$(sed -n 's/^net=web0,mac=//p' <<<"$text")
check "a MAC that this host would have made" grep -qxE "([0-9a-f]{2}:){5}[0-9a-f]{2}" <<<"$mac"
check "one that was given" grep -qx "net=web1,mac=02:00:00:00:00:01" <<<"$text"
check "an emptied list is empty" sh -c "! lparctl --root '$scratch/a' export db | grep -q '^disk\|^args'"
check "named twice is there once" same "$(on a export web web | grep -c '^name=')" 1
check "export of nothing" exits 2 on a export
check "all and one" exits 2 on a export --all web
check "export of what is not there" says 1 "No such file" on a export web nothing
check "prints nothing then" same "$(cat "$scratch/out")" ""
check "export of all of none" says 1 "no description" on b export --all

# What becomes of it
text=$(on a export --all)
check "--check says that it can be" import 0 "^web: ok" b import --check
check "and writes nothing" same "$(ls -A "$scratch/b/etc/lparkit")" ""
check "import" import 0 "^db: ok" b import
check "both are there, and nothing else" same "$(cd "$scratch/b/etc/lparkit" && echo .[!.]* *)" ".[!.]* db.lpar web.lpar"
check "the other host says the same" same "$(on b export --all)" "$text"
check "with the MAC of the first" grep -qx "net=web0,mac=$mac" "$scratch/b/etc/lparkit/web.lpar"
check "its file is one as any" says 0 "^web: ok" on b check web
check "what is there is not replaced" writes_nothing import 3 "LPAR db is described on this host already" b import
check "from a file" sh -c "cat >'$scratch/text' <<EOF
$text
EOF
lparctl --root '$scratch/b' import '$scratch/text' --check 2>&1 | grep -q 'described on this host already'"

# Conflicts: with what is there, and among one another
text=$(on a export web)
check "under another name it is in its own way" writes_nothing \
	import 3 "^web2: CPU 2-3 is also in LPAR web " b import --rename web=web2
check "by its netdevs" grep -q "^web2: netdev web0 is also in LPAR web " "$scratch/out"
check "and MACs" grep -q "^web2: MAC $mac is also in LPAR web " "$scratch/out"
ini a big.lpar "[lpar]" "cpus=6-7" "memory=12G" "node=0"
text=$(on a export big)
check "memory that others have" writes_nothing import 3 "^big: memory: this host has 15872M .* want 18G" b import
sed -i '/cpus=4-5/s/$/\nnode=0/' "$scratch/b/etc/lparkit/db.lpar"
check "on its node, too" writes_nothing import 3 "^big: memory: node 0 has 15872M .* want 18G" b import
sed -i 's/memory=2G/memory=1G/' "$scratch/b/etc/lparkit/web.lpar"
sed -i 's/memory=4G/memory=1G/' "$scratch/b/etc/lparkit/db.lpar"
check "and fits when others want less" import 0 "^big: ok" b import --check
check "a new name" import 0 "^huge: ok" b import --rename big=huge
check "is that of the file" same "$(described b huge | head -2 | xargs)" "[lpar] cpus=6-7"
rm "$scratch/b/etc/lparkit"/* "$scratch/a/etc/lparkit/big.lpar"
ini a twin.lpar "[lpar]" "cpus=2-5" "memory=2M"
text=$(on a export --all)
check "two of one text" writes_nothing import 3 "^twin: CPU 2-3 is also in LPAR web" b import
check "JSON" same "$(on b import -j <<<"$text" | json "sum(len(p['problems']) > 0 for p in j)")" 3
rm "$scratch/a/etc/lparkit/twin.lpar"

# What a former LPAR has left would be part of it
text=$(on a export --all)
ini b web.lpar.d/20-old.conf "[lpar]" "cpus=6-7"
check "drop-ins that are left" writes_nothing import 3 "web.lpar.d/20-old.conf would be part of LPAR web" b import
mv "$scratch/b/etc/lparkit/web.lpar.d/20-old.conf" "$scratch/b/etc/lparkit/web.lpar.d/20-old.kept"
check "another file there is none" import 0 "^web: ok" b import --check
rm -r "$scratch/b/etc/lparkit/web.lpar.d"

# Hostile, or damaged
whole=$text
cut_anywhere() {
	local lines n

	lines=$(wc -l <<<"$whole")
	for ((n = 0; n < lines; n++)); do
		text=$(head -n $n <<<"$whole")
		writes_nothing import 3 "" b import || return 1
	done
	text=$whole
}
check "a text that is cut short anywhere" cut_anywhere
text=$(on a export --all | sed 's/^memory=.*/memory=9223372036854775808/')
check "memory whose sum is no number" writes_nothing import 3 "^db: memory: this host has 15872M " b import
text=${whole/version=1/version=2}
check "a later version" writes_nothing import 3 "version '2' is not what this lparctl can read" b import
text=${whole/name=web/name=..\/web}
check "a name that is a path" writes_nothing import 3 "no name for an LPAR" b import
text=${whole/name=web/name=db}
check "a name that is there twice" writes_nothing import 3 "'db' is there twice" b import
text=${whole/cpus=2-3/colour=red}
check "an unknown key" writes_nothing import 3 "key 'colour' is unknown" b import
text=$whole$'\n[export]\nversion=1\nname=more'
check "more after the end" writes_nothing import 3 "comes after the end" b import
text=$(described a db)
check "a plain description" writes_nothing import 3 "describes no LPAR: \[export\] is missing" b import
text=$whole
check "a new name for nobody" writes_nothing import 1 "there is no LPAR x in it" b import --rename x=y
check "the name of another" writes_nothing import 1 "there is an LPAR db in it already" b import --rename web=db

# Who describes another LPAR meanwhile is waited for, and seen.
waits_for_others() {
	local pid

	exec 8<"$scratch/b/etc/lparkit"
	flock 8
	lparctl --root "$scratch/b" import <<<"$text" >"$scratch/import" 8<&- &
	pid=$!
	wait_until 10 grep -q -e "-> FLOCK .* $pid " /proc/locks || return
	ini b other.lpar "[lpar]" "cpus=4-5"
	exec 8<&-
	wait $pid
	same $? 3 && grep "^db: CPU 4-5 is also in LPAR other" "$scratch/import"
}
check "two at once" waits_for_others
check "and the later one writes nothing" same "$(cd "$scratch/b/etc/lparkit" && echo *)" other.lpar
rm "$scratch/b/etc/lparkit/other.lpar"

# Half-way: what cannot be linked into its place
mkdir "$scratch/b/etc/lparkit/web.lpar.new"
check "if one cannot be written" writes_nothing import 5 "web.lpar.new: Is a directory" b import
rmdir "$scratch/b/etc/lparkit/web.lpar.new"
# The second of two links fails.
stopped_half_way() {
	strace -qq -o /dev/null -e inject=link,linkat:error=EIO:when=2 \
		lparctl --root "$scratch/b" import <<<"$text"
}
check "or put in its place, none is" writes_nothing says 5 "web.lpar: Input/output error" stopped_half_way
