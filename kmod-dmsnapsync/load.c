// SPDX-License-Identifier: GPL-2.0
/*
 * Format a blank STORE, or read what is there. Every byte may be hostile.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include "snapsync.h"

#define DEFAULT_CHUNK_SECTORS	32

/* What has to be zero before a store is formatted: every known signature is in there. */
#define BLANK_SECTORS		256

/* Blocks read at once: both slots of each. They divide SS_GROUP_MAPS. */
#define PAIRS			(SS_BATCH / 2)

/* Refuses: sets the reason and returns -EINVAL. */
static int refuse(char **error, char *reason)
{
	*error = reason;
	return -EINVAL;
}

static bool sector_is_sound(const u8 *uuid, const void *image, sector_t sector)
{
	const struct ss_head *head = image;

	return le32_to_cpu(head->crc) == ss_meta_crc(uuid, image) &&
	       le32_to_cpu(head->block) == sector / SS_BLOCK_SECTORS;
}

static bool is_ours(const struct ss_super *super)
{
	return !memcmp(super->magic, SS_MAGIC, sizeof(super->magic));
}

static bool super_is_sound(const struct ss_super *super, unsigned int which)
{
	const void *rest = (const void *)super + SS_SECTOR_SIZE;
	u32 chunk = le32_to_cpu(super->chunk_sectors);

	return is_ours(super) && sector_is_sound(super->uuid, super, which * SS_BLOCK_SECTORS) &&
	       (le64_to_cpu(super->head.seq) & 1) == which &&
	       !memchr_inv(rest, 0, SS_BLOCK_SIZE - SS_SECTOR_SIZE) && is_power_of_2(chunk) &&
	       chunk >= SS_CHUNK_SECTORS_MIN && chunk <= SS_CHUNK_SECTORS_MAX;
}

static int adopt(struct ss_volume *volume, const struct ss_super *super,
		 const struct ss_volume_args *args, char **error)
{
	unsigned int kind;

	if (le32_to_cpu(super->version) != SS_VERSION)
		return refuse(error, "STORE has a format of another version");
	volume->chunk_sectors = le32_to_cpu(super->chunk_sectors);
	if (args->chunk_sectors && args->chunk_sectors != volume->chunk_sectors)
		return refuse(error, "STORE has another chunk size");
	if (le64_to_cpu(super->volume_sectors) != volume->volume_sectors)
		return refuse(error, "STORE belongs to a BASE of another size");
	volume->store_sectors = le64_to_cpu(super->store_sectors);
	if (volume->store_sectors > bdev_nr_sectors(volume->store))
		return refuse(error, "STORE has shrunk");
	memcpy(volume->uuid, super->uuid, sizeof(volume->uuid));
	for (kind = 0; kind < SS_KINDS; kind++)
		volume->nr_blocks[kind] = le32_to_cpu(super->blocks[kind]);
	volume->running = le32_to_cpu(super->running);
	volume->seq = le64_to_cpu(super->head.seq);
	return 0;
}

static void prepare_format(struct ss_volume *volume, const struct ss_volume_args *args)
{
	volume->chunk_sectors = args->chunk_sectors ?: DEFAULT_CHUNK_SECTORS;
	volume->store_sectors = round_down(bdev_nr_sectors(volume->store), SS_BLOCK_SECTORS);
	generate_random_uuid(volume->uuid);
	volume->seq = 0;
}

/**
 * ss_load_super() - read the superblocks, or see that STORE is blank
 * @volume: with base, store and volume_sectors
 * @args: of the table
 * @error: reason of a refusal
 *
 * Sets what a superblock says; volume->seq stays 0 if STORE is to be formatted.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when STORE holds something else, is damaged or does not fit, -EIO.
 */
