/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of dm-snapsync.ko share; Documentation/snapsync.md draws it.
 * Prototypes are grouped by the file that holds them.
 */
#ifndef KMOD_DMSNAPSYNC_SNAPSYNC_H
#define KMOD_DMSNAPSYNC_SNAPSYNC_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/crc32c.h>
#include <linux/device-mapper.h>
#include <linux/dm-io.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <lparkit/snapsync_format.h>

#include "table.h"

#define DM_MSG_PREFIX "snapsync"

/* Blocks in one batch of metadata I/O; their buffer is there from the start. */
#define SS_BATCH	64

/* Versions that a discard has emptied, and that are freed together. */
#define SS_EMPTIED_MAX	64

/*
 * Memory that a write waits for may be what the write is to free, when it is
 * for swap: what cannot be had soon is not waited for.
 */
#define SS_GFP		(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

/* Chunks ready for use without a look at the map of free ones. */
#define SS_RESERVE	4096

#define SS_REASON_MAX	63

/* A status line. */
#define SS_STATUS_MAX	384

/**
 * struct ss_layer - a layer of the tree
 * @name: of the state, empty if it is none
 * @note: free text
 * @txn: of the take
 * @coordinator: store that decides about @txn; of what was received, that of the volume that was
 *	taken
 * @time: CLOCK_REALTIME of the take, ns
 * @parent: layer below, 0 = BASE
 * @flags: SS_LAYER_...
 * @nr_views: open views
 * @count: versions that it owns, data and zero
 *
 * Under volume->meta, but for @parent and @flags of a layer that starts to run
 * (closed gate) and @count.
 */
struct ss_layer {
	char name[SS_NAME_MAX + 1];
	char note[SS_NOTE_MAX + 1];
	u8 txn[SS_UUID_SIZE];
	u8 coordinator[SS_UUID_SIZE];
	u64 time;
	u32 parent;
	u32 flags;
	unsigned int nr_views;
	atomic_t count[2];
};

/**
 * struct ss_group - volumes that are cut together
 * @ref: volumes and cut points hold one each
 * @node: in the registry, if it has a name
 * @name: empty for the own group of a volume
 * @op: one operation on states at a time
 * @closing: held by who closes the gate
 * @gate: a lock per CPU
 * @volumes: members; changed with the gate closed and @op held
 */
struct ss_group {
	struct kref ref;
	struct list_head node;
	char name[SS_NAME_MAX + 1];
	struct mutex op;	/* one at a time */
	raw_spinlock_t closing;
	raw_spinlock_t __percpu *gate;
	struct list_head volumes;
};

/**
 * struct ss_next - what a restore is about to run
 * @line: of @layer, in volume->views; the former one once that runs
 * @layer: not in the tree yet, 0 = none
 * @parent: the state
 */
struct ss_next {
	struct ss_line *line;
	u32 layer;
	u32 parent;
};

/**
 * struct ss_traffic - bios of a CPU
 * @inflight: those that it mapped to STORE less those that ended here, by phase
 * @written: sectors that were written, zeroed or discarded here
 */
struct ss_traffic {
	long inflight[2];
	u64 written;
};

enum ss_mode {
	SS_MODE_NONE,		/* nothing is loaded */
	SS_MODE_WRITE,
	SS_MODE_READ_ONLY,	/* by its table, or metadata cannot be written any more */
	SS_MODE_RETIRED,	/* without a table; equals the disk, but for who else writes it */
};

