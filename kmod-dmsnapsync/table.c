// SPDX-License-Identifier: GPL-2.0
/*
 * Versions in memory: from the address of a chunk to its places on STORE.
 *
 * A linear hash has the newest version of each chunk; from there @older leads
 * to the others, sorted by the generation of their layers. The running layer
 * has the highest generation, so its version is found first, however deep the
 * tree is. Of one layer's data and zero version the data version is first.
 *
 * Buckets with the same SS_LOCKS low bits share a lock, and so do the chunks
 * of an aligned run: the low bits of the hash are those of the run.
 *
 * Reads look a chunk up without its lock. Whatever they find is a number of a
 * version whose memory stays, or SS_NONE; if links have changed meanwhile, or
 * bits were taken away, the sequence count says so, and they take the lock.
 */
#include <linux/bitmap.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "snapsync.h"

#define HEADS_PER_PAGE	(PAGE_SIZE / sizeof(u32))
#define FIRST_BUCKETS	4096

static struct ss_segment *segment_of(const struct ss_table *table, u32 version, u32 *index)
{
	u32 place = ss_place_of(version);

	*index = place & (SS_SEGMENT_SIZE - 1);
	return table->segment[ss_kind_of(version)][place >> SS_SEGMENT_SHIFT];
}

static u32 *chunk_at(const struct ss_table *table, u32 version)
{
	u32 i;

	return &segment_of(table, version, &i)->chunk[i];
}

/**
 * ss_table_chunk() - chunk of the volume that a version is of
 * @table: prepared for it
 * @version: version
 *
 * Context: any; stable while the version is in the table.
 * Return: number of the chunk.
 */
u32 ss_table_chunk(const struct ss_table *table, u32 version)
{
	return *chunk_at(table, version);
}

/**
 * ss_table_layer() - layer that a version belongs to
 * @table: prepared for it
 * @version: version
 *
 * Context: any; stable under the lock of its chunk.
 * Return: number of the layer, 0 if the version is free; otherwise chunk and valid bits are
 * set up.
 */
u32 ss_table_layer(const struct ss_table *table, u32 version)
{
	u32 i;
	const struct ss_segment *segment = segment_of(table, version, &i);

	/* Pairs with set_layer(). */
	return smp_load_acquire(&segment->layer[i]);
}

/**
 * ss_table_older() - the next older version of the same chunk
 * @table: table
 * @version: in it
 *
 * Context: under the lock of the chunk.
 * Return: version or SS_NONE.
 */
u32 ss_table_older(const struct ss_table *table, u32 version)
{
	u32 i;

	return segment_of(table, version, &i)->older[i];
}

/**
 * ss_table_valid() - valid bits of a version
 * @table: prepared for it
 * @version: version
 *
 * Context: changed under the lock of its chunk.
 * Return: table->words words.
 */
unsigned long *ss_table_valid(const struct ss_table *table, u32 version)
{
	u32 i;
	const struct ss_segment *segment = segment_of(table, version, &i);

	return segment->valid + i * table->words;
}

/**
 * ss_table_link() - link of a version; free for lists when it is not in the table
 * @table: prepared for it
 * @version: version
 *
 * Return: the link.
 */
u32 *ss_table_link(const struct ss_table *table, u32 version)
{
	u32 i;

	return &segment_of(table, version, &i)->next[i];
}

static u32 *older_link(const struct ss_table *table, u32 version)
{
	u32 i;

	return &segment_of(table, version, &i)->older[i];
}

static void set_layer(const struct ss_table *table, u32 version, u32 layer)
{
	u32 i;
	const struct ss_segment *segment = segment_of(table, version, &i);

	/* Pairs with ss_table_layer(): a commit looks without a lock. */
	smp_store_release(&segment->layer[i], layer);
}

/* The part of the hash that is in use: buckets beyond nr_buckets are not split off yet. */
static u32 bucket_in(u32 hash, u32 nr_buckets)
{
	u32 mask = (1U << fls(nr_buckets)) - 1;
	u32 bucket = hash & mask;

	return bucket < nr_buckets ? bucket : bucket & (mask >> 1);
}

/* A guest chooses its chunks; without the seed it cannot tell which share a bucket. */
static u32 hash_of(const struct ss_table *table, u32 chunk)
{
	return ((u32)ss_mix(table->seed + chunk) & ~(SS_LOCKS - 1)) | ss_lock_index(chunk);
}

