// SPDX-License-Identifier: GPL-2.0
/*
 * Nonsense for the netlink family netbuf.
 *
 *	framefuzz COUNT SEED IFNAME
 *
 * Two thirds of the messages are plausible (attach, hold, frames with odd headers);
 * half of all are then mutated. The module has to go on answering, and some of
 * the messages have to be accepted, or the fuzzer would not reach anything.
 */
#include <linux/virtio_net.h>

#include "../../include/uapi/lparkit/netbuf.h"
#include "../lpar/fuzz.h"

static const char *ifname;

static void put_settings(struct nlmsghdr *message)
{
	static const uint64_t program[] = { 0x0000ffff00000006, 0 }; /* ret #65535 */

	if (one_in(3))
		mnl_attr_put_u32(message, NETBUF_A_LIMIT_FRAMES, below(200));
	if (one_in(3))
		mnl_attr_put_u64(message, NETBUF_A_LIMIT_BYTES, one_in(2) ? 100000 : UINT64_MAX);
	if (one_in(3))
		mnl_attr_put_u32(message, NETBUF_A_POLICY, below(4));
	if (one_in(3))
		mnl_attr_put_u32(message, NETBUF_A_ZERO_COPY, below(3));
	if (one_in(3))
		mnl_attr_put(message, NETBUF_A_FILTER, one_in(4) ? 5 : 8 * below(3), program);
	if (one_in(3))
		mnl_attr_put_strz(message, NETBUF_A_FILTER_TEXT, "anything");
	if (one_in(3))
		mnl_attr_put_strz(message, NETBUF_A_LPAR, "fuzz");
}

/* An Ethernet frame with an IPv4 header that may be followed by TCP or UDP. */
static void put_frame(struct nlmsghdr *message)
{
	uint8_t data[2000] = { [12] = 8, [14] = 0x45 };
	uint32_t length = one_in(4) ? below(sizeof(data)) : 14 + below(200);
	struct nlattr *nest = mnl_attr_nest_start(message, NETBUF_A_FRAME);
	struct virtio_net_hdr vnet = { 0 };

	data[23] = one_in(2) ? 6 : 17;
	if (one_in(2)) {
		vnet.flags = below(4);
		vnet.gso_type = one_in(2) ? below(6) : random_u32();
		vnet.hdr_len = below(100);
		vnet.gso_size = one_in(2) ? below(20) : random_u32();
		vnet.csum_start = one_in(2) ? 34 : below(300);
		vnet.csum_offset = one_in(2) ? 16 : below(300);
	}
	mnl_attr_put_u32(message, NETBUF_A_FRAME_DIRECTION, below(3));
	mnl_attr_put_u32(message, NETBUF_A_FRAME_LENGTH, one_in(8) ? random_u32() : length);
	mnl_attr_put(message, NETBUF_A_FRAME_VNET, sizeof(vnet), &vnet);
	if (one_in(3)) {
		mnl_attr_put_u16(message, NETBUF_A_FRAME_VLAN_PROTO, one_in(2) ? 0x8100 : 7);
		mnl_attr_put_u16(message, NETBUF_A_FRAME_VLAN_TCI, random_u32());
	}
	mnl_attr_put_u16(message, NETBUF_A_FRAME_QUEUE, random_u32());
	mnl_attr_put_u32(message, NETBUF_A_FRAME_PRIORITY, random_u32());
	mnl_attr_put_u32(message, NETBUF_A_FRAME_OFFSET, one_in(8) ? random_u32() : 0);
	mnl_attr_put(message, NETBUF_A_FRAME_DATA, one_in(8) ? below(length + 1) : length, data);
	mnl_attr_nest_end(message, nest);
}

static void put_plausible(struct nlmsghdr *message, uint8_t cmd)
{
	if (cmd != NETBUF_CMD_COMMIT)
		mnl_attr_put_strz(message, NETBUF_A_IFNAME, ifname);
	switch (cmd) {
	case NETBUF_CMD_ATTACH:
	case NETBUF_CMD_SET:
		put_settings(message);
		break;
	case NETBUF_CMD_STATE_SET:
		/* Mostly hold, so that frames can be loaded. */
		mnl_attr_put_u32(message, NETBUF_A_STATE, one_in(8) ? below(4) : NETBUF_STATE_HOLD);
		break;
	case NETBUF_CMD_LOAD:
		for (unsigned int i = 1 + below(3); i; i--)
			put_frame(message);
		break;
	case NETBUF_CMD_DETACH:
		if (one_in(8))
			mnl_attr_put(message, NETBUF_A_FORCE, 0, NULL);
		break;
	}
}

static void send_message(void)
{
	send_nonsense(NETBUF_CMD_MAX, NETBUF_A_MAX, put_plausible);
}

static int ask(void)
{
	lparnl_start(&nl, nl.family, NETBUF_CMD_GET, 0);
	mnl_attr_put_strz(lparnl_message(&nl), NETBUF_A_IFNAME, "not-there");
	return lparnl_call(&nl, NULL, NULL);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 4 ? strtoul(argv[1], NULL, 0) : 0;

	if (!count) {
		fputs("usage: framefuzz COUNT SEED IFNAME\n", stderr);
		return 2;
	}
	ifname = argv[3];
	start_fuzzing(NETBUF_FAMILY_NAME, strtoul(argv[2], NULL, 0));
	fuzz(count, send_message, ask);
	return accepted > count / 100 && refused ? 0 : 1;
}
