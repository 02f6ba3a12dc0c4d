#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: make demo, or selftests/demo/demo.sh when the programs are built
#
# Shows lparkit at work: builds it for Debian's kernel (KERNEL=6.12, 6.1 or 7.2), boots
# a host VM and takes the tour there; then two, for the tour of the cluster. Fails when
# a claim of either does.
#
# The VMs' clocks run slower than the world's, so that the emulator is not what is seen:
# 4 times on an idle machine, more on a busy one, or SLOW times.

set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${KERNEL:-6.12}
build=${LPARKIT_BUILD:-$top/build}
log=$build/demo
vm=$top/selftests/vm
start=$SECONDS
idle_slow=4

say() {
	echo "demo: $*" >&2
}

[ "$(id -u)" = 0 ] || { say "needs root, to install packages and kernels; try: sudo make demo"; exit 1; }
mkdir -p "$log"

say "kernel $kernel: fetched once, then cached"
"$vm/kernels.sh" fetch "$kernel"
say "building the modules for it"
"$vm/modules.sh" "$kernel" -j"$(nproc)" >"$log/modules" 2>&1 ||
	{ tail -n 20 "$log/modules" >&2; say "the modules do not build: see $log/modules"; exit 1; }

# Sets slow, and how much longer than on an idle machine it may take: waits are a part of
# it, and last longer.
look_at_the_machine() {
	slow=${SLOW:-$("$vm/slowness.py" $idle_slow)}
	more=$((slow > idle_slow ? slow / idle_slow : 1))
	[ "$more" = 1 ] || say "this machine is busy: it takes longer"
	say "the host VMs' clocks run $slow times slower than the world's; what follows is by theirs"
}

colour=
[ ! -t 1 ] || colour=--colour
say "booting a host VM: 4 CPUs, 2 GiB, emulated, so it takes some seconds"
look_at_the_machine
status=0
"$vm/hostvm" --kernel "$kernel" --cpus 4 --mem 2048 --disk 64M --slow "$slow" --timeout $((600 * more)) --log "$log" \
	-- selftests/demo/tour.sh $colour || status=$?
if [ $status != 0 ]; then
	say "the tour failed, status $status; what the VM said is in $log/console"
	exit $status
fi

say "booting two host VMs, with $((2 * ${PAIRS:-4})) guests; that takes some minutes"
look_at_the_machine
"$top/selftests/cluster/rig" --kernel "$kernel" --cpus 5 --mem 1536 --slow "$slow" \
	--timeout $((1200 * more)) --log "$log/cluster" -- selftests/demo/cluster_tour.sh $colour || status=$?
if [ $status != 0 ]; then
	say "the tour of the cluster failed, status $status; what the VMs said is in $log/cluster"
	exit $status
fi

cat <<EOT

$((SECONDS - start)) s in all. What to try next:
  make shell          a host VM of your own; insmod \$LPARKIT_MODULES/lpar.ko, then lparctl
  make check-quick    the quick tests, on a kernel that looks for mistakes
  make bench-lpar     the figures, each beside its peer
  Documentation/      user-guide.md: how to use it on a real host; the rest: how it works
EOT
