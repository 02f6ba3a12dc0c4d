// SPDX-License-Identifier: GPL-2.0
/*
 * Which regions are on DEST, and what is under way.
 *
 * 64 regions are a word, and a bio lies within one: what it needs to know are
 * masks. A bit is only ever set, so that who finds it set needs no lock.
 */
#include <linux/hash.h>
#include <linux/vmalloc.h>
#include "relocate.h"

/**
 * rl_map_init() - an empty map
 * @map: result
 * @nr_regions: of the device
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int rl_map_init(struct rl_map *map, u64 nr_regions)
{
	map->nr_regions = nr_regions;
	map->nr_words = DIV_ROUND_UP_ULL(nr_regions, RL_WORD_REGIONS);
	map->nr_present = 0;
	map->word = __vmalloc(map->nr_words * sizeof(u64),
			      GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	return map->word ? 0 : -ENOMEM;
}

/**
 * rl_map_exit() - the reverse
 * @map: map, maybe not set up
 *
 * Context: may sleep.
 */
void rl_map_exit(struct rl_map *map)
{
	vfree(map->word);
	map->word = NULL;
}

/**
 * rl_map_word() - regions that are present
 * @map: map
 * @word: number
 *
 * Context: any.
 * Return: a bit for each.
 */
u64 rl_map_word(const struct rl_map *map, u64 word)
{
	/* Pairs with rl_map_set(): who finds a bit finds what was marked for it, too. */
	return smp_load_acquire(&map->word[word]);
}

/* Regions that there are: the last word may have fewer. */
static u64 existing(const struct rl_map *map, u64 word)
{
	u64 left = map->nr_regions - word * RL_WORD_REGIONS;

	return left >= RL_WORD_REGIONS ? ~0ULL : GENMASK_ULL(left - 1, 0);
}

/**
 * rl_map_absent() - regions that are not present
 * @map: map
 * @word: number
 *
 * Context: any.
 * Return: a bit for each.
 */
u64 rl_map_absent(const struct rl_map *map, u64 word)
{
	return existing(map, word) & ~rl_map_word(map, word);
}

/**
 * rl_map_set() - regions are present
 * @map: map
 * @word: number
 * @mask: of regions; announced, and to be marked
 *
 * Context: any, rl->lock held.
 * Return: how many were not before.
 */
unsigned int rl_map_set(struct rl_map *map, u64 word, u64 mask)
{
	u64 old = map->word[word];
	unsigned int fresh = hweight64(mask & ~old);

	/* Pairs with rl_map_word(). */
	smp_store_release(&map->word[word], old | mask);
	map->nr_present += fresh;
	return fresh;
}

/**
 * rl_run() - adjacent regions of a mask
 * @mask: mask
 * @from: region in the word
 *
 * Return: those from @from on, up to the first that is not in @mask.
 */
u64 rl_run(u64 mask, unsigned int from)
{
	u64 rest = ~(mask >> from);
	unsigned int count = rest ? __ffs64(rest) : RL_WORD_REGIONS;

	count = min(count, RL_WORD_REGIONS - from);
	return count ? GENMASK_ULL(from + count - 1, from) : 0;
}

/**
 * rl_expand() - fetch more than is needed
 * @candidates: regions that may be fetched; @run is among them
 * @run: adjacent regions that are wanted
 * @unit: aligned pieces, a power of two of regions
 * @limit: the most
 *
 * Return: adjacent regions of @candidates, the first of @run among them.
 */
u64 rl_expand(u64 candidates, u64 run, unsigned int unit, unsigned int limit)
{
	unsigned int first = __ffs64(run), last = __fls(run), low, high;

	if (last - first >= limit)
		return GENMASK_ULL(first + limit - 1, first);
	unit = min(unit, RL_WORD_REGIONS);
	low = round_down(first, unit);
	high = round_up(last + 1, unit) - 1;
	while (first > low && candidates & BIT_ULL(first - 1) && last - first + 1 < limit)
		first--;
	while (last < high && candidates & BIT_ULL(last + 1) && last - first + 1 < limit)
		last++;
	return GENMASK_ULL(last, first);
}

