// SPDX-License-Identifier: GPL-2.0
/*
 * snapfuzz: damages a STORE in all kinds of ways, with wrong and with right
 * checksums, and holds lparctl snap check against the module itself.
 *
 *	snapfuzz SEED ROUNDS
 *
 * - What the checker calls lost is refused, and nothing else.
 * - What it calls repairable is, and shows the same before and after its repair.
 * - What it repairs by force is activated after that.
 */
#include "checker.h"
#include "volume.h"

#define BASE_SECTORS 2048
#define STORE_SECTORS 14336
#define STORES 24
#define SCRIPT 60

static struct block_device *base, *store;
static u8 intact[STORE_SECTORS * 512], damaged[STORE_SECTORS * 512];
static unsigned int n_verdicts[LOST + 1], n_forced, n_beyond_force, n_failed;

static unsigned int pick(unsigned int n)
{
	return random() % n;
}

/* A slot fails while it is written, together with others. */
static void fail_slot(struct test_volume *vol)
{
	static u8 data[512 * 8];
	const struct ss_volume *volume = vol->volume;
	enum ss_kind kind = pick(SS_KIND_LAYER);
	u32 block = pick(volume->nr_blocks[kind] + 1);

	if (block == volume->nr_blocks[kind])
		block = 0;
	store->fault = pick(DISK_FAULTS);
	store->bad_from =
		ss_meta_sector(volume, kind, block, !test_bit(block, volume->current_slot[kind]));
	store->bad_to = store->bad_from + SS_BLOCK_SECTORS;
	volume_io(vol, REQ_OP_WRITE, pick(BASE_SECTORS - 8), data, 8);
	volume_io(vol, REQ_OP_WRITE_ZEROES, pick(BASE_SECTORS - 128), NULL, 128);
	volume_io(vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	n_failed += volume->mode != SS_MODE_WRITE;
	if (volume->mode != SS_MODE_WRITE && store->fault == DISK_DEAD)
		memset(store->now + store->bad_from * 512, 0xff, SS_BLOCK_SIZE);
	store->bad_to = 0;
}

/* A store with some history, of all kinds of versions. */
static void make_store(void)
{
	struct ss_volume_args args = { .chunk_sectors = 8 << pick(5) };
	static u8 data[512 * 256];
	struct test_volume vol;
	unsigned int i, n = 0;
	bool is_in_use;

	memset(damaged, 0, sizeof(damaged));
	disk_set(store, damaged);
	assert(!volume_open(&vol, "vol", base, store, &args));
	for (i = 0; i < SCRIPT; i++) {
		sector_t sector = pick(BASE_SECTORS - 256);
		unsigned int sectors = 1 + pick(256), what = pick(10);

		memset(data, i, sizeof(data));
		if (what < 5)
			volume_io(&vol, REQ_OP_WRITE, sector, data, sectors);
		else if (what == 5)
			volume_io(&vol, REQ_OP_WRITE_ZEROES, sector, NULL, sectors);
		else if (what == 6)
			volume_io(&vol, REQ_OP_DISCARD, sector, NULL, sectors);
		else if (what == 7)
			volume_message(&vol, "take s%u note of %u", n++, i);
		else if (what == 8 && n)
			volume_message(&vol, "restore s%u", pick(n));
		else if (what == 9 && n && !pick(3))
			volume_message(&vol, "delete s%u", pick(n));
		if (!pick(4))
			volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
	}
	/* In use, the last transaction may not be confirmed yet. */
	is_in_use = pick(3);
	if (is_in_use) {
		volume_io(&vol, REQ_OP_WRITE | REQ_PREFLUSH, 0, NULL, 0);
		if (pick(2))
			fail_slot(&vol);
		memcpy(intact, store->now, sizeof(intact));
	}
	volume_close(&vol);
	if (!is_in_use)
		memcpy(intact, store->now, sizeof(intact));
}

static u8 *sector_at(u64 block, unsigned int sector)
{
	return damaged + block * SS_BLOCK_SIZE + sector * SS_SECTOR_SIZE;
}

static const struct ss_super *newest(void)
{
	return ss_super_newer((void *)sector_at(0, 0), (void *)sector_at(1, 0));
}

/* Some metadata block: likely one in use. */
static u64 some_block(void)
{
	u32 chunk = le32_to_cpu(newest()->chunk_sectors);
	enum ss_kind kind = pick(SS_KINDS);

	if (!pick(8))
		return pick(2);
	if (!pick(8))
		return SS_COPY_BLOCK + pick(2);
	if (chunk < SS_CHUNK_SECTORS_MIN || chunk > SS_CHUNK_SECTORS_MAX)
		return pick(1024);
	return ss_slot_block(kind, pick(pick(3) ? 1 : 3), pick(2), chunk);
}

/* A wrong checksum. */
static void flip_bit(void)
{
	u8 *sector = sector_at(some_block(), pick(8));

	sector[pick(SS_SECTOR_SIZE)] ^= 1 << pick(8);
}

static void scribble(void)
{
	u8 *sector = sector_at(some_block(), pick(8));
	unsigned int at = pick(SS_SECTOR_SIZE), n = 1 + pick(SS_SECTOR_SIZE - at);

	while (n--)
		sector[at++] = pick(3) ? 0 : random();
}

static u64 odd_number(void)
{
	static const u64 odd[] = {
		0, 1, 2, 3, 7, 255, 256, 4095, 4096, 65535, U32_MAX, S64_MAX, ~0
	};

	return odd[pick(ARRAY_SIZE(odd))];
}

/* Another value somewhere, with a right checksum. */
static void forge(void)
{
	u64 block = some_block(), value = odd_number();
	const u8 *uuid = newest()->uuid;
	u8 *sector = sector_at(block, block < 2 || !pick(2) ? 0 : pick(8));
	unsigned int size = 1 << pick(4), at = pick(2) ? pick(128) : pick(SS_SECTOR_SIZE - 8);
	struct ss_head *head = (void *)sector;

	at = at / size * size;
	if (pick(2))
		value = sector[at] + pick(3) - 1;
	memcpy(sector + at, &value, size);
	ss_sector_seal(uuid, sector, pick(8) ? block : le32_to_cpu(head->block),
		       le64_to_cpu(head->seq));
}

/* One block, or the slot of one, in place of another. */
static void move_block(void)
{
	u64 from = some_block(), to = some_block();

	memcpy(sector_at(to, 0), sector_at(from, 0), SS_BLOCK_SIZE);
	if (pick(2))
		ss_block_seal(newest()->uuid, sector_at(to, 0), to,
			      le64_to_cpu(((struct ss_head *)sector_at(to, 0))->seq) + pick(3) - 1);
}

/* A sector of the other slot: torn. */
static void tear(void)
{
	u64 block = some_block() & ~1ULL;
	unsigned int sector = pick(8);
	u8 *to = sector_at(block + pick(2), sector);
	u64 seq = le64_to_cpu(newest()->head.seq) + pick(3);

	if (pick(2))
		memcpy(to, sector_at(block, sector), SS_SECTOR_SIZE);
	ss_sector_seal(newest()->uuid, to, (to - damaged) / SS_BLOCK_SIZE, seq);
}

static void lose_block(void)
{
	memset(sector_at(some_block(), 0), pick(2) ? 0 : 0xff, SS_BLOCK_SIZE);
}

static void do_damage(void)
{
	static void (*const damage[])(void) = {
		flip_bit, scribble, forge, forge, forge, move_block, tear, lose_block,
	};
	unsigned int n = 1 + pick(pick(3) ? 1 : 4);

	while (n--)
		damage[pick(ARRAY_SIZE(damage))]();
}

static u64 sum_of(struct test_volume *vol, u64 sum)
{
	static u8 data[BASE_SECTORS * 512];
	size_t i;

	assert(!volume_io(vol, REQ_OP_READ, 0, data, BASE_SECTORS));
	for (i = 0; i < sizeof(data); i += 8) {
		u64 word;

		memcpy(&word, data + i, sizeof(word));
		sum = ss_mix(sum + word);
	}
	return sum;
}

/* All that a volume shows, and what its states are called. */
static u64 look(struct test_volume *vol)
{
	char *list = volume_list(vol), *line, *rest;
	u64 sum = sum_of(vol, 0);

	for (line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *name = line;

		*strchr(name, ' ') = '\0';
		sum = ss_mix(sum + crc32c(0, name, strlen(name)));
		if (strcmp(name, "-") && !volume_message(vol, "restore %s", name))
			sum = sum_of(vol, sum);
	}
	free(list);
	return sum;
}

/* What is durable does not matter here. */
static void set_store(const u8 *image)
{
	store->n_written = 0;
	memcpy(store->now, image, sizeof(damaged));
}

/* Returns 0 and what the module shows, or its errno; STORE is as it was after that. */
static int activate(bool read_only, u64 *sum)
{
	static u8 before[STORE_SECTORS * 512];
	struct ss_volume_args args = { .read_only = read_only };
	struct test_volume vol;
	int err;

	if (!read_only)
		memcpy(before, store->now, sizeof(before));
	err = volume_open(&vol, "vol", base, store, &args);
	if (!err && sum)
		*sum = look(&vol);
	if (!err)
		volume_close(&vol);
	if (!read_only)
		set_store(before);
	return err;
}

/* What only the module can know. */
static bool is_of_base(void)
{
	return !strstr(test_log, "STORE belongs to");
}

static const char *check_repair(u64 sum)
{
	u64 after;

	if (checker_repair(store->fd, false))
		return "what is repairable is not repaired";
	if (checker_check(store->fd) != SOUND)
		return "what was repaired is not sound";
	if (activate(false, &after))
		return "what was repaired is refused";
	return after == sum ? NULL : "what was repaired shows something else";
}

static const char *check_force(void)
{
	u64 sum;

	if (!checker_repair(store->fd, false))
		return "what is lost was repaired without force";
	if (memcmp(store->now, damaged, sizeof(damaged)))
		return "what was not repaired was written";
	if (checker_repair(store->fd, true)) {
		n_beyond_force++;
		return NULL;
	}
	n_forced++;
	if (checker_check(store->fd) != SOUND)
		return "what was repaired by force is not sound";
	return activate(false, &sum) && is_of_base() ? "what was repaired by force is refused"
						     : NULL;
}

/* Returns what is wrong, or NULL. */
static const char *compare(void)
{
	enum verdict verdict = checker_check(store->fd);
	u64 sum = 0;
	int err = activate(true, NULL);

	n_verdicts[verdict]++;
	if (memcmp(store->now, damaged, sizeof(damaged)))
		return "what was only looked at was written";
	if (err && !is_of_base())
		return NULL;
	if (verdict == LOST && !err)
		return "the checker calls lost what is activated";
	if (verdict != LOST && err)
		return "the checker calls sound what is refused";
	if (verdict == LOST)
		return check_force();
	if (activate(false, &sum))
		return "it is activated read-only only";
	return check_repair(sum);
}

int main(int argc, char **argv)
{
	unsigned int seed, rounds, round;
	const char *wrong = NULL;

	if (argc != 3)
		return 2;
	seed = strtoul(argv[1], NULL, 10);
	rounds = strtoul(argv[2], NULL, 10);
	base = disk_new(BASE_SECTORS);
	store = disk_new(STORE_SECTORS);
	for (round = 0; round < rounds && !wrong; round++) {
		if (round % (rounds / STORES + 1) == 0) {
			srandom(seed + round);
			make_store();
		}
		srandom(seed + round);
		memcpy(damaged, intact, sizeof(damaged));
		do_damage();
		set_store(damaged);
		wrong = compare();
	}
	printf("# %u sound, %u repairable, %u lost; by force %u, beyond that %u; %u stores failed\n",
	       n_verdicts[SOUND], n_verdicts[REPAIRABLE], n_verdicts[LOST], n_forced,
	       n_beyond_force, n_failed);
	if (wrong)
		printf("seed %u, round %u: %s\n", seed, round - 1, wrong);
	disk_free(base);
	disk_free(store);
	return !!wrong;
}
