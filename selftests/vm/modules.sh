#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: modules.sh NAME [MAKE-ARG ...]
# Builds the modules for kernel NAME in build/modules/NAME, out of a copy of the
# sources, since kbuild leaves its objects beside them and several kernels are
# built side by side.  The .ko files are collected in build/modules/NAME/ko.
# KDIR=DIR: build for the kernel headers in DIR instead of one of the cache.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
name=$1
shift
out=${LPARKIT_BUILD:-$top/build}/modules/$name

mkdir -p "$out/ko"
exec 9>"$out/lock"
flock 9
# Objects stay, vanished sources go.
cd "$top"
rsync -a --delete --exclude='*.o' --exclude='*.o.d' --exclude='*.ko' \
	--exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' --exclude='.*.d' \
	--exclude=Module.symvers --exclude=modules.order --exclude=/ko \
	--exclude=/lock --exclude=/.module-common.o \
	Kbuild include kmod-* "$out/"

if [ -n "${KDIR:-}" ]; then
	make=(make -C "$KDIR" M="$out")
else
	make=("$here/kernels.sh" make "$name" "$out")
fi
# Messages name the sources, not the copies.
"${make[@]}" "$@" modules 2>&1 | sed -u "s,$out/,,"
# modules.order holds .ko or .o names, absolute or not, as the kernel likes.  A VM
# may be reading ko/: files are replaced whole, and only if they changed.
mapfile -t built < <(sed "s,^$out/,,; s,\.o$,.ko," "$out/modules.order")
for ko in "${built[@]}"; do
	name=${ko##*/}
	cmp -s "$out/$ko" "$out/ko/$name" && continue
	cp "$out/$ko" "$out/ko/.$name"
	mv "$out/ko/.$name" "$out/ko/$name"
done
for old in "$out"/ko/*.ko; do
	case " ${built[*]##*/} " in *" ${old##*/} "*) ;; *) rm -f "$old" ;; esac
done
