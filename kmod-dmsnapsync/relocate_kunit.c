// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of relocate_map.c and relocate_order.c: masks, what comes next, and how much. */
#include <kunit/test.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "relocate.h"

#define SHIFT		3	/* regions of 4 KiB */
#define DEVICE		(1000 * 8 + 3)	/* sectors: the last region is short */

static void expect_extent(struct kunit *test, sector_t sector, unsigned int sectors, u64 word,
			  u64 touched, u64 whole)
{
	struct rl_extent extent;

	rl_extent_of(&extent, SHIFT, DEVICE, sector, sectors);
	KUNIT_EXPECT_EQ(test, extent.word, word);
	KUNIT_EXPECT_EQ(test, extent.touched, touched);
	KUNIT_EXPECT_EQ(test, extent.whole, whole);
}

static void extents(struct kunit *test)
{
	expect_extent(test, 0, 8, 0, 1, 1);
	expect_extent(test, 0, 1, 0, 1, 0);
	expect_extent(test, 7, 1, 0, 1, 0);
	expect_extent(test, 7, 2, 0, 3, 0);
	expect_extent(test, 7, 10, 0, 7, 2);
	expect_extent(test, 8, 24, 0, 0xe, 0xe);
	expect_extent(test, 9, 24, 0, 0x1e, 0xc);
	expect_extent(test, 0, 512, 0, ~0ULL, ~0ULL);
	expect_extent(test, 512, 512, 1, ~0ULL, ~0ULL);
	expect_extent(test, 511, 1, 0, BIT_ULL(63), 0);
	/* Region 1000 has three sectors. */
	expect_extent(test, 8000, 3, 15, BIT_ULL(40), BIT_ULL(40));
	expect_extent(test, 8000, 2, 15, BIT_ULL(40), 0);
	expect_extent(test, 8001, 2, 15, BIT_ULL(40), 0);
}

static void runs(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rl_run(0, 0), 0);
	KUNIT_EXPECT_EQ(test, rl_run(0xf6, 0), 0);
	KUNIT_EXPECT_EQ(test, rl_run(0xf6, 1), 6);
	KUNIT_EXPECT_EQ(test, rl_run(0xf6, 2), 4);
	KUNIT_EXPECT_EQ(test, rl_run(0xf6, 4), 0xf0);
	KUNIT_EXPECT_EQ(test, rl_run(~0ULL, 0), ~0ULL);
	KUNIT_EXPECT_EQ(test, rl_run(~0ULL, 63), BIT_ULL(63));
	KUNIT_EXPECT_EQ(test, rl_run(BIT_ULL(63), 62), 0);
}

static void expanded(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, BIT_ULL(5), 16, 64), 0xffff);
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, BIT_ULL(17), 16, 64), 0xffff0000);
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, 0x18000, 16, 64), 0xffffffff);
	/* Not across what is present or under way. */
	KUNIT_EXPECT_EQ(test, rl_expand(~(BIT_ULL(3) | BIT_ULL(9)), BIT_ULL(5), 16, 64), 0x1f0);
	KUNIT_EXPECT_EQ(test, rl_expand(BIT_ULL(5), BIT_ULL(5), 16, 64), BIT_ULL(5));
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, BIT_ULL(5), 1, 64), BIT_ULL(5));
	/* No more than a slot takes, and what is wanted first. */
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, BIT_ULL(5), 16, 1), BIT_ULL(5));
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, 0xff00, 16, 4), 0x0f00);
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, ~0ULL, 64, 64), ~0ULL);
	KUNIT_EXPECT_EQ(test, rl_expand(~0ULL, BIT_ULL(63), 128, 64), ~0ULL);
}

static struct rl_map *new_map(struct kunit *test, u64 regions)
{
	struct rl_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_ASSERT_EQ(test, rl_map_init(map, regions), 0);
	return map;
}

static void map(struct kunit *test)
{
	struct rl_map *map = new_map(test, 100);

	KUNIT_EXPECT_EQ(test, map->nr_words, 2);
	KUNIT_EXPECT_EQ(test, rl_map_absent(map, 0), ~0ULL);
	KUNIT_EXPECT_EQ(test, rl_map_absent(map, 1), GENMASK_ULL(35, 0));
	KUNIT_EXPECT_EQ(test, rl_map_set(map, 1, 0x3), 2);
	KUNIT_EXPECT_EQ(test, rl_map_set(map, 1, 0x6), 1);
	KUNIT_EXPECT_EQ(test, rl_map_word(map, 1), 7);
	KUNIT_EXPECT_EQ(test, rl_map_absent(map, 1), GENMASK_ULL(35, 3));
	KUNIT_EXPECT_EQ(test, map->nr_present, 3);
	rl_map_exit(map);
}

