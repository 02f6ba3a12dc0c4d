// SPDX-License-Identifier: GPL-2.0
/*
 * Free chunks of STORE, and what happens when there are none.
 *
 * Writes take chunks from a small reserve, with a raw lock and no search; the
 * worker refills it and provides the memory that the table needs for them.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include "snapsync.h"

static int grow_bitmap(unsigned long **bitmap, u32 old_bits, u32 new_bits)
{
	unsigned long *new = kvcalloc(BITS_TO_LONGS(new_bits), sizeof(long), GFP_KERNEL);

	if (!new)
		return -ENOMEM;
	if (*bitmap)
		bitmap_copy(new, *bitmap, old_bits);
	swap(*bitmap, new);
	kvfree(new);
	return 0;
}

/* The dirty bits are set by bios that end. */
static int grow_dirty(struct ss_volume *volume, enum ss_kind kind, u32 blocks)
{
	unsigned long *new = kvcalloc(BITS_TO_LONGS(blocks), sizeof(long), GFP_KERNEL);
	unsigned long flags;

	if (!new)
		return -ENOMEM;
	flags = ss_gate_close(volume->group);
	if (volume->dirty[kind])
		bitmap_copy(new, volume->dirty[kind], volume->max_blocks[kind]);
	swap(volume->dirty[kind], new);
	ss_gate_open(volume->group, flags);
	kvfree(new);
	return 0;
}

static int grow_seqs(struct ss_volume *volume, enum ss_kind kind, u32 blocks)
{
	u64 *new = kvcalloc(blocks, sizeof(*new), GFP_KERNEL);

	if (!new)
		return -ENOMEM;
	if (volume->block_seq[kind])
		memcpy(new, volume->block_seq[kind], volume->max_blocks[kind] * sizeof(*new));
	swap(volume->block_seq[kind], new);
	kvfree(new);
	return 0;
}

static int grow_kind(struct ss_volume *volume, enum ss_kind kind, u32 nr_versions)
{
	u32 blocks = DIV_ROUND_UP(nr_versions, volume->table.per_block);
	int err;

	err = grow_bitmap(&volume->used[kind], volume->nr_versions, nr_versions);
	err = err ?: grow_bitmap(&volume->current_slot[kind], volume->max_blocks[kind], blocks);
	err = err ?: grow_seqs(volume, kind, blocks);
	err = err ?: grow_dirty(volume, kind, blocks);
	if (!err)
		volume->max_blocks[kind] = blocks;
	return err;
}

/* All arrays first, as what is larger than need be does no harm. */
static int resize(struct ss_volume *volume, u32 nr_versions)
{
	int err = ss_table_grow(&volume->table, nr_versions, volume->group);

	err = err ?: grow_kind(volume, SS_KIND_DATA, nr_versions);
	err = err ?: grow_kind(volume, SS_KIND_ZERO, nr_versions);
	if (err)
		return err;
	volume->nr_free[SS_KIND_DATA] += nr_versions - volume->nr_versions;
	volume->nr_free[SS_KIND_ZERO] += nr_versions - volume->nr_versions;
	volume->nr_versions = nr_versions;
	return 0;
}

/**
 * ss_space_init() - all chunks are free
 * @volume: with chunk_sectors, store_sectors and group
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -ENOSPC when the store is too small. ss_space_exit() is right in either
 * case.
 */
int ss_space_init(struct ss_volume *volume)
{
	u32 nr_versions = ss_versions_in(volume->store_sectors, volume->chunk_sectors);
	int err;

	if (!nr_versions)
		return -ENOSPC;
	err = ss_table_init(&volume->table, volume->chunk_sectors, nr_versions);
	err = err ?: resize(volume, nr_versions);
	err = err ?: grow_bitmap(&volume->current_slot[SS_KIND_LAYER], 0, SS_LAYER_BLOCKS);
	err = err ?: grow_seqs(volume, SS_KIND_LAYER, SS_LAYER_BLOCKS);
	err = err ?: grow_dirty(volume, SS_KIND_LAYER, SS_LAYER_BLOCKS);
	volume->max_blocks[SS_KIND_LAYER] = SS_LAYER_BLOCKS;
	return err;
}

/**
 * ss_space_exit() - the reverse
 * @volume: volume
 *
 * Context: may sleep. May be set up again after that.
 */
