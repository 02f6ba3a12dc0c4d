/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Versions by address: what table.c has for the others. It knows no volume.
 */
#ifndef KMOD_DMSNAPSYNC_TABLE_H
#define KMOD_DMSNAPSYNC_TABLE_H

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <lparkit/snapsync_format.h>

struct ss_group;

/* Number of a version; its place among those of its kind. */
#define SS_NONE		U32_MAX
#define SS_ZERO		BIT(31)

/* Versions in one piece of memory: found without a division. */
#define SS_SEGMENT_SHIFT	13
#define SS_SEGMENT_SIZE		BIT(SS_SEGMENT_SHIFT)

/* Adjacent chunks that share a bucket lock: the most that one bio covers. */
#define SS_RUN_CHUNKS	64
#define SS_LOCKS	256

/*
 * Versions that a lookup without a lock passes at most: while links change it
 * may go in a circle. With the lock there is no limit.
 */
#define SS_STEPS	256
#define SS_STEPS_ANY	UINT_MAX

/* Words of valid bits in a chunk of SS_CHUNK_SECTORS_MAX. */
#define SS_WORDS_MAX	2

/**
 * struct ss_source - where a run of sectors is
 * @where: BASE, STORE or nowhere (zeroes)
 * @version: that holds it, unless BASE
 * @sectors: length of the run, at least 1; 0 = not found without the lock
 */
struct ss_source {
	enum { SS_FROM_BASE, SS_FROM_STORE, SS_FROM_ZERO } where;
	u32 version;
	unsigned int sectors;
};

/**
 * struct ss_line - a layer and its ancestors: what a device shows
 * @node: in volume->views, unless it is the running layer's
 * @ancestors: a bit for each layer
 */
struct ss_line {
	struct list_head node;
	DECLARE_BITMAP(ancestors, SS_LAYERS_MAX);
};

/**
 * struct ss_segment - versions in one piece of memory
 * @chunk: of the volume
 * @older: next older version of the same chunk
 * @next: newest version of another chunk in the same bucket; also links free lists
 * @layer: that wrote it; 0 = free
 * @valid: @words words for each
 */
struct ss_segment {
	u32 *chunk;
	u32 *older;
	u32 *next;
	u16 *layer;
	unsigned long *valid;
};

/**
 * struct ss_table - versions by address
 * @words: of valid bits
 * @per_block: versions in a map block
 * @per_group: versions in a group of STORE
 * @nr_segments: length of the arrays @segment
 * @segment: by kind and high bits of the place, NULL when not in use yet
 * @spare: for the next one, should there be no memory then
 * @heads: pages of bucket heads
 * @nr_head_pages: length of the array @heads
 * @nr_buckets: in use; a power of two and the part of the next that is split already
 * @nr_chunks: chunks of the volume that have versions
 * @seed: of the hash
 * @gen: of each layer
 * @locks: of the buckets with the same low bits
 * @seqs: counts what changes under each; see ss_table_change_begin()
 */
struct ss_table {
	unsigned int words;
	unsigned int per_block;
	unsigned int per_group;
	unsigned int nr_segments;
	struct ss_segment **segment[2];
	struct ss_segment *spare;
	u32 **heads;
	unsigned int nr_head_pages;
	u32 nr_buckets;
	atomic_t nr_chunks;
	u64 seed;
	u64 gen[SS_LAYERS_MAX];
	raw_spinlock_t locks[SS_LOCKS];
	seqcount_raw_spinlock_t seqs[SS_LOCKS];
};

static inline enum ss_kind ss_kind_of(u32 version)
{
	return version & SS_ZERO ? SS_KIND_ZERO : SS_KIND_DATA;
}

static inline u32 ss_place_of(u32 version)
{
	return version & ~SS_ZERO;
}

static inline u32 ss_version_at(enum ss_kind kind, u32 place)
{
	return kind == SS_KIND_ZERO ? place | SS_ZERO : place;
}

