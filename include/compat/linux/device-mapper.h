/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_DEVICE_MAPPER_H
#define _COMPAT_LINUX_DEVICE_MAPPER_H

#include_next <linux/device-mapper.h>

/* Since 6.5 block devices have modes of their own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define BLK_OPEN_READ FMODE_READ
#define BLK_OPEN_WRITE FMODE_WRITE
#define blk_mode_t fmode_t
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
