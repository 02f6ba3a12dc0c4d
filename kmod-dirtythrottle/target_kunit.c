// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of target.c: how often dirty logs are read. */
#include <kunit/test.h>
#include <linux/sizes.h>
#include "dirtythrottle.h"

/* A guest of a TiB, whose logs take 32 MiB, in 8 seconds */
#define PAGES	((u64)SZ_1T / PAGE_SIZE)
#define ENOUGH	(8 * NSEC_PER_SEC)

static void seldom_if_they_are_large(struct kunit *test)
{
	struct dt_census large = { .has_bitmap = true, .log_pages = PAGES };
	struct dt_census small = { .has_bitmap = true, .log_pages = PAGES / 64 };
	struct dt_census none = {};

	KUNIT_EXPECT_FALSE(test, dt_weighing_is_due(&large, &large, ENOUGH - 1));
	KUNIT_EXPECT_TRUE(test, dt_weighing_is_due(&large, &large, ENOUGH));
	KUNIT_EXPECT_TRUE(test, dt_weighing_is_due(&small, &small, NSEC_PER_SEC));
	KUNIT_EXPECT_TRUE(test, dt_weighing_is_due(&none, &none, 0));
}

static void however_often_slots_change(struct kunit *test)
{
	struct dt_census before = { .has_bitmap = true, .log_pages = PAGES, .generation = 2 };
	struct dt_census now = { .has_bitmap = true, .log_pages = PAGES, .generation = 4 };

	KUNIT_EXPECT_FALSE(test, dt_weighing_is_due(&before, &now, NSEC_PER_SEC));
	before.generation = DT_CENSUS_OLD;
	KUNIT_EXPECT_FALSE(test, dt_weighing_is_due(&before, &now, NSEC_PER_SEC));
}

static void at_once_when_a_log_begins(struct kunit *test)
{
	struct dt_census before = {};
	struct dt_census now = { .has_bitmap = true, .log_pages = PAGES };

	KUNIT_EXPECT_TRUE(test, dt_weighing_is_due(&before, &now, 0));
	/* That of the screen was there before. */
	before.has_bitmap = true;
	before.log_pages = 4096;
	KUNIT_EXPECT_TRUE(test, dt_weighing_is_due(&before, &now, 0));
}

static struct kunit_case target_cases[] = {
	KUNIT_CASE(seldom_if_they_are_large),
	KUNIT_CASE(however_often_slots_change),
	KUNIT_CASE(at_once_when_a_log_begins),
	{}
};

static struct kunit_suite target_suite = {
	.name = "dt-target",
	.test_cases = target_cases,
};

kunit_test_suites(&target_suite);
