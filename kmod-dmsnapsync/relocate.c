// SPDX-License-Identifier: GPL-2.0
/*
 * Target relocate: a disk that is still on its way, and serves already.
 *
 * A table reads META when it is resumed, and nothing of it outlives the table
 * but reads that SOURCE has not answered.
 */
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "relocate.h"

#define DEFAULT_WINDOW		16
#define DEFAULT_FETCH_KIB	64
#define DEFAULT_AHEAD_KIB	4096

#define RATE_MAX		1048576
#define WINDOW_MAX		4096
#define AHEAD_KIB_MAX		1048576
#define FAIL_AFTER_MAX		3600000
#define NR_OPTIONS_MAX		14

/* How long a suspend waits for SOURCE. */
#define PATIENCE		(2 * HZ)

static DEFINE_MUTEX(registry);
static LIST_HEAD(devices);

static void event_work(struct work_struct *work)
{
	struct relocate *rl = container_of(work, struct relocate, event);

	dm_table_event(rl->ti->table);
}

/**
 * rl_event() - wake those who wait for device mapper's event
 * @rl: device
 *
 * Context: any.
 */
void rl_event(struct relocate *rl)
{
	queue_work(rl->wq, &rl->event);
}

/* --- the table --- */

static int parse_number(struct dm_arg_set *as, u64 min, u64 max, unsigned int *value)
{
	const char *text = as->argc ? dm_shift_arg(as) : NULL;
	u64 number;

	if (!text || kstrtou64(text, 10, &number) || number < min || number > max)
		return -EINVAL;
	*value = number;
	return 0;
}

static int parse_kib(struct dm_arg_set *as, u64 min, u64 max, unsigned int *sectors)
{
	int err = parse_number(as, min, max, sectors);

	*sectors *= 2;
	return err;
}

/* "hot,used,rest", any of them, in this order. */
static int parse_order(struct dm_arg_set *as, bool *has)
{
	static const char *const name[] = { "hot", "used", "rest" };
	const char *text = as->argc ? dm_shift_arg(as) : "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		size_t length = strlen(name[i]);

		has[i] = !strncmp(text, name[i], length) &&
			 (!text[length] || text[length] == ',');
		if (!has[i])
			continue;
		text += length;
		if (!*text)
			return 0;
		text++;
	}
	return -EINVAL;
}

static int parse_option(struct dm_arg_set *as, struct rl_args *args, char **error)
{
	const char *key = dm_shift_arg(as);

	if (!strcasecmp(key, "region")) {
		*error = "region is a power of two from 4 to 1024";
		if (parse_kib(as, RL_REGION_SECTORS_MIN / 2, RL_REGION_SECTORS_MAX / 2,
			      &args->region_sectors))
			return -EINVAL;
		return is_power_of_2(args->region_sectors) ? 0 : -EINVAL;
	}
	if (!strcasecmp(key, "order")) {
		*error = "order is hot,used,rest or a part of it";
		memset(args->has, 0, sizeof(args->has));
		return parse_order(as, args->has);
	}
	if (!strcasecmp(key, "rate")) {
		*error = "rate is in MiB/s";
		return parse_number(as, 0, RATE_MAX, &args->rate);
	}
	if (!strcasecmp(key, "window")) {
		*error = "window is 1 to 4096 MiB";
		return parse_number(as, 1, WINDOW_MAX, &args->window);
	}
	if (!strcasecmp(key, "fetch")) {
		*error = "fetch is 4 to 1024 KiB";
		return parse_kib(as, 4, 1024, &args->fetch_sectors);
	}
	if (!strcasecmp(key, "ahead")) {
		*error = "ahead is at most 1 GiB, in KiB";
		return parse_kib(as, 0, AHEAD_KIB_MAX, &args->ahead_sectors);
	}
	*error = "Unknown option";
	if (strcasecmp(key, "fail_after"))
		return -EINVAL;
	*error = "fail_after is at most an hour, in ms";
	return parse_number(as, 0, FAIL_AFTER_MAX, &args->fail_after);
}

