// SPDX-License-Identifier: GPL-2.0
/*
 * Bios: what reads find, where writes go.
 *
 * A read or write lies within an aligned run of SS_RUN_CHUNKS chunks (the
 * target's max_io_len), so that one lock covers it. What is contiguous on one device
 * is mapped at once; device mapper brings the rest again.
 *
 * Discards and write-zeroes are done by the worker: see discard.c.
 */
#include <linux/bitmap.h>
#include "snapsync.h"

/*
 * What the worker does between two looks at whether a flush waits: writes, or
 * chunks of what may be a large discard, or write-zeroes of 4 GiB.
 */
#define DEFERRED_STEP	1024

static struct ss_bio *ss_bio_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct ss_bio));
}

/**
 * ss_version_sector() - where a version's data are
 * @volume: volume
 * @version: of data
 *
 * Return: first sector on STORE.
 */
sector_t ss_version_sector(const struct ss_volume *volume, u32 version)
{
	u32 per_group = volume->table.per_group;
	sector_t group = version / per_group;
	sector_t group_sectors = SS_GROUP_META_BLOCKS * SS_BLOCK_SECTORS +
				 (sector_t)per_group * volume->chunk_sectors;

	return SS_GROUP_BLOCK * SS_BLOCK_SECTORS + group * group_sectors +
	       SS_GROUP_META_BLOCKS * SS_BLOCK_SECTORS +
	       (sector_t)(version % per_group) * volume->chunk_sectors;
}

/**
 * ss_mark_dirty() - a metadata block differs from the disk
 * @volume: volume
 * @kind: of block
 * @block: its number among its kind
 *
 * Context: any, with the gate entered or closed, or volume->meta held.
 */
void ss_mark_dirty(struct ss_volume *volume, enum ss_kind kind, u32 block)
{
	/*
	 * Counted before the bit is there: who finds it set, and ends a write on
	 * the strength of it, has a flush after that wait for the commit. Counting
	 * once too often for a moment costs a commit at most.
	 */
	atomic_inc(&volume->unclean);
	if (test_and_set_bit(block, volume->dirty[kind]))
		atomic_dec(&volume->unclean);
	if (READ_ONCE(volume->mode) == SS_MODE_WRITE && !delayed_work_pending(&volume->commit_work))
		queue_delayed_work(volume->wq, &volume->commit_work, HZ);
}

/**
 * ss_mark_version() - what the disk says of a version is to be written
 * @volume: volume
 * @version: version
 *
 * Context: as ss_mark_dirty().
 */
void ss_mark_version(struct ss_volume *volume, u32 version)
{
	ss_mark_dirty(volume, ss_kind_of(version), ss_place_of(version) / volume->table.per_block);
}

/* The place after a version in the same group, or SS_NONE. */
static u32 place_after(const struct ss_volume *volume, u32 version)
{
	return (version + 1) % volume->table.per_group ? version + 1 : SS_NONE;
}

static bool continues(const struct ss_volume *volume, const struct ss_source *run, u32 last,
		      const struct ss_source *more)
{
	if (more->where != run->where)
		return false;
	return run->where != SS_FROM_STORE || place_after(volume, last) == more->version;
}

/* The longest run from one source; @steps as of ss_table_resolve(). */
static void find_run(const struct ss_volume *volume, const struct ss_line *line, sector_t sector,
		     unsigned int sectors, unsigned int steps, struct ss_source *run)
{
	u32 chunk = ss_chunk_of(volume, sector), last;
	unsigned int offset = ss_offset_of(volume, sector);
	unsigned int size = volume->chunk_sectors;
	struct ss_source more;

	ss_table_resolve(&volume->table, line, chunk, offset, min(sectors, size - offset), steps,
			 run);
	last = run->version;
	while (run->sectors && run->sectors < sectors && !((offset + run->sectors) % size)) {
		ss_table_resolve(&volume->table, line, ++chunk, 0,
				 min(sectors - run->sectors, size), steps, &more);
		if (!more.sectors || !continues(volume, run, last, &more))
			break;
		run->sectors += more.sectors;
		last = more.version;
	}
}

