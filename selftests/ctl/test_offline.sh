#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What lparctl does without the module: usage, INI files, the offline check.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"
plan 184
root=$scratch/root
conf=$root/etc/lparkit

# A host of 8 CPUs in cores of two and one NUMA node.
make_host() {
	local cpu=$root/sys/devices/system/cpu n

	mkdir -p "$conf" "$root/sys/devices/system/node/node0"
	for n in 0 1 2 3 4 5 6 7; do
		mkdir -p "$cpu/cpu$n/topology"
		echo $((n / 2 * 2))-$((n / 2 * 2 + 1)) >"$cpu/cpu$n/topology/thread_siblings_list"
	done
	echo 0-6 >"$cpu/online"
}

# ini NAME LINE...
ini() {
	local file=$conf/$1
	shift
	mkdir -p "$(dirname "$file")"
	printf '%s\n' "$@" >"$file"
}

ctl() {
	lparctl --root "$root" "$@"
}

# wrong LINE PATTERN LINE...: an INI file whose error is reported for that line.
wrong() {
	local line=$1 pattern=$2 status
	shift 2
	ini bad.lpar "$@"
	says 3 "bad.lpar:$line: .*$pattern" ctl check bad
	status=$?
	rm "$conf/bad.lpar"
	return $status
}

# port DIRECTORY HOST WWPN: a Fibre Channel port, as sysfs has it.
port() {
	local dir=$root/sys/devices/$1/$2/fc_host/$2

	mkdir -p "$dir" "$root/sys/class/fc_host"
	ln -s "$dir" "$root/sys/class/fc_host/$2"
	echo "$3" >"$dir/port_name"
	echo Online >"$dir/port_state"
	echo 255 >"$dir/max_npiv_vports"
	echo 1 >"$dir/npiv_vports_inuse"
}

# The adapters alone: a virtual port is none.
adapters() {
	same "$(ctl -j fc list | json "' '.join(h['host'] + ' ' + h['wwpn'] for h in j)")" "$1"
}

make_host

# Usage
check "no arguments" exits 2 lparctl
check "help" says 0 "^Usage" lparctl help
check "-h" says 0 "^Usage" lparctl -h
check "help of one object" says 0 "throttle attach" lparctl help throttle
check "and of no other" sh -c "! lparctl help throttle | grep -q netbuf"
check "help behind an object" same "$(lparctl throttle --help)" "$(lparctl help throttle)"
check "behind a verb" says 0 "^Usage: lparctl throttle attach PID" lparctl throttle attach -h
check "behind a verb of an LPAR" says 0 "^Usage: lparctl create NAME" lparctl create --help
check "help of a verb" same "$(lparctl help cluster save)" "$(lparctl cluster save --help)"
check "help of what is not there" says 2 "'frobnicate' is unknown" lparctl help frobnicate
check "help of no verb" says 2 "'frobnicate' is unknown" lparctl help snap frobnicate
for words in "de a" "dea a" "sto a" "snap r a b" "snap d a b" "snap m a b" "cluster r a" "cluster d a" \
	"netbuf f a" "netbuf det a" "c c 5" "throttle d a" "relocate f a" "fc a a" "cluster sa a"; do
	# shellcheck disable=SC2086 # words are meant
	check "no abbreviation: $words" says 2 "not to be abbreviated" lparctl $words
done
check "-V" says 0 "^lparctl [0-9]" lparctl -V
check "unknown option" exits 2 lparctl --frobnicate list
check "unknown object or verb" says 2 "'frobnicate' is unknown" lparctl frobnicate
check "unknown verb" says 2 "'frobnicate' is unknown" lparctl lpar frobnicate
check "unknown verb of cut" exits 2 lparctl cut frobnicate
check "unknown verb of member" exits 2 lparctl member frobnicate
check "empty verb" exits 2 lparctl lpar ""
for verb in create set delete activate deactivate start stop freeze thaw stage; do
	check "$verb without a name" exits 2 lparctl lpar $verb
