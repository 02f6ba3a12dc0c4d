// SPDX-License-Identifier: GPL-2.0
/*
 * Disks in memory; see disk.h.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"

static LIST_HEAD(disks);

/**
 * disk_new() - a disk of zeroes
 * @sectors: its size
 *
 * Return: disk.
 */
struct block_device *disk_new(sector_t sectors)
{
	struct block_device *disk = calloc(1, sizeof(*disk));

	disk->sectors = sectors;
	disk->fd = memfd_create("disk", 0);
	assert(!ftruncate(disk->fd, sectors * 512));
	disk->now = mmap(NULL, sectors * 512, PROT_READ | PROT_WRITE, MAP_SHARED, disk->fd, 0);
	assert(disk->now != MAP_FAILED);
	disk->media = calloc(sectors, 512);
	list_add_tail(&disk->node, &disks);
	return disk;
}

/**
 * disk_free() - the reverse
 * @disk: disk
 */
void disk_free(struct block_device *disk)
{
	list_del(&disk->node);
	munmap(disk->now, disk->sectors * 512);
	close(disk->fd);
	free(disk->media);
	free(disk->written);
	free(disk);
}

/* What is written over is durable with what is, or nobody cares any more. */
static void cover(struct block_device *disk, sector_t sector)
{
	size_t i;

	for (i = 0; i < disk->n_written; i++)
		disk->written[i].is_fua |= disk->written[i].sector == sector;
}

static void write_sector(struct block_device *disk, sector_t sector, const u8 *data, bool in_flight,
			 bool is_fua)
{
	struct written *written;

	if (is_fua)
		cover(disk, sector);
	if (!(disk->n_written & (disk->n_written - 1)))
		disk->written =
			realloc(disk->written, (2 * disk->n_written + 1) * sizeof(*disk->written));
	written = &disk->written[disk->n_written++];
	written->sector = sector;
	written->in_flight = in_flight;
	written->is_fua = is_fua;
	memcpy(written->data, data, 512);
	memcpy(disk->now + sector * 512, data, 512);
}

/* Of what has ended, all if there is a flush. */
static void make_durable(struct block_device *disk, bool is_flush)
{
	size_t i, left = 0;

	for (i = 0; i < disk->n_written; i++) {
		struct written *written = &disk->written[i];

		if (!written->in_flight && (is_flush || written->is_fua))
			memcpy(disk->media + written->sector * 512, written->data, 512);
		else
			disk->written[left++] = *written;
	}
	disk->n_written = left;
}

static void happens(struct block_device *disk)
{
	if (disk->on_write)
		disk->on_write(disk);
}

static void flush(struct block_device *disk)
{
	happens(disk);
	make_durable(disk, true);
}

static int write_sectors(struct block_device *disk, blk_opf_t opf, sector_t sector, const u8 *data,
			 sector_t sectors, bool waits)
{
	sector_t i;

	for (i = 0; i < sectors; i++)
		write_sector(disk, sector + i, data + i * 512, !waits, opf & REQ_FUA);
	happens(disk);
	make_durable(disk, false);
	return 0;
}

static bool is_bad(const struct block_device *disk, sector_t sector, sector_t sectors)
{
	return sector < disk->bad_to && sector + sectors > disk->bad_from;
}

/* One that fails: it may be there all the same. */
static int fail_to_write(struct block_device *disk, blk_opf_t opf, sector_t sector, const u8 *data,
			 sector_t sectors, bool waits)
{
	if (disk->fault == DISK_CHANGED)
		write_sectors(disk, opf, sector, data, sectors, waits);
	return -EIO;
}

/**
 * disk_io() - one request
 * @disk: disk
 * @opf: read or write, with flags
 * @sector: first
 * @data: memory
 * @sectors: number
 * @waits: the caller is told that it has ended; otherwise by test_io_ended()
 *
 * Return: 0 or -EIO.
 */
int disk_io(struct block_device *disk, blk_opf_t opf, sector_t sector, void *data, sector_t sectors,
	    bool waits)
{
	assert(sector + sectors <= disk->sectors);
	if (opf & REQ_PREFLUSH)
		flush(disk);
	if ((opf & REQ_OP_MASK) == REQ_OP_WRITE)
		return is_bad(disk, sector, sectors)
			       ? fail_to_write(disk, opf, sector, data, sectors, waits)
			       : write_sectors(disk, opf, sector, data, sectors, waits);
	if (is_bad(disk, sector, sectors) && disk->fault == DISK_DEAD)
		return -EIO;
	memcpy(data, disk->now + sector * 512, sectors * 512);
	return 0;
}

/* All that was in flight has ended, and who waits is told. */
void test_io_ended(void)
{
	struct block_device *disk;
	size_t i;

	list_for_each_entry(disk, &disks, node)
	{
		for (i = 0; i < disk->n_written; i++)
			disk->written[i].in_flight = false;
		make_durable(disk, false);
	}
}

/**
 * disk_lose_power() - what may be there afterwards
 * @disk: which goes on
 * @image: result: what is durable, and some of what is not
 */
void disk_lose_power(const struct block_device *disk, u8 *image)
{
	unsigned int kept = random() % 5; /* of four; 4: all */
	size_t i;

	memcpy(image, disk->media, disk->sectors * 512);
	for (i = 0; i < disk->n_written; i++)
		if (random() % 4 < kept)
			memcpy(image + disk->written[i].sector * 512, disk->written[i].data, 512);
}

/**
 * disk_set() - durable content
 * @disk: disk
 * @image: content
 */
void disk_set(struct block_device *disk, const u8 *image)
{
	disk->n_written = 0;
	memcpy(disk->now, image, disk->sectors * 512);
	memcpy(disk->media, image, disk->sectors * 512);
}

sector_t bdev_nr_sectors(const struct block_device *disk)
{
	return disk->sectors;
}

int test_dm_io(struct dm_io_request *request, struct dm_io_region *region)
{
	bool waits = !request->notify.fn;
	int err = disk_io(region->bdev, request->bi_opf, region->sector, request->mem.ptr.vma,
			  region->count, waits);

	if (waits)
		return err;
	request->notify.fn(!!err, request->notify.context);
	return 0;
}

int blkdev_issue_flush(struct block_device *disk)
{
	flush(disk);
	return 0;
}

int blkdev_issue_zeroout(struct block_device *disk, sector_t sector, sector_t sectors, gfp_t gfp,
			 unsigned int flags)
{
	void *zeroes = calloc(sectors, 512);
	int err = disk_io(disk, REQ_OP_WRITE, sector, zeroes, sectors, true);

	(void)gfp;
	(void)flags;
	free(zeroes);
	return err;
}