/**
 * struct ss_volume - a volume, shared by the tables that show it
 * @ref: tables of snapsync and snapsync-view, cut points
 * @node: in the registry, as long as there are tables or views
 * @group_node: in group->volumes
 * @group: set once
 * @is_member: of @group; under ss_registry, group->op and the gate
 * @md: mapped device that runs it, NULL when only views do; under ss_registry
 * @nr_tables: tables of @md; under ss_registry
 * @nr_views: tables of views; under ss_registry
 * @is_retiring: the last table goes; under ss_registry
 * @writes_base: a state is being merged; under ss_registry
 * @read_only: by its table
 * @name: of the mapped device when the volume was set up, for the log
 * @base: disk below
 * @store: disk with data and metadata
 * @ti: table in use, for events; under @ti_lock
 * @ti_lock: innermost but for device mapper's own
 * @uuid: of the store
 * @origin: what states that are taken here are known by elsewhere: @uuid, unless it was salvaged
 * @chunk_sectors: size of a chunk
 * @chunk_shift: log2 of it
 * @volume_sectors: size of the volume; @meta, and in use it only grows
 * @nr_chunks: of the volume
 * @store_sectors: size of STORE that is in use
 * @nr_versions: chunks of data on STORE
 * @table: versions
 *
 * @layers: by number, NULL = free; pointers under @meta
 * @running: layer that takes writes; gate
 * @line: of the running layer; gate
 * @committing: running layer of the transaction that is being written; @meta
 * @spare: layer that the next cut starts; gate. 0 = none
 * @cut_layer: layer that a cut froze and that is not named yet; gate
 * @cut_time: CLOCK_REALTIME of that
 * @next_gen: gate
 * @restores: how often a state was restored since activation; group->op
 * @next: under group->op
 *
 * @phase: counts new bios; gate
 * @traffic: bios under way to STORE, and what was written since activation; gate
 * @drained: woken when one ends while somebody waits
 *
 * @meta: layers, removals, commit
 * @mode: may it be written?
 * @reason: why not
 * @writable_base: a state may be merged into BASE
 * @has_other_base: BASE is not the one that STORE belongs to, but was wanted
 * @knows_base: @sample is known
 * @sample: of BASE, as in the superblock
 * @seq: last transaction that committed
 * @super: its superblock
 * @passed_over: number of the newest one, if its transaction was not whole; otherwise 0
 * @at_once: its superblock was written with its blocks
 * @io: metadata I/O
 * @buffer: of a batch
 * @current_slot: by kind, a bit for each metadata block
 * @block_seq: by kind, the transaction that wrote that slot
 * @digest: of all blocks in use, as ss_block_digest()
 * @dirty: by kind, a bit for each metadata block
 * @nr_blocks: by kind, metadata blocks that are in use on disk
 * @max_blocks: by kind, those that there is place for
 * @unclean: metadata blocks that differ from the disk
 *
 * @used: by kind, a bit for each version that is not free
 * @nr_free: by kind, versions not in @used
 * @cursor: by kind, no version below is free
 * @freed: list of versions freed in this transaction, linked by @next
 * @emptied: versions that were discarded in pieces
 * @nr_emptied: their number; @meta, and under the lock of its chunk when one is noted
 * @emptied_are_used: a write to one of them has begun
 * @reserve_lock: guards @reserve, @reserve_first, @reserve_last
 * @reserve: ring of data versions that are ready for use
 * @reserve_first: next to be taken
 * @reserve_last: next to be filled
 * @low_water: event when there are fewer free chunks
 * @hold_ms: how long writes are held on a full store
 * @held_since: jiffies at which space was last added or first missed
 * @is_low: event was sent
 * @is_full: time to hold is over, writes that need space fail
 * @is_suspending: held writes go back to device mapper; under @bio_lock
 * @is_paused: suspended: nothing is written in the background
 *
 * @bio_lock: guards the lists and @status
 * @status: the last status line
 * @deferred: bios for the worker
 * @held: writes that wait for space
 * @flushes: wait for the next commit
 * @wq: ordered, so that work and commits do not overlap
 * @work: deferred bios, reserve, reaper, hash growth, urgent commits
 * @commit_work: a second after a block became dirty
 * @hold_work: when writes have been held for long enough
 * @reap_asked: how often there may have been something to free
 * @reap_seen: @reap_asked when this pass of the reaper began
 * @reap_done: @reap_seen of the last pass that left nothing to do
 * @reaping: layers that this pass of the reaper looks at
 * @reap_place: where it goes on
 * @fates: of layers, in this step
 * @line_end: the first layer of those that are its only child, that child's, and so on, which
 *	stays; itself, if it does; 0 if none does
 * @reap_progress: it freed or moved something
 * @merge_place: where the merge goes on
 * @merge_line: layers that go into BASE
 * @merge_failed: BASE or STORE; a new "merge" tries again
 * @views: lines of open views, and of a restore to come
 */
