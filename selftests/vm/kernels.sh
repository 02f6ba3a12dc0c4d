#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernels that lparkit is tested on, in a cache of their own.
#
# A kernel is complete or absent: it is put together in NAME-KEY.partial and
# renamed when done; the link NAME then points to it.  KEY is the Debian
# package version, and for the debug kernel a hash of all that goes into it.
#
#   kernels/NAME/release       what uname -r says there
#   kernels/NAME/vmlinuz
#   kernels/NAME/lib/modules/  the kernel's own modules
#   kernels/NAME/build         where to build modules: make -C build M=...
#   kernels/NAME/root/         only if that has to happen in a chroot
set -euo pipefail

usage() {
	cat <<-EOF
	usage: kernels.sh fetch NAME ...       bring kernels into the cache
	       kernels.sh path NAME            where it is there
	       kernels.sh make NAME DIR [ARG]  build the modules of DIR for it
	       kernels.sh source               fetch what lint uses of the kernel's source;
	                                       print where it is
	       kernels.sh prune                delete superseded kernels

	NAME: 6.1, 6.12, 7.2 (Debian's newest of that series), debug (6.12, built
	here with debug.config).
	Environment: LPARKIT_CACHE (now $cache);
	KVER_6_1, KVER_6_12, KVER_7_2: a release to use, e.g. 6.1.0-40-amd64.
	EOF
}

here=$(dirname "$(readlink -f "$0")")
cache=${LPARKIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lparkit}
store=$cache/kernels
mirror=${LPARKIT_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "kernels: $*" >&2; }
die() { say "$*"; exit 1; }

# --- apt ---------------------------------------------------------------------

# 7.2 comes from another release than the machine's: its package lists are kept
# in the cache, and the machine's own apt never hears of them.
apt_opts=(-o APT::Sandbox::User=root -qq)

use_backports() {
	local state=$cache/apt-trixie

	mkdir -p "$state"/{lists,archives}/partial
	printf 'deb [signed-by=%s] %s %s main\n' \
		"$keyring" "$mirror" trixie \
		"$keyring" "$mirror" trixie-backports >"$state/sources.list"
	apt_opts+=(-o Dir::State="$state" -o Dir::State::status=/dev/null
		-o Dir::Cache="$state" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::sourcelist="$state/sources.list")
	[ -z "$(find "$state/updated" -mtime -1 2>/dev/null)" ] || return 0
	if apt-get "${apt_opts[@]}" update >&2; then
		touch "$state/updated"
	else
		say "cannot refresh trixie's package lists, using what is there"
	fi
}

pkg_version() {
	apt-cache "${apt_opts[@]}" show --no-all-versions "$1" 2>/dev/null |
		sed -n 's/^Version: //p'
}

