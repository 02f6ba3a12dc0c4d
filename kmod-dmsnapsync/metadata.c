// SPDX-License-Identifier: GPL-2.0
/*
 * Commit: what changed in memory becomes durable as a whole.
 *
 * A dirty block is written to the slot that does not hold what is committed;
 * the superblock makes all of them count at once. Bios go on meanwhile and
 * make more blocks dirty, or the same ones again, for the next commit.
 *
 * Somebody waits for a flush: then a few blocks and the superblock are written
 * at the same time. If the power goes in between, the digest in the superblock
 * tells that not all of them are there, and it does not count.
 */
#include <linux/bitmap.h>
#include "snapsync.h"

/**
 * struct batch - metadata blocks that are written together
 * @volume: volume
 * @seq: transaction
 * @count: blocks in volume->buffer
 * @sector: where they go
 * @pending: writes under way, and one
 * @done: @pending fell to 0
 * @error: any of the blocks failed
 * @super_failed: the superblock did
 * @copy_failed: the copy of the superblock did, which is no harm
 * @cleaned: dirty blocks in this transaction
 * @at_once: the superblock need not wait for them, so far
 */
struct batch {
	struct ss_volume *volume;
	u64 seq;
	unsigned int count;
	sector_t sector[SS_BATCH];
	atomic_t pending;
	struct completion done;
	unsigned long error;
	bool super_failed;
	bool copy_failed;
	unsigned int cleaned;
	bool at_once;
};

/* Blocks that are written at once with the superblock at most; there is room for that, too. */
#define AT_ONCE	8

/**
 * ss_meta_sector() - where a metadata block is
 * @volume: volume
 * @kind: its kind
 * @block: its number among its kind
 * @slot: 0 or 1
 *
 * Return: first sector on STORE.
 */
sector_t ss_meta_sector(const struct ss_volume *volume, enum ss_kind kind, u32 block,
			unsigned int slot)
{
	return ss_slot_block(kind, block, slot, volume->chunk_sectors) * SS_BLOCK_SECTORS;
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

static DM_IO_NOTIFY(super_written)
{
	struct batch *batch = context;

	if (error)
		WRITE_ONCE(batch->super_failed, true);
	one_written(batch, 0);
}

/* The superblock is there all the same; if that is lost, the blocks have to tell (load.c). */
static DM_IO_NOTIFY(copy_written)
{
	struct batch *batch = context;

	if (error)
		WRITE_ONCE(batch->copy_failed, true);
	one_written(batch, 0);
}

/* With @notify it does not wait. */
static int start_io(struct ss_volume *volume, struct block_device *disk, blk_opf_t opf,
		    void *memory, sector_t sector, sector_t sectors, io_notify_fn notify,
		    struct batch *batch)
{
	struct dm_io_region region = {
		.bdev = disk, .sector = sector, .count = sectors,
	};
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem = { .type = DM_IO_VMA, .ptr.vma = memory },
		.notify = { .fn = notify, .context = batch },
		.client = volume->io,
	};

	return dm_io(&request, 1, &region, NULL, NULL, IOPRIO_DEFAULT);
}

/**
 * ss_buffer_io() - move volume->buffer from or to a disk, and wait
 * @volume: volume
 * @disk: BASE or STORE
 * @opf: operation
 * @sector: on the disk
 * @sectors: at most SS_BATCH blocks
 *
 * Context: may sleep, volume->meta held or volume not in use yet.
 * Return: 0 or -EIO.
 */
int ss_buffer_io(struct ss_volume *volume, struct block_device *disk, blk_opf_t opf,
		 sector_t sector, sector_t sectors)
{
	return start_io(volume, disk, opf, volume->buffer, sector, sectors, NULL, NULL) ? -EIO : 0;
}

/**
 * ss_block_read() - read one block of STORE
 * @volume: volume
 * @image: result, within volume->buffer
 * @sector: on STORE
 *
 * Context: may sleep, volume->meta held.
 * Return: 0 or -EIO.
 */
int ss_block_read(struct ss_volume *volume, void *image, sector_t sector)
{
	return start_io(volume, volume->store, REQ_OP_READ, image, sector, SS_BLOCK_SECTORS,
			NULL, NULL) ? -EIO : 0;
}

static void batch_begin(struct batch *batch)
{
	init_completion(&batch->done);
	atomic_set(&batch->pending, 1);
}

