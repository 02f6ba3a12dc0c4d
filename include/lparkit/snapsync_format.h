/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rules of the on-disk format of a snapsync STORE: what is sound, where it is,
 * which of two counts. One text for the module, which refuses what is not, and
 * for lparctl snap check, which says so. Every byte may be hostile.
 *
 * Nothing here sleeps, allocates or takes a lock. Whoever includes it provides
 * the kernel's types, byte order, memchr_inv() and crc32c().
 */
#ifndef _LPARKIT_SNAPSYNC_FORMAT_H
#define _LPARKIT_SNAPSYNC_FORMAT_H

#include <uapi/lparkit/snapsync.h>

#define SS_LAYER_BLOCKS	(SS_LAYERS_MAX / SS_LAYERS_PER_BLOCK)

/* What a slot of a metadata block is, as far as it tells itself. */
enum ss_slot_state {
	SS_SLOT_COMMITTED,
	SS_SLOT_LATER,		/* from a transaction that never committed, complete or torn */
	SS_SLOT_DAMAGED,
};

/* Words of valid bits in a version. */
static inline unsigned int ss_words(unsigned int chunk_sectors)
{
	return (chunk_sectors + 63) / 64;
}

/* Bytes of a version. */
static inline unsigned int ss_version_size(unsigned int chunk_sectors)
{
	return sizeof(struct ss_disk_version) + ss_words(chunk_sectors) * sizeof(__le64);
}

static inline unsigned int ss_versions_per_sector(unsigned int chunk_sectors)
{
	return SS_PAYLOAD_SIZE / ss_version_size(chunk_sectors);
}

static inline unsigned int ss_versions_per_block(unsigned int chunk_sectors)
{
	return ss_versions_per_sector(chunk_sectors) * SS_BLOCK_SECTORS;
}

static inline unsigned int ss_versions_per_group(unsigned int chunk_sectors)
{
	return ss_versions_per_block(chunk_sectors) * SS_GROUP_MAPS;
}

/* Chunks of data that fit on a STORE, 0 if it is too small. */
static inline u32 ss_versions_in(u64 store_sectors, unsigned int chunk_sectors)
{
	u64 meta = SS_GROUP_META_BLOCKS * SS_BLOCK_SECTORS;
	u64 per_group = ss_versions_per_group(chunk_sectors);
	u64 group = meta + per_group * chunk_sectors;
	u64 start = SS_GROUP_BLOCK * SS_BLOCK_SECTORS;
	u64 rest, versions;

	if (store_sectors <= start)
		return 0;
	rest = (store_sectors - start) % group;
	rest = rest > meta ? (rest - meta) / chunk_sectors : 0;
	versions = (store_sectors - start) / group * per_group + rest;
	/* The highest bit of a number says that it is a zero version. */
	return versions < S32_MAX ? versions : S32_MAX;
}

/* Metadata blocks that there is place for. */
static inline u32 ss_blocks_max(enum ss_kind kind, u64 store_sectors, unsigned int chunk_sectors)
{
	u32 per_block = ss_versions_per_block(chunk_sectors);

	if (kind == SS_KIND_LAYER)
		return SS_LAYER_BLOCKS;
	return ((u64)ss_versions_in(store_sectors, chunk_sectors) + per_block - 1) / per_block;
}

/* Block of STORE in which a slot of a metadata block is. */
static inline u64 ss_slot_block(enum ss_kind kind, u32 block, unsigned int slot,
				unsigned int chunk_sectors)
{
	u64 group_blocks = SS_GROUP_META_BLOCKS +
			   (u64)ss_versions_per_group(chunk_sectors) * chunk_sectors /
			   SS_BLOCK_SECTORS;

	if (kind == SS_KIND_LAYER)
		return SS_LAYER_BLOCK + 2 * (u64)block + slot;
	return SS_GROUP_BLOCK + block / SS_GROUP_MAPS * group_blocks +
	       2 * (kind * SS_GROUP_MAPS + block % SS_GROUP_MAPS) + slot;
}

/* Checksum of a metadata sector. */
static inline u32 ss_meta_crc(const u8 *uuid, const void *sector)
{
	u32 crc = crc32c(~0U, uuid, SS_UUID_SIZE);

	return crc32c(crc, (const u8 *)sector + sizeof(__le32), SS_SECTOR_SIZE - sizeof(__le32));
}

