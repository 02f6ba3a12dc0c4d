// SPDX-License-Identifier: GPL-2.0
/*
 * Disks behind a port: which there are, whether they answer, and how they are
 * kept from everybody until the LPAR has switched over.
 *
 * A claimed disk is open exclusively, so that no file system, no device-mapper
 * table and no other exclusive user gets it, or a partition of it, and read-only,
 * so that writes through its node fail. Read-only is the flag of BLKROSET, which
 * each partition has for itself: that of the gendisk, which is one for all, is
 * set anew by sd whenever it looks at the disk.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iopoll.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <scsi/scsi.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>
#include <scsi/scsi_transport_fc.h>
#include "fcnpiv.h"

/* Of a TEST UNIT READY. */
#define FCN_PROBE_TIMEOUT	(10 * HZ)
#define FCN_PROBE_RETRIES	5

/* Before a port is deleted: for its scan, and then for its commands. */
#define FCN_CALM_US		(2 * USEC_PER_SEC)
#define FCN_CALM_LOOK_US	(10 * USEC_PER_MSEC)

static_assert(FCN_PARTS_MAX == DISK_MAX_PARTS);

static bool is_disk(const struct scsi_device *sdev)
{
	return sdev->type == TYPE_DISK || sdev->type == TYPE_ZBC || sdev->type == TYPE_RBC;
}

static int is_gendisk(struct device *dev, const void *data)
{
	return dev->type && dev->type->name && !strcmp(dev->type->name, "disk") &&
	       dev->class && !strcmp(dev->class->name, "block");
}

static void look_at_gendisk(struct scsi_device *sdev, struct fcn_lun *lun)
{
	struct device *dev;

	/* While it is scanned it is no device that may have children. */
	if (!sdev->is_visible)
		return;
	dev = device_find_child(&sdev->sdev_gendev, NULL, is_gendisk);
	if (!dev)
		return;
	lun->devt = dev->devt;
	strscpy(lun->disk, dev_to_disk(dev)->disk_name, sizeof(lun->disk));
	lun->sectors = get_capacity(dev_to_disk(dev));
	lun->openers = disk_openers(dev_to_disk(dev));
	put_device(dev);
}

/* One that was cut short names nothing. */
static void look_at_name(struct scsi_device *sdev, struct fcn_lun *lun)
{
	int len = scsi_vpd_lun_id(sdev, lun->id, sizeof(lun->id));

	if (len <= 0 || len >= sizeof(lun->id))
		lun->id[0] = 0;
}

static void look_at_disk(struct scsi_device *sdev, struct fcn_lun *lun)
{
	lun->number = sdev->lun;
	lun->block_size = sdev->sector_size;
	lun->runs = READ_ONCE(sdev->sdev_state) == SDEV_RUNNING;
	look_at_name(sdev, lun);
	look_at_gendisk(sdev, lun);
}

/*
 * Commands are counted device by device: the tags of a host that is being removed
 * go before the host, those of a device with it. While it is scanned it is not set up.
 */
static unsigned int count_commands(struct scsi_device *sdev)
{
	return sdev->is_visible ? scsi_device_busy(sdev) : 0;
}

/**
 * fcn_disk_look() - all disks behind a SCSI host
 * @shost: of a port
 * @luns: they are added here
 *
 * Context: process.
 * Return: commands that are under way to devices of any kind.
 */
unsigned int fcn_disk_look(struct Scsi_Host *shost, struct fcn_luns *luns)
{
	struct scsi_device *sdev;
	unsigned int busy = 0;
	struct fcn_lun *lun;

	shost_for_each_device(sdev, shost) {
		busy += count_commands(sdev);
		lun = is_disk(sdev) ? fcn_luns_add(luns) : NULL;
		if (lun)
			look_at_disk(sdev, lun);
	}
	return busy;
}

/**
 * fcn_disk_is_open() - does somebody use a disk behind a SCSI host?
 * @shost: of a port
 *
 * Context: process.
 * Return: true if so.
 */
bool fcn_disk_is_open(struct Scsi_Host *shost)
{
	struct scsi_device *sdev;

	shost_for_each_device(sdev, shost) {
		struct fcn_lun lun = {};

		if (is_disk(sdev))
			look_at_gendisk(sdev, &lun);
		if (lun.openers) {
			scsi_device_put(sdev);
			return true;
		}
	}
	return false;
}

/* Who registered as the original may go on as the original, but not under the other name. */
static int probe_one(struct scsi_device *sdev, const struct fcn_names *names,
		     enum fcn_port port, char *why)
{
	struct scsi_sense_hdr sense = {};
	int result = scsi_test_unit_ready(sdev, FCN_PROBE_TIMEOUT, FCN_PROBE_RETRIES, &sense);