int ss_table_init(struct ss_table *table, unsigned int chunk_sectors, u32 nr_versions);
void ss_table_exit(struct ss_table *table);
void ss_table_restock(struct ss_table *table, gfp_t gfp);
int ss_table_prepare(struct ss_table *table, u32 version, gfp_t gfp);
bool ss_table_has(const struct ss_table *table, u32 version);
int ss_table_grow(struct ss_table *table, u32 nr_versions, struct ss_group *group);
int ss_table_split(struct ss_table *table);
bool ss_table_is_crowded(const struct ss_table *table);
u64 ss_table_bytes(const struct ss_table *table);
u32 ss_table_newest(const struct ss_table *table, u32 chunk);
u32 ss_table_older(const struct ss_table *table, u32 version);
u32 ss_table_own(const struct ss_table *table, u32 chunk, u32 layer, enum ss_kind kind);
void ss_table_insert(struct ss_table *table, u32 version, u32 chunk, u32 layer);
void ss_table_remove(struct ss_table *table, u32 version);
void ss_table_move(struct ss_table *table, u32 version, u32 layer);
u32 ss_table_chunk(const struct ss_table *table, u32 version);
u32 ss_table_layer(const struct ss_table *table, u32 version);
unsigned long *ss_table_valid(const struct ss_table *table, u32 version);
u32 *ss_table_link(const struct ss_table *table, u32 version);
void ss_table_resolve(const struct ss_table *table, const struct ss_line *line, u32 chunk,
		      unsigned int offset, unsigned int sectors, unsigned int steps,
		      struct ss_source *source);

/* Of the SS_LOCKS locks, sequence counts and parts of the hash. */
static inline u32 ss_lock_index(u32 chunk)
{
	return hash_32(chunk / SS_RUN_CHUNKS, ilog2(SS_LOCKS));
}

/**
 * ss_table_lock() - lock of the versions of a chunk
 * @table: table
 * @chunk: of the volume; the SS_RUN_CHUNKS aligned chunks around it share the lock
 *
 * Return: lock.
 */
static inline raw_spinlock_t *ss_table_lock(struct ss_table *table, u32 chunk)
{
	return &table->locks[ss_lock_index(chunk)];
}

/**
 * ss_table_change_begin() - from here on lookups without the lock find nothing right
 * @table: table
 * @chunk: of the volume
 *
 * For whatever inserts, removes or moves versions of chunks that share the lock, or takes
 * valid bits away, until all of it is as it should be. To add valid bits needs none of it.
 *
 * Context: under the lock of the chunk, until ss_table_change_end().
 */
static inline void ss_table_change_begin(struct ss_table *table, u32 chunk)
{
	write_seqcount_begin(&table->seqs[ss_lock_index(chunk)]);
}

/**
 * ss_table_change_end() - the reverse
 * @table: table
 * @chunk: of the volume
 */
static inline void ss_table_change_end(struct ss_table *table, u32 chunk)
{
	write_seqcount_end(&table->seqs[ss_lock_index(chunk)]);
}

/**
 * ss_table_read_begin() - look up without the lock
 * @table: table
 * @chunk: of the volume
 *
 * Context: gate entered, so that neither memory nor layers go.
 * Return: for ss_table_read_retry().
 */
static inline unsigned int ss_table_read_begin(struct ss_table *table, u32 chunk)
{
	return read_seqcount_begin(&table->seqs[ss_lock_index(chunk)]);
}

/**
 * ss_table_read_retry() - has anything changed since?
 * @table: table
 * @chunk: of the volume
 * @seq: of ss_table_read_begin()
 *
 * Return: true if what was found is not to be used.
 */
static inline bool ss_table_read_retry(struct ss_table *table, u32 chunk, unsigned int seq)
{
	return read_seqcount_retry(&table->seqs[ss_lock_index(chunk)], seq);
}

#endif /* KMOD_DMSNAPSYNC_TABLE_H */