static u32 *head_at(const struct ss_table *table, u32 bucket)
{
	return &table->heads[bucket / HEADS_PER_PAGE][bucket % HEADS_PER_PAGE];
}

static u32 *head_of(const struct ss_table *table, u32 chunk)
{
	/* Pairs with split_bucket(): its page is there. */
	u32 nr_buckets = smp_load_acquire(&table->nr_buckets);

	return head_at(table, bucket_in(hash_of(table, chunk), nr_buckets));
}

/* The link that leads to the newest version of a chunk, or the end of its bucket. */
static u32 *newest_link(const struct ss_table *table, u32 chunk)
{
	u32 *link = head_of(table, chunk);

	while (*link != SS_NONE && ss_table_chunk(table, *link) != chunk)
		link = ss_table_link(table, *link);
	return link;
}

/**
 * ss_table_newest() - the newest version of a chunk
 * @table: table
 * @chunk: of the volume
 *
 * Context: under the lock of the chunk.
 * Return: version or SS_NONE.
 */
u32 ss_table_newest(const struct ss_table *table, u32 chunk)
{
	return *newest_link(table, chunk);
}

/**
 * ss_table_own() - the version that a layer has of a chunk
 * @table: table
 * @chunk: of the volume
 * @layer: layer
 * @kind: data or zero
 *
 * Context: under the lock of the chunk. Looks at the versions of newer layers.
 * Return: version or SS_NONE.
 */
u32 ss_table_own(const struct ss_table *table, u32 chunk, u32 layer, enum ss_kind kind)
{
	u32 version = ss_table_newest(table, chunk);

	while (version != SS_NONE &&
	       table->gen[ss_table_layer(table, version)] >= table->gen[layer]) {
		if (ss_table_layer(table, version) == layer && ss_kind_of(version) == kind)
			return version;
		version = ss_table_older(table, version);
	}
	return SS_NONE;
}

static bool is_before(const struct ss_table *table, u32 a, u32 b)
{
	u64 gen_a = table->gen[ss_table_layer(table, a)];
	u64 gen_b = table->gen[ss_table_layer(table, b)];

	return gen_a != gen_b ? gen_a > gen_b : ss_kind_of(a) < ss_kind_of(b);
}

static void set_link(u32 *link, u32 version)
{
	/* Who follows it without the lock finds the version's own links set. */
	smp_store_release(link, version);
}

/* @version has its chunk and layer. */
static void link_in(struct ss_table *table, u32 version, u32 chunk)
{
	u32 *link = newest_link(table, chunk);
	u32 newest = *link;

	if (newest == SS_NONE || is_before(table, version, newest)) {
		*older_link(table, version) = newest;
		*ss_table_link(table, version) =
			newest == SS_NONE ? SS_NONE : *ss_table_link(table, newest);
		set_link(link, version);
		if (newest == SS_NONE)
			atomic_inc(&table->nr_chunks);
		return;
	}
	link = older_link(table, newest);
	while (*link != SS_NONE && is_before(table, *link, version))
		link = older_link(table, *link);
	*older_link(table, version) = *link;
	set_link(link, version);
}

static void link_out(struct ss_table *table, u32 version)
{
	u32 *link = newest_link(table, ss_table_chunk(table, version));
	u32 older = ss_table_older(table, version);

	if (*link == version) {
		if (older == SS_NONE) {
			*link = *ss_table_link(table, version);
			atomic_dec(&table->nr_chunks);
		} else {
			*ss_table_link(table, older) = *ss_table_link(table, version);
			set_link(link, older);
		}
		return;
	}
	for (link = older_link(table, *link); *link != version; link = older_link(table, *link))
		;
	*link = older;
}

/**
 * ss_table_insert() - put a free version into the table
 * @table: prepared for it
 * @version: free; nothing of it is valid yet
 * @chunk: of the volume
 * @layer: its layer, which has no version of the same chunk and kind yet
 *
 * Context: under the lock of the chunk.
 */
void ss_table_insert(struct ss_table *table, u32 version, u32 chunk, u32 layer)
{
	bitmap_zero(ss_table_valid(table, version), table->words * BITS_PER_LONG);
	*chunk_at(table, version) = chunk;
	set_layer(table, version, layer);
	link_in(table, version, chunk);
}

