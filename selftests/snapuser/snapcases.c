// SPDX-License-Identifier: GPL-2.0
/*
 * snapcases: single cases of dm-snapsync's own code, on disks in memory.
 */
#include "../lib/tap.h"
#include "checker.h"
#include "volume.h"

#define BASE_SECTORS 2048
#define STORE_SECTORS 20480

static struct block_device *base, *store;
static struct test_volume vol;

/* Nothing is on either. */
static void wipe(void)
{
	store->n_written = 0;
	store->bad_from = 0;
	store->bad_to = 0;
	store->fault = DISK_DEAD;
	memset(store->now, 0, STORE_SECTORS * 512);
	memset(store->media, 0, STORE_SECTORS * 512);
}

static bool is_wiped(void)
{
	return !memchr_inv(store->now, 0, STORE_SECTORS * 512);
}

static int open_with_chunk(unsigned int chunk_sectors)
{
	struct ss_volume_args args = { .chunk_sectors = chunk_sectors };

	return volume_open(&vol, "vol", base, store, &args);
}

static bool fill(u8 byte, sector_t sector, unsigned int sectors)
{
	u8 *data = malloc(sectors * 512);
	int err;

	memset(data, byte, sectors * 512);
	err = volume_io(&vol, REQ_OP_WRITE, sector, data, sectors);
	free(data);
	return !err;
}

static bool shows_of(struct test_volume *test, u8 byte, sector_t sector)
{
	u8 data[512];

	return !volume_io(test, REQ_OP_READ, sector, data, 1) && !memchr_inv(data, byte, 512);
}

static bool shows(u8 byte, sector_t sector)
{
	return shows_of(&vol, byte, sector);
}

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

/* A table is loaded, STORE wiped, and only then the table resumed. */
static void chunk_of_a_wiped_store(void)
{
	struct ss_volume_args args = { .base = base, .store = store };
	char *error;

	wipe();
	open_with_chunk(8);
	volume_close(&vol);
	memset(&vol, 0, sizeof(vol));
	vol.md.name = "vol";
	vol.table.md = &vol.md;
	vol.ti.table = &vol.table;
	vol.ti.len = BASE_SECTORS;
	args.sectors = BASE_SECTORS;
	vol.volume = ss_volume_get(&vol.ti, &args, &error);
	tap_check(!IS_ERR(vol.volume), "a table for a store of 4 KiB chunks");
	wipe();
	tap_check(!ss_volume_start(vol.volume, &args) == !is_wiped(),
		  "of a store that was wiped meanwhile: in use and formatted, or neither");
	tap_check(is_wiped() || vol.volume->chunk_sectors == 8, "with no other chunk");
	volume_close(&vol);
}

/* A merge that cannot begin is none: BASE may be used by others. */
static void merge_cannot_begin(void)
{
	struct ss_volume_args args = { .writable_base = true };
	struct block_device *other_store = disk_new(STORE_SECTORS);
	struct test_volume other;

	wipe();
	volume_open(&vol, "vol", base, store, &args);
	fill('a', 0, 8);
	volume_message(&vol, "take one");
	tap_check(volume_open(&other, "other", base, other_store, &args) == 0,
		  "two volumes on one BASE");
	tap_check(volume_message(&vol, "merge one") == -ETXTBSY, "neither merges into it");
	volume_close(&other);
	store->bad_to = STORE_SECTORS;
	tap_check(volume_message(&vol, "merge one") == -EIO, "STORE fails: no merge");
	tap_check(!volume_open(&other, "other", base, other_store, &args),
		  "another volume may use BASE");
	tap_check(shows_of(&other, 0, 0), "which is as it was");
	volume_close(&other);
	volume_close(&vol);
	disk_free(other_store);
}

static unsigned int used(void)
{
	volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	test_pass_second();
	return vol.volume->nr_versions - ss_space_free_chunks(vol.volume);
}

static bool discard(sector_t sector, unsigned int sectors)
{
	return !volume_io(&vol, REQ_OP_DISCARD, sector, NULL, sectors);
}

