#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# agent=yes: the guest has a channel for its agent, and snap take asks there before anything else.
# What an agent does is in snapsync/test_freeze.
# vm: none timeout=120
# shellcheck source=selftests/ctl/played.sh
. "$(dirname "$0")/played.sh"

# take GUEST
take() {
	on h snap take vol now --fs-freeze 1s --agent "$1"
}

has_port() {
	tr '\0' '\n' <"/proc/$(guest_pid h "$1")/cmdline" | grep -q "name=org.qemu.guest_agent.0"
}

plan 10
host_up h
describe h g agent=yes
describe h quiet
describe h odd agent=maybe
on h start g >/dev/null
on h start quiet >/dev/null
check "a guest with a channel" has_port g
check "no agent in it" says 1 "g/agent.sock: no agent answers" take g
check "it goes on" on h stop g
check "nothing of it is left" only_log h g
check "one that is not there" says 1 "agent=yes" take g
check "nor has another" says 1 "agent=yes" take quiet
check_fails "it has no port" has_port quiet
check "a word that is none" says 1 "'yes' or 'no'" on h start odd
check "a time that is missing" says 2 "wants a time" on h snap take vol now --agent g --fs-freeze
check "an agent that is missing" says 2 "wants --agent" on h snap take vol now --fs-freeze 1s --agent
