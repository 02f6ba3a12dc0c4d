// SPDX-License-Identifier: GPL-2.0
/*
 * Volumes: registry, lifetime, the worker, and the count of bios under way.
 *
 * A volume belongs to its STORE, not to a table, so that a reload or a view
 * finds what is there. It runs, as a member of its group, from the first resume
 * of a table until the last table goes; after that only views read what it has
 * in memory, and nothing is written.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "snapsync.h"

/* Volumes, groups and their members; never held over I/O, nor while memory is allocated. */
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

/* A phase that has no new bios only falls: 0 means that all have ended. */
static bool has_ended(struct ss_volume *volume, unsigned int phase)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(volume->traffic, cpu)->inflight[phase]);
	return !sum;
}

/**
 * ss_written() - how much was written, zeroed and discarded
 * @volume: volume
 *
 * Each sector counts as often as a bio changes it, and not if that failed before it was mapped.
 *
 * Context: any; exact with the gate closed, otherwise what was under way may be in it or not.
 * Return: sectors, since the volume was activated.
 */
u64 ss_written(const struct ss_volume *volume)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(volume->traffic, cpu)->written);
	return sum;
}

/**
 * ss_drain() - wait until all bios to STORE that are under way now have ended
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
	ss_free_emptied(volume);
	if (!READ_ONCE(volume->spare))
		ss_provide_spare(volume);
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
	more = ss_io_deferred(volume);
	if (has_flushes(volume))
		ss_commit_at_once(volume);
	more |= background(volume);
	ss_meta_unlock(volume, noio);
	if (more)
		ss_volume_kick(volume);
}

static void ss_commit_work(struct work_struct *work)
{
	struct ss_volume *volume =
		container_of(to_delayed_work(work), struct ss_volume, commit_work);

	ss_volume_flush(volume);
	/* What could not be done yet is tried again, as long as there are writes. */
	if (READ_ONCE(volume->nr_emptied) || !READ_ONCE(volume->spare))
		ss_volume_kick(volume);
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

	if (volume->mode == SS_MODE_WRITE && ss_has_to_commit(volume))
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
	volume->is_paused = true;
}

/* What was begun is completed; nothing is begun any more. */
static void stop_work(struct ss_volume *volume)
{
	/* Each may queue those after it. */
	cancel_delayed_work_sync(&volume->hold_work);
	cancel_delayed_work_sync(&volume->commit_work);
	cancel_work_sync(&volume->work);
}

/* Tolerates a volume that was set up only in part. */
static void free_volume(struct ss_volume *volume)
{
	if (volume->wq) {
		stop_work(volume);
		destroy_workqueue(volume->wq);
	}
	ss_unload(volume);
	if (!IS_ERR_OR_NULL(volume->io))
		dm_io_client_destroy(volume->io);
	vfree(volume->buffer);
	free_percpu(volume->traffic);
	if (volume->group)
		ss_group_put(volume->group);
	kvfree(volume);
}

static int alloc_parts(struct ss_volume *volume, const char *group)
{
	volume->wq = alloc_ordered_workqueue("snapsync/%s", WQ_MEM_RECLAIM, volume->name);
	volume->traffic = alloc_percpu(struct ss_traffic);
	volume->buffer = __vmalloc(SS_BATCH * SS_BLOCK_SIZE, GFP_KERNEL | __GFP_NOWARN);
	volume->io = dm_io_client_create();
	volume->group = ss_group_get(group);
	return volume->wq && volume->traffic && volume->buffer && !IS_ERR(volume->io) &&
	       volume->group ? 0 : -ENOMEM;
}

/**
 * ss_target_name() - the name of the mapped device, for reports
 * @ti: target
 * @text: result, cut to SS_NAME_MAX characters
 *
 * Context: may sleep.
 */
void ss_target_name(const struct dm_target *ti, char *text)
{
	char name[DM_NAME_LEN] = "";

	if (dm_copy_name_and_uuid(dm_table_get_md(ti->table), name, NULL))
		strscpy(name, dm_table_device_name(ti->table), sizeof(name));
	strscpy(text, name, SS_NAME_MAX + 1);
}