/* Completes the head of a metadata sector. */
static inline void ss_sector_seal(const u8 *uuid, void *image, u64 block, u64 seq)
{
	struct ss_head *head = image;

	head->block = cpu_to_le32(block);
	head->seq = cpu_to_le64(seq);
	head->crc = cpu_to_le32(ss_meta_crc(uuid, image));
}

static inline void ss_block_seal(const u8 *uuid, void *image, u64 block, u64 seq)
{
	unsigned int i;

	for (i = 0; i < SS_BLOCK_SECTORS; i++)
		ss_sector_seal(uuid, (u8 *)image + i * SS_SECTOR_SIZE, block, seq);
}

/* Is it what was written there? */
static inline bool ss_sector_is_sound(const u8 *uuid, const void *image, u64 block)
{
	const struct ss_head *head = image;

	return le32_to_cpu(head->crc) == ss_meta_crc(uuid, image) &&
	       le32_to_cpu(head->block) == block;
}

/* Has a block a sector of a transaction after @seq? */
static inline bool ss_block_is_later(const u8 *uuid, const void *image, u64 block, u64 seq)
{
	unsigned int i;

	for (i = 0; i < SS_BLOCK_SECTORS; i++) {
		const struct ss_head *head = image + i * SS_SECTOR_SIZE;

		if (ss_sector_is_sound(uuid, head, block) && le64_to_cpu(head->seq) > seq)
			return true;
	}
	return false;
}

/*
 * @seq: of the superblock. @found: the slot's. A torn slot has whole sectors of
 * two transactions, the later of which never committed.
 */
static inline enum ss_slot_state ss_slot_judge(const u8 *uuid, const void *image, u64 block,
					       u64 seq, u64 *found)
{
	bool later = false, mixed = false;
	unsigned int i;

	*found = le64_to_cpu(((const struct ss_head *)image)->seq);
	for (i = 0; i < SS_BLOCK_SECTORS; i++) {
		const struct ss_head *head = image + i * SS_SECTOR_SIZE;

		if (!ss_sector_is_sound(uuid, head, block))
			return SS_SLOT_DAMAGED;
		later |= le64_to_cpu(head->seq) > seq;
		mixed |= le64_to_cpu(head->seq) != *found;
	}
	if (later)
		return SS_SLOT_LATER;
	return mixed ? SS_SLOT_DAMAGED : SS_SLOT_COMMITTED;
}

/* The slot that counts, as far as the block tells, or -1 if it is damaged. */
static inline int ss_slot_pick(const enum ss_slot_state *state, const u64 *seq)
{
	int best = state[0] != SS_SLOT_COMMITTED ||
		   (state[1] == SS_SLOT_COMMITTED && seq[1] > seq[0]);

	return state[best] == SS_SLOT_COMMITTED ? best : -1;
}

/* The last step of splitmix64. */
static inline u64 ss_mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* What a metadata block adds to the digest; @seq is of the slot that counts. */
static inline u64 ss_block_digest(enum ss_kind kind, u32 block, u64 seq)
{
	return ss_mix(ss_mix((u64)kind << 32 | block) + seq);
}

/**
 * struct ss_tally - do all blocks of a transaction count?
 * @digest: of the slots that were picked
 * @is_damaged: there is a slot which the loss of power does not explain
 */
struct ss_tally {
	u64 digest;
	bool is_damaged;
};

/*
 * Both slots of a metadata block. In the middle of transaction @seq the power may leave a slot
 * that is torn: seen from the one before, it is of a later one.
 */
static inline void ss_tally_pair(struct ss_tally *tally, const u8 *uuid, u64 seq,
				 enum ss_kind kind, u32 block, unsigned int chunk_sectors,
				 const void *pair)
{
	u64 at = ss_slot_block(kind, block, 0, chunk_sectors), found[2], former;
	enum ss_slot_state state[2];
	int slot, best;

	for (slot = 0; slot < 2; slot++) {
		const void *image = (const u8 *)pair + slot * SS_BLOCK_SIZE;

		state[slot] = ss_slot_judge(uuid, image, at + slot, seq, &found[slot]);
		if (state[slot] == SS_SLOT_DAMAGED &&
		    ss_slot_judge(uuid, image, at + slot, seq - 1, &former) != SS_SLOT_LATER)
			tally->is_damaged = true;
	}
	best = ss_slot_pick(state, found);
	if (best >= 0)
		tally->digest += ss_block_digest(kind, block, found[best]);
}

