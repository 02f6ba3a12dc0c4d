// SPDX-License-Identifier: GPL-2.0
/*
 * Target snapsync: a table that shows a volume as it runs.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "snapsync.h"

#define DEFAULT_HOLD_MS		60000
#define HOLD_MS_MAX		3600000
#define NR_OPTIONS_MAX		10

/**
 * struct ss_target - one table
 * @base: disk below
 * @store: disk with data and metadata
 * @stand_in: what ioctls reach
 * @volume: shared with other tables
 * @args: of the volume; the chunk is that by which bios are split
 * @given_chunk: chunk_sectors as given
 */
struct ss_target {
	struct dm_dev *base;
	struct dm_dev *store;
	struct gendisk *stand_in;
	struct ss_volume *volume;
	struct ss_volume_args args;
	unsigned int given_chunk;
};

static int parse_number(struct dm_arg_set *as, u64 min, u64 max, u64 *value)
{
	const char *text = as->argc ? dm_shift_arg(as) : NULL;

	if (!text || kstrtou64(text, 10, value) || *value < min || *value > max)
		return -EINVAL;
	return 0;
}

static int parse_chunk(struct dm_arg_set *as, struct ss_volume_args *args)
{
	u64 kib;

	if (parse_number(as, SS_CHUNK_SECTORS_MIN / 2, SS_CHUNK_SECTORS_MAX / 2, &kib) ||
	    !is_power_of_2(kib))
		return -EINVAL;
	args->chunk_sectors = kib * 2;
	return 0;
}

static int parse_group(struct dm_arg_set *as, struct ss_volume_args *args)
{
	const char *name = as->argc ? dm_shift_arg(as) : "";

	if (!ss_name_is_valid(name))
		return -EINVAL;
	strscpy(args->group, name, sizeof(args->group));
	return 0;
}

static int parse_option(struct dm_arg_set *as, struct ss_volume_args *args, char **error)
{
	const char *key = dm_shift_arg(as);
	u64 number = 0;
	int err;

	if (!strcasecmp(key, "chunk")) {
		*error = "chunk is 4, 8, 16, 32 or 64";
		return parse_chunk(as, args);
	}
	if (!strcasecmp(key, "group")) {
		*error = "Invalid group name";
		return parse_group(as, args);
	}
	if (!strcasecmp(key, "hold_ms")) {
		*error = "hold_ms is at most an hour";
		err = parse_number(as, 0, HOLD_MS_MAX, &number);
		args->hold_ms = number;
		return err;
	}
	if (!strcasecmp(key, "low_water")) {
		*error = "low_water is a number of chunks";
		err = parse_number(as, 0, U32_MAX, &number);
		args->low_water = number;
		return err;
	}
	*error = "Unknown option";
	if (!strcasecmp(key, "writable_base"))
		args->writable_base = true;
	else if (!strcasecmp(key, "any_base"))
		args->any_base = true;
	else
		return -EINVAL;
	return 0;
}

static int parse_options(struct dm_arg_set *as, struct ss_volume_args *args, char **error)
{
	static const struct dm_arg counts[] = {
		{ 0, NR_OPTIONS_MAX, "Invalid number of options" },
	};
	unsigned int count = 0;
	int err = 0;

	args->hold_ms = DEFAULT_HOLD_MS;
	if (as->argc)
		err = dm_read_arg_group(counts, as, &count, error);
	while (as->argc && !err)
		err = parse_option(as, args, error);
	return err;
}

static int open_disks(struct dm_target *ti, struct ss_target *target, const char *base,
		      const char *store)
{
	const struct ss_volume_args *args = &target->args;
	blk_mode_t write = args->read_only ? 0 : BLK_OPEN_WRITE;
	blk_mode_t mode = BLK_OPEN_READ | (args->writable_base ? write : 0);
	int err;

	/* The wider mode first: should both be one device, the second changes nothing. */
	err = dm_get_device(ti, store, BLK_OPEN_READ | write, &target->store);
	if (err) {
		ti->error = "Cannot open STORE";
		return err;
	}
	err = dm_get_device(ti, base, mode, &target->base);
	if (err) {
		ti->error = "Cannot open BASE";
		return err;
	}
	target->stand_in = ss_stand_in_new(target->base->bdev);
	return PTR_ERR_OR_ZERO(target->stand_in);
}

