// SPDX-License-Identifier: GPL-2.0
/*
 * Repairs a STORE that is not in use.
 *
 * What is proven is written anew where it is damaged: nothing is lost. By force
 * the last transaction is given up, if it was written at once and the one before
 * is proven. Otherwise it goes on with what is sound, as one transaction: a
 * block of which neither slot is of use becomes empty, a block whose newest
 * content is lost has what it had before, and layers, or versions, that do not
 * fit go. What remains is a store that the module takes, with every state whose
 * layers are all there.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "snap/snap.h"
#include "snap/snap_store.h"
#include "snap/snap_stream.h"

/**
 * struct repair - what is under way
 * @store: as it was read
 * @seq: of the transaction that is written, if anything changes
 * @digest: of the slots that count in the end
 * @drop: places of versions that go, by kind, sorted
 * @n_drop: their number
 * @n_lost: blocks that became empty
 */
struct repair {
	struct store *store;
	u64 seq;
	u64 digest;
	u32 *drop[SS_KIND_LAYER];
	size_t n_drop[SS_KIND_LAYER];
	size_t n_lost;
};

static int write_block(const struct store *store, u64 block, const void *image)
{
	if (pwrite(store->fd, image, SS_BLOCK_SIZE, block * SS_BLOCK_SIZE) == SS_BLOCK_SIZE)
		return 0;
	err("cannot write block %llu: %s", block, strerror(errno));
	return -EIO;
}

static int write_slot(const struct store *store, enum ss_kind kind, u32 number, int slot,
		      void *image, u64 seq)
{
	u64 block = ss_slot_block(kind, number, slot, store->chunk_sectors);

	ss_block_seal(store->uuid, image, block, seq);
	return write_block(store, block, image);
}

static void forget_layer(struct store *store, u32 number, const char *why)
{
	struct ss_disk_layer *layer = &store->layer[number];

	if (layer->name[0])
		say("state \"%.*s\" is lost: %s", SS_NAME_MAX, layer->name, why);
	memset(layer, 0, sizeof(*layer));
}

/* Chunks that were freed may be in use anew: BASE is not written before somebody has had a look. */
static void stop_merges(struct store *store)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		struct ss_disk_layer *layer = &store->layer[number];

		if (!(le32toh(layer->flags) & SS_LAYER_MERGING))
			continue;
		say("state \"%.*s\" is not merged any further", SS_NAME_MAX, layer->name);
		layer->flags &= htole32(~SS_LAYER_MERGING);
	}
}

static bool has_parent(const struct store *store, u32 number)
{
	u32 parent = le32toh(store->layer[number].parent);

	return !parent || (store_is_used(store, parent) &&
			   le64toh(store->layer[parent].gen) < le64toh(store->layer[number].gen));
}

/* A layer without all of its ancestors shows nothing that ever was. */
static void fix_tree(struct store *store)
{
	bool changed;
	u32 number;

	for (number = 0; number < SS_LAYERS_MAX; number++)
		if (!number || !ss_layer_is_sound(&store->layer[number]))
			forget_layer(store, number, "its record is damaged");
	do {
		changed = false;
		for (number = 1; number < SS_LAYERS_MAX; number++) {
			if (!store_is_used(store, number) || has_parent(store, number))
				continue;
			forget_layer(store, number, "what it is based on is lost");
			changed = true;
		}
	} while (changed);
}

static u32 find_name(const struct store *store, const char *name)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (!strncmp((const char *)store->layer[number].name, name, SS_NAME_MAX + 1))
			return number;
	return 0;
}

/* Of two states of one name the later gets another. */
static void fix_names(struct store *store)
{
	unsigned int try = 0;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++) {
		struct ss_disk_layer *layer = &store->layer[number];
		char name[SS_NAME_MAX + 1] = "", old[SS_NAME_MAX + 1];

		memcpy(old, layer->name, sizeof(old));
		if (!*old || find_name(store, old) == number)
			continue;
		do {
			snprintf(name, sizeof(name), "state-%u", ++try);
		} while (find_name(store, name));
		say("a second state \"%s\" is called \"%s\" now", old, name);
		memcpy(layer->name, name, sizeof(layer->name));
	}
}

static bool has_child(const struct store *store, u32 parent)
{
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (store_is_used(store, number) && le32toh(store->layer[number].parent) == parent)
			return true;
	return false;
}

