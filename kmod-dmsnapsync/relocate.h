/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the targets relocate and relocate-source share;
 * Documentation/relocate.md draws it. Prototypes are grouped by the file that
 * holds them.
 */
#ifndef KMOD_DMSNAPSYNC_RELOCATE_H
#define KMOD_DMSNAPSYNC_RELOCATE_H

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/sizes.h>
#include <uapi/lparkit/relocate.h>
#include "snapsync.h"

#undef DM_MSG_PREFIX
#define DM_MSG_PREFIX "relocate"

#define RL_BUCKETS	1024

/* Read from SOURCE at once, unless a region is larger. */
#define RL_SLOT_BYTES	SZ_1M

/* Slots from the start, and those that are never the copier's. */
#define RL_SLOTS_MIN	8
#define RL_SLOTS_KEPT	4

/* Ranges in each list. */
#define RL_RANGES_MAX	1048576

/* Sequential readers that are told apart. */
#define RL_STREAMS	8

#define RL_STATUS_MAX	256

/**
 * struct rl_map - which regions are on DEST
 * @nr_regions: of the device
 * @nr_words: of 64 regions
 * @word: a bit for each region, only ever set; without a lock for reading
 * @nr_present: bits set; under rl->lock
 */
struct rl_map {
	u64 nr_regions;
	u64 nr_words;
	u64 *word;
	u64 nr_present;
};

/* What is under way, and whether it may be taken out of a mask. */
enum rl_kind {
	RL_NOTHING,
	RL_FETCH = BIT(0),	/* SOURCE is read: regions may be taken out */
	RL_FILL = BIT(1),	/* DEST is written by us */
	RL_WRITE = BIT(2),	/* DEST is written by the guest */
	RL_ANY = RL_FETCH | RL_FILL | RL_WRITE,
};

/**
 * struct rl_op - what is under way in a word
 * @node: in its bucket
 * @word: number of the word
 * @mask: regions that it makes present
 * @span: regions that SOURCE sends; a superset
 * @need: those of @mask that somebody waits for
 * @kind: what
 */
struct rl_op {
	struct hlist_node node;
	u64 word;
	u64 mask;
	u64 span;
	u64 need;
	enum rl_kind kind;
};

/**
 * struct rl_ops - all of them
 * @bucket: by word
 */
struct rl_ops {
	struct hlist_head bucket[RL_BUCKETS];
};

/**
 * struct rl_extent - what a bio covers
 * @word: number of the word
 * @touched: regions
 * @whole: those of them that it covers from end to end
 */
struct rl_extent {
	u64 word;
	u64 touched;
	u64 whole;
};

/**
 * struct rl_range - regions to be copied
 * @first: region
 * @count: of regions
 */
struct rl_range {
	u64 first;
	u64 count;
};

/**
 * struct rl_list - ranges, in the order in which they are to be copied
 * @range: array
 * @nr: in use
 * @size: of the array
 * @received: that were added, whether they are one with the last or not
 */
struct rl_list {
	struct rl_range *range;
	u32 nr;
	u32 size;
	u64 received;
};

enum rl_stage {
	RL_STAGE_HOT,
	RL_STAGE_USED,
	RL_STAGE_REST,
	RL_STAGE_ZERO,
	RL_STAGE_WAIT,		/* for "end" */
};

/**
 * struct rl_order - what the copier brings next
 * @list: hot, used
 * @has: which stages the table names
 * @ended: the lists are complete
 * @stage: of this pass
 * @index: range of the list
 * @at: region, in the list's range or of the device
 * @found: something absent in this pass
 */
struct rl_order {
	struct rl_list list[2];
	bool has[3];
	bool ended;
	enum rl_stage stage;
	u32 index;
	u64 at;
	bool found;
};

/**
 * struct rl_ahead - in front of a sequential reader
 * @stream: where each of them is expected next
 * @oldest: of @stream, to be used again
 * @regions: how far
 * @at: the copier goes on here
 * @end: first region behind
 * @mark: word that, when it is read, moves @end on; without a lock for reading
 */
struct rl_ahead {
	struct rl_stream {
		u64 from;
		u64 to;
	} stream[RL_STREAMS];
	unsigned int oldest;
	u64 regions;
	u64 at;
	u64 end;
	u64 mark;
};

/**
 * struct rl_meter - how long something took
 * @sum_ns: since it was last read
 * @count: of what took that long
 */
struct rl_meter {
	atomic64_t sum_ns;
	atomic_t count;
};

enum { RL_METER_DEST, RL_METER_FETCH, RL_METERS };