/* Without the lock, unless something changes meanwhile. Gate entered. */
static void look_up(struct ss_volume *volume, const struct ss_line *line, sector_t sector,
		    unsigned int sectors, struct ss_source *run)
{
	u32 chunk = ss_chunk_of(volume, sector);
	unsigned int seq = ss_table_read_begin(&volume->table, chunk);
	raw_spinlock_t *lock;

	find_run(volume, line, sector, sectors, SS_STEPS, run);
	if (!ss_table_read_retry(&volume->table, chunk, seq) && run->sectors)
		return;
	lock = ss_table_lock(&volume->table, chunk);
	raw_spin_lock(lock);
	find_run(volume, line, sector, sectors, SS_STEPS_ANY, run);
	raw_spin_unlock(lock);
}

/* Only in ->map(): device mapper comes again with what is left. */
static void accept(struct bio *bio, unsigned int sectors)
{
	if (sectors < bio_sectors(bio))
		dm_accept_partial_bio(bio, sectors);
}

/**
 * ss_io_read() - map a read
 * @volume: volume
 * @base: BASE as opened by the reading device
 * @store: STORE as opened by it
 * @line: layers to be seen, NULL = the running one's
 * @bio: read
 *
 * Context: any.
 * Return: DM_MAPIO_...
 */
int ss_io_read(struct ss_volume *volume, struct block_device *base, struct block_device *store,
	       const struct ss_line *line, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	struct ss_bio *sb = ss_bio_of(bio);
	struct ss_source run;
	unsigned long flags;

	memset(sb, 0, sizeof(*sb));
	flags = ss_gate_enter(volume->group);
	look_up(volume, line ?: volume->line, sector, bio_sectors(bio), &run);
	/* What BASE has is nobody's to free: a BASE that hangs keeps only its readers waiting. */
	if (run.where == SS_FROM_STORE)
		ss_count_bio(volume, sb);
	ss_gate_leave(volume->group, flags);

	accept(bio, run.sectors);
	switch (run.where) {
	case SS_FROM_ZERO:
		zero_fill_bio(bio);
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	case SS_FROM_STORE:
		bio_set_dev(bio, store);
		bio->bi_iter.bi_sector = ss_version_sector(volume, run.version) +
					 ss_offset_of(volume, sector);
		return DM_MAPIO_REMAPPED;
	default:
		bio_set_dev(bio, base);
		return DM_MAPIO_REMAPPED;
	}
}

static bool all_valid(const unsigned long *valid, unsigned int offset, unsigned int sectors)
{
	return find_next_zero_bit(valid, offset + sectors, offset) >= offset + sectors;
}

/* The running layer's version of a chunk; a new one must be @wanted, unless that is SS_NONE. */
static u32 version_to_write(struct ss_volume *volume, u32 chunk, u32 wanted)
{
	u32 version = ss_table_own(&volume->table, chunk, volume->running, SS_KIND_DATA);

	if (version != SS_NONE) {
		if (READ_ONCE(volume->nr_emptied))
			ss_watch_emptied(volume, version);
		return version;
	}
	version = ss_space_take(volume, wanted);
	if (version == SS_NONE)
		return SS_NONE;
	ss_table_change_begin(&volume->table, chunk);
	ss_table_insert(&volume->table, version, chunk, volume->running);
	ss_table_change_end(&volume->table, chunk);
	ss_layer_count(volume, volume->running, SS_KIND_DATA, 1);
	return version;
}

/* The versions that a write begins with; no sectors if there is no space. Gate and lock held. */
static void place_write(struct ss_volume *volume, struct bio *bio, struct ss_bio *sb)
{
	unsigned int left = bio_sectors(bio);
	u32 version, wanted = SS_NONE;

	while (left) {
		sector_t sector = sb->sector + sb->sectors;
		unsigned int offset = ss_offset_of(volume, sector);
		unsigned int sectors = min(left, volume->chunk_sectors - offset);

		version = version_to_write(volume, ss_chunk_of(volume, sector), wanted);
		if (version == SS_NONE || (sb->sectors && version != wanted))
			return;
		if (!sb->sectors)
			sb->version = version;
		if (!all_valid(ss_table_valid(&volume->table, version), offset, sectors))
			sb->fresh = true;
		sb->sectors += sectors;
		left -= sectors;
		wanted = place_after(volume, version);
		if (wanted == SS_NONE)
			return;
	}
}

