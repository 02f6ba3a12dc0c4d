#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vm: none
# The netlink specifications describe the code: see specs.py.
. "$(dirname "$0")/lint.sh"

mapfile -t specs < <(files 'Documentation/netlink/specs/*.yaml')
schemas=$(selftests/vm/kernels.sh source)/Documentation/netlink || bail "no schemas"

# check_spec FILE: its protocol names its schema.
check_spec() {
	local protocol

	protocol=$(sed -n 's/^protocol: *//p' "$1")
	/usr/bin/python3 selftests/lint/specs.py "$1" "$schemas/${protocol:-genetlink}.yaml"
}

plan "${#specs[@]}"
for spec in "${specs[@]}"; do
	clean "$(basename "$spec")" check_spec "$spec"
done
