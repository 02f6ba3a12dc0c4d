// SPDX-License-Identifier: GPL-2.0
/*
 * Slots: a slot reads regions from SOURCE, hands them to who waits, writes them
 * to DEST, and makes them present. Its memory is there beforehand.
 *
 * While SOURCE is read the slot is SOURCE's: it may be given up, and is freed
 * when the read ends, if ever. All else ends soon, as DEST is not far away.
 */
#include <linux/slab.h>
#include "relocate.h"

#define RETRY_MS_MIN	100
#define RETRY_MS_MAX	5000

/* From the end of a slot's first region on. */
static unsigned int sectors_of(const struct relocate *rl, u64 word, u64 mask, sector_t *sector)
{
	u64 first = word * RL_WORD_REGIONS + __ffs64(mask);
	u64 last = word * RL_WORD_REGIONS + __fls(mask);
	sector_t end = min_t(sector_t, (last + 1) << rl->region_shift, rl->sectors);

	*sector = first << rl->region_shift;
	return end - *sector;
}

/* As much of the slot's pages as a read or write is long, from a page on. */
static void set_up_bio(struct rl_slot *slot, struct block_device *disk, blk_opf_t opf,
		       sector_t sector, unsigned int sectors, unsigned int page)
{
	unsigned int left = sectors << SECTOR_SHIFT;

	bio_init(&slot->bio, disk, slot->vecs, slot->nr_pages, opf);
	slot->bio.bi_iter.bi_sector = sector;
	slot->bio.bi_private = slot;
	for (; left; page++) {
		unsigned int length = min_t(unsigned int, left, PAGE_SIZE);

		__bio_add_page(&slot->bio, slot->pages[page], length, 0);
		left -= length;
	}
}

static void free_slot(struct rl_slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr_pages; i++)
		if (slot->pages[i])
			__free_page(slot->pages[i]);
	kfree(slot->vecs);
	kfree(slot);
}

/* Nobody waits for the data any more. */
static void end_orphan(struct rl_slot *slot)
{
	struct rl_link *link = slot->link;

	free_slot(slot);
	/* The module may go as soon as its last link is closed. */
	rl_link_put(link);
}

static void read_ended(struct bio *bio)
{
	struct rl_slot *slot = bio->bi_private;
	struct relocate *rl;
	unsigned long flags;

	slot->status = bio->bi_status;
	bio_uninit(bio);
	spin_lock_irqsave(&slot->lock, flags);
	rl = slot->rl;
	if (rl) {
		slot->phase = RL_ARRIVED;
		queue_work(rl->wq, &slot->work);
	}
	spin_unlock_irqrestore(&slot->lock, flags);
	if (!rl)
		end_orphan(slot);
}

/* May block as long as SOURCE does not take anything; the slot is not looked at afterwards. */
static void submit_read(struct work_struct *work)
{
	struct rl_slot *slot = container_of(work, struct rl_slot, submit);
	bool is_orphan;

	spin_lock_irq(&slot->lock);
	is_orphan = !slot->rl;
	spin_unlock_irq(&slot->lock);
	if (is_orphan) {
		end_orphan(slot);
		return;
	}
	set_up_bio(slot, slot->link->bdev, REQ_OP_READ | (slot->demand ? REQ_SYNC : 0),
		   slot->sector, slot->sectors, 0);
	slot->bio.bi_end_io = read_ended;
	submit_bio(&slot->bio);
}

/* Reads what the slot's span is now. With rl->lock held, and a link. */
static void start_read(struct relocate *rl, struct rl_slot *slot)
{
	slot->sectors = sectors_of(rl, slot->op.word, slot->op.span, &slot->sector);
	slot->link = rl->link;
	rl_link_get(slot->link);
	slot->phase = RL_READING;
	slot->since = jiffies;
	slot->start_ns = ktime_get_ns();
	queue_work(slot->link->wq, &slot->submit);
}

/**
 * rl_present() - regions are on DEST
 * @rl: device
 * @word: number
 * @mask: of regions
 * @count: of rl->counts
 *
 * Context: any, rl->lock held.
 */
