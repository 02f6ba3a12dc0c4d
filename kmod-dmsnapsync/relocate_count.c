// SPDX-License-Identifier: GPL-2.0
/*
 * Target relocate-source: a disk as it is, that knows which of its regions are
 * read, for when it is to be relocated; and that refuses writes once it has
 * been handed over.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "relocate.h"

#define COUNTERS_MAX		1048576
#define REGION_SECTORS_MIN	2048	/* 1 MiB */
#define REGION_KIB_MAX		1048576

/* Counts are halved as often. */
#define HALF_LIFE_S		60

/**
 * struct rc_source - a table
 * @dev: disk
 * @region_shift: log2 of the sectors of a region
 * @nr: regions
 * @counter: for each, reads in the upper half, half-life in which they were counted in the lower
 * @control: a hand-over or its reverse is under way
 * @handed_over: writes are refused
 * @writing: writes under way
 * @written: woken when there is none
 */
struct rc_source {
	struct dm_dev *dev;
	unsigned int region_shift;
	u64 nr;
	u32 *counter;
	struct mutex control;	/* handed_over */
	bool handed_over;
	atomic_t writing;
	wait_queue_head_t written;
};

static u16 half_life_now(void)
{
	return ktime_get_seconds() / HALF_LIFE_S;
}

/* What is left of a count. */
static u32 faded(u32 counter, u16 now)
{
	u16 age = now - (u16)counter;

	return age < 16 ? (counter >> 16) >> age : 0;
}

/* Two CPUs at once may count as one: it is about which regions, not how often. */
static void count_read(struct rc_source *source, sector_t sector)
{
	u32 *counter = &source->counter[sector >> source->region_shift];
	u16 now = half_life_now();
	u32 count = faded(READ_ONCE(*counter), now);

	if (count < U16_MAX)
		count++;
	WRITE_ONCE(*counter, count << 16 | now);
}

static int parse_region(struct dm_target *ti, struct dm_arg_set *as, struct rc_source *source)
{
	static const struct dm_arg counts[] = { { 0, 2, "Invalid number of options" } };
	u64 sectors = REGION_SECTORS_MIN, kib;
	unsigned int count = 0;

	if (as->argc && dm_read_arg_group(counts, as, &count, &ti->error))
		return -EINVAL;
	ti->error = "region is a power of two, in KiB, at most 1048576";
	if (count) {
		if (count != 2 || strcasecmp(dm_shift_arg(as), "region") ||
		    kstrtou64(dm_shift_arg(as), 10, &kib) || kib < 4 || kib > REGION_KIB_MAX ||
		    !is_power_of_2(kib))
			return -EINVAL;
		sectors = 2 * kib;
	}
	while (DIV_ROUND_UP_ULL(ti->len, sectors) > COUNTERS_MAX)
		sectors *= 2;
	source->region_shift = ilog2(sectors);
	source->nr = DIV_ROUND_UP_ULL(ti->len, sectors);
	return 0;
}

static int set_up(struct dm_target *ti, struct rc_source *source, struct dm_arg_set *as)
{
	const char *path = dm_shift_arg(as);
	int err = parse_region(ti, as, source);

	if (err)
		return err;
	ti->error = "No memory";
	source->counter = vzalloc(source->nr * sizeof(*source->counter));
	if (!source->counter)
		return -ENOMEM;
	ti->error = "Cannot open the disk, or it is too small";
	err = dm_get_device(ti, path, dm_table_get_mode(ti->table), &source->dev);
	if (!err && bdev_nr_sectors(source->dev->bdev) < ti->len)
		err = -EINVAL;
	return err;
}

static void free_source(struct dm_target *ti, struct rc_source *source)
{
	if (source->dev)
		dm_put_device(ti, source->dev);
	vfree(source->counter);
	mutex_destroy(&source->control);
	kfree(source);
}

/* DEV [2 region KIB] */
static int source_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct rc_source *source;
	int err;

	ti->error = argc ? "The table must begin at 0" : "A disk is needed";
	if (!argc || ti->begin)
		return -EINVAL;
	source = kzalloc(sizeof(*source), GFP_KERNEL);
	if (!source) {
		ti->error = "No memory";
		return -ENOMEM;
	}
	mutex_init(&source->control);
	init_waitqueue_head(&source->written);
	err = set_up(ti, source, &as);
	if (err) {
		free_source(ti, source);
		return err;
	}
	ti->error = NULL;
	ti->private = source;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_secure_erase_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->per_io_data_size = sizeof(bool);
	return 0;
}

static void source_dtr(struct dm_target *ti)
{
	free_source(ti, ti->private);
}

static bool *is_counted(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(bool));
}

