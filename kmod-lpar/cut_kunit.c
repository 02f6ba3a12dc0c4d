// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of cut.c and fire.c: deadlines and skew; each point acts once, in its phase. */
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

#define POINTS		100

/* How many of each order have acted, and how often one did so out of turn. */
static struct {
	atomic_t acted[LPAR_CUT_ORDERS];
	atomic_t early;
	struct completion over;
} seen;

static void act(struct lpar_cut_point *point, enum lpar_cut_action action)
{
	unsigned int order = point->class->order, other;

	for (other = 0; other < LPAR_CUT_ORDERS; other++) {
		bool first = action == LPAR_CUT_CLOSE ? other < order : other > order;

		if (first && atomic_read(&seen.acted[other]) != POINTS)
			atomic_inc(&seen.early);
	}
	point->count++;
	atomic_inc(&seen.acted[order]);
}

static void is_over(struct work_struct *work)
{
	complete(&seen.over);
}

static struct lpar_cut_class test_classes[LPAR_CUT_ORDERS] = {
	{ .order = LPAR_CUT_ORDER_NET, .fire = act },
	{ .order = LPAR_CUT_ORDER_GATE, .fire = act, .parallel = true },
	{ .order = LPAR_CUT_ORDER_DISK, .fire = act, .parallel = true },
};

static void fire_all(struct kunit *test, enum lpar_cut_action action)
{
	const unsigned int n = LPAR_CUT_ORDERS * POINTS;
	struct lpar_cut_point *points = kunit_kcalloc(test, n, sizeof(*points), GFP_KERNEL);
	struct lpar_cut *cut = kunit_kzalloc(test, sizeof(*cut), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, points);
	KUNIT_ASSERT_NOT_NULL(test, cut);
	memset(&seen, 0, sizeof(seen));
	init_completion(&seen.over);
	INIT_LIST_HEAD(&cut->points);
	INIT_WORK(&cut->settle, is_over);
	cut->action = action;
	cut->nr_points = n;
	for (i = 0; i < n; i++) {
		points[i].class = &test_classes[i % LPAR_CUT_ORDERS];
		list_add_tail(&points[i].node, &cut->points);
	}
	KUNIT_ASSERT_EQ(test, lpar_fire_prepare(cut), 0);
	hrtimer_setup(&cut->timer, lpar_fire, CLOCK_REALTIME, HRTIMER_MODE_ABS_HARD);
	hrtimer_start(&cut->timer, ktime_get_real(), HRTIMER_MODE_ABS_HARD);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&seen.over, 10 * HZ), 0);
	hrtimer_cancel(&cut->timer);
	flush_work(&cut->settle);
	lpar_fire_free(cut);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, points[i].count, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&seen.early), 0);
}

static void fires_once_in_phases(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		fire_all(test, LPAR_CUT_CLOSE);
		fire_all(test, LPAR_CUT_OPEN);
	}
}

static struct kunit_case cut_cases[] = {
	KUNIT_CASE(deadline_limits),
	KUNIT_CASE(skew),
	KUNIT_CASE(fires_once_in_phases),
	{}
};

static struct kunit_suite cut_suite = {
	.name = "lpar_cut",
	.test_cases = cut_cases,
};

kunit_test_suite(cut_suite);
