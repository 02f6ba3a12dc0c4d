// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap check: reads a STORE that is not in use and says what is wrong
 * with it. Nothing is written. The format is in the kernel's header; what the
 * module refuses is a problem here, and what it repairs is damage.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../include/uapi/lparkit/snapsync.h"
#include "lparctl.h"

/* Of many problems of one store the first tell enough. */
#define PROBLEMS_MAX 100

struct version {
	uint32_t chunk;
	uint16_t layer;
	uint16_t kind;
};

struct store {
	int fd;
	uint8_t uuid[SS_UUID_SIZE];
	uint64_t seq;
	uint64_t volume_sectors;
	uint64_t store_sectors;
	uint32_t chunk_sectors;
	uint32_t running;
	uint32_t blocks[SS_KINDS];
	uint64_t max_blocks[SS_KINDS];
	bool has_digest;
	uint64_t digest; /* as the superblock says */
	uint64_t found_digest;
	bool super_is_doubtful;
	unsigned int words;
	unsigned int per_sector;
	struct ss_disk_layer layer[SS_LAYERS_MAX];
	struct version *version;
	size_t n_versions;
	uint64_t n_places;
	size_t count[SS_KIND_LAYER];
	size_t n_stale; /* slots from a transaction that never committed */
	size_t n_damaged; /* slots */
	struct json_object *problems; /* activation is refused */
	struct json_object *damages; /* activation repairs them */
};

