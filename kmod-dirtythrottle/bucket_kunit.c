// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of bucket.c: guests of a few vCPUs, played on a clock of its
 * own. Each vCPU writes again as soon as it may go on.
 */
#include <kunit/test.h>
#include <linux/sizes.h>
#include "dirtythrottle.h"

#define START_NS	(1000 * NSEC_PER_SEC)
#define MIB		((u64)SZ_1M)
#define VCPUS_MAX	8
/* What a write costs the guest itself. */
#define WRITE_NS	1000

/**
 * struct player - vCPUs that write
 * @bucket: theirs
 * @nr: their number
 * @each: pages that one dirties before it is asked to wait: 1, a grant, or what its
 *	processor has logged
 * @ready_ns: when each goes on
 * @pages: what each has dirtied
 */
struct player {
	struct dt_bucket bucket;
	unsigned int nr;
	unsigned int each;
	u64 ready_ns[VCPUS_MAX];
	u64 pages[VCPUS_MAX];
};

static void start(struct player *player, unsigned int nr, u64 limit)
{
	unsigned int i;

	memset(player, 0, sizeof(*player));
	player->nr = nr;
	player->each = 1;
	dt_bucket_init(&player->bucket);
	spin_lock(&player->bucket.lock);
	dt_bucket_set(&player->bucket, limit, START_NS);
	spin_unlock(&player->bucket.lock);
	for (i = 0; i < nr; i++)
		player->ready_ns[i] = START_NS + i;
}

static unsigned int next_vcpu(const struct player *player)
{
	unsigned int i, next = 0;

	for (i = 1; i < player->nr; i++)
		if (player->ready_ns[i] < player->ready_ns[next])
			next = i;
	return next;
}

static u64 charge_pages(struct dt_bucket *bucket, unsigned int pages, u64 now_ns)
{
	u64 paid_ns;

	spin_lock(&bucket->lock);
	paid_ns = dt_bucket_charge(bucket, pages, true, now_ns);
	spin_unlock(&bucket->lock);
	return paid_ns;
}

static u64 charge(struct dt_bucket *bucket, u64 now_ns)
{
	return charge_pages(bucket, 1, now_ns);
}

/* Plays until @end_ns; the number of pages dirtied. */
static u64 play(struct player *player, u64 end_ns)
{
	unsigned int i;
	u64 pages = 0;

	for (;;) {
		u64 now_ns;

		i = next_vcpu(player);
		now_ns = player->ready_ns[i];
		if (now_ns >= end_ns)
			return pages;
		player->ready_ns[i] = player->each * WRITE_NS +
			dt_debt_leave_ns(charge_pages(&player->bucket, player->each, now_ns),
					 now_ns);
		player->pages[i] += player->each;
		pages += player->each;
	}
}

static void prices(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dt_bucket_page_ns(0), 0ULL);
	KUNIT_EXPECT_EQ(test, dt_bucket_page_ns(MIB), 3906250ULL);
	KUNIT_EXPECT_EQ(test, dt_bucket_page_ns(DIRTYTHROTTLE_LIMIT_MIN), 100000000ULL);
	KUNIT_EXPECT_EQ(test, dt_bucket_page_ns(DIRTYTHROTTLE_LIMIT_MAX), 238ULL);
	KUNIT_EXPECT_EQ(test, dt_bucket_page_ns(~0ULL), 1ULL);
}

/* In every second, the first with its debt included, within 5 % and a page. */
static void expect_rate(struct kunit *test, unsigned int nr, u64 limit)
{
	u64 end_ns, pages, wanted = limit / PAGE_SIZE;
	struct player *player = kunit_kzalloc(test, sizeof(*player), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, player);
	start(player, nr, limit);
	for (end_ns = START_NS + NSEC_PER_SEC; end_ns <= START_NS + 4 * NSEC_PER_SEC;
	     end_ns += NSEC_PER_SEC) {
		pages = play(player, end_ns);
		KUNIT_EXPECT_GE(test, pages, wanted - wanted / 20 - nr);
		KUNIT_EXPECT_LE(test, pages, wanted + wanted / 20 + nr);
	}
}

static void the_limit_is_kept(struct kunit *test)
{
	static const unsigned int vcpus[] = { 1, 2, 8 };
	static const u64 limits[] = { MIB, 10 * MIB, 200 * MIB };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(vcpus); i++)
		for (j = 0; j < ARRAY_SIZE(limits); j++)
			expect_rate(test, vcpus[i], limits[j]);
}

