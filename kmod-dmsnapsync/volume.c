// SPDX-License-Identifier: GPL-2.0
/*
 * Volumes: registry, lifetime, the worker, and the count of bios under way.
 *
 * A volume belongs to its STORE, not to a table, so that a reload or a view
 * finds what is there.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "snapsync.h"

/* Volumes and groups; held over activation. */
DEFINE_MUTEX(ss_registry);
static LIST_HEAD(volumes);

/**
 * ss_meta_lock() - take volume->meta; allocations do no I/O from here on
 * @volume: volume
 *
 * Context: may sleep.
 * Return: for ss_meta_unlock().
 */
unsigned int ss_meta_lock(struct ss_volume *volume)
{
	mutex_lock(&volume->meta);
	return memalloc_noio_save();
}

/**
 * ss_meta_unlock() - the reverse
 * @volume: volume
 * @noio: of ss_meta_lock()
 *
 * Context: may sleep.
 */
void ss_meta_unlock(struct ss_volume *volume, unsigned int noio)
{
	memalloc_noio_restore(noio);
	mutex_unlock(&volume->meta);
}

/**
 * ss_count_bio() - a bio is under way
 * @volume: volume
 * @sb: its data
 *
 * Context: with the gate entered.
 */
void ss_count_bio(struct ss_volume *volume, struct ss_bio *sb)
{
	sb->counted = true;
	sb->phase = volume->phase;
	this_cpu_inc(volume->inflight->count[sb->phase]);
}

/**
 * ss_uncount_bio() - it has ended
 * @volume: volume
 * @sb: its data
 *
 * Context: any.
 */
void ss_uncount_bio(struct ss_volume *volume, struct ss_bio *sb)
{
	sb->counted = false;
	this_cpu_dec(volume->inflight->count[sb->phase]);
	if (wq_has_sleeper(&volume->drained))
		wake_up(&volume->drained);
}

/* A phase that has no new bios only falls: 0 means that all have ended. */
static bool has_ended(struct ss_volume *volume, unsigned int phase)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(volume->inflight, cpu)->count[phase]);
	return !sum;
}

/**
 * ss_drain() - wait until all bios that are under way now have ended
 * @volume: volume
 *
 * Context: may sleep, volume->meta held.
 */
void ss_drain(struct ss_volume *volume)
{
	unsigned int phase = volume->phase;
	unsigned long flags;

	flags = ss_gate_close(volume->group);
	volume->phase = !phase;
	ss_gate_open(volume->group, flags);
	wait_event(volume->drained, has_ended(volume, phase));
}

/**
 * ss_volume_event() - wake those who wait for device mapper's event
 * @volume: volume
 *
 * Context: may sleep.
 */
void ss_volume_event(struct ss_volume *volume)
{
	mutex_lock(&volume->ti_lock);
	if (volume->ti)
		dm_table_event(volume->ti->table);
	mutex_unlock(&volume->ti_lock);
}

/**
 * ss_volume_kick() - there is something for the worker
 * @volume: volume
 *
 * Context: any.
 */
void ss_volume_kick(struct ss_volume *volume)
{
	queue_work(volume->wq, &volume->work);
}

static bool has_flushes(struct ss_volume *volume)
{
	bool has;

	spin_lock_irq(&volume->bio_lock);
	has = !bio_list_empty(&volume->flushes);
	spin_unlock_irq(&volume->bio_lock);
	return has;
}

/* What can wait; in small steps, so that the next flush comes soon. */
static bool background(struct ss_volume *volume)
{
	bool more = false;

	if (volume->is_paused || volume->mode != SS_MODE_WRITE)
		return false;
	if (ss_table_is_crowded(&volume->table))
		more |= !ss_table_split(&volume->table);
	if (ss_reap_is_due(volume))
		more |= ss_reap(volume);
	more |= ss_merge_step(volume);
	return more;
}

static void ss_work(struct work_struct *work)
{
	struct ss_volume *volume = container_of(work, struct ss_volume, work);
	unsigned int noio = ss_meta_lock(volume);
	bool more;

	if (ss_space_is_short(volume))
		ss_space_refill(volume);
	ss_io_deferred(volume);
	if (has_flushes(volume))
		ss_commit(volume);
	more = background(volume);
	ss_meta_unlock(volume, noio);
	if (more)
		ss_volume_kick(volume);
}

static void ss_commit_work(struct work_struct *work)
{
	struct ss_volume *volume =
		container_of(to_delayed_work(work), struct ss_volume, commit_work);

	ss_volume_flush(volume);
}

/**
 * ss_volume_flush() - commit if there is anything to commit
 * @volume: volume
 *
 * Context: may sleep.
 */
