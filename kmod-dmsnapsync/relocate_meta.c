// SPDX-License-Identifier: GPL-2.0
/*
 * META: which regions are present, durably.
 *
 * Format and rules are those of a snapsync STORE: two slots for each block, a
 * superblock that makes them count, a digest over the transactions of the slots
 * that do. What is written says no more than what DEST has durably.
 */
#include <linux/bitmap.h>
#include <linux/dm-io.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include <linux/vmalloc.h>
#include "relocate.h"

/* Blocks in the buffer, and pairs of slots. */
#define BATCH			64
#define PAIRS			(BATCH / 2)

/* What has to be zero before META is formatted: every known signature is in there. */
#define BLANK_BLOCKS		RL_MAP_BLOCK

/* So many regions need no more than 64 MiB of memory. */
#define DEFAULT_REGIONS		(SZ_1G / 2)

/**
 * struct batch - blocks that are written together
 * @rl: device
 * @seq: transaction
 * @count: blocks in the buffer
 * @sector: where they go
 * @pending: writes under way, and one
 * @done: @pending fell to 0
 * @error: any of them failed
 * @cleaned: dirty bits in this transaction
 */
struct batch {
	struct relocate *rl;
	u64 seq;
	unsigned int count;
	sector_t sector[BATCH];
	atomic_t pending;
	struct completion done;
	unsigned long error;
	unsigned int cleaned;
};

static int refuse(char **error, char *reason)
{
	*error = reason;
	return -EINVAL;
}

static void *image_at(const struct rl_meta *meta, unsigned int block)
{
	return meta->buffer + block * SS_BLOCK_SIZE;
}

/* Block of META in which a slot of a map block is. */
static u64 slot_block(u32 block, unsigned int slot)
{
	return RL_MAP_BLOCK + 2 * (u64)block + slot;
}

static sector_t sector_of(u32 block, unsigned int slot)
{
	return slot_block(block, slot) * SS_BLOCK_SECTORS;
}

static void one_written(struct batch *batch, unsigned long error)
{
	if (error)
		WRITE_ONCE(batch->error, error);
	if (atomic_dec_and_test(&batch->pending))
		complete(&batch->done);
}

static DM_IO_NOTIFY(batch_written)
{
	one_written(context, error);
}

static int start_io(struct rl_meta *meta, blk_opf_t opf, void *memory, sector_t sector,
		    unsigned int blocks, struct batch *batch)
{
	struct dm_io_region region = {
		.bdev = meta->bdev, .sector = sector, .count = blocks * SS_BLOCK_SECTORS,
	};
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem = { .type = DM_IO_VMA, .ptr.vma = memory },
		.notify = { .fn = batch ? batch_written : NULL, .context = batch },
		.client = meta->io,
	};

	return dm_io(&request, 1, &region, NULL, NULL, IOPRIO_DEFAULT);
}

static void batch_start(struct batch *batch, blk_opf_t flags)
{
	struct rl_meta *meta = &batch->rl->meta;
	unsigned int i;

	init_completion(&batch->done);
	atomic_set(&batch->pending, batch->count + 1);
	for (i = 0; i < batch->count; i++)
		if (start_io(meta, REQ_OP_WRITE | REQ_SYNC | REQ_META | flags, image_at(meta, i),
			     batch->sector[i], 1, batch))
			one_written(batch, 1);
	batch->count = 0;
}

static void batch_wait(struct batch *batch)
{
	one_written(batch, 0);
	wait_for_completion(&batch->done);
}

/**
 * rl_meta_announce() - something is about to differ from the disk
 * @rl: device; rl_meta_mark() follows as soon as it does
 *
 * Who finds a region present without a lock, and ends a write on the strength of it, has a
 * flush after that wait for the commit: so it is counted before it can be seen.
 *
 * Context: any.
 */
void rl_meta_announce(struct relocate *rl)
{
	atomic_inc(&rl->meta.unclean);
	smp_mb__after_atomic();	/* before what follows can be seen */
}

