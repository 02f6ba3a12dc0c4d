// SPDX-License-Identifier: GPL-2.0
/*
 * What device mapper does with a volume; see volume.h.
 */
#include <lparkit/cut.h>
#include "volume.h"

/* There is no lpar.ko, but what it would call. */
static struct lpar_cut_class *cut_class;
static struct lpar_cut_point *cut_points[8];
static unsigned int nr_cut_points;

int lpar_cut_register(struct lpar_cut_class *class)
{
	cut_class = class;
	return 0;
}

void lpar_cut_unregister(struct lpar_cut_class *class)
{
	(void)class;
}

void lpar_cut_add(struct lpar_cut *cut, const struct lpar_cut_class *class,
		  struct lpar_cut_point *point)
{
	assert(cut && class && point && nr_cut_points < 8);
	cut_points[nr_cut_points++] = point;
}

enum lpar_cut_action lpar_cut_action(const struct lpar_cut *cut)
{
	assert(cut);
	return LPAR_CUT_CLOSE;
}

/**
 * volume_cut_fire() - the instant of an LPAR's cut
 * @group: the LPAR's name, of a group with members
 */
void volume_cut_fire(const char *group)
{
	unsigned int i;
	char cut;

	assert(!ss_cut_init());
	assert(!cut_class->collect((struct lpar_cut *)&cut, group) && nr_cut_points);
	for (i = 0; i < nr_cut_points; i++)
		cut_class->fire(cut_points[i], LPAR_CUT_CLOSE);
}

/**
 * volume_cut_finish() - later: what was cut becomes a state
 */
void volume_cut_finish(void)
{
	unsigned int i;

	for (i = 0; i < nr_cut_points; i++)
		cut_class->finish(cut_points[i], LPAR_CUT_CLOSE, true);
	while (nr_cut_points)
		cut_class->release(cut_points[--nr_cut_points]);
	test_run_work();
}

/**
 * volume_open() - load a table and resume it
 * @test: result
 * @name: of the device
 * @base: BASE, as large as the volume
 * @store: STORE
 * @args: of the table, but for the disks
 *
 * Return: 0 or a negative errno; test_log says why, and all is as before.
 */
int volume_open(struct test_volume *test, const char *name, struct block_device *base,
		struct block_device *store, const struct ss_volume_args *args)
{
	int err;

	memset(test, 0, sizeof(*test));
	test->md.name = name;
	test->table.md = &test->md;
	test->ti.table = &test->table;
	test->args = *args;
	if (!args->sectors)
		test->args.sectors = base->sectors;
	test->ti.len = test->args.sectors;
	test->args.base = base;
	test->args.store = store;
	test->volume = ss_volume_get(&test->ti, &test->args, &test->error);
	if (IS_ERR(test->volume)) {
		test_say("%s", test->error);
		return PTR_ERR(test->volume);
	}
	err = ss_volume_start(test->volume, &test->args);
	if (err) {
		volume_close(test);
		return err;
	}
	ss_volume_attach(test->volume, &test->ti, &test->args);
	test_run_work();
	return 0;
}

/**
 * volume_reload() - another table, of another size, for a volume in use
 * @test: volume
 * @sectors: size
 *
 * Return: 0 or a negative errno: then the former table goes on, unless it failed at resume.
 */
int volume_reload(struct test_volume *test, sector_t sectors)
{
	struct dm_target former = test->ti;
	struct ss_volume_args args = test->args;
	struct ss_volume *volume;
	int err;

	args.sectors = sectors;
	test->ti.len = sectors;
	volume = ss_volume_get(&test->ti, &args, &test->error);
	if (IS_ERR(volume)) {
		test->ti = former;
		return PTR_ERR(volume);
	}
	assert(volume == test->volume);
	err = ss_volume_start(volume, &args);
	if (!err) {
		test->args = args;
		ss_volume_attach(volume, &test->ti, &args);
	}
	/* One of the two tables goes. */
	ss_volume_detach(volume, &former);
	ss_volume_put(volume);
	test_run_work();
	return err;
}

/**
 * volume_close() - suspend and remove
 * @test: of volume_open()
 */
void volume_close(struct test_volume *test)
{
	ss_volume_detach(test->volume, &test->ti);
	ss_volume_put(test->volume);
	test->volume = NULL;
	assert(!test_locks);
}

static void end_io(struct test_volume *test, struct bio *bio)
{
	if (ss_io_end(test->volume, bio, &bio->bi_status) == DM_ENDIO_DONE)
		bio->ended = true;
}

