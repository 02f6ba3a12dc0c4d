// SPDX-License-Identifier: GPL-2.0
/*
 * The fence's records: which affinity a thread had and which it was given. All that is here
 * is used under lpar_fence_mutex.
 */
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/once.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "fence.h"

/* Records of the dead are looked for each time that the records have doubled. */
#define PRUNE_MIN	1024U
/* A host may have some hundred thousand threads. */
#define TABLE_BITS	13

static DEFINE_HASHTABLE(records, TABLE_BITS);
static DEFINE_HASHTABLE(masks, TABLE_BITS);
static unsigned int nr_records;
static unsigned int prune_at = PRUNE_MIN;

/**
 * lpar_record_find() - what is known of a thread
 * @pid: thread
 *
 * Context: under lpar_fence_mutex.
 * Return: record, or NULL.
 */
struct fence_record *lpar_record_find(const struct pid *pid)
{
	struct fence_record *record;

	lockdep_assert_held(&lpar_fence_mutex);
	hash_for_each_possible(records, record, node, (unsigned long)pid)
		if (record->pid == pid)
			return record;
	return NULL;
}

/* Seeded, as users choose what is hashed. Bits beyond the last CPU mean nothing. */
static u32 hash_cpus(const struct cpumask *cpus, u32 seed)
{
	const unsigned long *bits = cpumask_bits(cpus);
	const unsigned int last = BIT_WORD(nr_cpu_ids - 1);
	const unsigned long tail = bits[last] & BITMAP_LAST_WORD_MASK(nr_cpu_ids);

	return jhash(&tail, sizeof(tail), jhash(bits, last * sizeof(*bits), seed));
}

static struct fence_mask *new_mask(const struct cpumask *orig, const struct cpumask *set)
{
	struct fence_mask *mask = kmalloc(sizeof(*mask) + 2 * cpumask_size(), GFP_KERNEL);

	if (!mask)
		return NULL;
	mask->users = 1;
	mask->orig = to_cpumask(mask->bits);
	mask->set = to_cpumask(mask->bits + cpumask_size() / sizeof(*mask->bits));
	cpumask_copy(mask->orig, orig);
	cpumask_copy(mask->set, set);
	return mask;
}

static struct fence_mask *get_mask(const struct cpumask *orig, const struct cpumask *set)
{
	struct fence_mask *mask;
	static u32 seed;
	u32 key;

	get_random_once(&seed, sizeof(seed));
	key = hash_cpus(set, hash_cpus(orig, seed));
	hash_for_each_possible(masks, mask, node, key) {
		if (cpumask_equal(mask->orig, orig) && cpumask_equal(mask->set, set)) {
			mask->users++;
			return mask;
		}
	}
	mask = new_mask(orig, set);
	if (mask)
		hash_add(masks, &mask->node, key);
	return mask;
}

static void put_mask(struct fence_mask *mask)
{
	if (--mask->users)
		return;
	hash_del(&mask->node);
	kfree(mask);
}

/**
 * lpar_record_drop() - know no more of a thread
 * @record: its record, which is freed
 *
 * Context: under lpar_fence_mutex.
 */
void lpar_record_drop(struct fence_record *record)
{
	hash_del(&record->node);
	nr_records--;
	put_mask(record->mask);
	if (record->former)
		put_mask(record->former);
	put_pid(record->pid);
	kfree(record);
}

static bool is_gone(struct pid *pid)
{
	bool gone;

	rcu_read_lock();
	gone = !pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	return gone;
}

/* Those who come, are moved and die in great numbers leave no more than they were. */
static void prune_records(void)
{
	struct fence_record *record;
	struct hlist_node *next;
	int bucket;

	lockdep_assert_held(&lpar_fence_mutex);
	if (nr_records < prune_at)
		return;
	hash_for_each_safe(records, bucket, next, record, node)
		if (is_gone(record->pid))
			lpar_record_drop(record);
	prune_at = max(2 * nr_records, PRUNE_MIN);
}

/**
 * lpar_record_note() - note what a thread had, in place of what was noted before
 * @pid: thread
 * @orig: what it had before any fence
 * @set: what it is given; nothing is noted if that is the same
 * @member: as a member
 *
 * Context: may sleep; under lpar_fence_mutex.
 * Return: 0 or -ENOMEM.
 */
int lpar_record_note(struct pid *pid, const struct cpumask *orig, const struct cpumask *set,
		     bool member)
{
	struct fence_record *record = lpar_record_find(pid);
	struct fence_mask *mask;

	if (cpumask_equal(orig, set)) {
		if (record)
			lpar_record_drop(record);
		return 0;
	}
	mask = get_mask(orig, set);
	if (!mask)
		return -ENOMEM;
	if (record) {
		put_mask(record->mask);
		record->mask = mask;
		record->member = member;
		record->spent = false;
		return 0;
	}
	record = kmalloc(sizeof(*record), GFP_KERNEL);
	if (!record) {
		put_mask(mask);
		return -ENOMEM;
	}
	prune_records();
	record->pid = get_pid(pid);
	record->mask = mask;
	record->former = NULL;
	record->member = member;
	record->spent = false;
	hash_add(records, &record->node, (unsigned long)pid);
	nr_records++;
	return 0;
}

/**
 * lpar_record_replace() - note that a thread was given back what it had, or some of it
 * @record: its record
 * @orig: what it had before any fence
 * @set: what it has now
 *
 * What was noted before is known until lpar_record_settle().
 *
 * Context: may sleep; under lpar_fence_mutex.
 * Return: 0 or -ENOMEM.
 */
int lpar_record_replace(struct fence_record *record, const struct cpumask *orig,
			const struct cpumask *set)
{
	struct fence_mask *mask;

	lockdep_assert_held(&lpar_fence_mutex);
	record->spent = cpumask_equal(orig, set);
	if (record->spent)
		return 0;
	mask = get_mask(orig, set);
	if (!mask)
		return -ENOMEM;
	if (record->former)
		put_mask(record->mask);
	else
		record->former = record->mask;
	record->mask = mask;
	record->member = false;
	return 0;
}

/**
 * lpar_record_settle() - know no more of what was given back
 * @record: record, which is freed if that was all
 *
 * Context: under lpar_fence_mutex.
 */
void lpar_record_settle(struct fence_record *record)
{
	lockdep_assert_held(&lpar_fence_mutex);
	if (record->spent) {
		lpar_record_drop(record);
	} else if (record->former) {
		put_mask(record->former);
		record->former = NULL;
	}
}

/**
 * lpar_record_is_any() - is anything noted?
 *
 * Context: under lpar_fence_mutex.
 * Return: true if so.
 */
bool lpar_record_is_any(void)
{
	return nr_records;
}

/**
 * lpar_record_for_each() - look at all records
 * @visit: called with each; may change it and drop it, and no other
 * @pause: called when a batch of them was visited; lets go lpar_fence_mutex, or NULL
 *
 * Those that come meanwhile may be missed.
 *
 * Context: may sleep; under lpar_fence_mutex.
 */
void lpar_record_for_each(void (*visit)(struct fence_record *record), void (*pause)(void))
{
	struct fence_record *record;
	struct hlist_node *next;
	unsigned int bucket, n = 0;

	for (bucket = 0; bucket < HASH_SIZE(records); bucket++) {
		hlist_for_each_entry_safe(record, next, &records[bucket], node) {
			visit(record);
			n++;
		}
		if (n < FENCE_BATCH || !pause)
			continue;
		pause();
		n = 0;
	}
}