static int check_disks(struct dm_target *ti, const struct ss_target *target)
{
	struct block_device *base = target->base->bdev, *store = target->store->bdev;

	ti->error = "STORE must be another device than BASE";
	if (base == store)
		return -EINVAL;
	ti->error = "BASE is smaller than the volume";
	if (ti->len > bdev_nr_sectors(base))
		return -EINVAL;
	/* Sectors are what the guest has seen since it was installed. */
	ti->error = "STORE has larger sectors than BASE";
	if (bdev_logical_block_size(store) > bdev_logical_block_size(base) ||
	    bdev_logical_block_size(store) > SS_BLOCK_SIZE)
		return -EINVAL;
	ti->error = "The size is no multiple of BASE's sectors";
	if (ti->len % (bdev_logical_block_size(base) >> SECTOR_SHIFT))
		return -EINVAL;
	ti->error = "STORE is larger than 16 TiB";
	if (bdev_nr_sectors(store) / SS_BLOCK_SECTORS > U32_MAX)
		return -EINVAL;
	ti->error = NULL;
	return 0;
}

static void set_limits(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	ti->num_write_zeroes_bios = 1;
	ti->per_io_data_size = sizeof(struct ss_bio);
}

static void close_disks(struct dm_target *ti, struct ss_target *target)
{
	if (!IS_ERR_OR_NULL(target->stand_in))
		ss_stand_in_free(target->stand_in);
	if (target->store)
		dm_put_device(ti, target->store);
	if (target->base)
		dm_put_device(ti, target->base);
	kfree(target);
}

static int activate(struct dm_target *ti, struct ss_target *target)
{
	char *error = "The volume cannot be set up";
	int err;

	target->args.base = target->base->bdev;
	target->args.store = target->store->bdev;
	target->given_chunk = target->args.chunk_sectors;
	target->volume = ss_volume_get(ti, &target->args, &error);
	if (IS_ERR(target->volume)) {
		ti->error = error;
		return PTR_ERR(target->volume);
	}
	err = dm_set_target_max_io_len(ti, target->args.chunk_sectors * SS_RUN_CHUNKS);
	if (err) {
		ss_volume_detach(target->volume, ti);
		ss_volume_put(target->volume);
	}
	return err;
}

/* BASE STORE [N option...] */
static int snapsync_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct ss_target *target;
	const char *base, *store;
	int err;

	if (argc < 2 || ti->begin) {
		ti->error = argc < 2 ? "BASE and STORE are needed" : "The table must begin at 0";
		return -EINVAL;
	}
	base = dm_shift_arg(&as);
	store = dm_shift_arg(&as);
	target = kzalloc(sizeof(*target), GFP_KERNEL);
	if (!target) {
		ti->error = "No memory";
		return -ENOMEM;
	}
	target->args.sectors = ti->len;
	target->args.read_only = !(dm_table_get_mode(ti->table) & BLK_OPEN_WRITE);
	err = parse_options(&as, &target->args, &ti->error);
	err = err ?: open_disks(ti, target, base, store);
	err = err ?: check_disks(ti, target);
	err = err ?: activate(ti, target);
	if (err) {
		close_disks(ti, target);
		return err;
	}
	ti->private = target;
	set_limits(ti);
	return 0;
}

static void snapsync_dtr(struct dm_target *ti)
{
	struct ss_target *target = ti->private;

	ss_volume_detach(target->volume, ti);
	ss_volume_put(target->volume);
	close_disks(ti, target);
}

static int snapsync_map(struct dm_target *ti, struct bio *bio)
{
	struct ss_target *target = ti->private;

	return ss_io_map(target->volume, bio);
}

static int snapsync_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct ss_target *target = ti->private;

	return ss_io_end(target->volume, bio, error);
}

/* With noflush, device mapper takes held writes back; otherwise it waits for them. */
static void snapsync_presuspend(struct dm_target *ti)
{
	struct ss_volume *volume = ((struct ss_target *)ti->private)->volume;

	if (!dm_noflush_suspending(ti))
		return;
	spin_lock_irq(&volume->bio_lock);
	volume->is_suspending = true;
	spin_unlock_irq(&volume->bio_lock);
	ss_io_fail(volume, &volume->held, BLK_STS_DM_REQUEUE);
}

