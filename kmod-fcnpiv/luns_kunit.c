// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of luns.c and token.c: which sets are the same, whose token it is. */
#include <kunit/test.h>
#include "fcnpiv.h"

/**
 * struct sets - what is compared
 * @seen: by a port
 * @expected: of it
 * @why: they differ
 */
struct sets {
	struct fcn_luns seen;
	struct fcn_luns expected;
	char why[FCNPIV_REASON_MAX + 1];
};

static void add(struct fcn_luns *luns, const char *id, u64 sectors)
{
	struct fcn_lun *lun = fcn_luns_add(luns);

	strscpy(lun->id, id, sizeof(lun->id));
	snprintf(lun->disk, sizeof(lun->disk), "sd%u", luns->count);
	lun->sectors = sectors;
	lun->block_size = 512;
	lun->devt = luns->count;
	lun->runs = true;
}

static struct sets *new_sets(struct kunit *test)
{
	struct sets *sets = kunit_kzalloc(test, sizeof(*sets), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sets);
	KUNIT_ASSERT_EQ(test, fcn_luns_init(&sets->seen), 0);
	KUNIT_ASSERT_EQ(test, fcn_luns_init(&sets->expected), 0);
	add(&sets->seen, "naa.6001", 2048);
	add(&sets->seen, "naa.6002", 4096);
	fcn_luns_copy(&sets->expected, &sets->seen);
	return sets;
}

static void free_sets(struct sets *sets)
{
	fcn_luns_free(&sets->seen);
	fcn_luns_free(&sets->expected);
}

static bool match(struct sets *sets)
{
	return fcn_luns_match(&sets->seen, &sets->expected, sets->why);
}

static void order_numbers_and_paths_do_not_matter(struct kunit *test)
{
	struct sets *sets = new_sets(test);

	KUNIT_EXPECT_TRUE(test, match(sets));
	sets->seen.count = 0;
	add(&sets->seen, "naa.6002", 4096);
	add(&sets->seen, "naa.6001", 2048);
	add(&sets->seen, "naa.6002", 4096);
	sets->seen.lun[0].number = 7;
	KUNIT_EXPECT_TRUE(test, match(sets));
	free_sets(sets);
}

static void several_paths_are_one_lun(struct kunit *test)
{
	struct sets *sets = new_sets(test);

	add(&sets->seen, "naa.6001", 2048);
	fcn_luns_copy(&sets->expected, &sets->seen);
	KUNIT_EXPECT_EQ(test, sets->expected.count, 2U);
	KUNIT_EXPECT_TRUE(test, match(sets));
	/* One of them has seen a resize that the other has not. */
	sets->seen.lun[2].sectors = 8192;
	KUNIT_EXPECT_FALSE(test, match(sets));
	free_sets(sets);
}

static void each_difference_is_told(struct kunit *test)
{
	struct sets *sets = new_sets(test);

	sets->seen.count = 1;
	KUNIT_EXPECT_FALSE(test, match(sets));
	KUNIT_EXPECT_STREQ(test, sets->why, "LUN naa.6002 is missing");
	add(&sets->seen, "naa.6003", 4096);
	KUNIT_EXPECT_FALSE(test, match(sets));
	KUNIT_EXPECT_STREQ(test, sets->why, "LUN naa.6003 is not expected");
	sets->seen.count = 1;
	add(&sets->seen, "naa.6002", 4097);
	KUNIT_EXPECT_FALSE(test, match(sets));
	KUNIT_EXPECT_STREQ(test, sets->why, "LUN naa.6002 has another size than is expected");
	sets->seen.lun[1].sectors = 4096;
	sets->seen.lun[1].block_size = 4096;
	KUNIT_EXPECT_FALSE(test, match(sets));
	sets->seen.lun[1].block_size = 512;
	add(&sets->seen, "naa.6009", 512);
	KUNIT_EXPECT_FALSE(test, match(sets));
	KUNIT_EXPECT_STREQ(test, sets->why, "LUN naa.6009 is not expected");
	free_sets(sets);
}