/* Chunks are freed in whatever pieces they are discarded. */
static void discards_in_pieces(void)
{
	unsigned int before, sector;

	wipe();
	open_with_chunk(8);
	fill('a', 0, 1024);
	volume_message(&vol, "take one");
	before = used();
	fill('b', 0, 1024);
	tap_check(used() == before + 128, "128 chunks are written");
	for (sector = 0; sector < 1024; sector += 2)
		discard(sector, 2);
	tap_check(used() == before, "and freed, though discarded in pieces");
	tap_check(shows('a', 0) && shows('a', 1023), "the state shows");
	fill('b', 0, 1024);
	discard(0, 3);
	discard(5, 3);
	tap_check(shows('a', 0) && shows('b', 3) && shows('b', 4) && shows('a', 5),
		  "what is left of a chunk stays");
	discard(3, 1);
	fill('c', 3, 1);
	discard(4, 1);
	tap_check(used() == before + 128 && shows('c', 3) && shows('a', 4),
		  "so does what is written again");
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 8, NULL, 3);
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 11, NULL, 5);
	tap_check(used() == before + 127 && shows(0, 8) && shows(0, 15),
		  "zeroes in pieces free a chunk, too");
	tap_check(discard(0, 1024) && used() == before, "a whole discard frees all");
	fill('b', 0, 1024);
	volume_discards(&vol, 0, 8, 4, 128);
	volume_discards(&vol, 4, 8, 4, 128);
	tap_check(used() == before, "and so do many in pieces at once");
	volume_close(&vol);
	open_with_chunk(8);
	tap_check(used() == before && shows('a', 3), "for good");
	volume_close(&vol);
}

static const struct bio *long_bio;
static bool commit_has_waited;

/* A commit writes; once is enough. */
static void on_commit(struct block_device *disk)
{
	commit_has_waited = long_bio->ended;
	disk->on_write = NULL;
}