void ss_volume_flush(struct ss_volume *volume)
{
	unsigned int noio = ss_meta_lock(volume);

	if (volume->mode == SS_MODE_WRITE && atomic_read(&volume->unclean))
		ss_commit(volume);
	ss_meta_unlock(volume, noio);
}

static void init_volume(struct ss_volume *volume)
{
	kref_init(&volume->ref);
	INIT_LIST_HEAD(&volume->node);
	INIT_LIST_HEAD(&volume->group_node);
	INIT_LIST_HEAD(&volume->views);
	init_waitqueue_head(&volume->drained);
	mutex_init(&volume->ti_lock);
	mutex_init(&volume->meta);
	raw_spin_lock_init(&volume->reserve_lock);
	spin_lock_init(&volume->bio_lock);
	bio_list_init(&volume->deferred);
	bio_list_init(&volume->held);
	bio_list_init(&volume->flushes);
	INIT_WORK(&volume->work, ss_work);
	INIT_DELAYED_WORK(&volume->commit_work, ss_commit_work);
	INIT_DELAYED_WORK(&volume->hold_work, ss_space_hold_over);
	volume->freed = SS_NONE;
	volume->next_gen = 1;
	volume->is_paused = true;
}

/* From here on it does not write any more. */
static void stop_volume(struct ss_volume *volume)
{
	if (!volume->wq)
		return;
	/* Each may queue those after it. */
	cancel_delayed_work_sync(&volume->hold_work);
	cancel_delayed_work_sync(&volume->commit_work);
	cancel_work_sync(&volume->work);
	destroy_workqueue(volume->wq);
}

/* Tolerates a volume that was set up only in part. */
static void free_volume(struct ss_volume *volume)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		kfree(volume->layers[number]);
	kfree(volume->line);
	ss_space_exit(volume);
	if (!IS_ERR_OR_NULL(volume->io))
		dm_io_client_destroy(volume->io);
	vfree(volume->buffer);
	free_percpu(volume->inflight);
	if (volume->group)
		ss_group_put(volume->group);
	kvfree(volume);
}

static int alloc_parts(struct ss_volume *volume, const char *group)
{
	volume->wq = alloc_ordered_workqueue("snapsync/%s", WQ_MEM_RECLAIM, volume->name);
	volume->inflight = alloc_percpu(struct ss_inflight);
	volume->buffer = __vmalloc(SS_BATCH * SS_BLOCK_SIZE, GFP_KERNEL | __GFP_NOWARN);
	volume->io = dm_io_client_create();
	volume->group = ss_group_get(group);
	return volume->wq && volume->inflight && volume->buffer && !IS_ERR(volume->io) &&
	       volume->group ? 0 : -ENOMEM;
}

static int read_store(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	unsigned int noio;
	int err = ss_load_super(volume, args, error);

	if (err)
		return err;
	volume->chunk_shift = ilog2(volume->chunk_sectors);
	volume->nr_chunks = DIV_ROUND_UP_ULL(volume->volume_sectors, volume->chunk_sectors);
	if (volume->nr_chunks > U32_MAX) {
		*error = "The volume has too many chunks; choose a larger chunk";
		return -EINVAL;
	}
	noio = ss_meta_lock(volume);
	err = ss_space_init(volume);
	if (err == -ENOSPC)
		*error = "STORE is too small";
	err = err ?: ss_load(volume, error);
	ss_meta_unlock(volume, noio);
	return err;
}

/* The name of the mapped device, for reports. */
static void find_name(struct ss_volume *volume, struct dm_target *ti)
{
	char name[DM_NAME_LEN] = "";

	if (dm_copy_name_and_uuid(dm_table_get_md(ti->table), name, NULL))
		strscpy(name, dm_table_device_name(ti->table), sizeof(name));
	strscpy(volume->name, name, sizeof(volume->name));
}

/* Activates; if that fails, the caller frees what there is. */
static int set_up(struct ss_volume *volume, struct dm_target *ti,
		  const struct ss_volume_args *args, char **error)
{
	int err;

	find_name(volume, ti);
	volume->base = args->base;
	volume->store = args->store;
	volume->volume_sectors = ti->len;
	volume->hold_ms = args->hold_ms;
	err = alloc_parts(volume, args->group);
	err = err ?: read_store(volume, args, error);
	err = err ?: ss_group_join(volume->group, volume);
	if (!err)
		list_add_tail(&volume->node, &volumes);
	return err;
}