/**
 * rl_meta_mark() - it does
 * @rl: device
 * @block: map block, or nr_blocks for the superblock
 *
 * A commit clears the mark before it looks: what was there before the mark is in it, whether
 * it cleared that or has yet to.
 *
 * Context: any.
 */
void rl_meta_mark(struct relocate *rl, u32 block)
{
	struct rl_meta *meta = &rl->meta;

	if (test_and_set_bit(block, meta->dirty))
		atomic_dec(&meta->unclean);
	if (READ_ONCE(rl->mode) == RL_MODE_WRITE && !delayed_work_pending(&rl->commit))
		queue_delayed_work(rl->wq, &rl->commit, HZ);
}

/**
 * rl_meta_flag() - set a flag of the superblock
 * @rl: device
 * @flag: RL_COMPLETE or RL_WRITTEN
 *
 * Context: any.
 */
void rl_meta_flag(struct relocate *rl, u32 flag)
{
	unsigned long flags;

	rl_meta_announce(rl);
	spin_lock_irqsave(&rl->lock, flags);
	WRITE_ONCE(rl->meta.flags, rl->meta.flags | flag);
	spin_unlock_irqrestore(&rl->lock, flags);
	rl_meta_mark(rl, rl->meta.nr_blocks);
}

/* It is to be written anew, as it is. */
static void rewrite(struct relocate *rl, u32 block)
{
	rl_meta_announce(rl);
	rl_meta_mark(rl, block);
}

/* --- reading --- */

static bool is_ours(const struct rl_super *super)
{
	return !memcmp(super->magic, RL_MAGIC, sizeof(super->magic));
}

static u64 seq_of(const struct rl_super *super)
{
	return super ? le64_to_cpu(super->head.seq) : 0;
}

static bool is_sound(const struct rl_super *super, unsigned int which, u32 block)
{
	u32 region = le32_to_cpu(super->region_sectors);

	return is_ours(super) &&
	       ss_sector_is_sound(super->uuid, super, block) &&
	       (seq_of(super) & 1) == which && seq_of(super) < S64_MAX && /* more are to come */
	       is_power_of_2(region) &&
	       region >= RL_REGION_SECTORS_MIN && region <= RL_REGION_SECTORS_MAX &&
	       !(le32_to_cpu(super->flags) & ~RL_FLAGS) &&
	       !memchr_inv(super->reserved, 0, sizeof(super->reserved));
}

/* What cannot be read is not ours, nor blank. Returns the number of blocks that can be. */
static unsigned int read_blocks(struct rl_meta *meta, sector_t sector, unsigned int count)
{
	unsigned int readable = 0, i;

	if (!start_io(meta, REQ_OP_READ, meta->buffer, sector, count, NULL))
		return count;
	for (i = 0; i < count; i++) {
		if (start_io(meta, REQ_OP_READ, image_at(meta, i), sector + i * SS_BLOCK_SECTORS,
			     1, NULL))
			memset(image_at(meta, i), 0xff, SS_BLOCK_SIZE);
		else
			readable++;
	}
	return readable;
}

static const struct rl_super *newer(const struct rl_super *a, const struct rl_super *b)
{
	return seq_of(a) > seq_of(b) ? a : b;
}

/**
 * struct load - what comes to light while META is read
 * @digest: of the superblock
 * @is_doubtful: the superblock that was lost may have been newer
 * @nr_damaged: slots that are damaged beside one that is not
 * @later: there are slots from a transaction after the superblock's
 */
struct load {
	u64 digest;
	bool is_doubtful;
	unsigned int nr_damaged;
	bool later;
};

/*
 * The superblock that counts, or NULL. A copy stands in for one that is lost,
 * beside one that is not. The first transaction of a format is alone.
 */
