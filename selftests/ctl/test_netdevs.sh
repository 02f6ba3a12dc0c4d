#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Buffers of guests that are saved and restored: those of the operation come and go, those of
# the user stay as they are. Guests have real taps, in a network namespace of the test.
# vm: none timeout=120
if [ -z "$IN_NAMESPACE" ] && unshare -n true 2>/dev/null && [ -w /dev/net/tun ]; then
	# shellcheck disable=SC2016 # expanded by the other shell
	IN_NAMESPACE=1 exec unshare -n -m bash -c 'mount -t sysfs sysfs /sys; exec "$0"' "$0"
fi
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"
# shellcheck source=selftests/ctl/execd.sh
. "$here/execd.sh"
[ -n "$IN_NAMESPACE" ] || skip_all "needs taps, and so root"

plan 62
states=$scratch/states
kernel=$scratch/a/kernel
# What is counted without having been 0 before shows.
export MALLOC_PERTURB_=85

cluster() {
	lparctl cluster "$1" --dir "$states" --via "${via:-$scratch/via}" "${@:2}"
}

# asked: what the kernel was asked for, but for gates
asked() {
	grep -v -e '^arm ' -e '^open ' -e '^close ' "$kernel/log" | xargs
}

forget() {
	: >"$kernel/log"
}

buffers() {
	(cd "$kernel" && ls -d net\ * 2>/dev/null) | xargs
}

state_of() {
	cat "$kernel/net $1/state"
}

ip tuntap add ta mode tap
ip link set ta up
host_up a
describe a a1 "args=-netdev tap,id=n,ifname=ta,script=no,downscript=no -device e1000,netdev=n"
on a start a1 >/dev/null || bail "no guest"

# All hold or none
on a netbuf attach ta >/dev/null
check "one of two has no buffer" says 5 "tb: No such" on a netbuf hold ta tb
check "the other one is told of" grep -q "ta: goes on again" "$scratch/err"
check "it does" same "$(state_of ta)" 0
on a netbuf hold ta >/dev/null
check "one that held before" exits 1 on a netbuf hold ta tb
check "goes on holding" same "$(state_of ta)" 1
on a netbuf drain ta >/dev/null
on a netbuf detach ta >/dev/null

# Buffers of the operation; the first drain is in no log, as the guest's own thread asks for it
state=$scratch/a/root/sys/class/net/ta/netbuf/state
mkdir -p "${state%/*}"
: >"$state"
forget
check "save and continue" exits 0 cluster save one --hosts a --continue
check "held and drained" same "$(asked)" "attach ta hold ta hold ta drain ta detach ta"
check "also when QEMU has answered" same "$(cat "$state")" drain
: >"$state"
check "none is left" same "$(buffers)" ""
check "what is held is saved" same "$(grep -o '"frames_to_guest": [0-9]*' "$states/one/a/description.json")" \
	'"frames_to_guest": 1'
check "a tap that stays is not told of" lacks "has a tap" "$scratch/err"
check "no frame was lost" lacks "were lost" "$scratch/err"
forget
check "restore" exits 0 cluster restore one
check "its frame is loaded into what holds" same "$(asked)" \
	"attach ta hold ta load ta drain ta detach ta"
check "and goes on when QEMU has answered" same "$(cat "$state")" drain
check "none is left" same "$(buffers)" ""
check "save" exits 0 cluster save two --hosts a
check "none is left" same "$(buffers)" ""
check "restore" exits 0 cluster restore two

# Buffers of the user
on a netbuf attach ta --lpar a1 >/dev/null
echo 7 >"$kernel/net ta/lost"
check "save with a buffer that was there" exits 0 cluster save three --hosts a --continue
check "it stays" same "$(buffers)" "net ta"
check "what it had lost before is not told of" lacks "were lost" "$scratch/err"
on a netbuf hold ta >/dev/null
forget
check "one that holds" says 5 "ta: its buffer is in use (hold): run 'lparctl netbuf drain ta' first" \
	cluster save bad --hosts a
check "it goes on holding" same "$(state_of ta)" 1
check "nobody has touched it" same "$(asked)" ""
on a netbuf drain ta >/dev/null
printf '%s\n' "#!/bin/bash" "$scratch/via a lparctl netbuf hold ta" >"$scratch/hold"
chmod +x "$scratch/hold"
echo "arm run $scratch/hold" >"$scratch/cut"
via="$here/cut-contact $scratch/cut $scratch/via"
check "one that holds since begin" says 5 "ta: its buffer is in use (hold): run" cluster save bad --hosts a
check "it goes on holding" same "$(state_of ta)" 1
unset via
on a netbuf drain ta >/dev/null
echo nobody >"$kernel/net ta/lpar"
forget
check "one of another LPAR" says 5 "takes part in the cuts of LPAR nobody" cluster save bad --hosts a
check "nobody has touched it" same "$(asked)" ""
printf a1 >"$kernel/net ta/lpar"

# Frames that are lost meanwhile: at stop there are three more
via="$here/count-lost $kernel $scratch/via"
check "save with losses" exits 0 cluster save four --hosts a --continue
check "they are told of" grep -q "a1: 3 frames were lost beyond the limits" "$scratch/err"
unset via
on a netbuf detach ta >/dev/null

