// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap check: reads a STORE that is not in use and says what is wrong
 * with it. Nothing is written. The format is in the kernel's header.
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
	unsigned int words;
	unsigned int per_sector;
	struct ss_disk_layer layer[SS_LAYERS_MAX];
	struct version *version;
	size_t n_versions;
	size_t count[SS_KIND_LAYER];
	size_t n_stale;
	struct json_object *problems;
};

static void problem(struct store *store, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct store *store, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (json_object_array_length(store->problems) >= PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_array_add(store->problems, json_object_new_string(text));
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

static int read_blocks(struct store *store, uint64_t block, void *into, unsigned int count)
{
	ssize_t size = (ssize_t)count * SS_BLOCK_SIZE;

	if (pread(store->fd, into, size, block * SS_BLOCK_SIZE) == size)
		return 0;
	problem(store, "cannot read block %" PRIu64 ": %s", block,
		errno ? strerror(errno) : "the device ends there");
	return -EIO;
}

static bool super_is_sound(const struct ss_super *super, unsigned int which)
{
	uint32_t chunk = le32toh(super->chunk_sectors);

	return !memcmp(super->magic, SS_MAGIC, sizeof(super->magic)) &&
	       sector_is_sound(super->uuid, (const uint8_t *)super, which) &&
	       (le64toh(super->head.seq) & 1) == which &&
	       all_zero((const uint8_t *)super + SS_SECTOR_SIZE, SS_BLOCK_SIZE - SS_SECTOR_SIZE) &&
	       chunk >= SS_CHUNK_SECTORS_MIN && chunk <= SS_CHUNK_SECTORS_MAX &&
	       !(chunk & (chunk - 1));
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
	if (lseek(store->fd, 0, SEEK_END) / SS_SECTOR_SIZE < (off_t)store->store_sectors)
		problem(store, "the device is smaller than the store");
	return 0;
}

static int check_supers(struct store *store)
{
	static uint8_t pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct ss_super *super[2] = { (void *)pair, (void *)(pair + SS_BLOCK_SIZE) };
	bool sound[2];
	unsigned int i;

	if (read_blocks(store, 0, pair, 2))
		return -EIO;
	if (memcmp(super[0]->magic, SS_MAGIC, 8) && memcmp(super[1]->magic, SS_MAGIC, 8)) {
		problem(store, "not a snapsync store");
		return -EINVAL;
	}
	for (i = 0; i < 2; i++) {
		sound[i] = super_is_sound(super[i], i);
		if (!sound[i])
			problem(store, "superblock %u is damaged", i);
	}
	if (!sound[0] && !sound[1])
		return -EINVAL;
	i = !sound[0] || (sound[1] && le64toh(super[1]->head.seq) > le64toh(super[0]->head.seq));
	return adopt(store, super[i]);
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

/* The slot that counts, or NULL. */
static const uint8_t *pick_slot(struct store *store, const uint8_t *pair, uint64_t block)
{
	uint64_t seq[2];
	int state[2], slot;

	for (slot = 0; slot < 2; slot++) {
		state[slot] =
			judge_slot(store, pair + slot * SS_BLOCK_SIZE, block + slot, &seq[slot]);
		if (state[slot] < 0)
			problem(store, "block %" PRIu64 " is damaged", block + slot);
		if (!state[slot])
			store->n_stale++;
	}
	if (!state[0] && !state[1])
		problem(store, "block %" PRIu64 ": neither slot was committed", block);
	if (state[0] < 0 || state[1] < 0 || (!state[0] && !state[1]))
		return NULL;
	return pair + (!state[0] || (state[1] && seq[1] > seq[0]) ? SS_BLOCK_SIZE : 0);
}

static void read_version(struct store *store, unsigned int kind, const uint8_t *at)
{
	size_t size = sizeof(struct ss_disk_version) + 8 * store->words;
	const struct ss_disk_version *disk = (const void *)at;
	struct version *version;
	uint64_t last;

	if (all_zero(at, size))
		return;
	last = le64toh(disk->valid[store->words - 1]);
	if (!disk->layer || disk->reserved || all_zero(disk->valid, 8 * store->words) ||
	    (store->chunk_sectors % 64 && last >> (store->chunk_sectors % 64))) {
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
		read_version(store, kind, at + i * size);
}

static void check_kind(struct store *store, unsigned int kind)
{
	static uint8_t pair[2 * SS_BLOCK_SIZE] __attribute__((aligned(8)));
	uint32_t max = kind == SS_KIND_LAYER ? SS_LAYERS_MAX / SS_LAYERS_PER_BLOCK : UINT32_MAX;
	const uint8_t *slot;
	uint32_t block, i;

	if (store->blocks[kind] > max) {
		problem(store, "there cannot be %u layer blocks", store->blocks[kind]);
		return;
	}
	for (block = 0; block < store->blocks[kind]; block++) {
		uint64_t at = first_slot(store, kind, block);

		if (read_blocks(store, at, pair, 2))
			return;
		slot = pick_slot(store, pair, at);
		for (i = 0; slot && i < SS_BLOCK_SECTORS; i++)
			read_sector(store, kind, block * SS_BLOCK_SECTORS + i,
				    slot + i * SS_SECTOR_SIZE + sizeof(struct ss_head));
	}
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

static void check_layer(struct store *store, uint32_t number)
{
	const struct ss_disk_layer *layer = &store->layer[number];
	uint32_t flags = le32toh(layer->flags), parent = le32toh(layer->parent);

	if (all_zero(layer, sizeof(*layer)))
		return;
	if (!is_used(store, number) || flags & ~SS_LAYER_FLAGS ||
	    !text_is_sound(layer->name, sizeof(layer->name)) ||
	    !text_is_sound(layer->note, sizeof(layer->note)) ||
	    !(flags & SS_LAYER_NAMED) != !layer->name[0]) {
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
	uint32_t number;

	if (check_supers(store))
		return;
	check_kind(store, SS_KIND_LAYER);
	check_kind(store, SS_KIND_DATA);
	check_kind(store, SS_KIND_ZERO);
	/* A block that cannot be read makes all that depends on it look wrong. */
	if (json_object_array_length(store->problems))
		return;
	for (number = 0; number < SS_LAYERS_MAX; number++)
		check_layer(store, number);
	if (!is_used(store, store->running))
		problem(store, "running layer %u does not exist", store->running);
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

static void print_report(struct store *store, const char *path)
{
	size_t n = json_object_array_length(store->problems), i;
	struct json_object *json;

	if (!options.json) {
		for (i = 0; i < n; i++)
			printf("%s: %s\n", path,
			       json_object_get_string(
				       json_object_array_get_idx(store->problems, i)));
		if (!n)
			printf("%s: ok, %zu states, %zu chunks, transaction %" PRIu64 "\n", path,
			       count_states(store), store->count[SS_KIND_DATA], store->seq);
		json_object_put(store->problems);
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
	json_print(json);
}

/* Exit code: 0, 1 when the device cannot be opened, 3 when there are problems. */
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
	check_store(store);
	damaged = json_object_array_length(store->problems);
	print_report(store, path);
	close(store->fd);
	free(store->version);
	free(store);
	return damaged ? EXIT_CHECK : EXIT_OK;
}