static const struct rl_super *choose(struct rl_meta *meta, struct load *load)
{
	const struct rl_super *super[2], *copy;
	unsigned int which, lost;

	for (which = 0; which < 2; which++) {
		super[which] = image_at(meta, which);
		if (!is_sound(super[which], which, which))
			super[which] = NULL;
	}
	if (super[0] && super[1])
		return memcmp(super[0]->uuid, super[1]->uuid, SS_UUID_SIZE) ?
		       NULL : newer(super[0], super[1]);
	if (!super[0] && !super[1])
		return NULL;
	lost = !super[1];
	if (seq_of(super[!lost]) == 1 && !memchr_inv(image_at(meta, 0), 0, SS_BLOCK_SIZE))
		return super[1];
	meta->is_damaged = true;
	copy = image_at(meta, RL_COPY_BLOCK + lost);
	if (!is_sound(copy, lost, RL_COPY_BLOCK + lost) ||
	    memcmp(copy->uuid, super[!lost]->uuid, SS_UUID_SIZE))
		copy = NULL;
	load->is_doubtful = newer(copy, super[!lost]) != copy;
	return newer(copy, super[!lost]);
}

static unsigned int default_region(sector_t sectors)
{
	unsigned int region = RL_REGION_SECTORS_MIN;

	while (region < RL_REGION_SECTORS_MAX && sectors / region > DEFAULT_REGIONS)
		region *= 2;
	return region;
}

static int adopt(struct relocate *rl, const struct rl_super *super, struct load *load,
		 char **error)
{
	struct rl_meta *meta = &rl->meta;
	u32 region = le32_to_cpu(super->region_sectors);

	if (le32_to_cpu(super->version) != RL_VERSION)
		return refuse(error, "META has a format of another version");
	if (rl->args.region_sectors && rl->args.region_sectors != region)
		return refuse(error, "META has another region size");
	if (le64_to_cpu(super->volume_sectors) != rl->sectors)
		return refuse(error, "META belongs to a device of another size");
	rl->region_shift = ilog2(region);
	memcpy(meta->uuid, super->uuid, sizeof(meta->uuid));
	meta->seq = seq_of(super);
	meta->flags = le32_to_cpu(super->flags);
	load->digest = le64_to_cpu(super->digest);
	return 0;
}

static int find_super(struct relocate *rl, struct load *load, char **error)
{
	struct rl_meta *meta = &rl->meta;
	const struct rl_super *super;

	meta->seq = 0;
	meta->flags = 0;
	meta->is_damaged = false;
	if (bdev_nr_sectors(meta->bdev) < sector_of(1, 0))
		return refuse(error, "META is too small");
	/* What was written to them may be in memory only, and would overwrite what is ours. */
	sync_blockdev(meta->bdev);
	sync_blockdev(rl->dest);
	if (!read_blocks(meta, 0, BLANK_BLOCKS)) {
		*error = "Cannot read META";
		return -EIO;
	}
	if (!memchr_inv(meta->buffer, 0, BLANK_BLOCKS * SS_BLOCK_SIZE)) {
		rl->region_shift = ilog2(rl->args.region_sectors ?: default_region(rl->sectors));
		return 0;
	}
	if (!is_ours(image_at(meta, 0)) && !is_ours(image_at(meta, 1)))
		return refuse(error, "META has something else on it; wipe it first");
	super = choose(meta, load);
	return super ? adopt(rl, super, load, error) :
		       refuse(error, "The superblocks of META are damaged");
}

static u64 nr_regions(const struct relocate *rl)
{
	return DIV_ROUND_UP_ULL(rl->sectors, 1ULL << rl->region_shift);
}

/**
 * rl_meta_look() - what a table needs to know before it is in use
 * @rl: device with meta.bdev, sectors and args
 * @error: reason of a refusal
 *
 * Sets the size of a region. Nothing is written, and only superblocks are read.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when META does not fit or is damaged, -EIO, -ENOMEM.
 */
int rl_meta_look(struct relocate *rl, char **error)
{
	struct rl_meta *meta = &rl->meta;
	struct load load = {};

	*error = "No memory";
	meta->buffer = __vmalloc(BATCH * SS_BLOCK_SIZE, GFP_KERNEL | __GFP_NOWARN);
	meta->io = dm_io_client_create();
	if (!meta->buffer || IS_ERR(meta->io))
		return -ENOMEM;
	return find_super(rl, &load, error);
}

