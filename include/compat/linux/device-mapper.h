/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_DEVICE_MAPPER_H
#define _COMPAT_LINUX_DEVICE_MAPPER_H

#include_next <linux/device-mapper.h>
#include <linux/blkdev.h>

/* Since 6.5 block devices have modes of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define BLK_OPEN_READ FMODE_READ
#define BLK_OPEN_WRITE FMODE_WRITE
#define blk_mode_t fmode_t
#endif

/*
 * Since 6.11 "stable writes" is stacked with the other limits. Before, each new table has it of
 * those disks only that iterate_devices tells of; so of others a target has to tell when it is
 * resumed, which is after that, and before any I/O.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
static inline void dm_stack_stable_writes(struct dm_target *ti, struct block_device *bdev)
{
	struct request_queue *queue = dm_disk(dm_table_get_md(ti->table))->queue;

	if (bdev_stable_writes(bdev))
		blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, queue);
}
#else
static inline void dm_stack_stable_writes(struct dm_target *ti, struct block_device *bdev)
{
}
#endif

/* Since 6.16 a target may tell commands apart. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define DM_PREPARE_IOCTL(name) \
	int name(struct dm_target *ti, struct block_device **bdev)
#else
#define DM_PREPARE_IOCTL(name) \
	int name(struct dm_target *ti, struct block_device **bdev, \
		 unsigned int cmd, unsigned long arg, bool *forward)
#endif

#endif /* _COMPAT_LINUX_DEVICE_MAPPER_H */
