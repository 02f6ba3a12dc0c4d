// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of registry.c: names, states, refusals. */
#include <kunit/test.h>
#include <linux/netlink.h>
#include "lpar.h"

static void name_valid(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, lpar_name_valid("a"));
	KUNIT_EXPECT_TRUE(test, lpar_name_valid("db-1.prod_x"));
	KUNIT_EXPECT_TRUE(test, lpar_name_valid("0123456789012345678901234567890"));
}

static void name_invalid(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, lpar_name_valid(""));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("."));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid(".."));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("Upper"));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("a/b"));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("a b"));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("-force"));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("\xc3\xa4"));
	KUNIT_EXPECT_FALSE(test, lpar_name_valid("01234567890123456789012345678901"));
}

static void states_of_operations(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, lpar_state_may_follow(LPAR_STATE_ACTIVE, LPAR_STATE_MIGRATING));
	KUNIT_EXPECT_TRUE(test, lpar_state_may_follow(LPAR_STATE_MIGRATING, LPAR_STATE_ACTIVE));
	KUNIT_EXPECT_TRUE(test, lpar_state_may_follow(LPAR_STATE_ACTIVE, LPAR_STATE_SAVED));
	KUNIT_EXPECT_TRUE(test, lpar_state_may_follow(LPAR_STATE_SAVED, LPAR_STATE_ACTIVE));
	/* Only activation itself makes a defined LPAR active. */
	KUNIT_EXPECT_FALSE(test, lpar_state_may_follow(LPAR_STATE_DEFINED, LPAR_STATE_ACTIVE));
	KUNIT_EXPECT_FALSE(test, lpar_state_may_follow(LPAR_STATE_ACTIVE, LPAR_STATE_DEFINED));
	KUNIT_EXPECT_FALSE(test, lpar_state_may_follow(LPAR_STATE_SAVED, LPAR_STATE_MIGRATING));
	KUNIT_EXPECT_FALSE(test, lpar_state_may_follow(LPAR_STATE_DEGRADED, LPAR_STATE_ACTIVE));
	KUNIT_EXPECT_FALSE(test, lpar_state_may_follow(LPAR_STATE_ACTIVE, LPAR_STATE_DEGRADED));
}

static void states_that_fence(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, lpar_state_is_active(LPAR_STATE_DEFINED));
	KUNIT_EXPECT_TRUE(test, lpar_state_is_active(LPAR_STATE_SAVED));
	KUNIT_EXPECT_TRUE(test, lpar_state_is_active(LPAR_STATE_DEGRADED));
}

static void problem_is_told(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct lpar_report report = { .extack = &extack };

	KUNIT_EXPECT_EQ(test, lpar_problem(&report, -EBUSY, "CPU %d", 3), -EBUSY);
	KUNIT_EXPECT_STREQ(test, extack._msg, "CPU 3");
	KUNIT_EXPECT_EQ(test, lpar_problem(NULL, -EIO, "nobody listens"), -EIO);
}

static struct kunit_case registry_cases[] = {
	KUNIT_CASE(name_valid),
	KUNIT_CASE(name_invalid),
	KUNIT_CASE(states_of_operations),
	KUNIT_CASE(states_that_fence),
	KUNIT_CASE(problem_is_told),
	{}
};

static struct kunit_suite registry_suite = {
	.name = "lpar_registry",
	.test_cases = registry_cases,
};

kunit_test_suite(registry_suite);
