// SPDX-License-Identifier: GPL-2.0
/*
 * Which sectors do two states have from different places?
 *
 * What both have from one version, or both from BASE, or both as zeroes, is the
 * same; what is elsewhere may have the same bytes all the same. Versions of one
 * chunk are next to each other in the table only by chance, so all chunks are
 * looked at, in steps.
 */
#include <linux/slab.h>
#include "snapsync.h"

/* Chunks of one message: commits wait for no longer than that. */
#define STEP		16384

/* Room for one more line, and the last. */
#define LINE		64

/**
 * struct diff - one message
 * @volume: volume
 * @from: layers that are seen of the older one
 * @to: of the newer one
 * @start: of the run of sectors that differ, which may go on
 * @end: where it ends so far; @start if there is none
 * @result: text
 * @maxlen: its size
 * @sz: used of it
 */
struct diff {
	struct ss_volume *volume;
	struct ss_line from;
	struct ss_line to;
	sector_t start;
	sector_t end;
	char *result;
	unsigned int maxlen;
	unsigned int sz;
};

static void put_run(struct diff *diff)
{
	char *result = diff->result;
	unsigned int maxlen = diff->maxlen, sz = diff->sz;

	if (diff->start != diff->end)
		DMEMIT("%llu %llu\n", (u64)diff->start, (u64)(diff->end - diff->start));
	diff->sz = sz;
}

static void add_run(struct diff *diff, sector_t start, unsigned int sectors)
{
	if (start != diff->end || diff->start == diff->end) {
		put_run(diff);
		diff->start = start;
	}
	diff->end = start + sectors;
}

static bool is_same(const struct ss_source *a, const struct ss_source *b)
{
	return a->where == b->where && (a->where != SS_FROM_STORE || a->version == b->version);
}

/* Gate and lock for one chunk, as a write that covers it has them. */
static void compare_chunk(struct diff *diff, u32 chunk)
{
	struct ss_volume *volume = diff->volume;
	sector_t start = (sector_t)chunk << volume->chunk_shift;
	unsigned int size = min_t(sector_t, volume->chunk_sectors,
				  volume->volume_sectors - start);
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	unsigned long flags = ss_gate_enter(volume->group);
	struct ss_source from, to;
	unsigned int done;

	raw_spin_lock(lock);
	for (done = 0; done < size; done += to.sectors) {
		ss_table_resolve(&volume->table, &diff->from, chunk, done, size - done,
				 SS_STEPS_ANY, &from);
		ss_table_resolve(&volume->table, &diff->to, chunk, done, from.sectors,
				 SS_STEPS_ANY, &to);
		if (!is_same(&from, &to))
			add_run(diff, start + done, to.sectors);
	}
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
}

/* "-" is BASE as the older one, and what runs as the newer one. */
static int find_line(const struct ss_volume *volume, const char *name, u32 other,
		     struct ss_line *line)
{
	u32 number = strcmp(name, "-") ? ss_layer_find(volume, name) : other;

	if (!number && strcmp(name, "-"))
		return -ENOENT;
	if (number && volume->layers[number]->flags & SS_LAYER_PREPARED)
		return -EAGAIN;
	ss_layer_line(volume, number, line);
	return 0;
}

static bool has_room(const struct diff *diff)
{
	return diff->sz + 2 * LINE + diff->volume->chunk_sectors * LINE / 2 < diff->maxlen;
}

static void compare(struct diff *diff, sector_t sector)
{
	struct ss_volume *volume = diff->volume;
	u32 chunk = ss_chunk_of(volume, sector), n;
	char *result = diff->result;
	unsigned int maxlen = diff->maxlen, sz;

	for (n = 0; n < STEP && chunk < volume->nr_chunks && has_room(diff); n++)
		compare_chunk(diff, chunk++);
	put_run(diff);
	sz = diff->sz;
	if (chunk < volume->nr_chunks)
		DMEMIT("next %llu\n", (u64)chunk << volume->chunk_shift);
	else
		DMEMIT("end %llu\n", (u64)volume->volume_sectors);
}

/* With volume->meta held. */
static int look(struct diff *diff, const char *from, const char *to, sector_t sector)
{
	const struct ss_volume *volume = diff->volume;
	int err = find_line(volume, from, 0, &diff->from);

	if (!err)
		err = find_line(volume, to, READ_ONCE(volume->running), &diff->to);
	if (err)
		return err;
	if (sector >= volume->volume_sectors || ss_offset_of(volume, sector))
		return -EINVAL;
	if (!has_room(diff))
		return -ENOSPC;
	compare(diff, sector);
	return 0;
}

/**
 * ss_diff() - tell which sectors two states have from different places
 * @volume: volume
 * @from: name of the older one; "-" = BASE
 * @to: name of the newer one; "-" = what runs
 * @sector: where to begin, a multiple of the chunk
 * @result: lines "START SECTORS", in order; then "next SECTOR" if there is more to look at
 * from there on, or "end SIZE"
 * @maxlen: its size
 *
 * Context: may sleep.
 * Return: 1, -ENOENT, -EAGAIN when a state is undecided, -ENOMEM, -EINVAL, -ENOSPC when
 * @result is too small for anything, -EINTR.
 */
int ss_diff(struct ss_volume *volume, const char *from, const char *to, sector_t sector,
	    char *result, unsigned int maxlen)
{
	struct diff *diff = kzalloc(sizeof(*diff), GFP_KERNEL);
	int err;

	if (!diff)
		return -ENOMEM;
	diff->volume = volume;
	diff->result = result;
	diff->maxlen = maxlen;
	err = mutex_lock_killable(&volume->meta);
	if (!err) {
		err = look(diff, from, to, sector);
		mutex_unlock(&volume->meta);
	}
	kfree(diff);
	return err ?: 1;
}