int ss_load_super(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	const struct ss_super *first = volume->buffer;
	const struct ss_super *second = volume->buffer + SS_BLOCK_SIZE;
	u64 seq;

	if (ss_buffer_io(volume, volume->store, REQ_OP_READ, 0, BLANK_SECTORS)) {
		*error = "Cannot read STORE";
		return -EIO;
	}
	/* A format that was interrupted has written block 1, but not block 0. */
	if (!memchr_inv(first, 0, SS_BLOCK_SIZE) &&
	    (!memchr_inv(first, 0, BLANK_SECTORS * SS_SECTOR_SIZE) ||
	     (super_is_sound(second, 1) && le64_to_cpu(second->head.seq) == 1))) {
		prepare_format(volume, args);
		return 0;
	}
	if (!is_ours(first) && !is_ours(second))
		return refuse(error, "STORE has something else on it; wipe it first");
	if (!super_is_sound(first, 0) || !super_is_sound(second, 1) ||
	    memcmp(first->uuid, second->uuid, SS_UUID_SIZE))
		return refuse(error, "A superblock of STORE is damaged");
	seq = le64_to_cpu(second->head.seq);
	if (le64_to_cpu(first->head.seq) > seq)
		return adopt(volume, first, args, error);
	return adopt(volume, second, args, error);
}

enum slot_state {
	SLOT_COMMITTED,
	SLOT_LATER,	/* from a transaction that never committed */
	SLOT_DAMAGED,
};

/* A torn slot has whole sectors of two transactions, the later of which never committed. */
static enum slot_state judge_slot(const struct ss_volume *volume, const void *image,
				  sector_t sector, u64 *seq)
{
	bool later = false, mixed = false;
	unsigned int i;

	*seq = le64_to_cpu(((const struct ss_head *)image)->seq);
	for (i = 0; i < SS_BLOCK_SECTORS; i++) {
		const struct ss_head *head = image + i * SS_SECTOR_SIZE;
		u64 this = le64_to_cpu(head->seq);

		if (!sector_is_sound(volume->uuid, head, sector))
			return SLOT_DAMAGED;
		later |= this > volume->seq;
		mixed |= this != *seq;
	}
	if (later)
		return SLOT_LATER;
	return mixed ? SLOT_DAMAGED : SLOT_COMMITTED;
}

/* Picks the slot that counts. Returns NULL if the block is damaged. */
static const void *pick_slot(struct ss_volume *volume, enum ss_kind kind, u32 block,
			     const void *pair)
{
	enum slot_state state[2];
	unsigned int slot, best;
	u64 seq[2];

	for (slot = 0; slot < 2; slot++) {
		state[slot] = judge_slot(volume, pair + slot * SS_BLOCK_SIZE,
					 ss_meta_sector(volume, kind, block, slot), &seq[slot]);
		if (state[slot] == SLOT_DAMAGED)
			return NULL;
	}
	if (state[0] == SLOT_LATER && state[1] == SLOT_LATER)
		return NULL;
	best = state[0] == SLOT_LATER || (state[1] == SLOT_COMMITTED && seq[1] > seq[0]);
	__assign_bit(block, volume->current_slot[kind], best);
	/* Overwritten before its number comes up again. */
	if (state[0] == SLOT_LATER || state[1] == SLOT_LATER)
		ss_mark_dirty(volume, kind, block);
	return pair + best * SS_BLOCK_SIZE;
}

static bool text_is_sound(const u8 *text, size_t size)
{
	size_t length = strnlen(text, size);

	return length < size && !memchr_inv(text + length, 0, size - length);
}

static bool layer_is_sound(const struct ss_disk_layer *image)
{
	u32 flags = le32_to_cpu(image->flags);
	bool named = flags & SS_LAYER_NAMED;

	if (!(flags & SS_LAYER_USED) || flags & ~SS_LAYER_FLAGS ||
	    le32_to_cpu(image->parent) >= SS_LAYERS_MAX || !image->gen ||
	    le64_to_cpu(image->gen) >= S64_MAX)
		return false;
	if (!text_is_sound(image->name, sizeof(image->name)) ||
	    !text_is_sound(image->note, sizeof(image->note)))
		return false;
	return named == ss_name_is_valid(image->name) && (named || !(flags & SS_LAYER_PREPARED));
}