/* To the disk that it was mapped to, which answers at once. */
void submit_bio_noacct(struct bio *bio)
{
	struct test_volume *test = (struct test_volume *)bio->private[7];
	unsigned int op = bio_op(bio);

	if (op == REQ_OP_READ || (op == REQ_OP_WRITE && bio->sectors)) {
		if (disk_io(bio->bi_bdev, bio->bi_opf, bio->bi_iter.bi_sector, bio->data,
			    bio->sectors, true))
			bio->bi_status = BLK_STS_IOERR;
	} else if (bio->bi_opf & REQ_PREFLUSH) {
		blkdev_issue_flush(bio->bi_bdev);
	}
	end_io(test, bio);
}

/**
 * volume_start() - a bio is there, and no work has been done since
 * @test: volume
 * @bio: as device mapper splits them
 */
void volume_start(struct test_volume *test, struct bio *bio)
{
	bio->private[7] = (u64)test;
	switch (ss_io_map(test->volume, bio)) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_KILL:
		bio_io_error(bio);
		break;
	}
	assert(!test_locks);
}

static void do_bio(struct test_volume *test, struct bio *bio)
{
	volume_start(test, bio);
	test_run_work();
	while (!bio->ended)
		test_pass_second();
}

/**
 * volume_discards() - as many discards that are there before the worker comes
 * @test: volume
 * @sector: where the first begins
 * @step: from there to where the next does
 * @sectors: length of each
 * @count: of them
 */
void volume_discards(struct test_volume *test, sector_t sector, sector_t step, unsigned int sectors,
		     unsigned int count)
{
	struct bio *bios = calloc(count, sizeof(*bios));
	unsigned int i;

	for (i = 0; i < count; i++) {
		bios[i].bi_iter.bi_sector = sector + i * step;
		bios[i].bi_opf = REQ_OP_DISCARD;
		bios[i].sectors = sectors;
		volume_start(test, &bios[i]);
	}
	test_run_work();
	for (i = 0; i < count; i++)
		assert(bios[i].ended);
	free(bios);
}

/**
 * volume_io() - as a bio that device mapper splits
 * @test: volume
 * @opf: operation; REQ_PREFLUSH without sectors is a flush
 * @sector: first
 * @data: of them
 * @sectors: their number
 *
 * Return: 0 or a negative errno.
 */
int volume_io(struct test_volume *test, blk_opf_t opf, sector_t sector, void *data,
	      unsigned int sectors)
{
	unsigned int max = test->volume->chunk_sectors * SS_RUN_CHUNKS;
	bool by_run = (opf & REQ_OP_MASK) == REQ_OP_READ || (opf & REQ_OP_MASK) == REQ_OP_WRITE;
	unsigned int done;

	do {
		/* Others are no longer than that, but begin anywhere. */
		unsigned int in_run = by_run ? max - sector % max : max;
		struct bio bio = {
			.bi_iter.bi_sector = sector,
			.bi_opf = opf,
			.sectors = min(sectors, in_run),
			.data = data,
		};

		do_bio(test, &bio);
		if (bio.bi_status)
			return bio.bi_status == BLK_STS_NOSPC ? -ENOSPC : -EIO;
		/* Of others nothing is left, and all is done. */
		done = by_run ? bio.sectors : min(sectors, in_run);
		sector += done;
		sectors -= done;
		data = data ? (u8 *)data + 512 * done : NULL;
	} while (sectors);
	return 0;
}

/* As device mapper does: a backslash takes the meaning from what is behind it. */
static char *next_word(char **text)
{
	char *word, *to;

	*text += strspn(*text, " ");
	word = to = *text;
	while (**text && **text != ' ') {
		if (**text == '\\')
			++*text;
		*to++ = *(*text)++;
	}
	if (**text)
		++*text;
	*to = '\0';
	return word;
}

static int send_words(struct test_volume *test, char *text, char *result, unsigned int size)
{
	unsigned int argc = 0;
	char *argv[16];
	int err;

	while (*(argv[argc] = next_word(&text)))
		argc++;
	err = ss_message(test->volume, argc, argv, result, size);
	assert(!test_locks);
	test_run_work();
	return err;
}

/**
 * volume_message() - as dmsetup message
 * @test: volume
 * @fmt: words
 *
 * Return: what the target answers.
 */
int volume_message(struct test_volume *test, const char *fmt, ...)
{
	char text[512], result[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return send_words(test, text, result, sizeof(result));
}

/**
 * volume_answer() - the answer to a message
 * @test: volume
 * @size: of the answer at most
 * @fmt: words
 *
 * Return: text, to be freed; NULL if the target refuses.
 */
char *volume_answer(struct test_volume *test, unsigned int size, const char *fmt, ...)
{
	char text[512], *result = calloc(1, size);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (send_words(test, text, result, size) == 1)
		return result;
	free(result);
	return NULL;
}

/**
 * volume_list() - the answer to the message "list"
 * @test: volume
 *
 * Return: text, to be freed.
 */
char *volume_list(struct test_volume *test)
{
	return volume_answer(test, 1 << 20, "list");
}
