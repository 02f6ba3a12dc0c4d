// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of pace.c: how long an interrupt waits, and which device does not care. */
#include <kunit/test.h>
#include "dirtythrottle.h"
#include "msi.h"

#define NOW_NS		(9 * NSEC_PER_SEC)

static void a_delay_counts_from_the_arrival(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dt_pace_wait_ns(1000, 0, NOW_NS - 1, NOW_NS), 1000ULL);
	KUNIT_EXPECT_EQ(test, dt_pace_wait_ns(0, 0, NOW_NS - 1, NOW_NS), 0ULL);
}

static void a_rate_counts_from_the_last_delivery(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, dt_pace_wait_ns(0, 1000, NOW_NS - 300, NOW_NS), 700ULL);
	KUNIT_EXPECT_EQ(test, dt_pace_wait_ns(0, 1000, NOW_NS - 1000, NOW_NS), 0ULL);
	KUNIT_EXPECT_EQ(test, dt_pace_wait_ns(0, 1000, 0, NOW_NS), 0ULL);
}

static int check(u32 delay_us, u32 rate, u32 timeout_ms)
{
	const struct dt_msi_settings settings = {
		.delay_us = delay_us, .rate = rate, .timeout_ms = timeout_ms,
	};

	return dt_msi_settings_check(&settings, NULL);
}

static void nothing_waits_for_longer_than_50_ms(struct kunit *test)
{
	const struct dt_msi_settings slowest = { .rate = DIRTYTHROTTLE_RATE_MIN };

	KUNIT_EXPECT_EQ(test, dt_pace_of(&slowest).gap_ns, 50ULL * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, check(50000, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, check(50001, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, check(0, 19, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, check(0, 1000001, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, check(1, 20, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, check(0, 20, 1), -EINVAL);
}

/* Ten windows of 1 ms, in which @merged interrupts came until @last_us. */
static bool is_polled(u32 merged, u64 last_us)
{
	const struct dt_window window = {
		.first_ns = NOW_NS, .last_ns = NOW_NS + last_us * NSEC_PER_USEC, .merged = merged,
	};
	struct dt_msi_counters before = { .full = 5, .steady = 5 }, now = before;
	int i;

	for (i = 0; i < 10; i++)
		dt_pace_count(&now, &window, NOW_NS + NSEC_PER_MSEC);
	return dt_pace_is_polled(&before, &now);
}

static void a_device_that_goes_on_is_polled(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, is_polled(100, 990));
	KUNIT_EXPECT_FALSE(test, is_polled(32, 200));
	KUNIT_EXPECT_FALSE(test, is_polled(3, 990));
}

static struct kunit_case pace_cases[] = {
	KUNIT_CASE(a_delay_counts_from_the_arrival),
	KUNIT_CASE(a_rate_counts_from_the_last_delivery),
	KUNIT_CASE(nothing_waits_for_longer_than_50_ms),
	KUNIT_CASE(a_device_that_goes_on_is_polled),
	{}
};

static struct kunit_suite pace_suite = {
	.name = "dt-pace",
	.test_cases = pace_cases,
};

kunit_test_suites(&pace_suite);