static int load_layer(struct ss_volume *volume, u32 number, const struct ss_disk_layer *image)
{
	struct ss_layer *layer;

	if (!memchr_inv(image, 0, sizeof(*image)))
		return 0;
	if (!number || !layer_is_sound(image))
		return -EINVAL;
	layer = kzalloc(sizeof(*layer), GFP_KERNEL);
	if (!layer)
		return -ENOMEM;
	memcpy(layer->name, image->name, sizeof(layer->name));
	memcpy(layer->note, image->note, sizeof(layer->note));
	memcpy(layer->txn, image->txn, sizeof(layer->txn));
	memcpy(layer->coordinator, image->coordinator, sizeof(layer->coordinator));
	layer->time = le64_to_cpu(image->time);
	layer->parent = le32_to_cpu(image->parent);
	layer->flags = le32_to_cpu(image->flags);
	volume->layers[number] = layer;
	volume->table.gen[number] = le64_to_cpu(image->gen);
	volume->next_gen = max(volume->next_gen, volume->table.gen[number] + 1);
	return 0;
}

static int load_layers(struct ss_volume *volume, u32 block, const void *image)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < SS_LAYERS_PER_BLOCK && !err; i++)
		err = load_layer(volume, block * SS_LAYERS_PER_BLOCK + i,
				 image + i / SS_LAYERS_PER_SECTOR * SS_SECTOR_SIZE +
				 sizeof(struct ss_head) +
				 i % SS_LAYERS_PER_SECTOR * sizeof(struct ss_disk_layer));
	return err;
}

/* Parents are older, which also means that there is no circle. */
static int check_layers(const struct ss_volume *volume)
{
	const u64 *gen = volume->table.gen;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		const struct ss_layer *layer = volume->layers[number];

		if (!layer)
			continue;
		if (layer->parent &&
		    (!volume->layers[layer->parent] || gen[layer->parent] >= gen[number]))
			return -EINVAL;
		if (layer->flags & SS_LAYER_NAMED && ss_layer_find(volume, layer->name) != number)
			return -EINVAL;
	}
	if (!volume->running || volume->running >= SS_LAYERS_MAX ||
	    !volume->layers[volume->running] ||
	    volume->layers[volume->running]->flags & SS_LAYER_NAMED)
		return -EINVAL;
	return 0;
}

static bool version_is_sound(const struct ss_volume *volume, u32 version, u32 chunk, u32 layer,
			     const unsigned long *valid)
{
	unsigned int bits = volume->table.words * BITS_PER_LONG;

	return chunk < volume->nr_chunks && layer < SS_LAYERS_MAX && volume->layers[layer] &&
	       ss_place_of(version) < volume->nr_versions && !bitmap_empty(valid, bits) &&
	       find_next_bit(valid, bits, volume->chunk_sectors) >= bits &&
	       ss_table_own(&volume->table, chunk, layer, ss_kind_of(version)) == SS_NONE;
}

static int load_version(struct ss_volume *volume, u32 version, const struct ss_disk_version *image)
{
	struct ss_table *table = &volume->table;
	enum ss_kind kind = ss_kind_of(version);
	u32 chunk = le32_to_cpu(image->chunk), layer = le16_to_cpu(image->layer);
	unsigned long valid[SS_WORDS_MAX];
	unsigned int i;

	if (!layer)
		return memchr_inv(image, 0, struct_size(image, valid, table->words)) ? -EINVAL : 0;
	for (i = 0; i < table->words; i++)
		valid[i] = le64_to_cpu(image->valid[i]);
	if (image->reserved || !version_is_sound(volume, version, chunk, layer, valid))
		return -EINVAL;
	if (ss_table_prepare(table, version))
		return -ENOMEM;
	ss_table_insert(table, version, chunk, layer);
	bitmap_copy(ss_table_valid(table, version), valid, table->words * BITS_PER_LONG);
	__set_bit(ss_place_of(version), volume->used[kind]);
	volume->nr_free[kind]--;
	ss_layer_count(volume, layer, kind, 1);
	return ss_table_is_crowded(table) ? ss_table_split(table) : 0;
}