void ss_space_exit(struct ss_volume *volume)
{
	unsigned int kind;

	for (kind = 0; kind < SS_KINDS; kind++) {
		kvfree(volume->current_slot[kind]);
		kvfree(volume->block_seq[kind]);
		kvfree(volume->dirty[kind]);
	}
	kvfree(volume->used[SS_KIND_DATA]);
	kvfree(volume->used[SS_KIND_ZERO]);
	ss_table_exit(&volume->table);
	memset(&volume->table, 0, sizeof(volume->table));
	memset(volume->current_slot, 0, sizeof(volume->current_slot));
	memset(volume->block_seq, 0, sizeof(volume->block_seq));
	memset(volume->dirty, 0, sizeof(volume->dirty));
	memset(volume->used, 0, sizeof(volume->used));
	memset(volume->max_blocks, 0, sizeof(volume->max_blocks));
	memset(volume->nr_free, 0, sizeof(volume->nr_free));
	memset(volume->cursor, 0, sizeof(volume->cursor));
	volume->nr_versions = 0;
	volume->nr_emptied = 0;
	volume->reserve_first = 0;
	volume->reserve_last = 0;
}

static unsigned int reserved(const struct ss_volume *volume)
{
	return READ_ONCE(volume->reserve_last) - READ_ONCE(volume->reserve_first);
}

/**
 * ss_space_take() - a chunk from the reserve
 * @volume: volume
 * @wanted: only this one will do; SS_NONE = any
 *
 * Context: any, with the gate entered.
 * Return: version or SS_NONE.
 */
u32 ss_space_take(struct ss_volume *volume, u32 wanted)
{
	u32 version = SS_NONE;

	raw_spin_lock(&volume->reserve_lock);
	if (reserved(volume)) {
		version = volume->reserve[volume->reserve_first % SS_RESERVE];
		if (wanted == SS_NONE || version == wanted)
			WRITE_ONCE(volume->reserve_first, volume->reserve_first + 1);
		else
			version = SS_NONE;
	}
	raw_spin_unlock(&volume->reserve_lock);
	return version;
}

/**
 * ss_space_is_short() - should the reserve be refilled?
 * @volume: volume
 *
 * Context: any.
 * Return: true when it is half empty and there are more free chunks.
 */
bool ss_space_is_short(const struct ss_volume *volume)
{
	return reserved(volume) < SS_RESERVE / 2 && READ_ONCE(volume->nr_free[SS_KIND_DATA]);
}

/* A free version with memory behind it, or SS_NONE. */
static u32 find_free(struct ss_volume *volume, enum ss_kind kind)
{
	u32 place, version;

	if (!volume->nr_free[kind])
		return SS_NONE;
	place = find_next_zero_bit(volume->used[kind], volume->nr_versions, volume->cursor[kind]);
	if (WARN_ON_ONCE(place >= volume->nr_versions))
		return SS_NONE;
	version = ss_version_at(kind, place);
	if (ss_table_prepare(&volume->table, version, SS_GFP))
		return SS_NONE;
	__set_bit(place, volume->used[kind]);
	volume->cursor[kind] = place + 1;
	WRITE_ONCE(volume->nr_free[kind], volume->nr_free[kind] - 1);
	return version;
}

/**
 * ss_space_take_zero() - a zero version
 * @volume: volume
 *
 * Context: may sleep, volume->meta held.
 * Return: version or SS_NONE.
 */
u32 ss_space_take_zero(struct ss_volume *volume)
{
	return find_free(volume, SS_KIND_ZERO);
}

/**
 * ss_space_free_chunks() - free chunks, those in the reserve included
 * @volume: volume
 *
 * Return: number.
 */
u32 ss_space_free_chunks(struct ss_volume *volume)
{
	return READ_ONCE(volume->nr_free[SS_KIND_DATA]) + reserved(volume);
}

static void watch_low_water(struct ss_volume *volume)
{
	bool is_low = ss_space_free_chunks(volume) < volume->low_water;

	if (is_low && !volume->is_low)
		ss_volume_event(volume);
	volume->is_low = is_low;
}

/**
 * ss_space_refill() - fill the reserve
 * @volume: volume
 *
 * Context: may sleep, volume->meta held.
 */
void ss_space_refill(struct ss_volume *volume)
{
	while (reserved(volume) < SS_RESERVE) {
		u32 version = find_free(volume, SS_KIND_DATA);

		if (version == SS_NONE)
			break;
		raw_spin_lock_irq(&volume->reserve_lock);
		volume->reserve[volume->reserve_last % SS_RESERVE] = version;
		WRITE_ONCE(volume->reserve_last, volume->reserve_last + 1);
		raw_spin_unlock_irq(&volume->reserve_lock);
	}
	ss_table_restock(&volume->table, SS_GFP);
	watch_low_water(volume);
}