/* Each second after the first within 2 %, and what one step of each vCPU is. */
static void expect_exact(struct kunit *test, u64 limit, unsigned int each)
{
	u64 end_ns = START_NS + NSEC_PER_SEC, pages, wanted = limit / PAGE_SIZE, slack;
	struct player *player = kunit_kzalloc(test, sizeof(*player), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, player);
	start(player, VCPUS_MAX, limit);
	player->each = each;
	slack = wanted / 50 + VCPUS_MAX * each;
	play(player, end_ns);
	for (i = 0; i < 3; i++) {
		end_ns += NSEC_PER_SEC;
		pages = play(player, end_ns);
		KUNIT_EXPECT_GE(test, pages + slack, wanted);
		KUNIT_EXPECT_LE(test, pages, wanted + slack);
	}
}

/* 10 GiB/s are 2.6 million pages a second. */
static void grants_keep_the_limit(struct kunit *test)
{
	static const u64 limits[] = { 10 * MIB, 100 * MIB, 1024 * MIB, 10240 * MIB };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		expect_exact(test, limits[i], dt_bucket_grant(dt_bucket_page_ns(limits[i])));
}

/* Eight vCPUs whose processors log 512 pages each; below 16 MiB/s debt is forgiven. */
static void batches_keep_the_limit(struct kunit *test)
{
	static const u64 limits[] = { 20 * MIB, 100 * MIB, 1024 * MIB };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++)
		expect_exact(test, limits[i], 512);
}

static void none_starves(struct kunit *test)
{
	struct player player;
	unsigned int i;
	u64 pages;

	start(&player, VCPUS_MAX, MIB);
	pages = play(&player, START_NS + 10 * NSEC_PER_SEC);
	for (i = 0; i < VCPUS_MAX; i++)
		KUNIT_EXPECT_GE(test, player.pages[i] * VCPUS_MAX * 10, pages * 9);
}

/* One that writes now and then waits for one turn of the others, and no more. */
static void a_rare_writer_waits_for_its_turn(struct kunit *test)
{
	struct player player;
	u64 now_ns = START_NS + 2 * NSEC_PER_SEC, waits_ns;

	start(&player, VCPUS_MAX, MIB);
	play(&player, now_ns);
	waits_ns = dt_debt_leave_ns(charge(&player.bucket, now_ns), now_ns) - now_ns;
	KUNIT_EXPECT_LE(test, waits_ns, (VCPUS_MAX + 1) * dt_bucket_page_ns(MIB));
}

static void an_idle_guest_saves_100_ms(struct kunit *test)
{
	struct player player;
	u64 pages;

	start(&player, 1, MIB);
	player.ready_ns[0] = START_NS + 10 * NSEC_PER_SEC;
	pages = play(&player, player.ready_ns[0] + 50 * WRITE_NS);
	KUNIT_EXPECT_GE(test, pages, 256ULL / 10);
	KUNIT_EXPECT_LE(test, pages, 256ULL / 10 + 2);
}

static void debt_is_carried_by_short_waits(struct kunit *test)
{
	const u64 ms = NSEC_PER_MSEC;

	KUNIT_EXPECT_EQ(test, dt_debt_leave_ns(START_NS - 1, START_NS), (u64)START_NS);
	KUNIT_EXPECT_EQ(test, dt_debt_leave_ns(START_NS + ms, START_NS), START_NS + ms);
	KUNIT_EXPECT_EQ(test, dt_debt_leave_ns(START_NS + 40 * ms, START_NS), START_NS + 2 * ms);
	KUNIT_EXPECT_EQ(test, dt_debt_leave_ns(START_NS + 60 * ms, START_NS), START_NS + 10 * ms);
}

static void a_fixed_delay_adds_up(struct kunit *test)
{
	const u64 ms = NSEC_PER_MSEC;
	u64 paid_ns = dt_debt_add(0, 5 * ms, START_NS);

	KUNIT_EXPECT_EQ(test, paid_ns, START_NS + 5 * ms);
	KUNIT_EXPECT_EQ(test, dt_debt_add(paid_ns, 5 * ms, START_NS + 2 * ms),
			START_NS + 10 * ms);
}

static void debt_is_forgiven_beyond_a_second(struct kunit *test)
{
	struct dt_bucket bucket;
	unsigned int i;
	u64 paid_ns = 0;

	dt_bucket_init(&bucket);
	spin_lock(&bucket.lock);
	dt_bucket_set(&bucket, DIRTYTHROTTLE_LIMIT_MIN, START_NS);
	spin_unlock(&bucket.lock);
	for (i = 0; i < 100; i++)
		paid_ns = charge(&bucket, START_NS);
	KUNIT_EXPECT_EQ(test, paid_ns, START_NS + NSEC_PER_SEC);
}

