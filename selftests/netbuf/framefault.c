// SPDX-License-Identifier: GPL-2.0
/*
 * framefault: fails each allocation of an operation, one after the other.
 *
 *	framefault attach IFNAME		is attached whole, or not at all
 *	framefault send IFNAME ADDRESS		a frame is held, or its sender is told
 *	framefault load IFNAME			frames are loaded, or none of them is
 *
 * Ends when the operation needs no more allocations than were tried; fails if
 * none of the faults was met.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "../../include/uapi/lparkit/netbuf.h"
#include "../lpar/failnth.h"
#include "../lpar/lparnl.h"

/* More allocations than this would be a loop of our own. */
#define NTH_MAX 2000
#define FRAMES 3
#define FRAME_BYTES 60

static struct lparnl nl;
static const char *ifname;
static int sock = -1;
static int countdown;
static bool injected;

static long value(const char *file)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/netbuf/%s", ifname, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atol(text);
}

static int complain(const char *what)
{
	printf("# %s (%s)\n", what, nl.error);
	return -1;
}

static void begin(uint8_t cmd)
{
	lparnl_start(&nl, nl.family, cmd, 0);
	mnl_attr_put_strz(lparnl_message(&nl), NETBUF_A_IFNAME, ifname);
}

static int call(uint8_t cmd)
{
	begin(cmd);
	return lparnl_call(&nl, NULL, NULL);
}

static void begin_fault(long nth)
{
	set_countdown(countdown, nth);
}

/* Before anything else is called: it would be counted as well. */
static void end_fault(void)
{
	injected = !countdown_left(countdown);
	set_countdown(countdown, 0);
}

/* Each try returns 1 if it was refused, 0 if all is done and undone again, or -1. */

static int try_attach(long nth)
{
	static const uint64_t program[] = { 0x0000ffff00000006 }; /* ret #65535 */
	int error;

	begin(NETBUF_CMD_ATTACH);
	mnl_attr_put(lparnl_message(&nl), NETBUF_A_FILTER, sizeof(program), program);
	mnl_attr_put_strz(lparnl_message(&nl), NETBUF_A_FILTER_TEXT, "anything");
	begin_fault(nth);
	error = lparnl_call(&nl, NULL, NULL);
	end_fault();
	/* The answer itself may have failed. */
	if (value("rxpcnt") < 0)
		return error ? 1 : complain("said to be attached, and is not");
	return call(NETBUF_CMD_DETACH) ? complain("cannot be detached") : 0;
}

static int try_send(long nth)
{
	long held = value("txpcnt"), dropped = value("dropped_memory");
	bool sent;

	begin_fault(nth);
	/* In two parts, the second of which is in a page: such a frame is to be copied. */
	sent = send(sock, "fra", 3, MSG_MORE) == 3 && send(sock, "me", 2, 0) == 2;
	end_fault();
	if (value("dropped_memory") != dropped)
		return complain("dropped, although it could be held without a copy");
	if (value("txpcnt") == held + 1)
		return 0;
	return sent ? complain("lost") : 1;
}

static void put_frame(struct nlmsghdr *message)
{
	uint8_t data[FRAME_BYTES] = { [12] = 8, [14] = 0x45 };
	struct nlattr *nest = mnl_attr_nest_start(message, NETBUF_A_FRAME);

	mnl_attr_put_u32(message, NETBUF_A_FRAME_DIRECTION, NETBUF_EGRESS);
	mnl_attr_put_u32(message, NETBUF_A_FRAME_LENGTH, sizeof(data));
	mnl_attr_put_u32(message, NETBUF_A_FRAME_OFFSET, 0);
	mnl_attr_put(message, NETBUF_A_FRAME_DATA, sizeof(data), data);
	mnl_attr_nest_end(message, nest);
}

/* What a message that failed leaves uncommitted goes with its socket. */
static int refused(void)
{
	mnl_socket_close(nl.sock);
	lparnl_open_family(&nl, NETBUF_FAMILY_NAME);
	return 1;
}

static int try_load(long nth)
{
	int i, error;

	begin(NETBUF_CMD_LOAD);
	for (i = 0; i < FRAMES; i++)
		put_frame(lparnl_message(&nl));
	begin_fault(nth);
	error = lparnl_call(&nl, NULL, NULL) | call(NETBUF_CMD_COMMIT);
	end_fault();
	switch (value("txpcnt")) {
	case 0:
		return error ? refused() : complain("said to be loaded, and is not");
	case FRAMES:
		return call(NETBUF_CMD_FLUSH) ? complain("cannot be flushed") : 0;
	}
	return complain("loaded in part");
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(19017) };

	inet_pton(AF_INET, address, &to.sin_addr);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	return connect(sock, (struct sockaddr *)&to, sizeof(to));
}

int main(int argc, char **argv)
{
	int (*try)(long nth) = NULL;
	int ret, refusals = 0;
	long nth;

	if (argc == 3 && !strcmp(argv[1], "attach"))
		try = try_attach;
	else if (argc == 4 && !strcmp(argv[1], "send") && !connect_to(argv[3]))
		try = try_send;
	else if (argc == 3 && !strcmp(argv[1], "load"))
		try = try_load;
	if (!try) {
		fputs("usage: framefault attach|load IFNAME | send IFNAME ADDRESS\n", stderr);
		return 2;
	}
	ifname = argv[2];
	lparnl_open_family(&nl, NETBUF_FAMILY_NAME);
	countdown = open_countdown();
	injected = true;
	for (nth = 1; injected && nth < NTH_MAX; nth++) {
		ret = try(nth);
		if (ret < 0) {
			printf("# at allocation %ld\n", nth);
			return 1;
		}
		refusals += ret;
	}
	printf("# %s: %ld allocations, %d refusals\n", argv[1], nth - 2, refusals);
	return !injected && nth > 2 ? 0 : 1;
}
