// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks: two that take turns, and a copy of each.
 *
 * The newest one says what counts. Should one of the two be lost, its copy
 * stands in: nothing was acknowledged before both were durable. If the copy is
 * lost as well, or could not be written, or comes from a module that did not
 * wait for it, the superblock that is lost may have been the newest, and only
 * the blocks can tell (see load.c).
 */
#include <linux/uuid.h>
#include "snapsync.h"

#define DEFAULT_CHUNK_SECTORS	32

/* What has to be zero before a store is formatted: every known signature is in there. */
#define BLANK_SECTORS		256

/* Refuses: sets the reason and returns -EINVAL. */
static int refuse(char **error, char *reason)
{
	*error = reason;
	return -EINVAL;
}

/* What cannot be read is not ours, nor blank. Returns the number of blocks that can be. */
static unsigned int read_blocks(struct ss_volume *volume, u32 block, unsigned int count)
{
	unsigned int readable = 0, i;

	if (!ss_buffer_io(volume, volume->store, REQ_OP_READ, (sector_t)block * SS_BLOCK_SECTORS,
			  count * SS_BLOCK_SECTORS))
		return count;
	for (i = 0; i < count; i++) {
		void *image = volume->buffer + i * SS_BLOCK_SIZE;

		if (ss_block_read(volume, image, (sector_t)(block + i) * SS_BLOCK_SECTORS))
			memset(image, 0xff, SS_BLOCK_SIZE);
		else
			readable++;
	}
	return readable;
}

/* Behind the superblocks in volume->buffer. */
static void read_copies(struct ss_volume *volume)
{
	void *superblocks = volume->buffer, *copies = superblocks + 2 * SS_BLOCK_SIZE;
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (ss_block_read(volume, copies + i * SS_BLOCK_SIZE,
				  (sector_t)(SS_COPY_BLOCK + i) * SS_BLOCK_SECTORS))
			memset(copies + i * SS_BLOCK_SIZE, 0xff, SS_BLOCK_SIZE);
}

static const struct ss_super *copy_of(const struct ss_volume *volume, unsigned int which,
				      const u8 *uuid)
{
	const struct ss_super *copy = volume->buffer + (2 + which) * SS_BLOCK_SIZE;

	return ss_super_is_sound(copy, which, SS_COPY_BLOCK + which) &&
	       !memcmp(copy->uuid, uuid, SS_UUID_SIZE) ? copy : NULL;
}

/* It may be an older one, or a newer one after a crash, but there has to be one. */
static bool lacks_copy(const struct ss_volume *volume, unsigned int which,
		       const struct ss_super *super)
{
	return le32_to_cpu(super->features) & SS_FEATURE_DIGEST &&
	       !copy_of(volume, which, super->uuid);
}

/* Of two that are sound. */
static const struct ss_super *choose_newer(const struct ss_volume *volume,
					   const struct ss_super **super,
					   struct ss_super_state *state)
{
	if (memcmp(super[0]->uuid, super[1]->uuid, SS_UUID_SIZE))
		return NULL;
	state->is_damaged = lacks_copy(volume, 0, super[0]) || lacks_copy(volume, 1, super[1]);
	return ss_super_newer(super[0], super[1]);
}

static u64 highest_seq(const struct ss_volume *volume, const struct ss_super *super)
{
	return max3(ss_super_seq(super), ss_super_seq(copy_of(volume, 0, super->uuid)),
		    ss_super_seq(copy_of(volume, 1, super->uuid)));
}

/*
 * The newest superblock, in volume->buffer, or NULL. Copies only stand in
 * for one that is lost, beside one of the same store that is not: what was
 * wiped, and is something else by now, still has them.
 */
static const struct ss_super *choose(struct ss_volume *volume, struct ss_super_state *state)
{
	const struct ss_super *super[2], *copy;
	unsigned int which, lost;

	for (which = 0; which < 2; which++) {
		super[which] = volume->buffer + which * SS_BLOCK_SIZE;
		if (!ss_super_is_sound(super[which], which, which))
			super[which] = NULL;
	}
	if (super[0] && super[1])
		return choose_newer(volume, super, state);
	if (!super[0] && !super[1])
		return NULL;
	lost = !super[1];
	state->is_damaged = true;
	copy = copy_of(volume, lost, super[!lost]->uuid);
	state->is_doubtful = ss_super_newer(copy, super[!lost]) != copy;
	return ss_super_newer(copy, super[!lost]);
}

