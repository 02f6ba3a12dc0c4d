// SPDX-License-Identifier: GPL-2.0
/*
 * Discards and write-zeroes take something away, so they are done by the
 * worker, which excludes commits; see "What is in one transaction" in
 * Documentation/snapsync.md.
 *
 * A version that was discarded in pieces is empty, but a write to it may be
 * under way, whose data are going to be valid when it ends. It is noted, and
 * freed later, when all that was under way has ended and nothing new has begun.
 */
#include <linux/bitmap.h>
#include "snapsync.h"

static bool is_empty(const struct ss_table *table, u32 version)
{
	return bitmap_empty(ss_table_valid(table, version), table->words * BITS_PER_LONG);
}

/* Gate, lock and volume->meta held, within a change. */
static void forget_version(struct ss_volume *volume, u32 version)
{
	ss_layer_count(volume, ss_table_layer(&volume->table, version), ss_kind_of(version), -1);
	ss_table_remove(&volume->table, version);
	ss_space_free(volume, version);
}

/* If there is no room, as all are in use, it stays until it is written, or discarded as a whole. */
static void note_emptied(struct ss_volume *volume, u32 version)
{
	unsigned int i;

	for (i = 0; i < volume->nr_emptied; i++)
		if (volume->emptied[i] == version)
			return;
	if (volume->nr_emptied == SS_EMPTIED_MAX)
		return;
	volume->emptied[volume->nr_emptied] = version;
	WRITE_ONCE(volume->nr_emptied, volume->nr_emptied + 1);
}

/**
 * ss_forget_emptied() - a version is freed in another way
 * @volume: volume
 * @version: maybe noted; its place is soon another's
 *
 * Context: any, volume->meta held.
 */
void ss_forget_emptied(struct ss_volume *volume, u32 version)
{
	unsigned int i;

	for (i = 0; i < volume->nr_emptied; i++) {
		if (volume->emptied[i] != version)
			continue;
		volume->emptied[i] = volume->emptied[volume->nr_emptied - 1];
		WRITE_ONCE(volume->nr_emptied, volume->nr_emptied - 1);
		return;
	}
}

/**
 * ss_watch_emptied() - a write begins that goes to a version in place, while some are noted
 * @volume: volume
 * @version: the running layer's
 *
 * Context: gate entered, under the lock of the chunk: it was noted under that, too.
 */
void ss_watch_emptied(struct ss_volume *volume, u32 version)
{
	if (is_empty(&volume->table, version))
		WRITE_ONCE(volume->emptied_are_used, true);
}

/* With the gate closed: whatever is under way began after the drain, and would have been seen. */
static void free_emptied(struct ss_volume *volume)
{
	while (volume->nr_emptied) {
		u32 version = volume->emptied[volume->nr_emptied - 1];
		u32 chunk = ss_table_chunk(&volume->table, version);
		raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);

		raw_spin_lock(lock);
		ss_table_change_begin(&volume->table, chunk);
		if (is_empty(&volume->table, version))
			forget_version(volume, version);
		else
			ss_forget_emptied(volume, version);
		ss_table_change_end(&volume->table, chunk);
		raw_spin_unlock(lock);
	}
}

/**
 * ss_free_emptied() - free versions that were discarded in pieces
 * @volume: volume
 *
 * Context: worker, volume->meta held. Waits for bios under way if there are any.
 */
void ss_free_emptied(struct ss_volume *volume)
{
	unsigned long flags;

	if (!volume->nr_emptied)
		return;
	WRITE_ONCE(volume->emptied_are_used, false);
	ss_drain(volume);
	flags = ss_gate_close(volume->group);
	if (!volume->emptied_are_used)
		free_emptied(volume);
	ss_gate_open(volume->group, flags);
}

/* The running layer's version of a chunk, or SS_NONE. Under the lock of that chunk. */
static u32 own(struct ss_volume *volume, u32 chunk, enum ss_kind kind)
{
	lockdep_assert_held(ss_table_lock(&volume->table, chunk));
	return ss_table_own(&volume->table, chunk, volume->running, kind);
}

/* The running layer has the highest generation: what it has comes first. Gate and lock held. */
static bool has_own(const struct ss_volume *volume, u32 chunk)
{
	u32 newest = ss_table_newest(&volume->table, chunk);

	return newest != SS_NONE && ss_table_layer(&volume->table, newest) == volume->running;
}

/* Of chunks that share a lock. */
static bool has_any(struct ss_volume *volume, u32 chunk, u32 last)
{
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	unsigned long flags = ss_gate_enter(volume->group);
	bool has;

	raw_spin_lock(lock);
	do {
		has = has_own(volume, chunk);
	} while (!has && chunk++ < last);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
	return has;
}

/**
 * ss_has_to_discard() - has the running layer anything there?
 * @volume: volume
 * @bio: discard, of SS_RUN_CHUNKS chunks at most that begin anywhere: of two runs
 *
 * Context: any.
 * Return: false if there is nothing for the worker to do.
 */
