// SPDX-License-Identifier: GPL-2.0
/*
 * nlfuzz: nonsense for the netlink family of lpar.ko.
 *
 *	nlfuzz COUNT [SEED [DISK]]
 *
 * Half of the messages are made of random attributes, half are plausible
 * commands; most are then mutated: bytes flipped, attribute lengths changed,
 * the end cut off or padded. After each batch the module must still answer a
 * sensible question. It prints its seed: the same seed gives the same messages.
 */
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define MESSAGE_MAX 8192
#define OVERSIZE_BYTES 40000

static const char *disk = "/dev/null";

static void put_random_bytes(struct nlmsghdr *message, uint16_t type, size_t bytes)
{
	uint8_t data[512];

	if (bytes > sizeof(data))
		bytes = sizeof(data);
	for (size_t i = 0; i < bytes; i++)
		data[i] = random_u32();
	mnl_attr_put(message, type, bytes, data);
}

static void put_random_nest(struct nlmsghdr *message, uint16_t type, unsigned int depth)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	for (unsigned int i = below(6); i; i--) {
		if (depth && one_in(4))
			put_random_nest(message, below(LPAR_A_MAX + 2), depth - 1);
		else
			put_random_bytes(message, below(LPAR_A_STAGE_MAX + 3), below(40));
	}
	mnl_attr_nest_end(message, nest);
}

static void put_odd_attrs(struct nlmsghdr *message)
{
	for (unsigned int i = below(12); i; i--) {
		uint16_t type = one_in(16) ? random_u32() : below(LPAR_A_MAX + 3);

		if (one_in(8))
			put_random_nest(message, type, 6);
		else
			put_random_bytes(message, type, one_in(8) ? below(512) : below(12));
	}
}

static void put_name(struct nlmsghdr *message)
{
	static const char *const names[] = {
		"fuzz0",
		"fuzz1",
		"fuzz2",
		"fuzz.3",
		"",
		".",
		"..",
		"a/b",
		"UPPER",
		"fuzz0 ",
		"0123456789012345678901234567890",
		"01234567890123456789012345678901",
		"%n%s",
	};

	mnl_attr_put_strz(message, LPAR_A_NAME,
			  names[one_in(4) ? below(sizeof(names) / sizeof(names[0])) : below(3)]);
}

static void put_resources(struct nlmsghdr *message)
{
	static const char *const cpus[] = {
		"",	 "1",	       "2-3", "2",  "0",  "0-3",
		"99999", "4294967296", "3-2", "2-", ",,", "1-3:1/2",
	};
	static const uint64_t memory[] = {
		0, 1, 2 << 20, 4 << 20, 3 << 20, 1ULL << 40, 1ULL << 62, ~0ULL, ~0ULL << 21,
	};

	if (one_in(2))
		mnl_attr_put_strz(message, LPAR_A_CPUS,
				  cpus[below(sizeof(cpus) / sizeof(cpus[0]))]);
	if (one_in(2))
		mnl_attr_put_u64(message, LPAR_A_MEMORY,
				 memory[below(sizeof(memory) / sizeof(memory[0]))]);
	if (one_in(4))
		mnl_attr_put_u32(message, LPAR_A_NODE, below(4) - 1);
	if (one_in(4))
		mnl_attr_put_u32(message, LPAR_A_OWNER_UID, random_u32());
	if (one_in(4))
		lparnl_put_disk(&nl, one_in(2) ? disk : "/proc/self/mem");
	if (one_in(4))
		mnl_attr_put_u32(message, LPAR_A_GATE_TIMEOUT_MS, one_in(2) ? 200 : random_u32());
}

static void put_stage(struct nlmsghdr *message)
{
	struct nlattr *nest = mnl_attr_nest_start(message, LPAR_A_STAGE);

	mnl_attr_put_u32(message, LPAR_A_STAGE_NUMBER, below(10));
	mnl_attr_put_strz(message, LPAR_A_STAGE_TEXT, "copy");
	mnl_attr_put_u32(message, LPAR_A_STAGE_PROGRESS, below(120));
	mnl_attr_put_u64(message, LPAR_A_STAGE_DIRTY_BYTES, random_u32());
	mnl_attr_nest_end(message, nest);
	if (one_in(2))
		mnl_attr_put_u32(message, LPAR_A_STATE, below(8));
	if (one_in(4))
		mnl_attr_put(message, LPAR_A_TRANSIENT, 0, NULL);
}

