// SPDX-License-Identifier: GPL-2.0
/*
 * Format a blank STORE, or read what is there. Every byte may be hostile, and
 * any sector unreadable.
 *
 * Of the two slots of a block one counts. If the other is damaged, nothing is
 * lost, but only the digest in the superblock proves that it was the other: it
 * is over the transactions of the slots that count.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include "snapsync.h"

/* Blocks read at once: both slots of each. They divide SS_GROUP_MAPS. */
#define PAIRS			(SS_BATCH / 2)

/**
 * struct load - what comes to light while STORE is read
 * @super: what the superblock says
 * @nr_damaged: slots that are damaged beside one that is not
 * @later: there are slots from a transaction after the superblock's
 */
struct load {
	struct ss_super_state super;
	unsigned int nr_damaged;
	bool later;
};

/*
 * Picks the slot that counts, as far as can be told from the block alone.
 * Returns NULL if the block is damaged.
 */
static const void *pick_slot(struct ss_volume *volume, struct load *load, enum ss_kind kind,
			     u32 block, const void *pair)
{
	u64 at = ss_slot_block(kind, block, 0, volume->chunk_sectors), seq[2];
	enum ss_slot_state state[2];
	int slot, best;

	for (slot = 0; slot < 2; slot++)
		state[slot] = ss_slot_judge(volume->uuid, pair + slot * SS_BLOCK_SIZE, at + slot,
					    volume->seq, &seq[slot]);
	best = ss_slot_pick(state, seq);
	if (best < 0)
		return NULL;
	__assign_bit(block, volume->current_slot[kind], best);
	volume->block_seq[kind][block] = seq[best];
	volume->digest += ss_block_digest(kind, block, seq[best]);
	load->later |= state[!best] == SS_SLOT_LATER;
	if (state[!best] == SS_SLOT_DAMAGED) {
		DMWARN("%s: STORE: the metadata block at sector %llu is damaged", volume->name,
		       (at + !best) * SS_BLOCK_SECTORS);
		load->nr_damaged++;
	}
	/* Overwritten before its number comes up again, or repaired. */
	if (state[!best] != SS_SLOT_COMMITTED)
		ss_mark_dirty(volume, kind, block);
	return pair + best * SS_BLOCK_SIZE;
}

