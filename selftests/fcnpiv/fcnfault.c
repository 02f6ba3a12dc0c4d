// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of DEFINE fails once.
 *
 *	fcnfault
 *
 * Whatever the answer, the identity is then there with all that was asked for, or
 * not at all. For the debug kernel.
 */
#include "../../include/uapi/lparkit/fcnpiv.h"
#include "../lpar/failnth.h"
#include "../lpar/lparnl.h"

/* More allocations than this in one command would be a loop of our own. */
#define NTH_MAX 500
#define LPAR "fault"
#define NAME 0x2001000000000001
#define LOGIN_MS 1234
#define LUNS 3

static struct lparnl nl;

/* What GET says. */
static struct {
	uint32_t login_ms;
	unsigned int luns;
} seen;

static int take(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *attr;

	(void)data;
	mnl_attr_for_each(attr, header, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == FCN_A_LOGIN_MS)
			seen.login_ms = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == FCN_A_LUN)
			seen.luns++;
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *begin(uint8_t cmd)
{
	lparnl_start(&nl, nl.family, cmd, 0);
	mnl_attr_put_strz(lparnl_message(&nl), FCN_A_LPAR, LPAR);
	return lparnl_message(&nl);
}

static void put_luns(struct nlmsghdr *message)
{
	char id[16];

	for (unsigned int i = 0; i < LUNS; i++) {
		struct nlattr *nest = mnl_attr_nest_start(message, FCN_A_LUN);

		snprintf(id, sizeof(id), "naa.%u", i);
		mnl_attr_put_strz(message, FCN_A_LUN_ID, id);
		mnl_attr_put_u64(message, FCN_A_LUN_SECTORS, 2048);
		mnl_attr_put_u32(message, FCN_A_LUN_BLOCK_SIZE, 512);
		mnl_attr_nest_end(message, nest);
	}
}

static int define(void)
{
	struct nlmsghdr *message = begin(FCN_CMD_DEFINE);

	mnl_attr_put_u64(message, FCN_A_WWNN, NAME - 1);
	mnl_attr_put_u64(message, FCN_A_WWPN_ORIGINAL, NAME);
	mnl_attr_put_u64(message, FCN_A_WWPN_MAINTENANCE, NAME + 1);
	mnl_attr_put_u64(message, FCN_A_PARENT, NAME + 2);
	mnl_attr_put_u32(message, FCN_A_LOGIN_MS, LOGIN_MS);
	put_luns(message);
	return lparnl_call(&nl, NULL, NULL);
}

static int get(void)
{
	memset(&seen, 0, sizeof(seen));
	begin(FCN_CMD_GET);
	return lparnl_call(&nl, take, NULL);
}

static int forget(void)
{
	begin(FCN_CMD_DELETE);
	return lparnl_call(&nl, NULL, NULL);
}

static void fail(const char *what, long nth, int error)
{
	printf("# %s, fault %ld: %s\n", what, nth, strerror(-error));
	exit(1);
}

/* True when there was no allocation left to fail. */
static bool define_once(int countdown, long nth)
{
	bool injected;
	int error, state;

	set_countdown(countdown, nth);
	error = define();
	injected = !countdown_left(countdown);
	set_countdown(countdown, 0);
	state = get();
	/* The request itself may have found no memory, or only its answer. */
	if (state && state != -ENOENT)
		fail("get", nth, state);
	if (!state && (seen.login_ms != LOGIN_MS || seen.luns != LUNS))
		fail("half an identity", nth, -EIO);
	if (!error && state)
		fail("defined, but no identity", nth, state);
	if (error && error != -ENOMEM && error != -ENOBUFS && injected)
		fail("define", nth, error);
	if (!state && forget())
		fail("delete", nth, -EIO);
	return !injected;
}

int main(void)
{
	int countdown;
	long nth;

	lparnl_open_family(&nl, FCN_FAMILY_NAME);
	countdown = open_countdown();
	for (nth = 1; nth < NTH_MAX; nth++)
		if (define_once(countdown, nth))
			break;
	printf("# %ld allocations\n", nth - 1);
	return nth > 1 && nth < NTH_MAX ? 0 : 1;
}
