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

/*
 * Since 6.9 a block device that the kernel has opened is a file. Before, here,
 * that "file" is the device itself; it is given to these functions only, and it
 * has been opened to read.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define BLK_OPEN_READ FMODE_READ

static inline struct file *bdev_file_open_by_dev(dev_t dev, fmode_t mode, void *holder,
						 const void *hops)
{
	return (struct file *)blkdev_get_by_dev(dev, mode | (holder ? FMODE_EXCL : 0), holder);
}

static inline struct block_device *file_bdev(struct file *file)
{
	return (struct block_device *)file;
}

/* @exclusive: it was opened with a holder, which newer kernels remember. */
static inline void bdev_file_close(struct file *file, bool exclusive)
{
	blkdev_put(file_bdev(file), FMODE_READ | (exclusive ? FMODE_EXCL : 0));
}
#else
static inline void bdev_file_close(struct file *file, bool exclusive)
{
	bdev_fput(file);
}
#endif

/* Since 6.10 the policy is a flag. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define BD_READ_ONLY true

static inline bool bdev_test_flag(const struct block_device *bdev, bool flag)
{
	return bdev->bd_read_only;
}

static inline void bdev_set_flag(struct block_device *bdev, bool flag)
{
	bdev->bd_read_only = flag;
}

static inline void bdev_clear_flag(struct block_device *bdev, bool flag)
{
	bdev->bd_read_only = !flag;
}
#endif

#endif /* _COMPAT_LINUX_BLKDEV_H */