void rl_present(struct relocate *rl, u64 word, u64 mask, u64 *count)
{
	rl_meta_announce(rl);
	*count += rl_map_set(&rl->map, word, mask);
	rl_meta_mark(rl, div_u64(word, RL_WORDS_PER_BLOCK));
	if (rl->map.nr_present == rl->map.nr_regions)
		rl_commit_soon(rl);
}

/**
 * rl_end_op() - who waited for it is looked at again
 * @rl: device
 * @op: that is over
 *
 * Context: any, rl->lock held.
 */
void rl_end_op(struct relocate *rl, struct rl_op *op)
{
	struct bio_list *waiting = &rl->waiting[rl_bucket_of(op->word)];

	rl_op_end(op);
	rl->nr_waiting -= bio_list_size(waiting);
	bio_list_merge(&rl->deferred, waiting);
	bio_list_init(waiting);
	if (!bio_list_empty(&rl->deferred))
		queue_work(rl->wq, &rl->work);
}

static void defer_readers(struct relocate *rl, struct rl_slot *slot)
{
	if (bio_list_empty(&slot->readers))
		return;
	rl->nr_waiting -= bio_list_size(&slot->readers);
	bio_list_merge(&rl->deferred, &slot->readers);
	bio_list_init(&slot->readers);
	queue_work(rl->wq, &rl->work);
}

/**
 * rl_wake_readers() - the guest wrote what they wait for
 * @rl: device
 * @word: number
 *
 * SOURCE may not answer, or have no slot for them; DEST does.
 *
 * Context: any, rl->lock held.
 */
void rl_wake_readers(struct relocate *rl, u64 word)
{
	struct rl_op *op;

	rl_io_defer_starved(rl, word);
	hlist_for_each_entry(op, &rl->ops.bucket[rl_bucket_of(word)], node)
		if (op->word == word && op->kind == RL_FETCH)
			defer_readers(rl, container_of(op, struct rl_slot, op));
}

/**
 * rl_slot_take() - a slot for a fetch
 * @rl: device
 * @demand: somebody waits; otherwise it is the copier's
 *
 * Some slots are never the copier's; but one it may always have.
 *
 * Context: any, rl->lock held.
 * Return: a slot for rl_fetch(), rl_zero() or rl_slot_release(); or NULL.
 */
struct rl_slot *rl_slot_take(struct relocate *rl, bool demand)
{
	unsigned int kept = RL_SLOTS_KEPT;
	struct rl_slot *slot;

	if (demand)
		kept = rl->is_copying && !rl->nr_copying;
	else if (!rl->nr_copying)
		kept = 0;
	if (rl->nr_idle <= kept)
		return NULL;
	slot = list_first_entry(&rl->idle, struct rl_slot, node);
	list_move_tail(&slot->node, &rl->busy);
	rl->nr_idle--;
	rl->nr_copying += !demand;
	slot->demand = demand;
	slot->tries = 0;
	slot->todo = 0;
	slot->doing = 0;
	slot->done = 0;
	return slot;
}

/**
 * rl_slot_release() - the reverse; what it did is over
 * @rl: device
 * @slot: its readers, if it is given up, are looked at again: nothing of this fetch may be
 *	left in the next one
 *
 * Context: any, rl->lock held.
 */
void rl_slot_release(struct relocate *rl, struct rl_slot *slot)
{
	defer_readers(rl, slot);
	if (slot->op.kind)
		rl_end_op(rl, &slot->op);
	slot->phase = RL_IDLE;
	list_move(&slot->node, &rl->idle);
	rl->nr_idle++;
	rl->nr_copying -= !slot->demand;
	if (!bio_list_empty(&rl->starved))
		queue_work(rl->wq, &rl->work);
	wake_up(&rl->idled);
}

/**
 * rl_fetch() - read regions from SOURCE, and keep them
 * @rl: device, with a link
 * @slot: taken
 * @word: number
 * @mask: adjacent absent regions in which nothing is under way
 * @need: those of them that somebody waits for
 *
 * Context: any, rl->lock held.
 */
