#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A frame that is held pins no page of who sent it: a sender that lends its pages
# to the kernel (MSG_ZEROCOPY), as vhost-net lends those of a guest, gets them back
# at once, and may write on them without changing the frame.
# vm: cpus=2 mem=1024 timeout=120 speed=quick long=6.1,6.12,debug here=net
# shellcheck source=selftests/netbuf/netbuf.sh
. "$(dirname "$0")/netbuf.sh"

# lend_page: datagram 0, in a page that is overwritten as soon as the kernel gives it back
lend_page() {
	timeout 20 /usr/bin/python3 - $guest $port <<-'EOF'
	import mmap, select, socket, struct, sys
	SO_ZEROCOPY, MSG_ZEROCOPY, MSG_ERRQUEUE = 60, 0x4000000, 0x2000
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
	s.connect((sys.argv[1], int(sys.argv[2])))
	page = mmap.mmap(-1, 4096)
	page[:1000] = struct.pack("<I", 0) + bytes(i & 255 for i in range(4, 1000))
	s.send(memoryview(page)[:1000], MSG_ZEROCOPY)
	poll = select.poll()
	poll.register(s, 0)
	if not poll.poll(10000):
	    sys.exit("the page does not come back")
	s.recvmsg(0, 512, MSG_ERRQUEUE)
	page[:] = bytes(4096)
	EOF
}

load netbuf
make_veth
lparctl netbuf attach v0
for copy in yes no; do
	lparctl netbuf set v0 --copy $copy
	lparctl netbuf hold v0
	check "--copy $copy: the page comes back" lend_page
	check "while its frame is held" is v0 txpcnt 1
	expect_in_guest 1
	lparctl netbuf drain v0
	data check "which is intact" came_to_guest
done
lparctl netbuf detach v0
check "the module can be unloaded" unload netbuf
