#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A guest is saved whose volume is in a group with another that is no guest's: of that one nothing
# is wanted, whether the save succeeds, fails or is killed. The group has the LPAR's name, so that
# the cut takes a state of it, too.
# vm: cpus=4 mem=1024 slow=4 disks=8M,16M,16M timeout=400 kernels=6.1,6.12,7.2 speed=long
# shellcheck disable=SC2016 # expanded by eval
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 28
load lpar
load netbuf
load dm-snapsync
[ -S /run/udev/control ] || export DM_DISABLE_UDEV=1
here=$(readlink -f "$(dirname "$0")")
states=$scratch/states
trap 'lparctl stop web --timeout 0 >/dev/null 2>&1; rm -rf "$scratch"; tap_end' EXIT
cat >"$scratch/via" <<-'EOT'
	#!/bin/bash
	exec "${@:2}"
EOT
chmod +x "$scratch/via"

# volume NAME STORE
volume() {
	dmsetup create "$1" --table \
		"0 $(blockdev --getsz "$(disk 1)") snapsync $(disk 1) $(disk "$2") 2 group web"
}

# has VOLUME STATE...: these are all
has() {
	same "$(dmsetup message "$1" 0 list | awk '$1 != "-" { print $1 }' | sort | xargs)" "${*:2}"
}

save() {
	lparctl cluster save "$1" --hosts here --dir "$states" --via "${via:-$scratch/via}" --continue
}

runs() {
	same "$(lparctl -j show web | json "j[0]['guest']['status']")" running
}

volume own 2 || bail "no volume"
volume other 3 || bail "no second one"
mkdir -p /etc/lparkit
printf '%s\n' "[lpar]" "cpus=2-3" "memory=64M" "disk=/dev/mapper/own" "[guest]" "accel=tcg,thread=single" \
	"cpu=max" "args=-net none" >/etc/lparkit/web.lpar
check "a guest" exits 0 lparctl start web --timeout 200s

check "it is saved" exits 0 save one
check "its volume has the state" has own cluster-one
check "the other one of the group has none" has other
check "it runs" runs

# States of others' cuts, in the seconds in which ours comes, are none of ours
others=$(for s in 1 4 7 10 13 16; do date -u -d "+$s sec" +cut-%Y%m%dT%H%M%S.000000Z; done | xargs)
for state in $others; do
	dmsetup message own 0 take "$state"
done
check "it is saved while there are other cuts" exits 0 save beside
check "their states stay, of both" eval 'has own cluster-beside cluster-one $others && has other $others'
via="$here/cut-line $scratch/via here write SIGTERM" exits 5 save bad
check "also when it is undone" eval 'has own cluster-beside cluster-one $others && has other $others'
for state in cluster-beside $others; do
	dmsetup message own 0 delete "$state"
	[ "$state" = cluster-beside ] || dmsetup message other 0 delete "$state"
done

# late: cut-line's host answers that late after it was killed, when the cut has fired
cat >"$scratch/late" <<-'EOT'
	#!/bin/bash
	[ ! -e "$0.cut" ] || sleep 4
	exec "${@:2}"
EOT
chmod +x "$scratch/late"
via="$here/cut-line $scratch/late here stop SIGKILL"
check "the cut has fired when nobody is there" exits 5 save bad
via=
check "what it took is found, and forgotten" eval "has own cluster-one && has other"
check "the guest goes on" runs

# fails_at OP SIGNAL
fails_at() {
	rm -f "$scratch/via.cut"
	via="$here/cut-line $scratch/via here $1 $2" exits 5 save bad
}
for op in write frames commit; do
	for signal in TERM KILL; do
		check "SIG$signal before $op: it fails" fails_at $op SIG$signal
		check "nothing is left of it" eval "has own cluster-one && has other && runs"
	done
done

# A state that was there before is nobody's to delete
dmsetup message own 0 take cluster-two
dmsetup message own 0 delete cluster-two
check "another volume has a state of that name" says 5 "volume other has a state cluster-two already" save two
check "it keeps that" has other cluster-two
check "and gets no other" has own cluster-one
check "the guest runs" runs
check "what was saved is deleted" exits 0 lparctl cluster delete one --dir "$states" --via "$scratch/via"