static void under_way(struct kunit *test)
{
	struct rl_ops *ops = kunit_kzalloc(test, sizeof(*ops), GFP_KERNEL);
	struct rl_op fetch = { .word = 5, .mask = 0xff, .span = 0xff, .kind = RL_FETCH };
	struct rl_op fill = { .word = 5, .mask = 0xf00, .span = 0xf00, .kind = RL_FILL };
	struct rl_op other = { .word = 6, .mask = ~0ULL, .span = ~0ULL, .kind = RL_FETCH };

	KUNIT_ASSERT_NOT_NULL(test, ops);
	rl_op_begin(ops, &fetch);
	rl_op_begin(ops, &fill);
	rl_op_begin(ops, &other);
	KUNIT_EXPECT_EQ(test, rl_ops_mask(ops, 5, RL_ANY), 0xfff);
	KUNIT_EXPECT_EQ(test, rl_ops_mask(ops, 5, RL_FILL), 0xf00);
	KUNIT_EXPECT_EQ(test, rl_ops_mask(ops, 7, RL_ANY), 0);
	KUNIT_EXPECT_PTR_EQ(test, rl_ops_covering(ops, 5, 0x18), &fetch);
	KUNIT_EXPECT_PTR_EQ(test, rl_ops_covering(ops, 5, 0x180), NULL);
	KUNIT_EXPECT_PTR_EQ(test, rl_ops_covering(ops, 5, 0x100), NULL);
	/* A write takes regions out of what is read, not of what is being written. */
	rl_ops_cancel(ops, 5, 0x110);
	KUNIT_EXPECT_EQ(test, fetch.mask, 0xef);
	KUNIT_EXPECT_EQ(test, fill.mask, 0xf00);
	KUNIT_EXPECT_EQ(test, other.mask, ~0ULL);
	/* Its readers get the data all the same. */
	KUNIT_EXPECT_PTR_EQ(test, rl_ops_covering(ops, 5, 0x18), &fetch);
	rl_ops_need(ops, 5, 0x31);
	KUNIT_EXPECT_EQ(test, fetch.need, 0x21);
	rl_op_end(&fetch);
	KUNIT_EXPECT_EQ(test, rl_ops_mask(ops, 5, RL_ANY), 0xf00);
}

static struct rl_order *new_order(struct kunit *test, bool rest)
{
	struct rl_order *order = kunit_kzalloc(test, sizeof(*order), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, order);
	order->has[RL_STAGE_HOT] = true;
	order->has[RL_STAGE_USED] = true;
	order->has[RL_STAGE_REST] = rest;
	rl_order_begin(order);
	return order;
}

static void expect_next(struct kunit *test, struct rl_order *order, struct rl_map *map, u64 word,
			u64 mask)
{
	u64 got_word = U64_MAX, got_mask = 0;

	KUNIT_EXPECT_TRUE(test, rl_order_next(order, map, 64, &got_word, &got_mask));
	KUNIT_EXPECT_EQ(test, got_word, word);
	KUNIT_EXPECT_EQ(test, got_mask, mask);
}

/* Hot in the order in which it was given, then used, then the rest; nothing twice. */
static void order(struct kunit *test)
{
	struct rl_map *map = new_map(test, 256);
	struct rl_order *order = new_order(test, true);
	u64 word, mask;

	KUNIT_EXPECT_EQ(test, rl_order_add(order, RL_STAGE_HOT, 130, 4), 0);
	KUNIT_EXPECT_EQ(test, rl_order_add(order, RL_STAGE_HOT, 62, 4), 0);
	KUNIT_EXPECT_EQ(test, rl_order_add(order, RL_STAGE_USED, 0, 4), 0);
	KUNIT_EXPECT_EQ(test, rl_order_add(order, RL_STAGE_USED, 4, 4), 0);
	KUNIT_EXPECT_EQ(test, order->list[RL_STAGE_USED].nr, 1);
	rl_map_set(map, 0, BIT_ULL(2));

	expect_next(test, order, map, 2, 0x3c);
	rl_map_set(map, 2, 0x3c);
	expect_next(test, order, map, 0, 3ULL << 62);
	expect_next(test, order, map, 1, 3);
	rl_map_set(map, 0, 3ULL << 62);
	rl_map_set(map, 1, 3);
	expect_next(test, order, map, 0, 0x3);
	expect_next(test, order, map, 0, 0xf8);
	rl_map_set(map, 0, 0xff);
	expect_next(test, order, map, 0, GENMASK_ULL(61, 8));
	expect_next(test, order, map, 1, ~3ULL);
	expect_next(test, order, map, 2, 3);
	expect_next(test, order, map, 2, GENMASK_ULL(63, 6));
	expect_next(test, order, map, 3, ~0ULL);
	KUNIT_EXPECT_FALSE(test, rl_order_next(order, map, 64, &word, &mask));
	/* What has failed meanwhile comes in the next pass. */
	rl_map_set(map, 0, ~0ULL);
	rl_map_set(map, 1, ~0ULL);
	rl_map_set(map, 2, ~0ULL);
	expect_next(test, order, map, 3, ~0ULL);
	rl_order_forget(order);
	rl_map_exit(map);
}

