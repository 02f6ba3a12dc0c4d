#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Installs what selftests/vm/packages lists and the machine lacks.
set -u

here=$(dirname "$0")
missing=
while read -r pkg; do
	case $pkg in '' | '#'*) continue ;; esac
	dpkg-query -W -f '${db:Status-Status}\n' "$pkg" 2>/dev/null |
		grep -qx installed || missing="$missing $pkg"
done <"$here/packages"
[ -n "$missing" ] || exit 0

echo "packages: installing$missing" >&2
if [ "$(id -u)" != 0 ]; then
	echo "packages: this needs root; run: apt-get install$missing" >&2
	exit 1
fi

# The lists of a fresh machine are empty or old: look again before giving up.
install() {
	# shellcheck disable=SC2086 # a list of names
	DEBIAN_FRONTEND=noninteractive apt-get install -qy \
		--no-install-recommends $missing >"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install && exit
apt-get update -q >"$log" 2>&1
install && exit
tail -n 15 "$log" >&2
echo "packages: apt-get failed; check the network and /etc/apt/sources.list*" >&2
exit 1