done
check "member add without a name" exits 2 lparctl member add
check "set without a key" exits 2 lparctl set a
check "key without a value" says 2 "value of 'cpus' is missing" lparctl create a cpus
check "unknown key" says 2 "key 'colour' is unknown" lparctl create a colour red
check "name too long" exits 2 lparctl create "$(printf 'a%.0s' {1..32})" cpus 1
check "CPU list of letters" says 2 "cpus 'two'" lparctl create a cpus two
check "CPU list that ends early" exits 2 lparctl create a cpus 1,
check "CPU list backwards" exits 2 lparctl create a cpus 3-2
check "CPU that cannot be" exits 2 lparctl create a cpus 99999
check "size with an unknown unit" says 2 "memory '1Q'" lparctl create a memory 1Q
check "negative size" exits 2 lparctl create a memory -1
check "size beyond 64 bits" exits 2 lparctl create a memory 99999999T
check "node that is no number" exits 2 lparctl create a node left
check "unknown owner" says 2 "owner 'nobody-at-all'" lparctl create a owner nobody-at-all
check "relative disk" says 2 "absolute path" lparctl create a disk sda
check "gate time-out too short" exits 2 lparctl create a gate-timeout 10ms
check "gate time-out too long" exits 2 lparctl create a gate-timeout 2h
check "freeze with a bad time-out" exits 2 lparctl freeze a --timeout soon
check "freeze with a time-out alone" exits 2 lparctl freeze --timeout 1s
check "cut without an instant" exits 2 lparctl cut --lpar a
check "cut without an LPAR" exits 2 lparctl cut --at now
check "cut at no instant" exits 2 lparctl cut --at tomorrow --lpar a
check "cut at half an instant" exits 2 lparctl cut --at 2026-01-01 --lpar a
check "cut with an unknown action" exits 2 lparctl cut --at now --lpar a --action slam
check "cut show without a number" exits 2 lparctl cut show
check "cut cancel with a bad number" exits 2 lparctl cut cancel one
check "monitor of an unknown event" exits 2 lparctl monitor --event birthday
check "monitor with a bad count" exits 2 lparctl monitor --count many
check "monitor with a stray word" exits 2 lparctl monitor all
check "throttle attach without a process" exits 2 lparctl throttle attach
check "throttle detach without a process" exits 2 lparctl throttle detach
check "throttle follow without a socket" exits 2 lparctl throttle follow
check "throttle follow with a bad share" says 2 "percentage" lparctl throttle follow /q --share 0
check "throttle follow without a watchdog" exits 2 lparctl throttle follow /q --watchdog 0
check "throttle follow of nobody" says 1 "/q: No such file" lparctl throttle follow /q
check "fc define without an LPAR" exits 2 lparctl fc define
check "fc define with a bad name" says 2 "no name of an LPAR" lparctl fc define A/B
check "fc start of neither" says 2 "source or destination" lparctl fc start web nowhere
check "fc confirm of nothing" says 2 "switched or returned" lparctl fc confirm web
check "fc wait without a step" exits 2 lparctl fc wait web
check "fc wait with a bad time" says 2 "needs a time" lparctl fc wait web armed --timeout soon
check "fc without the module" says 1 "modprobe fcnpiv" lparctl fc show
check "a host without adapters" adapters ""
port pci0000:00 host10 0x21000024ff000001
port pci0000:00/host10/vport-10:0-0 host11 0x2001000000000001
port pci0000:00 host2 0x21000024ff00000a
check "fc list" adapters "host2 21:00:00:24:ff:00:00:0a host10 21:00:00:24:ff:00:00:01"
check "and as a table" says 0 "host10 *21:.*:01 *Online *- *1 *255" ctl fc list
# names LPAR [--new]: WWNN, WWPN and the maintenance name
names() {
	ctl -j fc generate "$@" | json "j['wwnn'], j['wwpn'], j['wwpn_maintenance']"
}

mkdir -p "$root/var/lib"
web=$(names web)
check "names are generated" grep -Eqx "20:00:(.[26ae](:..){5}) 20:01:\1 20:02:\1" <<<"$web"
check "the same each time" same "$(names web)" "$web"
check "others for another LPAR" test "$(names db)" != "$web"
check "new ones" test "$(names web --new)" != "$web"
check "which are the same from then on" same "$(names web)" "$(names web)"
check "no name is forgotten" same "$(wc -l <"$root/var/lib/lparkit/wwn")" 3

# exported LPAR: its lines that are about Fibre Channel
exported() {
	ctl export "$1" | grep -e "^wwnn=" -e "^wwpn" -e "^fc-parent="
}

