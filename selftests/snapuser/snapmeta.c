// SPDX-License-Identifier: GPL-2.0
/*
 * snapmeta: single cases of the metadata on STORE, of dm-snapsync's own code on disks in memory:
 * superblocks and their copies, what is written at once, what is damaged, and its repair.
 */
#include "cases.h"

/* Each superblock has a copy: without it, it is one of its kind. */
static void copies_cannot_be_written(void)
{
	wipe();
	tap_check(!open_with_chunk(8), "a volume");
	store->bad_from = SS_COPY_BLOCK * SS_BLOCK_SECTORS;
	store->bad_to = store->bad_from + 2 * SS_BLOCK_SECTORS;
	fill('a', 0, 8);
	tap_check(!volume_message(&vol, "take one"), "copies cannot be written: a take succeeds");
	fill('b', 0, 8);
	tap_check(vol.volume->mode == SS_MODE_WRITE, "the volume can be written");
	volume_close(&vol);
	tap_check(!open_with_chunk(8), "it is activated");
	tap_check(shows('b', 0), "with what was written last");
	volume_message(&vol, "restore one");
	tap_check(shows('a', 0), "and the state");
	/* The newest superblock is lost, and nothing says that it was the newest. */
	volume_message(&vol, "take two");
	memset(store->now + vol.volume->seq % 2 * SS_BLOCK_SIZE, 0xff, SS_BLOCK_SIZE);
	volume_close(&vol);
	tap_check(open_with_chunk(8), "a superblock without a copy is missed");
}

/* One that is idle may have lost its copies long before they are needed. */
static void copy_is_lost(void)
{
	unsigned int which;

	for (which = 0; which < 2; which++) {
		u8 *copy = store->now + (SS_COPY_BLOCK + which) * SS_BLOCK_SIZE;

		wipe();
		open_with_chunk(8);
		fill('a', 0, 8);
		volume_close(&vol);
		copy[100] ^= 1;
		tap_check(checker_check(store->fd) == REPAIRABLE, "a damaged copy %u is found",
			  which);
		tap_check(!checker_repair(store->fd, false) && checker_check(store->fd) == SOUND,
			  "and repaired");
		memset(copy, 0xff, SS_BLOCK_SIZE);
		tap_check(!open_with_chunk(8) && checker_check(store->fd) == SOUND,
			  "as it is by an activation");
		volume_close(&vol);
		store->now[which * SS_BLOCK_SIZE + 100] ^= 1;
		tap_check(!open_with_chunk(8) && shows('a', 0), "so that it stands in");
		volume_close(&vol);
	}
}

/* The power goes when the copy of a superblock is there, and the superblock is not. */
static void copy_ahead(void)
{
	static u8 before[2 * SS_BLOCK_SIZE];
	unsigned int which;

	wipe();
	memset(base->now + 1024 * 512, 'x', 4096);
	open_with_chunk(8);
	fill('a', 0, 8);
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	memcpy(before, store->now, sizeof(before));
	which = (vol.volume->seq + 1) & 1;
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 1024, NULL, 8);
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	volume_close(&vol);
	memcpy(store->now + which * SS_BLOCK_SIZE, before + which * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	tap_check(!open_with_chunk(0) && shows('x', 1024), "the transaction is none");
	volume_close(&vol);
	store->now[which * SS_BLOCK_SIZE + 100] ^= 1;
	tap_check(!open_with_chunk(0) && shows('x', 1024), "nor is it one later, by its copy");
	volume_close(&vol);
	memset(base->now + 1024 * 512, 0, 4096);
}

static u8 *slot_at(unsigned int block)
{
	return store->now + block * SS_BLOCK_SIZE;
}

static const struct ss_super *newest_super(void)
{
	return ss_super_newer((void *)slot_at(0), (void *)slot_at(1));
}

/* Is the newest superblock one of the format that every module knows? */
static bool is_known_to_all(void)
{
	return le32_to_cpu(newest_super()->version) == SS_VERSION;
}

static int flush_all(void)
{
	return volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
}

/* Flushed by who waits for it: STORE before and after. Returns the slot that was written. */
static unsigned int flush_at_once(u8 *before, u8 *after)
{
	unsigned int first, slot;

	wipe();
	open_with_chunk(8);
	fill('a', 0, 8);
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	memcpy(before, store->now, STORE_SECTORS * 512);
	fill('b', 8, 8);
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	memcpy(after, store->now, STORE_SECTORS * 512);
	volume_close(&vol);
	first = ss_slot_block(SS_KIND_DATA, 0, 0, 8);
	slot = !memcmp(before + first * SS_BLOCK_SIZE, after + first * SS_BLOCK_SIZE,
		       SS_BLOCK_SIZE);
	return first + slot;
}