static void snapsync_presuspend_undo(struct dm_target *ti)
{
	struct ss_volume *volume = ((struct ss_target *)ti->private)->volume;

	spin_lock_irq(&volume->bio_lock);
	volume->is_suspending = false;
	spin_unlock_irq(&volume->bio_lock);
}

static void snapsync_postsuspend(struct dm_target *ti)
{
	struct ss_volume *volume = ((struct ss_target *)ti->private)->volume;
	unsigned int noio = ss_meta_lock(volume);

	volume->is_paused = true;
	if (volume->mode == SS_MODE_WRITE && ss_has_to_commit(volume))
		ss_commit(volume);
	ss_meta_unlock(volume, noio);
}

static int snapsync_preresume(struct dm_target *ti)
{
	struct ss_target *target = ti->private;

	return ss_volume_start(target->volume, &target->args);
}

static void snapsync_resume(struct dm_target *ti)
{
	struct ss_target *target = ti->private;

	dm_stack_stable_writes(ti, target->store->bdev);
	ss_volume_attach(target->volume, ti, &target->args);
}

static void emit_table(const struct ss_target *target, char *result, unsigned int maxlen)
{
	const struct ss_volume_args *args = &target->args;
	unsigned int sz = 0;

	DMEMIT("%s %s %u", target->base->name, target->store->name,
	       2 * !!target->given_chunk + 2 * !!*args->group + 4 + args->writable_base +
	       args->any_base);
	if (target->given_chunk)
		DMEMIT(" chunk %u", target->given_chunk / 2);
	if (*args->group)
		DMEMIT(" group %s", args->group);
	DMEMIT(" hold_ms %u low_water %u", args->hold_ms, args->low_water);
	if (args->writable_base)
		DMEMIT(" writable_base");
	if (args->any_base)
		DMEMIT(" any_base");
}

static void snapsync_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			    char *result, unsigned int maxlen)
{
	struct ss_target *target = ti->private;

	if (type == STATUSTYPE_INFO)
		ss_status(target->volume, result, maxlen);
	else if (type == STATUSTYPE_TABLE)
		emit_table(target, result, maxlen);
	else
		*result = '\0';
}

static int snapsync_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct ss_target *target = ti->private;

	return ss_message(target->volume, argc, argv, result, maxlen);
}

/* Not BASE: see ioctl.c. */
static DM_PREPARE_IOCTL(snapsync_prepare_ioctl)
{
	struct ss_target *target = ti->private;

	*bdev = target->stand_in->part0;
	return 0;
}

/* Only BASE: what comes through here includes persistent reservations. */
static int snapsync_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				    void *data)
{
	struct ss_target *target = ti->private;

	return fn(ti, target->base, 0, ti->len, data);
}

static void snapsync_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct ss_target *target = ti->private;
	struct block_device *store = target->store->bdev;
	unsigned int chunk = target->args.chunk_sectors << SECTOR_SHIFT;

	blk_stack_limits(limits, &bdev_get_queue(store)->limits, get_start_sect(store));
	limits->discard_granularity = chunk;
	limits->discard_alignment = 0;
	limits->max_hw_discard_sectors = SS_RUN_CHUNKS * target->args.chunk_sectors;
	limits->max_discard_sectors = limits->max_hw_discard_sectors;
	limits->io_min = max(limits->io_min, limits->physical_block_size);
	limits->io_opt = chunk;
}

struct target_type ss_target_type = {
	.name = "snapsync",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = snapsync_ctr,
	.dtr = snapsync_dtr,
	.map = snapsync_map,
	.end_io = snapsync_end_io,
	.presuspend = snapsync_presuspend,
	.presuspend_undo = snapsync_presuspend_undo,
	.postsuspend = snapsync_postsuspend,
	.preresume = snapsync_preresume,
	.resume = snapsync_resume,
	.status = snapsync_status,
	.message = snapsync_message,
	.prepare_ioctl = snapsync_prepare_ioctl,
	.iterate_devices = snapsync_iterate_devices,
	.io_hints = snapsync_io_hints,
};
