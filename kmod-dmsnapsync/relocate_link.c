// SPDX-License-Identifier: GPL-2.0
/*
 * SOURCE, which may be far away, and may not answer.
 *
 * A link is opened by the module, not by a table: a read that was begun keeps
 * it open, and the module in use, however long it takes, while the table that
 * began it goes. Reads are submitted on the link's own workqueue, as a queue
 * that is full or frozen blocks who submits.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "relocate.h"

/* Closes links: not their own queue, for which that waits. */
static struct workqueue_struct *closer;

/**
 * rl_links_init() - before the first link
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int rl_links_init(void)
{
	closer = alloc_workqueue("relocate_close", WQ_UNBOUND, 0);
	return closer ? 0 : -ENOMEM;
}

/**
 * rl_links_exit() - after the last
 *
 * Context: may sleep.
 */
void rl_links_exit(void)
{
	destroy_workqueue(closer);
}

static void close_link(struct work_struct *work)
{
	struct rl_link *link = container_of(work, struct rl_link, release);

	destroy_workqueue(link->wq);
	bdev_file_close(link->file, true);
	kfree(link);
	module_put(THIS_MODULE);
}

static int find_disk(const char *path, dev_t *dev)
{
	unsigned int major, minor;
	char rest;

	if (sscanf(path, "%u:%u%c", &major, &minor, &rest) != 2)
		return lookup_bdev(path, dev);
	*dev = MKDEV(major, minor);
	return MAJOR(*dev) == major && MINOR(*dev) == minor ? 0 : -EOVERFLOW;
}

/* Whole regions are read, and what there is of the last one. */
static int check_disk(struct block_device *disk, sector_t sectors, char **error)
{
	unsigned int block = bdev_logical_block_size(disk);

	*error = "SOURCE is too small";
	if (bdev_nr_sectors(disk) < sectors)
		return -EINVAL;
	*error = "SOURCE has larger sectors than fit into the device";
	if (block > SS_BLOCK_SIZE || sectors % (block >> SECTOR_SHIFT))
		return -EINVAL;
	return 0;
}

static int open_disk(struct rl_link *link, const char *path, sector_t sectors, char **error)
{
	dev_t dev;
	int err = find_disk(path, &dev);

	*error = "No such SOURCE";
	if (err)
		return err;
	/* One holder for all: one disk may be SOURCE of several devices. */
	link->file = bdev_file_open_by_dev(dev, BLK_OPEN_READ, &closer, NULL);
	*error = "Cannot open SOURCE";
	if (IS_ERR(link->file))
		return PTR_ERR(link->file);
	link->bdev = file_bdev(link->file);
	/* It is read below what is in memory. */
	sync_blockdev(link->bdev);
	err = check_disk(link->bdev, sectors, error);
	if (err)
		bdev_file_close(link->file, true);
	return err;
}

/**
 * rl_link_open() - open SOURCE
 * @path: of a block device, or its number
 * @sectors: least size
 * @error: reason of a refusal
 *
 * Context: may sleep.
 * Return: a link with a reference, or ERR_PTR.
 */
struct rl_link *rl_link_open(const char *path, sector_t sectors, char **error)
{
	struct rl_link *link = kzalloc(sizeof(*link), GFP_KERNEL);
	int err = -ENOMEM;

	*error = "No memory";
	if (!link)
		return ERR_PTR(err);
	kref_init(&link->ref);
	INIT_WORK(&link->release, close_link);
	/* Each read may block its worker. */
	link->wq = alloc_workqueue("relocate_read", WQ_UNBOUND | WQ_MEM_RECLAIM, WQ_MAX_ACTIVE);
	if (!link->wq)
		goto out_free;
	err = open_disk(link, path, sectors, error);
	if (err)
		goto out_wq;
	__module_get(THIS_MODULE);
	return link;

out_wq:
	destroy_workqueue(link->wq);
out_free:
	kfree(link);
	return ERR_PTR(err);
}

/**
 * rl_link_get() - one more reference
 * @link: of which the caller has one
 *
 * Context: any.
 */
void rl_link_get(struct rl_link *link)
{
	kref_get(&link->ref);
}

static void release_link(struct kref *ref)
{
	struct rl_link *link = container_of(ref, struct rl_link, ref);

	queue_work(closer, &link->release);
}

/**
 * rl_link_put() - drop a reference
 * @link: closed after the last one, by and by
 *
 * Context: any.
 */
void rl_link_put(struct rl_link *link)
{
	kref_put(&link->ref, release_link);
}