/* Zeroes only when the lists are complete, and all that is in them is there. */
static void zeroes(struct kunit *test)
{
	struct rl_map *map = new_map(test, 128);
	struct rl_order *order = new_order(test, false);
	u64 word, mask;

	KUNIT_EXPECT_FALSE(test, rl_order_next(order, map, 64, &word, &mask));
	KUNIT_EXPECT_EQ(test, (int)order->stage, RL_STAGE_WAIT);
	KUNIT_EXPECT_EQ(test, rl_order_add(order, RL_STAGE_USED, 60, 8), 0);
	rl_order_begin(order);
	expect_next(test, order, map, 0, 0xfULL << 60);
	expect_next(test, order, map, 1, 0xf);
	/* The table has not received what was sent. */
	KUNIT_EXPECT_EQ(test, rl_order_end(order, RL_STAGE_USED, 2), -ESTALE);
	KUNIT_EXPECT_FALSE(test, order->ended);
	KUNIT_EXPECT_EQ(test, rl_order_end(order, RL_STAGE_USED, 1), 0);
	/* A pass begins. What is under way may fail: as long as it is absent it is no zeroes. */
	expect_next(test, order, map, 0, 0xfULL << 60);
	expect_next(test, order, map, 1, 0xf);
	KUNIT_EXPECT_FALSE(test, rl_order_next(order, map, 64, &word, &mask));
	KUNIT_EXPECT_NE(test, (int)order->stage, RL_STAGE_ZERO);
	rl_map_set(map, 0, 0xfULL << 60);
	expect_next(test, order, map, 1, 0xf);
	rl_map_set(map, 1, 0xf);
	KUNIT_EXPECT_FALSE(test, rl_order_next(order, map, 64, &word, &mask));
	expect_next(test, order, map, 0, GENMASK_ULL(59, 0));
	KUNIT_EXPECT_EQ(test, (int)order->stage, RL_STAGE_ZERO);
	expect_next(test, order, map, 1, ~0xfULL);
	KUNIT_EXPECT_FALSE(test, rl_order_next(order, map, 64, &word, &mask));
	/* One of them failed. */
	rl_map_set(map, 0, ~0ULL);
	expect_next(test, order, map, 1, ~0xfULL);
	rl_order_forget(order);
	rl_map_exit(map);
}

static void limits(struct kunit *test)
{
	struct rl_map *map = new_map(test, 100);
	struct rl_order *order = new_order(test, true);
	u64 word, mask, sum = 0;

	while (rl_order_next(order, map, 16, &word, &mask)) {
		KUNIT_EXPECT_LE(test, hweight64(mask), 16);
		KUNIT_EXPECT_EQ(test, mask & ~rl_map_absent(map, word), 0);
		rl_map_set(map, word, mask);
		sum += hweight64(mask);
	}
	KUNIT_EXPECT_EQ(test, sum, 100);
	KUNIT_EXPECT_EQ(test, map->nr_present, 100);
	rl_order_forget(order);
	rl_map_exit(map);
}

/* Any lists, any map: a pass without anything under way brings all there is, once. */
static void any_order(struct kunit *test)
{
	unsigned int round, i;

	for (round = 0; round < 200; round++) {
		u64 regions = 1 + get_random_u32() % 500, word, mask, twice = 0;
		struct rl_map *map = new_map(test, regions);
		struct rl_order *order = new_order(test, true);

		for (i = 0; i < 20; i++) {
			u64 first = get_random_u32() % regions;
			u64 count = 1 + get_random_u32() % (regions - first);

			KUNIT_EXPECT_EQ(test, rl_order_add(order, i & 1, first, count), 0);
			word = get_random_u32() % map->nr_words;
			rl_map_set(map, word, rl_map_absent(map, word) & get_random_u64());
		}
		while (rl_order_next(order, map, 64, &word, &mask)) {
			twice |= rl_map_word(map, word) & mask;
			rl_map_set(map, word, mask);
		}
		KUNIT_EXPECT_EQ(test, twice, 0);
		KUNIT_EXPECT_EQ(test, map->nr_present, regions);
		rl_order_forget(order);
		rl_map_exit(map);
	}
}

