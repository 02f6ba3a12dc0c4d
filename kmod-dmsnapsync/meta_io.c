// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata from and to a disk, past the page cache; blocks that are written
 * together.
 */
#include "snapsync.h"

static void one_written(struct ss_writes *writes, unsigned long error)
{
	if (error)
		WRITE_ONCE(writes->error, error);
	if (atomic_dec_and_test(&writes->pending))
		complete(&writes->done);
}

static DM_IO_NOTIFY(written)
{
	one_written(context, error);
}

/* As one of @writes it does not wait. */
static int start_io(struct dm_io_client *client, struct block_device *disk, blk_opf_t opf,
		    void *memory, sector_t sector, sector_t sectors, struct ss_writes *writes)
{
	struct dm_io_region region = {
		.bdev = disk, .sector = sector, .count = sectors,
	};
	struct dm_io_request request = {
		.bi_opf = opf,
		.mem = { .type = DM_IO_VMA, .ptr.vma = memory },
		.notify = { .fn = writes ? written : NULL, .context = writes },
		.client = client,
	};

	return dm_io(&request, 1, &region, NULL, NULL, IOPRIO_DEFAULT);
}

/**
 * ss_disk_io() - move memory from or to a disk, and wait
 * @client: of dm-io
 * @disk: disk
 * @opf: operation
 * @memory: of vmalloc()
 * @sector: on the disk
 * @sectors: number
 *
 * Context: may sleep.
 * Return: 0 or -EIO.
 */
int ss_disk_io(struct dm_io_client *client, struct block_device *disk, blk_opf_t opf, void *memory,
	       sector_t sector, sector_t sectors)
{
	return start_io(client, disk, opf, memory, sector, sectors, NULL) ? -EIO : 0;
}

/**
 * ss_writes_begin() - blocks are going to be written together
 * @writes: result
 * @client: of dm-io
 * @disk: where to
 */
void ss_writes_begin(struct ss_writes *writes, struct dm_io_client *client,
		     struct block_device *disk)
{
	writes->client = client;
	writes->disk = disk;
	writes->error = 0;
	atomic_set(&writes->pending, 1);
	init_completion(&writes->done);
}

/**
 * ss_writes_start() - begin to write a block
 * @writes: begun
 * @flags: of the bio
 * @image: of vmalloc(); as it is until ss_writes_wait()
 * @sector: on the disk
 *
 * Context: may sleep.
 */
void ss_writes_start(struct ss_writes *writes, blk_opf_t flags, void *image, sector_t sector)
{
	atomic_inc(&writes->pending);
	if (start_io(writes->client, writes->disk,
		     REQ_OP_WRITE | REQ_SYNC | REQ_META | flags, image, sector, SS_BLOCK_SECTORS,
		     writes))
		one_written(writes, 1);
}

/**
 * ss_writes_wait() - wait for all of them
 * @writes: begun
 *
 * Context: may sleep.
 * Return: 0, -EIO when any of them failed.
 */
int ss_writes_wait(struct ss_writes *writes)
{
	one_written(writes, 0);
	wait_for_completion(&writes->done);
	return writes->error ? -EIO : 0;
}