/*
 * A flush wrote the superblock at once with a block of metadata. If the power went before that
 * was there, all of it, the transaction is none; if it was damaged later, it is missed.
 */
static void block_is_missing(void)
{
	static u8 before[STORE_SECTORS * 512], after[STORE_SECTORS * 512];
	unsigned int block = flush_at_once(before, after);

	memcpy(store->now, after, sizeof(after));
	tap_check(!is_known_to_all(),
		  "a flush writes the superblock at once with its block, and in its own format");
	tap_check(checker_check(store->fd) == SOUND && !open_with_chunk(8) && shows('b', 8),
		  "and is durable");
	volume_close(&vol);
	tap_check(is_known_to_all(), "an activation confirms it, so that each module takes it");

	memcpy(store->now, after, sizeof(after));
	memcpy(slot_at(block), before + block * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	tap_check(checker_check(store->fd) == SOUND, "the power went before the block was there");
	tap_check(!open_with_chunk(8) && shows('a', 0) && !shows('b', 8),
		  "what was durable before is there");
	/* All that could be of the transaction comes back. */
	volume_close(&vol);
	memcpy(slot_at(block), after + block * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	tap_check(open_with_chunk(8) || !shows('b', 8), "the transaction does not come back");
	if (vol.volume)
		volume_close(&vol);

	memcpy(store->now, after, sizeof(after));
	memcpy(slot_at(block) + SS_SECTOR_SIZE, before + block * SS_BLOCK_SIZE + SS_SECTOR_SIZE,
	       SS_SECTOR_SIZE);
	tap_check(checker_check(store->fd) == SOUND && !open_with_chunk(8) && !shows('b', 8),
		  "nor is it one if a sector of the block is missing");
	volume_close(&vol);

	memcpy(store->now, after, sizeof(after));
	slot_at(block)[100] ^= 1;
	tap_check(checker_check(store->fd) == LOST && open_with_chunk(8),
		  "if the block is damaged, it is not given up in silence");
}

/* Two blocks are written before, and are going to be written again, at once. */
static void prepare_two_blocks(void)
{
	wipe();
	memset(base->now, 'x', BASE_SECTORS * 512);
	open_with_chunk(8);
	fill('a', 0, 8);
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 1024, NULL, 8);
	flush_all();
	test_pass_second();
}

static int flush_two_blocks(void)
{
	fill('b', 64, 8);
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 1032, NULL, 8);
	return flush_all();
}

static bool shows_former(void)
{
	return shows('a', 0) && shows(0, 1024) && shows('x', 64) && shows('x', 1032);
}

static sector_t next_slot(enum ss_kind kind)
{
	return ss_meta_sector(vol.volume, kind, 0, !test_bit(0, vol.volume->current_slot[kind]));
}

static int open_read_only(void)
{
	struct ss_volume_args args = { .read_only = true };

	return volume_open(&vol, "vol", base, store, &args);
}

/*
 * One of the blocks that are written at once cannot be: the flush fails, and what was durable
 * before goes on to be, whatever is at that place now.
 */
static void slot_fails(void)
{
	static const char *const left[] = { "nothing", "what was there", "what was written" };
	enum ss_kind kind;
	unsigned int fault;

	for (fault = 0; fault < DISK_FAULTS; fault++) {
		for (kind = SS_KIND_DATA; kind <= SS_KIND_ZERO; kind++) {
			prepare_two_blocks();
			store->fault = fault;
			store->bad_from = next_slot(kind);
			store->bad_to = store->bad_from + SS_BLOCK_SECTORS;
			tap_check(flush_two_blocks() && vol.volume->mode == SS_MODE_READ_ONLY,
				  "a slot of kind %u fails, and so does the flush", kind);
			volume_close(&vol);
			tap_check(!open_read_only() && shows_former(),
				  "with %s left there, it is as it was before", left[fault]);
			if (vol.volume)
				volume_close(&vol);
			if (fault == DISK_DEAD)
				memset(store->now + store->bad_from * 512, 0xff, SS_BLOCK_SIZE);
			store->bad_to = 0;
			tap_check(checker_check(store->fd) != LOST && !open_with_chunk(8) &&
					  shows_former(),
				  "and when the disk is another");
			if (vol.volume)
				volume_close(&vol);
			tap_check(is_known_to_all(), "which each module takes");
		}
	}
	memset(base->now, 0, BASE_SECTORS * 512);
}