void rl_fetch(struct relocate *rl, struct rl_slot *slot, u64 word, u64 mask, u64 need)
{
	slot->op = (struct rl_op){
		.word = word, .mask = mask, .span = mask, .need = need, .kind = RL_FETCH,
	};
	rl_op_begin(&rl->ops, &slot->op);
	start_read(rl, slot);
}

/**
 * rl_zero() - fill regions with zeroes
 * @rl: device
 * @slot: taken
 * @word: number
 * @mask: adjacent absent regions in which nothing is under way
 *
 * Context: any, rl->lock held.
 */
void rl_zero(struct relocate *rl, struct rl_slot *slot, u64 word, u64 mask)
{
	slot->op = (struct rl_op){ .word = word, .mask = mask, .kind = RL_FILL };
	rl_op_begin(&rl->ops, &slot->op);
	slot->phase = RL_ZEROING;
	queue_work(rl->wq, &slot->work);
}

static unsigned long retry_after(unsigned int tries)
{
	return msecs_to_jiffies(min(RETRY_MS_MIN << min(tries, 6U), RETRY_MS_MAX));
}

/*
 * Those who wait are looked at again: some of it may have been written
 * meanwhile. Is the rest still wanted? Then it is tried again, but no more than that.
 */
static void read_failed(struct relocate *rl, struct rl_slot *slot)
{
	sector_t sector = slot->sector;
	bool is_wanted, is_first;

	spin_lock_irq(&rl->lock);
	is_wanted = !bio_list_empty(&slot->readers) ||
		    !bio_list_empty(&rl->waiting[rl_bucket_of(slot->op.word)]);
	is_first = !rl->failures++;
	/* One bad sector must not keep back what is beside it. */
	if (!slot->demand)
		rl->copy_regions = max(hweight64(slot->op.span) / 2, 1U);
	rl->copy_after = jiffies + retry_after(rl->failures - 1);
	defer_readers(rl, slot);
	slot->op.mask &= slot->op.need;
	if (is_wanted && slot->op.mask && !rl->is_suspended) {
		slot->op.span = GENMASK_ULL(__fls(slot->op.mask), __ffs64(slot->op.mask));
		slot->phase = RL_RETRY;
		slot->retry_at = jiffies + retry_after(slot->tries++);
	} else {
		rl_slot_release(rl, slot);
	}
	spin_unlock_irq(&rl->lock);
	if (is_first) {
		DMWARN_LIMIT("%s: SOURCE: read error at sector %llu; reads are tried again",
			     rl->name, (u64)sector);
		rl_event(rl);
	}
}

/**
 * rl_retry() - begin again what failed a while ago
 * @rl: device
 *
 * Context: any, rl->lock held.
 */
void rl_retry(struct relocate *rl)
{
	struct rl_slot *slot;

	if (!rl->link || rl->is_suspended)
		return;
	list_for_each_entry(slot, &rl->busy, node)
		if (slot->phase == RL_RETRY && time_after_eq(jiffies, slot->retry_at))
			start_read(rl, slot);
}

/* What a reader wants of it; what is not there is an error, and never other data. */
static void give_to(struct rl_slot *slot, struct bio *reader)
{
	sector_t skip = reader->bi_iter.bi_sector - slot->sector;
	struct bio data;

	if (WARN_ON_ONCE(skip >= slot->sectors || bio_sectors(reader) > slot->sectors - skip)) {
		reader->bi_status = BLK_STS_IOERR;
		return;
	}
	bio_init(&data, NULL, slot->vecs, slot->nr_pages, REQ_OP_READ);
	data.bi_vcnt = DIV_ROUND_UP(slot->sectors << SECTOR_SHIFT, PAGE_SIZE);
	data.bi_iter.bi_size = slot->sectors << SECTOR_SHIFT;
	bio_advance(&data, skip << SECTOR_SHIFT);
	bio_copy_data(reader, &data);
	bio_uninit(&data);
}

static void measure(struct rl_meter *meter, u64 start_ns)
{
	atomic64_add(ktime_get_ns() - start_ns, &meter->sum_ns);
	atomic_inc(&meter->count);
}