/**
 * ss_table_remove() - the reverse
 * @table: table
 * @version: in it; free afterwards
 *
 * Context: under the lock of its chunk, volume->meta held.
 */
void ss_table_remove(struct ss_table *table, u32 version)
{
	link_out(table, version);
	set_layer(table, version, 0);
}

/**
 * ss_table_move() - give a version to another layer
 * @table: table
 * @version: in it
 * @layer: which has no version of the same chunk and kind
 *
 * Context: under the lock of its chunk, volume->meta held.
 */
void ss_table_move(struct ss_table *table, u32 version, u32 layer)
{
	link_out(table, version);
	set_layer(table, version, layer);
	link_in(table, version, ss_table_chunk(table, version));
}

/* Each link is read once: it may change. Returns false when there are too many. */
static bool walk_bucket(const struct ss_table *table, u32 chunk, unsigned int *steps, u32 *version)
{
	*version = READ_ONCE(*head_of(table, chunk));
	while (*version != SS_NONE && READ_ONCE(*chunk_at(table, *version)) != chunk) {
		if (!(*steps)--)
			return false;
		*version = READ_ONCE(*ss_table_link(table, *version));
	}
	return true;
}

/*
 * What a version has of these sectors; *end is where the next older one takes over. Each word is
 * read once, as bits may become valid meanwhile; most of the time the first one tells.
 */
static bool resolve_in(const struct ss_table *table, u32 version, unsigned int offset,
		       unsigned int *end)
{
	const unsigned long *valid = ss_table_valid(table, version) + BIT_WORD(offset);
	unsigned int bit = offset % BITS_PER_LONG;
	unsigned long word = READ_ONCE(*valid);
	bool has = word >> bit & 1;
	unsigned long same = has ? ~0UL : 0;
	unsigned long other = (word ^ same) >> bit;

	offset -= bit;
	while (!other) {
		offset += BITS_PER_LONG;
		if (offset >= *end)
			return has;
		bit = 0;
		other = READ_ONCE(*++valid) ^ same;
	}
	*end = min_t(unsigned int, *end, offset + bit + __ffs(other));
	return has;
}

static void put_source(struct ss_source *source, u32 version, unsigned int sectors)
{
	source->version = version;
	source->sectors = sectors;
	if (version == SS_NONE)
		source->where = SS_FROM_BASE;
	else
		source->where = ss_kind_of(version) == SS_KIND_ZERO ? SS_FROM_ZERO : SS_FROM_STORE;
}

/**
 * ss_table_resolve() - find a run of sectors
 * @table: table
 * @line: layers that count
 * @chunk: of the volume
 * @offset: first sector, within the chunk
 * @sectors: wanted, within the chunk
 * @steps: SS_STEPS without the lock, otherwise SS_STEPS_ANY
 * @source: where they are; maybe fewer sectors than wanted
 *
 * Context: under the lock of the chunk, or between ss_table_read_begin() and
 * ss_table_read_retry().
 */
void ss_table_resolve(const struct ss_table *table, const struct ss_line *line, u32 chunk,
		      unsigned int offset, unsigned int sectors, unsigned int steps,
		      struct ss_source *source)
{
	unsigned int end = offset + sectors;
	u32 version;

	source->sectors = 0;
	if (!walk_bucket(table, chunk, &steps, &version))
		return;
	while (version != SS_NONE) {
		if (test_bit(ss_table_layer(table, version), line->ancestors) &&
		    resolve_in(table, version, offset, &end))
			break;
		if (!steps--)
			return;
		version = READ_ONCE(*older_link(table, version));
	}
	put_source(source, version, end - offset);
}

/* Memory of one segment comes as one piece. */
static size_t segment_bytes(const struct ss_table *table)
{
	return SS_SEGMENT_SIZE * (table->words * sizeof(unsigned long) + 3 * sizeof(u32) +
				     sizeof(u16));
}

static struct ss_segment *new_segment(const struct ss_table *table, gfp_t gfp)
{
	struct ss_segment *segment = kmalloc(sizeof(*segment), gfp);
	void *memory;

