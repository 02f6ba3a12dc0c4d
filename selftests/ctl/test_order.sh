#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# "relocate order": what file systems use, on whole disks and in partitions.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 44
image=$scratch/disk
files=$scratch/files

make_files() {
	local i

	mkdir -p "$files/some/where"
	for i in 1 2 3 4 5; do
		head -c $((i * 300000)) /dev/urandom >"$files/some/where/$i"
	done
	echo small >"$files/small"
}

order() {
	lparctl relocate order "$image" 2>"$scratch/said" | grep -v end
}

exact() {
	lparctl relocate order "$image" --exact
}

# covered SECTOR COUNT: is all of that in the list?
covered() {
	order | awk -v from="$1" -v to=$(($1 + $2)) \
		'$1 <= from && $1 + $2 >= to { found = 1 } END { exit !found }'
}

# blocks_covered OFFSET-SECTORS BLOCK-SIZE [CLUSTER]: each block that the file system at that
# offset uses. Of a range of free clusters, dumpe2fs prints the last one's first block.
blocks_covered() {
	local per=$(($2 / 512)) device="$image?offset=$(($1 * 512))"

	dumpe2fs "$device" 2>/dev/null | sed -n 's/^  Free blocks: //p' | tr -s ', ' '\n' |
		awk -F- 'NF && $1 != "" { print $1, (NF > 1 ? $2 : $1) }' >"$scratch/free"
	[ -s "$scratch/free" ] || return 1
	order >"$scratch/used"
	awk -v per=$per -v offset="$1" -v cluster="${3:-1}" -v blocks="$(dumpe2fs -h "$device" 2>/dev/null |
		sed -n 's/^Block count: *//p')" '
		FNR == NR { for (i = $1; i < $2 + cluster; i++) free[i] = 1; next }
		{ for (s = $1; s < $1 + $2; s++) used[s] = 1 }
		END {
			for (b = 0; b < blocks; b++)
				if (!(b in free) && !((offset + b * per) in used)) {
					print "block " b " is missing"
					exit 1
				}
		}' "$scratch/free" "$scratch/used"
}

total() {
	order | awk '{ sum += $2 } END { print sum / 2 }'
}

# No range touches the one before, and all are on the disk.
well_formed() {
	order | awk -v sectors=$(($(stat -c %s "$image") / 512)) '
		$1 < end || $2 <= 0 || $1 + $2 > sectors { exit 1 }
		{ end = $1 + $2 }'
}

make_files
for type in ext2 ext3 ext4; do
	rm -f "$image"
	truncate -s 64M "$image"
	mkfs.$type -q -F -d "$files" "$image"
	check "$type: ranges are in order" well_formed
	check "$type: every used block is there" blocks_covered 0 1024
	check "$type: and not much else" test "$(total)" -lt 14000
	check "$type: is exact" exact
done
mkfs.ext4 -q -F -b 4096 -O bigalloc -C 16384 -d "$files" "$image"
check "clusters: every used block is there" blocks_covered 0 4096 4

# A file system that is mounted, or was when the power went.
mkfs.ext4 -q -F -d "$files" "$image"
debugfs -w -R "feature needs_recovery" "$image" 2>/dev/null
check "a journal that is to be replayed is not exact" exits 3 exact
check "and is said" grep -q "not unmounted cleanly" "$scratch/err"
check "but listed" exits 0 order
check_is "no list that may lack something goes on" "$(exact 2>/dev/null)" ""

# Partitions: GPT and MBR, something else between.
for label in gpt dos; do
	rm -f "$image"
	truncate -s 96M "$image"
	sfdisk -q "$image" <<-END
		label: $label
		start=2048, size=65536
		start=67584, size=32768
		start=100352, size=65536
	END
	mkfs.ext4 -q -F -E offset=$((2048 * 512)) -d "$files" "$image" 32M
	mkfs.ext2 -q -F -E offset=$((100352 * 512)) -d "$files" "$image" 32M
	check "$label: the table is there" covered 0 2048
	check "$label: what is not understood is there" covered 67584 32768
	check "$label: so is the first file system's" blocks_covered 2048 1024
	check "$label: and not much else" test "$(total)" -lt 54000
done
check "the end of the disk is there" covered $((100352 + 65536)) $((196608 - 100352 - 65536))