static void put_pins(struct nlmsghdr *message)
{
	for (unsigned int i = below(3); i; i--) {
		struct nlattr *nest = mnl_attr_nest_start(message, LPAR_A_PIN);

		mnl_attr_put_u32(message, LPAR_A_PIN_VCPU, below(4));
		mnl_attr_put_u32(message, LPAR_A_PIN_PID,
				 one_in(2) ? (uint32_t)getpid() : ~below(100));
		mnl_attr_put_u32(message, LPAR_A_PIN_CPU, one_in(4) ? random_u32() : below(4));
		mnl_attr_nest_end(message, nest);
	}
}

static void put_cut(struct nlmsghdr *message)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* Up to two seconds around now: some are refused, some fire. */
	mnl_attr_put_u64(message, LPAR_A_CUT_DEADLINE_NS,
			 one_in(3) ? 0 : now.tv_sec * 1000000000LL + random_u32() / 2);
	for (unsigned int i = below(3); i; i--)
		mnl_attr_put_strz(message, LPAR_A_CUT_LPAR, one_in(2) ? "fuzz0" : "fuzz1");
	if (one_in(2))
		mnl_attr_put_u32(message, LPAR_A_CUT_ACTION, below(3));
}

static void put_plausible(struct nlmsghdr *message, uint8_t cmd)
{
	switch (cmd) {
	case LPAR_CMD_CUT_ARM:
		put_cut(message);
		return;
	case LPAR_CMD_CUT_CANCEL:
	case LPAR_CMD_CUT_GET:
		mnl_attr_put_u32(message, LPAR_A_CUT_ID, below(64));
		return;
	}
	put_name(message);
	switch (cmd) {
	case LPAR_CMD_CREATE:
	case LPAR_CMD_SET:
		put_resources(message);
		break;
	case LPAR_CMD_MEMBER_ADD:
	case LPAR_CMD_MEMBER_DEL:
		/* Never init or the harness: only a process id that is free, or our own. */
		mnl_attr_put_u32(message, LPAR_A_MEMBER,
				 one_in(2) ? (uint32_t)getpid() : ~below(100));
		break;
	case LPAR_CMD_GRANT:
	case LPAR_CMD_REVOKE:
		mnl_attr_put_u32(message, LPAR_A_GRANT,
				 one_in(2) ? (uint32_t)getpid() : below(100));
		break;
	case LPAR_CMD_STAGE_SET:
		put_stage(message);
		break;
	case LPAR_CMD_PIN:
		put_pins(message);
		break;
	case LPAR_CMD_DEACTIVATE:
		mnl_attr_put(message, LPAR_A_FORCE, 0, NULL);
		break;
	}
}

/* A single attribute that is larger than any sensible one, or very many of them. */
static void put_oversize(struct nlmsghdr *message)
{
	static char text[OVERSIZE_BYTES];

	if (one_in(2)) {
		memset(text, 'a', sizeof(text) - 1);
		mnl_attr_put_strz(message, below(LPAR_A_MAX + 1), text);
		return;
	}
	for (unsigned int i = 0; i < OVERSIZE_BYTES / 64; i++)
		lparnl_put_disk(&nl, disk);
}

static void mutate(struct nlmsghdr *message)
{
	mutate_bytes(message);
	if (one_in(16))
		message->nlmsg_len = random_u32();
}

static void make_message(void)
{
	uint8_t cmd = one_in(16) ? random_u32() : below(LPAR_CMD_MAX + 2);
	uint16_t flags = one_in(8) ? NLM_F_DUMP : 0;
	struct nlmsghdr *message;

	lparnl_start(&nl, nl.family, cmd, flags);
	message = lparnl_message(&nl);
	if (one_in(256))
		put_oversize(message);
	else if (one_in(2))
		put_odd_attrs(message);
	else
		put_plausible(message, cmd);
	if (one_in(32))
		message->nlmsg_flags = random_u32() | NLM_F_REQUEST;
	if (!one_in(3))
		mutate(message);
}

/* How many bytes are sent need not be what the header says. */
static void send_message(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *message = lparnl_message(&nl);
	size_t bytes;

	make_message();
	bytes = message->nlmsg_len;
	if (bytes > sizeof(nl.buffer))
		bytes = below(MESSAGE_MAX);
	if (one_in(32))
		bytes = below(bytes + 1);
	sendto(mnl_socket_get_fd(nl.sock), message, bytes, 0, (struct sockaddr *)&kernel,
	       sizeof(kernel));
}

static int ask(void)
{
	return lparnl_do(&nl, LPAR_CMD_GET, "not-there");
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

	if (!count) {
		fputs("usage: nlfuzz COUNT [SEED [DISK]]\n", stderr);
		return 2;
	}
	if (!seed)
		seed = time(NULL) * 31 + getpid();
	if (argc > 3)
		disk = argv[3];
	start_fuzzing(LPAR_FAMILY_NAME, seed);
	fuzz(count, send_message, ask);
	return 0;
}