/* Metadata must follow the data of a FUA write before it ends. */
static void prepare_fua(struct ss_volume *volume, struct bio *bio, struct ss_bio *sb)
{
	if (!(bio->bi_opf & REQ_FUA))
		return;
	if (!sb->fresh && !atomic_read(&volume->unclean))
		return;
	bio->bi_opf &= ~REQ_FUA;
	sb->commit = true;
}

/* Returns false if there is no space; otherwise sb->sectors of the bio are mapped. */
static bool map_write(struct ss_volume *volume, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	raw_spinlock_t *lock = ss_table_lock(&volume->table, ss_chunk_of(volume, sector));
	struct ss_bio *sb = ss_bio_of(bio);
	unsigned long flags;

	memset(sb, 0, sizeof(*sb));
	sb->sector = sector;
	flags = ss_gate_enter(volume->group);
	raw_spin_lock(lock);
	place_write(volume, bio, sb);
	raw_spin_unlock(lock);
	if (sb->sectors) {
		prepare_fua(volume, bio, sb);
		ss_count_bio(volume, sb);
		ss_count_written(volume, sb->sectors);
	}
	ss_gate_leave(volume->group, flags);
	if (ss_space_is_short(volume))
		ss_volume_kick(volume);
	if (!sb->sectors)
		return false;
	bio_set_dev(bio, volume->store);
	bio->bi_iter.bi_sector = ss_version_sector(volume, sb->version) +
				 ss_offset_of(volume, sector);
	return true;
}

static int defer(struct ss_volume *volume, struct bio_list *list, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&volume->bio_lock, flags);
	bio_list_add(list, bio);
	spin_unlock_irqrestore(&volume->bio_lock, flags);
	ss_volume_kick(volume);
	return DM_MAPIO_SUBMITTED;
}

static int map_flush(struct ss_volume *volume, struct bio *bio)
{
	memset(ss_bio_of(bio), 0, sizeof(struct ss_bio));
	if (atomic_read(&volume->unclean))
		return defer(volume, &volume->flushes, bio);
	bio_set_dev(bio, volume->store);
	return DM_MAPIO_REMAPPED;
}

/**
 * ss_io_map() - map a bio of the running layer
 * @volume: volume
 * @bio: bio
 *
 * Context: any; as target_type.map.
 * Return: DM_MAPIO_...
 */
int ss_io_map(struct ss_volume *volume, struct bio *bio)
{
	unsigned int offset = ss_offset_of(volume, bio->bi_iter.bi_sector);
	bool writable = READ_ONCE(volume->mode) == SS_MODE_WRITE;

	if (bio_op(bio) == REQ_OP_READ)
		return ss_io_read(volume, volume->base, volume->store, NULL, bio);
	memset(ss_bio_of(bio), 0, sizeof(struct ss_bio));
	if (!writable)
		return DM_MAPIO_KILL;
	if (bio->bi_opf & REQ_PREFLUSH)
		return map_flush(volume, bio);
	if (bio_op(bio) == REQ_OP_DISCARD && !ss_has_to_discard(volume, bio)) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	if (bio_op(bio) != REQ_OP_WRITE)
		return defer(volume, &volume->deferred, bio);
	if (map_write(volume, bio)) {
		accept(bio, ss_bio_of(bio)->sectors);
		return DM_MAPIO_REMAPPED;
	}
	/* The worker cannot split: one chunk at a time. */
	accept(bio, min(bio_sectors(bio), volume->chunk_sectors - offset));
	return defer(volume, &volume->deferred, bio);
}