# Newest release of a series that has an image and headers, e.g. 6.1.0-56-amd64.
newest_release() {
	local series=${1//./\\.} rel

	apt-cache "${apt_opts[@]}" pkgnames "linux-image-$1." |
		sed -nE "s/^linux-image-($series\.[0-9.]+(-[0-9]+)?(\+[a-z0-9]+)?-amd64)\$/\1/p" |
		sort -rV |
		while read -r rel; do
			[ -n "$(pkg_version "linux-headers-$rel")" ] || continue
			echo "$rel"
			break
		done
}

# download DIR PACKAGE...; old lists name files that are gone, so try twice.
download() {
	local dir=$1; shift

	mkdir -p "$dir"
	(cd "$dir" && {
		apt-get "${apt_opts[@]}" download "$@" >&2 ||
		{ apt-get "${apt_opts[@]}" update >&2 &&
		  apt-get "${apt_opts[@]}" download "$@" >&2; }
	}) || die "cannot download $*: is there network? (apt-get update; or pin a release, see --help)"
}

# --- Debian's kernels --------------------------------------------------------

unpack() {
	local deb

	for deb in "$1"/*.deb; do
		dpkg-deb -x "$deb" "$2"
	done
	rm -rf "$1"
}

# The package and those of its parts that Debian keeps in packages of their own.
with_parts() {
	echo "$1"
	apt-cache "${apt_opts[@]}" depends "$1" |
		sed -nE 's/^ *Depends: (linux-(base|binary|modules|headers|kbuild)-.*)/\1/p'
}

# get_debian RELEASE DIR
get_debian() {
	local rel=$1 dir=$2 packages

	mapfile -t packages < <(with_parts "linux-image-$rel")
	download "$dir/debs" "${packages[@]}"
	unpack "$dir/debs" "$dir"
	# 6.1 and 6.12 have both at /, 7.2 below /usr.
	[ -d "$dir/lib" ] || mv "$dir/usr/lib" "$dir/lib"
	mv "$(find "$dir" -name "vmlinuz*" -type f)" "$dir/vmlinuz"
	rm -rf "${dir:?}/boot" "${dir:?}/usr"
	depmod -b "$dir" "$rel"

	if [ "$kernel" = 7.2 ]; then
		get_chroot "$rel" "$dir"
		return
	fi

	mapfile -t packages < <(with_parts "linux-headers-$rel")
	download "$dir/debs" "${packages[@]}"
	mkdir "$dir/headers"
	unpack "$dir/debs" "$dir/headers"
	# The one absolute path in there; and the BTF of vmlinux, which would
	# make every module build call pahole.
	# shellcheck disable=SC2016 # make expands it
	sed -i 's,include /usr/src/,include $(dir $(lastword $(MAKEFILE_LIST)))/../,' \
		"$dir/headers/usr/src/linux-headers-$rel/Makefile"
	rm -f "$dir/headers/usr/src/linux-headers-$rel/vmlinux"
	ln -s "headers/usr/src/linux-headers-$rel" "$dir/build"
}

# 7.2's headers want trixie's compiler and C library.
get_chroot() {
	local rel=$1 dir=$2

	[ "$(id -u)" = 0 ] || die "building for $rel needs a chroot, and that needs root"
	say "making a trixie chroot with linux-headers-$rel"
	mmdebstrap --quiet --variant=apt --include="binutils,make,linux-headers-$rel" \
		--keyring="$keyring" trixie "$dir/root" \
		"deb $mirror trixie main" "deb $mirror trixie-backports main" >&2 ||
		die "mmdebstrap failed; check the network"
	rm -f "$dir/root/usr/src/linux-headers-$rel/vmlinux"
	ln -s "/usr/src/linux-headers-$rel" "$dir/build"
}

# --- the debug kernel --------------------------------------------------------

debug_source=linux-source-6.12

debug_key() {
	local version

	version=$(pkg_version $debug_source)
	[ -n "$version" ] || return 0
	{ echo "$version"; cat "$here/debug.config"; gcc --version; } |
		sha256sum | cut -c 1-16
}

# get_debug DIR
get_debug() {
	local dir=$1 tree

	download "$dir/debs" $debug_source
	unpack "$dir/debs" "$dir"
	tar -C "$dir" -xf "$dir/usr/src/$debug_source.tar.xz"
	rm -rf "${dir:?}/usr"
	mv "$dir/$debug_source" "$dir/build"

	tree=$dir/build
	say "building the debug kernel; this takes some minutes (log: $dir/log)"
	(
		cd "$tree"
		make x86_64_defconfig
		scripts/kconfig/merge_config.sh -m -Q .config \
			kernel/configs/kvm_guest.config "$here/debug.config"
		make olddefconfig
		make -j"$(nproc)" bzImage modules
		make INSTALL_MOD_PATH="$dir" INSTALL_MOD_STRIP=1 modules_install
		make -s kernelrelease >"$dir/release"
	) >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; die "the debug kernel does not build"; }
	debug_config_holds "$tree/.config"
	cp "$tree/arch/x86/boot/bzImage" "$dir/vmlinuz"
	rm -f "$dir"/lib/modules/*/{build,source}

	# Modules need the headers, the scripts and Module.symvers; the objects
	# are 1 GB of ballast.
	rm -rf "$tree/Documentation" "$tree"/vmlinux* "$tree"/.tmp_*
	find "$tree" \( -path "$tree/scripts" -o -path "$tree/tools" \) -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '.*.cmd' \) \
		-type f -exec rm -f {} +
}

# kconfig drops silently what it cannot satisfy.
debug_config_holds() {
	local line lost=

	while read -r line; do
		case $line in
		CONFIG_*) grep -qxF "$line" "$1" || lost="$lost ${line%%=*}" ;;
		esac
	done <"$here/debug.config"
	[ -z "$lost" ] || die "debug.config asks for what kconfig refused:$lost"
}