/* Of the states, or of what ran and has none above it; 0 if there is none. */
static u32 newest_layer(const struct store *store, bool named)
{
	u32 newest = 0, number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (store_is_used(store, number) &&
		    !!(le32toh(store->layer[number].flags) & SS_LAYER_NAMED) == named &&
		    (named || !has_child(store, number)) &&
		    (!newest ||
		     le64toh(store->layer[number].gen) > le64toh(store->layer[newest].gen)))
			newest = number;
	return newest;
}

static u64 next_gen(const struct store *store)
{
	u64 gen = 0;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (le64toh(store->layer[number].gen) > gen)
			gen = le64toh(store->layer[number].gen);
	return gen + 1;
}

/*
 * If what ran is lost, what ran before goes on, where that is no state; otherwise
 * the volume starts from the newest state, or from BASE. No version is the new
 * layer's: those of layers that are lost are dropped by now.
 */
static int fix_running(struct store *store)
{
	u32 newest = newest_layer(store, true), number;
	u64 gen = next_gen(store);

	if (store_is_used(store, store->running) &&
	    !(le32toh(store->layer[store->running].flags) & SS_LAYER_NAMED))
		return 0;
	number = newest_layer(store, false);
	if (le64toh(store->layer[number].gen) > le64toh(store->layer[newest].gen)) {
		say("what was written last is lost; the volume shows what ran before");
		store->running = number;
		return 0;
	}
	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (!store_is_used(store, number))
			break;
	if (number == SS_LAYERS_MAX || gen >= INT64_MAX)
		return -ENOSPC;
	say("what was written last is lost; the volume starts from %s",
	    newest ? (const char *)store->layer[newest].name : "BASE");
	store->layer[number].gen = htole64(gen);
	store->layer[number].parent = htole32(newest);
	store->layer[number].flags = htole32(SS_LAYER_USED);
	store->running = number;
	if (store->blocks[SS_KIND_LAYER] <= number / SS_LAYERS_PER_BLOCK)
		store->blocks[SS_KIND_LAYER] = number / SS_LAYERS_PER_BLOCK + 1;
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const u32 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void drop(struct repair *repair, const struct version *version)
{
	u32 **drop = &repair->drop[version->kind];
	size_t *n = &repair->n_drop[version->kind];

	if (!(*n & (*n - 1)))
		*drop = xrealloc(*drop, (2 * *n + 1) * sizeof(**drop));
	(*drop)[(*n)++] = version->place;
}

static void find_drops(struct repair *repair)
{
	const struct version *version = repair->store->version;
	unsigned int kind;
	size_t i;

	store_sort_versions(repair->store);
	for (i = 0; i < repair->store->n_versions; i++)
		if (!store_is_used(repair->store, version[i].layer) ||
		    (i && store_is_twin(&version[i - 1], &version[i])))
			drop(repair, &version[i]);
	for (kind = 0; kind < SS_KIND_LAYER; kind++)
		if (repair->n_drop[kind])
			qsort(repair->drop[kind], repair->n_drop[kind], sizeof(u32),
			      compare_places);
}

static bool is_dropped(const struct repair *repair, enum ss_kind kind, u32 place)
{
	return repair->n_drop[kind] && bsearch(&place, repair->drop[kind], repair->n_drop[kind],
					       sizeof(u32), compare_places);
}

/* Returns true if anything changed. */
static bool fix_layers(const struct repair *repair, u32 number, u8 *image)
{
	const struct ss_disk_layer *layer = &repair->store->layer[number * SS_LAYERS_PER_BLOCK];
	size_t size = SS_LAYERS_PER_SECTOR * sizeof(*layer);
	bool changed = false;
	unsigned int sector;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		u8 *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		changed |= memcmp(at, layer + sector * SS_LAYERS_PER_SECTOR, size);
		memcpy(at, layer + sector * SS_LAYERS_PER_SECTOR, size);
	}
	return changed;
}

static bool fits(const struct repair *repair, enum ss_kind kind, u64 place, const void *at)
{
	const struct store *store = repair->store;

	return place < store->n_places &&
	       ss_version_is_sound(at, store_chunks(store), store->chunk_sectors) &&
	       !is_dropped(repair, kind, place);
}

