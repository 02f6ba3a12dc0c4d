// SPDX-License-Identifier: GPL-2.0
/*
 * What an ioctl of a volume reaches: not BASE, which SG_IO and its like would
 * write under every state, but a stand-in that knows persistent reservations
 * and nothing else.
 *
 * Device mapper passes commands to the disk that the target names, and before
 * 6.16 does not tell the target which command it is. A command block is the
 * caller's memory, who may change it between a look at it and its execution:
 * to let some of them through would be to let all through.
 */
#include <linux/pr.h>
#include "snapsync.h"

static struct block_device *base_of(struct block_device *stand_in)
{
	return stand_in->bd_disk->private_data;
}

static const struct pr_ops *ops_of(struct block_device *base)
{
	return base->bd_disk->fops->pr_ops;
}

static int refuse_ioctl(struct block_device *stand_in, blk_mode_t mode, unsigned int cmd,
			unsigned long arg)
{
	pr_info_ratelimited(DM_MSG_PREFIX ": ioctl %#x of %s was refused: it could write BASE; reservations go by IOC_PR_*, commands to BASE itself\n",
			    cmd, current->comm);
	return -ENOTTY;
}

static int preempt(struct block_device *stand_in, u64 old_key, u64 new_key, enum pr_type type,
		   bool abort)
{
	struct block_device *base = base_of(stand_in);
	const struct pr_ops *ops = ops_of(base);

	if (!ops || !ops->pr_preempt)
		return -EOPNOTSUPP;
	return ops->pr_preempt(base, old_key, new_key, type, abort);
}

static int clear(struct block_device *stand_in, u64 key)
{
	struct block_device *base = base_of(stand_in);
	const struct pr_ops *ops = ops_of(base);

	return ops && ops->pr_clear ? ops->pr_clear(base, key) : -EOPNOTSUPP;
}

static int __maybe_unused read_keys(struct block_device *stand_in, struct pr_keys *keys)
{
	return pr_read_keys(base_of(stand_in), keys);
}

static int __maybe_unused read_reservation(struct block_device *stand_in,
					   struct pr_held_reservation *held)
{
	return pr_read_reservation(base_of(stand_in), held);
}

/* Device mapper itself takes registering, reserving and releasing to BASE. */
static const struct pr_ops stand_in_pr_ops = {
	.pr_preempt = preempt,
	.pr_clear = clear,
	PR_READ_OPS(read_keys, read_reservation)
};

static const struct block_device_operations stand_in_ops = {
	.owner = THIS_MODULE,
	.ioctl = refuse_ioctl,
	.pr_ops = &stand_in_pr_ops,
};

/**
 * ss_stand_in_new() - the disk that ioctls of a volume reach
 * @base: BASE
 *
 * Context: may sleep.
 * Return: a disk that nobody else sees, for ss_stand_in_free(), or ERR_PTR.
 */
struct gendisk *ss_stand_in_new(struct block_device *base)
{
	struct gendisk *disk = blk_alloc_disk(NULL, NUMA_NO_NODE);

	if (IS_ERR(disk))
		return disk;
	disk->fops = &stand_in_ops;
	disk->private_data = base;
	return disk;
}

/**
 * ss_stand_in_free() - the reverse
 * @disk: no ioctl is under way any more
 *
 * Context: may sleep.
 */
void ss_stand_in_free(struct gendisk *disk)
{
	put_disk(disk);
}
