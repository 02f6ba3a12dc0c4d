// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of metadata.c and io.c: a dirty block is counted at any time. */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/vmalloc.h>
#include "snapsync.h"

#define MARKERS		3
#define ROUNDS		300000

/**
 * struct dirt - a volume of which only what is dirty counts
 * @volume: not set up otherwise
 * @bitmap: volume->dirty
 */
struct dirt {
	struct ss_volume *volume;
	unsigned long bitmap;
};

static void nothing(struct work_struct *work)
{
}

static int mark(void *data)
{
	struct dirt *dirt = data;

	while (!kthread_should_stop()) {
		ss_mark_dirty(dirt->volume, SS_KIND_DATA, 0);
		cond_resched();
	}
	return 0;
}

/* As a commit does, which is the only one that makes a block clean. */
static void dirty_is_counted(struct kunit *test)
{
	struct dirt *dirt = kunit_kzalloc(test, sizeof(*dirt), GFP_KERNEL);
	struct task_struct *marker[MARKERS];
	unsigned int missed = 0, round, i;

	KUNIT_ASSERT_NOT_NULL(test, dirt);
	dirt->volume = vzalloc(sizeof(*dirt->volume));
	KUNIT_ASSERT_NOT_NULL(test, dirt->volume);
	dirt->volume->mode = SS_MODE_READ_ONLY;	/* no commit is wanted */
	dirt->volume->dirty[SS_KIND_DATA] = &dirt->bitmap;
	INIT_DELAYED_WORK(&dirt->volume->commit_work, nothing);
	for (i = 0; i < MARKERS; i++)
		marker[i] = kthread_run(mark, dirt, "mark/%u", i);
	for (round = 0; round < ROUNDS; round++) {
		if (test_bit_acquire(0, &dirt->bitmap) &&
		    atomic_read(&dirt->volume->unclean) <= 0)
			missed++;
		if (test_and_clear_bit(0, &dirt->bitmap))
			atomic_dec(&dirt->volume->unclean);
		cond_resched();
	}
	for (i = 0; i < MARKERS; i++)
		if (!IS_ERR(marker[i]))
			kthread_stop(marker[i]);
	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&dirt->volume->unclean), (int)(dirt->bitmap & 1));
	vfree(dirt->volume);
}

static struct kunit_case metadata_cases[] = {
	KUNIT_CASE(dirty_is_counted),
	{}
};

static struct kunit_suite metadata_suite = {
	.name = "snapsync_metadata",
	.test_cases = metadata_cases,
};

kunit_test_suite(metadata_suite);