/**
 * rl_extent_of() - what a bio covers
 * @extent: result
 * @region_shift: log2 of the sectors of a region
 * @device_sectors: size of the device
 * @sector: first one
 * @sectors: length, at least 1; within a word
 */
void rl_extent_of(struct rl_extent *extent, unsigned int region_shift, sector_t device_sectors,
		  sector_t sector, unsigned int sectors)
{
	sector_t end = sector + sectors, size = (sector_t)1 << region_shift;
	u64 first = sector >> region_shift, last = (end - 1) >> region_shift;
	unsigned int low = first % RL_WORD_REGIONS, high = last % RL_WORD_REGIONS;

	extent->word = first / RL_WORD_REGIONS;
	extent->touched = GENMASK_ULL(high, low);
	extent->whole = extent->touched;
	if (sector & (size - 1))
		extent->whole &= ~BIT_ULL(low);
	/* The last region of the device may be shorter. */
	if (end & (size - 1) && end != device_sectors)
		extent->whole &= ~BIT_ULL(high);
}

/**
 * rl_bucket_of() - where what is under way in a word is found
 * @word: number
 *
 * Return: a bucket of struct rl_ops.
 */
unsigned int rl_bucket_of(u64 word)
{
	return hash_64(word, ilog2(RL_BUCKETS));
}

/**
 * rl_op_begin() - something is under way
 * @ops: all of them
 * @op: with word, mask and kind
 *
 * Context: any, rl->lock held.
 */
void rl_op_begin(struct rl_ops *ops, struct rl_op *op)
{
	hlist_add_head(&op->node, &ops->bucket[rl_bucket_of(op->word)]);
}

/**
 * rl_op_end() - it is over
 * @op: as begun
 *
 * Context: any, rl->lock held.
 */
void rl_op_end(struct rl_op *op)
{
	hlist_del(&op->node);
	op->kind = RL_NOTHING;
}

static const struct hlist_head *bucket_of(const struct rl_ops *ops, u64 word)
{
	return &ops->bucket[rl_bucket_of(word)];
}

/**
 * rl_ops_mask() - regions in which something is under way
 * @ops: all of them
 * @word: number
 * @kinds: of what
 *
 * Context: any, rl->lock held.
 * Return: a bit for each.
 */
u64 rl_ops_mask(const struct rl_ops *ops, u64 word, unsigned int kinds)
{
	const struct rl_op *op;
	u64 mask = 0;

	hlist_for_each_entry(op, bucket_of(ops, word), node)
		if (op->word == word && op->kind & kinds)
			mask |= op->mask;
	return mask;
}

/**
 * rl_ops_cancel() - the guest writes: what is fetched is not for DEST any more
 * @ops: all of them
 * @word: number
 * @mask: regions
 *
 * Context: any, rl->lock held.
 */
void rl_ops_cancel(struct rl_ops *ops, u64 word, u64 mask)
{
	struct rl_op *op;

	hlist_for_each_entry(op, bucket_of(ops, word), node)
		if (op->word == word && op->kind == RL_FETCH)
			op->mask &= ~mask;
}

/**
 * rl_ops_need() - somebody waits
 * @ops: all of them
 * @word: number
 * @mask: for these regions
 *
 * Context: any, rl->lock held.
 */
void rl_ops_need(struct rl_ops *ops, u64 word, u64 mask)
{
	struct rl_op *op;

	hlist_for_each_entry(op, bucket_of(ops, word), node)
		if (op->word == word && op->kind == RL_FETCH)
			op->need |= op->mask & mask;
}

/**
 * rl_ops_covering() - the fetch that brings all that a reader wants
 * @ops: all of them
 * @word: number
 * @touched: regions
 *
 * Context: any, rl->lock held.
 * Return: a fetch, or NULL.
 */
struct rl_op *rl_ops_covering(struct rl_ops *ops, u64 word, u64 touched)
{
	struct rl_op *op;

	hlist_for_each_entry(op, bucket_of(ops, word), node)
		if (op->word == word && op->kind == RL_FETCH &&
		    !(touched & ~op->span))
			return op;
	return NULL;
}
