// SPDX-License-Identifier: GPL-2.0
/*
 * Bios of the guest.
 *
 * What is present goes to DEST, without a lock. Otherwise rl->lock is taken,
 * and the masks say whether the bio may go, or what it has to wait for. A bio
 * that waits is looked at again, from the start, when that is over.
 */
#include "relocate.h"

enum verdict {
	GO,		/* to DEST */
	WAIT,		/* it is on a list */
	REQUEUE,	/* back to device mapper */
	FAIL,
};

/**
 * rl_bio_of() - what a bio of the device carries
 * @bio: bio
 *
 * Return: as ->map() has set it up.
 */
struct rl_bio *rl_bio_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct rl_bio));
}

static void extent_of(const struct relocate *rl, const struct bio *bio, struct rl_extent *extent)
{
	rl_extent_of(extent, rl->region_shift, rl->sectors, bio->bi_iter.bi_sector,
		     bio_sectors(bio));
}

/*
 * What would wait for SOURCE goes back to device mapper. Asked each time: a
 * suspend may be interrupted, and what came back then would fail.
 */
static bool is_requeuing(const struct relocate *rl)
{
	return dm_noflush_suspending(rl->ti);
}

/* Something in its word is not over yet. */
static enum verdict park(struct relocate *rl, u64 word, struct bio *bio)
{
	bio_list_add(&rl->waiting[rl_bucket_of(word)], bio);
	rl->nr_waiting++;
	return WAIT;
}

static void join(struct relocate *rl, struct rl_op *op, struct bio *bio, u64 absent)
{
	struct rl_slot *slot = container_of(op, struct rl_slot, op);

	bio_list_add(&slot->readers, bio);
	rl->nr_waiting++;
	op->need |= absent & op->mask;
}

static enum verdict starve(struct relocate *rl, struct bio *bio)
{
	bio_list_add(&rl->starved, bio);
	rl->nr_waiting++;
	/* There may be memory for another slot. */
	if (rl->nr_slots < rl->max_slots)
		queue_work(rl->wq, &rl->work);
	return WAIT;
}

/* Regions are needed that are absent: somebody brings them, or we begin to. */
static enum verdict wait_for(struct relocate *rl, struct bio *bio, const struct rl_extent *extent,
			     u64 absent)
{
	u64 busy = rl_ops_mask(&rl->ops, extent->word, RL_ANY), run, mask, first;
	struct rl_slot *slot;

	if (is_requeuing(rl))
		return REQUEUE;
	rl_ops_need(&rl->ops, extent->word, absent);
	if (absent & busy)
		return park(rl, extent->word, bio);
	run = rl_run(absent, __ffs64(absent));
	mask = rl_expand(rl_map_absent(&rl->map, extent->word) & ~busy, run, rl->fetch_regions,
			 rl->slot_regions);
	/* Nothing is kept any more: what no single fetch brings would be fetched for ever. */
	if (rl->mode != RL_MODE_WRITE && extent->touched & ~mask)
		return FAIL;
	slot = rl->link && bio_list_empty(&rl->starved) ? rl_slot_take(rl, true) : NULL;
	if (!slot)
		return starve(rl, bio);
	rl_fetch(rl, slot, extent->word, mask, mask & run);
	first = extent->word * RL_WORD_REGIONS + __ffs64(mask);
	if (rl_ahead_note(&rl->ahead, first, first + hweight64(mask)))
		rl_copy_kick(rl);
	if (bio_op(bio) != REQ_OP_READ || extent->touched & ~mask)
		return park(rl, extent->word, bio);
	join(rl, &slot->op, bio, run);
	return WAIT;
}

static enum verdict judge_read(struct relocate *rl, struct bio *bio)
{
	struct rl_extent extent;
	struct rl_op *op;
	u64 absent;

	extent_of(rl, bio, &extent);
	absent = extent.touched & ~rl_map_word(&rl->map, extent.word);
	if (!absent)
		return GO;
	op = is_requeuing(rl) ? NULL : rl_ops_covering(&rl->ops, extent.word, extent.touched);
	if (!op)
		return wait_for(rl, bio, &extent, absent);
	join(rl, op, bio, absent);
	return WAIT;
}

