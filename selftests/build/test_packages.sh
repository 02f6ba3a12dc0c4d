#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none timeout=900
# The Debian packages: built, clean to lintian, installed, replaced by later ones and purged,
# over this machine's root. No modules are built here: test_dkms does that.
. "$(dirname "$0")/packages.sh"
in_namespace "$@"
plan 22

ours=$work/build/deb
unsupported="5.10.0-1-amd64 6.0.3 6.20.1 7.3.0-rc1 8.1.0-1-amd64"

check_is "packages and modules have one version" \
	"$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version)" "$version"
# needed: the packages that have the libraries which ctl/Makefile asks for. libpcap-dev is what
# brings libpcap0.8-dev.
needed() {
	local lib libs

	libs=$(sed -n 's/^LIBS := //p' "$top/ctl/Makefile")
	for lib in $libs; do
		dpkg -S "$(pkg-config --variable=pcfiledir "$lib")/$lib.pc" | cut -d : -f 1
	done | sed 's/0\.8-dev/-dev/' | sort -u
}
missing() {
	comm -23 <(needed) <(sed 's/^ //; s/,$//' "$top/debian/control" | sort -u)
}
check "there is something to be needed" test "$(needed | wc -l)" -gt 5
check_is "what it is built from is brought before" "$(missing | xargs)" ""
check "make deb" make -C "$top" deb BUILD="$work/build" || exit 1
check "lintian has no objection" lintian --allow-root --fail-on error,warning "$ours"/*.changes
for package in lparkit_"$version"_amd64 lparkit-dkms_"$version"_all; do
	make_later "$ours/$package.deb" "$work" || bail "no later packages"
done

new_root "$work/a"
mkdir "$root/debs"
cp "$ours"/lparkit{,-dkms}_*.deb "$work"/*_later.deb "$root/debs/"
for release in $unsupported; do add_kernel "$release"; done

install() {
	in_root sh -c "dpkg -i /debs/lparkit_$1* /debs/lparkit-dkms_$1*"
}

kernels_skipped() {
	local log=$1

	[ "$(grep -c '^Skipped' "$log")" = "$(wc -w <<<"$unsupported")" ]
}

install "$version" >"$work/log" 2>&1
check "they are installed" test $? = 0
cat "$work/log"
check "kernels too old and too new are skipped" kernels_skipped "$work/log"
check "DKMS has the modules" has_dkms "lparkit/$version: added"
check "all files are there" in_root dpkg --verify lparkit lparkit-dkms
check_is "lparctl runs" "$(in_root lparctl --version)" "lparctl $version"
check "the unit is a unit" in_root systemd-analyze verify --man=no lparkit@web.service
check "there is a manual" in_root sh -c "man -w lparctl && man -w lpar.conf"
check "modules to be loaded are modules of the package" sh -c "
	grep -v '^#' '$root/usr/lib/modules-load.d/lparkit.conf' | while read -r module; do
		grep -q \"^BUILT_MODULE_NAME.*\\\"\$module\\\"\" '$root/usr/src/lparkit-$version/dkms.conf' || exit
	done"
# A kernel that comes later must not be kept from being installed.
add_kernel 7.9.0-1-amd64
check "a kernel too new may be installed later" in_root /etc/kernel/header_postinst.d/dkms 7.9.0-1-amd64
add_kernel 6.12.1
check_fails "for one of ours DKMS tries" in_root /etc/kernel/header_postinst.d/dkms 6.12.1
rm -r "$root/lib/modules/6.12.1"

echo "# mine" >"$root/etc/lparkit/mine.lpar"
check "later ones are installed over them" install later
check "DKMS has the later ones only" has_dkms "lparkit/$later: added"
check "no sources of the former are left" test ! -e "$root/usr/src/lparkit-$version"

mkdir -p "$root/var/lib/lparkit/running"
echo '{"since_ns":1}' >"$root/var/lib/lparkit/running/mine.json"
check "they are purged" in_root dpkg --purge lparkit lparkit-dkms
rm -rf "$root/debs"
check "what ran is not started when they are installed again" test ! -e "$root/var/lib/lparkit/running"
rm -rf "$root/var/lib/lparkit"
check_is "the administrator's files stay, nothing else" "$(left_over "$work/a")" "etc/lparkit/mine.lpar"
check "DKMS has forgotten them" has_dkms ""