/* A bio of write-zeroes may be of 4 GiB: a flush does not wait for all of it. */
static void zeroes_of_any_size(void)
{
	struct block_device *large = disk_new(32 << 11), *large_store = disk_new(48 << 11);
	struct ss_volume_args args = { .chunk_sectors = 8 };
	struct bio zeroes = { .bi_opf = REQ_OP_WRITE_ZEROES, .sectors = 32 << 11 };
	struct bio flush = { .bi_opf = REQ_OP_WRITE | REQ_PREFLUSH };

	volume_open(&vol, "vol", large, large_store, &args);
	fill('a', 0, 8);
	fill('a', (32 << 11) - 8, 8);
	long_bio = &zeroes;
	volume_start(&vol, &zeroes);
	volume_start(&vol, &flush);
	large_store->on_write = on_commit;
	test_run_work();
	tap_check(!large_store->on_write && !commit_has_waited,
		  "a flush does not wait for write-zeroes of any size");
	tap_check(zeroes.ended && flush.ended && !zeroes.bi_status && shows(0, 0) &&
			  shows(0, (32 << 11) - 1),
		  "which are done");
	volume_close(&vol);
	disk_free(large);
	disk_free(large_store);
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

/* States are above one BASE, not above any of that size. */
static void other_base(void)
{
	struct ss_volume_args any = { .any_base = true, .writable_base = true };
	char status[SS_STATUS_MAX];
	u8 sector[512];

	wipe();
	open_with_chunk(8);
	fill('a', 0, 8);
	volume_message(&vol, "take one");
	volume_close(&vol);
	base->now[100] = 'x';
	tap_check(open_with_chunk(0) == -EMEDIUMTYPE, "another BASE is refused");
	tap_check(!volume_open(&vol, "vol", base, store, &any), "unless it is wanted");
	ss_status(vol.volume, status, sizeof(status));
	tap_check(!!strstr(status, "another"), "as the status says");
	tap_check(volume_message(&vol, "merge one") == -EMEDIUMTYPE, "nothing is merged into it");
	fill('b', 8, 8);
	volume_message(&vol, "take two");
	volume_close(&vol);
	tap_check(open_with_chunk(0) == -EMEDIUMTYPE, "it is another one for ever");
	base->now[100] = 0;
	base->bad_from = 0;
	base->bad_to = 8;
	tap_check(!open_with_chunk(0), "what cannot be read of BASE says nothing");
	volume_close(&vol);
	base->bad_to = 0;
	any.any_base = false;
	tap_check(!volume_open(&vol, "vol", base, store, &any), "the right one");
	tap_check(!volume_message(&vol, "merge one"), "is merged into");
	volume_message(&vol, "delete one");
	volume_close(&vol);
	disk_io(base, REQ_OP_READ, 0, sector, 1, true);
	tap_check(sector[0] == 'a', "which changes it");
	tap_check(!open_with_chunk(0), "and it is the right one still");
	volume_close(&vol);
	memset(base->now, 0, 4096);
	tap_check(open_with_chunk(0) == -EMEDIUMTYPE, "what it was before is another");
}

static int open_to_merge(void)
{
	struct ss_volume_args args = { .chunk_sectors = 8, .writable_base = true };

	return volume_open(&vol, "vol", base, store, &args);
}

/* A merge that was interrupted goes on into the disk that it began with. */
static void merge_goes_on(void)
{
	u8 *elsewhere = base->now + BASE_SECTORS / 2 * 512;
	u8 sector[512];

	wipe();
	open_to_merge();
	fill('m', 0, 8);
	volume_message(&vol, "take one");
	base->bad_to = 8;
	tap_check(!volume_message(&vol, "merge one"), "a merge begins, and BASE fails");
	volume_close(&vol);
	base->bad_to = 0;
	*elsewhere ^= 1;
	tap_check(open_to_merge() == -EMEDIUMTYPE, "it does not go on into another BASE");
	*elsewhere ^= 1;
	memset(base->now, 'x', 4096);
	tap_check(!open_to_merge(), "but where it began, whatever was written there");
	volume_message(&vol, "delete one");
	volume_close(&vol);
	disk_io(base, REQ_OP_READ, 0, sector, 1, true);
	tap_check(sector[0] == 'm', "until that has all of it");
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

static int open_with_size(sector_t sectors)
{
	struct ss_volume_args args = { .chunk_sectors = 8, .sectors = sectors };

	return volume_open(&vol, "vol", base, store, &args);
}

/* BASE has become larger, and so do volume and states, in use and later. */
static void growth(void)
{
	const sector_t small = 1001, medium = 1500, large = 2000;

	wipe();
	memset(base->now, 0, BASE_SECTORS * 512);
	memset(base->now + small * 512, 'x', (BASE_SECTORS - small) * 512);
	open_with_size(small);
	fill('a', 0, 8);
	fill('a', small - 1, 1);
	volume_message(&vol, "take one");
	fill('b', small - 1, 1);
	tap_check(!volume_reload(&vol, medium), "a larger table");
	tap_check(shows('b', small - 1) && shows('x', small) && shows('x', medium - 1),
		  "shows what BASE has there");
	fill('c', small, medium - small);
	volume_message(&vol, "take two");
	tap_check(volume_reload(&vol, small) == -EBUSY && shows('c', medium - 1),
		  "a smaller one is refused");
	volume_close(&vol);
	tap_check(open_with_size(small) == -EINVAL, "later, too");
	tap_check(checker_check(store->fd) == SOUND, "the checker knows what is there");
	base->now[0] ^= 1;
	tap_check(open_with_size(large) == -EMEDIUMTYPE, "of another BASE nothing grows");
	base->now[0] ^= 1;
	tap_check(!open_with_size(large), "it may be larger at an activation");
	tap_check(shows('c', medium - 1) && shows('x', medium) && shows('x', large - 1),
		  "and shows what it did, and BASE");
	volume_message(&vol, "restore one");
	tap_check(shows('a', 0) && shows('a', small - 1) && shows('x', small) &&
			  shows('x', large - 1),
		  "so does a state that was smaller");
	volume_message(&vol, "restore two");
	tap_check(shows('b', small - 1) && shows('c', small) && shows('x', medium), "each of them");
	volume_close(&vol);
	base->now[(large - 1) * 512] ^= 1;
	tap_check(!open_with_size(large), "the size is durable");
	volume_close(&vol);
	memset(base->now, 0, BASE_SECTORS * 512);
}

/* What tells whether a merge goes on into the right BASE is spread anew, but for what changes. */
static void growth_while_merging(void)
{
	struct ss_volume_args args = { .chunk_sectors = 8, .writable_base = true, .sectors = 1000 };
	u8 *elsewhere = base->now + 1096 / SS_SAMPLES * 63 / 8 * 8 * 512;

	wipe();
	volume_open(&vol, "vol", base, store, &args);
	fill('m', 0, 8);
	volume_message(&vol, "take one");
	base->bad_to = 8;
	volume_message(&vol, "merge one");
	tap_check(!volume_reload(&vol, 1096), "a volume grows while a state is merged");
	volume_close(&vol);
	base->bad_to = 0;
	args.sectors = 1096;
	*elsewhere ^= 1;
	tap_check(volume_open(&vol, "vol", base, store, &args) == -EMEDIUMTYPE,
		  "into no other BASE does that go on");
	*elsewhere ^= 1;
	memset(base->now, 'x', 4096);
	tap_check(!volume_open(&vol, "vol", base, store, &args) && shows('m', 0) && shows(0, 1095),
		  "but where it began");
	volume_message(&vol, "delete one");
	volume_close(&vol);
	tap_check(*base->now == 'm', "to its end");
	memset(base->now, 0, BASE_SECTORS * 512);
}

static u8 diff_from[BASE_SECTORS * 512], diff_to[BASE_SECTORS * 512];

static void read_all(u8 *data)
{
	assert(!volume_io(&vol, REQ_OP_READ, 0, data, BASE_SECTORS));
}

/* Counts sectors that an answer has, and marks them; returns where to go on, 0 at the end. */
static sector_t parse_diff(char *answer, u8 *marks, unsigned int *sum, unsigned int *lines)
{
	sector_t start, sectors, next = 0;
	char *line, *rest;

	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "next %llu", &next) == 1 || !strncmp(line, "end ", 4))
			break;
		assert(sscanf(line, "%llu %llu", &start, &sectors) == 2);
		memset(marks + start, 1, sectors);
		*sum += sectors;
		++*lines;
	}
	free(answer);
	return next;
}