/* What makes regions present ends with the others of its kind, in rl_io_end(). */
static enum verdict judge_write(struct relocate *rl, struct bio *bio)
{
	struct rl_bio *rb = rl_bio_of(bio);
	struct rl_extent extent;
	u64 absent;

	if (rl->mode != RL_MODE_WRITE)
		return FAIL;
	extent_of(rl, bio, &extent);
	absent = extent.touched & ~rl_map_word(&rl->map, extent.word);
	if (!absent)
		return GO;
	if (absent & ~extent.whole)
		return wait_for(rl, bio, &extent, absent & ~extent.whole);
	if (absent & rl_ops_mask(&rl->ops, extent.word, RL_FILL))
		return park(rl, extent.word, bio);
	rl_ops_cancel(&rl->ops, extent.word, absent);
	rb->op = (struct rl_op){ .word = extent.word, .mask = absent, .kind = RL_WRITE };
	rl_op_begin(&rl->ops, &rb->op);
	return GO;
}

static enum verdict judge(struct relocate *rl, struct bio *bio)
{
	unsigned long flags;
	enum verdict verdict;

	spin_lock_irqsave(&rl->lock, flags);
	verdict = bio_op(bio) == REQ_OP_READ ? judge_read(rl, bio) : judge_write(rl, bio);
	spin_unlock_irqrestore(&rl->lock, flags);
	return verdict;
}

/* The map must follow the data of a FUA write before it ends. */
static void prepare_fua(struct relocate *rl, struct bio *bio)
{
	struct rl_bio *rb = rl_bio_of(bio);

	if (!(bio->bi_opf & REQ_FUA))
		return;
	if (!rb->op.kind && !atomic_read(&rl->meta.unclean))
		return;
	bio->bi_opf &= ~REQ_FUA;
	rb->commit = true;
}

static void go(struct relocate *rl, struct bio *bio)
{
	rl_bio_of(bio)->start_ns = ktime_get_ns();
	if (op_is_write(bio_op(bio)))
		prepare_fua(rl, bio);
	bio_set_dev(bio, rl->dest);
}

static int map_judged(struct relocate *rl, struct bio *bio)
{
	switch (judge(rl, bio)) {
	case GO:
		go(rl, bio);
		return DM_MAPIO_REMAPPED;
	case WAIT:
		return DM_MAPIO_SUBMITTED;
	case REQUEUE:
		return DM_MAPIO_REQUEUE;
	default:
		return DM_MAPIO_KILL;
	}
}

/* Only in ->map(): device mapper comes again with what is left. */
static void accept_until(const struct relocate *rl, struct bio *bio, u64 word, unsigned int region)
{
	sector_t end = (word * RL_WORD_REGIONS + region) << rl->region_shift;

	if (end < bio_end_sector(bio))
		dm_accept_partial_bio(bio, end - bio->bi_iter.bi_sector);
}

/* Device mapper keeps only reads and writes within max_io_len. */
static void accept_word(const struct relocate *rl, struct bio *bio)
{
	u64 word = bio->bi_iter.bi_sector >> rl->region_shift >> ilog2(RL_WORD_REGIONS);

	accept_until(rl, bio, word, RL_WORD_REGIONS);
}

/* A sequential reader came half way to where the copier stops reading ahead. */
static void pass_mark(struct relocate *rl, u64 word)
{
	unsigned long flags;

	spin_lock_irqsave(&rl->lock, flags);
	if (rl->ahead.mark == word)
		rl_ahead_extend(&rl->ahead);
	spin_unlock_irqrestore(&rl->lock, flags);
	rl_copy_kick(rl);
}

static int map_read(struct relocate *rl, struct bio *bio)
{
	struct rl_extent extent;
	unsigned int first, count;
	u64 present;

	extent_of(rl, bio, &extent);
	present = rl_map_word(&rl->map, extent.word);
	first = __ffs64(extent.touched);
	if (!(extent.touched & ~present)) {
		if (unlikely(READ_ONCE(rl->ahead.mark) == extent.word))
			pass_mark(rl, extent.word);
		go(rl, bio);
		return DM_MAPIO_REMAPPED;
	}
	/* What is present need not wait for what is not. */
	if (present & BIT_ULL(first)) {
		accept_until(rl, bio, extent.word, first + hweight64(rl_run(present, first)));
		go(rl, bio);
		return DM_MAPIO_REMAPPED;
	}
	/* What is absent: no more than a fetch brings, so that it is there all at once. */
	count = min_t(u64, hweight64(rl_run(~present, first)), rl->slot_regions);
	accept_until(rl, bio, extent.word, first + count);
	return map_judged(rl, bio);
}

