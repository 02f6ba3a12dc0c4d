// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of table.c: order of versions, runs of sectors, growth, lookups without a lock. */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include "snapsync.h"

#define CHUNK_SECTORS	32
#define VERSIONS	40000

static int table_test_init(struct kunit *test)
{
	struct ss_table *table = vzalloc(sizeof(*table));
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_EQ(test, ss_table_init(table, CHUNK_SECTORS, VERSIONS), 0);
	for (i = 1; i < 10; i++)
		table->gen[i] = 10 * i;
	for (i = 0; i < VERSIONS; i++)
		KUNIT_ASSERT_EQ(test, ss_table_prepare(table, i, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, ss_table_prepare(table, SS_ZERO, GFP_KERNEL), 0);
	test->priv = table;
	return 0;
}

static void table_test_exit(struct kunit *test)
{
	ss_table_exit(test->priv);
	vfree(test->priv);
}

static void newest_first(struct kunit *test)
{
	struct ss_table *table = test->priv;

	/* Whatever the order of insertion. */
	ss_table_insert(table, 5, 77, 2);
	ss_table_insert(table, 6, 77, 4);
	ss_table_insert(table, 7, 77, 3);
	ss_table_insert(table, SS_ZERO, 77, 4);
	KUNIT_EXPECT_EQ(test, ss_table_newest(table, 77), 6);
	KUNIT_EXPECT_EQ(test, ss_table_older(table, 6), SS_ZERO);
	KUNIT_EXPECT_EQ(test, ss_table_older(table, SS_ZERO), 7);
	KUNIT_EXPECT_EQ(test, ss_table_older(table, 7), 5);
	KUNIT_EXPECT_EQ(test, ss_table_older(table, 5), SS_NONE);
	KUNIT_EXPECT_EQ(test, ss_table_own(table, 77, 3, SS_KIND_DATA), 7);
	KUNIT_EXPECT_EQ(test, ss_table_own(table, 77, 3, SS_KIND_ZERO), SS_NONE);
	KUNIT_EXPECT_EQ(test, ss_table_own(table, 77, 5, SS_KIND_DATA), SS_NONE);
	ss_table_move(table, 5, 5);
	KUNIT_EXPECT_EQ(test, ss_table_newest(table, 77), 5);
	ss_table_remove(table, 6);
	KUNIT_EXPECT_EQ(test, ss_table_older(table, 5), SS_ZERO);
	ss_table_remove(table, 5);
	ss_table_remove(table, SS_ZERO);
	ss_table_remove(table, 7);
	KUNIT_EXPECT_EQ(test, ss_table_newest(table, 77), SS_NONE);
	KUNIT_EXPECT_EQ(test, atomic_read(&table->nr_chunks), 0);
}

static void expect_source(struct kunit *test, const struct ss_line *line, unsigned int offset,
			  int where, u32 version, unsigned int sectors)
{
	struct ss_source source;

	ss_table_resolve(test->priv, line, 3, offset, CHUNK_SECTORS - offset,
			 SS_STEPS_ANY, &source);
	KUNIT_EXPECT_EQ(test, (int)source.where, where);
	KUNIT_EXPECT_EQ(test, source.version, version);
	KUNIT_EXPECT_EQ(test, source.sectors, sectors);
}

/* Layer 4 has sectors 8-15, layer 2 has 4-11 and zeroes at 20-31; layer 3 is no ancestor. */
static void sources(struct kunit *test)
{
	struct ss_table *table = test->priv;
	struct ss_line line = {};

	__set_bit(2, line.ancestors);
	__set_bit(4, line.ancestors);
	ss_table_insert(table, 20, 3, 2);
	ss_table_insert(table, SS_ZERO, 3, 2);
	ss_table_insert(table, 30, 3, 3);
	ss_table_insert(table, 40, 3, 4);
	bitmap_set(ss_table_valid(table, 20), 4, 8);
	bitmap_set(ss_table_valid(table, SS_ZERO), 20, 12);
	bitmap_set(ss_table_valid(table, 30), 0, CHUNK_SECTORS);
	bitmap_set(ss_table_valid(table, 40), 8, 8);

	expect_source(test, &line, 0, SS_FROM_BASE, SS_NONE, 4);
	expect_source(test, &line, 4, SS_FROM_STORE, 20, 4);
	expect_source(test, &line, 8, SS_FROM_STORE, 40, 8);
	expect_source(test, &line, 16, SS_FROM_BASE, SS_NONE, 4);
	expect_source(test, &line, 20, SS_FROM_ZERO, SS_ZERO, 12);
	__clear_bit(4, line.ancestors);
	expect_source(test, &line, 8, SS_FROM_STORE, 20, 4);
	expect_source(test, &line, 12, SS_FROM_BASE, SS_NONE, 8);
}

static void growth(struct kunit *test)
{
	struct ss_table *table = test->priv;
	u32 i, buckets = table->nr_buckets, lost = 0;

	for (i = 0; i < VERSIONS; i++) {
		ss_table_insert(table, i, i * 7919, 1);
		if (ss_table_is_crowded(table))
			KUNIT_ASSERT_EQ(test, ss_table_split(table), 0);
	}
	KUNIT_EXPECT_GT(test, table->nr_buckets, 4 * buckets);
	KUNIT_EXPECT_EQ(test, atomic_read(&table->nr_chunks), VERSIONS);
	for (i = 0; i < VERSIONS; i++)
		lost += ss_table_newest(table, i * 7919) != i;
	KUNIT_EXPECT_EQ(test, lost, 0);
}

static void insert_all(struct ss_table *table)
{
	u32 i;

	for (i = 0; i < VERSIONS; i++)
		ss_table_insert(table, i, i, 1);
}

/* Chunks that share a bucket in one table are no neighbours in another: nobody can choose them. */
static void seed(struct kunit *test)
{
	struct ss_table *table = test->priv, *other = vzalloc(sizeof(*other));
	u32 i, link, shared = 0, common = 0;

	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_EQ(test, ss_table_init(other, CHUNK_SECTORS, VERSIONS), 0);
	for (i = 0; i < VERSIONS; i++)
		KUNIT_EXPECT_EQ(test, ss_table_prepare(other, i, GFP_KERNEL), 0);
	other->gen[1] = 1;
	insert_all(table);
	insert_all(other);
	for (i = 0; i < VERSIONS; i++) {
		link = *ss_table_link(table, i);
		shared += link != SS_NONE;
		common += link != SS_NONE && link == *ss_table_link(other, i);
	}
	ss_table_exit(other);
	vfree(other);
	KUNIT_EXPECT_GT(test, shared, VERSIONS / 2);
	KUNIT_EXPECT_LT(test, common, shared / 2);
}

/**
 * struct race - a chunk that changes while it is looked up
 * @table: table
 * @line: layers 2 and 4
 * @missed: lookups that found the version of layer 2, which is never there alone
 * @found: lookups that found that of layer 4
 */
struct race {
	struct ss_table *table;
	struct ss_line line;
	unsigned int missed;
	unsigned int found;
};

/* As a read does. */
static int look_up_for_ever(void *data)
{
	struct race *race = data;
	struct ss_source source;
	unsigned int seq;

	while (!kthread_should_stop()) {
		seq = ss_table_read_begin(race->table, 3);
		ss_table_resolve(race->table, &race->line, 3, 0, CHUNK_SECTORS, SS_STEPS, &source);
		if (!ss_table_read_retry(race->table, 3, seq) && source.sectors) {
			race->missed += source.where == SS_FROM_STORE && source.version == 20;
			race->found += source.where == SS_FROM_STORE && source.version == 40;
		}
		cond_resched();
	}
	return 0;
}

static void insert_whole(struct ss_table *table, u32 version, u32 layer)
{
	ss_table_insert(table, version, 3, layer);
	bitmap_set(ss_table_valid(table, version), 0, CHUNK_SECTORS);
}

static void change_pair(struct ss_table *table, bool insert)
{
	raw_spinlock_t *lock = ss_table_lock(table, 3);
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	ss_table_change_begin(table, 3);
	if (insert) {
		insert_whole(table, 20, 2);
		insert_whole(table, 40, 4);
	} else {
		ss_table_remove(table, 40);
		ss_table_remove(table, 20);
	}
	ss_table_change_end(table, 3);
	raw_spin_unlock_irqrestore(lock, flags);
}

/* Both versions come and go in one change; the hash grows meanwhile. */
static void lookups_without_lock(struct kunit *test)
{
	struct race *race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	struct ss_table *table = test->priv;
	struct task_struct *reader;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, race);
	race->table = table;
	__set_bit(2, race->line.ancestors);
	__set_bit(4, race->line.ancestors);
	reader = kthread_run(look_up_for_ever, race, "look_up");
	KUNIT_ASSERT_FALSE(test, IS_ERR(reader));
	for (i = 100; i < VERSIONS; i++) {
		raw_spinlock_t *lock = ss_table_lock(table, i * 7919);
		unsigned long flags;

		change_pair(table, true);
		cond_resched();
		change_pair(table, false);
		raw_spin_lock_irqsave(lock, flags);
		ss_table_change_begin(table, i * 7919);
		ss_table_insert(table, i, i * 7919, 1);
		ss_table_change_end(table, i * 7919);
		raw_spin_unlock_irqrestore(lock, flags);
		if (ss_table_is_crowded(table))
			ss_table_split(table);
	}
	change_pair(table, true);
	for (i = 0; i < 10 * HZ && !READ_ONCE(race->found); i++)
		schedule_timeout_uninterruptible(1);
	kthread_stop(reader);
	KUNIT_EXPECT_GT(test, race->found, 0);
	KUNIT_EXPECT_EQ(test, race->missed, 0);
}

