#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=900
# The DKMS package on the oldest kernel: add, build, install, and no trace after
# remove.  All of DKMS's directories are temporary ones.
. "$(dirname "$0")/../lib/tap.sh"

top=$(readlink -f "$(dirname "$0")/../..")
kernels=$top/selftests/vm/kernels.sh
# shellcheck source=/dev/null
. "$top/dkms.conf"
package=$PACKAGE_NAME/$PACKAGE_VERSION
modules=("${BUILT_MODULE_NAME[@]}")

work=$(mktemp -d)
trap 'tap_end; rm -rf "$work"' EXIT
mkdir "$work"/{src,dkms,modules}
# Should DKMS want to sign, then not with a key that stays behind.
export mok_signing_key=$work/mok.key mok_certificate=$work/mok.pub

run_dkms() {
	local verb=$1

	shift
	dkms "$verb" "$package" --sourcetree "$work/src" --dkmstree "$work/dkms" \
		--installtree "$work/modules" "$@"
}

# installed RELEASE MODULE: the path of the .ko
installed() {
	find "$work/modules/$1" -name "$2.ko*"
}

has_version() {
	local ko

	ko=$(installed "$1" "$2")
	[ -n "$ko" ] || return 1
	[ "$(modinfo -F vermagic "$ko" | cut -d ' ' -f 1)" = "$1" ]
}

plan $((5 + ${#modules[@]}))

check_is "dkms.conf lists every module" \
	"$(printf '%s\n' "${BUILT_MODULE_LOCATION[@]%/}" | sort | xargs)" \
	"$(cd "$top" && printf '%s\n' kmod-*/Kbuild | sed 's,/Kbuild,,' | sort | xargs)"

mkdir "$work/src/lparkit-$PACKAGE_VERSION"
(cd "$top" && cp -a dkms.conf Kbuild include kmod-* "$work/src/lparkit-$PACKAGE_VERSION/")
check "add" run_dkms add

kernel=6.1
$kernels fetch $kernel || bail "no kernel $kernel"
dir=$($kernels path $kernel)
release=$(cat "$dir/release")
mkdir -p "$work/modules/$release"
check "$kernel: build" \
	run_dkms build -k "$release" --kernelsourcedir "$dir/build" ||
	cat "$work/dkms/$package/build/make.log" >&2
check "$kernel: install" \
	run_dkms install -k "$release" --kernelsourcedir "$dir/build" --no-depmod
for module in "${modules[@]}"; do
	check "$kernel: $module.ko is for that kernel" has_version "$release" "$module"
done

nothing_left() {
	run_dkms remove --all --no-depmod || return
	[ -z "$(find "$work/modules" -name '*.ko*')" ] &&
		[ ! -e "$work/dkms/$package" ]
}
check "remove leaves nothing" nothing_left
