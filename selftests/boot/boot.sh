# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A host that crashes, and whose LPARs run again: for a test with the word `systemd`. It is run
# anew at each boot. What it has asked for is written to a log before and after, synchronised, so
# that what is to run after a crash is known from that, not from what lparctl has on record; who
# runs are processes.
#
#   LPAR  disk                                 after  activation
#   p     a snapsync volume                           if-running
#   q     a raw disk                           p      if-running
#   r     none                                 q      if-running
#   s     none                                        never
#   t     none                                        always
#   u     none                                        if-running
#
# Guests p and q keep files on their disks (selftests/guest/disk/init); what they say goes to a
# file system that writes nothing later, so that it is all that they have said before a crash.

# shellcheck source=selftests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/tap.sh"

boot=$LPARKIT_BOOT
kept=/mnt/kept/test
log=$kept/log
said=/mnt/said
lpars=(p q r s t u)
# Those without a disk start and stop in moments, so they do it more often.
picks=(p q r r s s t t u u)
linux="kernel=$LPARKIT_BUILD/guest/vmlinux
initrd=$LPARKIT_BUILD/guest/initramfs-disk
append=console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check cryptomgr.notests"

# Emulated, systemd may take minutes for what it is asked.
export SYSTEMD_BUS_TIMEOUT=300s

# What is checked is counted over all boots.
begin_boot() {
	mkdir -p $kept $said
	exec {lock}>/run/checking
	[ "$boot" != 1 ] || mkfs.ext4 -q -O ^has_journal /dev/vdb
	mount -o sync /dev/vdb $said
	[ -e $kept/seed ] || echo "${SEED:-$SRANDOM}" >$kept/seed
	RANDOM=$(($(cat $kept/seed) + boot))
	diag "boot $boot, SEED=$(cat $kept/seed)"
	[ ! -e $kept/count ] || read -r tap_count tap_failed <$kept/count
}

# checking COMMAND...: with no crash meanwhile, so that each result is told once
checking() {
	flock "$lock"
	"$@"
	echo "$tap_count $tap_failed" >$kept/count
	sync $kept/count $kept
	flock -u "$lock"
}

# note WORD LPAR
note() {
	echo "$*" >>$log
	sync $log $kept
}

# describe NAME LINE...
describe() {
	printf '%s\n' "[lpar]" "${@:2}" >"/etc/lparkit/$1.lpar"
}

# describe_linux NAME CPU DISK LINE...
describe_linux() {
	describe "$1" "cpus=$2" memory=128M "disk=$3" "[guest]" machine=q35,sata=off,smbus=off,hpet=off \
		"$linux" "args=-chardev file,id=said,path=$said/$1,append=on -serial chardev:said" "${@:4}"
}

# describe_idle NAME LINE...: nothing boots, and nobody powers it down
describe_idle() {
	describe "$1" memory=16M "[guest]" machine=q35,sata=off,smbus=off,hpet=off "args=-net none" "${@:2}"
}

# All that is to run as the host boots has been started, or has failed.
has_booted() {
	case $(systemctl is-system-running) in
	running | degraded) ;;
	*) return 1 ;;
	esac
}

# What units of lparkit have said since the boot
tell_units() {
	systemctl list-units --all --no-legend --plain 'lparkit*' | sed 's/^/# /'
	journalctl -b --no-pager -n 60 -o cat -u 'lparkit*' | sed 's/^/# /'
}

set_up() {
	mkfs.ext4 -q /dev/vdc
	mkfs.ext4 -q /dev/vde
	echo "p /dev/vdc /dev/vdd" >/etc/lparkit/volumes
	describe_linux p 2 /dev/mapper/p
	describe_linux q 3 /dev/vde after=p
	describe_idle r after=q
	describe_idle s activation=never
	describe_idle t activation=always
	describe_idle u
	sync
	check "the host has booted" wait_until 300 has_booted
	check "the units are enabled, and started" \
		systemctl enable --now lparkit-volumes lparkit-restore || tell_units
	sync
}

# PID of the QEMU of an LPAR, whoever knows of it
qemu_of() {
	pgrep -f "^qemu-system-x86_64 .*-name $1,"
}