static int load_layer(struct ss_volume *volume, u32 number, const struct ss_disk_layer *image)
{
	struct ss_layer *layer;

	if (!memchr_inv(image, 0, sizeof(*image)))
		return 0;
	if (!number || !ss_layer_is_sound(image))
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

/* Nobody else may be it, and its layer is there. */
static bool version_fits(const struct ss_volume *volume, u32 version, u32 chunk, u32 layer)
{
	return volume->layers[layer] && ss_place_of(version) < volume->nr_versions &&
	       ss_table_own(&volume->table, chunk, layer, ss_kind_of(version)) == SS_NONE;
}

static int load_version(struct ss_volume *volume, u32 version, const struct ss_disk_version *image)
{
	struct ss_table *table = &volume->table;
	enum ss_kind kind = ss_kind_of(version);
	u32 chunk = le32_to_cpu(image->chunk), layer = le16_to_cpu(image->layer);
	unsigned int i;

	if (!memchr_inv(image, 0, ss_version_size(volume->chunk_sectors)))
		return 0;
	if (!ss_version_is_sound(image, volume->nr_chunks, volume->chunk_sectors) ||
	    !version_fits(volume, version, chunk, layer))
		return -EINVAL;
	if (ss_table_prepare(table, version, GFP_KERNEL))
		return -ENOMEM;
	ss_table_insert(table, version, chunk, layer);
	for (i = 0; i < table->words; i++)
		ss_table_valid(table, version)[i] = le64_to_cpu(image->valid[i]);
	__set_bit(ss_place_of(version), volume->used[kind]);
	volume->nr_free[kind]--;
	ss_layer_count(volume, layer, kind, 1);
	/* Without memory for it lookups get slower. */
	if (ss_table_is_crowded(table))
		ss_table_split(table);
	return 0;
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

/* What cannot be read is damaged. */
static void read_pairs(struct ss_volume *volume, sector_t sector, u32 count)
{
	u32 i;

	if (!ss_buffer_io(volume, volume->store, REQ_OP_READ, sector,
			  2 * count * SS_BLOCK_SECTORS))
		return;
	for (i = 0; i < 2 * count; i++) {
		void *image = volume->buffer + i * SS_BLOCK_SIZE;

		if (ss_block_read(volume, image, sector + i * SS_BLOCK_SECTORS))
			memset(image, 0xff, SS_BLOCK_SIZE);
	}
}

static int load_pairs(struct ss_volume *volume, struct load *load, enum ss_kind kind, u32 block,
		      u32 count)
{
	const void *pair = volume->buffer, *image;
	int err = 0;
	u32 i;

	read_pairs(volume, ss_meta_sector(volume, kind, block, 0), count);
	for (i = 0; i < count && !err; i++, pair += 2 * SS_BLOCK_SIZE) {
		image = pick_slot(volume, load, kind, block + i, pair);
		if (!image)
			err = -EINVAL;
		else if (kind == SS_KIND_LAYER)
			err = load_layers(volume, block + i, image);
		else
			err = load_versions(volume, kind, block + i, image);
		if (err == -EINVAL)
			DMERR("%s: STORE: the metadata block at sector %llu is damaged",
			      volume->name, (u64)ss_meta_sector(volume, kind, block + i, 0));
	}
	return err;
}

/* Blocks of a kind, of the superblock's transaction. Returns false if they cannot be. */
static bool tally_kind(struct ss_volume *volume, struct ss_tally *tally, enum ss_kind kind)
{
	u32 end = volume->nr_blocks[kind], block, count, i;

	if (end > ss_blocks_max(kind, volume->store_sectors, volume->chunk_sectors))
		return false;
	for (block = 0; block < end; block += count) {
		count = min_t(u32, PAIRS, end - block);
		read_pairs(volume, ss_meta_sector(volume, kind, block, 0), count);
		for (i = 0; i < count; i++)
			ss_tally_pair(tally, volume->uuid, volume->seq, kind, block + i,
				      volume->chunk_sectors,
				      volume->buffer + 2 * i * SS_BLOCK_SIZE);
	}
	return true;
}

/* Has all of it become durable that was written at once with the superblock? */
static bool is_whole(struct ss_volume *volume, u64 digest)
{
	struct ss_tally tally = {};
	unsigned int kind;

	for (kind = 0; kind < SS_KINDS; kind++)
		if (!tally_kind(volume, &tally, kind))
			return true;
	return ss_tally_is_whole(&tally, digest);
}

/* The superblock of the newest transaction that is whole. */
static int read_super(struct ss_volume *volume, const struct ss_volume_args *args,
		      struct ss_super_state *state, char **error)
{
	int err = ss_super_read(volume, args, false, state, error);

	if (err || !state->is_at_once || is_whole(volume, state->digest))
		return err;
	return ss_super_read(volume, args, true, state, error);
}

static int load_kind(struct ss_volume *volume, struct load *load, enum ss_kind kind)
{
	u32 block;
	int err = 0;

	if (volume->nr_blocks[kind] > volume->max_blocks[kind])
		return -EINVAL;
	for (block = 0; block < volume->nr_blocks[kind] && !err; block += PAIRS)
		err = load_pairs(volume, load, kind, block,
				 min_t(u32, PAIRS, volume->nr_blocks[kind] - block));
	return err;
}

/*
 * Has a transaction after the superblock's begun to use more blocks? It writes
 * the first of them, whose slots were never written before. If that cannot be
 * read, nobody can tell.
 */
static bool later_beyond(struct ss_volume *volume, enum ss_kind kind)
{
	u32 block = volume->nr_blocks[kind];
	u64 at = ss_slot_block(kind, block, 0, volume->chunk_sectors);

	if (block >= volume->max_blocks[kind])
		return false;
	return ss_block_read(volume, volume->buffer, at * SS_BLOCK_SECTORS) ||
	       ss_block_is_later(volume->uuid, volume->buffer, at, volume->seq);
}

/* May the superblock that is lost have committed something? A damaged slot may be of that. */
static bool may_be_newer(struct ss_volume *volume, const struct load *load)
{
	return load->later || load->nr_damaged || later_beyond(volume, SS_KIND_DATA) ||
	       later_beyond(volume, SS_KIND_ZERO) || later_beyond(volume, SS_KIND_LAYER);
}

/* Are the slots that were picked those that were committed? */
static int check_proof(struct ss_volume *volume, const struct load *load)
{
	const struct ss_super_state *super = &load->super;

	if (super->has_digest && super->digest != volume->digest) {
		DMERR("%s: STORE: a metadata block lacks what was committed", volume->name);
		return -EINVAL;
	}
	if (load->nr_damaged && !super->has_digest) {
		DMERR("%s: STORE: nothing proves that the damaged blocks are old", volume->name);
		return -EINVAL;
	}
	if (super->is_doubtful && may_be_newer(volume, load)) {
		DMERR("%s: STORE: the damaged superblock may have been the newer one",
		      volume->name);
		return -EINVAL;
	}
	return 0;
}

/* One layer; both superblocks, the second of which completes the format. */
static int format(struct ss_volume *volume, char **error)
{
	int err;

	if (volume->read_only) {
		*error = "STORE is blank, and the table read-only";
		return -EROFS;
	}
	volume->running = ss_layer_new(volume);
	if (!volume->running)
		return -ENOMEM;
	volume->mode = SS_MODE_WRITE;
	ss_layer_run(volume, volume->running, 0);
	ss_base_note(volume);
	err = ss_commit(volume);
	return err ?: ss_commit(volume);
}

static int check_base(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	if (ss_base_is_right(volume))
		return 0;
	if (!args->any_base) {
		*error = "STORE belongs to another BASE; any_base takes this one all the same";
		return -EMEDIUMTYPE;
	}
	DMWARN("%s: BASE is another one than STORE belongs to", volume->name);
	volume->has_other_base = true;
	return 0;
}

/*
 * A transaction that did not happen may have a superblock, or a copy of one, that must not stand
 * in for another with the same number, nor count with blocks of that. Returns whether there is
 * one: then numbers go on beyond it. They take turns, so that what counts is not written over.
 */
static bool pass_over(struct ss_volume *volume, u64 highest)
{
	bool is_ahead = highest > volume->seq;

	if (is_ahead)
		volume->seq = highest + ((highest ^ volume->seq) & 1);
	return is_ahead;
}

/* Nothing is written before all is read and found right. */
static int load(struct ss_volume *volume, struct load *load)
{
	int err = load_kind(volume, load, SS_KIND_LAYER);
	bool is_ahead;

	err = err ?: check_layers(volume);
	err = err ?: load_kind(volume, load, SS_KIND_DATA);
	err = err ?: load_kind(volume, load, SS_KIND_ZERO);
	err = err ?: check_proof(volume, load);
	if (err)
		return err;
	if (volume->read_only) {
		volume->mode = SS_MODE_READ_ONLY;
		strscpy(volume->reason, "its table is read-only", sizeof(volume->reason));
		return 0;
	}
	volume->mode = SS_MODE_WRITE;
	/* A store from before it was known: from the next change on. */
	if (!volume->knows_base && !ss_merging_layer(volume))
		ss_base_note(volume);
	if (load->nr_damaged || load->super.is_damaged)
		DMWARN("%s: STORE: damaged metadata are written anew; nothing is lost",
		       volume->name);
	is_ahead = pass_over(volume, load->super.highest);
	/* Each commit writes one superblock. */
	if (load->super.is_damaged)
		err = ss_commit(volume);
	/* One that was written with its blocks is confirmed, as they are all there. */
	if (!err && (load->super.is_damaged || is_ahead || load->super.is_at_once ||
		     atomic_read(&volume->unclean)))
		err = ss_commit(volume);
	return err;
}

/* What there is when all is read. */
static int set_up(struct ss_volume *volume)
{
	volume->line = kmalloc(sizeof(*volume->line), GFP_KERNEL);
	if (!volume->line)
		return -ENOMEM;
	volume->spare = ss_layer_new(volume);
	ss_layer_line(volume, volume->running, volume->line);
	ss_table_restock(&volume->table, GFP_KERNEL);
	ss_space_refill(volume);
	volume->reap_asked++;
	return 0;
}

static int load_or_format(struct ss_volume *volume, const struct ss_volume_args *args,
			  char **error)
{
	struct load found = {};
	int err = read_super(volume, args, &found.super, error);

	if (err)
		return err;
	err = ss_space_init(volume);
	if (err == -ENOSPC)
		*error = "STORE is too small";
	if (err)
		return err;
	/* Who has BASE open may have written to it, in memory so far: it is read below that. */
	sync_blockdev(volume->base);
	if (volume->seq)
		err = check_base(volume, args, error);
	if (err)
		return err;
	*error = "Cannot read or write the metadata of STORE";
	err = volume->seq ? load(volume, &found) : format(volume, error);
	if (err == -EINVAL)
		*error = "STORE is damaged; lparctl snap check says where";
	return err ?: set_up(volume);
}

/**
 * ss_load() - format STORE, or read its metadata
 * @volume: with nothing loaded
 * @args: of the table
 * @error: reason of a refusal
 *
 * Context: may sleep, volume->meta held.
 * Return: 0, -EINVAL when damaged, -EMEDIUMTYPE when BASE is another one, -ENOMEM, -ENOSPC, -EIO,
 * -EROFS; then nothing is loaded.
 */
int ss_load(struct ss_volume *volume, const struct ss_volume_args *args, char **error)
{
	int err;

	volume->next_gen = 1;
	volume->digest = 0;
	err = load_or_format(volume, args, error);
	if (err)
		ss_unload(volume);
	return err;
}

/**
 * ss_unload() - forget what was loaded, maybe in part
 * @volume: without members, views or I/O
 *
 * Context: may sleep, volume->meta held or the volume not in use.
 */
void ss_unload(struct ss_volume *volume)
{
	u32 number;

	volume->mode = SS_MODE_NONE;
	for (number = 1; number < SS_LAYERS_MAX; number++)
		ss_layer_free(volume, number);
	kfree(volume->line);
	volume->line = NULL;
	ss_space_exit(volume);
	memset(volume->reason, 0, sizeof(volume->reason));
	volume->has_other_base = false;
	memset(volume->nr_blocks, 0, sizeof(volume->nr_blocks));
	atomic_set(&volume->unclean, 0);
	volume->at_once = false;
	volume->running = 0;
	volume->spare = 0;
	volume->freed = SS_NONE;
}