static int parse_options(struct dm_arg_set *as, struct rl_args *args, char **error)
{
	static const struct dm_arg counts[] = {
		{ 0, NR_OPTIONS_MAX, "Invalid number of options" },
	};
	unsigned int count = 0;
	int err = 0;

	args->window = DEFAULT_WINDOW;
	args->fetch_sectors = 2 * DEFAULT_FETCH_KIB;
	args->ahead_sectors = 2 * DEFAULT_AHEAD_KIB;
	memset(args->has, true, sizeof(args->has));
	if (as->argc)
		err = dm_read_arg_group(counts, as, &count, error);
	while (as->argc && !err)
		err = parse_option(as, args, error);
	return err;
}

static int check_disks(struct relocate *rl, char **error)
{
	struct block_device *source = rl->link ? rl->link->bdev : NULL;

	*error = "DEST is too small";
	if (bdev_nr_sectors(rl->dest) < rl->sectors)
		return -EINVAL;
	*error = "DEST, SOURCE and META are three disks";
	return rl->dest == rl->meta.bdev || rl->dest == source || rl->meta.bdev == source ?
	       -EINVAL : 0;
}

static int open_disks(struct relocate *rl, const char *dest, const char *source,
		      const char *meta, char **error)
{
	blk_mode_t mode = BLK_OPEN_READ | BLK_OPEN_WRITE;
	struct rl_link *link;
	int err = dm_get_device(rl->ti, dest, mode, &rl->dest_dev);

	*error = "Cannot open DEST";
	if (err)
		return err;
	rl->dest = rl->dest_dev->bdev;
	*error = "Cannot open META";
	err = dm_get_device(rl->ti, meta, mode, &rl->meta_dev);
	if (err)
		return err;
	rl->meta.bdev = rl->meta_dev->bdev;
	*error = "No memory";
	rl->stand_in = ss_stand_in_new(rl->dest);
	if (IS_ERR(rl->stand_in))
		return PTR_ERR(rl->stand_in);
	if (strcmp(source, "-")) {
		link = rl_link_open(source, rl->sectors, error);
		if (IS_ERR(link))
			return PTR_ERR(link);
		rl->link = link;
	}
	return check_disks(rl, error);
}

/* All that follows from the size of a region. */
static int set_sizes(struct relocate *rl, char **error)
{
	unsigned int shift = rl->region_shift, bytes = 1U << (shift + SECTOR_SHIFT);

	rl->slot_regions = clamp(RL_SLOT_BYTES / bytes, 1U, RL_WORD_REGIONS);
	rl->copy_regions = rl->slot_regions;
	rl->fetch_regions = clamp(rounddown_pow_of_two(rl->args.fetch_sectors) >> shift, 1U,
				  RL_WORD_REGIONS);
	rl->max_slots = max_t(u64, RL_SLOTS_MIN,
			      ((u64)rl->args.window << 20) / (rl->slot_regions * bytes));
	rl_ahead_init(&rl->ahead, rl->args.ahead_sectors >> shift);
	*error = "Cannot split bios";
	return dm_set_target_max_io_len(rl->ti, RL_WORD_REGIONS << shift);
}

static void init(struct relocate *rl, struct dm_target *ti)
{
	unsigned int i;

	rl->ti = ti;
	rl->md = dm_table_get_md(ti->table);
	rl->sectors = ti->len;
	rl->stage = "-";
	rl->pace.slots = 1;
	/* Until it is resumed. */
	rl->is_quiet = true;
	rl->is_suspended = true;
	ss_target_name(ti, rl->name);
	INIT_LIST_HEAD(&rl->node);
	INIT_LIST_HEAD(&rl->idle);
	INIT_LIST_HEAD(&rl->busy);
	mutex_init(&rl->control);
	mutex_init(&rl->meta_lock);
	spin_lock_init(&rl->lock);
	for (i = 0; i < RL_BUCKETS; i++) {
		INIT_HLIST_HEAD(&rl->ops.bucket[i]);
		bio_list_init(&rl->waiting[i]);
	}
	bio_list_init(&rl->deferred);
	bio_list_init(&rl->starved);
	bio_list_init(&rl->meta.flushes);
	init_waitqueue_head(&rl->idled);
	INIT_WORK(&rl->work, rl_io_work);
	INIT_WORK(&rl->copy, rl_copy_work);
	INIT_WORK(&rl->event, event_work);
	INIT_DELAYED_WORK(&rl->commit, rl_commit_work);
	INIT_DELAYED_WORK(&rl->tick, rl_tick_work);
	rl_order_begin(&rl->order);
}