runs() {
	qemu_of "$1" >/dev/null
}

# Those that run, in the order in which they began to
running() {
	local name pid

	for name in "${lpars[@]}"; do
		pid=$(qemu_of "$name") && echo "$(cut -d ' ' -f 22 "/proc/$pid/stat") $name"
	done | sort -n | cut -d ' ' -f 2 | xargs
}

# last_word LPAR: what was asked for last, and whether that was done
last_word() {
	awk -v name="$1" '$2 == name { word = $1 } END { print word }' $log
}

# By lparctl, by systemd, or by somebody who logs in for it and out again.
start_one() {
	note starts "$1"
	case $((RANDOM % 3)) in
	0) lparctl start "$1" ;;
	1) systemctl start "lparkit@$1" ;;
	2) runuser -l root -c "lparctl start $1" ;;
	esac || { note failed "$1"; tell_units; return 1; }
	note runs "$1"
}

stop_one() {
	note stops "$1"
	if systemctl is-active --quiet "lparkit@$1"; then
		systemctl stop "lparkit@$1"
	else
		lparctl stop "$1" --timeout "$([ "$1" ">" q ] && echo 0 || echo 60s)"
	fi || { note failed "$1"; tell_units; return 1; }
	note ended "$1"
}

# LPARs start and stop, until the host crashes.
load() {
	local name

	while :; do
		name=${picks[RANDOM % ${#picks[@]}]}
		if runs "$name"; then
			stop_one "$name"
		else
			start_one "$name"
		fi
	done
}

# crash_within SECONDS: at some time
crash_within() {
	local ms=$((RANDOM % ($1 * 1000)))

	diag "boot $boot: it crashes in $ms ms"
	{
		sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
		flock "$lock"
		echo again >"$LPARKIT_STATUS"
		echo b >/proc/sysrq-trigger
	} &
}

restore_is_over() {
	case $(systemctl show --property ActiveState --value lparkit-restore.service) in
	active | failed) ;;
	*) return 1 ;;
	esac
}

# What begin is undone, or done, is either.
runs_as_it_did() {
	local name word wrong=

	for name in "${lpars[@]}"; do
		word=$(last_word "$name")
		case $name:$word in
		s:*) word=ended ;;
		t:*) word=runs ;;
		*:) word=ended ;;
		esac
		case $word in
		runs) runs "$name" || wrong+=" $name does not run" ;;
		ended) ! runs "$name" || wrong+=" $name runs" ;;
		esac
		if runs "$name"; then note runs "$name"; else note ended "$name"; fi
	done
	[ -n "$wrong" ] || return 0
	diag "$(xargs <$log);$wrong"
	tell_units
	return 1
}

# came_after LATER EARLIER: or one of them does not run
came_after() {
	local order

	order=" $(running) "
	[[ $order != *" $1 "* ]] || [[ $order != *" $2 "* ]] || [[ $order == *" $2 "*" $1 "* ]]
}

in_order() {
	diag "boot $boot: in this order: $(running)"
	came_after q p && came_after r q
}

# What guests p and q have said; the last line before a crash may lack its end.
sayings() {
	grep -aoE 'check [0-9]+ (clean|recovered)|damaged.*|found [0-9]+|wrote [0-9]+|down' "$said/$1"
}

# None of the files that were there for good has gone, or is another; e2fsck had no more to do
# than to replay the journal.
disk_is_clean() {
	sayings "$1" | awk '
		/^damaged/ { bad = bad "; " $0 }
		/^check/ && $2 > 1 { bad = bad "; e2fsck: " $2 }
		/^wrote/ { last = $2 }
		/^found/ && $2 < last { bad = bad "; wrote " last ", found " $2 }
		/^found/ { last = $2 }
		END { if (bad) print "# " substr(bad, 3); exit bad != "" }' >&3
}

check_boot() {
	check "boot $boot: those run again that ran, and no others" runs_as_it_did
	check "boot $boot: in order" in_order
	data check "boot $boot: the disk of p is clean" disk_is_clean p
	data check "boot $boot: the disk of q is clean" disk_is_clean q
}