static void load_words(struct relocate *rl, u32 block, const void *image)
{
	u64 word = (u64)block * RL_WORDS_PER_BLOCK;
	unsigned int sector, i;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		const __le64 *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		for (i = 0; i < RL_WORDS_PER_SECTOR && word < rl->map.nr_words; i++, word++)
			rl_map_set(&rl->map, word,
				   le64_to_cpu(at[i]) & rl_map_absent(&rl->map, word));
	}
}

/* Returns 0, or -EINVAL if neither slot is what was committed. */
static int load_pair(struct relocate *rl, struct load *load, u32 block, const void *pair)
{
	struct rl_meta *meta = &rl->meta;
	enum ss_slot_state state[2];
	unsigned int slot, best;
	u64 seq[2];

	if (!memchr_inv(pair, 0, 2 * SS_BLOCK_SIZE))
		return 0;
	for (slot = 0; slot < 2; slot++) {
		const void *image = pair + slot * SS_BLOCK_SIZE;

		/* Of a block that was written once only. */
		if (!memchr_inv(image, 0, SS_BLOCK_SIZE)) {
			state[slot] = SS_SLOT_COMMITTED;
			seq[slot] = 0;
		} else {
			state[slot] = ss_slot_judge(meta->uuid, image, slot_block(block, slot),
						    meta->seq, &seq[slot]);
		}
	}
	best = state[0] != SS_SLOT_COMMITTED || (state[1] == SS_SLOT_COMMITTED && seq[1] > seq[0]);
	if (state[best] != SS_SLOT_COMMITTED)
		return -EINVAL;
	__assign_bit(block, meta->current_slot, best);
	meta->block_seq[block] = seq[best];
	if (seq[best]) {
		meta->digest += ss_block_digest(SS_KIND_DATA, block, seq[best]);
		load_words(rl, block, pair + best * SS_BLOCK_SIZE);
	}
	load->later |= state[!best] == SS_SLOT_LATER;
	load->nr_damaged += state[!best] == SS_SLOT_DAMAGED;
	/* Overwritten before its number comes up again, or repaired. */
	if (state[!best] != SS_SLOT_COMMITTED)
		rewrite(rl, block);
	return 0;
}

static int load_map(struct relocate *rl, struct load *load)
{
	struct rl_meta *meta = &rl->meta;
	u32 block, count, i;
	int err = 0;

	for (block = 0; block < meta->nr_blocks && !err; block += count) {
		count = min_t(u32, PAIRS, meta->nr_blocks - block);
		read_blocks(meta, sector_of(block, 0), 2 * count);
		for (i = 0; i < count && !err; i++)
			err = load_pair(rl, load, block + i, image_at(meta, 2 * i));
		if (err)
			DMERR("%s: META: the block at sector %llu is damaged", rl->name,
			      (u64)sector_of(block + i - 1, 0));
		cond_resched();
	}
	return err;
}

/* Are the slots that were picked those that were committed? */
static int check_proof(const struct relocate *rl, const struct load *load)
{
	if (load->digest != rl->meta.digest) {
		DMERR("%s: META: a block lacks what was committed", rl->name);
		return -EINVAL;
	}
	if (rl->meta.flags & RL_COMPLETE && rl->map.nr_present != rl->map.nr_regions) {
		DMERR("%s: META: it is complete, and yet regions are absent", rl->name);
		return -EINVAL;
	}
	/* The superblock that is lost may have committed them, or what is damaged now. */
	if (load->is_doubtful && (load->later || load->nr_damaged)) {
		DMERR("%s: META: the damaged superblock may have been the newer one", rl->name);
		return -EINVAL;
	}
	return 0;
}

/* Nothing is written before all is read and found right. */
static int load(struct relocate *rl, struct load *load)
{
	struct rl_meta *meta = &rl->meta;
	int err = load_map(rl, load);

	err = err ?: check_proof(rl, load);
	if (err)
		return err;
	rl->mode = RL_MODE_WRITE;
	if (load->nr_damaged || meta->is_damaged)
		DMWARN("%s: META: damaged blocks are written anew; nothing is lost", rl->name);
	/* Each commit writes one superblock. */
	if (meta->is_damaged) {
		rewrite(rl, meta->nr_blocks);
		err = rl_meta_commit(rl);
		rewrite(rl, meta->nr_blocks);
	}
	return err ?: rl_meta_commit(rl);
}

