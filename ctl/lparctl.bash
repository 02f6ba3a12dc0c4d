# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of lparctl(8): objects, verbs and options are those that lparctl tells of, the
# rest is what exists on this host.

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
		cut-armed cut-fired cut-cancelled memory-failed strayed irq-strayed \
		attached detached high-water drop moved exited timeout defined step
}

_lparctl_buffers() {
	local buffer
	for buffer in /sys/class/net/*/netbuf; do
		[[ -d $buffer ]] && basename "${buffer%/netbuf}"
	done
}

_lparctl_targets() {
	local target
	for target in /sys/class/dirtythrottle/*/; do
		[[ -d $target ]] && basename "$target"
	done
	_lparctl_lpars
}

_lparctl_identities() {
	local identity
	for identity in /sys/class/fcnpiv/*/; do
		[[ -d $identity ]] && basename "$identity"
	done
}

# $1 their target.
_lparctl_volumes() {
	dmsetup ls --target "$1" 2>/dev/null | cut -f 1
}

_lparctl_saved() {
	local path
	for path in /var/lib/lparkit/cluster/*/manifest.json; do
		[[ -e $path ]] && basename "${path%/manifest.json}"
	done
}

# The value of an option, or of a key; fails for those that have none. $1 object, $2 verb, $3 word before.
_lparctl_value() {
	case $1,$2,$3 in
	*,--host | *,--force | *,--incoming | lpar,start,--wait | *,--no-wait | *,--continue | *,--group | *,--repair) return 1 ;;
	snap,receive,--at | snap,create,--all | snap,create,--*-base) return 1 ;;
	snap,send,--at) ;;
	snap,send,--from)
		dmsetup message "${COMP_WORDS[COMP_CWORD - 2]}" 0 list 2>/dev/null | cut -d ' ' -f 1 | grep -vx -e -
		;;
	*,--exact | *,--end | *,--discard-writes | *,--maintenance | *,--new | fc,list,--all | fc,swap,--prepare | fc,swap,--switch | fc,define,--away | migrate,*,--check | migrate,*,--abandon | migrate,*,--source-gone) return 1 ;;
	throttle,attach,--count | throttle,set,--count | lpar,export,--all | lpar,import,--check) return 1 ;;
	*,--lpar | throttle,*,--target) _lparctl_lpars ;;
	*,--file | *,-f | *,--counter | *,--luns | lpar,*,disk) compgen -f -- "$cur" ;;
	relocate,*,--dest | relocate,*,--meta | relocate,*,--source) compgen -f -- "$cur" ;;
	relocate,*,--order) echo hot,used,rest used,rest hot,used ;;
	*,--dir) compgen -d -- "$cur" ;;
	*,--via) compgen -c -- "$cur" ;;
	*,--event) _lparctl_events ;;
	monitor,*,--object) echo lpar netbuf throttle fc ;;
	monitor,*,--hooks | monitor,*,--journal) return 1 ;;
	snap,take,--agent) _lparctl_lpars; compgen -f -- "$cur" ;;
	*,--action) echo close open ;;
	*,--at) echo now +1s ;;
	lpar,stop,--keep | lpar,stop,--forget | boot,restore,--units) return 1 ;;
	lpar,define,--check | lpar,distribute,--check | lpar,distribute,--all) return 1 ;;
	lpar,import,--rename) ;;
	*,--libvirt) virsh -q list --name 2>/dev/null ;;
	*,--policy) echo tail-drop head-drop pass ;;
	*,--unmatched) echo pass drop ;;
	migrate,*,--limit) echo auto off ;;
	migrate,*,--storage) echo shared none ;;
	migrate,*,--on-slow) echo wait cancel ;;
	*,--copy) echo yes no ;;
	*,--parent) ls /sys/class/fc_host 2>/dev/null ;;
	lpar,*,owner) compgen -u -- "$cur" ;;
	lpar,stage,state) echo active migrating saved ;;
	lpar,*,pages) echo any large ;;
	lpar,*,cpus | lpar,*,memory | lpar,*,node | lpar,*,gate-timeout) ;;
	lpar,stage,number | lpar,stage,text | lpar,stage,progress) ;;
	*,--*) ;;
	*) return 1 ;;
	esac
}