ini web.lpar "[lpar]" "memory=2M" "[guest]" "fc-parent=any"
check "an LPAR has the names that it was given" same "$(ctl export web | sed -n 's/^ww[np]n.*=//p' | xargs)" "$(names web)"
ini new.lpar "[lpar]" "memory=2M" "[guest]" "fc-parent=21:00:00:24:ff:00:00:0a"
new=$(exported new)
check "or is given some, when it is exported" test "$(wc -l <<<"$new")" = 4
check "which stay its own" same "$(exported new)" "$new"
mkdir -p "$scratch/there/etc/lparkit"
there() {
	lparctl --root "$scratch/there" "$@"
}
ctl export web >"$scratch/web.export"
check "another host takes them over" exits 0 there import "$scratch/web.export"
check "as they are" same "$(there export web | grep '^wwpn')" "$(exported web | grep '^wwpn')"
check "but not under another name" says 3 "port name 20:01:.* is also in LPAR web" \
	there import --rename web=other "$scratch/web.export"
ctl export new >"$scratch/new.export"
check "nor where the adapter is not" says 3 "no such adapter" there import "$scratch/new.export"
rm "$conf/web.lpar" "$conf/new.lpar"
ini heir.lpar "[guest]" "fc-parent=any" "$(sed -n '/^ww/p' "$scratch/web.export")"
check "names outlive their LPAR" says 3 "were given to LPAR web" ctl check heir
ini heir.lpar "[guest]" "fc-parent=host2"
check "an adapter has a name" says 3 "fc-parent 'host2' is not a world wide" ctl check heir
ini heir.lpar "[guest]" "fc-parent=any" "wwpn=2001000000000001"
check "names belong together" says 3 "belong together" ctl check heir
ini heir.lpar "[guest]" "wwnn=2000000000000001" "wwpn=2001000000000001" "wwpn-maintenance=2001000000000002"
check "and need an adapter" says 3 "need fc-parent=" ctl check heir
ini heir.lpar "[guest]" "wwnn=2000000000000001" "wwpn=2001000000000001" "wwpn-maintenance=2001000000000001" \
	"fc-parent=any"
check "two are not one" says 3 "are the same" ctl check heir
ini heir.lpar "[guest]" "wwnn=2000000000000001" "wwpn=2001000000000001" \
	"wwpn-maintenance=21000024ff00000a" "fc-parent=21000024ff00000a"
check "nor the adapter's" says 3 "is that of fc-parent" ctl check heir
rm "$conf/heir.lpar"
registry=$root/var/lib/lparkit/wwn
# Others have names in 4086 bytes
for n in {10000000..10000061} 100 101; do
	printf "lpar$n 2000%012x 2001%012x 2002%012x\n" "$n" "$n" "$n"
done >"$registry"
# full VERB...: there is room for 4096
full() {
	bash -c "ulimit -f 4; trap '' XFSZ; exec lparctl --root '$root' \"\$@\"" - "$@"
}
before=$(wc -c <"$registry")
others=$(cat "$registry")
check "a full disk" says 1 "File too large" full fc generate late
check "nothing is left of that" same "$(wc -c <"$registry")" "$before"
check "others are as before" same "$(cat "$registry")" "$others"
names db >/dev/null
printf 'late 2000020000000001 2001020000000001 20020200' >>"$registry"
check "half a line, as a crash leaves it" exits 0 ctl fc generate db
check "was given to nobody" exits 0 ctl fc generate late
check "and is no more" same "$(grep -c "^late " "$registry")" 1
printf 'edited 2000020000000009 2001020000000009 2002020000000009' >>"$registry"
check "a whole one without its end counts" same "$(names edited | cut -d " " -f 2)" 20:01:02:00:00:00:00:09
check "another one goes below it" exits 0 ctl fc generate below
check "it is still there" same "$(grep -c "^edited 2000020000000009 .*9$" "$registry")" 1
check "each line is whole" same "$(grep -cvE '^[^ ]+( [0-9a-f]{16}){3}$' "$registry")" 0
echo "web 2000" >>"$registry"
check "a registry that is damaged gives none" says 1 "not understood" ctl fc generate lost
check "start with a bad name" exits 2 lparctl start ../a
check "stop that is to run again, and is not" says 2 "one too many" lparctl stop a --keep --forget
check "drain that waits and does not" says 2 "leave --timeout out" lparctl netbuf drain tap0 --no-wait --timeout 1s
check "interrupts that are let go, for how long" says 2 "off takes no" lparctl throttle msi 0:0 off --watchdog 1s
check "a disk that comes from nowhere, by a command" says 2 "are for --from" \
	lparctl relocate start v --dest /a --meta /b --via x