static bool fix_versions(const struct repair *repair, enum ss_kind kind, u32 number, u8 *image)
{
	u32 per_sector = ss_versions_per_sector(repair->store->chunk_sectors), sector, i;
	size_t size = ss_version_size(repair->store->chunk_sectors);
	u64 place = (u64)number * SS_BLOCK_SECTORS * per_sector;
	bool changed = false;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		u8 *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		for (i = 0; i < per_sector; i++, place++, at += size) {
			if (!memchr_inv(at, 0, size) || fits(repair, kind, place, at))
				continue;
			memset(at, 0, size);
			changed = true;
		}
	}
	return changed;
}

/* Both slots are of use in the end, and the one that counts is @image. */
static int write_pair(struct repair *repair, enum ss_kind kind, u32 number, int best, u8 *image,
		      bool changed, const enum ss_slot_state *state, const u64 *seq)
{
	struct store *store = repair->store;
	u64 counts = changed ? repair->seq : seq[best];
	int ret = 0;

	repair->digest += ss_block_digest(kind, number, counts);
	if (best < 0) {
		ret = write_slot(store, kind, number, 0, image, counts);
		return ret ? ret : write_slot(store, kind, number, 1, image, counts);
	}
	if (changed || state[!best] != SS_SLOT_COMMITTED)
		ret = write_slot(store, kind, number, !best, image, counts);
	return ret;
}

static int repair_block(struct repair *repair, enum ss_kind kind, u32 number)
{
	static u8 pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	enum ss_slot_state state[2];
	u64 seq[2];
	int best = store_read_pair(repair->store, kind, number, pair, state, seq);
	u8 *image = pair + (best > 0) * SS_BLOCK_SIZE;
	bool changed;

	if (best < 0) {
		memset(image, 0, SS_BLOCK_SIZE);
		repair->n_lost++;
	}
	if (kind == SS_KIND_LAYER)
		changed = fix_layers(repair, number, image);
	else
		changed = fix_versions(repair, kind, number, image);
	return write_pair(repair, kind, number, best, image, changed || best < 0, state, seq);
}

static int repair_blocks(struct repair *repair)
{
	unsigned int kind;
	int ret = 0;
	u32 number;

	for (kind = 0; kind < SS_KINDS; kind++)
		for (number = 0; !ret && number < repair->store->blocks[kind]; number++)
			ret = repair_block(repair, kind, number);
	if (!ret && fsync(repair->store->fd))
		ret = -errno;
	return ret;
}

static int write_super_at(const struct store *store, const struct ss_super *super, u64 block,
			  u64 seq)
{
	static u8 image[SS_BLOCK_SIZE] __attribute__((aligned(8)));

	memset(image, 0, sizeof(image));
	memcpy(image, super, sizeof(*super));
	/* Its blocks are there. */
	((struct ss_super *)image)->version = htole32(SS_VERSION);
	ss_sector_seal(store->uuid, image, block, seq);
	return write_block(store, block, image);
}

/* With its copy, in the order in which one may be lost. */
static int write_super(const struct store *store, u64 seq)
{
	int ret = write_super_at(store, &store->super, seq & 1, seq);

	if (!ret && fsync(store->fd))
		ret = -errno;
	ret = ret ? ret : write_super_at(store, &store->super, SS_COPY_BLOCK + (seq & 1), seq);
	if (!ret && fsync(store->fd))
		ret = -errno;
	return ret;
}

/*
 * What the superblock that is lost said. If that was not what counts, or if the other one is of a
 * transaction that did not happen, an empty one takes its place, with a number beyond any.
 */
static int repair_super(struct store *store)
{
	u64 beyond = store->highest + 1 + ((store->highest ^ store->seq) & 1);
	int ret = store->is_copy ? write_super(store, store->seq) : 0;

	if (!ret && (store->former || (store->lost_super && !store->is_copy)))
		ret = write_super(store, beyond);
	return ret;
}

