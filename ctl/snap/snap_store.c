// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a STORE that is not in use and says what is wrong with it. Nothing is
 * written. What the module refuses is a problem here, and what it repairs is
 * damage.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "snap/snap.h"
#include "snap/snap_store.h"

/* Of many problems of one store the first tell enough. */
#define PROBLEMS_MAX 100

static void note(struct json_object *list, const char *fmt, va_list ap)
{
	char text[256];

	if (json_count(list) >= PROBLEMS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	json_object_array_add(list, json_object_new_string(text));
}

static void problem(struct store *store, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct store *store, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(store->problems, fmt, ap);
	va_end(ap);
}

static void damage(struct store *store, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void damage(struct store *store, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(store->damages, fmt, ap);
	va_end(ap);
}

/* What the module refuses: it is not certain that nothing is lost. */
bool store_is_lost(const struct store *store)
{
	return json_count(store->problems);
}

u32 crc32c(u32 crc, const void *data, size_t size)
{
	static u32 table[256];
	const u8 *byte = data;
	unsigned int i, bit;

	for (i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	}
	while (size--)
		crc = crc >> 8 ^ table[(crc ^ *byte++) & 255];
	return crc;
}

/* The first byte that is another, or NULL. */
const void *memchr_inv(const void *at, int byte, size_t size)
{
	const u8 *p = at;

	for (; size; size--, p++)
		if (*p != (u8)byte)
			return p;
	return NULL;
}

struct store *store_new(int fd)
{
	struct store *store = xalloc(sizeof(*store));

	store->fd = fd;
	store->problems = json_object_new_array();
	store->damages = json_object_new_array();
	return store;
}

void store_free(struct store *store)
{
	json_object_put(store->problems);
	json_object_put(store->damages);
	free(store->version);
	free(store);
}

/* As the module takes it, what cannot be read is damaged: then it returns false. */
bool store_read_block(const struct store *store, u64 block, void *into)
{
	ssize_t ret;

	errno = 0;
	ret = pread(store->fd, into, SS_BLOCK_SIZE, block * SS_BLOCK_SIZE);
	if (ret == SS_BLOCK_SIZE)
		return true;
	say("cannot read block %llu: %s", block,
	    ret < 0 ? strerror(errno) : "the device ends there");
	memset(into, 0xff, SS_BLOCK_SIZE);
	return false;
}

/* Chunks of the volume. */
u64 store_chunks(const struct store *store)
{
	return store->volume_sectors / store->chunk_sectors +
	       !!(store->volume_sectors % store->chunk_sectors);
}

static void adopt(struct store *store, const struct ss_super *super)
{
	unsigned int kind;

	store->super = *super;
	memcpy(store->uuid, super->uuid, sizeof(store->uuid));
	store->seq = ss_super_seq(super);
	store->volume_sectors = le64toh(super->volume_sectors);
	store->store_sectors = le64toh(super->store_sectors);
	store->chunk_sectors = le32toh(super->chunk_sectors);
	store->running = le32toh(super->running);
	for (kind = 0; kind < SS_KINDS; kind++)
		store->blocks[kind] = le32toh(super->blocks[kind]);
	store->n_places = ss_versions_in(store->store_sectors, store->chunk_sectors);
}

static const struct ss_super *sound_copy(const struct store *store, unsigned int which, u8 *image)
{
	const struct ss_super *copy = (void *)image;

	store_read_block(store, SS_COPY_BLOCK + which, image);
	return ss_super_is_sound(copy, which, SS_COPY_BLOCK + which) ? copy : NULL;
}

/* One is lost: its copy, if that is the newer one; otherwise the other. */
static const struct ss_super *stand_in(struct store *store, unsigned int lost, u8 *image,
				       const struct ss_super *other)
{
	const struct ss_super *copy;

	damage(store, "superblock %u is damaged", lost);
	copy = sound_copy(store, lost, image);
	if (copy && memcmp(copy->uuid, other->uuid, SS_UUID_SIZE))
		copy = NULL;
	store->is_copy = copy && ss_super_newer(copy, other) == copy;
	store->is_doubtful = !store->is_copy;
	return store->is_copy ? copy : other;
}

/* Is there a copy, as there has to be? It may be an older one, or a newer one after a crash. */
bool store_has_copy(const struct store *store, unsigned int which, const struct ss_super *super)
{
	static u8 image[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct ss_super *copy;

	if (!(le32toh(super->features) & SS_FEATURE_DIGEST))
		return true;
	copy = sound_copy(store, which, image);
	return copy && !memcmp(copy->uuid, super->uuid, SS_UUID_SIZE);
}

/* Of two that are sound. */
static const struct ss_super *choose_newer(struct store *store, const struct ss_super **super)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (!store_has_copy(store, i, super[i]))
			damage(store, "the copy of superblock %u is damaged", i);
	return ss_super_newer(super[0], super[1]);
}

/*
 * Both are lost. The module does not believe copies alone, which survive a
 * wipefs, and whatever was written there since; so it takes at least the magic.
 */
static const struct ss_super *newest_copy(struct store *store, u8 image[2][SS_BLOCK_SIZE])
{
	store->is_copy = true;
	return ss_super_newer(sound_copy(store, 0, image[0]), sound_copy(store, 1, image[1]));
}

static const struct ss_super *choose(struct store *store, u8 image[2][SS_BLOCK_SIZE], bool copies)
{
	const struct ss_super *super[2] = { (void *)image[0], (void *)image[1] };
	bool is_ours = false;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		store_read_block(store, i, image[i]);
		is_ours |= ss_super_is_ours(super[i]);
		if (!ss_super_is_sound(super[i], i, i)) {
			store->lost_super |= 1 << i;
			super[i] = NULL;
		}
	}
	if (!is_ours)
		problem(store, "not a snapsync store");
	else if (!super[0] && !super[1])
		problem(store, "both superblocks are damaged");
	else if (super[0] && super[1] && memcmp(super[0]->uuid, super[1]->uuid, SS_UUID_SIZE))
		problem(store, "the superblocks are of two stores");
	else if (super[0] && super[1])
		return choose_newer(store, super);
	else
		return super[0] ? stand_in(store, 1, image[1], super[0])
				: stand_in(store, 0, image[0], super[1]);
	return copies && is_ours && !super[0] && !super[1] ? newest_copy(store, image) : NULL;
}

static u64 highest_seq(const struct store *store, const struct ss_super *super)
{
	static u8 image[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	u64 highest = ss_super_seq(super);
	unsigned int which;

	for (which = 0; which < 2; which++) {
		const struct ss_super *copy = sound_copy(store, which, image);

		if (copy && !memcmp(copy->uuid, super->uuid, SS_UUID_SIZE) &&
		    ss_super_seq(copy) > highest)
			highest = ss_super_seq(copy);
	}
	return highest;
}

/* What counted before @newest. Nothing that is lost was newer, as that is not whole. */
static const struct ss_super *choose_former(struct store *store, u8 image[2][SS_BLOCK_SIZE],
					    const struct ss_super *newest)
{
	static u8 copy[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	unsigned int which = !(ss_super_seq(newest) & 1);
	const struct ss_super *former = (void *)image[which];

	store->is_copy = !ss_super_is_sound(former, which, which);
	if (store->is_copy)
		former = sound_copy(store, which, copy);
	store->is_doubtful = false;
	if (former && !memcmp(former->uuid, newest->uuid, SS_UUID_SIZE) &&
	    ss_super_seq(former) + 1 == ss_super_seq(newest))
		return former;
	problem(store, "the superblock before one that is not whole is damaged");
	return NULL;
}

/* With @copies, one of them will do. Returns true if there is one. */
bool store_pick_super(struct store *store, bool copies)
{
	static u8 image[2][SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct ss_super *super;

	store->lost_super = 0;
	store->is_copy = false;
	super = choose(store, image, copies);
	if (super)
		store->highest = highest_seq(store, super);
	if (super && store->former)
		super = choose_former(store, image, super);
	if (!super)
		return false;
	if (!ss_super_is_known(super)) {
		problem(store, "format version %u is unknown", le32toh(super->version));
		return false;
	}
	adopt(store, super);
	return true;
}

static void check_sizes(struct store *store)
{
	unsigned int kind;
	u32 max;

	if (lseek(store->fd, 0, SEEK_END) / SS_SECTOR_SIZE < (off_t)store->store_sectors ||
	    store->store_sectors > INT64_MAX / SS_SECTOR_SIZE)
		problem(store, "the device is smaller than the store");
	if (store_chunks(store) > UINT32_MAX)
		problem(store, "the volume has too many chunks");
	if (!store->n_places)
		problem(store, "the store is too small");
	for (kind = 0; kind < SS_KINDS; kind++) {
		max = ss_blocks_max(kind, store->store_sectors, store->chunk_sectors);
		if (store->blocks[kind] > max)
			problem(store, "there cannot be %u blocks of kind %u", store->blocks[kind],
				kind);
	}
}

/* Returns the slot that counts, as far as the block tells, or -1. */
int store_read_pair(const struct store *store, enum ss_kind kind, u32 number, u8 *pair,
		    enum ss_slot_state *state, u64 *seq)
{
	u64 block = ss_slot_block(kind, number, 0, store->chunk_sectors);
	unsigned int slot;

	for (slot = 0; slot < 2; slot++) {
		store_read_block(store, block + slot, pair + slot * SS_BLOCK_SIZE);
		state[slot] = ss_slot_judge(store->uuid, pair + slot * SS_BLOCK_SIZE, block + slot,
					    store->seq, &seq[slot]);
	}
	return ss_slot_pick(state, seq);
}

static void keep_version(struct store *store, enum ss_kind kind, u32 place,
			 const struct ss_disk_version *disk, bool is_older)
{
	struct version *version;

	if (!(store->n_versions & (store->n_versions - 1)))
		store->version = xrealloc(store->version,
					  (2 * store->n_versions + 1) * sizeof(*store->version));
	version = &store->version[store->n_versions++];
	version->chunk = le32toh(disk->chunk);
	version->layer = le16toh(disk->layer);
	version->kind = kind;
	version->place = place;
	version->is_older = is_older;
	store->count[kind]++;
}

static void read_versions(struct store *store, enum ss_kind kind, u32 number, const u8 *image,
			  bool is_older)
{
	u32 per_sector = ss_versions_per_sector(store->chunk_sectors), sector, i;
	size_t size = ss_version_size(store->chunk_sectors);
	u64 place = (u64)number * SS_BLOCK_SECTORS * per_sector;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++) {
		const u8 *at = image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head);

		for (i = 0; i < per_sector; i++, place++, at += size) {
			const struct ss_disk_version *disk = (const void *)at;

			if (!memchr_inv(at, 0, size))
				continue;
			if (place < store->n_places &&
			    ss_version_is_sound(disk, store_chunks(store), store->chunk_sectors))
				keep_version(store, kind, place, disk, is_older);
			else
				problem(store, "a version of chunk %u is not valid",
					le32toh(disk->chunk));
		}
	}
}

static void read_layers(struct store *store, u32 number, const u8 *image)
{
	struct ss_disk_layer *layer = &store->layer[number * SS_LAYERS_PER_BLOCK];
	unsigned int sector;

	for (sector = 0; sector < SS_BLOCK_SECTORS; sector++)
		memcpy(layer + sector * SS_LAYERS_PER_SECTOR,
		       image + sector * SS_SECTOR_SIZE + sizeof(struct ss_head),
		       SS_LAYERS_PER_SECTOR * sizeof(*layer));
}

static void check_block(struct store *store, enum ss_kind kind, u32 number)
{
	static u8 pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	u64 block = ss_slot_block(kind, number, 0, store->chunk_sectors), seq[2];
	bool has_digest = le32toh(store->super.features) & SS_FEATURE_DIGEST;
	enum ss_slot_state state[2];
	int best = store_read_pair(store, kind, number, pair, state, seq), slot;
	bool is_older;

	for (slot = 0; slot < 2; slot++) {
		if (state[slot] == SS_SLOT_DAMAGED) {
			damage(store, "block %llu is damaged", block + slot);
			store->n_damaged++;
			if (best == !slot && !has_digest)
				problem(store, "block %llu: nothing proves that it is old",
					block + slot);
		}
		store->n_stale += state[slot] == SS_SLOT_LATER;
	}
	if (best < 0) {
		problem(store, "block %llu: neither slot is of use", block);
		return;
	}
	store->found_digest += ss_block_digest(kind, number, seq[best]);
	is_older = state[!best] == SS_SLOT_DAMAGED;
	store->n_older += is_older;
	if (kind == SS_KIND_LAYER)
		read_layers(store, number, pair + best * SS_BLOCK_SIZE);
	else
		read_versions(store, kind, number, pair + best * SS_BLOCK_SIZE, is_older);
}

/* Whatever was read before is forgotten. */
void store_read_blocks(struct store *store)
{
	unsigned int kind;
	u32 number;

	store->n_versions = 0;
	store->n_stale = 0;
	store->n_damaged = 0;
	store->n_older = 0;
	store->found_digest = 0;
	memset(store->count, 0, sizeof(store->count));
	memset(store->layer, 0, sizeof(store->layer));
	for (kind = 0; kind < SS_KINDS; kind++)
		for (number = 0; number < store->blocks[kind]; number++)
			check_block(store, kind, number);
}

/* Did a later transaction begin to use more blocks? */
static bool later_beyond(struct store *store, enum ss_kind kind)
{
	static u8 image[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	u64 block = ss_slot_block(kind, store->blocks[kind], 0, store->chunk_sectors);

	if (store->blocks[kind] >= ss_blocks_max(kind, store->store_sectors, store->chunk_sectors))
		return false;
	return !store_read_block(store, block, image) ||
	       ss_block_is_later(store->uuid, image, block, store->seq);
}

/* May the superblock that is lost have committed something? A damaged slot may be of that. */
static bool may_be_newer(struct store *store)
{
	return store->n_stale || store->n_damaged || later_beyond(store, SS_KIND_DATA) ||
	       later_beyond(store, SS_KIND_ZERO) || later_beyond(store, SS_KIND_LAYER);
}

static bool is_proven(const struct store *store)
{
	return store->found_digest == le64toh(store->super.digest);
}

static void check_proof(struct store *store)
{
	if (le32toh(store->super.features) & SS_FEATURE_DIGEST && !is_proven(store))
		problem(store, "a block lacks what was committed");
	if (store->is_doubtful && may_be_newer(store))
		problem(store, "the damaged superblock may have been the newer one");
}

bool store_is_used(const struct store *store, u32 number)
{
	return number && number < SS_LAYERS_MAX &&
	       le32toh(store->layer[number].flags) & SS_LAYER_USED;
}

static void check_layer(struct store *store, u32 number)
{
	const struct ss_disk_layer *layer = &store->layer[number];
	u32 parent = le32toh(layer->parent);

	if (!memchr_inv(layer, 0, sizeof(*layer)))
		return;
	if (!number || !ss_layer_is_sound(layer)) {
		problem(store, "layer %u is not valid", number);
		return;
	}
	if (parent && (!store_is_used(store, parent) ||
		       le64toh(store->layer[parent].gen) >= le64toh(layer->gen)))
		problem(store, "layer %u is above layer %u, which cannot be", number, parent);
	if (le32toh(layer->flags) & SS_LAYER_PREPARED)
		say("state \"%s\" is undecided until the coordinator of its group is active",
		    layer->name);
}

static int compare_names(const void *a, const void *b)
{
	const struct ss_disk_layer *const *x = a, *const *y = b;

	return strncmp((const char *)(*x)->name, (const char *)(*y)->name, sizeof((*x)->name));
}

static void check_names(struct store *store)
{
	static const struct ss_disk_layer *layer[SS_LAYERS_MAX];
	size_t n = 0, i;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		if (store->layer[number].name[0])
			layer[n++] = &store->layer[number];
	qsort(layer, n, sizeof(layer[0]), compare_names);
	for (i = 1; i < n; i++)
		if (!compare_names(&layer[i - 1], &layer[i]))
			problem(store, "two states are called \"%.*s\"", SS_NAME_MAX,
				layer[i]->name);
}

static void check_layers(struct store *store)
{
	u32 number;

	for (number = 0; number < SS_LAYERS_MAX; number++)
		check_layer(store, number);
	check_names(store);
	if (!store_is_used(store, store->running))
		problem(store, "running layer %u does not exist", store->running);
	else if (le32toh(store->layer[store->running].flags) & SS_LAYER_NAMED)
		problem(store, "running layer %u is a state", store->running);
}

/* Of one chunk, layer and kind, of which there can be one only? */
bool store_is_twin(const struct version *a, const struct version *b)
{
	return a->chunk == b->chunk && a->layer == b->layer && a->kind == b->kind;
}

static int compare_versions(const void *a, const void *b)
{
	const struct version *x = a, *y = b;
	int order = (x->chunk > y->chunk) - (x->chunk < y->chunk);

	order = order ? order : x->layer - y->layer;
	order = order ? order : x->kind - y->kind;
	/* Of twins the first is believed. */
	order = order ? order : x->is_older - y->is_older;
	return order ? order : (x->place > y->place) - (x->place < y->place);
}

void store_sort_versions(struct store *store)
{
	if (store->n_versions)
		qsort(store->version, store->n_versions, sizeof(*store->version), compare_versions);
}

static void check_versions(struct store *store)
{
	const struct version *version = store->version;
	size_t i;

	store_sort_versions(store);
	for (i = 0; i < store->n_versions; i++) {
		if (!store_is_used(store, version[i].layer))
			problem(store, "chunk %u: layer %u does not exist", version[i].chunk,
				version[i].layer);
		if (i && store_is_twin(&version[i - 1], &version[i]))
			problem(store, "chunk %u is there twice for layer %u", version[i].chunk,
				version[i].layer);
	}
}

/* Has all of it become durable that was written at once with the superblock? */
static bool is_whole(const struct store *store)
{
	static u8 pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	enum ss_slot_state state[2];
	struct ss_tally tally = {};
	unsigned int kind;
	u64 seq[2];
	u32 number;

	if (!ss_super_is_at_once(&store->super))
		return true;
	for (kind = 0; kind < SS_KINDS; kind++)
		for (number = 0; number < store->blocks[kind]; number++) {
			store_read_pair(store, kind, number, pair, state, seq);
			ss_tally_pair(&tally, store->uuid, store->seq, kind, number,
				      store->chunk_sectors, pair);
		}
	return ss_tally_is_whole(&tally, le64toh(store->super.digest));
}

static void forget_damages(struct store *store)
{
	json_object_put(store->problems);
	json_object_put(store->damages);
	store->problems = json_object_new_array();
	store->damages = json_object_new_array();
}

static bool pick_sizes(struct store *store)
{
	if (!store_pick_super(store, false))
		return false;
	check_sizes(store);
	return !store_is_lost(store);
}

/* The newest transaction that is whole. */
static bool pick_whole(struct store *store)
{
	if (!pick_sizes(store))
		return false;
	if (is_whole(store))
		return true;
	store->former = true;
	forget_damages(store);
	return pick_sizes(store);
}

/* By the superblock that was picked. */
static void check_all(struct store *store)
{
	store_read_blocks(store);
	check_proof(store);
	/* A block that cannot be read makes all that depends on it look wrong. */
	if (store_is_lost(store))
		return;
	check_layers(store);
	check_versions(store);
}

/* Fills in problems and damages. */
void store_check(struct store *store)
{
	if (pick_whole(store))
		check_all(store);
}

/*
 * The newest transaction was written at once, and lacks something. Returns true if the one before
 * it is proven to be there as a whole: then that is what counts.
 */
bool store_go_back(struct store *store)
{
	if (store->former || !ss_super_is_at_once(&store->super) || is_proven(store))
		return false;
	store->former = true;
	forget_damages(store);
	if (pick_sizes(store))
		check_all(store);
	store->former = !store_is_lost(store) && is_proven(store);
	return store->former;
}