/* A format that was interrupted has written no superblock. */
static int format(struct relocate *rl)
{
	struct rl_meta *meta = &rl->meta;
	int err;

	generate_random_uuid(meta->uuid);
	err = blkdev_issue_zeroout(meta->bdev, 0, sector_of(meta->nr_blocks, 0), GFP_KERNEL, 0);
	if (err)
		return err;
	rl->mode = RL_MODE_WRITE;
	rewrite(rl, meta->nr_blocks);
	return rl_meta_commit(rl);
}

static int alloc_state(struct relocate *rl)
{
	struct rl_meta *meta = &rl->meta;
	u64 blocks = DIV_ROUND_UP_ULL(nr_regions(rl), RL_WORDS_PER_BLOCK * RL_WORD_REGIONS);

	if (blocks >= U32_MAX / 4)
		return -EFBIG;
	meta->nr_blocks = blocks;
	meta->digest = 0;
	meta->block_seq = kvcalloc(blocks, sizeof(u64), GFP_KERNEL);
	meta->current_slot = kvcalloc(BITS_TO_LONGS(blocks), sizeof(long), GFP_KERNEL);
	meta->dirty = kvcalloc(BITS_TO_LONGS(blocks + 1), sizeof(long), GFP_KERNEL);
	if (!meta->block_seq || !meta->current_slot || !meta->dirty)
		return -ENOMEM;
	return rl_map_init(&rl->map, nr_regions(rl));
}

/**
 * rl_meta_load() - format a blank META, or read the map
 * @rl: device; nothing is loaded yet, or only in part
 * @error: reason of a refusal
 *
 * Context: may sleep, rl->meta_lock held.
 * Return: 0; -EINVAL when damaged or not as it was when the table was loaded, -EFBIG, -ENOMEM,
 * -EIO; then rl_meta_free() is due.
 */
int rl_meta_load(struct relocate *rl, char **error)
{
	unsigned int region_shift = rl->region_shift;
	struct load found = {};
	int err = find_super(rl, &found, error);

	if (err)
		return err;
	if (rl->region_shift != region_shift)
		return refuse(error, "META has changed since the table was loaded");
	*error = "Cannot read or write META, or no memory";
	err = alloc_state(rl);
	if (err)
		return err;
	if (bdev_nr_sectors(rl->meta.bdev) < sector_of(rl->meta.nr_blocks, 0))
		return refuse(error, "META is too small");
	err = rl->meta.seq ? load(rl, &found) : format(rl);
	if (err == -EINVAL)
		*error = "META is damaged";
	return err;
}

/**
 * rl_meta_free() - the reverse, of what is there
 * @rl: device without I/O
 *
 * Context: may sleep.
 */
void rl_meta_free(struct relocate *rl)
{
	struct rl_meta *meta = &rl->meta;

	rl->mode = RL_MODE_NONE;
	rl_map_exit(&rl->map);
	kvfree(meta->block_seq);
	kvfree(meta->current_slot);
	kvfree(meta->dirty);
	meta->block_seq = NULL;
	meta->current_slot = NULL;
	meta->dirty = NULL;
	atomic_set(&meta->unclean, 0);
}

/* --- writing --- */

static void put_words(const struct relocate *rl, u32 block, void *image)
{
	u64 word = (u64)block * RL_WORDS_PER_BLOCK;
	unsigned int sector, i;

	memset(image, 0, SS_BLOCK_SIZE);
	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		__le64 *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		for (i = 0; i < RL_WORDS_PER_SECTOR && word < rl->map.nr_words; i++, word++)
			at[i] = cpu_to_le64(rl_map_word(&rl->map, word));
	}
}