/* Those who wait have the data first; from here on writes wait for DEST. */
static void read_succeeded(struct relocate *rl, struct rl_slot *slot)
{
	struct bio_list readers = BIO_EMPTY_LIST;
	struct bio *reader;
	bool is_over;

	if (slot->demand)
		measure(&rl->meters[RL_METER_FETCH], slot->start_ns);
	spin_lock_irq(&rl->lock);
	slot->op.kind = RL_FILL;
	if (rl->mode == RL_MODE_WRITE)
		slot->todo = slot->op.mask;
	rl->source_sectors += slot->sectors;
	is_over = rl->failures;
	rl->failures = 0;
	if (!slot->demand)
		rl->copy_regions = min(2 * rl->copy_regions, rl->slot_regions);
	rl->nr_waiting -= bio_list_size(&slot->readers);
	bio_list_merge(&readers, &slot->readers);
	bio_list_init(&slot->readers);
	spin_unlock_irq(&rl->lock);
	while ((reader = bio_list_pop(&readers))) {
		give_to(slot, reader);
		bio_endio(reader);
	}
	if (is_over) {
		DMWARN_LIMIT("%s: SOURCE is read again", rl->name);
		rl_event(rl);
	}
}

static void write_ended(struct bio *bio)
{
	struct rl_slot *slot = bio->bi_private;

	slot->status = bio->bi_status;
	bio_uninit(bio);
	queue_work(slot->rl->wq, &slot->work);
}

/* The next adjacent regions that are still wanted: a write of the guest may have left a hole. */
static void write_next(struct relocate *rl, struct rl_slot *slot)
{
	unsigned int sectors, first = __ffs64(slot->todo);
	sector_t sector;

	slot->doing = rl_run(slot->todo, first);
	slot->todo &= ~slot->doing;
	slot->phase = RL_FILLING;
	sectors = sectors_of(rl, slot->op.word, slot->doing, &sector);
	set_up_bio(slot, rl->dest, REQ_OP_WRITE, sector, sectors,
		   (sector - slot->sector) >> (PAGE_SHIFT - SECTOR_SHIFT));
	slot->bio.bi_end_io = write_ended;
	submit_bio(&slot->bio);
}

static void finish(struct relocate *rl, struct rl_slot *slot, u64 *count)
{
	u64 failed = rl->mode == RL_MODE_WRITE ? slot->op.mask & ~slot->done : 0;
	struct bio_list hopeless = BIO_EMPTY_LIST;

	spin_lock_irq(&rl->lock);
	if (slot->done)
		rl_present(rl, slot->op.word, slot->done, count);
	if (failed) {
		rl->copy_after = jiffies + msecs_to_jiffies(RETRY_MS_MAX);
		rl_io_pick_hopeless(rl, slot->op.word, failed, &hopeless);
	}
	rl_slot_release(rl, slot);
	spin_unlock_irq(&rl->lock);
	rl_io_end_all(&hopeless, BLK_STS_IOERR);
	rl_copy_kick(rl);
	if (failed)
		DMERR_LIMIT("%s: DEST: write error at sector %llu", rl->name,
			    (u64)(slot->op.word * RL_WORD_REGIONS) << rl->region_shift);
}

static void zero_regions(struct relocate *rl, struct rl_slot *slot)
{
	unsigned int sectors;
	sector_t sector;

	sectors = sectors_of(rl, slot->op.word, slot->op.mask, &sector);
	if (!blkdev_issue_zeroout(rl->dest, sector, sectors, GFP_NOIO, 0))
		slot->done = slot->op.mask;
	finish(rl, slot, &rl->counts.zeroed);
}

/* A step is over. */
static void slot_work(struct work_struct *work)
{
	struct rl_slot *slot = container_of(work, struct rl_slot, work);
	struct relocate *rl = slot->rl;
	enum rl_phase phase;

	/* read_ended() is out of it from here on, and the slot may be freed when it is idle. */
	spin_lock_irq(&slot->lock);
	phase = slot->phase;
	spin_unlock_irq(&slot->lock);
	switch (phase) {
	case RL_ZEROING:
		zero_regions(rl, slot);
		return;
	case RL_ARRIVED:
		rl_link_put(slot->link);
		if (slot->status) {
			read_failed(rl, slot);
			return;
		}
		read_succeeded(rl, slot);
		break;
	default:
		if (!slot->status)
			slot->done |= slot->doing;
	}
	if (slot->todo)
		write_next(rl, slot);
	else
		finish(rl, slot, slot->demand ? &rl->counts.demand : &rl->counts.copied);
}

