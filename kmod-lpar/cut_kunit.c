// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of cut.c: deadlines and skew. */
#include <kunit/test.h>
#include "lpar.h"

static void deadline_limits(struct kunit *test)
{
	ktime_t now = ktime_set(1000000, 0);
	ktime_t hour = ktime_set(LPAR_CUT_AHEAD_MAX_S, 0);

	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, now), 0);
	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, ktime_add_ns(now, 1)), 0);
	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, ktime_sub_ns(now, 1)), -ETIME);
	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, ktime_add(now, hour)), 0);
	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, ktime_add_ns(ktime_add(now, hour), 1)),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, lpar_cut_deadline_check(now, KTIME_MAX), -ERANGE);
}

static void skew(struct kunit *test)
{
	struct lpar_cut_result results[] = {
		{ .fired = 5000 }, { .fired = 4000 }, { .fired = 4500 },
	};
	struct lpar_cut cut = { .results = results };

	KUNIT_EXPECT_EQ(test, lpar_cut_skew_ns(&cut), 0);
	cut.nr_results = 1;
	KUNIT_EXPECT_EQ(test, lpar_cut_skew_ns(&cut), 0);
	cut.nr_results = ARRAY_SIZE(results);
	KUNIT_EXPECT_EQ(test, lpar_cut_skew_ns(&cut), 1000);
}

static struct kunit_case cut_cases[] = {
	KUNIT_CASE(deadline_limits),
	KUNIT_CASE(skew),
	{}
};

static struct kunit_suite cut_suite = {
	.name = "lpar_cut",
	.test_cases = cut_cases,
};

kunit_test_suite(cut_suite);
