/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_BLKDEV_H
#define _COMPAT_LINUX_BLKDEV_H

#include_next <linux/blkdev.h>

/* Since 6.9 limits are given at once, and the error is told. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline struct gendisk *compat_alloc_disk(int node)
{
	struct gendisk *disk = blk_alloc_disk(node);

	return disk ?: ERR_PTR(-ENOMEM);
}

#undef blk_alloc_disk
#define blk_alloc_disk(limits, node) compat_alloc_disk(node)
#endif

#endif /* _COMPAT_LINUX_BLKDEV_H */
