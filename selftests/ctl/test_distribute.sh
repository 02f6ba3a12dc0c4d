#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Descriptions go to several hosts by execd: to all of them or to none, whatever is in the way,
# fails or is gone when.
# vm: none timeout=180
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 39
for host in a b c; do
	host_up $host
done
echo 0123456789abcdef0123456789abcdef >"$scratch/a/root/etc/machine-id"
via=$scratch/via

etc() {
	echo "$scratch/$1/root/etc/lparkit"
}

# ini HOST FILE LINE...
ini() {
	printf '%s\n' "${@:3}" >"$(etc "$1")/$2"
}

# send WORD...: lparctl distribute on host a
send() {
	on a distribute --via "$via" --timeout 60s "$@"
}

# files HOST: the LPARs that it describes, and whatever else there is
files() {
	(cd "$(etc "$1")" && find . -type f | sort | xargs)
}

# have FILES HOST...: each has these
have() {
	local host

	for host in "${@:2}"; do
		same "$(files "$host")" "$1" || return
	done
}

# Hosts end what they do behind a caller that is gone.
soon_have() {
	wait_until 30 have "$@" >/dev/null || have "$@"
}

ini a web.lpar "[lpar]" "cpus=2-3" "memory=1G" "[guest]" "net=tap9" "append=a=b  c"
mkdir "$(etc a)/web.lpar.d" && ini a web.lpar.d/10-x.conf "[lpar]" "memory=2G"
ini a db.lpar "[lpar]" "cpus=4-5" "memory=1G"

check "--check says that they can" says 0 "^b: web: ok" send --to b,c --check --all
check "for each host" grep -qx "c: db: ok" "$scratch/out"
check "and writes nothing" have "" b c
check "one of them" exits 0 send --to b,c db
check "is there" have ./db.lpar b c
check "what is there is not replaced" says 3 "host b: LPAR db is described on this host already" send --to b,c --all
check "and nothing else comes" have ./db.lpar b c
rm -f "$(etc b)"/* "$(etc c)"/*
check "all of them" exits 0 send --to b,c --all
check "are there" have "./db.lpar ./web.lpar" b c
check "as they were here, drop-ins and MACs included" same "$(on b export --all)" "$(on a export --all)"
check "and there" same "$(on c export --all)" "$(on a export --all)"

# What is in the way on one host keeps them from all
rm -f "$(etc b)"/* "$(etc c)"/*
ini c other.lpar "[lpar]" "cpus=3-4" "memory=1G"
check "CPUs of another one" says 3 "^c: web: CPU 3 is also in LPAR other" send --to b,c --all
check "all of it is told" grep -q "^c: db: CPU 4 is also in LPAR other" "$scratch/out"
check "who could have them has not" have "" b
check "nor has who could not" have ./other.lpar c
check "JSON" same "$(send --to b,c --all -j |
	json "[(h['host'], [(p['name'], len(p['problems'])) for p in h['lpars']]) for h in j]")" \
	"[('b', [('db', 0), ('web', 0)]), ('c', [('db', 1), ('web', 1)])]"
rm "$(etc c)/other.lpar"

# What fails while it is written: a full disk, here a directory in the way
mkdir "$(etc c)/web.lpar.new"
check "a host that cannot write" says 5 "host c: describe-write: .*web.lpar.new" send --to b,c --all
check "all are as they were" have "" b c
rmdir "$(etc c)/web.lpar.new"

# A host that dies at each step: after so many requests of the caller
cat >"$scratch/dying" <<-END
	#!/usr/bin/python3
	import os, subprocess, sys
	if sys.argv[1] != "c":
	    os.execv("$via", ["$via", *sys.argv[1:]])
	left = int(open("$scratch/requests").read())
	execd = subprocess.Popen(["$via", *sys.argv[1:]], stdin=subprocess.PIPE)
	while left:
	    line = sys.stdin.buffer.readline()
	    if not line:
	        break
	    if line.strip():
	        execd.stdin.write(line)
	        execd.stdin.flush()
	        left -= 1
	execd.stdin.close()
	sys.exit(execd.wait())
END
chmod +x "$scratch/dying"
# dies REQUESTS: of host c, and then nobody has anything
dies() {
	echo "$1" >"$scratch/requests"
	exits "${2:-1}" on a distribute --via "$scratch/dying" --timeout 60s --to b,c --all &&
		soon_have "" b c
}
check "a host is gone after hello" dies 1
check "after a description" dies 2
check "before the check" dies 3
check "before it writes" dies 4
check "lost, and it says so" grep -q "host c: describe-write" "$scratch/err"
echo 5 >"$scratch/requests"
check "before it keeps them" exits 1 on a distribute --via "$scratch/dying" --to b,c --all
check "it has taken its own back, and that is told" soon_have "" c
check "who had kept them is told of" grep -q "may have its descriptions, or not" "$scratch/err"
rm -f "$(etc b)"/*

# An execd that is killed when it has written, before it says so, takes nothing back
cat >"$scratch/killed" <<-END
	#!/usr/bin/python3
	import os, subprocess, sys
	if sys.argv[1] != "c" or os.path.exists("$scratch/was-killed"):
	    os.execv("$via", ["$via", *sys.argv[1:]])
	execd = subprocess.Popen(["$via", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
	for line in sys.stdin.buffer:
	    execd.stdin.write(line)
	    execd.stdin.flush()
	    if not line.strip():
	        continue
	    answer = execd.stdout.readline()
	    if b"describe-write" in line:
	        open("$scratch/was-killed", "w").close()
	        execd.kill()
	        sys.exit(execd.wait())
	    sys.stdout.buffer.write(answer)
	    sys.stdout.flush()
END
chmod +x "$scratch/killed"
check "a host is killed when it has written" says 1 "host c was lost: see 'lparctl export --all' there" \
	on a distribute --via "$scratch/killed" --timeout 60s --to b,c --all
check "its descriptions are there" have "./db.lpar ./web.lpar" c
check "the others have gone back" have "" b
rm -f "$(etc c)"/*

# What import would refuse
ini a u1.lpar "[lpar]" "cpus=2-3" "memory=1G" "[guest]" "user=nobody"
ini a u2.lpar "[lpar]" "cpus=4-5" "memory=1G" "[guest]" "user=nobody"
check "two of one user" says 3 "^c: u2: user nobody is also that of LPAR u1" send --to b,c u1 u2
check "are nowhere" have "" b c
cat >"$scratch/strange" <<-END
	#!/bin/bash
	"$via" "\$@" < <(sed -u 's/user=nobody/user=daemon/')
END
chmod +x "$scratch/strange"
ini a u1.lpar "[lpar]" "cpus=2-3" "memory=1G" "owner=nobody" "[guest]" "user=nobody"
check "a user who is not the owner there" says 1 "host [bc]: describe: .*owner= is not user=daemon" \
	on a distribute --via "$scratch/strange" --timeout 60s --to b,c u1
check "is nowhere, either" have "" b c
rm -f "$(etc a)"/u?.lpar

# The lock of another lparctl
exec 7<"$scratch/c/root/run/lparkit.lock"
flock 7
check "who describes something else is waited for, not for ever" \
	says 1 "host c: describe-check: another lparctl describes LPARs there" send --to b,c --all
check "then nobody has them" have "" b c
exec 7<&-

# Words
check "no host" says 2 "distribute --to" send --all
check "a host twice" says 2 "host b is named twice" send --to b,c,b --all
check "nothing" says 2 "name of an LPAR, or --all" send --to b
check "what is not there" says 1 "No such file" send --to b none