/* The promise of the manual. */
static void memory(struct kunit *test)
{
	unsigned int chunk;

	for (chunk = SS_CHUNK_SECTORS_MIN; chunk <= SS_CHUNK_SECTORS_MAX; chunk *= 2) {
		struct ss_table *table = vzalloc(sizeof(*table));
		u32 i, count, group;

		KUNIT_ASSERT_NOT_NULL(test, table);
		group = ss_versions_per_block(chunk) * SS_GROUP_MAPS;
		count = 4 * group;
		KUNIT_EXPECT_EQ(test, ss_table_init(table, chunk, count), 0);
		for (i = 0; i < count; i++) {
			KUNIT_EXPECT_EQ(test, ss_table_prepare(table, i, GFP_KERNEL), 0);
			ss_table_insert(table, i, i, 1);
			if (ss_table_is_crowded(table))
				KUNIT_EXPECT_EQ(test, ss_table_split(table), 0);
		}
		KUNIT_EXPECT_LE(test, ss_table_bytes(table) + count / 4, 32ULL * count);
		ss_table_exit(table);
		vfree(table);
	}
}

static struct kunit_case table_cases[] = {
	KUNIT_CASE(newest_first),
	KUNIT_CASE(sources),
	KUNIT_CASE(growth),
	KUNIT_CASE(seed),
	KUNIT_CASE(lookups_without_lock),
	KUNIT_CASE(memory),
	{}
};

static struct kunit_suite table_suite = {
	.name = "snapsync_table",
	.init = table_test_init,
	.exit = table_test_exit,
	.test_cases = table_cases,
};

kunit_test_suite(table_suite);