	if (!segment)
		return NULL;
	/* There is a spare one, and this is tried again: no reason to alarm anybody. */
	memory = __vmalloc(segment_bytes(table), gfp | __GFP_ZERO | __GFP_NOWARN);
	if (!memory) {
		kfree(segment);
		return NULL;
	}
	segment->valid = memory;
	segment->chunk = (u32 *)(segment->valid + SS_SEGMENT_SIZE * table->words);
	segment->older = segment->chunk + SS_SEGMENT_SIZE;
	segment->next = segment->older + SS_SEGMENT_SIZE;
	segment->layer = (u16 *)(segment->next + SS_SEGMENT_SIZE);
	return segment;
}

static void free_segment(struct ss_segment *segment)
{
	if (!segment)
		return;
	vfree(segment->valid);
	kfree(segment);
}

/**
 * ss_table_restock() - have memory for some more versions in reserve
 * @table: table
 * @gfp: as ss_table_prepare()
 *
 * Context: may sleep, volume->meta held.
 */
void ss_table_restock(struct ss_table *table, gfp_t gfp)
{
	if (!table->spare)
		table->spare = new_segment(table, gfp);
}

/**
 * ss_table_prepare() - provide memory for a version
 * @table: table
 * @version: version
 * @gfp: without __GFP_NORETRY it may be tried for long
 *
 * Context: may sleep, volume->meta held.
 * Return: 0 or -ENOMEM.
 */
int ss_table_prepare(struct ss_table *table, u32 version, gfp_t gfp)
{
	struct ss_segment **slot =
		&table->segment[ss_kind_of(version)][ss_place_of(version) >> SS_SEGMENT_SHIFT];

	if (!*slot)
		*slot = new_segment(table, gfp);
	/* Without a zero version zeroes are written. */
	if (!*slot && ss_kind_of(version) == SS_KIND_DATA)
		swap(*slot, table->spare);
	return *slot ? 0 : -ENOMEM;
}

/**
 * ss_table_has() - is there memory for a version?
 * @table: table
 * @version: below the number of versions
 *
 * Context: volume->meta held.
 * Return: false if it was never prepared, and is free.
 */
bool ss_table_has(const struct ss_table *table, u32 version)
{
	u32 i;

	return segment_of(table, version, &i);
}

/* Bucket heads are allocated as the hash grows. */
static int add_heads(struct ss_table *table, unsigned int page)
{
	if (table->heads[page])
		return 0;
	/* Without it lookups get slower, that is all. */
	table->heads[page] = (u32 *)__get_free_page(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!table->heads[page])
		return -ENOMEM;
	memset(table->heads[page], 0xff, PAGE_SIZE);
	return 0;
}

/* With 128 sector bits a version leaves less room below 32 bytes. */
static u32 load_factor(const struct ss_table *table)
{
	return 2 * table->words;
}

/**
 * ss_table_is_crowded() - should the hash grow?
 * @table: table
 *
 * Return: true if ss_table_split() is due.
 */
bool ss_table_is_crowded(const struct ss_table *table)
{
	return atomic_read(&table->nr_chunks) / load_factor(table) > table->nr_buckets &&
	       table->nr_buckets / HEADS_PER_PAGE < table->nr_head_pages;
}

static void split_bucket(struct ss_table *table)
{
	u32 fresh = table->nr_buckets;
	u32 old = fresh - (1U << (fls(fresh) - 1));
	raw_spinlock_t *lock = &table->locks[old % SS_LOCKS];
	seqcount_raw_spinlock_t *seq = &table->seqs[old % SS_LOCKS];
	u32 *from = head_at(table, old), *to = head_at(table, fresh);
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	write_seqcount_begin(seq);
	while (*from != SS_NONE) {
		u32 version = *from;

		u32 hash = hash_of(table, ss_table_chunk(table, version));

		if (bucket_in(hash, fresh + 1) == old) {
			from = ss_table_link(table, version);
			continue;
		}
		*from = *ss_table_link(table, version);
		*to = version;
		to = ss_table_link(table, version);
		*to = SS_NONE;
	}
	/* Pairs with head_of(). */
	smp_store_release(&table->nr_buckets, fresh + 1);
	write_seqcount_end(seq);
	raw_spin_unlock_irqrestore(lock, flags);
}

/**
 * ss_table_split() - let the hash grow by a page of heads
 * @table: crowded
 *
 * One bucket is split at a time, under the lock that it shares with its half:
 * no other lookup is affected.
 *
 * Context: may sleep, volume->meta held.
 * Return: 0 or -ENOMEM, then lookups get slower.
 */