/*
 * What counted before @newest, or NULL if that is lost. Nothing that is lost was newer: there is
 * no transaction after one that is not whole.
 */
static const struct ss_super *choose_former(struct ss_volume *volume,
					    const struct ss_super *newest,
					    struct ss_super_state *state)
{
	unsigned int which = !(ss_super_seq(newest) & 1);
	const struct ss_super *former = volume->buffer + which * SS_BLOCK_SIZE;

	if (!ss_super_is_sound(former, which, which))
		former = copy_of(volume, which, newest->uuid);
	state->is_doubtful = false;
	return ss_super_seq(former) + 1 == ss_super_seq(newest) ? former : NULL;
}

static int adopt(struct ss_volume *volume, const struct ss_super *super,
		 const struct ss_volume_args *args, struct ss_super_state *state, char **error)
{
	unsigned int kind, i;

	if (!ss_super_is_known(super))
		return refuse(error, "STORE has a format of another version");
	volume->chunk_sectors = le32_to_cpu(super->chunk_sectors);
	if (args->chunk_sectors && args->chunk_sectors != volume->chunk_sectors)
		return refuse(error, "STORE has another chunk size");
	if (le64_to_cpu(super->volume_sectors) > args->sectors)
		return refuse(error, "STORE belongs to a larger volume");
	if (le64_to_cpu(super->volume_sectors) < args->sectors && args->read_only)
		return refuse(error, "A read-only table cannot make the volume larger");
	/* The size is all that such a store knows of BASE: that has to be the same once. */
	if (le64_to_cpu(super->volume_sectors) < args->sectors &&
	    !(le32_to_cpu(super->features) & SS_FEATURE_BASE))
		return refuse(error, "STORE belongs to a BASE of another size");
	volume->volume_sectors = le64_to_cpu(super->volume_sectors);
	volume->store_sectors = le64_to_cpu(super->store_sectors);
	if (volume->store_sectors > bdev_nr_sectors(volume->store))
		return refuse(error, "STORE has shrunk");
	memcpy(volume->uuid, super->uuid, sizeof(volume->uuid));
	memcpy(volume->origin,
	       memchr_inv(super->origin, 0, SS_UUID_SIZE) ? super->origin : super->uuid,
	       sizeof(volume->origin));
	for (kind = 0; kind < SS_KINDS; kind++)
		volume->nr_blocks[kind] = le32_to_cpu(super->blocks[kind]);
	volume->running = le32_to_cpu(super->running);
	volume->seq = le64_to_cpu(super->head.seq);
	volume->super = *super;
	state->has_digest = le32_to_cpu(super->features) & SS_FEATURE_DIGEST;
	state->is_at_once = ss_super_is_at_once(super);
	state->digest = le64_to_cpu(super->digest);
	volume->knows_base = le32_to_cpu(super->features) & SS_FEATURE_BASE;
	for (i = 0; i < SS_SAMPLES; i++)
		volume->sample[i] = le32_to_cpu(super->sample[i]);
	return 0;
}

static void prepare_format(struct ss_volume *volume, const struct ss_volume_args *args)
{
	volume->chunk_sectors = args->chunk_sectors ?: DEFAULT_CHUNK_SECTORS;
	volume->volume_sectors = args->sectors;
	volume->store_sectors = round_down(bdev_nr_sectors(volume->store), SS_BLOCK_SECTORS);
	generate_random_uuid(volume->uuid);
	memcpy(volume->origin, volume->uuid, sizeof(volume->origin));
	volume->seq = 0;
	/* A table may have been loaded before STORE was wiped, and read what was there. */
	memset(volume->nr_blocks, 0, sizeof(volume->nr_blocks));
}

/* A format that was interrupted has written block 1, but not block 0. */
static bool is_blank(const struct ss_volume *volume)
{
	const struct ss_super *second = volume->buffer + SS_BLOCK_SIZE;

	if (memchr_inv(volume->buffer, 0, SS_BLOCK_SIZE))
		return false;
	return !memchr_inv(volume->buffer, 0, BLANK_SECTORS * SS_SECTOR_SIZE) ||
	       (ss_super_is_sound(second, 1, 1) && ss_super_seq(second) == 1);
}

