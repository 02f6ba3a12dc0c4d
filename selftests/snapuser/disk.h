/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks in memory that forget, when the power goes, any of what was written
 * since the last flush: sector by sector, in any order.
 */
#ifndef SNAPUSER_DISK_H
#define SNAPUSER_DISK_H

#include "kernel.h"

/* A sector that was written, but maybe not durably. */
struct written {
	sector_t sector;
	bool in_flight; /* nobody was told that it has ended: no flush covers it */
	bool is_fua;	/* durable as soon as it has ended */
	u8 data[512];
};

/**
 * enum disk_fault - what a write that failed leaves
 * @DISK_DEAD: nothing that can be read
 * @DISK_UNCHANGED: what was there before
 * @DISK_CHANGED: what was written
 */
enum disk_fault {
	DISK_DEAD,
	DISK_UNCHANGED,
	DISK_CHANGED,
	DISK_FAULTS,
};

/**
 * struct block_device - a disk
 * @node: of all disks
 * @sectors: its size
 * @fd: by which others read it: a file in memory
 * @now: what is read, the same memory
 * @media: what is durable
 * @written: since the last flush, oldest first
 * @n_written: their number
 * @bad_from: first sector of which a write fails
 * @bad_to: the one behind the last
 * @fault: what that leaves there
 * @on_write: called when something was written, and before it becomes durable
 */
struct block_device {
	struct list_head node;
	sector_t sectors;
	int fd;
	u8 *now;
	u8 *media;
	struct written *written;
	size_t n_written;
	sector_t bad_from;
	sector_t bad_to;
	enum disk_fault fault;
	void (*on_write)(struct block_device *disk);
};

struct block_device *disk_new(sector_t sectors);
void disk_free(struct block_device *disk);
int disk_io(struct block_device *disk, blk_opf_t opf, sector_t sector, void *data, sector_t sectors,
	    bool waits);
void disk_lose_power(const struct block_device *disk, u8 *image);
void disk_set(struct block_device *disk, const u8 *image);

#endif /* SNAPUSER_DISK_H */