int ss_table_split(struct ss_table *table)
{
	unsigned int page = table->nr_buckets / HEADS_PER_PAGE;

	if (add_heads(table, page))
		return -ENOMEM;
	do {
		split_bucket(table);
	} while (table->nr_buckets / HEADS_PER_PAGE == page);
	return 0;
}

/**
 * ss_table_bytes() - memory that the table takes
 * @table: table
 *
 * Context: volume->meta held.
 * Return: bytes.
 */
u64 ss_table_bytes(const struct ss_table *table)
{
	u64 bytes = round_up(table->nr_buckets, HEADS_PER_PAGE) * sizeof(u32);
	unsigned int kind, i;

	for (kind = 0; kind < 2; kind++)
		for (i = 0; i < table->nr_segments; i++)
			if (table->segment[kind][i])
				bytes += PAGE_ALIGN(segment_bytes(table));
	if (table->spare)
		bytes += PAGE_ALIGN(segment_bytes(table));
	return bytes;
}

static void *grown(const void *old, size_t old_size, size_t new_size)
{
	void *new = kvzalloc(new_size, GFP_KERNEL | __GFP_NOWARN);

	if (new && old)
		memcpy(new, old, old_size);
	return new;
}

/**
 * ss_table_grow() - make room for more versions
 * @table: table
 * @nr_versions: of each kind
 * @group: whose gate keeps I/O out while arrays are exchanged; NULL before there is I/O
 *
 * Context: may sleep, volume->meta held.
 * Return: 0 or -ENOMEM, then nothing has changed.
 */
int ss_table_grow(struct ss_table *table, u32 nr_versions, struct ss_group *group)
{
	unsigned int nr_segments = DIV_ROUND_UP(nr_versions, SS_SEGMENT_SIZE);
	unsigned int nr_heads = max_t(u32, nr_versions / load_factor(table), FIRST_BUCKETS) /
				HEADS_PER_PAGE + 1;
	size_t size = sizeof(void *);
	struct ss_segment **segment[2];
	u32 **heads = grown(table->heads, table->nr_head_pages * size, nr_heads * size);
	unsigned long flags = 0;
	unsigned int kind;

	for (kind = 0; kind < 2; kind++)
		segment[kind] = grown(table->segment[kind], table->nr_segments * size,
				      nr_segments * size);
	if (heads && segment[0] && segment[1]) {
		if (group)
			flags = ss_gate_close(group);
		swap(table->heads, heads);
		swap(table->segment[0], segment[0]);
		swap(table->segment[1], segment[1]);
		table->nr_segments = nr_segments;
		table->nr_head_pages = nr_heads;
		if (group)
			ss_gate_open(group, flags);
	}
	kvfree(heads);
	kvfree(segment[0]);
	kvfree(segment[1]);
	return table->nr_segments == nr_segments ? 0 : -ENOMEM;
}

/**
 * ss_table_init() - set up an empty table
 * @table: zeroed
 * @chunk_sectors: size of a chunk
 * @nr_versions: of each kind, more than 0
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; ss_table_exit() is right in either case.
 */
int ss_table_init(struct ss_table *table, unsigned int chunk_sectors, u32 nr_versions)
{
	unsigned int i;
	int err;

	table->words = BITS_TO_LONGS(chunk_sectors);
	table->per_block = ss_versions_per_block(chunk_sectors);
	table->per_group = ss_versions_per_group(chunk_sectors);
	table->nr_buckets = FIRST_BUCKETS;
	table->seed = get_random_u64();
	for (i = 0; i < SS_LOCKS; i++) {
		raw_spin_lock_init(&table->locks[i]);
		seqcount_raw_spinlock_init(&table->seqs[i], &table->locks[i]);
	}
	err = ss_table_grow(table, nr_versions, NULL);
	for (i = 0; i < FIRST_BUCKETS / HEADS_PER_PAGE && !err; i++)
		err = add_heads(table, i);
	return err;
}

/**
 * ss_table_exit() - free the table
 * @table: set up, maybe in part
 *
 * Context: may sleep.
 */
void ss_table_exit(struct ss_table *table)
{
	unsigned int kind, i;

	free_segment(table->spare);
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; i < table->nr_segments; i++)
			free_segment(table->segment[kind][i]);
		kvfree(table->segment[kind]);
	}
	for (i = 0; i < table->nr_head_pages; i++)
		free_page((unsigned long)table->heads[i]);
	kvfree(table->heads);
}
