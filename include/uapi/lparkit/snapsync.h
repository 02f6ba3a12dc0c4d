/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * On-disk format of a snapsync STORE. Documentation/snapsync.md draws it.
 * All numbers are little endian; "block" is 4 KiB, "sector" 512 bytes.
 */
#ifndef _UAPI_LPARKIT_SNAPSYNC_H
#define _UAPI_LPARKIT_SNAPSYNC_H

#include <linux/types.h>

#define SS_MAGIC		"snapsync"
#define SS_VERSION		1
/*
 * Of a superblock that was written at the same time as the blocks of its transaction: it counts
 * only if the digest says that they are there. Otherwise the transaction before does. Whoever
 * does not know that has to refuse it; the next superblock is of SS_VERSION again.
 */
#define SS_VERSION_AT_ONCE	2

#define SS_SECTOR_SIZE		512
#define SS_BLOCK_SIZE		4096
#define SS_BLOCK_SECTORS	8

/* Sector payload: what a sector holds after its head. */
#define SS_PAYLOAD_SIZE		496

#define SS_CHUNK_SECTORS_MIN	8
#define SS_CHUNK_SECTORS_MAX	128

/* Layers have numbers below this; 0 is none. */
#define SS_LAYERS_MAX		4096
#define SS_NAME_MAX		63
#define SS_NOTE_MAX		127
#define SS_UUID_SIZE		16

/* Layout: superblocks in blocks 0 and 1, layer blocks, copies of the superblocks, groups. */
#define SS_LAYER_BLOCK		2	/* first block of the layers */
#define SS_LAYERS_PER_SECTOR	2
#define SS_LAYERS_PER_BLOCK	(SS_LAYERS_PER_SECTOR * SS_BLOCK_SECTORS)
#define SS_COPY_BLOCK		514	/* of block 0; that of block 1 follows */
#define SS_GROUP_BLOCK		768	/* first block of the first group */
#define SS_GROUP_MAPS		64	/* map blocks of each kind in a group */
#define SS_GROUP_META_BLOCKS	(2 * 2 * SS_GROUP_MAPS)

/**
 * enum ss_kind - kinds of metadata blocks
 * @SS_KIND_DATA: versions that have a chunk of data
 * @SS_KIND_ZERO: versions that read as zeroes
 * @SS_KIND_LAYER: layers
 * @SS_KINDS: number of the above
 */
enum ss_kind {
	SS_KIND_DATA,
	SS_KIND_ZERO,
	SS_KIND_LAYER,
	SS_KINDS,
};

/**
 * struct ss_head - the first bytes of each metadata sector
 * @crc: CRC-32C of the store's UUID and of the sector from @block on
 * @block: number of the block on STORE in which the sector lies
 * @seq: transaction that wrote it; 0 in a slot not used yet
 */
struct ss_head {
	__le32 crc;
	__le32 block;
	__le64 seq;
};

/* There is a digest, and copies; a module that knows neither leaves the bit clear. */
#define SS_FEATURE_DIGEST	(1 << 0)
/* BASE is known by samples of its content. */
#define SS_FEATURE_BASE		(1 << 1)

/* Samples: blocks of BASE, evenly spread over the volume; the last may be shorter. */
#define SS_SAMPLES		64

/**
 * struct ss_super - superblock: the first sector of its block, zeroes follow
 * @head: @head.seq odd in block 1, even in block 0
 * @magic: SS_MAGIC, without a NUL
 * @version: SS_VERSION, or SS_VERSION_AT_ONCE
 * @chunk_sectors: power of two
 * @uuid: of the store
 * @volume_sectors: size of the volume
 * @store_sectors: size of STORE that is in use
 * @blocks: metadata blocks of each kind in use; the others were never written
 * @running: layer that takes writes
 * @digest: sum of mix(mix(kind << 32 | block) + seq) over all blocks in use, @seq being the
 *	transaction of the slot that counts; mix() is the last step of splitmix64
 * @features: SS_FEATURE_...; unknown ones do no harm
 * @sample: CRC-32C of each sample, 1 in place of 0; 0 = not known
 * @origin: what states that are taken here are known by elsewhere; zero = @uuid
 * @reserved: zero
 */
struct ss_super {
	struct ss_head head;
	__u8 magic[8];
	__le32 version;
	__le32 chunk_sectors;
	__u8 uuid[SS_UUID_SIZE];
	__le64 volume_sectors;
	__le64 store_sectors;
	__le32 blocks[SS_KINDS];
	__le32 running;
	__le64 digest;
	__le32 features;
	__le32 sample[SS_SAMPLES];
	__u8 origin[SS_UUID_SIZE];
	__u8 reserved[148];
};

/**
 * struct ss_disk_version - one version of a chunk, at the place of its data
 * @chunk: of the volume
 * @layer: that wrote it; 0 = free, the rest is zero then
 * @reserved: zero
 * @valid: a bit for each sector of the chunk; one word, two when a chunk has 128 sectors
 */
struct ss_disk_version {
	__le32 chunk;
	__le16 layer;
	__le16 reserved;
	__le64 valid[];
};

#define SS_LAYER_USED		(1 << 0)
#define SS_LAYER_NAMED		(1 << 1)	/* a state */
#define SS_LAYER_PREPARED	(1 << 2)	/* a state if the coordinator has it too */
#define SS_LAYER_MERGING	(1 << 3)	/* on its way into BASE */
#define SS_LAYER_RECEIVED	(1 << 4)	/* taken elsewhere */
#define SS_LAYER_FLAGS		((1 << 5) - 1)

/**
 * struct ss_disk_layer - one layer; number = place
 * @name: of the state, NUL-terminated; empty when it is none
 * @note: free text, NUL-terminated
 * @txn: names the take on all members of its group
 * @coordinator: store whose record of @txn decides; of what was received, the origin of the volume
 *	that was taken
 * @time: of the take, ns since 1970
 * @gen: larger than the parent's
 * @parent: layer below, 0 = BASE
 * @flags: SS_LAYER_...; 0 = free
 */
struct ss_disk_layer {
	__u8 name[SS_NAME_MAX + 1];
	__u8 note[SS_NOTE_MAX + 1];
	__u8 txn[SS_UUID_SIZE];
	__u8 coordinator[SS_UUID_SIZE];
	__le64 time;
	__le64 gen;
	__le32 parent;
	__le32 flags;
};

#endif /* _UAPI_LPARKIT_SNAPSYNC_H */