static int check_same(const struct ss_volume *volume, struct dm_target *ti,
		      const struct ss_volume_args *args, char **error)
{
	if (volume->nr_tables && volume->md != dm_table_get_md(ti->table)) {
		*error = "STORE is in use by another volume";
		return -EBUSY;
	}
	if (volume->base != args->base || volume->volume_sectors != ti->len ||
	    strcmp(volume->group->name, args->group) ||
	    (args->chunk_sectors && args->chunk_sectors != volume->chunk_sectors)) {
		*error = "A volume in use keeps BASE, size, chunk and group; remove it first";
		return -EBUSY;
	}
	return 0;
}

static struct ss_volume *find_store(const struct block_device *store)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &volumes, node)
		if (volume->store == store)
			return volume;
	return NULL;
}

/**
 * ss_volume_get() - the volume on a STORE, activated if need be
 * @ti: target of a new table
 * @args: of the table
 * @error: reason of a refusal
 *
 * Context: may sleep; I/O.
 * Return: the volume with a reference and one table more, or ERR_PTR of -EINVAL, -EBUSY,
 * -ENOMEM, -ENOSPC, -EIO.
 */
struct ss_volume *ss_volume_get(struct dm_target *ti, const struct ss_volume_args *args,
				char **error)
{
	struct ss_volume *fresh = kvzalloc(sizeof(*fresh), GFP_KERNEL | __GFP_NOWARN), *volume;
	int err;

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	init_volume(fresh);
	mutex_lock(&ss_registry);
	volume = find_store(args->store);
	if (volume) {
		err = check_same(volume, ti, args, error);
		if (!err)
			ss_volume_ref(volume);
	} else {
		volume = fresh;
		err = set_up(volume, ti, args, error);
	}
	if (!err) {
		volume->nr_tables++;
		volume->md = dm_table_get_md(ti->table);
	}
	mutex_unlock(&ss_registry);
	if (err || volume != fresh) {
		stop_volume(fresh);
		free_volume(fresh);
	}
	return err ? ERR_PTR(err) : volume;
}

/**
 * ss_volume_find() - the volume that a device shows
 * @dev: number of a device with the target snapsync
 *
 * Context: may sleep.
 * Return: the volume with a reference, or NULL.
 */
struct ss_volume *ss_volume_find(dev_t dev)
{
	struct ss_volume *volume, *found = NULL;

	mutex_lock(&ss_registry);
	list_for_each_entry(volume, &volumes, node) {
		if (volume->nr_tables && disk_devt(dm_disk(volume->md)) == dev) {
			ss_volume_ref(volume);
			found = volume;
		}
	}
	mutex_unlock(&ss_registry);
	return found;
}

/**
 * ss_volume_ref() - take a reference
 * @volume: of which the caller, or the registry, has one
 */
void ss_volume_ref(struct ss_volume *volume)
{
	kref_get(&volume->ref);
}

/* With ss_registry held, which it drops. */
static void release_volume(struct kref *ref)
{
	struct ss_volume *volume = container_of(ref, struct ss_volume, ref);

	ss_group_leave(volume);
	stop_volume(volume);
	list_del(&volume->node);
	mutex_unlock(&ss_registry);
	free_volume(volume);
}

/**
 * ss_volume_put() - drop a reference
 * @volume: freed with the last one
 *
 * Context: may sleep.
 */
void ss_volume_put(struct ss_volume *volume)
{
	kref_put_mutex(&volume->ref, release_volume, &ss_registry);
}

/**
 * ss_volume_attach() - a table is in use now
 * @volume: volume
 * @ti: target of the table, whose I/O is about to start
 * @args: of the table
 *
 * Context: may sleep.
 */
void ss_volume_attach(struct ss_volume *volume, struct dm_target *ti,
		      const struct ss_volume_args *args)
{
	unsigned int noio = ss_meta_lock(volume);

	mutex_lock(&volume->ti_lock);
	volume->ti = ti;
	mutex_unlock(&volume->ti_lock);
	volume->hold_ms = args->hold_ms;
	volume->low_water = args->low_water;
	volume->writable_base = args->writable_base;
	volume->is_paused = false;
	spin_lock_irq(&volume->bio_lock);
	volume->is_suspending = false;
	spin_unlock_irq(&volume->bio_lock);
	ss_space_extend(volume);
	ss_meta_unlock(volume, noio);
	ss_volume_kick(volume);
}

/**
 * ss_volume_detach() - a table goes
 * @volume: volume; the caller still has to put it
 * @ti: target of the table
 *
 * Context: may sleep.
 */
void ss_volume_detach(struct ss_volume *volume, struct dm_target *ti)
{
	mutex_lock(&volume->ti_lock);
	if (volume->ti == ti)
		volume->ti = NULL;
	mutex_unlock(&volume->ti_lock);
	mutex_lock(&ss_registry);
	volume->nr_tables--;
	mutex_unlock(&ss_registry);
}
