/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_PR_H
#define _COMPAT_LINUX_PR_H

#include <linux/blkdev.h>
#include_next <linux/pr.h>

struct pr_keys;
struct pr_held_reservation;

/* Since 6.4 keys and the reservation can be read. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define PR_READ_OPS(keys, reservation)

static inline int pr_read_keys(struct block_device *bdev, struct pr_keys *keys)
{
	return -EOPNOTSUPP;
}

static inline int pr_read_reservation(struct block_device *bdev,
				      struct pr_held_reservation *held)
{
	return -EOPNOTSUPP;
}
#else
#define PR_READ_OPS(keys, reservation) \
	.pr_read_keys = (keys), .pr_read_reservation = (reservation),

static inline int pr_read_keys(struct block_device *bdev, struct pr_keys *keys)
{
	const struct pr_ops *ops = bdev->bd_disk->fops->pr_ops;

	return ops && ops->pr_read_keys ? ops->pr_read_keys(bdev, keys) : -EOPNOTSUPP;
}

static inline int pr_read_reservation(struct block_device *bdev,
				      struct pr_held_reservation *held)
{
	const struct pr_ops *ops = bdev->bd_disk->fops->pr_ops;

	return ops && ops->pr_read_reservation ? ops->pr_read_reservation(bdev, held) :
						 -EOPNOTSUPP;
}
#endif

#endif /* _COMPAT_LINUX_PR_H */
