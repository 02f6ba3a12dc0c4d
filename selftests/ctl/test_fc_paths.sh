#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# lparctl fc swap with maps that multipathd looks after, which is played: no map is ever without
# a path, also if multipathd does not take one.
# vm: none timeout=300
# shellcheck source=selftests/ctl/swap.sh
. "$(dirname "$0")/swap.sh"

hosts_up
plan 11
block=$scratch/a/root/sys/class/block
mkdir "$scratch/bin"
cat >"$scratch/bin/multipathd" <<-EOT
	#!/bin/bash
	cd "$block" || exit
	case "\$1 \$2" in
	"show daemon") echo "pid 1 running" ;;
	"add path") map=\$(sed -n "s/^\$3 //p" "$scratch/takes")
		[ -z "\$map" ] || ln -sfn "../../\$map" "\$3/holders/\$map" ;;
	"del path") rm -f "\$3/holders"/* ;;
	esac
	[ "\$1" = show ] || echo "\$1 \$3" >>"$scratch/told"
	# Is any map without a path now?
	for map in dm-0 dm-1; do
		compgen -G "*/holders/\$map" >/dev/null || echo "\$map" >>"$scratch/bare"
	done
EOT
chmod +x "$scratch/bin/multipathd"
PATH=$scratch/bin:$PATH

# with_maps LINE...: two LUNs, two maps; which disks multipathd takes into which
with_maps() {
	local disk map

	as_it_was
	printf '%s\n' "naa.600140500000000000000000000abc0000 131072 sdd" \
		"naa.600140500000000000000000000abc0001 131072 sde" >"$kernel_a/luns maintenance"
	printf '%s\n' "$luns" >"$kernel_a/luns original"
	rm -rf "$block" "$scratch"/{told,bare}
	for disk in sdb sdc sdd sde; do
		mkdir -p "$block/$disk/holders"
	done
	for map in 0 1; do
		mkdir -p "$block/dm-$map/dm"
		echo "web$map" >"$block/dm-$map/dm/name"
		echo "mpath-3600140500000000000000000000abc000$map" >"$block/dm-$map/dm/uuid"
	done
	ln -s ../../dm-0 "$block/sdb/holders/dm-0"
	ln -s ../../dm-1 "$block/sdc/holders/dm-1"
	printf '%s\n' "sdb dm-0" "sdc dm-1" "$@" >"$scratch/takes"
}

# paths DISK DISK: these two are in the maps, and no others
paths() {
	same "$(cd "$block" && echo */holders/dm-*)" "$1/holders/dm-0 $2/holders/dm-1"
}

with_maps "sdd dm-0" "sde dm-1"
check "the maps change over" says 0 "ready at b" swap --prepare
check "to the maintenance port" paths sdd sde
check "the new paths first" same "$(xargs <"$scratch/told")" "add sdd add sde del sdb del sdc"
check "and back" says 0 "everything is as it was" recover
check "to the original" paths sdb sdc
check "none was ever without a path" test ! -e "$scratch/bare"

with_maps "sdd dm-0"
check "one path is not taken: it goes back" says 5 "map web1: multipathd does not take" swap --prepare
check "with the paths that there were" paths sdb sdc
check "no path had gone before all had come" grep -qx -e "add sde" -B 1 "$scratch/told"
check "the first to go is a new one" same "$(grep -m 1 del "$scratch/told")" "del sdd"
check "none was ever without a path" test ! -e "$scratch/bare"