struct ss_volume {
	struct kref ref;
	struct list_head node;
	struct list_head group_node;
	struct ss_group *group;
	bool is_member;
	struct mapped_device *md;
	unsigned int nr_tables;
	unsigned int nr_views;
	bool is_retiring;
	bool writes_base;
	bool read_only;
	char name[SS_NAME_MAX + 1];
	struct block_device *base;
	struct block_device *store;
	struct dm_target *ti;
	struct mutex ti_lock;	/* the table for events */
	u8 uuid[SS_UUID_SIZE];
	u8 origin[SS_UUID_SIZE];
	unsigned int chunk_sectors;
	unsigned int chunk_shift;
	sector_t volume_sectors;
	u64 nr_chunks;
	sector_t store_sectors;
	u32 nr_versions;
	struct ss_table table;

	struct ss_layer *layers[SS_LAYERS_MAX];
	u32 running;
	struct ss_line *line;
	u32 committing;
	u32 spare;
	u32 cut_layer;
	ktime_t cut_time;
	u64 next_gen;
	struct ss_next next;
	u64 restores;

	unsigned int phase;
	struct ss_traffic __percpu *traffic;
	wait_queue_head_t drained;

	struct mutex meta;	/* layers, removals, commit */
	enum ss_mode mode;
	char reason[SS_REASON_MAX + 1];
	bool writable_base;
	bool has_other_base;
	bool knows_base;
	u32 sample[SS_SAMPLES];
	u64 seq;
	struct ss_super super;
	u64 passed_over;
	bool at_once;
	struct dm_io_client *io;
	void *buffer;
	unsigned long *current_slot[SS_KINDS];
	u64 *block_seq[SS_KINDS];
	u64 digest;
	unsigned long *dirty[SS_KINDS];
	u32 nr_blocks[SS_KINDS];
	u32 max_blocks[SS_KINDS];
	atomic_t unclean;

	unsigned long *used[2];
	u32 nr_free[2];
	u32 cursor[2];
	u32 freed;
	u32 emptied[SS_EMPTIED_MAX];
	unsigned int nr_emptied;
	bool emptied_are_used;
	raw_spinlock_t reserve_lock;
	u32 reserve[SS_RESERVE];
	unsigned int reserve_first;
	unsigned int reserve_last;
	u32 low_water;
	unsigned int hold_ms;
	unsigned long held_since;
	bool is_low;
	bool is_full;
	bool is_suspending;
	bool is_paused;

	spinlock_t bio_lock;	/* the lists below, the status line */
	char status[SS_STATUS_MAX];
	struct bio_list deferred;
	struct bio_list held;
	struct bio_list flushes;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct delayed_work commit_work;
	struct delayed_work hold_work;
	u32 reap_asked;
	u32 reap_seen;
	u32 reap_done;
	DECLARE_BITMAP(reaping, SS_LAYERS_MAX);
	u64 reap_place;
	u16 fates[SS_LAYERS_MAX];
	u16 line_end[SS_LAYERS_MAX];
	bool reap_progress;
	u64 merge_place;
	struct ss_line merge_line;
	bool merge_failed;
	struct list_head views;
};

/**
 * struct ss_bio - what a bio of either target carries
 * @sector: of the volume, of a write
 * @sectors: length
 * @version: of its first chunk
 * @phase: that counts it
 * @counted: it is under way
 * @fresh: its end makes sectors valid
 * @commit: its end waits for a commit
 */
struct ss_bio {
	sector_t sector;
	unsigned int sectors;
	u32 version;
	u8 phase;
	bool counted;
	bool fresh;
	bool commit;
};

/* Is anything only in memory, or the last transaction to be confirmed by another? */
static inline bool ss_has_to_commit(const struct ss_volume *volume)
{
	return atomic_read(&volume->unclean) || volume->at_once;
}

/* The first chunk that a sector lies in. */
static inline u32 ss_chunk_of(const struct ss_volume *volume, sector_t sector)
{
	return sector >> volume->chunk_shift;
}