static void put_block(struct batch *batch, u32 block)
{
	struct rl_meta *meta = &batch->rl->meta;
	unsigned int slot = !test_bit(block, meta->current_slot), i;
	void *image = image_at(meta, batch->count);

	put_words(batch->rl, block, image);
	batch->sector[batch->count] = sector_of(block, slot);
	for (i = 0; i < SS_BLOCK_SECTORS; i++)
		ss_sector_seal(meta->uuid, image + i * SS_SECTOR_SIZE, slot_block(block, slot),
			       batch->seq);
	batch->count++;
	__assign_bit(block, meta->current_slot, slot);
	if (meta->block_seq[block])
		meta->digest -= ss_block_digest(SS_KIND_DATA, block, meta->block_seq[block]);
	meta->block_seq[block] = batch->seq;
	meta->digest += ss_block_digest(SS_KIND_DATA, block, batch->seq);
}

/* DEST first: all that the blocks say is there. */
static int write_batch(struct batch *batch)
{
	int err = blkdev_issue_flush(batch->rl->dest);

	if (err) {
		batch->count = 0;
		return err;
	}
	batch_start(batch, 0);
	batch_wait(batch);
	return batch->error ? -EIO : 0;
}

static int write_blocks(struct batch *batch)
{
	struct rl_meta *meta = &batch->rl->meta;
	u32 block;
	int err = 0;

	for_each_set_bit(block, meta->dirty, meta->nr_blocks) {
		clear_bit(block, meta->dirty);
		/* What makes it dirty from here on is in the next commit. */
		smp_mb__after_atomic();
		batch->cleaned++;
		put_block(batch, block);
		if (batch->count == BATCH)
			err = write_batch(batch);
		if (err)
			return err;
	}
	return batch->count ? write_batch(batch) : 0;
}

static void put_super(const struct relocate *rl, void *image, u64 seq, u32 flags, u32 block)
{
	const struct rl_meta *meta = &rl->meta;
	struct rl_super *super = image;

	memset(image, 0, SS_BLOCK_SIZE);
	memcpy(super->magic, RL_MAGIC, sizeof(super->magic));
	super->version = cpu_to_le32(RL_VERSION);
	super->region_sectors = cpu_to_le32(1U << rl->region_shift);
	memcpy(super->uuid, meta->uuid, sizeof(super->uuid));
	super->volume_sectors = cpu_to_le64(rl->sectors);
	super->digest = cpu_to_le64(meta->digest);
	super->flags = cpu_to_le32(flags);
	ss_sector_seal(meta->uuid, image, block, seq);
}

/*
 * What decides, and its copy at the same time, each behind a flush of its own:
 * a copy that is older than its superblock could not stand in for it.
 */
static int write_super(struct batch *batch, u32 flags)
{
	struct relocate *rl = batch->rl;
	u32 which = batch->seq & 1;
	int err;

	put_super(rl, image_at(&rl->meta, 0), batch->seq, flags, RL_COPY_BLOCK + which);
	batch->sector[batch->count++] = (sector_t)(RL_COPY_BLOCK + which) * SS_BLOCK_SECTORS;
	batch_start(batch, REQ_PREFLUSH | REQ_FUA);
	put_super(rl, image_at(&rl->meta, 1), batch->seq, flags, which);
	err = start_io(&rl->meta, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA | REQ_SYNC | REQ_META,
		       image_at(&rl->meta, 1), (sector_t)which * SS_BLOCK_SECTORS, 1, NULL);
	batch_wait(batch);
	return err || batch->error ? -EIO : 0;
}

static bool has_all(const struct relocate *rl)
{
	return READ_ONCE(rl->map.nr_present) == rl->map.nr_regions;
}

/*
 * With the lock that a region becomes present under: when all are, then all blocks that say so
 * are marked, and are in the transaction that begins now.
 */
static u32 flags_to_write(struct relocate *rl)
{
	u32 flags;

	spin_lock_irq(&rl->lock);
	flags = rl->meta.flags | (has_all(rl) ? RL_COMPLETE : 0);
	spin_unlock_irq(&rl->lock);
	return flags;
}

