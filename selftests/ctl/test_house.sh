#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The rooms of lparctl: which of them may know which, and how large a file may be.
# vm: none
# shellcheck source=selftests/ctl/ctl.sh
. "$(dirname "$0")/ctl.sh"

plan 12
cd "$(dirname "$0")/../../ctl" || bail "no ctl"

# knows ROOM OTHER...: its files include headers of these and no others of ours
knows() {
	local wrong

	wrong=$(grep -Ho '^#include "[^"]*"' "$1"/*.[ch] | grep -v '/uapi/lparkit/' |
		grep -v -e "\"\\($(printf '%s\\|' "${@:2}")$1\\)/")
	same "$wrong" ""
}

small() {
	same "$(find . -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 800')" ""
}

# No room is left out of this test.
all_rooms() {
	same "$(find . -mindepth 1 -type d | sort | xargs)" \
		"./cluster ./event ./fc ./guest ./lib ./lpar ./net ./relocate ./snap ./throttle"
}

check "lib knows no object" knows lib
check "lpar knows lib" knows lpar lib
for room in fc net snap throttle; do
	check "$room knows lib and lpar" knows $room lib lpar
done
check "guest knows fc and snap, too" knows guest lib lpar fc snap
check "relocate knows lib and snap" knows relocate lib snap
check "cluster knows those of guests" knows cluster lib lpar guest net snap throttle
check "event knows those that have any" knows event lib lpar net throttle fc
check "these are all" all_rooms
check "no file is larger than 800 lines" small