# XFS: what is in its list, alone, is a file system with all files.
rm -f "$image"
truncate -s 320M "$image"
prototype() {
	local i

	printf '%s\n' /none '0 0' 'd--755 0 0'
	for i in 1 2 3 4 5; do printf '%s ---644 0 0 %s\n' $i "$files/some/where/$i"; done
	echo '$'
}
prototype >"$scratch/prototype"
mkfs.xfs -q -p "$scratch/prototype" "$image"
rm -f "$scratch/copy"
truncate -s 320M "$scratch/copy"
copy_listed() {
	order | while read -r start count; do
		dd if="$image" of="$scratch/copy" bs=512 skip="$start" seek="$start" count="$count" \
			conv=notrunc,sparse status=none || return
	done
}
# has_file NAME: in one piece, as it is the only one
has_file() {
	python3 - "$scratch/copy" "$files/some/where/$1" <<-'END'
		import mmap, sys
		with open(sys.argv[1], "rb") as disk, open(sys.argv[2], "rb") as file:
		    with mmap.mmap(disk.fileno(), 0, access=mmap.ACCESS_READ) as data:
		        sys.exit(data.find(file.read()) < 0)
	END
}
has_files() {
	local i

	for i in 1 2 3 4 5; do has_file $i || return; done
}
check "an XFS" grep -q "xfs" <(lparctl relocate order "$image" 2>&1)
check "one that was unmounted cleanly" exact
check "in whatever language its tools speak" same "$(export LC_ALL=C.UTF-8 LANGUAGE=de && order | xargs)" \
	"$(order | xargs)"
check "what it has free is left out" test "$(total)" -lt $((100 * 1024))
check "its list is copied" copy_listed
check "that is a sound file system" xfs_repair -n "$scratch/copy"
check "with all files" has_files
dd if=/dev/urandom of="$image" bs=4k seek=1 count=1 conv=notrunc status=none
check "one that its tools do not understand is used" covered 0 655360
# The tools are not there.
mkfs.xfs -q -f "$image"
no_tools() {
	PATH=$(dirname "$(command -v lparctl)") lparctl relocate order "$image" 2>/dev/null
}
check_is "without its tools, all of it" "$(no_tools | xargs)" "0 655360 end 1"

# What has another signature besides may be something else by now, and use all of it.
rm -f "$image"
truncate -s 64M "$image"
mkfs.ext4 -q -F -b 4096 -d "$files" "$image"
check "a file system" test "$(total)" -lt 14000
printf 'S1SUSPEND' | dd of="$image" bs=1 seek=4086 conv=notrunc status=none
check_is "one that shows through something else" "$(total)" 65536

# A file system on the whole disk, where a table of partitions was left
rm -f "$image"
truncate -s 64M "$image"
sfdisk -q "$image" <<<"label: dos
start=2048, size=65536"
mkfs.ext4 -q -F -E offset=$((2048 * 512)) "$image" 32M
dd if="$image" of="$scratch/table" bs=512 count=1 status=none
mkfs.ext4 -q -F -d "$files" "$image"
dd if="$scratch/table" of="$image" conv=notrunc status=none
check_is "a table that was left is not believed" "$(total)" 65536

truncate -s 1M "$scratch/blank"
check_is "nothing that is understood: all of it" "$(lparctl relocate order "$scratch/blank" 2>/dev/null |
	xargs)" "0 2048 end 1"

# Of a list that says what may be left out, nothing may be lost on the way. There is no volume: it
# is the last to complain.
send_end() {
	lparctl relocate send none used --end
}
lparctl relocate order "$scratch/blank" >"$scratch/list" 2>/dev/null
check "a list that is whole" says 1 "cannot send a list to none" send_end <"$scratch/list"
for ((cut = 0; cut < $(stat -c %s "$scratch/list"); cut++)); do
	head -c $cut "$scratch/list" >"$scratch/cut"
	says 1 "not whole\|START COUNT" send_end <"$scratch/cut" || break
done
check_is "one that is cut anywhere" $cut "$(stat -c %s "$scratch/list")"
check "one with a line less" says 1 "not whole" send_end < <(sed 1d "$scratch/list")
check "an empty one" says 1 "is empty" send_end <<<"end 0"
check "an empty one of what comes first, where there is no volume" says 1 "cannot send a list to none" \
	lparctl relocate send none hot </dev/null