/* The part of a write that covers a region in part may have to wait; the others need not. */
static int map_write(struct relocate *rl, struct bio *bio)
{
	unsigned int first, last;
	struct rl_extent extent;
	u64 present, partial;

	extent_of(rl, bio, &extent);
	present = rl_map_word(&rl->map, extent.word);
	if (!(extent.touched & ~present)) {
		go(rl, bio);
		return DM_MAPIO_REMAPPED;
	}
	partial = extent.touched & ~present & ~extent.whole;
	first = __ffs64(extent.touched);
	last = __fls(extent.touched);
	if (partial & BIT_ULL(first))
		accept_until(rl, bio, extent.word, first + 1);
	else if (partial)
		accept_until(rl, bio, extent.word, last);
	return map_judged(rl, bio);
}

/* What it covers in part keeps what it has. Returns false if nothing is left. */
static bool trim(const struct relocate *rl, struct bio *bio, u64 word, u64 whole)
{
	sector_t start, end;

	if (!whole)
		return false;
	start = (word * RL_WORD_REGIONS + __ffs64(whole)) << rl->region_shift;
	end = (word * RL_WORD_REGIONS + __fls(whole) + 1) << rl->region_shift;
	end = min(end, rl->sectors);
	bio->bi_iter.bi_sector = start;
	bio->bi_iter.bi_size = (end - start) << SECTOR_SHIFT;
	return true;
}

/*
 * A hint, but one that keeps regions from being fetched. What the guest reads
 * there afterwards must not be what DEST held before it was ours.
 */
static int map_discard(struct relocate *rl, struct bio *bio)
{
	struct rl_bio *rb = rl_bio_of(bio);
	struct rl_extent extent;
	bool is_known;

	extent_of(rl, bio, &extent);
	if (extent.whole & ~rl_map_word(&rl->map, extent.word)) {
		is_known = bdev_write_zeroes_sectors(rl->dest);
		bio->bi_opf = REQ_OP_WRITE_ZEROES | (bio->bi_opf & ~REQ_OP_MASK);
	} else {
		is_known = bdev_max_discard_sectors(rl->dest);
	}
	if (!is_known || !trim(rl, bio, extent.word, extent.whole)) {
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	}
	rb->hint = true;
	return map_judged(rl, bio);
}

static int map_flush(struct relocate *rl, struct bio *bio)
{
	unsigned long flags;

	if (!atomic_read(&rl->meta.unclean)) {
		bio_set_dev(bio, rl->dest);
		return DM_MAPIO_REMAPPED;
	}
	spin_lock_irqsave(&rl->lock, flags);
	bio_list_add(&rl->meta.flushes, bio);
	spin_unlock_irqrestore(&rl->lock, flags);
	rl_commit_soon(rl);
	return DM_MAPIO_SUBMITTED;
}

/* So that nobody goes back to SOURCE without knowing. */
static void note_write(struct relocate *rl)
{
	if (!(READ_ONCE(rl->meta.flags) & RL_WRITTEN))
		rl_meta_flag(rl, RL_WRITTEN);
}

/**
 * rl_io_map() - map a bio
 * @rl: device
 * @bio: within a word
 *
 * Context: any; as target_type.map.
 * Return: DM_MAPIO_...
 */
int rl_io_map(struct relocate *rl, struct bio *bio)
{
	struct rl_bio *rb = rl_bio_of(bio);

	memset(rb, 0, sizeof(*rb));
	rb->since = jiffies;
	if (bio_op(bio) == REQ_OP_READ)
		return map_read(rl, bio);
	if (READ_ONCE(rl->mode) != RL_MODE_WRITE)
		return DM_MAPIO_KILL;
	if (bio->bi_opf & REQ_PREFLUSH)
		return map_flush(rl, bio);
	note_write(rl);
	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
		return map_write(rl, bio);
	case REQ_OP_WRITE_ZEROES:
		accept_word(rl, bio);
		return map_write(rl, bio);
	case REQ_OP_DISCARD:
		accept_word(rl, bio);
		return map_discard(rl, bio);
	default:
		return DM_MAPIO_KILL;
	}
}