/* Nothing that is not there differs. Returns the number of sectors, and of runs in @lines. */
static unsigned int diff(const char *from, const char *to, unsigned int size, unsigned int *lines)
{
	static u8 marks[BASE_SECTORS];
	unsigned int sum = 0, i;
	sector_t next = 0;

	memset(marks, 0, sizeof(marks));
	*lines = 0;
	do {
		char *answer = volume_answer(&vol, size, "diff %s %s %llu", from, to, next);

		if (!answer)
			return 0;
		next = parse_diff(answer, marks, &sum, lines);
	} while (next);
	for (i = 0; i < BASE_SECTORS; i++)
		if (!marks[i] && memcmp(diff_from + i * 512, diff_to + i * 512, 512))
			return 0;
	return sum;
}

/* What two states have from different places, by sectors. */
static void differences(void)
{
	unsigned int lines, i;

	wipe();
	open_with_chunk(8);
	read_all(diff_from);
	fill('a', 0, 32);
	fill('a', 1001, 1);
	read_all(diff_to);
	volume_message(&vol, "take one");
	tap_check(diff("-", "one", 4096, &lines) == 33 && lines == 2, "what a state has, in runs");
	memcpy(diff_from, diff_to, sizeof(diff_to));
	fill('b', 8, 1);
	fill('b', 15, 2);
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 24, NULL, 8);
	for (i = 1024; i < 2048; i += 2)
		fill('b', i, 1);
	read_all(diff_to);
	tap_check(diff("one", "-", 1 << 20, &lines) == 11 + 512 && lines == 3 + 512,
		  "what was written since");
	volume_message(&vol, "take two");
	tap_check(diff("one", "two", 1 << 20, &lines) == 11 + 512, "between two states");
	tap_check(diff("one", "two", 1024, &lines) == 11 + 512, "in many small answers");
	tap_check(!volume_answer(&vol, 100, "diff one two 0"), "but not in none");
	tap_check(!volume_answer(&vol, 4096, "diff one three 0") &&
			  !volume_answer(&vol, 4096, "diff one two 1") &&
			  !volume_answer(&vol, 4096, "diff one two 2048"),
		  "what makes no sense is refused");
	memcpy(diff_from, diff_to, sizeof(diff_to));
	fill('c', 0, 2048);
	discard(0, 2048);
	tap_check(!diff("two", "-", 4096, &lines) && !lines, "what was discarded is no difference");
	volume_close(&vol);
}

/* Writes go on while there is no memory, as those of swap have to. */
static void no_memory(void)
{
	struct ss_volume_args args = { .chunk_sectors = 8 };
	struct block_device *large = disk_new(60 << 11), *large_store = disk_new(84 << 11);
	unsigned int mib, failed = 0;

	volume_open(&vol, "vol", large, large_store, &args);
	test_alloc_max = 1 << 16;
	/* Can be refused, then zeroes are written; so it has to leave the memory to those. */
	volume_io(&vol, REQ_OP_WRITE_ZEROES, 0, NULL, 8);
	for (mib = 0; mib < 60; mib++) {
		failed += !fill(mib, mib << 11, 1024) || !fill(mib, (mib << 11) + 1024, 1024);
		volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	}
	tap_check(!failed, "chunks of a piece of memory, and of the spare one, without more");
	tap_check(shows(59, (59 << 11) + 5), "are written");
	test_alloc_max = 0;
	volume_close(&vol);
	disk_free(large);
	disk_free(large_store);
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
	base = disk_new(BASE_SECTORS);
	store = disk_new(STORE_SECTORS);
	tap_plan(129);
	copies_cannot_be_written();
	chunk_of_a_wiped_store();
	merge_cannot_begin();
	discards_in_pieces();
	zeroes_of_any_size();
	copy_is_lost();
	other_base();
	merge_goes_on();
	salvage();
	copy_ahead();
	block_is_missing();
	slot_fails();
	superblock_fails();
	last_is_given_up();
	last_is_kept();
	freed_chunk_is_used();
	compare_when_passed_over();
	repair_goes_beyond();
	growth();
	growth_while_merging();
	differences();
	no_memory();
	data_of_others();
	disk_free(base);
	disk_free(store);
	return tap_done();
}