/* Of a superblock that is sound. */
static int repair_copy(const struct store *store, unsigned int which)
{
	static u8 image[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct ss_super *super = (void *)image;

	store_read_block(store, which, image);
	if (!ss_super_is_sound(super, which, which))
		return -EIO;
	if (store_has_copy(store, which, super))
		return 0;
	return write_super_at(store, super, SS_COPY_BLOCK + which, ss_super_seq(super));
}

/* Once the superblocks themselves are there. */
static int repair_copies(const struct store *store)
{
	int ret = repair_copy(store, 0);

	ret = ret ? ret : repair_copy(store, 1);
	if (!ret && fsync(store->fd))
		ret = -errno;
	return ret;
}

static int write_supers(struct repair *repair)
{
	struct store *store = repair->store;
	struct ss_super *super = &store->super;
	unsigned int kind;
	int ret;

	super->store_sectors = htole64(store->store_sectors);
	for (kind = 0; kind < SS_KINDS; kind++)
		super->blocks[kind] = htole32(store->blocks[kind]);
	super->running = htole32(store->running);
	super->digest = htole64(repair->digest);
	super->features = htole32(le32toh(super->features) | SS_FEATURE_DIGEST);
	ret = write_super(store, repair->seq);
	return ret ? ret : write_super(store, repair->seq + 1);
}

/* As much as there is of the device. */
static int fix_sizes(struct store *store)
{
	u64 sectors = lseek(store->fd, 0, SEEK_END) / SS_SECTOR_SIZE;
	unsigned int kind;
	u32 max;

	if (store->store_sectors > sectors)
		store->store_sectors = sectors - sectors % SS_BLOCK_SECTORS;
	store->n_places = ss_versions_in(store->store_sectors, store->chunk_sectors);
	if (!store->n_places || !store_chunks(store) || store_chunks(store) > UINT32_MAX)
		return -EINVAL;
	for (kind = 0; kind < SS_KINDS; kind++) {
		max = ss_blocks_max(kind, store->store_sectors, store->chunk_sectors);
		if (store->blocks[kind] > max)
			store->blocks[kind] = max;
	}
	return 0;
}

/*
 * What is salvaged may be older than what others have of it: no state is one any more that was
 * sent from here, that came from elsewhere, or that is coming. Members of a group still know
 * their takes.
 */
static int change_origins(struct store *store)
{
	u8 origin[3][SS_UUID_SIZE];
	u32 number;

	if (getrandom(origin, sizeof(origin), 0) != sizeof(origin))
		return -EIO;
	memcpy(store->super.origin, origin[0], SS_UUID_SIZE);
	for (number = 1; number < SS_LAYERS_MAX; number++) {
		struct ss_disk_layer *layer = &store->layer[number];

		if (le32toh(layer->flags) & SS_LAYER_RECEIVED)
			memcpy(layer->coordinator, origin[1], SS_UUID_SIZE);
		snap_disown_part((char *)layer->note, origin[2]);
	}
	return 0;
}

static int salvage(struct repair *repair)
{
	struct store *store = repair->store;
	int ret = store_pick_super(store, true) ? fix_sizes(store) : -EINVAL;

	if (ret)
		return ret;
	repair->seq = store->highest + 1;
	store_read_blocks(store);
	fix_tree(store);
	stop_merges(store);
	fix_names(store);
	find_drops(repair);
	ret = change_origins(store);
	ret = ret ? ret : fix_running(store);
	ret = ret ? ret : repair_blocks(repair);
	ret = ret ? ret : write_supers(repair);
	if (!ret)
		say("%zu metadata blocks are lost, %zu may be older, and %zu chunks were dropped that do not fit; states may show older content, or that of other chunks",
		    repair->n_lost, store->n_older, repair->n_drop[SS_KIND_DATA]);
	return ret;
}

/*
 * Returns 0, -EUCLEAN when it is not proven that nothing is lost, -EINVAL when
 * there is nothing to go on with, or another errno.
 */
int store_repair(struct store *store, bool force)
{
	struct repair repair = { .store = store };
	int ret;

	store_check(store);
	if (force && store_is_lost(store) && store_go_back(store))
		say("the last transaction is damaged, and given up; the one before it is there as a whole");
	if (!store_is_lost(store)) {
		ret = repair_blocks(&repair);
		ret = ret ? ret : repair_super(store);
		ret = ret ? ret : repair_copies(store);
	} else {
		ret = force ? salvage(&repair) : -EUCLEAN;
	}
	free(repair.drop[SS_KIND_DATA]);
	free(repair.drop[SS_KIND_ZERO]);
	return ret;
}