	if (!result)
		return port == FCN_PORT_MAINTENANCE ? fcn_reservation_check(sdev, names, why) : 0;
	return fcn_fail(why, -EIO,
			"LUN %llu is not ready: status %02x, host %02x, sense %x/%02x/%02x",
			sdev->lun, result & 0xff, host_byte(result), sense.sense_key, sense.asc,
			sense.ascq);
}

/**
 * fcn_disk_probe() - do all disks behind a port answer, and may it use them?
 * @names: world wide names
 * @port: port
 * @why: FCNPIV_REASON_MAX + 1 bytes for the reason of a failure
 *
 * Context: process, without locks; may take minutes.
 * Return: 0; -EBUSY when the guest has registered reservations, -EIO, -ENOMEM, -ENODEV.
 */
int fcn_disk_probe(const struct fcn_names *names, enum fcn_port port, char *why)
{
	struct Scsi_Host *shost = fcn_vport_host_get(names, port);
	struct scsi_device *sdev;
	int err = 0;

	if (!shost)
		return fcn_fail(why, -ENODEV, "the port has gone");
	shost_for_each_device(sdev, shost) {
		if (!is_disk(sdev))
			continue;
		err = probe_one(sdev, names, port, why);
		if (err) {
			scsi_device_put(sdev);
			break;
		}
	}
	scsi_host_put(shost);
	return err;
}

/* A disk's number may by now be that of another one. */
static bool is_behind(struct block_device *bdev, u64 wwpn)
{
	struct device *dev = disk_to_dev(bdev->bd_disk)->parent;

	return dev && scsi_is_sdev_device(dev) &&
	       fcn_vport_is_host(to_scsi_device(dev)->host, wwpn);
}

/**
 * fcn_disk_is_claimed() - is this one of ours?
 * @work: with the claims
 * @devt: disk
 *
 * Return: true if so.
 */
bool fcn_disk_is_claimed(const struct fcn_work *work, dev_t devt)
{
	unsigned int i;

	for (i = 0; i < work->nr_claims; i++)
		if (work->claims[i].devt == devt)
			return true;
	return false;
}

/* None is added meanwhile: the kernel looks for partitions only of a disk that nobody claims. */
static void make_read_only(struct fcn_claim *claim)
{
	struct gendisk *disk = file_bdev(claim->file)->bd_disk;
	struct block_device *part;
	unsigned long number;

	bitmap_zero(claim->was_read_only, FCN_PARTS_MAX);
	rcu_read_lock();
	xa_for_each_range(&disk->part_tbl, number, part, 0, FCN_PARTS_MAX - 1) {
		if (bdev_test_flag(part, BD_READ_ONLY))
			__set_bit(number, claim->was_read_only);
		bdev_set_flag(part, BD_READ_ONLY);
	}
	rcu_read_unlock();
}

static void make_writable(struct fcn_claim *claim)
{
	struct gendisk *disk = file_bdev(claim->file)->bd_disk;
	struct block_device *part;
	unsigned long number;

	rcu_read_lock();
	xa_for_each_range(&disk->part_tbl, number, part, 0, FCN_PARTS_MAX - 1)
		if (!test_bit(number, claim->was_read_only))
			bdev_clear_flag(part, BD_READ_ONLY);
	rcu_read_unlock();
}

static int claim_one(struct fcn_work *work, const struct fcn_target *target)
{
	struct fcn_claim *claim = &work->claims[work->nr_claims];
	struct file *file;

	if (work->nr_claims == FCNPIV_PATHS_MAX)
		return fcn_fail(work->why, -ENOSPC, "too many disks have come and gone");
	file = bdev_file_open_by_dev(target->devt, BLK_OPEN_READ, work, NULL);
	if (IS_ERR(file))
		return fcn_fail(work->why, PTR_ERR(file), PTR_ERR(file) == -EBUSY ?
				"disk %s is in use on this host: keep multipath and LVM off it" :
				"disk %s cannot be opened (%ld)", target->name, PTR_ERR(file));
	if (!is_behind(file_bdev(file), work->names.port[work->order.port])) {
		bdev_file_close(file, true);
		return fcn_fail(work->why, -EAGAIN, "disk %s has become another one",
				target->name);
	}
	claim->devt = target->devt;
	claim->file = file;
	make_read_only(claim);
	work->nr_claims++;
	return 0;
}

/* What was read through it is forgotten. */
static void let_go(struct fcn_work *work, unsigned int i, bool writable)
{
	struct fcn_claim *claim = &work->claims[i];

	invalidate_bdev(file_bdev(claim->file));
	if (writable)
		make_writable(claim);
	bdev_file_close(claim->file, true);
	*claim = work->claims[--work->nr_claims];
}