/**
 * struct rl_pace - how many slots the copier may use
 * @slots: that many
 * @best_ns: of what is measured
 */
struct rl_pace {
	unsigned int slots;
	u64 best_ns[RL_METERS];
};

/**
 * struct rl_link - SOURCE
 * @ref: the device and each read have one
 * @file: it is open
 * @bdev: disk
 * @wq: submits reads, which may block
 * @release: closes it
 */
struct rl_link {
	struct kref ref;
	struct file *file;
	struct block_device *bdev;
	struct workqueue_struct *wq;
	struct work_struct release;
};

enum rl_phase {
	RL_IDLE,
	RL_READING,		/* is SOURCE's, and may outlive the device */
	RL_ARRIVED,
	RL_RETRY,
	RL_FILLING,
	RL_ZEROING,
};

/**
 * struct rl_slot - a fetch, or what it needs
 * @node: in rl->idle or rl->busy
 * @lock: guards @rl and @phase when the read ends
 * @rl: whose; NULL when SOURCE did not answer in time
 * @link: while SOURCE is read
 * @op: regions
 * @phase: what is being done
 * @demand: somebody waited when it began
 * @tries: that failed
 * @retry_at: jiffies, in that phase
 * @since: jiffies when the read began
 * @start_ns: the same, for the meter
 * @sector: first one of the read
 * @sectors: length of the read
 * @todo: regions still to be written to DEST
 * @doing: that are being written
 * @done: that were
 * @readers: bios that get the data
 * @submit: on link->wq
 * @work: on rl->wq: a step is over
 * @status: of the read
 * @bio: of the read, then of each write
 * @nr_pages: length of @pages
 * @vecs: of @bio
 * @pages: data
 */
struct rl_slot {
	struct list_head node;
	spinlock_t lock;	/* rl, phase */
	struct relocate *rl;
	struct rl_link *link;
	struct rl_op op;
	enum rl_phase phase;
	bool demand;
	unsigned int tries;
	unsigned long retry_at;
	unsigned long since;
	u64 start_ns;
	sector_t sector;
	unsigned int sectors;
	u64 todo;
	u64 doing;
	u64 done;
	struct bio_list readers;
	struct work_struct submit;
	struct work_struct work;
	blk_status_t status;
	struct bio bio;
	unsigned int nr_pages;
	struct bio_vec *vecs;
	struct page *pages[];
};

/**
 * struct rl_bio - what a bio of the device carries
 * @op: while it writes absent regions
 * @since: jiffies when it came
 * @start_ns: when it went to DEST
 * @commit: its end waits for a commit
 * @hint: a discard: if DEST knows none, that is no error
 */
struct rl_bio {
	struct rl_op op;
	unsigned long since;
	u64 start_ns;
	bool commit;
	bool hint;
};

/**
 * struct rl_args - what a table says
 * @region_sectors: 0 = as formatted, or the default
 * @has: stages of the order
 * @rate: of the copier, MiB/s, 0 = no limit
 * @window: MiB in flight
 * @fetch_sectors: least fetch
 * @ahead_sectors: in front of a sequential reader
 * @fail_after: ms, 0 = never
 */
struct rl_args {
	unsigned int region_sectors;
	bool has[3];
	unsigned int rate;
	unsigned int window;
	unsigned int fetch_sectors;
	unsigned int ahead_sectors;
	unsigned int fail_after;
};

enum rl_mode {
	RL_MODE_NONE,		/* META was not read */
	RL_MODE_WRITE,
	RL_MODE_FAILED,		/* the map cannot be written any more */
};

/**
 * struct rl_meta - META, and what differs from it
 * @bdev: disk
 * @io: metadata I/O
 * @buffer: of a batch
 * @uuid: of META
 * @nr_blocks: map blocks
 * @seq: last transaction that committed
 * @digest: of the blocks that count
 * @block_seq: transaction of the slot that counts, 0 = never written
 * @current_slot: a bit for each block
 * @dirty: a bit for each block, and one for the superblock
 * @unclean: bits in @dirty, and what is being committed
 * @flags: RL_COMPLETE, RL_WRITTEN; under rl->lock
 * @is_damaged: a superblock was lost
 * @flushes: bios that wait for the next commit; under rl->lock
 */
struct rl_meta {
	struct block_device *bdev;
	struct dm_io_client *io;
	void *buffer;
	u8 uuid[SS_UUID_SIZE];
	u32 nr_blocks;
	u64 seq;
	u64 digest;
	u64 *block_seq;
	unsigned long *current_slot;
	unsigned long *dirty;
	atomic_t unclean;
	u32 flags;
	bool is_damaged;
	struct bio_list flushes;
};

