// SPDX-License-Identifier: GPL-2.0
/*
 * Target snapsync-view: a state as a read-only device, while the volume runs.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "snapsync.h"

/**
 * struct ss_view - one table
 * @base: BASE
 * @store: STORE
 * @volume: volume
 * @layer: of the state
 * @line: layers that are seen; in volume->views
 */
struct ss_view {
	struct dm_dev *base;
	struct dm_dev *store;
	struct ss_volume *volume;
	u32 layer;
	struct ss_line line;
};

static int open_disk(struct dm_target *ti, struct block_device *disk, struct dm_dev **dev)
{
	char path[24];

	snprintf(path, sizeof(path), "%u:%u", MAJOR(disk->bd_dev), MINOR(disk->bd_dev));
	return dm_get_device(ti, path, BLK_OPEN_READ, dev);
}

/* The state stays as long as it has a view. */
static int find_state(struct ss_view *view, const char *name)
{
	struct ss_volume *volume = view->volume;
	unsigned long flags;
	unsigned int noio;
	u32 number;
	int err = 0;

	if (mutex_lock_killable(&volume->group->op))
		return -EINTR;
	noio = ss_meta_lock(volume);
	number = ss_layer_find(volume, name);
	if (!number)
		err = -ENOENT;
	else if (volume->layers[number]->flags & SS_LAYER_PREPARED)
		err = -EAGAIN;
	if (!err) {
		volume->layers[number]->nr_views++;
		view->layer = number;
		ss_layer_line(volume, number, &view->line);
		flags = ss_gate_close(volume->group);
		list_add_tail(&view->line.node, &volume->views);
		ss_gate_open(volume->group, flags);
	}
	ss_meta_unlock(volume, noio);
	mutex_unlock(&volume->group->op);
	return err;
}

static void forget_state(struct ss_view *view)
{
	struct ss_volume *volume = view->volume;
	unsigned int noio = ss_meta_lock(volume);
	unsigned long flags = ss_gate_close(volume->group);

	list_del(&view->line.node);
	ss_gate_open(volume->group, flags);
	volume->layers[view->layer]->nr_views--;
	ss_meta_unlock(volume, noio);
}

static void close_view(struct dm_target *ti, struct ss_view *view)
{
	if (view->layer)
		forget_state(view);
	if (view->volume) {
		ss_volume_forget(view->volume);
		ss_volume_put(view->volume);
	}
	if (view->store)
		dm_put_device(ti, view->store);
	if (view->base)
		dm_put_device(ti, view->base);
	kfree(view);
}

static int open_view(struct dm_target *ti, struct ss_view *view, const char *device,
		     const char *state)
{
	dev_t dev;
	int err;

	/* Not opened: it may be mounted, which excludes all others. */
	ti->error = "No such device";
	err = lookup_bdev(device, &dev);
	if (err)
		return err;
	ti->error = "That is no snapsync device";
	view->volume = ss_volume_find(dev);
	if (!view->volume)
		return -EINVAL;
	ti->error = "Cannot open BASE and STORE";
	err = open_disk(ti, view->volume->base, &view->base);
	err = err ?: open_disk(ti, view->volume->store, &view->store);
	if (err)
		return err;
	ti->error = "The size is not that of the volume";
	if (ti->len != view->volume->volume_sectors)
		return -EINVAL;
	ti->error = "No such state";
	err = find_state(view, state);
	if (err)
		return err;
	ti->error = "Cannot split bios";
	return dm_set_target_max_io_len(ti, view->volume->chunk_sectors * SS_RUN_CHUNKS);
}

/* DEVICE STATE */
static int view_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct ss_view *view;
	int err;

	if (argc != 2 || ti->begin || dm_table_get_mode(ti->table) & BLK_OPEN_WRITE) {
		ti->error = argc != 2 ? "A volume and a state are needed" :
					"The table must be read-only and begin at 0";
		return -EINVAL;
	}
	view = kzalloc(sizeof(*view), GFP_KERNEL);
	if (!view) {
		ti->error = "No memory";
		return -ENOMEM;
	}
	err = open_view(ti, view, argv[0], argv[1]);
	if (err) {
		close_view(ti, view);
		return err;
	}
	ti->error = NULL;
	ti->private = view;
	ti->num_flush_bios = 0;
	ti->per_io_data_size = sizeof(struct ss_bio);
	return 0;
}

static void view_dtr(struct dm_target *ti)
{
	close_view(ti, ti->private);
}

static int view_map(struct dm_target *ti, struct bio *bio)
{
	struct ss_view *view = ti->private;

	if (bio_op(bio) != REQ_OP_READ)
		return DM_MAPIO_KILL;
	return ss_io_read(view->volume, view->base->bdev, view->store->bdev, &view->line, bio);
}

static int view_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct ss_view *view = ti->private;

	if (bio_op(bio) != REQ_OP_READ)
		return DM_ENDIO_DONE;
	return ss_io_end(view->volume, bio, error);
}

static void view_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			char *result, unsigned int maxlen)
{
	struct ss_view *view = ti->private;
	struct ss_volume *volume = view->volume;
	char name[DM_NAME_LEN];
	unsigned int sz = 0;

	*result = '\0';
	if (type == STATUSTYPE_IMA)
		return;
	/* Both may have been renamed. A torn name would be no harm, and a commit takes long. */
	ss_volume_name(volume, name, sizeof(name));
	DMEMIT("/dev/mapper/%s %s", name, volume->layers[view->layer]->name);
}

static int view_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct ss_view *view = ti->private;

	return fn(ti, view->base, 0, ti->len, data);
}

static void view_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct ss_view *view = ti->private;
	struct block_device *store = view->store->bdev;

	blk_stack_limits(limits, &bdev_get_queue(store)->limits, get_start_sect(store));
}

struct target_type ss_view_type = {
	.name = "snapsync-view",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = view_ctr,
	.dtr = view_dtr,
	.map = view_map,
	.end_io = view_end_io,
	.status = view_status,
	.iterate_devices = view_iterate_devices,
	.io_hints = view_io_hints,
};