static void batch_start(struct batch *batch, blk_opf_t opf, void *image, sector_t sector,
			io_notify_fn notify)
{
	atomic_inc(&batch->pending);
	if (start_io(batch->volume, batch->volume->store, opf | REQ_SYNC | REQ_META, image, sector,
		     SS_BLOCK_SECTORS, notify, batch))
		one_written(batch, 1);
}

static void batch_wait(struct batch *batch)
{
	one_written(batch, 0);
	wait_for_completion(&batch->done);
}

static void start_blocks(struct batch *batch, blk_opf_t opf)
{
	unsigned int i;

	for (i = 0; i < batch->count; i++)
		batch_start(batch, REQ_OP_WRITE | opf, batch->volume->buffer + i * SS_BLOCK_SIZE,
			    batch->sector[i], batch_written);
}

static void batch_flush(struct batch *batch)
{
	batch->at_once = false;
	batch_begin(batch);
	start_blocks(batch, 0);
	batch_wait(batch);
	batch->count = 0;
}

/* Of one version; @image is zero, and stays so unless something of the version is valid. */
static void put_version(const struct ss_table *table, u32 version,
			struct ss_disk_version *image)
{
	const unsigned long *valid;
	unsigned long any = 0;
	unsigned int i;
	u32 layer;

	if (!ss_table_has(table, version))
		return;
	/* The bits of a free version are left over from what it was. */
	layer = ss_table_layer(table, version);
	if (!layer)
		return;
	valid = ss_table_valid(table, version);
	for (i = 0; i < table->words; i++) {
		unsigned long word = READ_ONCE(valid[i]);

		image->valid[i] = cpu_to_le64(word);
		any |= word;
	}
	if (!any)
		return;
	image->chunk = cpu_to_le32(ss_table_chunk(table, version));
	image->layer = cpu_to_le16(layer);
}

static void put_versions(const struct ss_volume *volume, enum ss_kind kind, u32 block,
			 void *image)
{
	const struct ss_table *table = &volume->table;
	size_t size = struct_size((struct ss_disk_version *)NULL, valid, table->words);
	u32 place = block * table->per_block;
	unsigned int sector, i;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		void *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		for (i = 0; i < table->per_block / SS_BLOCK_SECTORS; i++, place++, at += size) {
			if (place >= volume->nr_versions)
				return;
			put_version(table, ss_version_at(kind, place), at);
		}
	}
}

static void put_layer(const struct ss_layer *layer, u32 flags, struct ss_disk_layer *image)
{
	memcpy(image->name, layer->name, sizeof(image->name));
	memcpy(image->note, layer->note, sizeof(image->note));
	memcpy(image->txn, layer->txn, sizeof(image->txn));
	memcpy(image->coordinator, layer->coordinator, sizeof(image->coordinator));
	image->time = cpu_to_le64(layer->time);
	image->parent = cpu_to_le32(layer->parent);
	image->flags = cpu_to_le32(flags);
}

static void put_layers(const struct ss_volume *volume, u32 block, void *image)
{
	unsigned int i;

	for (i = 0; i < SS_LAYERS_PER_BLOCK; i++) {
		u32 number = block * SS_LAYERS_PER_BLOCK + i;
		const struct ss_layer *layer = volume->layers[number];
		struct ss_disk_layer *at = image + i / SS_LAYERS_PER_SECTOR * SS_SECTOR_SIZE +
					   sizeof(struct ss_head) +
					   i % SS_LAYERS_PER_SECTOR * sizeof(*at);
		u32 flags;

		/* Pairs with ss_layer_run(): in use, it has its parent and its generation. */
		flags = layer ? smp_load_acquire(&layer->flags) : 0;
		if (!(flags & SS_LAYER_USED))
			continue;
		put_layer(layer, flags, at);
		at->gen = cpu_to_le64(volume->table.gen[number]);
	}
}

static void batch_add(struct batch *batch, enum ss_kind kind, u32 block, unsigned int slot,
		      bool empty)
{
	struct ss_volume *volume = batch->volume;
	void *image = volume->buffer + batch->count * SS_BLOCK_SIZE;
	sector_t sector = ss_meta_sector(volume, kind, block, slot);

	memset(image, 0, SS_BLOCK_SIZE);
	if (!empty && kind == SS_KIND_LAYER)
		put_layers(volume, block, image);
	else if (!empty)
		put_versions(volume, kind, block, image);
	ss_block_seal(volume->uuid, image, sector / SS_BLOCK_SECTORS, empty ? 0 : batch->seq);
	batch->sector[batch->count++] = sector;
	if (batch->count == SS_BATCH)
		batch_flush(batch);
}