/* Where in its chunk it lies. */
static inline unsigned int ss_offset_of(const struct ss_volume *volume, sector_t sector)
{
	return sector & (volume->chunk_sectors - 1);
}

/* cut.c */
int ss_cut_init(void);
void ss_cut_exit(void);

/* group.c */
struct ss_group *ss_group_get(const char *name);
struct ss_group *ss_group_find(const char *name);
void ss_group_put(struct ss_group *group);
int ss_group_join(struct ss_group *group, struct ss_volume *volume);
void ss_group_leave(struct ss_volume *volume);
void ss_group_settle(struct ss_group *group);
void ss_provide_spare(struct ss_volume *volume);
int ss_group_take(struct ss_group *group, const char *name, const char *note);
int ss_group_cut(struct ss_group *group);
int ss_group_finish_cut(struct ss_group *group, const char *name, const char *note, int count);
unsigned long ss_gate_close(struct ss_group *group);
void ss_gate_open(struct ss_group *group, unsigned long flags);
u32 ss_running(struct ss_volume *volume);

/**
 * ss_gate_enter() - keep cuts out
 * @group: of the volume
 *
 * Context: any; interrupts are off until ss_gate_leave().
 * Return: for ss_gate_leave().
 */
static inline unsigned long ss_gate_enter(struct ss_group *group)
	__acquires(this_cpu_ptr(group->gate))
{
	unsigned long flags;

	local_irq_save(flags);
	raw_spin_lock(this_cpu_ptr(group->gate));
	return flags;
}

/**
 * ss_gate_leave() - the reverse
 * @group: of the volume
 * @flags: of ss_gate_enter()
 */
static inline void ss_gate_leave(struct ss_group *group, unsigned long flags)
	__releases(this_cpu_ptr(group->gate))
{
	raw_spin_unlock(this_cpu_ptr(group->gate));
	local_irq_restore(flags);
}

/* volume.c */
extern struct mutex ss_registry;
struct ss_volume_args;
struct ss_volume *ss_volume_get(struct dm_target *ti, struct ss_volume_args *args, char **error);
int ss_volume_start(struct ss_volume *volume, const struct ss_volume_args *args);
void ss_target_name(const struct dm_target *ti, char *text);
struct ss_volume *ss_volume_find(dev_t dev);
void ss_volume_forget(struct ss_volume *volume);
bool ss_volume_claim_base(struct ss_volume *volume);
void ss_volume_leave_base(struct ss_volume *volume);
void ss_volume_name(struct ss_volume *volume, char *name, size_t size);
void ss_volume_ref(struct ss_volume *volume);
void ss_volume_put(struct ss_volume *volume);
void ss_volume_detach(struct ss_volume *volume, struct dm_target *ti);
void ss_volume_attach(struct ss_volume *volume, struct dm_target *ti,
		      const struct ss_volume_args *args);
void ss_volume_event(struct ss_volume *volume);
void ss_volume_kick(struct ss_volume *volume);
unsigned int ss_meta_lock(struct ss_volume *volume);
void ss_meta_unlock(struct ss_volume *volume, unsigned int noio);
void ss_drain(struct ss_volume *volume);
void ss_volume_flush(struct ss_volume *volume);
u64 ss_written(const struct ss_volume *volume);

/**
 * ss_count_bio() - a bio to STORE is under way
 * @volume: volume
 * @sb: its data
 *
 * Context: with the gate entered.
 */
static inline void ss_count_bio(struct ss_volume *volume, struct ss_bio *sb)
{
	sb->counted = true;
	sb->phase = volume->phase;
	this_cpu_inc(volume->traffic->inflight[sb->phase]);
}

/**
 * ss_uncount_bio() - it has ended
 * @volume: volume
 * @sb: its data
 *
 * Context: any.
 */
static inline void ss_uncount_bio(struct ss_volume *volume, struct ss_bio *sb)
{
	sb->counted = false;
	this_cpu_dec(volume->traffic->inflight[sb->phase]);
	if (wq_has_sleeper(&volume->drained))
		wake_up(&volume->drained);
}