/* The data are there: from now on they are what is read, and what a commit writes. */
static void make_valid(struct ss_volume *volume, const struct ss_bio *sb)
{
	raw_spinlock_t *lock = ss_table_lock(&volume->table, ss_chunk_of(volume, sb->sector));
	unsigned int done = 0;
	u32 version = sb->version;

	raw_spin_lock(lock);
	while (done < sb->sectors) {
		unsigned int offset = ss_offset_of(volume, sb->sector + done);
		unsigned int sectors = min(sb->sectors - done, volume->chunk_sectors - offset);

		/* A restore or a discard may have taken it away meanwhile. */
		if (ss_table_layer(&volume->table, version)) {
			bitmap_set(ss_table_valid(&volume->table, version), offset, sectors);
			ss_mark_version(volume, version);
		}
		done += sectors;
		version++;
	}
	raw_spin_unlock(lock);
}

/**
 * ss_io_end() - a bio has ended
 * @volume: volume
 * @bio: bio
 * @error: its status
 *
 * Context: any; as target_type.end_io.
 * Return: DM_ENDIO_...
 */
int ss_io_end(struct ss_volume *volume, struct bio *bio, blk_status_t *error)
{
	struct ss_bio *sb = ss_bio_of(bio);
	unsigned long flags;

	if (sb->counted) {
		if (sb->fresh && !*error) {
			flags = ss_gate_enter(volume->group);
			make_valid(volume, sb);
			ss_gate_leave(volume->group, flags);
		}
		ss_uncount_bio(volume, sb);
	}
	if (!sb->commit || *error)
		return DM_ENDIO_DONE;
	/* Ends for good after the commit. */
	sb->commit = false;
	defer(volume, &volume->flushes, bio);
	return DM_ENDIO_INCOMPLETE;
}

/* What is left of a bio is next. */
static void defer_first(struct ss_volume *volume, struct bio *bio)
{
	spin_lock_irq(&volume->bio_lock);
	bio_list_add_head(&volume->deferred, bio);
	spin_unlock_irq(&volume->bio_lock);
}

static void do_write(struct ss_volume *volume, struct bio *bio)
{
	if (map_write(volume, bio))
		submit_bio_noacct(bio);
	else
		ss_space_hold(volume, bio);
}

/* @left: of DEFERRED_STEP */
static void do_deferred(struct ss_volume *volume, struct bio *bio, unsigned int *left)
{
	if (READ_ONCE(volume->mode) == SS_MODE_WRITE && bio_op(bio) != REQ_OP_WRITE) {
		if (!ss_change_range(volume, bio, left))
			defer_first(volume, bio);
		return;
	}
	--*left;
	if (READ_ONCE(volume->mode) == SS_MODE_WRITE)
		do_write(volume, bio);
	else
		bio_io_error(bio);
}

static struct bio *next_deferred(struct ss_volume *volume)
{
	struct bio *bio;

	spin_lock_irq(&volume->bio_lock);
	bio = bio_list_pop(&volume->deferred);
	spin_unlock_irq(&volume->bio_lock);
	return bio;
}

/**
 * ss_io_deferred() - do some of what ->map() left to the worker
 * @volume: volume
 *
 * Context: worker, volume->meta held.
 * Return: true if there may be more: flushes are not to wait for all of it.
 */
bool ss_io_deferred(struct ss_volume *volume)
{
	unsigned int left = DEFERRED_STEP;
	struct bio *bio;

	while (left) {
		bio = next_deferred(volume);
		if (!bio)
			return false;
		do_deferred(volume, bio, &left);
		if (ss_space_is_short(volume))
			ss_space_refill(volume);
	}
	return true;
}

/**
 * ss_io_fail() - end all bios of a list
 * @volume: volume
 * @bios: one of its lists
 * @status: theirs
 *
 * Context: process context.
 */
void ss_io_fail(struct ss_volume *volume, struct bio_list *bios, blk_status_t status)
{
	struct bio_list over = BIO_EMPTY_LIST;
	struct bio *bio;

	spin_lock_irq(&volume->bio_lock);
	bio_list_merge(&over, bios);
	bio_list_init(bios);
	spin_unlock_irq(&volume->bio_lock);
	while ((bio = bio_list_pop(&over))) {
		bio->bi_status = status;
		bio_endio(bio);
	}
}