static struct rl_slot *new_slot(struct relocate *rl)
{
	gfp_t gfp = GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY;
	unsigned int i, count = rl->slot_regions << rl->region_shift >> (PAGE_SHIFT - SECTOR_SHIFT);
	struct rl_slot *slot = kzalloc(struct_size(slot, pages, count), gfp);

	if (!slot)
		return NULL;
	slot->nr_pages = count;
	slot->vecs = kcalloc(count, sizeof(*slot->vecs), gfp);
	for (i = 0; i < count && slot->vecs; i++) {
		slot->pages[i] = alloc_page(gfp);
		if (!slot->pages[i])
			break;
	}
	if (i < count) {
		free_slot(slot);
		return NULL;
	}
	spin_lock_init(&slot->lock);
	bio_list_init(&slot->readers);
	INIT_WORK(&slot->submit, submit_read);
	INIT_WORK(&slot->work, slot_work);
	slot->rl = rl;
	return slot;
}

/**
 * rl_slot_add() - one more slot, if there may be one
 * @rl: device
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC when there are as many as may be, -ENOMEM.
 */
int rl_slot_add(struct relocate *rl)
{
	struct rl_slot *slot;
	int err = 0;

	if (READ_ONCE(rl->nr_slots) >= rl->max_slots)
		return -ENOSPC;
	slot = new_slot(rl);
	if (!slot)
		return -ENOMEM;
	spin_lock_irq(&rl->lock);
	if (rl->nr_slots < rl->max_slots) {
		list_add(&slot->node, &rl->idle);
		rl->nr_idle++;
		rl->nr_slots++;
	} else {
		err = -ENOSPC;
	}
	spin_unlock_irq(&rl->lock);
	if (err)
		free_slot(slot);
	return err;
}

/**
 * rl_slots_free() - those that are idle
 * @rl: device
 *
 * Context: may sleep.
 */
void rl_slots_free(struct relocate *rl)
{
	struct rl_slot *slot, *next;
	LIST_HEAD(idle);

	spin_lock_irq(&rl->lock);
	list_splice_init(&rl->idle, &idle);
	rl->nr_slots -= rl->nr_idle;
	rl->nr_idle = 0;
	spin_unlock_irq(&rl->lock);
	list_for_each_entry_safe(slot, next, &idle, node) {
		/* The last step may not have returned yet. */
		flush_work(&slot->work);
		flush_work(&slot->submit);
		free_slot(slot);
	}
}

/* If its read has not ended. From there on who ends the read frees the slot, maybe at once. */
static void disown(struct relocate *rl, struct rl_slot *slot)
{
	spin_lock(&slot->lock);
	if (slot->phase == RL_READING) {
		defer_readers(rl, slot);
		rl_end_op(rl, &slot->op);
		list_del(&slot->node);
		rl->nr_slots--;
		rl->nr_copying -= !slot->demand;
		slot->rl = NULL;
	}
	spin_unlock(&slot->lock);
}

/**
 * rl_give_up() - do not wait for SOURCE any more
 * @rl: device; its readers are looked at again
 *
 * Reads under way are thrown away when they end. What is tried again begins anew.
 *
 * Context: any, rl->lock held.
 */
void rl_give_up(struct relocate *rl)
{
	struct rl_slot *slot, *next;

	list_for_each_entry_safe(slot, next, &rl->busy, node) {
		if (slot->phase == RL_RETRY)
			rl_slot_release(rl, slot);
		else
			disown(rl, slot);
	}
	wake_up(&rl->idled);
}

/**
 * rl_is_idle() - has everything ended?
 * @rl: device
 *
 * Context: any.
 * Return: true if no slot is busy.
 */
bool rl_is_idle(struct relocate *rl)
{
	bool is_idle;

	spin_lock_irq(&rl->lock);
	is_idle = list_empty(&rl->busy);
	spin_unlock_irq(&rl->lock);
	return is_idle;
}