/* A volume that has read nothing yet. */
static struct ss_volume *new_volume(struct dm_target *ti, const struct ss_volume_args *args)
{
	struct ss_volume *volume = kvzalloc(sizeof(*volume), GFP_KERNEL | __GFP_NOWARN);

	if (!volume)
		return NULL;
	init_volume(volume);
	ss_target_name(ti, volume->name);
	volume->base = args->base;
	volume->store = args->store;
	volume->volume_sectors = args->sectors;
	volume->read_only = args->read_only;
	if (alloc_parts(volume, args->group)) {
		free_volume(volume);
		return NULL;
	}
	return volume;
}

static int check_same(const struct ss_volume *volume, struct dm_target *ti,
		      const struct ss_volume_args *args, char **error)
{
	if (volume->is_retiring ||
	    (volume->nr_tables && volume->md != dm_table_get_md(ti->table))) {
		*error = "STORE is in use by another volume";
		return -EBUSY;
	}
	if (volume->base != args->base || volume->volume_sectors > args->sectors ||
	    (volume->read_only && volume->volume_sectors != args->sectors) ||
	    volume->read_only != args->read_only || strcmp(volume->group->name, args->group)) {
		*error = "A volume in use keeps BASE, chunk, group and mode, and gets no smaller";
		return -EBUSY;
	}
	return 0;
}

static bool is_in_use(const struct ss_volume *volume)
{
	return volume->nr_tables || volume->nr_views;
}

/* Does another volume write this BASE? With ss_registry held. */
static bool base_is_written(const struct block_device *base)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &volumes, node)
		if (volume->base == base && volume->writes_base)
			return true;
	return false;
}

static struct ss_volume *find_store(const struct block_device *store)
{
	struct ss_volume *volume;

	list_for_each_entry(volume, &volumes, node)
		if (volume->store == store)
			return volume;
	return NULL;
}

/* With ss_registry held: the one on this STORE, or @fresh. */
static struct ss_volume *find_or_add(struct ss_volume *fresh, struct dm_target *ti,
				     const struct ss_volume_args *args, char **error)
{
	struct ss_volume *volume = find_store(args->store);
	int err = volume ? check_same(volume, ti, args, error) : 0;

	if (!volume && base_is_written(args->base)) {
		*error = "A state of another volume is being merged into BASE";
		err = -EBUSY;
	}
	if (err)
		return ERR_PTR(err);
	if (volume) {
		ss_volume_ref(volume);
	} else {
		volume = fresh;
		list_add_tail(&volume->node, &volumes);
	}
	volume->nr_tables++;
	volume->md = dm_table_get_md(ti->table);
	return volume;
}

/* What the table needs to know before it is in use, as its bios are split by it: the chunk. */
static int look_at_store(struct ss_volume *volume, struct ss_volume_args *args, char **error)
{
	unsigned int noio = ss_meta_lock(volume);
	struct ss_super_state state;
	int err = 0;

	if (volume->mode == SS_MODE_NONE)
		err = ss_super_read(volume, args, false, &state, error);
	else if (args->chunk_sectors && args->chunk_sectors != volume->chunk_sectors)
		err = -EBUSY;
	else
		err = ss_super_check_size(volume, args, error);
	if (err == -EBUSY)
		*error = "A volume in use keeps its chunk; remove it first";
	if (!err)
		args->chunk_sectors = volume->chunk_sectors;
	ss_meta_unlock(volume, noio);
	return err;
}

/**
 * ss_volume_get() - the volume on a STORE
 * @ti: target of a new table
 * @args: of the table; with the size of a chunk on return
 * @error: reason of a refusal
 *
 * Nothing is written, and nothing but the superblocks read, before ss_volume_start().
 *
 * Context: may sleep; I/O.
 * Return: the volume with a reference and one table more, or ERR_PTR of -EINVAL, -EBUSY,
 * -ENOMEM, -EIO.
 */