static void uncount_write(struct rc_source *source)
{
	if (atomic_dec_and_test(&source->writing))
		wake_up_all(&source->written);
}

static int source_map(struct dm_target *ti, struct bio *bio)
{
	struct rc_source *source = ti->private;

	*is_counted(bio) = false;
	bio_set_dev(bio, source->dev->bdev);
	if (bio_op(bio) == REQ_OP_READ) {
		count_read(source, bio->bi_iter.bi_sector);
		return DM_MAPIO_REMAPPED;
	}
	if (!bio_sectors(bio))
		return DM_MAPIO_REMAPPED;
	/* Counted before it is looked at, so that a hand-over waits for it or stops it. */
	atomic_inc(&source->writing);
	smp_mb__after_atomic();	/* pairs with the one in hand_over() */
	if (READ_ONCE(source->handed_over)) {
		uncount_write(source);
		return DM_MAPIO_KILL;
	}
	*is_counted(bio) = true;
	return DM_MAPIO_REMAPPED;
}

static int source_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	if (*is_counted(bio)) {
		*is_counted(bio) = false;
		uncount_write(ti->private);
	}
	return DM_ENDIO_DONE;
}

/* START COUNT WEIGHT, in sectors, of what was read lately. */
static void list_hot(struct dm_target *ti, char *result, unsigned int maxlen)
{
	struct rc_source *source = ti->private;
	u16 now = half_life_now();
	unsigned int sz = 0;
	u64 i;

	*result = '\0';
	for (i = 0; i < source->nr; i++) {
		u32 count = faded(READ_ONCE(source->counter[i]), now);
		sector_t start = i << source->region_shift;

		if (!count)
			continue;
		DMEMIT("%llu %llu %u\n", (u64)start,
		       min_t(u64, 1ULL << source->region_shift, ti->len - start), count);
		/* Device mapper is asked again, with more room. */
		if (sz >= maxlen)
			return;
	}
}

/* From here on nobody writes; what was written is durable. If that fails, it is as it was. */
static int hand_over(struct rc_source *source)
{
	bool was = source->handed_over;
	int err;

	WRITE_ONCE(source->handed_over, true);
	/* Pairs with the one in source_map(): it sees the flag, or we see it counted. */
	smp_mb();
	err = wait_event_killable(source->written, !atomic_read(&source->writing));
	err = err ?: blkdev_issue_flush(source->dev->bdev);
	if (err)
		WRITE_ONCE(source->handed_over, was);
	return err;
}

/* One at a time: none that fails may take back what another one has said. */
static int set_handed_over(struct rc_source *source, bool handed_over)
{
	int err = mutex_lock_killable(&source->control);

	if (err)
		return err;
	if (handed_over)
		err = hand_over(source);
	else
		WRITE_ONCE(source->handed_over, false);
	mutex_unlock(&source->control);
	return err;
}

static int source_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			  unsigned int maxlen)
{
	struct rc_source *source = ti->private;

	if (argc != 1)
		return -EINVAL;
	if (!strcasecmp(argv[0], "hot")) {
		list_hot(ti, result, maxlen);
		return 1;
	}
	if (!strcasecmp(argv[0], "handover"))
		return set_handed_over(source, true);
	if (!strcasecmp(argv[0], "return"))
		return set_handed_over(source, false);
	if (strcasecmp(argv[0], "forget"))
		return -EINVAL;
	memset(source->counter, 0, source->nr * sizeof(*source->counter));
	return 0;
}

static void source_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			  char *result, unsigned int maxlen)
{
	struct rc_source *source = ti->private;
	unsigned int kib = 1U << source->region_shift >> 1, sz = 0;

	*result = '\0';
	if (type == STATUSTYPE_INFO)
		DMEMIT("%s %u", READ_ONCE(source->handed_over) ? "handed-over" : "rw", kib);
	else if (type == STATUSTYPE_TABLE)
		DMEMIT("%s 2 region %u", source->dev->name, kib);
}

static DM_PREPARE_IOCTL(source_prepare_ioctl)
{
	struct rc_source *source = ti->private;

	/* SG_IO writes, too. */
	if (READ_ONCE(source->handed_over))
		return -EROFS;
	*bdev = source->dev->bdev;
	return ti->len != bdev_nr_sectors(*bdev);
}

static int source_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct rc_source *source = ti->private;

	return fn(ti, source->dev, 0, ti->len, data);
}

struct target_type rl_source_type = {
	.name = "relocate-source",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = source_ctr,
	.dtr = source_dtr,
	.map = source_map,
	.end_io = source_end_io,
	.status = source_status,
	.message = source_message,
	.prepare_ioctl = source_prepare_ioctl,
	.iterate_devices = source_iterate_devices,
};

MODULE_ALIAS("dm-relocate-source");