/* The superblock itself cannot be written: its copy has all, with all blocks. */
static void superblock_fails(void)
{
	prepare_two_blocks();
	store->bad_from = (vol.volume->seq + 1) % 2 * SS_BLOCK_SECTORS;
	store->bad_to = store->bad_from + SS_BLOCK_SECTORS;
	tap_check(flush_two_blocks(), "a superblock fails, and so does the flush");
	volume_close(&vol);
	tap_check(!open_read_only() && shows('a', 0) && shows(0, 1024),
		  "what was durable before is there");
	if (vol.volume)
		volume_close(&vol);
	memset(base->now, 0, BASE_SECTORS * 512);
}

/* By force, a transaction goes that is damaged in part: as a whole, if the one before is there. */
static void last_is_given_up(void)
{
	static u8 after[STORE_SECTORS * 512];
	sector_t slot;

	prepare_two_blocks();
	slot = next_slot(SS_KIND_DATA);
	flush_two_blocks();
	memcpy(after, store->now, sizeof(after));
	volume_close(&vol);
	memcpy(store->now, after, sizeof(after));
	store->now[slot * 512 + 100] ^= 1;
	tap_check(open_with_chunk(8) && checker_repair(store->fd, false),
		  "a slot of the last transaction is damaged: it is not given up in silence");
	tap_check(!checker_repair(store->fd, true) && checker_check(store->fd) == SOUND,
		  "by force it is");
	tap_check(is_known_to_all(), "in the format that each module knows");
	tap_check(!open_with_chunk(8) && shows_former(), "and what was before is there as a whole");
	if (vol.volume)
		volume_close(&vol);
	memset(base->now, 0, BASE_SECTORS * 512);
}

/* That there may have been a later one is no reason to give up one that is whole. */
static void last_is_kept(void)
{
	static u8 before[STORE_SECTORS * 512], after[STORE_SECTORS * 512];
	unsigned int copy;

	prepare_two_blocks();
	fill('b', 64, 8);
	flush_all();
	memcpy(before, store->now, sizeof(before));
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 1032, NULL, 8);
	flush_all();
	memcpy(after, store->now, sizeof(after));
	volume_close(&vol);
	memcpy(store->now, after, sizeof(after));
	copy = SS_COPY_BLOCK + (ss_super_seq(newest_super()) & 1);
	memcpy(slot_at(copy), before + copy * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	slot_at(copy - SS_COPY_BLOCK)[100] ^= 1;
	tap_check(!is_known_to_all() && open_with_chunk(8) && checker_check(store->fd) == LOST,
		  "the newest superblock that is left may not be the newest");
	tap_check(!checker_repair(store->fd, true) && !open_with_chunk(8) && shows('b', 64),
		  "by force what it tells of is there");
	if (vol.volume)
		volume_close(&vol);
	memset(base->now, 0, BASE_SECTORS * 512);
}

/* A chunk that a flush frees is used again: the flush may not be given up then. */
static void freed_chunk_is_used(void)
{
	static u8 before[STORE_SECTORS * 512], after[STORE_SECTORS * 512];
	const unsigned int first = SS_GROUP_BLOCK * SS_BLOCK_SIZE;
	const unsigned int size = SS_GROUP_META_BLOCKS * SS_BLOCK_SIZE;
	unsigned int i;

	wipe();
	open_with_chunk(8);
	for (i = 0; i < 5; i++) {
		fill('s', 0, BASE_SECTORS);
		volume_message(&vol, "take s%u", i);
	}
	fill('s', 0, 16);
	volume_message(&vol, "take s5");
	fill('a', 0, 8);
	for (i = 16; ss_space_free_chunks(vol.volume) && i < BASE_SECTORS; i += 8)
		fill('b', i, 8);
	flush_all();
	test_pass_second();
	test_pass_second();
	memcpy(before, store->now, sizeof(before));
	discard(0, 8);
	flush_all();
	tap_check(fill('z', 8, 8), "a chunk that was freed is used again");
	memcpy(after, store->now, sizeof(after));
	volume_close(&vol);
	memcpy(store->now, after, sizeof(after));
	memcpy(store->now + first, before + first, size);
	tap_check(open_with_chunk(8) || !shows('z', 0),
		  "if the disk never wrote that it was, nobody takes it for what it was before");
	if (vol.volume)
		volume_close(&vol);
}

