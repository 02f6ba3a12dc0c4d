// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of drain.c: how full a tap's ring is, how large a round. */
#include <kunit/test.h>
#include "netbuf.h"

#define SIZE	500

static void room_of_an_empty_ring(struct kunit *test)
{
	struct netbuf_ring ring = { .base = 1000 };

	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1000, SIZE, 0), SIZE);
	ring.sent = SIZE;
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1000, SIZE, 0), 0);
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1001, SIZE, 0), 1);
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1000 + SIZE, SIZE, 0), SIZE);
}

static void frames_from_before(struct kunit *test)
{
	struct netbuf_ring ring = { .base = 0, .sent = 10 };

	/* The reader has taken 40: 30 of them were not ours, and leave no extra room. */
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 40, SIZE, 0), SIZE);
	KUNIT_EXPECT_EQ(test, ring.sent, 40ULL);
}

static void a_ring_that_was_emptied(struct kunit *test)
{
	struct netbuf_ring ring = { .base = 1000 };
	u64 now = NSEC_PER_SEC;

	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1000, SIZE, now), SIZE);
	ring.sent = SIZE;
	/* Full, while it is read now and then */
	now += 9 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1000, SIZE, now), 0);
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1001, SIZE, now), 1);
	ring.sent++;
	now += 9 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1001, SIZE, now), 0);
	/* Nobody has read it for long: it is tried, and again only as much later. */
	now += 2 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1001, SIZE, now), SIZE);
	ring.sent += SIZE;
	KUNIT_EXPECT_EQ(test, netbuf_ring_room(&ring, 1001, SIZE, now + 1), 0);
}

static void rounds(struct kunit *test)
{
	u32 frames = 1, i;

	for (i = 0; i < 10; i++)
		frames = netbuf_next_round(frames, 0);
	KUNIT_EXPECT_EQ(test, frames, 64U);
	KUNIT_EXPECT_EQ(test, netbuf_next_round(frames, NSEC_PER_MSEC), frames);
	for (i = 0; i < 10; i++)
		frames = netbuf_next_round(frames, 100 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, frames, 1U);
}

static struct kunit_case drain_cases[] = {
	KUNIT_CASE(room_of_an_empty_ring),
	KUNIT_CASE(frames_from_before),
	KUNIT_CASE(a_ring_that_was_emptied),
	KUNIT_CASE(rounds),
	{}
};

static struct kunit_suite drain_suite = {
	.name = "netbuf_drain",
	.test_cases = drain_cases,
};

kunit_test_suite(drain_suite);
