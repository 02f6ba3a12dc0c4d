/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * On-disk format of a relocate META. Documentation/relocate.md draws it.
 * Sectors have the head of a snapsync STORE's; all numbers are little endian.
 */
#ifndef _UAPI_LPARKIT_RELOCATE_H
#define _UAPI_LPARKIT_RELOCATE_H

#include <linux/types.h>
#include "snapsync.h"

#define RL_MAGIC		"relocate"
#define RL_VERSION		1

#define RL_REGION_SECTORS_MIN	8
#define RL_REGION_SECTORS_MAX	2048

/* Layout: superblocks in blocks 0 and 1, their copies, map blocks in pairs. */
#define RL_COPY_BLOCK		16
#define RL_MAP_BLOCK		32

/* Words of 64 regions. */
#define RL_WORD_REGIONS		64U
#define RL_WORDS_PER_SECTOR	(SS_PAYLOAD_SIZE / 8)
#define RL_WORDS_PER_BLOCK	(RL_WORDS_PER_SECTOR * SS_BLOCK_SECTORS)

#define RL_COMPLETE		(1 << 0)	/* all regions are present */
#define RL_WRITTEN		(1 << 1)	/* the guest has written or discarded */
#define RL_FLAGS		((1 << 2) - 1)

/**
 * struct rl_super - superblock: the first sector of its block, zeroes follow
 * @head: @head.seq odd in block 1, even in block 0
 * @magic: RL_MAGIC, without a NUL
 * @version: RL_VERSION
 * @region_sectors: power of two
 * @uuid: of this META
 * @volume_sectors: size of the device
 * @digest: as a snapsync STORE's, over the map blocks that were ever written; they are of kind 0
 * @flags: RL_...
 * @reserved: zero
 */
struct rl_super {
	struct ss_head head;
	__u8 magic[8];
	__le32 version;
	__le32 region_sectors;
	__u8 uuid[SS_UUID_SIZE];
	__le64 volume_sectors;
	__le64 digest;
	__le32 flags;
	__u8 reserved[444];
};

#endif /* _UAPI_LPARKIT_RELOCATE_H */
