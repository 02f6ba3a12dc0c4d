// SPDX-License-Identifier: GPL-2.0
/*
 * A state goes into BASE: the one thing that writes it, and only if the table
 * says writable_base.
 *
 * Everything else must descend from the state. Then nobody sees those sectors
 * of BASE that are written: they are in the state's own layers, until BASE is
 * flushed. Copying twice does no harm, so the flag of the layer is all that
 * has to survive a crash.
 */
#include <linux/bitmap.h>
#include "snapsync.h"

/* Versions of one step: the copies that a commit waits for. */
#define STEP	32

/**
 * ss_merging_layer() - is a state on its way into BASE?
 * @volume: volume
 *
 * Context: volume->meta held.
 * Return: its layer, 0 if there is none.
 */
u32 ss_merging_layer(const struct ss_volume *volume)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (volume->layers[number] && volume->layers[number]->flags & SS_LAYER_MERGING)
			return number;
	return 0;
}

static bool descends(const struct ss_volume *volume, u32 number, u32 from)
{
	while (number && number != from)
		number = volume->layers[number]->parent;
	return number;
}

/* Would anybody see that BASE changes? */
static bool all_descend(const struct ss_volume *volume, u32 from)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (layer && (layer->flags & SS_LAYER_NAMED) && !descends(volume, number, from))
			return false;
	}
	return descends(volume, READ_ONCE(volume->running), from);
}

static int start(struct ss_volume *volume, const char *name)
{
	u32 number = ss_layer_find(volume, name);
	int err;

	if (!volume->writable_base || volume->mode != SS_MODE_WRITE)
		return -EROFS;
	if (volume->has_other_base)
		return -EMEDIUMTYPE;
	if (!number)
		return -ENOENT;
	if (volume->layers[number]->flags & SS_LAYER_PREPARED)
		return -EAGAIN;
	if (ss_merging_layer(volume) && ss_merging_layer(volume) != number)
		return -EBUSY;
	if (!all_descend(volume, number))
		return -EEXIST;
	if (!ss_volume_claim_base(volume))
		return -ETXTBSY;
	volume->layers[number]->flags |= SS_LAYER_MERGING;
	volume->merge_place = 0;
	volume->merge_failed = false;
	ss_layer_mark(volume, number);
	ss_drain(volume);	/* writes that began before the state was taken */
	ss_layer_line(volume, number, &volume->merge_line);
	ss_base_forget(volume, &volume->merge_line);
	err = ss_commit(volume);
	/* Read-only from now on: BASE is not going to be written. */
	if (err)
		ss_volume_leave_base(volume);
	return err;
}

/**
 * ss_merge_start() - begin to write a state into BASE
 * @volume: volume
 * @name: of the state
 *
 * Context: may sleep, group->op held. The worker goes on.
 * Return: 0, -EROFS when the table lacks writable_base or the volume is read-only, -ENOENT,
 * -EEXIST when other states need BASE as it is, -EBUSY when another state is being merged,
 * -EMEDIUMTYPE when BASE is another one, -EAGAIN when the state is undecided, -ETXTBSY when
 * another active volume uses BASE, -EIO.
 */
int ss_merge_start(struct ss_volume *volume, const char *name)
{
	unsigned int noio = ss_meta_lock(volume);
	int err = start(volume, name);

	ss_meta_unlock(volume, noio);
	ss_volume_kick(volume);
	return err;
}

static int copy_run(struct ss_volume *volume, const struct ss_source *run, sector_t to)
{
	sector_t from;
	int err;

	if (run->where == SS_FROM_BASE)
		return 0;
	if (run->where == SS_FROM_ZERO)
		return blkdev_issue_zeroout(volume->base, to, run->sectors, GFP_NOIO, 0);
	from = ss_version_sector(volume, run->version) + ss_offset_of(volume, to);
	err = ss_buffer_io(volume, volume->store, REQ_OP_READ, from, run->sectors);
	return err ?: ss_buffer_io(volume, volume->base, REQ_OP_WRITE, to, run->sectors);
}