/* The digest follows: the slot that counts is going to be of this transaction. */
static void count_block(struct batch *batch, enum ss_kind kind, u32 block)
{
	batch->volume->block_seq[kind][block] = batch->seq;
	batch->volume->digest += ss_block_digest(kind, block, batch->seq);
}

/*
 * A block whose slots were never written gets both. Until then there may be anything in them,
 * by which nobody could tell that the transaction is not whole.
 */
static void write_first(struct batch *batch, enum ss_kind kind, u32 block)
{
	batch->at_once = false;
	count_block(batch, kind, block);
	batch_add(batch, kind, block, 0, false);
	batch_add(batch, kind, block, 1, true);
	__clear_bit(block, batch->volume->current_slot[kind]);
}

static void write_again(struct batch *batch, enum ss_kind kind, u32 block)
{
	struct ss_volume *volume = batch->volume;
	unsigned long *current_slot = volume->current_slot[kind];

	volume->digest -= ss_block_digest(kind, block, volume->block_seq[kind][block]);
	count_block(batch, kind, block);
	__change_bit(block, current_slot);
	batch_add(batch, kind, block, test_bit(block, current_slot), false);
}

static void write_kind(struct batch *batch, enum ss_kind kind)
{
	struct ss_volume *volume = batch->volume;
	u32 end = volume->max_blocks[kind], block;
	u32 last = find_last_bit(volume->dirty[kind], end);
	u32 first_new = volume->nr_blocks[kind];

	if (last < end && last >= first_new)
		volume->nr_blocks[kind] = last + 1;
	for (block = 0; block < volume->nr_blocks[kind]; block++) {
		if (block < first_new)
			block = find_next_bit(volume->dirty[kind], first_new, block);
		if (block >= volume->nr_blocks[kind])
			break;
		if (test_and_clear_bit(block, volume->dirty[kind]))
			batch->cleaned++;
		/* What makes it dirty from here on is in the next commit. */
		smp_mb__after_atomic();
		if (block < first_new)
			write_again(batch, kind, block);
		else
			write_first(batch, kind, block);
	}
}

static void start_super(struct batch *batch, void *image, u32 block, io_notify_fn notify)
{
	batch_start(batch, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, image,
		    (sector_t)block * SS_BLOCK_SECTORS, notify);
}

/*
 * A block could not be written, but the superblock may be there, and nobody could tell later
 * whether that block was. So it goes back by two numbers, with what counted before: the newest
 * one is that of before again, and what there is of this transaction is of a later one, as if
 * the power had gone. One number more would not do: by that, slots of this one would count.
 */
static void take_back(struct ss_volume *volume, u64 seq)
{
	struct batch batch = { .volume = volume, .seq = seq - 2 };
	void *image = volume->buffer, *copy = image + SS_BLOCK_SIZE;
	u32 which = seq & 1;

	batch_begin(&batch);
	ss_super_put_former(volume, image, batch.seq, which);
	start_super(&batch, image, which, batch_written);
	ss_super_put_former(volume, copy, batch.seq, SS_COPY_BLOCK + which);
	start_super(&batch, copy, SS_COPY_BLOCK + which, batch_written);
	batch_wait(&batch);
	if (batch.error)
		DMERR("%s: STORE: a superblock cannot be taken back", volume->name);
}

/*
 * What decides, and its copy beside it. Each comes after a flush of its own, so
 * that whichever is there after a crash, what it tells of is there as well, data
 * included. Nobody is told that the transaction is durable before both are, and
 * the blocks that are written with them: if one of the two is lost, the other
 * still says so.
 */