static int write_transaction(struct relocate *rl, struct batch *batch, bool has_flushes)
{
	struct rl_meta *meta = &rl->meta;
	bool super = test_and_clear_bit(meta->nr_blocks, meta->dirty);
	u32 flags = flags_to_write(rl);
	int err;

	batch->cleaned += super;
	err = write_blocks(batch);
	if (!err && batch->cleaned)
		err = write_super(batch, flags);
	/* Writes of regions that are present, which leave no trace here, want it as well. */
	if (!err && has_flushes && batch->cleaned == super)
		err = blkdev_issue_flush(rl->dest);
	if (err || !batch->cleaned)
		return err;
	meta->seq = batch->seq;
	spin_lock_irq(&rl->lock);
	WRITE_ONCE(meta->flags, meta->flags | flags);
	spin_unlock_irq(&rl->lock);
	return 0;
}

static void fail(struct relocate *rl, const char *reason)
{
	strscpy(rl->reason, reason, sizeof(rl->reason));
	WRITE_ONCE(rl->mode, RL_MODE_FAILED);
	DMERR("%s: %s; read-only from now on", rl->name, reason);
	rl_event(rl);
}

/**
 * rl_meta_commit() - make durable what has ended so far
 * @rl: device
 *
 * Context: may sleep, rl->meta_lock held.
 * Return: 0, -EROFS when it has failed before, -EIO when it fails from now on.
 */
int rl_meta_commit(struct relocate *rl)
{
	struct batch batch = { .rl = rl, .seq = rl->meta.seq + 1 };
	struct bio_list flushes = BIO_EMPTY_LIST;
	unsigned int noio = memalloc_noio_save();
	int err = -EROFS;

	lockdep_assert_held(&rl->meta_lock);
	spin_lock_irq(&rl->lock);
	bio_list_merge(&flushes, &rl->meta.flushes);
	bio_list_init(&rl->meta.flushes);
	spin_unlock_irq(&rl->lock);
	if (rl->mode == RL_MODE_WRITE) {
		err = write_transaction(rl, &batch, !bio_list_empty(&flushes));
		if (err)
			fail(rl, "DEST cannot be flushed, or META written");
		else
			atomic_sub(batch.cleaned, &rl->meta.unclean);
	}
	/* What became dirty during the commit waits its second, too. */
	if (!err && atomic_read(&rl->meta.unclean) && !delayed_work_pending(&rl->commit))
		queue_delayed_work(rl->wq, &rl->commit, HZ);
	rl_io_end_all(&flushes, err ? BLK_STS_IOERR : BLK_STS_OK);
	memalloc_noio_restore(noio);
	return err;
}

/* DEST needs nobody any more. */
static void let_go(struct relocate *rl)
{
	struct rl_link *link;

	spin_lock_irq(&rl->lock);
	link = rl->link;
	rl->link = NULL;
	rl_give_up(rl);
	spin_unlock_irq(&rl->lock);
	rl_slots_free(rl);
	if (!link)
		return;
	rl_link_put(link);
	DMINFO("%s: complete; SOURCE is let go", rl->name);
	rl_event(rl);
}

/**
 * rl_commit_work() - commit, a second after something changed or now
 * @work: rl->commit
 *
 * Context: process context.
 */
void rl_commit_work(struct work_struct *work)
{
	struct relocate *rl = container_of(to_delayed_work(work), struct relocate, commit);

	mutex_lock(&rl->meta_lock);
	if (has_all(rl) && !(rl->meta.flags & RL_COMPLETE))
		rewrite(rl, rl->meta.nr_blocks);
	rl_meta_commit(rl);
	mutex_unlock(&rl->meta_lock);
	if (READ_ONCE(rl->meta.flags) & RL_COMPLETE)
		let_go(rl);
}

/**
 * rl_commit_soon() - somebody waits for it
 * @rl: device
 *
 * Context: any.
 */
void rl_commit_soon(struct relocate *rl)
{
	mod_delayed_work(rl->wq, &rl->commit, 0);
}