# An undone save
via="$here/cut-line $scratch/via a write SIGKILL"
forget
check "execd is killed" exits 5 cluster save bad --hosts a
unset via
check "held and drained" same "$(asked)" "attach ta hold ta hold ta drain ta detach ta"
check "none is left" same "$(buffers)" ""

# A tap of QEMU's own, and one guest that has both
on a stop a1 --timeout 0 >/dev/null
ip link del ta
on a start a1 >/dev/null
check "save with QEMU's own tap" exits 0 cluster save five --hosts a --continue
check "it is told of" grep -q "a1 has a tap ta that QEMU has made" "$scratch/err"

# A tap of another network namespace, which a hostile QEMU may make under any name
cat >"$scratch/elsewhere" <<-'EOT'
	#!/usr/bin/python3
	import ctypes, fcntl, os, struct, sys

	NEWNET = 0x40000000
	libc = ctypes.CDLL(None)
	here = os.open("/proc/self/ns/net", os.O_RDONLY)
	libc.unshare(NEWNET)
	tun = os.open("/dev/net/tun", os.O_RDWR)
	fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tb", 0x1002))
	libc.setns(here, NEWNET)
	os.set_inheritable(tun, True)
	os.execvp("qemu-system-x86_64", ["qemu-system-x86_64", *sys.argv[1:]])
	EOT
chmod +x "$scratch/elsewhere"
ip tuntap add tb mode tap
on a stop a1 --timeout 0 >/dev/null
describe a a1 "binary=$scratch/elsewhere"
check "a guest that has one" exits 0 on a start a1
forget
check "is not saved" says 5 "a1: it has a tap of another network namespace" cluster save six --hosts a
check "who has its name here is not touched" same "$(asked)" ""

# Whom a tap is open to
ip tuntap add to mode tap user root
on a stop a1 --timeout 0 >/dev/null
describe a a1 "net=to,mac=02:00:00:00:00:01"
on a start a1 >/dev/null
check "save" exits 0 cluster save seven --hosts a --continue
ip link del to
check "restore where its tap is not" says 5 "net to: no such netdev" cluster restore seven
check "the guest still runs" same "$(status a a1)" running
ip tuntap add to mode tap user root
printf '%s\n' "[lpar]" "memory=16M" "[guest]" "net=tb" "net=to" >"$scratch/t.lpar"
check "check tells of a tap without an owner" says 0 "^t: net tb: a tap without an owner" lparctl check "$scratch/t.lpar"
check "and not of one with an owner" lacks "net to" "$scratch/out"

# Of what is saved by hand nothing stays when that is killed (SIGXFSZ, as it writes)
lparctl_a() {
	on a netbuf "$@"
}
lparctl_a attach to >/dev/null || bail "no buffer"
lparctl_a hold to >/dev/null
mkdir "$scratch/frames"
check "save" exits 0 lparctl_a save "$scratch/frames/file" to
saved=$(sha256sum <"$scratch/frames/file")
dies() {
	(ulimit -c 0 -f 0 && lparctl_a save "$scratch/frames/$1" to) 2>/dev/null
	[ $? -gt 128 ] && same "$(ls "$scratch/frames")" file && same "$(sha256sum <"$scratch/frames/file")" "$saved"
}
check "a save that is killed leaves the file that was there" dies file
check "and none where none was" dies other
lparctl_a drain to >/dev/null && lparctl_a detach to >/dev/null

# A host that is too slow for the instant at which all go on
host_up b
describe b b1
on b start b1 >/dev/null || bail "no guest"
on a stop a1 --timeout 0 >/dev/null
on a start a1 >/dev/null || bail "no guest that has its tap"
go_on() {
	same "$(status a a1) $(status b b1)" "running running"
}
forget
echo 2 >"$scratch/b/kernel/late"
check "twice too late" exits 0 cluster save late --hosts a,b --continue
check "all go on" go_on
check "what comes is held all the time, and sent at the end" same "$(asked)" \
	"attach to hold to hold to hold to hold to drain to detach to"
echo 9 >"$scratch/b/kernel/late"
check "always too late" says 1 "host b: arm: the deadline is past" cluster save later --hosts a,b --continue
check "all go on by themselves" go_on
check "nothing is held" same "$(buffers)" ""
on a netbuf attach to --lpar a1 >/dev/null
echo 9 >"$scratch/b/kernel/late"
check "the same with a buffer that was there" says 1 "host b: arm: the deadline is past" \
	cluster save latest --hosts a,b --continue
check "its LPAR's cuts open it again" same "$(cat "$kernel/net to/lpar")" a1
on a netbuf detach to >/dev/null

# A buffer that its user attaches when a save could not be undone as a whole
check "hello" hello a 60000000000
check "begin, arm" ask begin "\"name\": \"left\", \"dir\": \"$states\", \"host\": \"a\""
check "one of the operation" same "$(buffers)" "net to"
ask arm "$(soon 500)" && ask stop
kill -9 "$execd"
exec 8<&- 9>&-
exec 7<"$(run_of a a1)/lock"
flock 7
check "recover while its guest is another lparctl's" says 1 "another lparctl" on a cluster recover
check "the operation's is gone" same "$(buffers)" ""
on a netbuf attach to --lpar a1 >/dev/null
exec 7<&-
check "recover" exits 0 on a cluster recover
check "its user's stays" same "$(buffers)" "net to"