static int write_super(struct ss_volume *volume, struct batch *batch)
{
	void *image = volume->buffer + batch->count * SS_BLOCK_SIZE;
	void *copy = image + SS_BLOCK_SIZE;
	u32 which = batch->seq & 1;

	batch_begin(batch);
	start_blocks(batch, REQ_FUA);
	ss_super_put(volume, image, batch->seq, which);
	start_super(batch, image, which, super_written);
	ss_super_put(volume, copy, batch->seq, SS_COPY_BLOCK + which);
	start_super(batch, copy, SS_COPY_BLOCK + which, copy_written);
	batch_wait(batch);
	if (batch->copy_failed)
		DMWARN_LIMIT("%s: STORE: a copy of a superblock cannot be written", volume->name);
	if (batch->error)
		take_back(volume, batch->seq);
	if (batch->error || batch->super_failed)
		return -EIO;
	memcpy(&volume->super, image, sizeof(volume->super));
	return 0;
}

/*
 * Versions before layers: who finds a version of a layer finds the layer, too,
 * even if a cut comes in between.
 */
static int write_transaction(struct ss_volume *volume, struct batch *batch)
{
	write_kind(batch, SS_KIND_DATA);
	write_kind(batch, SS_KIND_ZERO);
	volume->committing = ss_running(volume);
	write_kind(batch, SS_KIND_LAYER);
	if (!batch->at_once || !batch->count || batch->count > AT_ONCE)
		batch_flush(batch);
	volume->at_once = batch->at_once;
	return batch->error ? -EIO : write_super(volume, batch);
}

/**
 * ss_fail() - metadata cannot be trusted to be written any more
 * @volume: read-only from now on
 * @reason: for status
 *
 * Context: may sleep.
 */
void ss_fail(struct ss_volume *volume, const char *reason)
{
	strscpy(volume->reason, reason, sizeof(volume->reason));
	WRITE_ONCE(volume->mode, SS_MODE_READ_ONLY);
	DMERR("%s: %s; read-only from now on", volume->name, reason);
	ss_io_fail(volume, &volume->held, BLK_STS_IOERR);
	ss_volume_event(volume);
}

/* Flushes and FUA writes that came before the commit began. */
static void take_flushes(struct ss_volume *volume, struct bio_list *flushes)
{
	spin_lock_irq(&volume->bio_lock);
	bio_list_merge(flushes, &volume->flushes);
	bio_list_init(&volume->flushes);
	spin_unlock_irq(&volume->bio_lock);
}

static void end_flushes(struct bio_list *flushes, int err)
{
	struct bio *bio;

	while ((bio = bio_list_pop(flushes))) {
		if (err)
			bio->bi_status = BLK_STS_IOERR;
		bio_endio(bio);
	}
}

static int commit(struct ss_volume *volume, bool at_once)
{
	struct batch batch = { .volume = volume, .seq = volume->seq + 1 };
	struct bio_list flushes = BIO_EMPTY_LIST;
	u32 freed = volume->freed;
	int err = -EROFS;

	lockdep_assert_held(&volume->meta);
	take_flushes(volume, &flushes);
	/* What is freed is used again before another one confirms that all blocks are there. */
	batch.at_once = at_once && freed == SS_NONE;
	volume->freed = SS_NONE;
	if (volume->mode == SS_MODE_WRITE) {
		err = write_transaction(volume, &batch);
		if (err)
			ss_fail(volume, "metadata write error");
	}
	if (!err) {
		volume->seq = batch.seq;
		atomic_sub(batch.cleaned, &volume->unclean);
		/* What became dirty during the commit waits its second, too. */
		if (ss_has_to_commit(volume) && !delayed_work_pending(&volume->commit_work))
			queue_delayed_work(volume->wq, &volume->commit_work, HZ);
	}
	end_flushes(&flushes, err);
	if (!err && freed != SS_NONE) {
		ss_drain(volume);
		ss_space_freed(volume, freed);
	}
	return err;
}

/**
 * ss_commit() - make durable what has ended so far
 * @volume: volume
 *
 * Context: may sleep, volume->meta held. Waits for bios under way if chunks were freed.
 * Return: 0, -EROFS when read-only, -EIO when it is from now on.
 */
int ss_commit(struct ss_volume *volume)
{
	return commit(volume, false);
}

/**
 * ss_commit_at_once() - the same for who waits for a flush
 * @volume: volume
 *
 * If little has changed, the superblock is written with the blocks. Another one says within a
 * second that they were all there: a block that is lost later is noticed from then on.
 *
 * Context: as ss_commit().
 * Return: as ss_commit().
 */
int ss_commit_at_once(struct ss_volume *volume)
{
	return commit(volume, true);
}