static void ahead(struct kunit *test)
{
	struct rl_map *map = new_map(test, 4096);
	struct rl_ahead ahead;
	u64 word, mask;

	rl_ahead_init(&ahead, 128);
	KUNIT_EXPECT_FALSE(test, rl_ahead_note(&ahead, 0, 16));
	KUNIT_EXPECT_FALSE(test, rl_ahead_next(&ahead, map, 64, &word, &mask));
	/* Somebody else, elsewhere. */
	KUNIT_EXPECT_FALSE(test, rl_ahead_note(&ahead, 2000, 2016));
	KUNIT_EXPECT_FALSE(test, rl_ahead_note(&ahead, 1000, 1016));
	/* The first one reads on. */
	KUNIT_EXPECT_TRUE(test, rl_ahead_note(&ahead, 16, 32));
	KUNIT_EXPECT_EQ(test, ahead.end, 32 + 128);
	KUNIT_EXPECT_EQ(test, ahead.mark, (32 + 64) / 64);
	KUNIT_EXPECT_TRUE(test, rl_ahead_next(&ahead, map, 64, &word, &mask));
	KUNIT_EXPECT_EQ(test, word, 0);
	KUNIT_EXPECT_EQ(test, mask, GENMASK_ULL(63, 32));
	rl_ahead_extend(&ahead);
	KUNIT_EXPECT_EQ(test, ahead.end, 32 + 256);
	KUNIT_EXPECT_TRUE(test, rl_ahead_next(&ahead, map, 64, &word, &mask));
	KUNIT_EXPECT_EQ(test, word, 1);
	/* No further than the device. */
	KUNIT_EXPECT_FALSE(test, rl_ahead_note(&ahead, 4000, 4016));
	KUNIT_EXPECT_TRUE(test, rl_ahead_note(&ahead, 4016, 4032));
	KUNIT_EXPECT_TRUE(test, rl_ahead_next(&ahead, map, 64, &word, &mask));
	KUNIT_EXPECT_EQ(test, word, 63);
	KUNIT_EXPECT_FALSE(test, rl_ahead_next(&ahead, map, 64, &word, &mask));
	rl_map_exit(map);
}

static void steps(struct rl_pace *pace, unsigned int count, u64 dest_ns, u64 fetch_ns)
{
	u64 mean[RL_METERS] = { dest_ns, fetch_ns };

	while (count--)
		rl_pace_step(pace, 60, mean);
}

/* Never stops, never exceeds, yields when the guest waits longer, comes back. */
static void pace(struct kunit *test)
{
	struct rl_pace pace = { .slots = 1 };

	steps(&pace, 10, 0, 0);
	KUNIT_EXPECT_EQ(test, pace.slots, 60);
	steps(&pace, 1, 1000, 0);
	KUNIT_EXPECT_EQ(test, pace.slots, 60);
	steps(&pace, 1, 2500, 0);
	KUNIT_EXPECT_EQ(test, pace.slots, 30);
	steps(&pace, 10, 2500, 0);
	KUNIT_EXPECT_EQ(test, pace.slots, 1);
	steps(&pace, 5, 1100, 0);
	KUNIT_EXPECT_EQ(test, pace.slots, 6);
	steps(&pace, 1, 0, 50000);
	KUNIT_EXPECT_EQ(test, pace.slots, 7);
	steps(&pace, 1, 1100, 150000);
	KUNIT_EXPECT_EQ(test, pace.slots, 3);
	/* A guest that has become slower by itself is not held against the copier for ever. */
	steps(&pace, 200, 10000, 0);
	KUNIT_EXPECT_GT(test, pace.slots, 10);
}

static struct kunit_case relocate_cases[] = {
	KUNIT_CASE(extents),
	KUNIT_CASE(runs),
	KUNIT_CASE(expanded),
	KUNIT_CASE(map),
	KUNIT_CASE(under_way),
	KUNIT_CASE(order),
	KUNIT_CASE(zeroes),
	KUNIT_CASE(limits),
	KUNIT_CASE(any_order),
	KUNIT_CASE(ahead),
	KUNIT_CASE(pace),
	{}
};

static struct kunit_suite relocate_suite = {
	.name = "relocate",
	.test_cases = relocate_cases,
};

kunit_test_suite(relocate_suite);