bool ss_has_to_discard(struct ss_volume *volume, const struct bio *bio)
{
	u32 chunk = ss_chunk_of(volume, bio->bi_iter.bi_sector);
	u32 end = ss_chunk_of(volume, bio_end_sector(bio) - 1), last;

	for (; chunk <= end; chunk = last + 1) {
		last = min(end, chunk | (SS_RUN_CHUNKS - 1));
		if (has_any(volume, chunk, last))
			return true;
	}
	return false;
}

/* Sectors of the chunk at @sector that [sector, end) covers; all that there are? */
static unsigned int part_of_chunk(const struct ss_volume *volume, sector_t sector, sector_t end,
				  bool *whole)
{
	unsigned int offset = ss_offset_of(volume, sector);
	unsigned int size = min_t(sector_t, volume->chunk_sectors,
				  volume->volume_sectors - (sector - offset));
	unsigned int sectors = min_t(sector_t, size - offset, end - sector);

	*whole = sectors == size;
	return sectors;
}

/* What the running layer has of these sectors goes. As forget_version(). */
static void drop(struct ss_volume *volume, u32 chunk, enum ss_kind kind, unsigned int offset,
		 unsigned int sectors, bool whole)
{
	u32 version = own(volume, chunk, kind);

	if (version == SS_NONE)
		return;
	bitmap_clear(ss_table_valid(&volume->table, version), offset, sectors);
	/* Unless all is gone at once, a write to another part may be under way. */
	if (whole) {
		forget_version(volume, version);
		return;
	}
	ss_mark_version(volume, version);
	if (is_empty(&volume->table, version))
		note_emptied(volume, version);
}

static void discard(struct ss_volume *volume, sector_t sector, unsigned int sectors, bool whole)
{
	u32 chunk = ss_chunk_of(volume, sector);
	unsigned int offset = ss_offset_of(volume, sector);
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	unsigned long flags = ss_gate_enter(volume->group);

	raw_spin_lock(lock);
	ss_table_change_begin(&volume->table, chunk);
	drop(volume, chunk, SS_KIND_DATA, offset, sectors, whole);
	drop(volume, chunk, SS_KIND_ZERO, offset, sectors, whole);
	ss_count_written(volume, sectors);
	ss_table_change_end(&volume->table, chunk);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
}

/* Returns false if there is no zero version left. */
static bool write_zeroes(struct ss_volume *volume, sector_t sector, unsigned int sectors,
			 bool whole)
{
	u32 chunk = ss_chunk_of(volume, sector);
	unsigned int offset = ss_offset_of(volume, sector);
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	u32 fresh = ss_space_take_zero(volume), version;
	unsigned long flags;

	if (fresh == SS_NONE)
		return false;
	flags = ss_gate_enter(volume->group);
	raw_spin_lock(lock);
	ss_table_change_begin(&volume->table, chunk);
	version = own(volume, chunk, SS_KIND_ZERO);
	if (version == SS_NONE) {
		swap(version, fresh);
		ss_table_insert(&volume->table, version, chunk, volume->running);
		ss_layer_count(volume, volume->running, SS_KIND_ZERO, 1);
	}
	bitmap_set(ss_table_valid(&volume->table, version), offset, sectors);
	ss_mark_version(volume, version);
	drop(volume, chunk, SS_KIND_DATA, offset, sectors, whole);
	ss_count_written(volume, sectors);
	ss_table_change_end(&volume->table, chunk);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
	if (fresh != SS_NONE)
		ss_space_free(volume, fresh);
	return true;
}

/* Changes one chunk, or the part of it that the bio begins with. */
static blk_status_t change_chunk(struct ss_volume *volume, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	bool whole;
	unsigned int sectors = part_of_chunk(volume, sector, bio_end_sector(bio), &whole);

	if (bio_op(bio) == REQ_OP_DISCARD)
		discard(volume, sector, sectors, whole);
	else if (!write_zeroes(volume, sector, sectors, whole))
		return BLK_STS_NOTSUPP;
	/* Many come before the worker's next look. */
	if (volume->nr_emptied == SS_EMPTIED_MAX)
		ss_free_emptied(volume);
	bio_advance(bio, sectors << SECTOR_SHIFT);
	return BLK_STS_OK;
}

/**
 * ss_change_range() - do some of a discard, or write zeroes
 * @volume: volume
 * @bio: ended when all of it is done; otherwise what is left of it
 * @chunks: at most so many; less what was done
 *
 * Context: worker, volume->meta held.
 * Return: true if it has ended.
 */
bool ss_change_range(struct ss_volume *volume, struct bio *bio, unsigned int *chunks)
{
	blk_status_t status = BLK_STS_OK;

	for (; *chunks && bio_sectors(bio) && !status; --*chunks)
		status = change_chunk(volume, bio);
	if (bio_sectors(bio) && !status)
		return false;
	bio->bi_status = status;
	bio_endio(bio);
	return true;
}
