// SPDX-License-Identifier: GPL-2.0
/*
 * The reaper: frees what no state needs any more, in small steps.
 *
 * An unnamed layer without children goes. One with a single child hands its
 * versions down: to whoever reads, they are where they were. A version that
 * the child has in part stays until it is covered, by the child or by what
 * follows it up to the first layer that somebody may look at. Each step is
 * right on its own, so that there is nothing to be resumed after a crash.
 */
#include <linux/bitmap.h>
#include "snapsync.h"

/* Versions looked at in one step: commits wait for no longer than that. */
#define STEP	16384

#define FATE_KEEP	SS_LAYERS_MAX	/* not a layer, as is 0, which stands for FREE */
#define FATE_FREE	0

/* Unnamed and over: nobody but its children needs it. */
static bool is_ghost(const struct ss_volume *volume, u32 number)
{
	const struct ss_layer *layer = volume->layers[number];

	return layer && (layer->flags & SS_LAYER_USED) &&
	       !(layer->flags & (SS_LAYER_NAMED | SS_LAYER_MERGING)) &&
	       number != READ_ONCE(volume->running) && number != READ_ONCE(volume->cut_layer);
}

/* What becomes of the versions of a layer: its only child's number, FATE_FREE or FATE_KEEP. */
static u32 fate_of(const struct ss_volume *volume, u32 number)
{
	u32 child, only = FATE_FREE;

	if (!is_ghost(volume, number))
		return FATE_KEEP;
	for (child = 1; child < SS_LAYERS_MAX; child++) {
		const struct ss_layer *layer = volume->layers[child];

		if (!layer || !(layer->flags & SS_LAYER_USED) || layer->parent != number)
			continue;
		if (only != FATE_FREE)
			return FATE_KEEP;
		only = child;
	}
	return only;
}

/**
 * ss_next_version() - walk over all versions in use
 * @volume: volume
 * @place: where to begin; data versions come first, then zero versions
 * @version: the next one in the table
 *
 * Context: volume->meta held.
 * Return: where to go on, 0 at the end.
 */
u64 ss_next_version(const struct ss_volume *volume, u64 place, u32 *version)
{
	while (place < 2ULL * volume->nr_versions) {
		enum ss_kind kind = place < volume->nr_versions ? SS_KIND_DATA : SS_KIND_ZERO;
		u32 start = place - (kind ? volume->nr_versions : 0);
		u32 found = find_next_bit(volume->used[kind], volume->nr_versions, start);

		place += found - start + 1;
		if (found >= volume->nr_versions) {
			place--;
			continue;
		}
		*version = ss_version_at(kind, found);
		if (ss_table_layer(&volume->table, *version))
			return place;
	}
	return 0;
}

static void free_version(struct ss_volume *volume, u32 version, u32 layer)
{
	ss_table_remove(&volume->table, version);
	ss_layer_count(volume, layer, ss_kind_of(version), -1);
	ss_space_free(volume, version);
}

/* Without the sectors that @cover has. Returns false if nothing is left. */
static bool uncover(struct ss_volume *volume, u32 version, u32 cover)
{
	unsigned int bits = volume->table.words * BITS_PER_LONG;
	unsigned long *valid = ss_table_valid(&volume->table, version);
	unsigned long *covered = cover == SS_NONE ? NULL : ss_table_valid(&volume->table, cover);

	if (!covered || !bitmap_intersects(valid, covered, bits))
		return true;
	/* What was covered is gone in any case. */
	ss_mark_version(volume, version);
	return bitmap_andnot(valid, valid, covered, bits);
}

/*
 * Nobody looks at a ghost itself, but from the first layer above it that is none or has several
 * children: what that has, or any on the way there, covers what the ghost has. All of them are
 * newer than it, and none other ends there. Returns false if nothing is left.
 */
static bool uncover_line(struct ss_volume *volume, u32 version, u32 from)
{
	const struct ss_table *table = &volume->table;
	bool left = !bitmap_empty(ss_table_valid(table, version), table->words * BITS_PER_LONG);
	u32 end = volume->line_end[from], other, layer;

	for (other = ss_table_newest(table, ss_table_chunk(table, version)); left;
	     other = ss_table_older(table, other)) {
		layer = ss_table_layer(table, other);
		if (other == version || layer == from)
			break;
		if (volume->line_end[layer] == end)
			left = uncover(volume, version, other);
	}
	return left;
}

/* Gate and lock held, within a change. Returns true if something changed. */
static bool hand_down(struct ss_volume *volume, u32 version, u32 from, u32 to)
{
	struct ss_table *table = &volume->table;
	enum ss_kind kind = ss_kind_of(version);
	u32 chunk = ss_table_chunk(table, version);
	bool left = uncover_line(volume, version, from);

	/* Zeroes must not overtake data that shadow them, and that may have to stay. */
	if (left && kind == SS_KIND_ZERO)
		left = uncover(volume, version, ss_table_own(table, chunk, from, SS_KIND_DATA));
	if (!left) {
		free_version(volume, version, from);
		return true;
	}
	if (ss_table_own(table, chunk, to, kind) != SS_NONE)
		return false;
	ss_mark_version(volume, version);
	ss_table_move(table, version, to);
	ss_layer_count(volume, from, kind, -1);
	ss_layer_count(volume, to, kind, 1);
	return true;
}