check "a source that is gone, and is to be asked" says 2 "asks nobody" \
	lparctl migrate recover a --abandon --source-gone --to b
check "the same host twice" says 2 "host b is named twice" lparctl cluster save s --hosts b,b
check "start of what has the name of a record" says 2 "not cluster.lock" lparctl start cluster.session
check "start with a stray word" exits 2 lparctl start a b

# Without the module. In a network namespace of one's own it is never there.
check "module is missing" says 1 "modprobe lpar" unshare -n lparctl list
mkdir -p "$root/sys/module/lpar"
check "module of another namespace" says 1 "nsenter" unshare -n lparctl --root "$root" list
check "module that is just being loaded" says 1 "just being loaded or removed (try again)" \
	lparctl --root "$root" list
check "nothing is described" exits 0 lparctl --root "$scratch/none" check
check "start without an INI file" says 1 "none.lpar: No such file" ctl start none
check "full disk" says 1 "cannot write" bash -c 'lparctl help >/dev/full'

# Good INI files
check "check without files" exits 0 ctl check
ini a.lpar "# comment" "; comment" "[lpar]" "cpus = 2-3" "memory=1.5G" "node=0" "owner=root:0" \
	"gate-timeout=500ms" "[guest]" "kernel=" "vcpus=2" "vcpu-pin=2-3" "machine=q35" "cpu=max" "accel=tcg" \
	"binary=/usr/bin/true" "initrd=" "append=a=b ; c" "args=-a 'b c' \"d\"" "args=-e \\' f"
check "good file" says 0 "^a: ok" ctl check a
# told FILE WORD...: JSON of a check of one that cannot be read
told() {
	same "$(ctl -j check "${@:2}" 2>/dev/null |
		json "len(j) == 1 and j[0]['file'] == '$1' and '$1:1: ' in j[0]['problems'][0]")" True
}
ini bad.lpar "nonsense"
check "JSON tells of one that cannot be read" told "$conf/bad.lpar"
mv "$conf/bad.lpar" "$scratch/bad.lpar"
check "also of one elsewhere" told "$scratch/bad.lpar" "$scratch/bad.lpar"
check "good file by its path" says 0 "^a: ok" ctl check "$conf/a.lpar"
check "all files" says 0 "^a: ok" ctl check
echo 3,6-7 >"$root/sys/devices/system/cpu/isolated"
check "a CPU that isolcpus= has" says 0 "^a: CPU 3 is isolated" ctl check a
check "keeps nobody from being started" says 0 "^a: ok" ctl check a
mkdir -p "$root/sys/fs/cgroup"
echo 2 >"$root/sys/fs/cgroup/cpuset.cpus.isolated"
check "one that an isolated cpuset has" says 0 "^a: CPU 2-3 is isolated" ctl check a
echo >"$root/sys/fs/cgroup/cpuset.cpus.isolated"
echo 6-7 >"$root/sys/devices/system/cpu/isolated"
check "those of others are nothing to it" same "$(ctl check a)" "a: ok"
check "abbreviated" says 0 "^a: ok" ctl lp che a
check "JSON, asked for last" same "$(ctl check a -j | json "j[0]['name']")" a
check "and indented" same "$(ctl check a --pretty)" "$(ctl -p check a)"
check "JSON" same "$(ctl -j check a | json "j[0]['name'], j[0]['problems']")" "a []"
ini long.lpar "[guest]" "append=$(printf 'x%.0s' {1..3000})"
check "line of 3000 bytes" exits 0 ctl check long