static int compare_super(void)
{
	unsigned int noio = ss_meta_lock(vol.volume);
	char *error;
	int err = ss_super_compare(vol.volume, &error);

	ss_meta_unlock(vol.volume, noio);
	return err;
}

/* What was passed over stays on a store that is only read. */
static void compare_when_passed_over(void)
{
	static u8 before[STORE_SECTORS * 512], after[STORE_SECTORS * 512];
	unsigned int block = flush_at_once(before, after);
	struct block_device *other = disk_new(STORE_SECTORS);
	struct ss_volume_args args = {};
	struct test_volume elsewhere;

	memcpy(store->now, after, sizeof(after));
	memcpy(slot_at(block), before + block * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	memcpy(other->now, store->now, sizeof(after));
	open_read_only();
	tap_check(!compare_super(), "it is what it was when it was activated read-only");
	assert(!volume_open(&elsewhere, "elsewhere", base, other, &args));
	volume_close(&elsewhere);
	memcpy(store->now, other->now, sizeof(after));
	tap_check(compare_super() == -EBUSY, "and no more if it was written elsewhere");
	volume_close(&vol);
	disk_free(other);
}

/* Superblock and block are lost: its number is not used a second time. */
static void repair_goes_beyond(void)
{
	static u8 before[STORE_SECTORS * 512], after[STORE_SECTORS * 512];
	unsigned int block = flush_at_once(before, after), which;
	u64 seq;

	memcpy(store->now, after, sizeof(after));
	seq = ss_super_seq(newest_super());
	which = seq & 1;
	memcpy(slot_at(block), before + block * SS_BLOCK_SIZE, SS_BLOCK_SIZE);
	slot_at(which)[100] ^= 1;
	tap_check(!checker_repair(store->fd, false) && checker_check(store->fd) == SOUND,
		  "the copy of one that is lost is passed over");
	tap_check(ss_super_seq((void *)slot_at(which)) == seq + 2 &&
			  ss_super_seq((void *)slot_at(SS_COPY_BLOCK + which)) == seq + 2,
		  "and the repair goes on beyond it");
	tap_check(is_known_to_all() && !open_with_chunk(8) && shows('a', 0) && !shows('b', 8),
		  "with what was before");
	if (vol.volume)
		volume_close(&vol);
}

/* The newest record of a state and of what ran above it is lost. */
static void salvage(void)
{
	unsigned int slot;

	wipe();
	open_with_chunk(8);
	fill('a', 0, 8);
	volume_message(&vol, "take one");
	fill('b', 0, 8);
	volume_message(&vol, "take two");
	fill('c', 8, 8);
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	slot = test_bit(0, vol.volume->current_slot[SS_KIND_LAYER]);
	volume_close(&vol);
	store->now[(SS_LAYER_BLOCK + slot) * SS_BLOCK_SIZE + 100] ^= 1;
	tap_check(open_with_chunk(0) == -EINVAL, "a store that lacks what ran is refused");
	tap_check(!checker_repair(store->fd, true), "by force it is one again");
	tap_check(!open_with_chunk(0), "that is activated");
	tap_check(shows('b', 0) && !shows('c', 8), "with what ran before, and nothing else");
	tap_check(!volume_message(&vol, "restore one") && shows('a', 0), "and the state");
	volume_close(&vol);
}

/* Copies of superblocks survive what is written over a store: that is not made one again. */
static void data_of_others(void)
{
	static u8 before[STORE_SECTORS * 512];

	wipe();
	open_with_chunk(8);
	volume_message(&vol, "take one");
	volume_close(&vol);
	memset(store->now, 'x', 2 * SS_BLOCK_SIZE);
	memcpy(before, store->now, sizeof(before));
	tap_check(checker_check(store->fd) == LOST, "what was written over is no store");
	tap_check(checker_repair(store->fd, true) && !memcmp(before, store->now, sizeof(before)),
		  "nor is it made one by force");
}

int main(void)
{
	cases_begin();
	tap_plan(71);
	copies_cannot_be_written();
	copy_is_lost();
	copy_ahead();
	block_is_missing();
	slot_fails();
	superblock_fails();
	last_is_given_up();
	last_is_kept();
	freed_chunk_is_used();
	compare_when_passed_over();
	repair_goes_beyond();
	salvage();
	data_of_others();
	cases_end();
	return tap_done();
}