/* Everything in the background has ended, or is not ours any more. */
static void quiesce(struct relocate *rl)
{
	spin_lock_irq(&rl->lock);
	rl->is_quiet = true;
	rl->is_suspended = true;
	spin_unlock_irq(&rl->lock);
	cancel_delayed_work_sync(&rl->tick);
	cancel_work_sync(&rl->copy);
	wait_event_timeout(rl->idled, rl_is_idle(rl), PATIENCE);
	spin_lock_irq(&rl->lock);
	rl_give_up(rl);
	spin_unlock_irq(&rl->lock);
	/* What is on its way to DEST. */
	wait_event(rl->idled, rl_is_idle(rl));
	flush_work(&rl->work);
}

static void close_all(struct relocate *rl)
{
	if (rl->wq) {
		quiesce(rl);
		cancel_delayed_work_sync(&rl->commit);
		cancel_work_sync(&rl->event);
		rl_slots_free(rl);
		destroy_workqueue(rl->wq);
	}
	mutex_lock(&registry);
	list_del(&rl->node);
	mutex_unlock(&registry);
	rl_order_forget(&rl->order);
	rl_meta_free(rl);
	if (!IS_ERR_OR_NULL(rl->meta.io))
		dm_io_client_destroy(rl->meta.io);
	vfree(rl->meta.buffer);
	if (rl->link)
		rl_link_put(rl->link);
	if (!IS_ERR_OR_NULL(rl->stand_in))
		ss_stand_in_free(rl->stand_in);
	if (rl->meta_dev)
		dm_put_device(rl->ti, rl->meta_dev);
	if (rl->dest_dev)
		dm_put_device(rl->ti, rl->dest_dev);
	mutex_destroy(&rl->control);
	mutex_destroy(&rl->meta_lock);
	kvfree(rl);
}

static void set_limits(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->flush_supported = true;
	ti->discards_supported = true;
	ti->per_io_data_size = sizeof(struct rl_bio);
}

/* DEST SOURCE META [N_ARGS [region KIB] [order LIST] ...] */
static int relocate_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	const char *dest, *source, *meta;
	struct relocate *rl;
	int err;

	ti->error = argc < 3 ? "DEST, SOURCE and META are needed" :
			       "The table must be writable and begin at 0";
	if (argc < 3 || ti->begin || !(dm_table_get_mode(ti->table) & BLK_OPEN_WRITE))
		return -EINVAL;
	dest = dm_shift_arg(&as);
	source = dm_shift_arg(&as);
	meta = dm_shift_arg(&as);
	ti->error = "No memory";
	rl = kvzalloc(sizeof(*rl), GFP_KERNEL | __GFP_NOWARN);
	if (!rl)
		return -ENOMEM;
	init(rl, ti);
	rl->wq = alloc_workqueue("relocate/%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, rl->name);
	err = rl->wq ? 0 : -ENOMEM;
	err = err ?: parse_options(&as, &rl->args, &ti->error);
	err = err ?: open_disks(rl, dest, source, meta, &ti->error);
	err = err ?: rl_meta_look(rl, &ti->error);
	err = err ?: set_sizes(rl, &ti->error);
	if (err) {
		close_all(rl);
		return err;
	}
	memcpy(rl->order.has, rl->args.has, sizeof(rl->order.has));
	ti->error = NULL;
	ti->private = rl;
	set_limits(ti);
	return 0;
}

static void relocate_dtr(struct dm_target *ti)
{
	close_all(ti->private);
}

/* --- its life --- */

static bool shares_disks(const struct relocate *a, const struct relocate *b)
{
	return a->meta.bdev == b->meta.bdev || a->dest == b->dest ||
	       a->meta.bdev == b->dest || a->dest == b->meta.bdev;
}

/* The former table of the same device is suspended, and has committed. */
static int enlist(struct relocate *rl)
{
	const struct relocate *other;
	int err = 0;

	mutex_lock(&registry);
	list_for_each_entry(other, &devices, node)
		if (other->md != rl->md && shares_disks(rl, other))
			err = -EBUSY;
	if (!err)
		list_add_tail(&rl->node, &devices);
	mutex_unlock(&registry);
	return err;
}