struct ss_volume *ss_volume_get(struct dm_target *ti, struct ss_volume_args *args, char **error)
{
	struct ss_volume *fresh = new_volume(ti, args), *volume;
	int err;

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&ss_registry);
	volume = find_or_add(fresh, ti, args, error);
	mutex_unlock(&ss_registry);
	if (volume != fresh)
		free_volume(fresh);
	if (IS_ERR(volume))
		return volume;
	err = look_at_store(volume, args, error);
	if (err) {
		ss_volume_detach(volume, ti);
		ss_volume_put(volume);
		return ERR_PTR(err);
	}
	return volume;
}

/* Only views were left, or nothing was loaded yet. */
static int load_or_compare(struct ss_volume *volume, const struct ss_volume_args *args,
			   char **error)
{
	unsigned int noio = ss_meta_lock(volume);
	int err;

	if (volume->mode == SS_MODE_NONE)
		err = ss_load(volume, args, error);
	else
		err = ss_super_compare(volume, error);
	ss_meta_unlock(volume, noio);
	return err;
}

/* Nothing changes in one that cannot be written: its table shows what BASE has there. */
static int grow(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	unsigned int noio = ss_meta_lock(volume);
	int err = volume->mode == SS_MODE_WRITE ? ss_super_grow(volume, args, error) : 0;

	ss_meta_unlock(volume, noio);
	return err;
}

static int join(struct ss_volume *volume, char **error)
{
	*error = "STORE is a copy of that of another member of the group";
	return ss_group_join(volume->group, volume);
}

/* What became no member is as it was before. */
static void back_out(struct ss_volume *volume)
{
	unsigned int noio;

	stop_work(volume);
	noio = ss_meta_lock(volume);
	if (!volume->nr_views)
		ss_unload(volume);
	else if (volume->mode == SS_MODE_WRITE)
		volume->mode = SS_MODE_RETIRED;
	ss_meta_unlock(volume, noio);
}

/**
 * ss_volume_start() - a table is about to be in use
 * @volume: volume
 * @args: of the table, with the size of a chunk that it was loaded for
 *
 * With the first one the volume is activated and becomes a member of its group; with a larger
 * one it grows.
 *
 * Context: may sleep; I/O.
 * Return: 0, or -EINVAL, -ENOMEM, -ENOSPC, -EIO, -EROFS, -EBUSY, -EEXIST: the kernel log has
 * the reason.
 */
int ss_volume_start(struct ss_volume *volume, const struct ss_volume_args *args)
{
	char *error = "The volume cannot be activated";
	bool is_first = !volume->is_member;
	int err = is_first ? load_or_compare(volume, args, &error) : 0;

	if (!err) {
		err = grow(volume, args, &error);
		if (!err && is_first)
			err = join(volume, &error);
		if (err && is_first)
			back_out(volume);
	}
	if (err)
		DMERR("%s: %s: %d", volume->name, error, err);
	return err;
}

/**
 * ss_volume_find() - the volume that a device shows
 * @dev: number of a device with the target snapsync
 *
 * Context: may sleep.
 * Return: the volume with a reference and one view more, or NULL if it does not run.
 */
struct ss_volume *ss_volume_find(dev_t dev)
{
	struct ss_volume *volume, *found = NULL;

	mutex_lock(&ss_registry);
	list_for_each_entry(volume, &volumes, node) {
		if (volume->is_member && disk_devt(dm_disk(volume->md)) == dev) {
			ss_volume_ref(volume);
			volume->nr_views++;
			found = volume;
			break;
		}
	}
	mutex_unlock(&ss_registry);
	return found;
}

/**
 * ss_volume_name() - what its mapped device is called now
 * @volume: volume
 * @name: result; the last one known if it has no table
 * @size: of @name
 *
 * Context: may sleep.
 */
void ss_volume_name(struct ss_volume *volume, char *name, size_t size)
{
	char now[DM_NAME_LEN];

	mutex_lock(&ss_registry);
	if (volume->md && !dm_copy_name_and_uuid(volume->md, now, NULL))
		strscpy(volume->name, now, sizeof(volume->name));
	strscpy(name, volume->name, size);
	mutex_unlock(&ss_registry);
}