static void reap_version(struct ss_volume *volume, u32 version)
{
	u32 layer = ss_table_layer(&volume->table, version), fate = volume->fates[layer], chunk;
	raw_spinlock_t *lock;
	unsigned long flags;

	if (fate == FATE_KEEP)
		return;
	chunk = ss_table_chunk(&volume->table, version);
	lock = ss_table_lock(&volume->table, chunk);
	flags = ss_gate_enter(volume->group);
	raw_spin_lock(lock);
	ss_table_change_begin(&volume->table, chunk);
	if (fate == FATE_FREE) {
		free_version(volume, version, layer);
		volume->reap_progress = true;
	} else if (hand_down(volume, version, layer, fate)) {
		volume->reap_progress = true;
	}
	ss_table_change_end(&volume->table, chunk);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
}

/* Its children move up. It leaves all lines before its number is used again. */
static void remove_layer(struct ss_volume *volume, u32 number)
{
	struct ss_line *line;
	unsigned long flags;
	u32 child;

	flags = ss_gate_close(volume->group);
	for (child = 1; child < SS_LAYERS_MAX; child++) {
		struct ss_layer *layer = volume->layers[child];

		if (!layer || layer->parent != number)
			continue;
		layer->parent = volume->layers[number]->parent;
		ss_layer_mark(volume, child);
	}
	__clear_bit(number, volume->line->ancestors);
	list_for_each_entry(line, &volume->views, node)
		__clear_bit(number, line->ancestors);
	ss_gate_open(volume->group, flags);
	ss_layer_mark(volume, number);
	ss_layer_free(volume, number);
}

static void remove_empty(struct ss_volume *volume)
{
	u32 number;

	for_each_set_bit(number, volume->reaping, SS_LAYERS_MAX) {
		const struct ss_layer *layer = volume->layers[number];

		if (!is_ghost(volume, number) || atomic_read(&layer->count[SS_KIND_DATA]) ||
		    atomic_read(&layer->count[SS_KIND_ZERO]))
			continue;
		remove_layer(volume, number);
		volume->reap_progress = true;
	}
}

/* Returns false if there is nothing to look at. Writes to these layers have ended. */
static bool start_pass(struct ss_volume *volume)
{
	u32 number;

	bitmap_zero(volume->reaping, SS_LAYERS_MAX);
	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (is_ghost(volume, number))
			__set_bit(number, volume->reaping);
	if (bitmap_empty(volume->reaping, SS_LAYERS_MAX))
		return false;
	ss_drain(volume);
	volume->reap_place = 0;
	volume->reap_progress = false;
	return true;
}

/* Where the line of only children of a layer ends; itself, if it stays. */
static u32 end_of_line(const u16 *fates, u32 number)
{
	while (number && fates[number] != FATE_KEEP)
		number = fates[number];
	return number;
}

/* Fates may change between steps, but only layers of this pass are looked at. */
static bool find_fates(struct ss_volume *volume)
{
	u16 *fates = volume->fates;
	bool any = false;
	u32 number;

	for (number = 0; number < SS_LAYERS_MAX; number++)
		fates[number] = FATE_KEEP;
	for_each_set_bit(number, volume->reaping, SS_LAYERS_MAX) {
		fates[number] = fate_of(volume, number);
		any |= fates[number] != FATE_KEEP;
	}
	for (number = 0; number < SS_LAYERS_MAX; number++)
		volume->line_end[number] = end_of_line(fates, number);
	return any;
}

/**
 * ss_reap_is_due() - may there be something to look at?
 * @volume: volume
 *
 * Context: any; without volume->meta the answer may be old, but never false
 * while a pass is under way.
 * Return: true if so.
 */
bool ss_reap_is_due(const struct ss_volume *volume)
{
	return READ_ONCE(volume->reap_asked) != READ_ONCE(volume->reap_done);
}

/**
 * ss_reap() - one step
 * @volume: volume
 *
 * Context: worker, volume->meta held.
 * Return: true if there is more to do.
 */
bool ss_reap(struct ss_volume *volume)
{
	unsigned int i;
	u32 version;

	if (!volume->reap_place) {
		volume->reap_seen = volume->reap_asked;
		if (!start_pass(volume)) {
			WRITE_ONCE(volume->reap_done, volume->reap_seen);
			return false;
		}
	}
	if (find_fates(volume)) {
		for (i = 0; i < STEP; i++) {
			volume->reap_place = ss_next_version(volume, volume->reap_place, &version);
			if (!volume->reap_place)
				break;
			reap_version(volume, version);
		}
		if (volume->reap_place)
			return true;
	}
	volume->reap_place = 0;
	remove_empty(volume);
	if (!volume->reap_progress)
		WRITE_ONCE(volume->reap_done, volume->reap_seen);
	return ss_reap_is_due(volume);
}