/* If anything is damaged, it may have been acknowledged, and is not given up in silence. */
static inline bool ss_tally_is_whole(const struct ss_tally *tally, u64 digest)
{
	return tally->digest == digest || tally->is_damaged;
}

static inline bool ss_super_is_ours(const struct ss_super *super)
{
	return !memcmp(super->magic, SS_MAGIC, sizeof(super->magic));
}

static inline u64 ss_super_seq(const struct ss_super *super)
{
	return super ? le64_to_cpu(super->head.seq) : 0;
}

/* Does it count only if its digest proves that its blocks are there? */
static inline bool ss_super_is_at_once(const struct ss_super *super)
{
	return le32_to_cpu(super->version) == SS_VERSION_AT_ONCE;
}

/* Is it of a format that is known here? */
static inline bool ss_super_is_known(const struct ss_super *super)
{
	return le32_to_cpu(super->version) == SS_VERSION || ss_super_is_at_once(super);
}

/* The newest of two, either of which may be missing. */
static inline const struct ss_super *ss_super_newer(const struct ss_super *a,
						    const struct ss_super *b)
{
	return ss_super_seq(a) > ss_super_seq(b) ? a : b;
}

/* @which: of the two, as they take turns. @block: where it was read. */
static inline bool ss_super_is_sound(const struct ss_super *super, unsigned int which, u64 block)
{
	const u8 *rest = (const u8 *)super + SS_SECTOR_SIZE;
	u32 chunk = le32_to_cpu(super->chunk_sectors);

	return ss_super_is_ours(super) && ss_sector_is_sound(super->uuid, super, block) &&
	       (le64_to_cpu(super->head.seq) & 1) == which &&
	       le64_to_cpu(super->head.seq) < S64_MAX && /* more are to come */
	       !memchr_inv(rest, 0, SS_BLOCK_SIZE - SS_SECTOR_SIZE) &&
	       chunk >= SS_CHUNK_SECTORS_MIN && chunk <= SS_CHUNK_SECTORS_MAX &&
	       !(chunk & (chunk - 1));
}

/* May a state or group be called so: 1 to SS_NAME_MAX visible ASCII characters? */
static inline bool ss_name_is_valid(const char *name)
{
	unsigned int i;

	for (i = 0; name[i]; i++)
		if (i == SS_NAME_MAX || name[i] <= ' ' || name[i] > '~')
			return false;
	return i;
}

static inline bool ss_text_is_sound(const __u8 *text, unsigned int size)
{
	unsigned int length = strnlen((const char *)text, size);

	return length < size && !memchr_inv(text + length, 0, size - length);
}

/* A layer that is not free, without regard to others. */
static inline bool ss_layer_is_sound(const struct ss_disk_layer *image)
{
	u32 flags = le32_to_cpu(image->flags);
	bool named = flags & SS_LAYER_NAMED;

	if (!(flags & SS_LAYER_USED) || flags & ~SS_LAYER_FLAGS ||
	    le32_to_cpu(image->parent) >= SS_LAYERS_MAX || !image->gen ||
	    le64_to_cpu(image->gen) >= S64_MAX)
		return false;
	if (!ss_text_is_sound(image->name, sizeof(image->name)) ||
	    !ss_text_is_sound(image->note, sizeof(image->note)))
		return false;
	return named == ss_name_is_valid((const char *)image->name) &&
	       (named || !(flags & (SS_LAYER_PREPARED | SS_LAYER_RECEIVED)));
}

/* A version that is not free, without regard to others, nor to whether its layer is there. */
static inline bool ss_version_is_sound(const struct ss_disk_version *image, u64 nr_chunks,
				       unsigned int chunk_sectors)
{
	unsigned int words = ss_words(chunk_sectors), last = chunk_sectors % 64;
	u16 layer = le16_to_cpu(image->layer);

	if (!layer || layer >= SS_LAYERS_MAX || image->reserved ||
	    le32_to_cpu(image->chunk) >= nr_chunks)
		return false;
	if (last && le64_to_cpu(image->valid[words - 1]) >> last)
		return false;
	return memchr_inv(image->valid, 0, words * sizeof(__le64));
}

#endif /* _LPARKIT_SNAPSYNC_FORMAT_H */
