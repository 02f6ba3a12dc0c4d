// SPDX-License-Identifier: GPL-2.0
/*
 * Which BASE does a STORE belong to? Its states are right above that one only,
 * and above another of the same size a silent mixture.
 *
 * BASE is never written, but by a merge, so that it is known by its content: by
 * samples of it, the first of which has what tells disks apart (the head of a
 * partition table, or of a file system). That holds for every kind of disk, and
 * for a copy of one, which is as good.
 */
#include "snapsync.h"

/* Samples lie within chunks. */
static sector_t sample_sector(const struct ss_volume *volume, unsigned int i)
{
	return round_down(div_u64(volume->volume_sectors, SS_SAMPLES) * i, SS_BLOCK_SECTORS);
}

static unsigned int sample_size(const struct ss_volume *volume, sector_t sector)
{
	return min_t(sector_t, SS_BLOCK_SECTORS, volume->volume_sectors - sector);
}

/* 0 if it cannot be read. */
static u32 read_sample(struct ss_volume *volume, unsigned int i)
{
	sector_t sector = sample_sector(volume, i);
	unsigned int sectors = sample_size(volume, sector);

	if (ss_buffer_io(volume, volume->base, REQ_OP_READ, sector, sectors))
		return 0;
	return crc32c(~0U, volume->buffer, sectors * SS_SECTOR_SIZE) ?: 1;
}

/**
 * ss_base_note() - BASE is the one that STORE belongs to
 * @volume: volume
 *
 * What cannot be read stays unknown. It is in the next commit.
 *
 * Context: may sleep; I/O, volume->meta held.
 */
void ss_base_note(struct ss_volume *volume)
{
	unsigned int i;

	for (i = 0; i < SS_SAMPLES; i++)
		volume->sample[i] = read_sample(volume, i);
	volume->knows_base = true;
}

static bool is_of_base(struct ss_volume *volume, const struct ss_line *line, sector_t sector)
{
	u32 chunk = ss_chunk_of(volume, sector);
	raw_spinlock_t *lock = ss_table_lock(&volume->table, chunk);
	unsigned int sectors = sample_size(volume, sector);
	struct ss_source run;
	unsigned long flags;

	flags = ss_gate_enter(volume->group);
	raw_spin_lock(lock);
	ss_table_resolve(&volume->table, line, chunk, ss_offset_of(volume, sector), sectors,
			 SS_STEPS_ANY, &run);
	raw_spin_unlock(lock);
	ss_gate_leave(volume->group, flags);
	return run.where == SS_FROM_BASE && run.sectors == sectors;
}

/**
 * ss_base_forget() - BASE is about to change
 * @volume: volume
 * @line: what is going to be written to it, by writes that have ended
 *
 * The samples of the rest still tell, should it be interrupted.
 *
 * Context: may sleep, volume->meta held.
 */
void ss_base_forget(struct ss_volume *volume, const struct ss_line *line)
{
	unsigned int i;

	for (i = 0; i < SS_SAMPLES; i++)
		if (!is_of_base(volume, line, sample_sector(volume, i)))
			volume->sample[i] = 0;
}

/**
 * ss_base_is_right() - is this the BASE that STORE belongs to?
 * @volume: with what the superblock says of BASE
 *
 * Context: may sleep; I/O, volume->meta held.
 * Return: false if a sample is another. What cannot be read says nothing.
 */
bool ss_base_is_right(struct ss_volume *volume)
{
	unsigned int i;
	u32 sample;

	if (!volume->knows_base)
		return true;
	for (i = 0; i < SS_SAMPLES; i++) {
		sample = volume->sample[i] ? read_sample(volume, i) : 0;
		if (sample && sample != volume->sample[i])
			return false;
	}
	return true;
}
