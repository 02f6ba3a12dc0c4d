# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the tests of the Debian packages have in common: a root directory that may be changed
# and is gone with the test, and a later version of both packages.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
later=9$version

# in_namespace ARG...: what is mounted from here on is gone with the test.
in_namespace() {
	[ -n "${PACKAGES_INSIDE:-}" ] ||
		PACKAGES_INSIDE=1 exec unshare --mount --propagation private "$0" "$@" >&3
	work=$(mktemp -d)
	mount -t tmpfs -o size=75% packages "$work" || bail "no tmpfs"
	trap 'status=$?; umount -R "$work"; rmdir "$work"; (exit $status); tap_end' EXIT
	mkdir "$work"/{upper,work,root}
	mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" overlay "$work/root" ||
		skip_all "no overlay can be mounted over this machine's root"
	umount "$work/root"
}

# new_root DIR [LOWER]: DIR/root is LOWER (the machine's own root), whatever is done there is
# in DIR/upper. It has no kernels.
new_root() {
	local dir=$1 lower=${2:-/}

	root=$dir/root
	mkdir -p "$dir"/{upper,work,root}
	mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" \
		overlay "$root" || bail "no root in $dir"
	mkdir -p "$root/lib/modules"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs modules "$root/lib/modules"
}

in_root() {
	DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" "$@"
}

# add_kernel RELEASE: as if its headers were installed, but there is nothing to build with.
add_kernel() {
	mkdir -p "$root/lib/modules/$1/build/include"
}

# make_later DEB DIR: the same package in a version to come.
make_later() {
	local tree=$2/tree name=${1##*/}

	rm -rf "$tree"
	dpkg-deb --raw-extract "$1" "$tree" || return
	sed -i "s/^Version: .*/Version: $later/" "$tree/DEBIAN/control"
	if [ -d "$tree/usr/src/lparkit-$version" ]; then
		mv "$tree/usr/src/lparkit-$version" "$tree/usr/src/lparkit-$later"
		sed -i "s/^PACKAGE_VERSION=.*/PACKAGE_VERSION=\"$later\"/" \
			"$tree/usr/src/lparkit-$later/dkms.conf"
		sed -i "s/^DKMS_VERSION=.*/DKMS_VERSION=$later/" "$tree"/DEBIAN/p*
		sed -i "s,lparkit-$version/,lparkit-$later/," "$tree/DEBIAN/md5sums"
	fi
	dpkg-deb --build "$tree" "$2/${name%%_*}_later.deb"
}

# has_dkms LINE: that is all that DKMS knows of lparkit.
has_dkms() {
	[ "$(in_root dkms status lparkit)" = "$1" ]
}

# Nothing of ours but what the administrator has made. dpkg, man and ldconfig have notes of their own.
left_over() {
	find "$1/upper" ! -type d -printf '%P\n' |
		grep -vE '^(var/(lib/dpkg|log|cache|backups)|tmp|var/tmp|run)/|^etc/(ld\.so\.cache|\.pwd\.lock)$|^var/lib/(systemd|apt)/' |
		grep -vE '^var/lib/dkms/mok\.(key|pub)$' | sort | xargs
}