static int find_super(struct ss_volume *volume, const struct ss_volume_args *args, bool former,
		      struct ss_super_state *state, char **error)
{
	const struct ss_super *first = volume->buffer, *super;
	const struct ss_super *second = volume->buffer + SS_BLOCK_SIZE;

	/* What was written to it before may be in memory only, and would overwrite what is ours. */
	sync_blockdev(volume->store);
	if (!read_blocks(volume, 0, BLANK_SECTORS / SS_BLOCK_SECTORS)) {
		*error = "Cannot read STORE";
		return -EIO;
	}
	if (is_blank(volume)) {
		prepare_format(volume, args);
		return 0;
	}
	if (!ss_super_is_ours(first) && !ss_super_is_ours(second))
		return refuse(error, "STORE has something else on it; wipe it first");
	/* Beside the superblocks, in place of what tells a blank store. */
	if (bdev_nr_sectors(volume->store) >= SS_GROUP_BLOCK * SS_BLOCK_SECTORS)
		read_copies(volume);
	super = choose(volume, state);
	if (super)
		state->highest = highest_seq(volume, super);
	volume->passed_over = former ? ss_super_seq(super) : 0;
	if (super && former)
		super = choose_former(volume, super, state);
	if (!super)
		return refuse(error, "The superblocks of STORE are damaged");
	return adopt(volume, super, args, state, error);
}

static u64 chunks_in(const struct ss_volume *volume, sector_t sectors)
{
	return DIV_ROUND_UP_ULL(sectors, volume->chunk_sectors);
}

/**
 * ss_super_read() - read the superblocks, or see that STORE is blank
 * @volume: with base and store
 * @args: of the table
 * @former: the newest transaction is not whole: the one before counts
 * @state: result
 * @error: reason of a refusal
 *
 * Sets what a superblock says; volume->seq is 0 if STORE is to be formatted.
 *
 * Context: may sleep, volume->meta held.
 * Return: 0, -EINVAL when STORE holds something else, is damaged or does not fit, -EIO.
 */
int ss_super_read(struct ss_volume *volume, const struct ss_volume_args *args, bool former,
		  struct ss_super_state *state, char **error)
{
	int err;

	memset(state, 0, sizeof(*state));
	err = find_super(volume, args, former, state, error);
	if (err)
		return err;
	volume->chunk_shift = ilog2(volume->chunk_sectors);
	volume->nr_chunks = chunks_in(volume, volume->volume_sectors);
	if (chunks_in(volume, args->sectors) > U32_MAX)
		return refuse(error, "The volume has too many chunks; choose a larger chunk");
	return 0;
}

/**
 * ss_super_check_size() - may the volume become as large as a table?
 * @volume: loaded
 * @args: of the table
 * @error: reason of a refusal
 *
 * Context: volume->meta held.
 * Return: 0 or -EINVAL.
 */
int ss_super_check_size(const struct ss_volume *volume, const struct ss_volume_args *args,
			char **error)
{
	if (args->sectors < volume->volume_sectors)
		return refuse(error, "The volume is larger than this table");
	if (args->sectors > volume->volume_sectors && volume->has_other_base)
		return refuse(error, "A volume above another BASE cannot become larger");
	if (chunks_in(volume, args->sectors) > U32_MAX)
		return refuse(error, "The volume has too many chunks; choose a larger chunk");
	return 0;
}

/* Spread over what is larger now. Those of before were compared when it was activated. */
static void note_base_anew(struct ss_volume *volume)
{
	u32 merging = ss_merging_layer(volume);

	/* Samples are read below what is in memory. */
	sync_blockdev(volume->base);
	ss_base_note(volume);
	if (!merging)
		return;
	/* As at the start of the merge, which is not in the middle of a step now. */
	ss_layer_line(volume, merging, &volume->merge_line);
	ss_base_forget(volume, &volume->merge_line);
}

