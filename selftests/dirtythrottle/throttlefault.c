// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of an attach and of a set fails once.
 *
 *	throttlefault PID
 *
 * Whatever the answer, the process is then a target with what was asked for, or
 * none. For the debug kernel.
 */
#include "../../include/uapi/lparkit/dirtythrottle.h"
#include "../lpar/failnth.h"
#include "../lpar/lparnl.h"

/* More allocations than this in one command would be a loop of our own. */
#define NTH_MAX 500
#define LIMIT (1 << 20)

static struct lparnl nl;
static uint32_t pid;
static uint64_t limit; /* of the target, as GET says */

static int take_limit(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *attr;

	(void)data;
	mnl_attr_for_each(attr, header,
			  sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) == DT_A_LIMIT)
		limit = mnl_attr_get_u64(attr);
	return MNL_CB_OK;
}

static int call(uint8_t cmd, bool settings)
{
	lparnl_start(&nl, nl.family, cmd, 0);
	mnl_attr_put_u32(lparnl_message(&nl), DT_A_PID, pid);
	if (settings) {
		mnl_attr_put_u32(lparnl_message(&nl), DT_A_MODE, DT_MODE_LIMIT);
		mnl_attr_put_u64(lparnl_message(&nl), DT_A_LIMIT, LIMIT);
	}
	return lparnl_call(&nl, take_limit, NULL);
}

static void fail(const char *what, long nth, int error)
{
	printf("# %s, fault %ld: %s\n", what, nth, strerror(-error));
	exit(1);
}

/* True when there was no allocation left to fail. */
static bool attach_once(int countdown, long nth)
{
	bool injected;
	int error, state;

	set_countdown(countdown, nth);
	error = call(DT_CMD_ATTACH, true);
	injected = !countdown_left(countdown);
	set_countdown(countdown, 0);
	limit = 0;
	state = call(DT_CMD_GET, false);
	/* The request itself may have found no memory, or only its answer. */
	if (state && state != -ENOENT)
		fail("get", nth, state);
	if (!error && (state || limit != LIMIT))
		fail("attached, but no target", nth, state);
	if (error && error != -ENOMEM && error != -ENOBUFS && injected)
		fail("attach", nth, error);
	if (!state && call(DT_CMD_DETACH, false))
		fail("detach", nth, -EIO);
	return !injected;
}

int main(int argc, char **argv)
{
	int countdown;
	long nth;

	if (argc != 2)
		return 2;
	pid = strtoul(argv[1], NULL, 0);
	lparnl_open_family(&nl, DT_FAMILY_NAME);
	countdown = open_countdown();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (attach_once(countdown, nth))
			break;
	printf("# %ld allocations\n", nth - 1);
	return nth > 1 && nth < NTH_MAX ? 0 : 1;
}