static void delist(struct relocate *rl)
{
	mutex_lock(&registry);
	list_del_init(&rl->node);
	mutex_unlock(&registry);
}

/* There may be as few as one; a disk that is complete needs none. */
static int add_slots(struct relocate *rl)
{
	int err = 0;

	if (rl->meta.flags & RL_COMPLETE)
		return 0;
	while (rl->nr_slots < RL_SLOTS_MIN && !err)
		err = rl_slot_add(rl);
	return rl->nr_slots ? 0 : err;
}

static int start(struct relocate *rl, char **error)
{
	unsigned int noio = memalloc_noio_save();
	int err;

	mutex_lock(&rl->meta_lock);
	err = rl_meta_load(rl, error);
	if (!err) {
		*error = "No memory";
		err = add_slots(rl);
	}
	mutex_unlock(&rl->meta_lock);
	memalloc_noio_restore(noio);
	if (err) {
		cancel_delayed_work_sync(&rl->commit);
		rl_slots_free(rl);
		rl_meta_free(rl);
	}
	return err;
}

static int relocate_preresume(struct dm_target *ti)
{
	char *error = "DEST or META is in use by another device";
	struct relocate *rl = ti->private;
	int err;

	if (rl->is_started)
		return 0;
	err = enlist(rl);
	if (!err) {
		err = start(rl, &error);
		if (err)
			delist(rl);
	}
	rl->is_started = !err;
	if (err)
		DMERR("%s: %s: %d", rl->name, error, err);
	return err;
}

static void relocate_resume(struct dm_target *ti)
{
	struct relocate *rl = ti->private;

	spin_lock_irq(&rl->lock);
	rl->is_quiet = false;
	rl->is_suspended = false;
	rl->budget_ns = ktime_get_ns();
	spin_unlock_irq(&rl->lock);
	/* It may be complete, or become so with nothing left to do. */
	rl_commit_soon(rl);
	queue_delayed_work(rl->wq, &rl->tick, 0);
	rl_copy_kick(rl);
}

/* With noflush, device mapper takes what waits back; otherwise it waits for it. */
static void relocate_presuspend(struct dm_target *ti)
{
	struct relocate *rl = ti->private;

	spin_lock_irq(&rl->lock);
	rl->is_quiet = true;
	/* It needs no slot any more: there may be as few as one. */
	rl->is_copying = false;
	spin_unlock_irq(&rl->lock);
	if (!dm_noflush_suspending(ti))
		return;
	rl_io_requeue(rl);
	queue_work(rl->wq, &rl->work);
}

static void relocate_presuspend_undo(struct dm_target *ti)
{
	struct relocate *rl = ti->private;

	spin_lock_irq(&rl->lock);
	rl->is_quiet = false;
	spin_unlock_irq(&rl->lock);
	rl_copy_kick(rl);
}

static void relocate_postsuspend(struct dm_target *ti)
{
	struct relocate *rl = ti->private;

	quiesce(rl);
	mutex_lock(&rl->meta_lock);
	if (rl->mode == RL_MODE_WRITE && atomic_read(&rl->meta.unclean))
		rl_meta_commit(rl);
	mutex_unlock(&rl->meta_lock);
	cancel_delayed_work_sync(&rl->commit);
}

static int relocate_map(struct dm_target *ti, struct bio *bio)
{
	return rl_io_map(ti->private, bio);
}

static int relocate_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	return rl_io_end(ti->private, bio, error);
}

/* --- messages --- */

/* What was asked of the old one is asked of the new one. */
static int replace_source(struct relocate *rl, const char *path)
{
	struct rl_link *link = NULL;
	char *error;

	if (strcmp(path, "-")) {
		link = rl_link_open(path, rl->sectors, &error);
		if (IS_ERR(link)) {
			DMERR("%s: %s", rl->name, error);
			return PTR_ERR(link);
		}
		/* It would wait for itself. */
		if (link->bdev->bd_disk == dm_disk(rl->md)) {
			rl_link_put(link);
			return -EINVAL;
		}
	}
	spin_lock_irq(&rl->lock);
	/* A device that is complete needs none: what was opened is closed again. */
	if (!(rl->meta.flags & RL_COMPLETE)) {
		swap(rl->link, link);
		rl->failures = 0;
		rl->copy_after = jiffies;
		rl_give_up(rl);
	}
	spin_unlock_irq(&rl->lock);
	if (link)
		rl_link_put(link);
	queue_work(rl->wq, &rl->work);
	rl_copy_kick(rl);
	return 0;
}