static void note(struct json_object *list, const char *fmt, va_list ap)
{
	char text[256];

	if (json_object_array_length(list) >= PROBLEMS_MAX)
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

static uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *byte = data;
	int bit;

	while (size--) {
		crc ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static bool all_zero(const void *data, size_t size)
{
	const uint8_t *byte = data;

	while (size && !*byte) {
		byte++;
		size--;
	}
	return !size;
}

static bool sector_is_sound(const uint8_t *uuid, const uint8_t *sector, uint64_t block)
{
	const struct ss_head *head = (const void *)sector;
	uint32_t crc = crc32c(~0U, uuid, SS_UUID_SIZE);

	return le32toh(head->crc) == crc32c(crc, sector + 4, SS_SECTOR_SIZE - 4) &&
	       le32toh(head->block) == block;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* As the module takes it, what cannot be read is damaged. */
static bool read_block(struct store *store, uint64_t block, uint8_t *into)
{
	ssize_t ret;

	errno = 0;
	ret = pread(store->fd, into, SS_BLOCK_SIZE, block * SS_BLOCK_SIZE);
	if (ret == SS_BLOCK_SIZE)
		return true;
	say("cannot read block %" PRIu64 ": %s", block,
	    ret < 0 ? strerror(errno) : "the device ends there");
	memset(into, 0xff, SS_BLOCK_SIZE);
	return false;
}

static bool super_is_sound(const struct ss_super *super, unsigned int which, uint64_t block)
{
	uint32_t chunk = le32toh(super->chunk_sectors);

	return !memcmp(super->magic, SS_MAGIC, sizeof(super->magic)) &&
	       sector_is_sound(super->uuid, (const uint8_t *)super, block) &&
	       (le64toh(super->head.seq) & 1) == which &&
	       all_zero((const uint8_t *)super + SS_SECTOR_SIZE, SS_BLOCK_SIZE - SS_SECTOR_SIZE) &&
	       chunk >= SS_CHUNK_SECTORS_MIN && chunk <= SS_CHUNK_SECTORS_MAX &&
	       !(chunk & (chunk - 1));
}

/* Chunks of data that fit. */
static uint64_t versions_in(const struct store *store)
{
	uint64_t per_group = (uint64_t)store->per_sector * SS_BLOCK_SECTORS * SS_GROUP_MAPS;
	uint64_t meta = SS_GROUP_META_BLOCKS * SS_BLOCK_SECTORS;
	uint64_t group = meta + per_group * store->chunk_sectors;
	uint64_t start = SS_GROUP_BLOCK * SS_BLOCK_SECTORS, rest;

	if (store->store_sectors <= start)
		return 0;
	rest = (store->store_sectors - start) % group;
	rest = rest > meta ? (rest - meta) / store->chunk_sectors : 0;
	return (store->store_sectors - start) / group * per_group + rest;
}

static void check_sizes(struct store *store)
{
	uint64_t per_block = (uint64_t)store->per_sector * SS_BLOCK_SECTORS;
	unsigned int kind;

	if (lseek(store->fd, 0, SEEK_END) / SS_SECTOR_SIZE < (off_t)store->store_sectors)
		problem(store, "the device is smaller than the store");
	if ((store->volume_sectors + store->chunk_sectors - 1) / store->chunk_sectors > UINT32_MAX)
		problem(store, "the volume has too many chunks");
	store->n_places = versions_in(store);
	if (!store->n_places)
		problem(store, "the store is too small");
	for (kind = 0; kind < SS_KINDS; kind++) {
		store->max_blocks[kind] = kind == SS_KIND_LAYER
						  ? SS_LAYERS_MAX / SS_LAYERS_PER_BLOCK
						  : (store->n_places + per_block - 1) / per_block;
		if (store->blocks[kind] > store->max_blocks[kind])
			problem(store, "there cannot be %u blocks of kind %u", store->blocks[kind],
				kind);
	}
}

static int adopt(struct store *store, const struct ss_super *super)
{
	unsigned int kind;

	if (le32toh(super->version) != SS_VERSION) {
		problem(store, "format version %u is unknown", le32toh(super->version));
		return -EINVAL;
	}
	memcpy(store->uuid, super->uuid, sizeof(store->uuid));
	store->seq = le64toh(super->head.seq);
	store->volume_sectors = le64toh(super->volume_sectors);
	store->store_sectors = le64toh(super->store_sectors);
	store->chunk_sectors = le32toh(super->chunk_sectors);
	store->running = le32toh(super->running);
	for (kind = 0; kind < SS_KINDS; kind++)
		store->blocks[kind] = le32toh(super->blocks[kind]);
	store->words = (store->chunk_sectors + 63) / 64;
	store->per_sector = SS_PAYLOAD_SIZE / (sizeof(struct ss_disk_version) + 8 * store->words);
	store->has_digest = le32toh(super->features) & SS_FEATURE_DIGEST;
	store->digest = le64toh(super->digest);
	check_sizes(store);
	return json_object_array_length(store->problems) ? -EINVAL : 0;
}

static uint64_t seq_of(const struct ss_super *super)
{
	return super ? le64toh(super->head.seq) : 0;
}

static const struct ss_super *newer(const struct ss_super *a, const struct ss_super *b)
{
	return seq_of(a) > seq_of(b) ? a : b;
}

/* One is lost: its copy, if that is the newer one; otherwise the other. */
static const struct ss_super *stand_in(struct store *store, unsigned int lost, uint8_t *image,
				       const struct ss_super *other)
{
	const struct ss_super *copy = (void *)image;

	damage(store, "superblock %u is damaged", lost);
	read_block(store, SS_COPY_BLOCK + lost, image);
	if (!super_is_sound(copy, lost, SS_COPY_BLOCK + lost) ||
	    memcmp(copy->uuid, other->uuid, SS_UUID_SIZE))
		copy = NULL;
	store->super_is_doubtful = newer(copy, other) != copy;
	return newer(copy, other);
}

static int check_supers(struct store *store)
{
	static uint8_t image[2][SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct ss_super *super[2] = { (void *)image[0], (void *)image[1] };
	bool is_ours = false;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		read_block(store, i, image[i]);
		is_ours |= !memcmp(super[i]->magic, SS_MAGIC, sizeof(super[i]->magic));
		if (!super_is_sound(super[i], i, i))
			super[i] = NULL;
	}
	if (!is_ours)
		problem(store, "not a snapsync store");
	else if (!super[0] && !super[1])
		problem(store, "both superblocks are damaged");
	else if (super[0] && super[1] && memcmp(super[0]->uuid, super[1]->uuid, SS_UUID_SIZE))
		problem(store, "the superblocks are of two stores");
	else if (super[0] && super[1])
		return adopt(store, newer(super[0], super[1]));
	else
		return adopt(store, super[0] ? stand_in(store, 1, image[1], super[0])
					     : stand_in(store, 0, image[0], super[1]));
	return -EINVAL;
}

static uint64_t first_slot(const struct store *store, unsigned int kind, uint32_t block)
{
	uint64_t per_group = (uint64_t)store->per_sector * SS_BLOCK_SECTORS * SS_GROUP_MAPS;
	uint64_t group = SS_GROUP_META_BLOCKS + per_group * store->chunk_sectors / SS_BLOCK_SECTORS;

	if (kind == SS_KIND_LAYER)
		return SS_LAYER_BLOCK + 2 * (uint64_t)block;
	return SS_GROUP_BLOCK + block / SS_GROUP_MAPS * group +
	       2 * (kind * SS_GROUP_MAPS + block % SS_GROUP_MAPS);
}

/* -1: damaged, 0: from a transaction that never committed, 1: committed. */
static int judge_slot(const struct store *store, const uint8_t *slot, uint64_t block, uint64_t *seq)
{
	bool later = false, mixed = false;
	unsigned int i;

	*seq = le64toh(((const struct ss_head *)slot)->seq);
	for (i = 0; i < SS_BLOCK_SECTORS; i++) {
		const uint8_t *sector = slot + i * SS_SECTOR_SIZE;
		uint64_t this = le64toh(((const struct ss_head *)sector)->seq);

		if (!sector_is_sound(store->uuid, sector, block))
			return -1;
		later |= this > store->seq;
		mixed |= this != *seq;
	}
	if (later)
		return 0;
	return mixed ? -1 : 1;
}

/* The slot that counts, as far as the block tells, or NULL. */
static const uint8_t *pick_slot(struct store *store, unsigned int kind, uint32_t number,
				const uint8_t *pair)
{
	uint64_t block = first_slot(store, kind, number), seq[2];
	int state[2], slot;

	for (slot = 0; slot < 2; slot++) {
		state[slot] =
			judge_slot(store, pair + slot * SS_BLOCK_SIZE, block + slot, &seq[slot]);
		if (state[slot] < 0) {
			damage(store, "block %" PRIu64 " is damaged", block + slot);
			store->n_damaged++;
		}
		if (!state[slot])
			store->n_stale++;
	}
	slot = state[0] <= 0 || (state[1] > 0 && seq[1] > seq[0]);
	if (state[slot] <= 0) {
		problem(store, "block %" PRIu64 ": neither slot is of use", block);
		return NULL;
	}
	if (state[!slot] < 0 && !store->has_digest)
		problem(store, "block %" PRIu64 ": nothing proves that it is old", block + !slot);
	store->found_digest += mix(mix((uint64_t)kind << 32 | number) + seq[slot]);
	return pair + slot * SS_BLOCK_SIZE;
}

static void read_version(struct store *store, unsigned int kind, uint64_t place, const uint8_t *at)
{
	size_t size = sizeof(struct ss_disk_version) + 8 * store->words;
	const struct ss_disk_version *disk = (const void *)at;
	struct version *version;
	uint64_t last;

	if (all_zero(at, size))
		return;
	last = le64toh(disk->valid[store->words - 1]);
	if (!disk->layer || disk->reserved || all_zero(disk->valid, 8 * store->words) ||
	    (store->chunk_sectors % 64 && last >> (store->chunk_sectors % 64)) ||
	    place >= store->n_places) {
		problem(store, "a version of chunk %u is not valid", le32toh(disk->chunk));
		return;
	}
	if (!(store->n_versions & (store->n_versions - 1)))
		store->version = xrealloc(store->version,
					  (2 * store->n_versions + 1) * sizeof(*store->version));
	version = &store->version[store->n_versions++];
	version->chunk = le32toh(disk->chunk);
	version->layer = le16toh(disk->layer);
	version->kind = kind;
	store->count[kind]++;
}

static void read_sector(struct store *store, unsigned int kind, uint32_t index, const uint8_t *at)
{
	size_t size = sizeof(struct ss_disk_version) + 8 * store->words;
	unsigned int i;

	if (kind == SS_KIND_LAYER) {
		memcpy(&store->layer[index * SS_LAYERS_PER_SECTOR], at,
		       SS_LAYERS_PER_SECTOR * sizeof(struct ss_disk_layer));
		return;
	}
	for (i = 0; i < store->per_sector; i++)
		read_version(store, kind, (uint64_t)index * store->per_sector + i, at + i * size);
}

static void check_kind(struct store *store, unsigned int kind)
{
	static uint8_t pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const uint8_t *slot;
	uint32_t block, i;

	for (block = 0; block < store->blocks[kind]; block++) {
		uint64_t at = first_slot(store, kind, block);

		read_block(store, at, pair);
		read_block(store, at + 1, pair + SS_BLOCK_SIZE);
		slot = pick_slot(store, kind, block, pair);
		for (i = 0; slot && i < SS_BLOCK_SECTORS; i++)
			read_sector(store, kind, block * SS_BLOCK_SECTORS + i,
				    slot + i * SS_SECTOR_SIZE + sizeof(struct ss_head));
	}
}

/* As load.c has it: did a later transaction begin to use more blocks? */
static bool later_beyond(struct store *store, unsigned int kind)
{
	static uint8_t image[SS_BLOCK_SIZE] __attribute__((aligned(8)));
	uint64_t block = first_slot(store, kind, store->blocks[kind]);
	unsigned int i;

	if (store->blocks[kind] >= store->max_blocks[kind])
		return false;
	if (!read_block(store, block, image))
		return true;
	for (i = 0; i < SS_BLOCK_SECTORS; i++) {
		const uint8_t *sector = image + i * SS_SECTOR_SIZE;

		if (sector_is_sound(store->uuid, sector, block) &&
		    le64toh(((const struct ss_head *)sector)->seq) > store->seq)
			return true;
	}
	return false;
}

/* May the superblock that is lost have committed something? */
static bool may_be_newer(struct store *store)
{
	return store->n_stale || store->n_damaged || later_beyond(store, SS_KIND_DATA) ||
	       later_beyond(store, SS_KIND_ZERO) || later_beyond(store, SS_KIND_LAYER);
}

static void check_proof(struct store *store)
{
	if (store->has_digest && store->found_digest != store->digest)
		problem(store, "a block lacks what was committed");
	if (store->super_is_doubtful && may_be_newer(store))
		problem(store, "the damaged superblock may have been the newer one");
}

static bool is_used(const struct store *store, uint32_t number)
{
	return number && number < SS_LAYERS_MAX &&
	       le32toh(store->layer[number].flags) & SS_LAYER_USED;
}

static bool text_is_sound(const uint8_t *text, size_t size)
{
	size_t length = strnlen((const char *)text, size);

	return length < size && all_zero(text + length, size - length);
}

static bool is_state_name(const uint8_t *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~')
			return false;
	return true;
}

static void check_layer(struct store *store, uint32_t number)
{
	const struct ss_disk_layer *layer = &store->layer[number];
	uint32_t flags = le32toh(layer->flags), parent = le32toh(layer->parent);

	if (all_zero(layer, sizeof(*layer)))
		return;
	if (!is_used(store, number) || flags & ~SS_LAYER_FLAGS || !layer->gen ||
	    le64toh(layer->gen) >= INT64_MAX || !text_is_sound(layer->name, sizeof(layer->name)) ||
	    !text_is_sound(layer->note, sizeof(layer->note)) || !is_state_name(layer->name) ||
	    !(flags & SS_LAYER_NAMED) != !layer->name[0] ||
	    (flags & SS_LAYER_PREPARED && !layer->name[0])) {
		problem(store, "layer %u is not valid", number);
		return;
	}
	if (parent &&
	    (!is_used(store, parent) || le64toh(store->layer[parent].gen) >= le64toh(layer->gen)))
		problem(store, "layer %u is above layer %u, which cannot be", number, parent);
	if (flags & SS_LAYER_PREPARED)
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
	uint32_t number;
	size_t n = 0, i;

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
	uint32_t number;

	for (number = 0; number < SS_LAYERS_MAX; number++)
		check_layer(store, number);
	check_names(store);
	if (!is_used(store, store->running))
		problem(store, "running layer %u does not exist", store->running);
	else if (le32toh(store->layer[store->running].flags) & SS_LAYER_NAMED)
		problem(store, "running layer %u is a state", store->running);
}

static int compare_versions(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct version));
}

static void check_versions(struct store *store)
{
	uint64_t chunks = (store->volume_sectors + store->chunk_sectors - 1) / store->chunk_sectors;
	const struct version *version = store->version;
	size_t i;

	if (store->n_versions)
		qsort(store->version, store->n_versions, sizeof(*version), compare_versions);
	for (i = 0; i < store->n_versions; i++) {
		if (version[i].chunk >= chunks)
			problem(store, "chunk %u is beyond the volume", version[i].chunk);
		if (!is_used(store, version[i].layer))
			problem(store, "chunk %u: layer %u does not exist", version[i].chunk,
				version[i].layer);
		if (i && !compare_versions(&version[i - 1], &version[i]))
			problem(store, "chunk %u is there twice for layer %u", version[i].chunk,
				version[i].layer);
	}
}

static void check_store(struct store *store)
{
	unsigned int kind;

	if (check_supers(store))
		return;
	for (kind = 0; kind < SS_KINDS; kind++)
		check_kind(store, kind);
	check_proof(store);
	/* A block that cannot be read makes all that depends on it look wrong. */
	if (json_object_array_length(store->problems))
		return;
	check_layers(store);
	check_versions(store);
}

static size_t count_states(const struct store *store)
{
	size_t count = 0;
	uint32_t number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		count += !!(le32toh(store->layer[number].flags) & SS_LAYER_NAMED);
	return count;
}

static void print_list(const char *path, struct json_object *list, const char *remark)
{
	size_t n = json_object_array_length(list), i;

	for (i = 0; i < n; i++)
		printf("%s: %s%s\n", path,
		       json_object_get_string(json_object_array_get_idx(list, i)), remark);
}

static void print_text(const struct store *store, const char *path)
{
	bool is_lost = json_object_array_length(store->problems);

	print_list(path, store->problems, "");
	print_list(path, store->damages, is_lost ? "" : "; activation repairs it");
	if (!is_lost)
		printf("%s: %s, %zu states, %zu chunks, transaction %" PRIu64 "\n", path,
		       json_object_array_length(store->damages) ? "nothing is lost" : "ok",
		       count_states(store), store->count[SS_KIND_DATA], store->seq);
}

static void print_report(struct store *store, const char *path)
{
	struct json_object *json;

	if (!options.json) {
		print_text(store, path);
		json_object_put(store->problems);
		json_object_put(store->damages);
		return;
	}
	json = json_object_new_object();
	json_put(json, "store", path);
	json_put_u64(json, "states", count_states(store));
	json_put_u64(json, "chunks", store->count[SS_KIND_DATA]);
	json_put_u64(json, "zero_chunks", store->count[SS_KIND_ZERO]);
	json_put_u64(json, "chunk_bytes", (uint64_t)store->chunk_sectors * SS_SECTOR_SIZE);
	json_put_u64(json, "transaction", store->seq);
	json_put_u64(json, "uncommitted_slots", store->n_stale);
	json_object_object_add(json, "problems", store->problems);
	json_object_object_add(json, "repairable", store->damages);
	json_print(json);
}

/* Exit code: 0, 1 when the device cannot be opened, 3 when there is anything wrong with it. */
int snap_check(struct args *args)
{
	const char *path = next_arg(args);
	struct store *store;
	bool damaged;

	if (!path || args->argc)
		return usage("check wants a STORE");
	store = xalloc(sizeof(*store));
	store->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (store->fd < 0) {
		err("%s: %s", path, strerror(errno));
		free(store);
		return EXIT_FAILED;
	}
	store->problems = json_object_new_array();
	store->damages = json_object_new_array();
	check_store(store);
	damaged = json_object_array_length(store->problems) ||
		  json_object_array_length(store->damages);
	print_report(store, path);
	close(store->fd);
	free(store->version);
	free(store);
	return damaged ? EXIT_CHECK : EXIT_OK;
}
