#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each byte of each class of metadata block is damaged, in both slots: lparctl snap check
# finds it. (That the kernel refuses the same, test_damage looks at in samples.)
# EVERY: only each so many bytes (1).
# vm: none timeout=900 speed=long
# shellcheck source=selftests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

kernel=${KERNEL:-6.12}
vm=$LPARKIT_TOP/selftests/vm
lparctl=$LPARKIT_BUILD/ctl/lparctl
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; tap_end' EXIT

sample() {
	"$vm/hostvm" --kernel "$kernel" --mem 768 --disk 1M --log "$scratch/log" \
		--qemu="-drive if=none,id=store,file=$scratch/store,format=raw" \
		--qemu="-device virtio-blk-pci,drive=store" \
		-- selftests/snapsync/sample.sh >/dev/null
}

# The bytes of a block whose change nobody notices.
unnoticed() {
	/usr/bin/python3 - "$lparctl" "$scratch/store" "$1" "${EVERY:-1}" <<-'END'
	import os, random, subprocess, sys
	lparctl, store, block, every = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
	fd = os.open(store, os.O_RDWR)
	for at in range(block * 4096 + random.randrange(every), (block + 1) * 4096, every):
	    old = os.pread(fd, 1, at)
	    os.pwrite(fd, bytes([old[0] ^ random.randrange(1, 256)]), at)
	    status = subprocess.run([lparctl, "snap", "check", store],
	                            stdout=subprocess.DEVNULL).returncode
	    os.pwrite(fd, old, at)
	    if status != 3:
	        print(at, end=" ")
	END
}

plan 10
"$vm/kernels.sh" fetch "$kernel" || bail "no kernel $kernel"
"$vm/modules.sh" "$kernel" || bail "no modules for $kernel"
truncate -s 12M "$scratch/store"
check "a store" sample
check "is sound" "$lparctl" snap check "$scratch/store"
for block in 0 1 2 3 768 769 896 897; do
	data check_is "each byte of block $block counts" "$(unnoticed $block)" ""
done