/* Regions that became present, since the table was resumed. */
struct rl_counts {
	u64 demand;
	u64 copied;
	u64 written;
	u64 zeroed;
};

/**
 * struct relocate - a table
 * @node: in the registry
 * @ti: target
 * @md: mapped device
 * @name: of it, for the log
 * @dest_dev: DEST
 * @meta_dev: META
 * @dest: DEST
 * @stand_in: what ioctls reach
 * @args: of the table
 * @is_started: META was read, it is in the registry
 * @control: messages, order
 * @meta_lock: commit
 * @mode: may the map be written?
 * @reason: why not
 * @sectors: size of the device
 * @region_shift: log2 of the sectors of a region
 * @slot_regions: the most that a slot takes
 * @fetch_regions: the least, for a reader
 * @map: regions
 * @meta: META
 *
 * @lock: innermost but for slot->lock: all from here to @silent
 * @ops: what is under way
 * @waiting: bios that wait for the end of something in their bucket
 * @deferred: bios to be looked at again
 * @starved: bios that wait for a slot
 * @nr_waiting: bios in @waiting, @starved and slots
 * @link: SOURCE, NULL = none
 * @idle: slots
 * @busy: slots
 * @nr_idle: slots in @idle
 * @nr_slots: in both lists
 * @max_slots: by the window
 * @nr_copying: the copier's
 * @is_quiet: nothing is begun in the background
 * @is_suspended: nothing is begun at all
 * @is_copying: there is something for the copier: it may claim a slot
 * @ahead: read-ahead
 * @counts: for status
 * @source_sectors: read from SOURCE
 * @failures: of SOURCE, since the last success
 * @copy_regions: that the copier fetches at once
 * @copy_after: jiffies before which the copier pauses
 * @silent: SOURCE does not answer
 *
 * @order: under @control
 * @is_paused: by a message; under @control
 * @stage: of the copier, for status
 * @pace: tick
 * @meters: what the guest waits for
 * @budget: bytes that @rate leaves to the copier
 * @budget_ns: when it was last counted
 * @idled: a slot became idle
 * @wq: everything below, and slots
 * @work: deferred bios
 * @copy: the copier
 * @commit: a second after a bit was set, or now
 * @tick: each 100 ms
 * @event: for who waits for device mapper's event
 */
struct relocate {
	struct list_head node;
	struct dm_target *ti;
	struct mapped_device *md;
	char name[SS_NAME_MAX + 1];
	struct dm_dev *dest_dev;
	struct dm_dev *meta_dev;
	struct block_device *dest;
	struct gendisk *stand_in;
	struct rl_args args;
	bool is_started;
	struct mutex control;	/* order, pause */
	struct mutex meta_lock;	/* commit */
	enum rl_mode mode;
	char reason[SS_REASON_MAX + 1];
	sector_t sectors;
	unsigned int region_shift;
	unsigned int slot_regions;
	unsigned int fetch_regions;
	struct rl_map map;
	struct rl_meta meta;

	spinlock_t lock;	/* what follows */
	struct rl_ops ops;
	struct bio_list waiting[RL_BUCKETS];
	struct bio_list deferred;
	struct bio_list starved;
	unsigned int nr_waiting;
	struct rl_link *link;
	struct list_head idle;
	struct list_head busy;
	unsigned int nr_idle;
	unsigned int nr_slots;
	unsigned int max_slots;
	unsigned int nr_copying;
	bool is_quiet;
	bool is_suspended;
	bool is_copying;
	struct rl_ahead ahead;
	struct rl_counts counts;
	u64 source_sectors;
	unsigned int failures;
	unsigned int copy_regions;
	unsigned long copy_after;
	bool silent;

	struct rl_order order;
	bool is_paused;
	const char *stage;
	struct rl_pace pace;
	struct rl_meter meters[RL_METERS];
	s64 budget;
	u64 budget_ns;
	wait_queue_head_t idled;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct work_struct copy;
	struct delayed_work commit;
	struct delayed_work tick;
	struct work_struct event;
};

