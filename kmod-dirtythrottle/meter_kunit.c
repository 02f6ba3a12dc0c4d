// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of meter.c: rates from a count. */
#include <kunit/test.h>
#include "dirtythrottle.h"

#define START_NS	(7 * NSEC_PER_SEC)
#define TICK_NS		((u64)DT_TICK_MS * NSEC_PER_MSEC)

static void nothing_is_no_rate(struct kunit *test)
{
	struct dt_meter meter;

	dt_meter_start(&meter, START_NS);
	KUNIT_EXPECT_EQ(test, dt_meter_rate(&meter, 0, START_NS, 1), 0ULL);
	KUNIT_EXPECT_EQ(test, dt_meter_rate(&meter, 0, START_NS + TICK_NS, 10), 0ULL);
}

static void less_than_a_second_is_scaled(struct kunit *test)
{
	struct dt_meter meter;

	dt_meter_start(&meter, START_NS);
	KUNIT_EXPECT_EQ(test, dt_meter_rate(&meter, 50, START_NS + TICK_NS, 1), 200ULL);
}

/* 100 a second for twenty seconds, then 1000 a second for one. */
static void old_samples_are_forgotten(struct kunit *test)
{
	u64 now_ns = START_NS, count = 0;
	struct dt_meter meter;
	unsigned int i;

	dt_meter_start(&meter, now_ns);
	for (i = 0; i < 84; i++) {
		now_ns += TICK_NS;
		count += i < 80 ? 25 : 250;
		dt_meter_add(&meter, count, now_ns);
	}
	KUNIT_EXPECT_EQ(test, dt_meter_rate(&meter, count, now_ns, 1), 1000ULL);
	KUNIT_EXPECT_EQ(test, dt_meter_rate(&meter, count, now_ns, 10), 190ULL);
}

static struct kunit_case meter_cases[] = {
	KUNIT_CASE(nothing_is_no_rate),
	KUNIT_CASE(less_than_a_second_is_scaled),
	KUNIT_CASE(old_samples_are_forgotten),
	{}
};

static struct kunit_suite meter_suite = {
	.name = "dt-meter",
	.test_cases = meter_cases,
};

kunit_test_suites(&meter_suite);