/**
 * ss_count_written() - what runs is no longer what it was
 * @volume: volume
 * @sectors: that are written, zeroed or discarded
 *
 * Context: with the gate entered.
 */
static inline void ss_count_written(struct ss_volume *volume, unsigned int sectors)
{
	this_cpu_add(volume->traffic->written, sectors);
}

/**
 * struct ss_super_state - what the superblocks say, beside what is in the volume
 * @has_digest: an older module wrote none
 * @digest: of the blocks that count
 * @is_damaged: one of the two, or the copy of one, was not readable or not sound
 * @is_doubtful: it may have been newer than the one that was chosen
 * @is_at_once: it was written with its blocks
 * @highest: transaction of any, copies included
 */
struct ss_super_state {
	bool has_digest;
	u64 digest;
	bool is_damaged;
	bool is_doubtful;
	bool is_at_once;
	u64 highest;
};

/**
 * struct ss_volume_args - what a table says about a volume
 * @base: disk below
 * @store: disk with data and metadata
 * @sectors: size of the volume; if it is larger than that on STORE, the volume grows
 * @chunk_sectors: 0 = as formatted, or the default; set once the table is loaded
 * @group: name, empty = own group
 * @hold_ms: how long writes are held on a full store
 * @low_water: chunks
 * @writable_base: merge is allowed
 * @any_base: BASE may be another one than STORE belongs to
 * @read_only: nothing is written at all
 */
struct ss_volume_args {
	struct block_device *base;
	struct block_device *store;
	sector_t sectors;
	unsigned int chunk_sectors;
	char group[SS_NAME_MAX + 1];
	unsigned int hold_ms;
	u32 low_water;
	bool writable_base;
	bool any_base;
	bool read_only;
};

/* io.c */
int ss_io_read(struct ss_volume *volume, struct block_device *base, struct block_device *store,
	       const struct ss_line *line, struct bio *bio);
int ss_io_map(struct ss_volume *volume, struct bio *bio);
int ss_io_end(struct ss_volume *volume, struct bio *bio, blk_status_t *error);
bool ss_io_deferred(struct ss_volume *volume);
void ss_io_fail(struct ss_volume *volume, struct bio_list *bios, blk_status_t status);
sector_t ss_version_sector(const struct ss_volume *volume, u32 version);
void ss_mark_dirty(struct ss_volume *volume, enum ss_kind kind, u32 block);
void ss_mark_version(struct ss_volume *volume, u32 version);

/* discard.c */
bool ss_change_range(struct ss_volume *volume, struct bio *bio, unsigned int *chunks);
bool ss_has_to_discard(struct ss_volume *volume, const struct bio *bio);
void ss_watch_emptied(struct ss_volume *volume, u32 version);
void ss_forget_emptied(struct ss_volume *volume, u32 version);
void ss_free_emptied(struct ss_volume *volume);

/* space.c */
int ss_space_init(struct ss_volume *volume);
void ss_space_exit(struct ss_volume *volume);
u32 ss_space_take(struct ss_volume *volume, u32 wanted);
u32 ss_space_take_zero(struct ss_volume *volume);
bool ss_space_is_short(const struct ss_volume *volume);
void ss_space_refill(struct ss_volume *volume);
void ss_space_free(struct ss_volume *volume, u32 version);
void ss_space_freed(struct ss_volume *volume, u32 list);
int ss_space_extend(struct ss_volume *volume);
void ss_space_hold(struct ss_volume *volume, struct bio *bio);
void ss_space_hold_over(struct work_struct *work);
u32 ss_space_free_chunks(struct ss_volume *volume);

/* layer.c */
u32 ss_layer_find(const struct ss_volume *volume, const char *name);
u32 ss_layer_new(struct ss_volume *volume);
void ss_layer_free(struct ss_volume *volume, u32 number);
void ss_layer_mark(struct ss_volume *volume, u32 number);
void ss_layer_name(struct ss_volume *volume, u32 number, const char *name, const char *note,
		   u64 time);