static int add_one_range(struct relocate *rl, unsigned int list, const char *start,
			 const char *count)
{
	u64 sector, sectors, first, last;

	if (kstrtou64(start, 10, &sector) || kstrtou64(count, 10, &sectors) || !sectors ||
	    sector >= rl->sectors || sectors > rl->sectors - sector)
		return -EINVAL;
	first = sector >> rl->region_shift;
	last = (sector + sectors - 1) >> rl->region_shift;
	return rl_order_add(&rl->order, list, first, last - first + 1);
}

static int add_ranges(struct relocate *rl, unsigned int list, unsigned int argc, char **argv)
{
	unsigned int i;
	int err = 0;

	if (argc % 2 || !rl->order.has[list])
		return -EINVAL;
	if (rl->order.ended)
		return -EBUSY;
	for (i = 0; i < argc && !err; i += 2)
		err = add_one_range(rl, list, argv[i], argv[i + 1]);
	rl_order_begin(&rl->order);
	return err;
}

/* end LIST COUNT */
static int end_lists(struct relocate *rl, const char *list, const char *count)
{
	bool is_used = !strcasecmp(list, "used");
	u64 received;

	if ((!is_used && strcasecmp(list, "hot")) || kstrtou64(count, 10, &received))
		return -EINVAL;
	return rl_order_end(&rl->order, is_used ? RL_STAGE_USED : RL_STAGE_HOT, received);
}

static int set_number(const char *text, unsigned int max, unsigned int *value)
{
	unsigned int number;

	if (kstrtouint(text, 10, &number) || number > max)
		return -EINVAL;
	WRITE_ONCE(*value, number);
	return 0;
}

static int command(struct relocate *rl, unsigned int argc, char **argv)
{
	if (argc == 2 && !strcasecmp(argv[0], "rate"))
		return set_number(argv[1], RATE_MAX, &rl->args.rate);
	if (argc == 2 && !strcasecmp(argv[0], "fail_after"))
		return set_number(argv[1], FAIL_AFTER_MAX, &rl->args.fail_after);
	if (!strcasecmp(argv[0], "hot"))
		return add_ranges(rl, RL_STAGE_HOT, argc - 1, argv + 1);
	if (!strcasecmp(argv[0], "used"))
		return add_ranges(rl, RL_STAGE_USED, argc - 1, argv + 1);
	if (argc == 3 && !strcasecmp(argv[0], "end"))
		return end_lists(rl, argv[1], argv[2]);
	if (argc != 1)
		return -EINVAL;
	if (!strcasecmp(argv[0], "pause"))
		WRITE_ONCE(rl->is_paused, true);
	else if (!strcasecmp(argv[0], "resume"))
		WRITE_ONCE(rl->is_paused, false);
	else if (!strcasecmp(argv[0], "forget"))
		rl_order_forget(&rl->order);
	else
		return -EINVAL;
	return 0;
}

static int relocate_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct relocate *rl = ti->private;
	int err;

	if (!rl->is_started)
		return -ENXIO;
	/* To open it may take long, and the copier must not wait. */
	if (argc == 2 && !strcasecmp(argv[0], "source"))
		return replace_source(rl, argv[1]);
	mutex_lock(&rl->control);
	err = command(rl, argc, argv);
	mutex_unlock(&rl->control);
	if (!err)
		rl_copy_kick(rl);
	return err;
}

/* --- status --- */

static const char *stage_of(const struct relocate *rl)
{
	if (READ_ONCE(rl->meta.flags) & RL_COMPLETE)
		return "complete";
	return READ_ONCE(rl->is_paused) ? "pause" : READ_ONCE(rl->stage);
}

static const char *flags_of(const struct relocate *rl)
{
	static const char *const text[] = { "-", "complete", "written", "written,complete" };

	return text[READ_ONCE(rl->meta.flags) & RL_FLAGS];
}

