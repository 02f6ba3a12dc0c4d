// SPDX-License-Identifier: GPL-2.0
/*
 * The block fence: an active LPAR holds each of its disks open exclusively.
 *
 * The kernel then refuses mount, mkfs and every other O_EXCL opener. QEMU
 * opens its disk without O_EXCL and so gets in; what cannot be refused with
 * exported symbols is a plain writer such as dd, see Documentation/lpar.md.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include "lpar.h"

/*
 * The number of the disk's incarnation: a device number may be another disk's
 * by and by, this never is.
 */
static int read_diskseq(dev_t dev, u64 *diskseq)
{
	struct file *file = bdev_file_open_by_dev(dev, BLK_OPEN_READ, NULL, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	*diskseq = file_bdev(file)->bd_disk->diskseq;
	bdev_file_close(file, false);
	return 0;
}

/**
 * lpar_disk_add() - put a disk on a configuration's list
 * @disks: list of struct lpar_disk
 * @dev: block device
 * @path: what its user calls it; shown, never opened
 * @report: for the refusal
 *
 * Context: may sleep; opens the device.
 * Return: 0, -ENOMEM, -EEXIST when it is there already, or what opening it gave.
 */
int lpar_disk_add(struct list_head *disks, dev_t dev, const char *path, struct lpar_report *report)
{
	struct lpar_disk *disk, *other;
	u64 diskseq;
	int err;

	list_for_each_entry(other, disks, node)
		if (other->dev == dev)
			return lpar_problem(report, -EEXIST, "disk %s is given twice", path);
	err = read_diskseq(dev, &diskseq);
	if (err)
		return lpar_problem(report, err,
				    "%s is not a block device that can be opened (error %d); give the path of a disk",
				    path, err);
	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		return -ENOMEM;
	disk->dev = dev;
	disk->diskseq = diskseq;
	strscpy(disk->path, path, sizeof(disk->path));
	list_add_tail(&disk->node, disks);
	return 0;
}

/**
 * lpar_disk_free_all() - empty a list of disks that are not claimed
 * @disks: list of struct lpar_disk
 */
void lpar_disk_free_all(struct list_head *disks)
{
	struct lpar_disk *disk, *next;

	list_for_each_entry_safe(disk, next, disks, node) {
		list_del(&disk->node);
		kfree(disk);
	}
}

/**
 * lpar_disk_overlap() - is a disk on both lists?
 * @a: list of struct lpar_disk
 * @b: another
 * @path: set to the path of the first such disk
 *
 * Partitions of one disk are told apart here; that a partition and its whole
 * disk exclude each other is seen to by the kernel's claim. One that is gone keeps
 * its number from nobody: no claim will take what has the number now for it.
 *
 * Return: true if so.
 */
bool lpar_disk_overlap(const struct list_head *a, const struct list_head *b, const char **path)
{
	struct lpar_disk *in_a, *in_b;

	list_for_each_entry(in_a, a, node)
		list_for_each_entry(in_b, b, node)
			if (in_a->dev == in_b->dev && in_a->diskseq == in_b->diskseq) {
				*path = in_a->path;
				return true;
			}
	return false;
}

static void release(struct lpar_disk *disk)
{
	if (disk->claim)
		bdev_file_close(disk->claim, true);
	disk->claim = NULL;
}

static int claim(struct lpar_disk *disk, struct lpar_report *report)
{
	struct file *file = bdev_file_open_by_dev(disk->dev, BLK_OPEN_READ, disk, NULL);

	if (file == ERR_PTR(-EBUSY))
		return lpar_problem(report, -EBUSY,
				    "disk %s is in use on the host; unmount it or stop its user",
				    disk->path);
	if (IS_ERR(file))
		return lpar_problem(report, PTR_ERR(file), "disk %s cannot be opened (error %ld)",
				    disk->path, PTR_ERR(file));
	disk->claim = file;
	if (file_bdev(file)->bd_disk->diskseq == disk->diskseq)
		return 0;
	release(disk);
	return lpar_problem(report, -ENODEV,
			    "disk %s (%u:%u) is another device than when it was defined; set the disk again",
			    disk->path, MAJOR(disk->dev), MINOR(disk->dev));
}

/**
 * lpar_disk_release_all() - let the disks of an LPAR go
 * @disks: list of struct lpar_disk, claimed or not
 *
 * Context: may sleep. The claims are gone on return.
 */
void lpar_disk_release_all(struct list_head *disks)
{
	struct lpar_disk *disk;

	list_for_each_entry(disk, disks, node)
		release(disk);
}

/**
 * lpar_disk_claim_all() - claim the disks of an LPAR, all or none
 * @disks: list of struct lpar_disk
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0, -EBUSY, -ENODEV or what opening the device gave.
 */
int lpar_disk_claim_all(struct list_head *disks, struct lpar_report *report)
{
	struct lpar_disk *disk;
	int err;

	list_for_each_entry(disk, disks, node) {
		err = claim(disk, report);
		if (err) {
			lpar_disk_release_all(disks);
			return err;
		}
	}
	return 0;
}

/**
 * lpar_disk_check() - could the disks be claimed now?
 * @disks: list of struct lpar_disk, not claimed
 * @report: for what is wrong
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_disk_check(const struct list_head *disks, struct lpar_report *report)
{
	struct lpar_disk *disk;
	int err;

	list_for_each_entry(disk, disks, node) {
		err = claim(disk, report);
		if (err)
			return err;
		release(disk);
	}
	return 0;
}
