#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: modules.sh NAME [MAKE-ARG ...]
# Builds the modules for kernel NAME in build/modules/NAME, out of a copy of the
# sources, since kbuild leaves its objects beside them and several kernels are
# built side by side.  The .ko files are collected in build/modules/NAME/ko, what
# host VMs themselves need in build/modules/NAME/vm, what tests in them load in
# build/modules/NAME/test.
# KDIR=DIR: build for the kernel headers in DIR instead of one of the cache.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
name=$1
shift
out=${LPARKIT_BUILD:-$top/build}/modules/$name

mkdir -p "$out"/{ko,vm,test}
exec 9>"$out/lock"
flock 9
# Objects stay, vanished sources go. A source that differs is new, whatever its time says: one
# that is older than its object again, as after a change that was taken back, would not be built.
cd "$top"
rsync -rlpR --checksum --delete --exclude='*.o' --exclude='*.o.d' --exclude='*.ko' \
	--exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' --exclude='.*.d' \
	--exclude=Module.symvers --exclude=modules.order \
	Kbuild include kmod-* selftests/vm/stale_int3 selftests/dirtythrottle/logbatch \
	selftests/lpar/slowcut "$out/"

if [ -n "${KDIR:-}" ]; then
	make=(make -C "$KDIR" M="$out")
else
	# Of these kernels it is known that no header of theirs is warned of.
	make=("$here/kernels.sh" make "$name" "$out" LPARKIT_VM=m W=1 KCFLAGS=-Werror)
fi
# Messages name the sources, not the copies.
"${make[@]}" "$@" modules 2>&1 | sed -u "s,$out/,,"
# modules.order holds .ko or .o names, absolute or not, as the kernel likes.  A VM
# may be reading ko/: files are replaced whole, and only if they changed.
mapfile -t built < <(sed "s,^$out/,,; s,\.o$,.ko," "$out/modules.order")
for ko in "${built[@]}"; do
	case $ko in
	selftests/vm/*) dir=$out/vm ;;
	selftests/*) dir=$out/test ;;
	*) dir=$out/ko ;;
	esac
	name=${ko##*/}
	cmp -s "$out/$ko" "$dir/$name" && continue
	cp "$out/$ko" "$dir/.$name"
	mv "$dir/.$name" "$dir/$name"
done
for old in "$out"/{ko,vm,test}/*.ko; do
	case " ${built[*]##*/} " in *" ${old##*/} "*) ;; *) rm -f "$old" ;; esac
done
