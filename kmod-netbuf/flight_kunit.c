// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of flight.c: which dropped frames are sent again. */
#include <kunit/test.h>
#include "netbuf.h"

#define LONG_NS	NSEC_PER_SEC

static enum netbuf_fate fate(enum skb_drop_reason reason, int ret, u64 refused_ns)
{
	struct netbuf_drop drop = { .reason = reason, .ret = ret };

	return netbuf_fate_of(&drop, refused_ns);
}

static void for_want_of_room(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_FULL_RING, NET_XMIT_SUCCESS, LONG_NS),
			NETBUF_NO_ROOM);
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_CPU_BACKLOG, NET_XMIT_DROP, LONG_NS),
			NETBUF_NO_ROOM);
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_NOT_SPECIFIED, -ENETDOWN, 0), NETBUF_NO_ROOM);
}

static void by_a_rule(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_TC_EGRESS, NET_XMIT_DROP, 0), NETBUF_REFUSED);
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_TAP_FILTER, NET_XMIT_DROP, 0), NETBUF_REFUSED);
	KUNIT_EXPECT_EQ(test, fate(SKB_DROP_REASON_NOT_SPECIFIED, NET_XMIT_DROP, 0),
			NETBUF_REFUSED);
}

static void by_a_qdisc(struct kunit *test)
{
	enum skb_drop_reason reason = SKB_DROP_REASON_QDISC_DROP;

	KUNIT_EXPECT_EQ(test, fate(reason, NET_XMIT_DROP, 0), NETBUF_NO_ROOM);
	KUNIT_EXPECT_EQ(test, fate(reason, NET_XMIT_CN, 0), NETBUF_NO_ROOM);
	/* A filter in it rejects the frame. */
	KUNIT_EXPECT_EQ(test, fate(reason, NET_XMIT_SUCCESS, 0), NETBUF_REFUSED);
	/* It is empty, and still refuses. */
	KUNIT_EXPECT_EQ(test, fate(reason, NET_XMIT_DROP, LONG_NS), NETBUF_REFUSED);
}

/* What a bridge says is not what the qdisc of its port has said. */
static void by_a_qdisc_below(struct kunit *test)
{
	struct netbuf_drop drop = {
		.reason = SKB_DROP_REASON_QDISC_DROP,
		.ret = NET_XMIT_SUCCESS,
		.plain = true,
	};

	KUNIT_EXPECT_EQ(test, netbuf_fate_of(&drop, 0), NETBUF_NO_ROOM);
	/* But it may be a filter. */
	KUNIT_EXPECT_EQ(test, netbuf_fate_of(&drop, LONG_NS), NETBUF_REFUSED);
	drop.reason = SKB_DROP_REASON_TC_EGRESS;
	KUNIT_EXPECT_EQ(test, netbuf_fate_of(&drop, 0), NETBUF_REFUSED);
}

/* Whatever it was dropped for, and without a carrier: there is nothing to be sent again. */
static void gone(struct kunit *test)
{
	struct netbuf_drop drop = {
		.reason = SKB_DROP_REASON_FULL_RING,
		.ret = -ENETDOWN,
		.gone = true,
	};

	KUNIT_EXPECT_EQ(test, netbuf_fate_of(&drop, 0), NETBUF_REFUSED);
}

static struct kunit_case flight_cases[] = {
	KUNIT_CASE(for_want_of_room),
	KUNIT_CASE(by_a_rule),
	KUNIT_CASE(by_a_qdisc),
	KUNIT_CASE(by_a_qdisc_below),
	KUNIT_CASE(gone),
	{}
};

static struct kunit_suite flight_suite = {
	.name = "netbuf_flight",
	.test_cases = flight_cases,
};

kunit_test_suite(flight_suite);