/**
 * rl_io_end() - a bio has ended
 * @rl: device
 * @bio: bio
 * @error: its status
 *
 * Context: any; as target_type.end_io.
 * Return: DM_ENDIO_...
 */
int rl_io_end(struct relocate *rl, struct bio *bio, blk_status_t *error)
{
	struct rl_meter *meter = &rl->meters[RL_METER_DEST];
	struct rl_bio *rb = rl_bio_of(bio);
	unsigned long flags;

	if (rb->start_ns) {
		atomic64_add(ktime_get_ns() - rb->start_ns, &meter->sum_ns);
		atomic_inc(&meter->count);
		rb->start_ns = 0;
	}
	if (rb->op.kind) {
		spin_lock_irqsave(&rl->lock, flags);
		if (!*error) {
			rl_present(rl, rb->op.word, rb->op.mask, &rl->counts.written);
			rl_wake_readers(rl, rb->op.word);
		}
		rl_end_op(rl, &rb->op);
		spin_unlock_irqrestore(&rl->lock, flags);
	}
	if (rb->hint && (*error == BLK_STS_NOTSUPP || *error == BLK_STS_TARGET))
		*error = BLK_STS_OK;
	if (!rb->commit || *error)
		return DM_ENDIO_DONE;
	/* Ends for good after the commit. */
	rb->commit = false;
	spin_lock_irqsave(&rl->lock, flags);
	bio_list_add(&rl->meta.flushes, bio);
	spin_unlock_irqrestore(&rl->lock, flags);
	rl_commit_soon(rl);
	return DM_ENDIO_INCOMPLETE;
}

/**
 * rl_io_end_all() - end all bios of a list
 * @bios: nobody else's
 * @status: theirs
 *
 * Context: process context.
 */
void rl_io_end_all(struct bio_list *bios, blk_status_t status)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios))) {
		bio->bi_status = status;
		bio_endio(bio);
	}
}

static void look_again(struct relocate *rl, struct bio *bio)
{
	switch (judge(rl, bio)) {
	case GO:
		go(rl, bio);
		submit_bio_noacct(bio);
		break;
	case WAIT:
		break;
	case REQUEUE:
		bio->bi_status = BLK_STS_DM_REQUEUE;
		bio_endio(bio);
		break;
	default:
		bio_io_error(bio);
	}
}

static struct bio_list take_list(struct relocate *rl, struct bio_list *list, bool waits)
{
	struct bio_list bios = BIO_EMPTY_LIST;

	spin_lock_irq(&rl->lock);
	bio_list_merge(&bios, list);
	bio_list_init(list);
	if (waits)
		rl->nr_waiting -= bio_list_size(&bios);
	spin_unlock_irq(&rl->lock);
	return bios;
}

/* May a slot be had for those that wait for one? */
static bool can_feed(struct relocate *rl)
{
	bool can;

	if (bio_list_empty(&rl->starved) || !READ_ONCE(rl->link))
		return false;
	spin_lock_irq(&rl->lock);
	can = rl->nr_idle > (rl->is_copying && !rl->nr_copying);
	spin_unlock_irq(&rl->lock);
	return can || !rl_slot_add(rl);
}

/**
 * rl_io_work() - look at bios again
 * @work: rl->work
 *
 * Context: process context.
 */
void rl_io_work(struct work_struct *work)
{
	struct relocate *rl = container_of(work, struct relocate, work);
	struct bio_list bios = take_list(rl, &rl->deferred, false);
	struct bio *bio;

	while ((bio = bio_list_pop(&bios)))
		look_again(rl, bio);
	if (!is_requeuing(rl) && !can_feed(rl))
		return;
	bios = take_list(rl, &rl->starved, true);
	while ((bio = bio_list_pop(&bios)))
		look_again(rl, bio);
}

