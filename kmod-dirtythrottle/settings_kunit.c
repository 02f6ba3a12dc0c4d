// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of settings.c: what is refused, and which limit is in force. */
#include <kunit/test.h>
#include <linux/sizes.h>
#include "dirtythrottle.h"

#define MIB	((u64)SZ_1M)

static struct dt_settings defaults(void)
{
	struct dt_settings settings;

	dt_settings_init(&settings);
	return settings;
}

static void defaults_only_count(struct kunit *test)
{
	struct dt_settings settings = defaults();

	KUNIT_EXPECT_EQ(test, dt_settings_check(&settings, NULL), 0);
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, true, 0), 0ULL);
	KUNIT_EXPECT_FALSE(test, dt_settings_engage(&settings, ~0ULL));
}

static void expect_refused(struct kunit *test, struct dt_settings settings)
{
	KUNIT_EXPECT_EQ(test, dt_settings_check(&settings, NULL), -EINVAL);
}

static void nonsense_is_refused(struct kunit *test)
{
	struct dt_settings settings = defaults();

	settings.mode = DT_MODE_LIMIT;
	expect_refused(test, settings);
	settings.limit = DIRTYTHROTTLE_LIMIT_MIN - 1;
	expect_refused(test, settings);
	settings.limit = DIRTYTHROTTLE_LIMIT_MAX + 1;
	expect_refused(test, settings);
	settings = defaults();
	settings.mode = DT_MODE_DELAY;
	expect_refused(test, settings);
	settings.delay_us = DIRTYTHROTTLE_DELAY_MAX_US + 1;
	expect_refused(test, settings);
	settings = defaults();
	settings.share = 0;
	expect_refused(test, settings);
	settings.share = DIRTYTHROTTLE_SHARE_MAX + 1;
	expect_refused(test, settings);
	settings = defaults();
	settings.timeout_ms = DIRTYTHROTTLE_TIMEOUT_MIN_MS - 1;
	expect_refused(test, settings);
}

static void auto_engages_above_the_transfer_rate(struct kunit *test)
{
	struct dt_settings settings = defaults();

	settings.mode = DT_MODE_AUTO;
	KUNIT_EXPECT_FALSE(test, dt_settings_engage(&settings, 100 * MIB));
	settings.transfer_rate = 100 * MIB;
	KUNIT_EXPECT_FALSE(test, dt_settings_engage(&settings, 100 * MIB));
	KUNIT_EXPECT_TRUE(test, dt_settings_engage(&settings, 100 * MIB + 1));
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, false, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, true, 0), 50 * MIB);
}

static void auto_stays_within_the_limits(struct kunit *test)
{
	struct dt_settings settings = defaults();

	settings.mode = DT_MODE_AUTO;
	settings.transfer_rate = 1;
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, true, 0), (u64)DIRTYTHROTTLE_LIMIT_MIN);
	settings.transfer_rate = ~0ULL;
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, true, 0), DIRTYTHROTTLE_LIMIT_MAX);
}

static void an_unknown_rate_changes_nothing(struct kunit *test)
{
	struct dt_settings settings = defaults();

	settings.mode = DT_MODE_AUTO;
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, true, 5 * MIB), 5 * MIB);
	KUNIT_EXPECT_EQ(test, dt_settings_limit(&settings, false, 5 * MIB), 0ULL);
}

static struct kunit_case settings_cases[] = {
	KUNIT_CASE(defaults_only_count),
	KUNIT_CASE(nonsense_is_refused),
	KUNIT_CASE(auto_engages_above_the_transfer_rate),
	KUNIT_CASE(auto_stays_within_the_limits),
	KUNIT_CASE(an_unknown_rate_changes_nothing),
	{}
};

static struct kunit_suite settings_suite = {
	.name = "dt-settings",
	.test_cases = settings_cases,
};

kunit_test_suites(&settings_suite);