static int load_versions(struct ss_volume *volume, enum ss_kind kind, u32 block,
			 const void *image)
{
	const struct ss_table *table = &volume->table;
	unsigned int per_sector = table->per_block / SS_BLOCK_SECTORS;
	size_t size = struct_size((struct ss_disk_version *)NULL, valid, table->words);
	u32 place = block * table->per_block;
	unsigned int i;
	int err = 0;

	for (i = 0; i < table->per_block && !err; i++)
		err = load_version(volume, ss_version_at(kind, place + i),
				   image + i / per_sector * SS_SECTOR_SIZE +
				   sizeof(struct ss_head) + i % per_sector * size);
	return err;
}

static int load_pairs(struct ss_volume *volume, enum ss_kind kind, u32 block, u32 count)
{
	int err = ss_buffer_io(volume, volume->store, REQ_OP_READ,
			       ss_meta_sector(volume, kind, block, 0),
			       2 * count * SS_BLOCK_SECTORS);
	const void *pair = volume->buffer, *image;
	u32 i;

	for (i = 0; i < count && !err; i++, pair += 2 * SS_BLOCK_SIZE) {
		image = pick_slot(volume, kind, block + i, pair);
		if (!image)
			err = -EINVAL;
		else if (kind == SS_KIND_LAYER)
			err = load_layers(volume, block + i, image);
		else
			err = load_versions(volume, kind, block + i, image);
		if (err == -EINVAL)
			DMERR("STORE: metadata block at sector %llu is damaged",
			      (u64)ss_meta_sector(volume, kind, block + i, 0));
	}
	return err;
}

static int load_kind(struct ss_volume *volume, enum ss_kind kind)
{
	u32 block;
	int err = 0;

	if (volume->nr_blocks[kind] > volume->max_blocks[kind])
		return -EINVAL;
	for (block = 0; block < volume->nr_blocks[kind] && !err; block += PAIRS)
		err = load_pairs(volume, kind, block,
				 min_t(u32, PAIRS, volume->nr_blocks[kind] - block));
	return err;
}

/* One layer; both superblocks, the second of which completes the format. */
static int format(struct ss_volume *volume)
{
	int err;

	volume->running = ss_layer_new(volume);
	if (!volume->running)
		return -ENOMEM;
	ss_layer_run(volume, volume->running, 0);
	err = ss_commit(volume);
	return err ?: ss_commit(volume);
}

static int load(struct ss_volume *volume)
{
	int err = load_kind(volume, SS_KIND_LAYER);

	err = err ?: check_layers(volume);
	err = err ?: load_kind(volume, SS_KIND_DATA);
	err = err ?: load_kind(volume, SS_KIND_ZERO);
	if (!err && atomic_read(&volume->unclean))
		err = ss_commit(volume);
	return err;
}

/**
 * ss_load() - format STORE, or read its metadata
 * @volume: after ss_load_super() and ss_space_init(), in its group
 * @error: reason of a refusal
 *
 * Context: may sleep, volume->meta held.
 * Return: 0, -EINVAL when damaged, -ENOMEM, -EIO.
 */
int ss_load(struct ss_volume *volume, char **error)
{
	int err = volume->seq ? load(volume) : format(volume);

	if (err == -EINVAL)
		*error = "STORE is damaged; see the kernel log and lparctl snap check";
	else if (err)
		*error = "Cannot read or write the metadata of STORE";
	if (err)
		return err;
	volume->line = kmalloc(sizeof(*volume->line), GFP_KERNEL);
	if (!volume->line)
		return -ENOMEM;
	volume->spare = ss_layer_new(volume);
	ss_layer_line(volume, volume->running, volume->line);
	ss_space_refill(volume);
	volume->reap_asked++;
	return 0;
}
