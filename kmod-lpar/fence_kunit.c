// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of fence.c: where a task may run. */
#include <kunit/test.h>
#include <linux/slab.h>
#include "lpar.h"

struct sets {
	struct cpumask orig, fenced, online, target, expected;
};

static void expect(struct kunit *test, const char *orig, const char *fenced, const char *online,
		   const char *expected)
{
	struct sets *sets = kunit_kzalloc(test, sizeof(*sets), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sets);
	if (nr_cpu_ids < 4)
		kunit_skip(test, "needs masks of 4 CPUs, here are %u", nr_cpu_ids);
	KUNIT_ASSERT_EQ(test, cpulist_parse(orig, &sets->orig), 0);
	KUNIT_ASSERT_EQ(test, cpulist_parse(fenced, &sets->fenced), 0);
	KUNIT_ASSERT_EQ(test, cpulist_parse(online, &sets->online), 0);
	KUNIT_ASSERT_EQ(test, cpulist_parse(expected, &sets->expected), 0);
	lpar_fence_target(&sets->target, &sets->orig, &sets->fenced, &sets->online);
	KUNIT_EXPECT_TRUE_MSG(test, cpumask_equal(&sets->target, &sets->expected),
			      "from %s with %s fenced: %*pbl instead of %s", orig, fenced,
			      cpumask_pr_args(&sets->target), expected);
}

static void target_loses_fenced_cpus(struct kunit *test)
{
	expect(test, "0-3", "2-3", "0-3", "0-1");
	expect(test, "1-2", "2-3", "0-3", "1");
}

static void target_keeps_an_affinity_elsewhere(struct kunit *test)
{
	expect(test, "1", "2-3", "0-3", "1");
	expect(test, "0-3", "", "0-3", "0-3");
}

static void target_falls_back_to_all_others(struct kunit *test)
{
	expect(test, "2-3", "2-3", "0-3", "0-1");
	expect(test, "2", "2", "0-3", "0-1,3");
	/* CPU 3 is left over, but not online. */
	expect(test, "2-3", "2", "0-2", "0-1");
}

static struct kunit_case fence_cases[] = {
	KUNIT_CASE(target_loses_fenced_cpus),
	KUNIT_CASE(target_keeps_an_affinity_elsewhere),
	KUNIT_CASE(target_falls_back_to_all_others),
	{}
};

static struct kunit_suite fence_suite = {
	.name = "lpar_fence",
	.test_cases = fence_cases,
};

kunit_test_suite(fence_suite);
