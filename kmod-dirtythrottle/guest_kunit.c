// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of guest.c: whether writes may be hidden from us. */
#include <kunit/test.h>
#include "dirtythrottle.h"

static void only_who_is_known_hides_nothing(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, dt_guest_hides_writes(true, 'Y'));
	KUNIT_EXPECT_FALSE(test, dt_guest_hides_writes(true, 'N'));
	KUNIT_EXPECT_TRUE(test, dt_guest_hides_writes(true, 0));
	KUNIT_EXPECT_FALSE(test, dt_guest_hides_writes(false, 0));
}

static struct kunit_case guest_cases[] = {
	KUNIT_CASE(only_who_is_known_hides_nothing),
	{}
};

static struct kunit_suite guest_suite = {
	.name = "dt-guest",
	.test_cases = guest_cases,
};

kunit_test_suites(&guest_suite);