/* Whoever does not wait does not make others wait for long. */
static void no_debt_by_those_who_do_not_wait(struct kunit *test)
{
	struct dt_bucket bucket;
	unsigned int i;

	dt_bucket_init(&bucket);
	spin_lock(&bucket.lock);
	dt_bucket_set(&bucket, MIB, START_NS);
	for (i = 0; i < 1000; i++)
		dt_bucket_charge(&bucket, 1, false, START_NS);
	KUNIT_EXPECT_EQ(test, bucket.paid_ns, START_NS + 50 * NSEC_PER_MSEC);
	/* They shorten no debt of others, either. */
	bucket.paid_ns = START_NS + 90 * NSEC_PER_MSEC;
	KUNIT_EXPECT_EQ(test, dt_bucket_charge(&bucket, 1, false, START_NS),
			START_NS + 90 * NSEC_PER_MSEC);
	spin_unlock(&bucket.lock);
}

/* Ten pages at one price are ten pages at another. */
static void debt_keeps_its_pages(struct kunit *test)
{
	struct dt_bucket bucket;
	unsigned int i;

	dt_bucket_init(&bucket);
	spin_lock(&bucket.lock);
	dt_bucket_set(&bucket, MIB, START_NS);
	for (i = 0; i < 10; i++)
		dt_bucket_charge(&bucket, 1, true, START_NS);
	dt_bucket_set(&bucket, 2 * MIB, START_NS);
	KUNIT_EXPECT_EQ(test, bucket.paid_ns, START_NS + 10 * dt_bucket_page_ns(2 * MIB));
	dt_bucket_set(&bucket, 0, START_NS);
	KUNIT_EXPECT_LE(test, dt_bucket_charge(&bucket, 1, true, START_NS), (u64)START_NS);
	spin_unlock(&bucket.lock);
}

/* What a processor has logged by itself costs as much as if it were seen page by page. */
static void a_batch_costs_what_its_pages_cost(struct kunit *test)
{
	struct dt_bucket bucket;

	dt_bucket_init(&bucket);
	spin_lock(&bucket.lock);
	dt_bucket_set(&bucket, 100 * MIB, START_NS);
	KUNIT_EXPECT_EQ(test, dt_bucket_charge(&bucket, 512, true, START_NS),
			START_NS + 512 * dt_bucket_page_ns(100 * MIB));
	spin_unlock(&bucket.lock);
}

/* Nobody gets more than a millisecond's worth, but always a page. */
static void grants_are_small(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dt_bucket_grant(dt_bucket_page_ns(MIB)), 1U);
	KUNIT_EXPECT_EQ(test, dt_bucket_grant(dt_bucket_page_ns(100 * MIB)), 25U);
	KUNIT_EXPECT_EQ(test, dt_bucket_grant(dt_bucket_page_ns(DIRTYTHROTTLE_LIMIT_MAX)), 64U);
	KUNIT_EXPECT_EQ(test, dt_bucket_grant(1), 64U);
}

static void favours_end_with_half_a_second(struct kunit *test)
{
	const u64 ms = NSEC_PER_MSEC;

	KUNIT_EXPECT_TRUE(test, dt_debt_is_small(START_NS - ms, START_NS));
	KUNIT_EXPECT_TRUE(test, dt_debt_is_small(START_NS + 499 * ms, START_NS));
	KUNIT_EXPECT_FALSE(test, dt_debt_is_small(START_NS + 500 * ms, START_NS));
}

static struct kunit_case bucket_cases[] = {
	KUNIT_CASE(prices),
	KUNIT_CASE(the_limit_is_kept),
	KUNIT_CASE(grants_keep_the_limit),
	KUNIT_CASE(batches_keep_the_limit),
	KUNIT_CASE(none_starves),
	KUNIT_CASE(a_rare_writer_waits_for_its_turn),
	KUNIT_CASE(an_idle_guest_saves_100_ms),
	KUNIT_CASE(debt_is_carried_by_short_waits),
	KUNIT_CASE(a_fixed_delay_adds_up),
	KUNIT_CASE(debt_is_forgiven_beyond_a_second),
	KUNIT_CASE(no_debt_by_those_who_do_not_wait),
	KUNIT_CASE(debt_keeps_its_pages),
	KUNIT_CASE(a_batch_costs_what_its_pages_cost),
	KUNIT_CASE(grants_are_small),
	KUNIT_CASE(favours_end_with_half_a_second),
	{}
};

static struct kunit_suite bucket_suite = {
	.name = "dt-bucket",
	.test_cases = bucket_cases,
};

kunit_test_suites(&bucket_suite);