static int copy_chunk(struct ss_volume *volume, const struct ss_line *line, u32 chunk)
{
	sector_t start = (sector_t)chunk << volume->chunk_shift;
	unsigned int size = min_t(sector_t, volume->chunk_sectors,
				  volume->volume_sectors - start);
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	struct ss_source run;
	unsigned long flags;
	unsigned int done;
	int err = 0;

	for (done = 0; done < size && !err; done += run.sectors) {
		flags = ss_gate_enter(volume->group);
		raw_spin_lock(lock);
		ss_table_resolve(&volume->table, line, chunk, done, size - done,
				 SS_STEPS_ANY, &run);
		raw_spin_unlock(lock);
		ss_gate_leave(volume->group, flags);
		err = copy_run(volume, &run, start + done);
	}
	return err;
}

/* BASE has it durably. */
static void free_chunk(struct ss_volume *volume, const struct ss_line *line, u32 chunk)
{
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	unsigned long flags = ss_gate_enter(volume->group);
	u32 version, older, layer;

	raw_spin_lock(lock);
	/* One change: with the newest gone, and not the older ones, these would be found. */
	ss_table_change_begin(&volume->table, chunk);
	for (version = ss_table_newest(&volume->table, chunk); version != SS_NONE;
	     version = older) {
		older = ss_table_older(&volume->table, version);
		layer = ss_table_layer(&volume->table, version);
		if (!test_bit(layer, line->ancestors))
			continue;
		ss_table_remove(&volume->table, version);
		ss_layer_count(volume, layer, ss_kind_of(version), -1);
		ss_space_free(volume, version);
	}
	ss_table_change_end(&volume->table, chunk);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
}

/* Returns the number of chunks, or a negative errno. */
static int copy_some(struct ss_volume *volume, const struct ss_line *line, u32 *chunks)
{
	int count = 0, err;
	u32 version, layer;

	while (count < STEP) {
		volume->merge_place = ss_next_version(volume, volume->merge_place, &version);
		if (!volume->merge_place)
			break;
		layer = ss_table_layer(&volume->table, version);
		if (!test_bit(layer, line->ancestors))
			continue;
		chunks[count] = ss_table_chunk(&volume->table, version);
		err = copy_chunk(volume, line, chunks[count++]);
		if (err)
			return err;
	}
	return count;
}

static void end_merge(struct ss_volume *volume, u32 number)
{
	volume->layers[number]->flags &= ~SS_LAYER_MERGING;
	ss_layer_mark(volume, number);
	volume->reap_asked++;
	ss_base_note(volume);
	ss_volume_leave_base(volume);
	if (!ss_commit(volume))
		ss_volume_event(volume);
}

static void stop_merge(struct ss_volume *volume, int err)
{
	DMERR("%s: cannot merge into BASE: %d", volume->name, err);
	ss_volume_leave_base(volume);
	volume->merge_failed = true;
	volume->merge_place = 0;
	ss_volume_event(volume);
}

/**
 * ss_merge_step() - write some chunks of a state into BASE
 * @volume: volume
 *
 * Context: worker, volume->meta held.
 * Return: true if there is more to do.
 */
bool ss_merge_step(struct ss_volume *volume)
{
	struct ss_line *line = &volume->merge_line;
	u32 number, chunks[STEP];
	int count, i, err;

	if (!volume->writable_base || volume->has_other_base || volume->merge_failed)
		return false;
	number = ss_merging_layer(volume);
	if (!number)
		return false;
	/* It may be going on after a crash, when another volume was activated first. */
	if (!volume->writes_base && !ss_volume_claim_base(volume)) {
		stop_merge(volume, -ETXTBSY);
		return false;
	}
	if (!volume->merge_place)
		ss_drain(volume);	/* writes that began before the state was taken */
	ss_layer_line(volume, number, line);
	count = copy_some(volume, line, chunks);
	err = count < 0 ? count : blkdev_issue_flush(volume->base);
	if (err) {
		stop_merge(volume, err);
		return false;
	}
	for (i = 0; i < count; i++)
		free_chunk(volume, line, chunks[i]);
	if (!volume->merge_place)
		end_merge(volume, number);
	return volume->merge_place;
}