# Drop-ins
ini a.lpar.d/10-a.conf "[lpar]" "memory=3M"
check "a drop-in counts" says 3 "multiple of 2 MiB" ctl check a
ini a.lpar.d/20-b.conf "[lpar]" "memory=4M" "disk=/nowhere"
check "the later drop-in wins" says 3 "^a: disk /nowhere: No such" ctl check a
check "and only once" same "$(ctl check a | wc -l)" 1
ini a.lpar.d/30-c.conf "[lpar]" "disk="
check "an empty value empties a list" exits 0 ctl check a
ini a.lpar.d/40-d.conf "[lpar]" "" "size=1"
check "error in a drop-in" says 3 "a.lpar.d/40-d.conf:3: key 'size' is unknown" ctl check a
mv "$conf/a.lpar.d/40-d.conf" "$conf/a.lpar.d/40-d.conf.old"
check "other files are no drop-ins" exits 0 ctl check a
rm -r "$conf/a.lpar.d"

# Bad INI files
check "unknown key" wrong 2 "key 'color' is unknown" "[lpar]" "color=red"
check "key of the other section" wrong 2 "key 'vcpus' is unknown" "[lpar]" "vcpus=1"
check "unknown section" wrong 2 "section 'host'" "[host]" "cpus=1"
check "key before a section" wrong 1 "section ''" "cpus=1"
check "line without a value" wrong 3 "neither" "[lpar]" "" "cpus"
check "section that does not end" wrong 1 "neither" "[lpar" "cpus=2"
check "section in capitals" wrong 3 "section 'LPAR'" "[lpar]" "[LPAR]" "memory=64M"
check "bad value" wrong 3 "memory 'big'" "[lpar]" "cpus=2-3" "memory=big"
check "only the first error" same "$(wrong 2 x "[lpar]" "x=1" "y=2"; wc -l <"$scratch/err")" 1
check "no vCPUs" wrong 2 "vcpus '0'" "[guest]" "vcpus=0"
check "quote that does not end" wrong 2 "quote" "[guest]" "args=-a 'b"
ini cr.lpar "[guest]" $'args=-a b\r\v\fc\r'
check "white space of any kind parts words" timeout 10 lparctl --root "$root" check cr
rm "$conf/cr.lpar"
check "line that is too long" wrong 2 "longer than" "[guest]" "append=$(printf 'x%.0s' {1..5000})"
check "bad pin" wrong 2 "vcpu-pin 'all'" "[guest]" "vcpu-pin=all"
printf '[lpar]\ncpus=2\0-3\n' >"$conf/nul.lpar"
check "NUL byte" says 3 "nul.lpar:2: the line has a NUL byte" ctl check "$conf/nul.lpar"
rm "$conf/nul.lpar"
mkdir "$conf/dir.lpar"
check "directory" says 3 "dir.lpar: Is a directory" ctl check "$conf/dir.lpar"
rmdir "$conf/dir.lpar"
check "bad name" says 3 "no name for an LPAR" ctl check "$conf/UPPER.lpar"
touch -- "$conf/-force.lpar"
check "a name like an option" says 3 "and no - first" ctl check "$conf/-force.lpar"
rm "$conf/-force.lpar"
check "no such file" says 3 "No such file" ctl check "$conf/none.lpar"

# What the check finds
problem() {
	local pattern=$1
	shift
	ini p.lpar "[lpar]" "$@"
	says 3 "^p: .*$pattern" ctl check p
}
check "CPU 0" problem "CPU 0 belongs" "cpus=0-1"
check "half a core" problem "CPU 4 is half a core: add its sibling 5" "cpus=4"
check "offline CPU" problem "CPU 7 is not online" "cpus=6-7"
check "size" problem "multiple of 2 MiB" "memory=1M"
check "node" problem "NUMA node 1 does not exist" "node=1"
check "pin elsewhere" problem "vcpu-pin: CPU 4 is not in cpus" "cpus=2-3" "[guest]" "vcpu-pin=3-4"
check "disk that is none" problem "no block device" "disk=/dev/null"
check "CPUs of another file" problem "CPU 2-3 is also in LPAR a" "cpus=2-5"
check "JSON of problems" same "$(ctl -j check p | json "len(j[0]['problems'])")" 1
ini d1.lpar "[lpar]" "disk=/dev/null"
ini d2.lpar "[lpar]" "disk=/dev/null"
check "disk of another file" says 3 "is also in LPAR d2" ctl check d1
rm "$conf"/d?.lpar
ini p.lpar "[guest]" "kernel=/nowhere/vmlinuz"
check "missing kernel" says 3 "kernel /nowhere/vmlinuz: No such" ctl check p
