// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of reservation.c: answers of targets, also malformed ones. */
#include <kunit/test.h>
#include <linux/unaligned.h>
#include "fcnpiv.h"

#define HEADER		8
#define DESCRIPTOR	24
#define TRANSPORT_ID	24

static const u64 ours[] = { 0x2001000000000001, 0x2001000000000002 };

/* A registration of a port; returns the length with it. */
static size_t add(u8 *data, size_t len, u8 protocol, u64 wwpn)
{
	u8 *at = data + len;

	memset(at, 0, DESCRIPTOR + TRANSPORT_ID);
	put_unaligned_be64(0x1234, at);
	put_unaligned_be32(TRANSPORT_ID, at + 20);
	at[DESCRIPTOR] = protocol;
	put_unaligned_be64(wwpn, at + DESCRIPTOR + 8);
	put_unaligned_be32(len + DESCRIPTOR + TRANSPORT_ID - HEADER, data + 4);
	return len + DESCRIPTOR + TRANSPORT_ID;
}

static void ours_are_found(struct kunit *test)
{
	u8 data[256] = {};
	size_t len = HEADER;

	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), 0);
	len = add(data, len, 0, 0x2001000000000009);
	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), 0);
	len = add(data, len, 0, ours[1]);
	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), 1);
	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 1), 0);
}

/* The same bytes are no port name in an iSCSI or SAS transport id. */
static void other_transports_are_not_ours(struct kunit *test)
{
	u8 data[256] = {};
	size_t len = add(data, HEADER, 6, ours[0]);

	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), 0);
}

/* Whoever cannot be read may be ours. */
static void what_is_cut_short_is_an_error(struct kunit *test)
{
	u8 data[256] = {};
	size_t len = add(data, add(data, HEADER, 0, 1), 0, 2);
	size_t cut;

	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), 0);
	for (cut = 0; cut < len; cut++)
		KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, cut, ours, 2), -EMSGSIZE);
}

static void lengths_that_lie_are_an_error(struct kunit *test)
{
	u8 data[256] = {};
	size_t len = add(data, HEADER, 0, 1);

	put_unaligned_be32(U32_MAX, data + HEADER + 20);
	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), -EMSGSIZE);
	put_unaligned_be32(TRANSPORT_ID, data + HEADER + 20);
	put_unaligned_be32(U32_MAX, data + 4);
	KUNIT_EXPECT_EQ(test, fcn_reservation_find(data, len, ours, 2), -EMSGSIZE);
}

static struct kunit_case reservation_cases[] = {
	KUNIT_CASE(ours_are_found),
	KUNIT_CASE(other_transports_are_not_ours),
	KUNIT_CASE(what_is_cut_short_is_an_error),
	KUNIT_CASE(lengths_that_lie_are_an_error),
	{}
};

static struct kunit_suite reservation_suite = {
	.name = "fcn-reservation",
	.test_cases = reservation_cases,
};

kunit_test_suites(&reservation_suite);