/**
 * ss_super_grow() - make the volume as large as its table
 * @volume: which can be written
 * @args: of the table, which may be larger
 * @error: reason of a refusal
 *
 * No layer has anything there, so that all of them, states too, show what BASE has.
 *
 * Context: may sleep; I/O, volume->meta held.
 * Return: 0, and it is durable; -EINVAL, -EROFS, -EIO.
 */
int ss_super_grow(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	int err = ss_super_check_size(volume, args, error);

	if (err || args->sectors == volume->volume_sectors)
		return err;
	volume->volume_sectors = args->sectors;
	volume->nr_chunks = chunks_in(volume, args->sectors);
	note_base_anew(volume);
	/* The size goes with the next commit: any dirty block brings one about. */
	ss_layer_mark(volume, volume->running);
	*error = "Cannot write the metadata of STORE";
	return ss_commit(volume);
}

/**
 * ss_super_compare() - is what is in memory what is on STORE?
 * @volume: which had no table for a while, but views
 * @error: reason of a refusal
 *
 * Context: may sleep, volume->meta held.
 * Return: 0, and it may be used again; -EBUSY otherwise.
 */
int ss_super_compare(struct ss_volume *volume, char **error)
{
	struct ss_super_state state = {};
	const struct ss_super *super;

	*error = "STORE was written elsewhere, or failed, while there were views; remove them";
	if (volume->mode != (volume->read_only ? SS_MODE_READ_ONLY : SS_MODE_RETIRED))
		return -EBUSY;
	read_blocks(volume, 0, 2);
	read_copies(volume);
	super = choose(volume, &state);
	/* Whoever wrote here since would have gone on beyond it. */
	if (super && ss_super_seq(super) == volume->passed_over)
		super = choose_former(volume, super, &state);
	if (!super || memcmp(super->uuid, volume->uuid, SS_UUID_SIZE) ||
	    ss_super_seq(super) != volume->seq)
		return -EBUSY;
	if (le32_to_cpu(super->features) & SS_FEATURE_DIGEST &&
	    le64_to_cpu(super->digest) != volume->digest)
		return -EBUSY;
	if (!volume->read_only)
		volume->mode = SS_MODE_WRITE;
	return 0;
}

/**
 * ss_super_put() - make a superblock
 * @volume: volume
 * @image: result, a block
 * @seq: transaction
 * @block: where it is going to be written
 *
 * Context: volume->meta held.
 */
void ss_super_put(const struct ss_volume *volume, void *image, u64 seq, u32 block)
{
	struct ss_super *super = image;
	unsigned int kind, i;

	memset(image, 0, SS_BLOCK_SIZE);
	memcpy(super->magic, SS_MAGIC, sizeof(super->magic));
	super->version = cpu_to_le32(volume->at_once ? SS_VERSION_AT_ONCE : SS_VERSION);
	super->chunk_sectors = cpu_to_le32(volume->chunk_sectors);
	memcpy(super->uuid, volume->uuid, sizeof(super->uuid));
	memcpy(super->origin, volume->origin, sizeof(super->origin));
	super->volume_sectors = cpu_to_le64(volume->volume_sectors);
	super->store_sectors = cpu_to_le64(volume->store_sectors);
	for (kind = 0; kind < SS_KINDS; kind++)
		super->blocks[kind] = cpu_to_le32(volume->nr_blocks[kind]);
	super->running = cpu_to_le32(volume->committing);
	super->digest = cpu_to_le64(volume->digest);
	super->features = cpu_to_le32(SS_FEATURE_DIGEST |
				      (volume->knows_base ? SS_FEATURE_BASE : 0));
	for (i = 0; volume->knows_base && i < SS_SAMPLES; i++)
		super->sample[i] = cpu_to_le32(volume->sample[i]);
	ss_sector_seal(volume->uuid, image, block, seq);
}

/**
 * ss_super_put_former() - make a superblock of what was committed last
 * @volume: volume
 * @image: result, a block
 * @seq: number
 * @block: where it is going to be written
 *
 * Context: volume->meta held.
 */
void ss_super_put_former(const struct ss_volume *volume, void *image, u64 seq, u32 block)
{
	struct ss_super *super = image;

	memset(image, 0, SS_BLOCK_SIZE);
	*super = volume->super;
	super->version = cpu_to_le32(SS_VERSION);
	ss_sector_seal(volume->uuid, image, block, seq);
}