static bool is_gone(const struct fcn_claim *claim)
{
	return !device_is_registered(disk_to_dev(file_bdev(claim->file)->bd_disk));
}

/* Room for those that have come instead. */
static void forget_gone(struct fcn_work *work)
{
	unsigned int i = work->nr_claims;

	while (i--)
		if (is_gone(&work->claims[i]))
			let_go(work, i, false);
}

/**
 * fcn_disk_claim() - nobody uses these disks from now on
 * @work: targets, claims, names and port
 *
 * Those that are claimed stay so when others are not. One that is no disk yet is
 * left for later.
 *
 * Context: process, without locks; may sleep for long, as opening a disk reads from it.
 * Return: 0, or of the last disk that failed -EBUSY, -EAGAIN, -ENOSPC or what opening
 * gave; the reason is that one's.
 */
int fcn_disk_claim(struct fcn_work *work)
{
	unsigned int i;
	int err = 0;

	forget_gone(work);
	for (i = 0; i < work->nr_targets; i++) {
		dev_t devt = work->targets[i].devt;

		if (devt && !fcn_disk_is_claimed(work, devt))
			err = claim_one(work, &work->targets[i]) ?: err;
	}
	return err;
}

/**
 * fcn_disk_free() - let all claimed disks go
 * @work: claims
 * @writable: the LPAR is here: they may be written
 *
 * What was read through them before the source had stopped is forgotten.
 *
 * Context: process, without locks; may sleep.
 */
void fcn_disk_free(struct fcn_work *work, bool writable)
{
	while (work->nr_claims)
		let_go(work, work->nr_claims - 1, writable);
}

static bool is_scanned(struct Scsi_Host *shost)
{
	struct fc_rport *rport;
	unsigned long flags;
	bool scanned = false;

	spin_lock_irqsave(shost->host_lock, flags);
	list_for_each_entry(rport, &fc_host_rports(shost), peers)
		scanned |= rport->flags & FC_RPORT_SCAN_PENDING;
	spin_unlock_irqrestore(shost->host_lock, flags);
	return scanned;
}

/* Those of other remote ports the transport has blocked, or will. */
static bool is_online(struct scsi_device *sdev)
{
	struct fc_rport *rport = starget_to_rport(scsi_target(sdev));

	return rport && rport->port_state == FC_PORTSTATE_ONLINE;
}

static bool has_commands(struct Scsi_Host *shost)
{
	struct scsi_device *sdev;
	unsigned int busy = 0;

	shost_for_each_device(sdev, shost)
		busy += count_commands(sdev);
	return busy;
}

/**
 * fcn_disk_calm() - no command is under way, and none is begun
 * @shost: of a port that is going to be deleted
 *
 * libfc takes a late answer to a command for the one to the LOGO that follows, which
 * has got the command's number, and drops the remote port twice: a use after free.
 * Nor is it good for other drivers and targets to log out over commands. Those that
 * come wait until the transport fails them, as it does for a remote port that is lost.
 *
 * A target that does not answer is not waited for longer than 4 s.
 *
 * Context: process, without locks; sleeps.
 */
void fcn_disk_calm(struct Scsi_Host *shost)
{
	struct scsi_device *sdev;
	bool busy;

	read_poll_timeout(is_scanned, busy, !busy, FCN_CALM_LOOK_US, FCN_CALM_US, false, shost);
	shost_for_each_device(sdev, shost) {
		mutex_lock(&sdev->state_mutex);
		/*
		 * The transport lets go what is below a target that was added: one that
		 * is still being scanned would wait for ever, and fcoe's rtnl with it.
		 */
		if (sdev->is_visible && is_online(sdev))
			scsi_internal_device_block_nowait(sdev);
		mutex_unlock(&sdev->state_mutex);
	}
	/* Whoever has seen a queue that was not blocked has a command, or gives up. */
	synchronize_rcu();
	read_poll_timeout(has_commands, busy, !busy, FCN_CALM_LOOK_US, FCN_CALM_US, false, shost);
}

/**
 * fcn_disk_uncalm() - a port stays: its disks go on
 * @shost: of it, after fcn_disk_calm()
 *
 * Context: process, without locks; may sleep.
 */
void fcn_disk_uncalm(struct Scsi_Host *shost)
{
	struct scsi_device *sdev;

	shost_for_each_device(sdev, shost) {
		mutex_lock(&sdev->state_mutex);
		if (is_online(sdev))
			scsi_internal_device_unblock_nowait(sdev, SDEV_RUNNING);
		mutex_unlock(&sdev->state_mutex);
	}
}
