# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of lparctl(8): objects, verbs, keys, and what exists on this host.

_lparctl_lpars() {
	local name
	for name in /sys/class/lpar/*/; do
		[[ -d $name ]] && basename "$name"
	done
}

_lparctl_files() {
	local file
	for file in /etc/lparkit/*.lpar; do
		[[ -e $file ]] && basename "$file" .lpar
	done
}

_lparctl_events() {
	echo created deleted changed state stage member-added member-removed violation \
		gate-closed gate-opened gate-timeout memory-held memory-released \
		cut-armed cut-fired cut-cancelled memory-failed strayed
}

# Words that may follow a verb of the object lpar; $1 verb, $2 word before.
_lparctl_lpar() {
	case $1,$2 in
	*,--timeout | *,cpus | *,memory | *,gate-timeout | *,number | *,text | *,progress) ;;
	create,-f | create,disk | set,disk) compgen -f -- "$cur" ;;
	create,owner | set,owner) compgen -u -- "$cur" ;;
	stage,state) echo active migrating saved ;;
	create,create) _lparctl_files; echo -f ;;
	start,start) _lparctl_files ;;
	check,*) _lparctl_files; _lparctl_lpars ;;
	member,member) echo add del ;;
	create,* | set,*)
		[[ $2 == set ]] && _lparctl_lpars && return
		echo cpus memory node pages owner disk gate-timeout
		;;
	stage,stage) _lparctl_lpars ;;
	stage,*) echo number text progress transfer-rate dirty state ;;
	activate,*) _lparctl_lpars; echo --host ;;
	deactivate,*) _lparctl_lpars; echo --force ;;
	start,--file) compgen -f -- "$cur" ;;
	start,*) _lparctl_lpars; echo --timeout --file --incoming ;;
	stop,* | freeze,*) _lparctl_lpars; echo --timeout ;;
	delete,* | show,* | thaw,* | member,*) _lparctl_lpars ;;
	esac
}

_lparctl_cut() {
	case $1 in
	--lpar) _lparctl_lpars ;;
	--action) echo close open ;;
	--at) echo now +1s ;;
	cut) echo list show cancel --at --lpar --action --no-wait ;;
	list | show | cancel) ;;
	*) echo --at --lpar --action --no-wait ;;
	esac
}

_lparctl_buffers() {
	local buffer
	for buffer in /sys/class/net/*/netbuf; do
		[[ -d $buffer ]] && basename "${buffer%/netbuf}"
	done
}

# $1 verb, $2 word before.
_lparctl_netbuf() {
	case $1,$2 in
	*,netbuf) echo show list attach set detach hold drain flush save load monitor ;;
	*,--lpar) _lparctl_lpars ;;
	*,--policy) echo tail-drop head-drop pass ;;
	*,--unmatched) echo pass drop ;;
	*,--copy) echo yes no ;;
	*,--*) ;;
	save,save | load,load) compgen -f -- "$cur" ;;
	attach,attach) ls /sys/class/net ;;
	attach,* | set,?*)
		[[ $2 == set ]] && _lparctl_buffers && return
		echo --lpar --limit-frames --limit-bytes --policy --high-water --filter \
			--unmatched --copy
		;;
	detach,*) _lparctl_buffers; echo --force ;;
	drain,*) _lparctl_buffers; echo --timeout --no-wait ;;
	monitor,*) echo --count --timeout ;;
	*) _lparctl_buffers ;;
	esac
}

_lparctl_targets() {
	local target
	for target in /sys/class/dirtythrottle/*/; do
		[[ -d $target ]] && basename "$target"
	done
}

# $1 verb, $2 word before.
_lparctl_throttle() {
	case $1,$2 in
	*,throttle) echo show list attach set detach follow msi monitor ;;
	msi,msi) ls /sys/bus/pci/devices 2>/dev/null ;;
	msi,--counter) compgen -f -- "$cur" ;;
	follow,follow) compgen -f -- "$cur" ;;
	*,--target | attach,attach) _lparctl_lpars; pgrep qemu ;;
	*,--*) ;;
	attach,* | set,?*)
		[[ $2 == set ]] && { _lparctl_targets; _lparctl_lpars; return; }
		echo --count --limit --delay --auto --transfer-rate --watchdog
		;;
	follow,*) echo --target --share --watchdog --wait ;;
	msi,*) echo off --delay --rate --limit --counter --force --watchdog ;;
	monitor,*) echo --count --timeout ;;
	*) _lparctl_targets; _lparctl_lpars ;;
	esac
}

_lparctl_monitor() {
	case $1 in
	--lpar) _lparctl_lpars ;;
	--event) _lparctl_events ;;
	--count | --timeout) ;;
	*) echo --lpar --event --count --timeout ;;
	esac
}

# $1 word before, $2 verb.
_lparctl_snap() {
	case $1,$2 in
	snap,*) echo list take restore delete rename settle merge check ;;
	check,*) compgen -f -- "$cur" ;;
	list,* | take,* | restore,* | delete,* | rename,* | settle,* | merge,*)
		dmsetup ls --target snapsync 2>/dev/null | cut -f 1
		;;
	*,restore | *,delete | *,rename | *,settle | *,merge)
		dmsetup message "$1" 0 list 2>/dev/null | cut -d ' ' -f 1 | grep -vx -e -
		[ "$2" = merge ] || echo --group
		[ "$2" != restore ] || echo --force
		;;
	*,check) echo --repair --force ;;
	esac
}

_lparctl_saved() {
	local path
	for path in /var/lib/lparkit/cluster/*/manifest.json; do
		[[ -e $path ]] && basename "${path%/manifest.json}"
	done
}

# $1 word before, $2 verb.
_lparctl_cluster() {
	case $1,$2 in
	cluster,*) echo list show save restore verify delete recover ;;
	show,* | restore,* | verify,* | delete,*) _lparctl_saved ;;
	--lpar,*) _lparctl_lpars ;;
	--dir,*) compgen -d -- "$cur" ;;
	--via,*) compgen -c -- "$cur" ;;
	--*,* | recover,* | save,*) ;;
	*,save) echo --hosts --lpar --continue --wait --max-skew --via --dir --timeout ;;
	*,restore) echo --hosts --max-skew --via --dir --timeout ;;
	*,verify | *,delete) echo --hosts --via --dir --timeout ;;
	*,show | *,list) echo --dir ;;
	esac
}

_lparctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs='list show create set delete check activate deactivate start stop
		freeze thaw member pin stage'
	local objects='lpar cut netbuf throttle snap cluster monitor'
	local words first=1

	while [[ ${COMP_WORDS[first]} == -* || ${COMP_WORDS[first]} == lpar ]] &&
		((first < COMP_CWORD)); do
		((first++))
	done
	if ((first == COMP_CWORD)); then
		words="$objects help $verbs --json --pretty --root --help --version"
	else
		case ${COMP_WORDS[first]} in
		cut) words=$(_lparctl_cut "$before") ;;
		netbuf) words=$(_lparctl_netbuf "${COMP_WORDS[first + 1]}" "$before") ;;
		throttle) words=$(_lparctl_throttle "${COMP_WORDS[first + 1]}" "$before") ;;
		snap) words=$(_lparctl_snap "$before" "${COMP_WORDS[first + 1]}") ;;
		cluster) words=$(_lparctl_cluster "$before" "${COMP_WORDS[first + 1]}") ;;
		monitor) words=$(_lparctl_monitor "$before") ;;
		help) words=$objects ;;
		*) words=$(_lparctl_lpar "${COMP_WORDS[first]}" "$before") ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _lparctl lparctl
