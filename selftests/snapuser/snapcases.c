// SPDX-License-Identifier: GPL-2.0
/*
 * snapcases: single cases of what a volume shows and holds, of dm-snapsync's own code on disks in
 * memory: discards, zeroes, merges, growth, differences, and which BASE it is.
 */
#include "cases.h"

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

static unsigned int layers(void)
{
	unsigned int number, n = 0;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		n += vol.volume->layers[number] &&
		     vol.volume->layers[number]->flags & SS_LAYER_USED;
	return n;
}

/* Two halves of a chunk are written in turn, and of the states only the last two are kept. */
static void states_in_turn(void)
{
	unsigned int i, most = 0;

	wipe();
	open_with_chunk(8);
	for (i = 0; i < 50; i++) {
		fill(i, i % 2 ? 4 : 0, 4);
		volume_message(&vol, "take s%u", i);
		if (i > 1)
			volume_message(&vol, "delete s%u", i - 2);
		most = max(most, used());
	}
	tap_check(most <= 4, "chunks of what somebody sees are in use, and no others");
	tap_check(layers() <= 6, "nor is a layer left of each state that there was");
	tap_check(shows(48, 0) && shows(49, 4), "what was written last is there");
	volume_message(&vol, "restore s48");
	tap_check(shows(48, 3) && shows(47, 7), "so is what the state before has");
	volume_close(&vol);
	open_with_chunk(8);
	tap_check(shows(48, 0) && shows(47, 4), "for good");
	volume_close(&vol);
}

int main(void)
{
	cases_begin();
	tap_plan(63);
	chunk_of_a_wiped_store();
	merge_cannot_begin();
	discards_in_pieces();
	zeroes_of_any_size();
	other_base();
	merge_goes_on();
	growth();
	growth_while_merging();
	differences();
	no_memory();
	states_in_turn();
	cases_end();
	return tap_done();
}
