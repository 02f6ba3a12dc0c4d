#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A power loss takes nothing of what was said to be saved, and brings nothing back of what was
# being deleted: files, and names in directories, are synchronised in time.
# vm: none
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

plan 12
states=$scratch/new/states

# traced COMMAND...: what it does with files is in $scratch/trace
traced() {
	strace -f -y -qq -s 60 -o "$scratch/trace" -e trace=file,desc -e signal=none "$@"
}

# outlives DIR [UNTIL]: so does what is below it, from the first call that matches
outlives() {
	local until=${2:-no such call}

	same "$(sed "/$until/,\$d" "$scratch/trace" | "$here/unsynced" "$1")" ""
}

host_up a
describe a g1 "args=-nic user,model=e1000"
on a start g1 >/dev/null || bail "no guest g1"

check "save" exits 0 traced lparctl cluster save s --hosts a --dir "$states" --via "$scratch/via"
check "it was traced" grep -q '"discard' "$scratch/trace"
check "all of it outlives a power loss before the guest ends" outlives "$scratch/new" 'write.*discard'
check "and at the end" outlives "$scratch/new"
check "restore" exits 0 lparctl cluster restore s --dir "$states" --via "$scratch/via"
check "delete" exits 0 traced lparctl cluster delete s --dir "$states" --via "$scratch/via"
check "it is called so before anything goes" eval \
	"sed '/unlinkat(/,\$d' '$scratch/trace' | grep -q 'rename.*manifest.deleting'"
check "it is known to be half deleted, before it is" outlives "$states/s" 'unlinkat('
check "save by one who is no host" exits 0 traced lparctl cluster save s --hosts x,y \
	--dir "$scratch/his/states" --via "$here/odd-host leaves nothing"
check "what he has of it outlives a power loss" outlives "$scratch/his"

"$scratch/via" a lparctl netbuf attach t0 >/dev/null
"$scratch/via" a lparctl netbuf hold t0 >/dev/null
mkdir "$scratch/frames"
check "frames" exits 0 traced "$scratch/via" a lparctl netbuf save "$scratch/frames/t0.pcapng" t0
check "outlive it, too" outlives "$scratch/frames"