/* relocate_map.c */
int rl_map_init(struct rl_map *map, u64 nr_regions);
void rl_map_exit(struct rl_map *map);
u64 rl_map_word(const struct rl_map *map, u64 word);
u64 rl_map_absent(const struct rl_map *map, u64 word);
unsigned int rl_map_set(struct rl_map *map, u64 word, u64 mask);
u64 rl_run(u64 mask, unsigned int from);
u64 rl_expand(u64 candidates, u64 run, unsigned int unit, unsigned int limit);
void rl_extent_of(struct rl_extent *extent, unsigned int region_shift, sector_t device_sectors,
		  sector_t sector, unsigned int sectors);
unsigned int rl_bucket_of(u64 word);
void rl_op_begin(struct rl_ops *ops, struct rl_op *op);
void rl_op_end(struct rl_op *op);
u64 rl_ops_mask(const struct rl_ops *ops, u64 word, unsigned int kinds);
void rl_ops_cancel(struct rl_ops *ops, u64 word, u64 mask);
void rl_ops_need(struct rl_ops *ops, u64 word, u64 mask);
struct rl_op *rl_ops_covering(struct rl_ops *ops, u64 word, u64 touched);

/* relocate_order.c */
void rl_order_begin(struct rl_order *order);
int rl_order_add(struct rl_order *order, unsigned int list, u64 first, u64 count);
int rl_order_end(struct rl_order *order, unsigned int list, u64 received);
void rl_order_forget(struct rl_order *order);
bool rl_order_next(struct rl_order *order, const struct rl_map *map, unsigned int limit,
		   u64 *word, u64 *mask);
void rl_ahead_init(struct rl_ahead *ahead, u64 regions);
bool rl_ahead_note(struct rl_ahead *ahead, u64 first, u64 end);
void rl_ahead_extend(struct rl_ahead *ahead);
bool rl_ahead_next(struct rl_ahead *ahead, const struct rl_map *map, unsigned int limit,
		   u64 *word, u64 *mask);
void rl_pace_step(struct rl_pace *pace, unsigned int max, const u64 *mean_ns);

/* relocate_link.c */
int rl_links_init(void);
void rl_links_exit(void);
struct rl_link *rl_link_open(const char *path, sector_t sectors, char **error);
void rl_link_get(struct rl_link *link);
void rl_link_put(struct rl_link *link);

/* relocate_fetch.c */
int rl_slot_add(struct relocate *rl);
void rl_slots_free(struct relocate *rl);
struct rl_slot *rl_slot_take(struct relocate *rl, bool demand);
void rl_slot_release(struct relocate *rl, struct rl_slot *slot);
void rl_fetch(struct relocate *rl, struct rl_slot *slot, u64 word, u64 mask, u64 need);
void rl_zero(struct relocate *rl, struct rl_slot *slot, u64 word, u64 mask);
void rl_wake_readers(struct relocate *rl, u64 word);
void rl_retry(struct relocate *rl);
void rl_give_up(struct relocate *rl);
bool rl_is_idle(struct relocate *rl);
void rl_present(struct relocate *rl, u64 word, u64 mask, u64 *count);
void rl_end_op(struct relocate *rl, struct rl_op *op);

/* relocate_io.c */
int rl_io_map(struct relocate *rl, struct bio *bio);
int rl_io_end(struct relocate *rl, struct bio *bio, blk_status_t *error);
void rl_io_work(struct work_struct *work);
void rl_io_defer_starved(struct relocate *rl, u64 word);
void rl_io_pick_hopeless(struct relocate *rl, u64 word, u64 mask, struct bio_list *hopeless);
void rl_io_overdue(struct relocate *rl);
void rl_io_requeue(struct relocate *rl);
void rl_io_end_all(struct bio_list *bios, blk_status_t status);
struct rl_bio *rl_bio_of(struct bio *bio);

/* relocate_copy.c */
void rl_copy_work(struct work_struct *work);
void rl_copy_kick(struct relocate *rl);
void rl_tick_work(struct work_struct *work);
const char *rl_source_state(const struct relocate *rl);

/* relocate_meta.c */
int rl_meta_look(struct relocate *rl, char **error);
int rl_meta_load(struct relocate *rl, char **error);
void rl_meta_free(struct relocate *rl);
void rl_meta_announce(struct relocate *rl);
void rl_meta_mark(struct relocate *rl, u32 block);
void rl_meta_flag(struct relocate *rl, u32 flag);
int rl_meta_commit(struct relocate *rl);
void rl_commit_work(struct work_struct *work);
void rl_commit_soon(struct relocate *rl);

/* relocate.c, relocate_count.c */
void rl_event(struct relocate *rl);
extern struct target_type rl_target_type;
extern struct target_type rl_source_type;

#endif /* KMOD_DMSNAPSYNC_RELOCATE_H */
