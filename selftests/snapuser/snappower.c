// SPDX-License-Identifier: GPL-2.0
/*
 * snappower: the power goes at any moment, and the disk may be damaged beside.
 *
 *	snappower SEED ROUNDS
 *
 * In each round a script of writes, discards, flushes, merges and operations on
 * states runs on a blank store. Between, and in the middle of, any two writes to
 * STORE or BASE the power goes, in copies of both. What is there must be what was acknowledged, or what was on
 * its way. If metadata are damaged then, the same, or a refusal. In short scripts beside a block of
 * the metadata fails at the end: the same, and a refusal only if the power went before that was dealt
 * with; by force it is the same then, too.
 */
#include "checker.h"
#include "model.h"

#define STORE_SECTORS 20480
#define OPERATIONS 40
#define FAILURES 10

/**
 * enum damage - what happens to STORE beside the loss of power
 */
enum damage {
	NONE,
	SUPERBLOCK,
	SUPERBLOCK_AND_COPY,
	SLOT,
	SUPERBLOCK_AND_SLOT,
	SUPERBLOCK_LATER, /* once more is written, and the power goes again */
	DAMAGES,
};

static const char *const damage_name[] = {
	"none", "superblock",	       "superblock and copy",
	"slot", "superblock and slot", "superblock, when the power goes again",
};

static struct block_device *base, *store, *copy, *base_copy;
static u8 image[STORE_SECTORS * 512], base_image[MODEL_SECTORS * 512];
static int countdown;
static struct model model, model_then, model_again;
static unsigned int n_right[DAMAGES], n_refused[DAMAGES], n_merges, n_failed, n_forced;

static void power_goes(void)
{
	disk_lose_power(store, image);
	disk_lose_power(base, base_image);
	model_then = model;
	countdown = -1;
}

/* Each write to either disk, and each flush: here the power may go. */
static void on_write(struct block_device *disk)
{
	(void)disk;
	if (countdown >= 0 && !countdown--)
		power_goes();
}

/* The same of the copy. */
static void on_write_again(struct block_device *disk)
{
	(void)disk;
	if (countdown < 0 || countdown--)
		return;
	disk_lose_power(copy, image);
	disk_lose_power(base_copy, base_image);
	model_then = model_again;
}

static void spoil(unsigned int block)
{
	unsigned int at = block * SS_BLOCK_SIZE + random() % SS_SECTOR_SIZE;

	image[at] ^= 1 + random() % 255;
}

/* Of the blocks that are likely to be in use. */
static void spoil_slot(const struct ss_volume *volume)
{
	enum ss_kind kind = random() % SS_KINDS;
	u32 block = volume->nr_blocks[kind] ? random() % volume->nr_blocks[kind] : 0;

	spoil(ss_meta_sector(volume, kind, block, random() % 2) / SS_BLOCK_SECTORS);
}

static void do_damage(enum damage damage, const struct ss_volume *volume)
{
	unsigned int which = random() % 2;

	if (damage == SUPERBLOCK || damage == SUPERBLOCK_AND_COPY ||
	    damage == SUPERBLOCK_AND_SLOT || damage == SUPERBLOCK_LATER)
		spoil(which);
	if (damage == SUPERBLOCK_AND_COPY)
		spoil(SS_COPY_BLOCK + which);
	if (damage == SLOT || damage == SUPERBLOCK_AND_SLOT)
		spoil_slot(volume);
}

/* What the power has left is activated and written. Returns what is wrong, or NULL. */
static const char *lose_power_again(void)
{
	struct ss_volume_args args = { .writable_base = random() % 2 };
	struct test_volume test;

	disk_set(copy, image);
	disk_set(base_copy, base_image);
	model_again = model_then;
	countdown = random() % 8;
	copy->on_write = on_write_again;
	base_copy->on_write = on_write_again;
	if (volume_open(&test, "copy", base_copy, copy, &args))
		return test_log;
	if (model_again.n_past < MODEL_PAST / 2)
		model_write(&model_again, &test, random() % (MODEL_SECTORS - 8), 8);
	assert(!volume_io(&test, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0));
	if (countdown >= 0) {
		disk_lose_power(copy, image);
		disk_lose_power(base_copy, base_image);
		model_then = model_again;
		countdown = -1;
	}
	copy->on_write = NULL;
	base_copy->on_write = NULL;
	volume_close(&test);
	return NULL;
}