/**
 * ss_space_free() - a version is free once this transaction is durable
 * @volume: volume
 * @version: not in the table any more
 *
 * Context: any, volume->meta held.
 */
void ss_space_free(struct ss_volume *volume, u32 version)
{
	ss_forget_emptied(volume, version);
	*ss_table_link(&volume->table, version) = volume->freed;
	volume->freed = version;
	ss_mark_version(volume, version);
}

/* Held writes try again, and have all of their time before them. */
static void release_held(struct ss_volume *volume)
{
	spin_lock_irq(&volume->bio_lock);
	bio_list_merge(&volume->deferred, &volume->held);
	bio_list_init(&volume->held);
	spin_unlock_irq(&volume->bio_lock);
	volume->is_full = false;
	volume->held_since = jiffies;
	ss_volume_kick(volume);
}

/**
 * ss_space_freed() - the transaction is durable and no bio uses its chunks
 * @volume: volume
 * @list: of versions, by link
 *
 * Context: may sleep, volume->meta held.
 */
void ss_space_freed(struct ss_volume *volume, u32 list)
{
	while (list != SS_NONE) {
		enum ss_kind kind = ss_kind_of(list);
		u32 place = ss_place_of(list);

		list = *ss_table_link(&volume->table, list);
		__clear_bit(place, volume->used[kind]);
		volume->cursor[kind] = min(volume->cursor[kind], place);
		WRITE_ONCE(volume->nr_free[kind], volume->nr_free[kind] + 1);
	}
	release_held(volume);
}

/**
 * ss_space_extend() - use what STORE has grown by
 * @volume: volume
 *
 * Context: may sleep, volume->meta held.
 * Return: 0, also when it has not grown, or -ENOMEM.
 */
int ss_space_extend(struct ss_volume *volume)
{
	sector_t sectors = round_down(bdev_nr_sectors(volume->store), SS_BLOCK_SECTORS);
	u32 nr_versions = ss_versions_in(sectors, volume->chunk_sectors);
	int err;

	if (nr_versions <= volume->nr_versions)
		return 0;
	err = resize(volume, nr_versions);
	if (err)
		return err;
	volume->store_sectors = sectors;
	/* The new size goes with the next commit: any dirty block brings one about. */
	ss_layer_mark(volume, volume->running);
	ss_space_refill(volume);
	release_held(volume);
	return 0;
}

/* What was covered only in part may be by now, and what is free waits for a commit. */
static void find_space(struct ss_volume *volume)
{
	volume->reap_asked++;
	ss_volume_kick(volume);
	mod_delayed_work(volume->wq, &volume->commit_work, 0);
}

/**
 * ss_space_hold() - keep a write until there is space
 * @volume: volume
 * @bio: write
 *
 * Context: worker, volume->meta held.
 */
void ss_space_hold(struct ss_volume *volume, struct bio *bio)
{
	bool fail;

	if (!volume->is_full && !delayed_work_pending(&volume->hold_work)) {
		volume->held_since = jiffies;
		queue_delayed_work(volume->wq, &volume->hold_work, 0);
		find_space(volume);
		ss_volume_event(volume);
	}
	spin_lock_irq(&volume->bio_lock);
	fail = volume->is_full || volume->is_suspending;
	if (!fail)
		bio_list_add(&volume->held, bio);
	spin_unlock_irq(&volume->bio_lock);
	if (!fail)
		return;
	bio->bi_status = volume->is_suspending ? BLK_STS_DM_REQUEUE : BLK_STS_NOSPC;
	bio_endio(bio);
}

/**
 * ss_space_hold_over() - each second while writes are held
 * @work: volume->hold_work
 *
 * Context: worker.
 */
void ss_space_hold_over(struct work_struct *work)
{
	struct ss_volume *volume = container_of(to_delayed_work(work), struct ss_volume, hold_work);
	unsigned int noio = ss_meta_lock(volume);
	unsigned long hold = msecs_to_jiffies(volume->hold_ms);
	bool waits;

	ss_space_extend(volume);
	/* There may be memory now. */
	ss_space_refill(volume);
	if (reserved(volume))
		release_held(volume);
	spin_lock_irq(&volume->bio_lock);
	waits = !bio_list_empty(&volume->held);
	spin_unlock_irq(&volume->bio_lock);
	if (waits && time_after_eq(jiffies, volume->held_since + hold)) {
		volume->is_full = true;
		ss_volume_event(volume);
		ss_io_fail(volume, &volume->held, BLK_STS_NOSPC);
	}
	if (waits || volume->is_full)
		queue_delayed_work(volume->wq, &volume->hold_work, HZ);
	ss_meta_unlock(volume, noio);
}
