#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl schedule: the timers that it writes are some for systemd, and gone when they are off.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"
plan 39

root=$scratch/root
units=$root/etc/systemd/system
mkdir -p "$root/etc/lparkit" "$units"
make -s -C "$(dirname "$0")/../../ctl" install BUILD="$(readlink -f "$build")/ctl" DESTDIR="$root" \
	PREFIX=/usr >/dev/null
for name in web db-1.x; do
	echo "[lpar]" >"$root/etc/lparkit/$name.lpar"
done

on() {
	lparctl --root "$root" "$@"
}

schedules() {
	on schedule "$@" -j | json "[(s['name'], s['verb'], s['calendar']) for s in j]"
}

# What systemd makes of a unit, as if it were installed for good.
means() {
	SYSTEMD_UNIT_PATH=$units:$root/lib/systemd/system: systemd-analyze verify --man=no "$1" 2>&1 |
		grep -v "Command .*/lparctl is not executable"
}

check "none" same "$(schedules)" "[]"
check "a table without rows" says 0 "^NAME *VERB *CALENDAR$" on schedule
check "one" exits 0 on schedule web start "Mon..Fri 07:00"
check "is there" same "$(schedules)" "[('web', 'start', 'Mon..Fri 07:00')]"
check "its timer is enabled" test -L "$units/timers.target.wants/lparkit-start@web.timer"
check "systemd takes it" same "$(means lparkit-start@web.timer)" ""
check "and without a schedule would not" grep -q . <<<"$(means lparkit-start@other.timer)"
check "another verb" exits 0 on schedule web stop "*-*-* 22:30:15"
check "of another LPAR" exits 0 on schedule db-1.x stop "Sat,Sun 12:00"
check "all of them" says 0 "^db-1.x *stop *Sat,Sun 12:00$" on schedule
check "one LPAR's" same "$(schedules web)" \
	"[('web', 'start', 'Mon..Fri 07:00'), ('web', 'stop', '*-*-* 22:30:15')]"
check "systemd takes the services" same "$(means lparkit-start@web.service; means lparkit-stop@web.service)" ""
check "another time" exits 0 on schedule web start "06:00"
check "replaces the first" same "$(schedules web)" "[('web', 'start', '06:00'), ('web', 'stop', '*-*-* 22:30:15')]"
check "nothing else is left" same "$(find "$units" -name '*.new')" ""
check "off" exits 0 on schedule web start off
check "it is gone" same "$(schedules web)" "[('web', 'stop', '*-*-* 22:30:15')]"
check "with its timer" test ! -e "$units/lparkit-start@web.timer.d" -a ! -L "$units/timers.target.wants/lparkit-start@web.timer"
check "off once more" exits 0 on schedule web start off
echo "[Timer]" >"$units/lparkit-stop@web.timer.d/own.conf"
check "somebody's drop-in" exits 0 on schedule web stop off
check "stays" test -e "$units/lparkit-stop@web.timer.d/own.conf"

# What is none
check "no time" says 2 "is no time as in systemd.time" on schedule web start "half past"
check "two lines" says 2 "is no time as in systemd.time" on schedule web start "07:00
OnBootSec=1"
check "an option" says 2 "has no option --version" on schedule web start --version
check "nobody described" says 1 "not described" on schedule none start 07:00
check "no verb" says 2 "is not start or stop" on schedule web run 07:00
check "no name" says 2 "is no name" on schedule ../x start 07:00
check "no time at all" exits 2 on schedule web start
check "nothing was written" same "$(schedules web)" "[]"
mv "$units" "$units.away"
ln -s system "$units"
check "what cannot be looked at" says 1 "Too many levels of symbolic links" on schedule
rm "$units"
mv "$units.away" "$units"

# With a systemd that runs: it is played
cat >"$scratch/systemctl" <<-END
	#!/bin/sh
	echo "\$*" >>"$scratch/told"
	! grep -qs "\$2" "$scratch/refused"
END
cat >"$scratch/played" <<-END
	#!/bin/bash
	mount --bind "$root/etc" /etc || exit 99
	PATH=$scratch:\$PATH exec "$(readlink -f "$build")/ctl/lparctl" "\$@"
END
chmod +x "$scratch/systemctl" "$scratch/played"
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	unshare -m "$scratch/played" schedule web start 07:00
	check "it is told, in this order" same "$(xargs -d '\n' printf '%s;' <"$scratch/told")" \
		"--quiet daemon-reload;--quiet enable lparkit-start@web.timer;--quiet restart lparkit-start@web.timer;"
	unshare -m "$scratch/played" schedule web start off
	echo enable >"$scratch/refused"
	check "who is refused" says 1 "systemctl enable lparkit-stop@web.timer failed" \
		unshare -m "$scratch/played" schedule web stop 08:00
	check "has no schedule" same "$(schedules web)" "[]"
	echo restart >"$scratch/refused"
	: >"$scratch/told"
	check "who is refused later" says 1 "systemctl restart lparkit-stop@web.timer failed" \
		unshare -m "$scratch/played" schedule web stop 08:00
	check "is not enabled" same "$(xargs -d '\n' printf '%s;' <"$scratch/told")" \
		"--quiet daemon-reload;--quiet enable lparkit-stop@web.timer;--quiet restart lparkit-stop@web.timer;--quiet disable lparkit-stop@web.timer;--quiet daemon-reload;"
	rm "$scratch/refused"
	unshare -m "$scratch/played" schedule web stop "Sat 23:00"
	echo restart >"$scratch/refused"
	: >"$scratch/told"
	check "another one that is refused" says 1 "systemctl restart lparkit-stop@web.timer failed" \
		unshare -m "$scratch/played" schedule web stop "*:0/5"
	check "leaves the one that there was" same "$(schedules web)" "[('web', 'stop', 'Sat 23:00')]"
	check "in force" same "$(tail -2 "$scratch/told" | xargs -d '\n' printf '%s;')" \
		"--quiet daemon-reload;--quiet restart lparkit-stop@web.timer;"
	check "and nothing beside it" same "$(find "$units" -name "*.former")" ""
else
	for what in "it is told, in this order" "who is refused" "has no schedule" \
		"who is refused later" "is not enabled" "another one that is refused" \
		"leaves the one that there was" "in force" "and nothing beside it"; do
		skip "$what" "no mount namespace"
	done
fi