/* Returns what is wrong, or NULL. */
static const char *look(enum damage damage)
{
	/* A merge goes on, or has to wait. */
	struct ss_volume_args args = { .writable_base = random() % 2 };
	struct test_volume test;
	const char *wrong;

	disk_set(copy, image);
	disk_set(base_copy, base_image);
	if (volume_open(&test, "copy", base_copy, copy, &args)) {
		n_refused[damage]++;
		return damage == NONE ? test_log : NULL;
	}
	wrong = model_compare(&model_then, &test);
	volume_close(&test);
	if (wrong)
		return wrong;
	/* What was repaired or thrown away stays so. */
	if (volume_open(&test, "copy", base_copy, copy, &args))
		return "it is not activated again";
	volume_close(&test);
	n_right[damage]++;
	return NULL;
}

/* Chunks up to the end of a map block, and then one in the next: nothing else changes. */
static void write_at_boundary(struct test_volume *test)
{
	const struct ss_volume *volume = test->volume;
	u32 version = volume->reserve[volume->reserve_first % SS_RESERVE];
	u32 chunks = volume->table.per_block - version % volume->table.per_block;
	unsigned int size = volume->chunk_sectors;
	sector_t sector;

	model_take(&model, test);
	if (chunks >= volume->nr_chunks)
		return;
	for (sector = 0; sector < (sector_t)chunks * size; sector += size)
		model_write(&model, test, sector, 1);
	model_flush(&model, test);
	countdown = random() % 12;
	model_write(&model, test, sector, 1);
	model_flush(&model, test);
}

static void write_somewhere(struct test_volume *test)
{
	sector_t sector = random() % model.sectors;
	unsigned int sectors = 1 + random() % (1 << random() % 8);

	model_write(&model, test, sector, min(sectors, model.sectors - sector));
}

static void clear_somewhere(struct test_volume *test)
{
	sector_t sector = random() % model.sectors;
	unsigned int sectors = 1 + random() % (1 << random() % 10);

	model_clear(&model, test, random() % 3 ? REQ_OP_DISCARD : REQ_OP_WRITE_ZEROES, sector,
		    min(sectors, model.sectors - sector));
}

/* Into BASE and out of STORE, in more steps than others take. */
static void merge_something(struct test_volume *test)
{
	countdown = random() % 60;
	n_merges += model_merge(&model, test, random() % model.n_states);
}

static void do_something(struct test_volume *test)
{
	unsigned int what = random() % 20;

	if (!(random() % 64) && model.sectors < MODEL_SECTORS)
		model_grow(&model, test, min(model.sectors + random() % 512, MODEL_SECTORS));
	else if (what >= 19 && model.n_states)
		merge_something(test);
	else if (what >= 16)
		clear_somewhere(test);
	else if (what < 8)
		write_somewhere(test);
	else if (what < 11)
		model_flush(&model, test);
	else if (what < 13 && model.n_states < MODEL_STATES)
		model_take(&model, test);
	else if (what == 13 && model.n_states)
		model_delete(&model, test, random() % model.n_states);
	else if (what == 14 && model.n_states)
		model_restore(&model, test, random() % model.n_states);
	else if (model.n_states < MODEL_STATES)
		write_at_boundary(test);
}

static int open_blank(struct test_volume *test)
{
	struct ss_volume_args args = {
		.chunk_sectors = 8 << random() % 5,
		.writable_base = true,
		.sectors = 64 * 8 + random() % MODEL_SECTORS / 2,
	};

	model_init(&model, args.sectors);
	memset(image, 0, sizeof(image));
	memset(base_image, 0, sizeof(base_image));
	disk_set(store, image);
	disk_set(base, base_image);
	return volume_open(test, "vol", base, store, &args);
}

/* The slot that is written next, in most cases of the next chunk; a superblock or its copy. */
static u64 some_block(const struct ss_volume *volume)
{
	u32 next = ss_place_of(volume->reserve[volume->reserve_first % SS_RESERVE]);
	enum ss_kind kind = random() % 2 ? SS_KIND_DATA : random() % SS_KINDS;
	u32 block = volume->nr_blocks[kind] ? random() % volume->nr_blocks[kind] : 0;

	if (!(random() % 4))
		return random() % 2 ? SS_COPY_BLOCK + random() % 2 : random() % 2;
	if (kind == SS_KIND_DATA && random() % 4)
		block = min(next / volume->table.per_block, volume->max_blocks[kind] - 1);
	return ss_meta_sector(volume, kind, block, !test_bit(block, volume->current_slot[kind])) /
	       SS_BLOCK_SECTORS;
}

