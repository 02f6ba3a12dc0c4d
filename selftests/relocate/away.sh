# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # relocate.sh assigns
# The host of SOURCE, played by a network namespace "away": ssh's server, and a link that may
# be slow, or cut. Needs relocate.sh.

server=10.99.0.2

set_up_link() {
	ip netns add away && ip link add here type veth peer name there netns away &&
		ip addr add 10.99.0.1/24 dev here && ip link set here up &&
		ip -n away addr add $server/24 dev there && ip -n away link set there up &&
		ip -n away link set lo up
}

# link_is NETEM-WORD...: on its way back.
link_is() {
	ip netns exec away tc qdisc replace dev there root netem "$@" limit 10000
}

# listens PORT
listens() {
	ip netns exec away ss -ltn | grep -q ":$1 "
}

# With a key of its own, for whom it lets in.
set_up_ssh() {
	install -d -m 700 /root/.ssh
	chmod go-w /root
	[ -f "$scratch/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$scratch/key" || return
	cp "$scratch/key.pub" /root/.ssh/authorized_keys
	printf '%s\n' "Host away" "HostName $server" "User root" "IdentityFile $scratch/key" \
		"StrictHostKeyChecking no" "UserKnownHostsFile /dev/null" "LogLevel error" \
		>/root/.ssh/config
	dropbearkey -t ed25519 -f "$scratch/host.key" >/dev/null
}

# away_up, away_down: the host boots; it crashes. It answers ssh if there are keys, and the script "via".
away_up() {
	if [ -f "$scratch/host.key" ]; then
		ip netns exec away dropbear -s -r "$scratch/host.key" </dev/null >/dev/null 2>&1
		wait_until 30 listens 22 || return
	fi
	# shellcheck disable=SC2016 # for the shell over there
	ip netns exec away socat TCP-LISTEN:7001,reuseaddr,fork \
		EXEC:'bash -c \"read -r line; exec \$line\"' &
	wait_until 30 listens 7001
}

away_down() {
	ip netns pids away | xargs -r kill -KILL
}

# What serves there now.
servers() {
	pgrep -cx nbdkit
}

clear_away_host() {
	away_down
	ip netns del away 2>/dev/null
}