/* Takes rl->lock only: SOURCE, DEST or META may hang. */
static void emit_info(struct relocate *rl, char *result, unsigned int maxlen)
{
	unsigned int waiting, busy, slots, sz = 0;
	u64 present, source;
	struct rl_counts counts;

	spin_lock_irq(&rl->lock);
	counts = rl->counts;
	present = rl->map.nr_present;
	source = rl->source_sectors / 2;
	waiting = rl->nr_waiting;
	slots = rl->nr_slots;
	busy = slots - rl->nr_idle;
	spin_unlock_irq(&rl->lock);
	DMEMIT("%s %s %u %llu/%llu %llu %llu %llu %llu %llu %u %u %u %s %llu %s",
	       READ_ONCE(rl->mode) == RL_MODE_WRITE ? "rw" : "ro", stage_of(rl),
	       (1U << rl->region_shift) / 2, present, rl->map.nr_regions, counts.demand,
	       counts.copied, counts.written, counts.zeroed, source, waiting, busy, slots,
	       rl_source_state(rl), READ_ONCE(rl->meta.seq), flags_of(rl));
	if (READ_ONCE(rl->mode) == RL_MODE_FAILED)
		DMEMIT(" %s", rl->reason);
}

static void emit_order(const bool *has, char *result, unsigned int maxlen, unsigned int *size)
{
	unsigned int sz = *size;

	DMEMIT(" order %s%s%s", has[RL_STAGE_HOT] ? "hot" : "",
	       has[RL_STAGE_USED] ? has[RL_STAGE_HOT] ? ",used" : "used" : "",
	       has[RL_STAGE_REST] ?
	       has[RL_STAGE_HOT] || has[RL_STAGE_USED] ? ",rest" : "rest" : "");
	*size = sz;
}

static void emit_table(struct relocate *rl, char *result, unsigned int maxlen)
{
	const struct rl_args *args = &rl->args;
	char source[24] = "-";
	unsigned int sz = 0;

	spin_lock_irq(&rl->lock);
	if (rl->link)
		snprintf(source, sizeof(source), "%u:%u", MAJOR(rl->link->bdev->bd_dev),
			 MINOR(rl->link->bdev->bd_dev));
	spin_unlock_irq(&rl->lock);
	DMEMIT("%s %s %s 14 region %u", rl->dest_dev->name, source, rl->meta_dev->name,
	       (1U << rl->region_shift) / 2);
	emit_order(args->has, result, maxlen, &sz);
	DMEMIT(" rate %u window %u fetch %u ahead %u fail_after %u", args->rate, args->window,
	       args->fetch_sectors / 2, args->ahead_sectors / 2, args->fail_after);
}

static void relocate_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			    char *result, unsigned int maxlen)
{
	if (type == STATUSTYPE_INFO)
		emit_info(ti->private, result, maxlen);
	else if (type == STATUSTYPE_TABLE)
		emit_table(ti->private, result, maxlen);
	else
		*result = '\0';
}

/* Not DEST: see ioctl.c. */
static DM_PREPARE_IOCTL(relocate_prepare_ioctl)
{
	struct relocate *rl = ti->private;

	*bdev = rl->stand_in->part0;
	return 0;
}

static int relocate_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				    void *data)
{
	struct relocate *rl = ti->private;

	return fn(ti, rl->dest_dev, 0, ti->len, data);
}

static void relocate_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct relocate *rl = ti->private;

	limits->discard_granularity = 1U << (rl->region_shift + SECTOR_SHIFT);
	limits->discard_alignment = 0;
	limits->max_hw_discard_sectors = RL_WORD_REGIONS << rl->region_shift;
	limits->max_discard_sectors = limits->max_hw_discard_sectors;
}

struct target_type rl_target_type = {
	.name = "relocate",
	.version = { 1, 0, 0 },
	.module = THIS_MODULE,
	.ctr = relocate_ctr,
	.dtr = relocate_dtr,
	.map = relocate_map,
	.end_io = relocate_end_io,
	.presuspend = relocate_presuspend,
	.presuspend_undo = relocate_presuspend_undo,
	.postsuspend = relocate_postsuspend,
	.preresume = relocate_preresume,
	.resume = relocate_resume,
	.status = relocate_status,
	.message = relocate_message,
	.prepare_ioctl = relocate_prepare_ioctl,
	.iterate_devices = relocate_iterate_devices,
	.io_hints = relocate_io_hints,
};

MODULE_ALIAS("dm-relocate");