/* Until STORE fails, or what fails is not written. */
static void write_what_fails(struct test_volume *test)
{
	unsigned int i;

	for (i = 0; i < 6 && test->volume->mode == SS_MODE_WRITE; i++) {
		write_somewhere(test);
		if (random() % 4)
			model_try_flush(&model, test);
		else
			test_pass_second();
	}
	n_failed += test->volume->mode != SS_MODE_WRITE;
}

/* What is there is activated, by force if it has to be. Returns what is wrong, or NULL. */
static const char *look_by_force(bool is_over)
{
	struct ss_volume_args args = { .writable_base = true };
	struct test_volume test;
	const char *wrong;

	disk_set(copy, image);
	disk_set(base_copy, base_image);
	if (volume_open(&test, "copy", base_copy, copy, &args)) {
		if (is_over)
			return test_log;
		n_forced++;
		if (checker_repair(copy->fd, true))
			return "it is not repaired by force";
		memcpy(image, copy->now, sizeof(image));
		disk_set(copy, image);
		if (volume_open(&test, "copy", base_copy, copy, &args))
			return test_log;
	}
	wrong = model_compare(&model_then, &test);
	volume_close(&test);
	return wrong;
}

/* A block of the metadata fails from here on. Returns what is wrong, or NULL. */
static const char *fail_to_write(struct test_volume *test)
{
	bool is_over;

	model_flush(&model, test);
	if (random() % 2)
		test_pass_second();
	store->bad_from = some_block(test->volume) * SS_BLOCK_SECTORS;
	store->bad_to = store->bad_from + SS_BLOCK_SECTORS;
	store->fault = random() % DISK_FAULTS;
	countdown = random() % 2 ? random() % 40 : INT_MAX;
	write_what_fails(test);
	is_over = countdown >= 0;
	if (is_over)
		power_goes();
	if (store->fault == DISK_DEAD)
		memset(image + store->bad_from * 512, 0xff, SS_BLOCK_SIZE);
	store->bad_to = 0;
	return look_by_force(is_over);
}

/* Returns what is wrong, or NULL. */
static const char *run_failures(void)
{
	const char *wrong = NULL;
	struct test_volume test;
	unsigned int n, i;

	for (n = 0; n < FAILURES && !wrong; n++) {
		if (open_blank(&test))
			return test_log;
		for (i = random() % 10; i; i--)
			do_something(&test);
		wrong = fail_to_write(&test);
		volume_close(&test);
	}
	return wrong;
}

/* Returns what is wrong, or NULL. */
static const char *run_script(enum damage *damage)
{
	const char *wrong = NULL;
	struct test_volume test;
	unsigned int i;

	if (open_blank(&test))
		return test_log;
	for (i = 0; i < OPERATIONS && !wrong; i++) {
		countdown = random() % 12;
		do_something(&test);
		if (test.volume->mode != SS_MODE_WRITE)
			return "it is read-only";
		if (countdown >= 0)
			power_goes();
		*damage = random() % DAMAGES;
		if (*damage == SUPERBLOCK_LATER)
			wrong = lose_power_again();
		do_damage(*damage, test.volume);
		wrong = wrong ? wrong : look(*damage);
	}
	volume_close(&test);
	if (wrong)
		return wrong;
	*damage = NONE;
	return run_failures();
}

int main(int argc, char **argv)
{
	unsigned int seed, rounds, round;
	const char *wrong = NULL;
	enum damage damage = NONE, i;

	if (argc != 3)
		return 2;
	seed = strtoul(argv[1], NULL, 10);
	rounds = strtoul(argv[2], NULL, 10);
	base = disk_new(MODEL_SECTORS);
	store = disk_new(STORE_SECTORS);
	copy = disk_new(STORE_SECTORS);
	base_copy = disk_new(MODEL_SECTORS);
	store->on_write = on_write;
	base->on_write = on_write;
	for (round = 0; round < rounds && !wrong; round++) {
		srandom(seed + round);
		wrong = run_script(&damage);
	}
	for (i = NONE; i < DAMAGES; i++)
		printf("# %s: %u right, %u refused\n", damage_name[i], n_right[i], n_refused[i]);
	printf("# %u merges, %u failed, %u by force\n", n_merges, n_failed, n_forced);
	/* In the middle of a commit nobody can tell; otherwise the copy stands in. */
	if (!wrong && n_refused[SUPERBLOCK] > n_right[SUPERBLOCK]) {
		printf("copies do not stand in for superblocks\n");
		wrong = "refused";
	}
	if (wrong)
		printf("seed %u, damage %s: %s\n", seed + round - 1, damage_name[damage], wrong);
	disk_free(base);
	disk_free(store);
	disk_free(copy);
	disk_free(base_copy);
	return !!wrong;
}
