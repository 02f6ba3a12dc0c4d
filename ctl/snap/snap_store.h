/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A STORE as lparctl reads it. The rules are the module's own, in a header of
 * the kernel; here is what that needs of the kernel.
 */
#ifndef LPARCTL_SNAP_STORE_H
#define LPARCTL_SNAP_STORE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define S32_MAX INT32_MAX
#define S64_MAX INT64_MAX
#define cpu_to_le32 htole32
#define cpu_to_le64 htole64
#define le16_to_cpu le16toh
#define le32_to_cpu le32toh
#define le64_to_cpu le64toh

u32 crc32c(u32 crc, const void *data, size_t size);
const void *memchr_inv(const void *at, int byte, size_t size);

#include <lparkit/snapsync_format.h>

/* One version that was found; @is_older: what replaced its block may be lost. */
struct version {
	u32 chunk;
	u16 layer;
	u16 kind;
	u32 place;
	bool is_older;
};

/**
 * struct store - a STORE
 * @fd: the device
 * @super: superblock that counts
 * @uuid: of the store
 * @seq: its transaction
 * @volume_sectors: size of the volume
 * @store_sectors: size that is in use
 * @chunk_sectors: size of a chunk
 * @running: layer that takes writes
 * @blocks: metadata blocks in use, by kind
 * @lost_super: a bit for each superblock that is damaged
 * @is_copy: @super is a copy of the one that is lost
 * @is_doubtful: the one that is lost may have been newer
 * @former: the newest transaction is not whole: the one before counts
 * @highest: transaction of any superblock, copies included
 * @found_digest: of the slots that were picked
 * @layer: layers, by number
 * @version: versions, @n_versions of them
 * @n_places: chunks of data
 * @count: versions by kind
 * @n_stale: slots from a transaction that never committed
 * @n_damaged: damaged slots
 * @n_older: blocks of which the other slot, which is damaged, may have been the newer one
 * @problems: why activation refuses it
 * @damages: what activation repairs
 */
struct store {
	int fd;
	struct ss_super super;
	u8 uuid[SS_UUID_SIZE];
	u64 seq;
	u64 volume_sectors;
	u64 store_sectors;
	u32 chunk_sectors;
	u32 running;
	u32 blocks[SS_KINDS];
	unsigned int lost_super;
	bool is_copy;
	bool is_doubtful;
	bool former;
	u64 highest;
	u64 found_digest;
	struct ss_disk_layer layer[SS_LAYERS_MAX];
	struct version *version;
	size_t n_versions;
	u32 n_places;
	size_t count[SS_KIND_LAYER];
	size_t n_stale;
	size_t n_damaged;
	size_t n_older;
	struct json_object *problems;
	struct json_object *damages;
};

/* snap_store.c: reading */
struct store *store_new(int fd);
void store_free(struct store *store);
void store_check(struct store *store);
bool store_go_back(struct store *store);
bool store_is_lost(const struct store *store);
bool store_read_block(const struct store *store, u64 block, void *into);
void store_read_blocks(struct store *store);
bool store_pick_super(struct store *store, bool copies);
int store_read_pair(const struct store *store, enum ss_kind kind, u32 number, u8 *pair,
		    enum ss_slot_state *state, u64 *seq);
bool store_has_copy(const struct store *store, unsigned int which, const struct ss_super *super);
u64 store_chunks(const struct store *store);
bool store_is_used(const struct store *store, u32 number);
void store_sort_versions(struct store *store);
bool store_is_twin(const struct version *a, const struct version *b);

/* snap_repair.c: writing */
int store_repair(struct store *store, bool force);

#endif /* LPARCTL_SNAP_STORE_H */