static void what_cannot_be_used_does_not_match(struct kunit *test)
{
	struct sets *sets = new_sets(test);

	sets->seen.lun[1].runs = false;
	KUNIT_EXPECT_FALSE(test, match(sets));
	sets->seen.lun[1].runs = true;
	sets->seen.lun[1].id[0] = 0;
	KUNIT_EXPECT_FALSE(test, match(sets));
	KUNIT_EXPECT_STREQ(test, sets->why, "disk sd2 has no name in VPD page 0x83");
	strscpy(sets->seen.lun[1].id, "naa.6002", sizeof(sets->seen.lun[1].id));
	sets->seen.lun[1].devt = 0;
	KUNIT_EXPECT_FALSE(test, match(sets));
	sets->seen.lun[1].devt = 2;
	KUNIT_EXPECT_TRUE(test, match(sets));
	free_sets(sets);
}

static void too_many_do_not_match(struct kunit *test)
{
	struct sets *sets = new_sets(test);

	while (sets->seen.count < FCNPIV_PATHS_MAX)
		add(&sets->seen, "naa.6001", 2048);
	KUNIT_EXPECT_TRUE(test, match(sets));
	KUNIT_EXPECT_NULL(test, fcn_luns_add(&sets->seen));
	KUNIT_EXPECT_FALSE(test, match(sets));
	free_sets(sets);
}

static void a_token_is_of_one_name(struct kunit *test)
{
	struct fcn_token token, other, receipt, again;

	fcn_token_make(&token, 0x2001000000000001);
	KUNIT_EXPECT_TRUE(test, fcn_token_is_for(&token, 0x2001000000000001));
	KUNIT_EXPECT_FALSE(test, fcn_token_is_for(&token, 0x2001000000000002));
	fcn_token_make(&other, 0x2001000000000001);
	KUNIT_EXPECT_TRUE(test, memcmp(&token, &other, sizeof(token)));
	fcn_token_receipt(&token, &receipt);
	KUNIT_EXPECT_TRUE(test, fcn_token_is_for(&receipt, 0x2001000000000001));
	KUNIT_EXPECT_TRUE(test, memcmp(&token, &receipt, sizeof(token)));
	fcn_token_receipt(&receipt, &again);
	KUNIT_EXPECT_EQ(test, memcmp(&token, &again, sizeof(token)), 0);
}

/* What a destination tells of the last token that it was given. */
static void a_token_is_revoked_once_for_all(struct kunit *test)
{
	struct fcn_token first, token, other;
	char why[FCNPIV_REASON_MAX + 1];
	struct fcn_used used, again;

	fcn_used_init(&used);
	fcn_used_init(&again);
	KUNIT_EXPECT_FALSE(test, fcn_token_is_same(&used.token, &again.token));
	first = used.token;
	fcn_token_make(&token, 0x2001000000000001);
	fcn_token_make(&other, 0x2001000000000001);
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &token, &other, why), -ESTALE);
	KUNIT_EXPECT_TRUE(test, fcn_token_is_same(&used.token, &first));
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &token, &first, why), 0);
	KUNIT_EXPECT_TRUE(test, fcn_token_is_same(&used.token, &token));
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &token, &first, why), 0);
	fcn_used_take(&used, &other);
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &token, &first, why), -ESTALE);
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &other, &token, why), 0);
	used.has_come = true;
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &other, &other, why), -EEXIST);
	KUNIT_EXPECT_EQ(test, fcn_used_revoke(&used, &token, &token, why), -ESTALE);
	/* The next one begins anew. */
	fcn_used_take(&used, &token);
	KUNIT_EXPECT_FALSE(test, used.has_come);
}

static struct kunit_case luns_cases[] = {
	KUNIT_CASE(order_numbers_and_paths_do_not_matter),
	KUNIT_CASE(several_paths_are_one_lun),
	KUNIT_CASE(each_difference_is_told),
	KUNIT_CASE(what_cannot_be_used_does_not_match),
	KUNIT_CASE(too_many_do_not_match),
	KUNIT_CASE(a_token_is_of_one_name),
	KUNIT_CASE(a_token_is_revoked_once_for_all),
	{}
};

static struct kunit_suite luns_suite = {
	.name = "fcn-luns",
	.test_cases = luns_cases,
};

kunit_test_suites(&luns_suite);