# What a verb is about, in the order of its words. $1 object, $2 verb, $3 how many words since.
_lparctl_things() {
	case $1,$2,$3 in
	lpar,create,0) _lparctl_files; echo -f ;;
	lpar,create,* | lpar,set,[1-9]*) echo cpus memory node pages owner disk gate-timeout ;;
	lpar,start,*) _lparctl_files; _lparctl_lpars ;;
	lpar,check,*) _lparctl_files; _lparctl_lpars ;;
	lpar,export,* | lpar,distribute,*) _lparctl_files ;;
	lpar,import,0) compgen -f -- "$cur" ;;
	lpar,import,*) ;;
	lpar,define,0 | lpar,metrics,*) ;;
	lpar,schedule,0) _lparctl_files ;;
	lpar,schedule,1) echo start stop ;;
	lpar,schedule,*) echo off ;;
	lpar,define,*) echo disk= net= kernel= initrd= append= console= agent= args= owner= pages= fc-parent= ;;
	boot,forget,*) _lparctl_files ;;
	boot,*) ;;
	lpar,member,0) echo add del ;;
	lpar,stage,[1-9]*) echo number text progress transfer-rate dirty state ;;
	lpar,list,* | pool,* | cut,* | cluster,save,*) ;;
	lpar,*) _lparctl_lpars ;;
	netbuf,save,0 | netbuf,load,0 | throttle,follow,0 | snap,check,0) compgen -f -- "$cur" ;;
	netbuf,attach,0) ls /sys/class/net ;;
	netbuf,*) _lparctl_buffers ;;
	throttle,msi,0) ls /sys/bus/pci/devices 2>/dev/null ;;
	throttle,msi,*) echo off ;;
	throttle,attach,0) _lparctl_lpars; pgrep qemu ;;
	throttle,*) _lparctl_targets ;;
	fc,define,0 | fc,generate,0) _lparctl_lpars ;;
	fc,start,1) echo source destination ;;
	fc,confirm,1) echo io gone switched returned ;;
	fc,wait,1) echo idle io-to-m on-m armed io-to-o o-return ;;
	fc,delete,* | fc,show,* | fc,*,0) _lparctl_identities ;;
	snap,create,0) echo --all ;;
	snap,create,[12]) compgen -f -- "$cur" ;;
	snap,*,0) _lparctl_volumes snapsync ;;
	snap,diff,[12])
		dmsetup message "${COMP_WORDS[COMP_CWORD - $3]}" 0 list 2>/dev/null |
			cut -d ' ' -f 1
		;;
	snap,restore,1 | snap,delete,1 | snap,rename,1 | snap,settle,1 | snap,merge,1 | snap,send,1)
		dmsetup message "${COMP_WORDS[COMP_CWORD - 1]}" 0 list 2>/dev/null |
			cut -d ' ' -f 1 | grep -vx -e -
		;;
	snap,settle,2) echo keep drop ;;
	migrate,*) _lparctl_lpars ;;
	relocate,order,0 | relocate,source,1) compgen -f -- "$cur" ;;
	relocate,start,* | relocate,connect,1) ;;
	relocate,send,1) echo hot used ;;
	relocate,*,0) _lparctl_volumes relocate ;;
	cluster,*) _lparctl_saved ;;
	esac
}

_lparctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local objects object=lpar verb words first=1

	while [[ ${COMP_WORDS[first]} == -* ]] && ((first < COMP_CWORD)); do
		((first++))
	done
	objects=$(lparctl __complete)
	if ((first == COMP_CWORD)); then
		words="$objects help $(lparctl __complete lpar) --json --pretty --root --help --version"
	elif [[ ${COMP_WORDS[first]} == help ]]; then
		words=$objects
		[[ $before != help ]] && words=$(lparctl __complete "$before")
	else
		if grep -qxF -e "${COMP_WORDS[first]}" <<<"$objects"; then
			object=${COMP_WORDS[first]}
			[[ $object != monitor ]] && ((first++))
		fi
		verb=${COMP_WORDS[first]}
		if ((first == COMP_CWORD)); then
			words=$(lparctl __complete "$object")
			[[ $object == cut ]] && words+=" $(lparctl __complete cut arm)"
		elif ! words=$(_lparctl_value "$object" "$verb" "$before"); then
			[[ $object == cut && $verb == -* ]] && verb=arm
			words="$(_lparctl_things "$object" "$verb" $((COMP_CWORD - first - 1)))
				$(lparctl __complete "$object" "$verb")"
		fi
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _lparctl lparctl