void ss_layer_unname(struct ss_volume *volume, u32 number);
void ss_layer_run(struct ss_volume *volume, u32 number, u32 parent);
u32 ss_layer_cut(struct ss_volume *volume);
void ss_layer_line(const struct ss_volume *volume, u32 number, struct ss_line *line);
void ss_layer_count(struct ss_volume *volume, u32 number, enum ss_kind kind, int change);

/* state.c */
int ss_state_restore(struct ss_group *group, struct ss_volume *only, const char *name);
int ss_state_delete(struct ss_group *group, struct ss_volume *only, const char *name);
int ss_state_rename(struct ss_group *group, struct ss_volume *only, const char *from,
		    const char *to);
int ss_state_settle(struct ss_group *group, struct ss_volume *only, const char *name, bool keep);

/* receive.c */

/**
 * struct ss_received - a state that was taken elsewhere
 * @name: valid
 * @note: free text, valid
 * @time: CLOCK_REALTIME of the take, ns
 * @restores: volume->restores when what runs began to be received
 * @written: ss_written() if nobody else wrote since then
 * @is_own: @txn and @origin are made up: it is taken here
 * @txn: of the take; not zero
 * @origin: of the volume that was taken; not zero
 */
struct ss_received {
	const char *name;
	const char *note;
	u64 time;
	u64 restores;
	u64 written;
	bool is_own;
	u8 txn[SS_UUID_SIZE];
	u8 origin[SS_UUID_SIZE];
};

int ss_receive(struct ss_volume *volume, const char *replaced, const struct ss_received *received);

/* diff.c */
int ss_diff(struct ss_volume *volume, const char *from, const char *to, sector_t sector,
	    char *result, unsigned int maxlen);

/* reap.c */
bool ss_reap_is_due(const struct ss_volume *volume);
bool ss_reap(struct ss_volume *volume);
u64 ss_next_version(const struct ss_volume *volume, u64 place, u32 *version);

/* merge.c */
u32 ss_merging_layer(const struct ss_volume *volume);
int ss_merge_start(struct ss_volume *volume, const char *name);
bool ss_merge_step(struct ss_volume *volume);

/* metadata.c */
sector_t ss_meta_sector(const struct ss_volume *volume, enum ss_kind kind, u32 block,
			unsigned int slot);
int ss_buffer_io(struct ss_volume *volume, struct block_device *disk, blk_opf_t opf,
		 sector_t sector, sector_t sectors);
int ss_commit(struct ss_volume *volume);
int ss_commit_at_once(struct ss_volume *volume);
void ss_fail(struct ss_volume *volume, const char *reason);

int ss_block_read(struct ss_volume *volume, void *image, sector_t sector);

/* super.c */
int ss_super_read(struct ss_volume *volume, const struct ss_volume_args *args, bool former,
		  struct ss_super_state *state, char **error);
int ss_super_check_size(const struct ss_volume *volume, const struct ss_volume_args *args,
			char **error);
int ss_super_grow(struct ss_volume *volume, const struct ss_volume_args *args, char **error);
int ss_super_compare(struct ss_volume *volume, char **error);
void ss_super_put(const struct ss_volume *volume, void *image, u64 seq, u32 block);
void ss_super_put_former(const struct ss_volume *volume, void *image, u64 seq, u32 block);

/* base.c */
void ss_base_note(struct ss_volume *volume);
void ss_base_forget(struct ss_volume *volume, const struct ss_line *line);
bool ss_base_is_right(struct ss_volume *volume);

/* load.c */
int ss_load(struct ss_volume *volume, const struct ss_volume_args *args, char **error);
void ss_unload(struct ss_volume *volume);

/* ioctl.c */
struct gendisk *ss_stand_in_new(struct block_device *base);
void ss_stand_in_free(struct gendisk *disk);

/* message.c */
int ss_message(struct ss_volume *volume, unsigned int argc, char **argv, char *result,
	       unsigned int maxlen);
void ss_status(struct ss_volume *volume, char *result, unsigned int maxlen);

/* target.c, view.c */
extern struct target_type ss_target_type;
extern struct target_type ss_view_type;

#endif /* KMOD_DMSNAPSYNC_SNAPSYNC_H */