/* Takes bios out of a list; with rl->lock held. */
static void pick(struct relocate *rl, struct bio_list *from, struct bio_list *to,
		 bool (*matches)(const struct relocate *rl, struct bio *bio, u64 a, u64 b), u64 a,
		 u64 b)
{
	struct bio_list all = *from;
	struct bio *bio;

	bio_list_init(from);
	while ((bio = bio_list_pop(&all))) {
		if (matches(rl, bio, a, b)) {
			bio_list_add(to, bio);
			rl->nr_waiting--;
		} else {
			bio_list_add(from, bio);
		}
	}
}

static bool is_in_word(const struct relocate *rl, struct bio *bio, u64 word, u64 unused)
{
	struct rl_extent extent;

	extent_of(rl, bio, &extent);
	return extent.word == word;
}

static bool is_partial_write(const struct relocate *rl, struct bio *bio, u64 word, u64 mask)
{
	struct rl_extent extent;

	extent_of(rl, bio, &extent);
	return bio_op(bio) != REQ_OP_READ && extent.word == word &&
	       extent.touched & ~extent.whole & mask;
}

/**
 * rl_io_defer_starved() - those that wait for a slot may not need it any more
 * @rl: device
 * @word: in which regions became present
 *
 * Context: any, rl->lock held; rl_end_op() follows.
 */
void rl_io_defer_starved(struct relocate *rl, u64 word)
{
	pick(rl, &rl->starved, &rl->deferred, is_in_word, word, 0);
}

/**
 * rl_io_pick_hopeless() - what waits for regions that DEST does not take
 * @rl: device
 * @word: number
 * @mask: regions whose data could not be written
 * @hopeless: writes of parts of them, to be failed
 *
 * They would have them fetched for ever. Reads have what SOURCE sent, or get it.
 *
 * Context: any, rl->lock held.
 */
void rl_io_pick_hopeless(struct relocate *rl, u64 word, u64 mask, struct bio_list *hopeless)
{
	pick(rl, &rl->waiting[rl_bucket_of(word)], hopeless, is_partial_write, word, mask);
}

static bool came_before(const struct relocate *rl, struct bio *bio, u64 oldest, u64 unused)
{
	return time_before(rl_bio_of(bio)->since, (unsigned long)oldest);
}

static void pick_overdue(struct relocate *rl, struct bio_list *from, unsigned long oldest,
			 struct bio_list *overdue)
{
	pick(rl, from, overdue, came_before, oldest, 0);
}

/* All that wait for SOURCE. With rl->lock held. */
static void pick_everywhere(struct relocate *rl, unsigned long oldest, struct bio_list *overdue)
{
	struct rl_slot *slot;
	unsigned int i;

	pick_overdue(rl, &rl->starved, oldest, overdue);
	list_for_each_entry(slot, &rl->busy, node)
		pick_overdue(rl, &slot->readers, oldest, overdue);
	for (i = 0; i < RL_BUCKETS; i++)
		pick_overdue(rl, &rl->waiting[i], oldest, overdue);
}

/**
 * rl_io_overdue() - fail what has waited for longer than the table allows
 * @rl: device
 *
 * Context: process context.
 */
void rl_io_overdue(struct relocate *rl)
{
	struct bio_list overdue = BIO_EMPTY_LIST;
	unsigned int fail_after = READ_ONCE(rl->args.fail_after);

	if (!fail_after || !READ_ONCE(rl->nr_waiting))
		return;
	spin_lock_irq(&rl->lock);
	pick_everywhere(rl, jiffies - msecs_to_jiffies(fail_after), &overdue);
	spin_unlock_irq(&rl->lock);
	rl_io_end_all(&overdue, BLK_STS_IOERR);
}

/**
 * rl_io_requeue() - what waits for SOURCE goes back to device mapper
 * @rl: device, in a suspend without a flush
 *
 * Context: process context.
 */
void rl_io_requeue(struct relocate *rl)
{
	struct bio_list bios = BIO_EMPTY_LIST;

	spin_lock_irq(&rl->lock);
	pick_everywhere(rl, jiffies + 1, &bios);
	spin_unlock_irq(&rl->lock);
	rl_io_end_all(&bios, BLK_STS_DM_REQUEUE);
}