# --- verbs -------------------------------------------------------------------

# The release to use: pinned, or the newest in the package lists.
wanted_release() {
	local pin=KVER_${1//./_}

	if [ -n "${!pin:-}" ]; then
		echo "${!pin}"
	else
		newest_release "$1"
	fi
}

lookup() {
	case $kernel in
	debug) key=$(debug_key) ;;
	*) release=$(wanted_release "$kernel")
	   [ -z "$release" ] || key=$release-$(pkg_version "linux-image-$release") ;;
	esac
}

fetch() {
	local release='' key=''

	kernel=$1
	case $kernel in
	6.1 | 6.12 | debug) ;;
	7.2) use_backports ;;
	*) die "unknown kernel '$kernel'; there are 6.1, 6.12, 7.2 and debug" ;;
	esac
	mkdir -p "$store"
	exec 9>"$store/$kernel.lock"
	flock 9

	lookup
	[ -n "$key" ] || { apt-get "${apt_opts[@]}" update >&2 || :; lookup; }
	local dir=$store/$kernel-$key
	if [ -z "$key" ]; then
		[ -d "$store/$kernel/" ] ||
			die "no package for $kernel in apt's lists; check the network and /etc/apt/sources.list*"
		say "$kernel: not in apt's lists, using $(readlink "$store/$kernel")"
		return
	fi
	if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$key" ]; then
		say "fetching $kernel ($key)"
		rm -rf "$dir" "$dir.partial"
		mkdir -p "$dir.partial"
		if [ "$kernel" = debug ]; then
			get_debug "$dir.partial"
		else
			get_debian "$release" "$dir.partial"
			echo "$release" >"$dir.partial/release"
		fi
		echo "$key" >"$dir.partial/stamp"
		mv -T "$dir.partial" "$dir"
	fi
	ln -sfn "${dir##*/}" "$store/$kernel"
	exec 9>&-
}

path() {
	[ -f "$store/$1/stamp" ] || die "$1 is not in the cache: kernels.sh fetch $1"
	readlink -f "$store/$1"
}

# build NAME DIR [ARG ...]: kbuild in DIR, in the chroot if the kernel has one.
build() {
	local dir src=$2

	dir=$(path "$1")
	shift 2
	src=$(readlink -f "$src")
	if [ ! -d "$dir/root" ]; then
		make -C "$dir/build" M="$src" "$@"
		return
	fi
	# A mount namespace of its own: nothing is left mounted.
	# shellcheck disable=SC2016 # expanded in the namespace
	unshare --mount sh -ec '
		root=$1 build=$2 src=$3; shift 3
		mkdir -p "$root$src"
		mount --bind "$src" "$root$src"
		mount -t proc proc "$root/proc"
		exec chroot "$root" make -C "$build" M="$src" "$@"
	' sh "$dir/root" "$(readlink "$dir/build")" "$src" "$@"
}

# checkpatch and the netlink schemas are in no other package.
source_files() {
	local version dir

	version=$(pkg_version $debug_source)
	[ -n "$version" ] || die "no $debug_source in apt's lists; run apt-get update"
	dir=$cache/source-$version
	if [ ! -d "$dir" ]; then
		say "fetching the kernel's checkpatch"
		rm -rf "$dir.partial"
		download "$dir.partial/debs" $debug_source
		unpack "$dir.partial/debs" "$dir.partial"
		tar -C "$dir.partial" --strip-components=1 --wildcards \
			-xf "$dir.partial/usr/src/$debug_source.tar.xz" \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
			'*/scripts/const_structs.checkpatch' '*/Documentation/netlink/*.yaml'
		rm -rf "$dir.partial/usr"
		mv -T "$dir.partial" "$dir"
	fi
	echo "$dir"
}

prune() {
	local dir name

	for dir in "$store"/*-*/; do
		dir=${dir%/}
		name=${dir##*/}
		[ "$(readlink "$store/${name%%-*}")" = "$name" ] || rm -rf "$dir"
	done
}

verb=${1:-}
[ $# = 0 ] || shift
case $verb in
fetch)
	[ $# -gt 0 ] || { usage >&2; exit 2; }
	for name; do (fetch "$name"); done ;;
path) path "$1" ;;
make) build "$@" ;;
source) source_files ;;
prune) prune ;;
-h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