/**
 * ss_volume_claim_base() - BASE is going to be written
 * @volume: volume
 *
 * No other volume with the same BASE is activated from now on, until ss_volume_leave_base().
 *
 * Context: may sleep.
 * Return: true, or false if there is one.
 */
bool ss_volume_claim_base(struct ss_volume *volume)
{
	const struct ss_volume *other;
	bool alone = true;

	mutex_lock(&ss_registry);
	list_for_each_entry(other, &volumes, node)
		if (other != volume && other->base == volume->base && is_in_use(other))
			alone = false;
	volume->writes_base = alone;
	mutex_unlock(&ss_registry);
	return alone;
}

/**
 * ss_volume_leave_base() - the reverse
 * @volume: volume
 *
 * Context: may sleep.
 */
void ss_volume_leave_base(struct ss_volume *volume)
{
	mutex_lock(&ss_registry);
	volume->writes_base = false;
	mutex_unlock(&ss_registry);
}

/* Whoever comes now reads STORE anew. With ss_registry held. */
static void unlink_unused(struct ss_volume *volume)
{
	if (!is_in_use(volume))
		list_del_init(&volume->node);
}

/**
 * ss_volume_forget() - the reverse of ss_volume_find()
 * @volume: volume; the caller still has to put it
 *
 * Context: may sleep.
 */
void ss_volume_forget(struct ss_volume *volume)
{
	mutex_lock(&ss_registry);
	volume->nr_views--;
	unlink_unused(volume);
	mutex_unlock(&ss_registry);
}

/**
 * ss_volume_ref() - take a reference
 * @volume: of which the caller, or the registry, has one
 */
void ss_volume_ref(struct ss_volume *volume)
{
	kref_get(&volume->ref);
}

static void release_volume(struct kref *ref)
{
	free_volume(container_of(ref, struct ss_volume, ref));
}

/**
 * ss_volume_put() - drop a reference
 * @volume: freed with the last one
 *
 * Context: may sleep.
 */
void ss_volume_put(struct ss_volume *volume)
{
	kref_put(&volume->ref, release_volume);
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
	if (volume->mode == SS_MODE_WRITE)
		ss_space_extend(volume);
	ss_meta_unlock(volume, noio);
	ss_volume_kick(volume);
}

/* From here on nothing is written: STORE may be used elsewhere. */
static void retire(struct ss_volume *volume)
{
	unsigned int noio;

	ss_group_leave(volume);
	/* A cut may have come after the device was suspended. */
	ss_volume_flush(volume);
	stop_work(volume);
	noio = ss_meta_lock(volume);
	/* What looks for room again each second is stopped: it begins anew with another table. */
	volume->is_full = false;
	/* Of a table that never ran there is nothing to retire: it is as it was before. */
	if (volume->mode == SS_MODE_WRITE)
		volume->mode = atomic_read(&volume->unclean) ? SS_MODE_READ_ONLY : SS_MODE_RETIRED;
	ss_meta_unlock(volume, noio);
}

/**
 * ss_volume_detach() - a table goes
 * @volume: volume; the caller still has to put it
 * @ti: target of the table
 *
 * Context: may sleep; waits for an operation on the group.
 */
void ss_volume_detach(struct ss_volume *volume, struct dm_target *ti)
{
	bool is_last;

	mutex_lock(&volume->ti_lock);
	if (volume->ti == ti)
		volume->ti = NULL;
	mutex_unlock(&volume->ti_lock);
	mutex_lock(&ss_registry);
	is_last = volume->nr_tables == 1;
	if (is_last)
		volume->is_retiring = true;
	else
		volume->nr_tables--;
	mutex_unlock(&ss_registry);
	if (!is_last)
		return;
	retire(volume);
	mutex_lock(&ss_registry);
	volume->nr_tables = 0;
	volume->md = NULL;
	volume->writes_base = false;
	volume->is_retiring = false;
	unlink_unused(volume);
	mutex_unlock(&ss_registry);
}
