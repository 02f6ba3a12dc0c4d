// SPDX-License-Identifier: GPL-2.0
/*
 * relmodel: random I/O on a relocate device, and what must be read.
 *
 *	relmodel --stamp DEVICE
 *	relmodel --random DEVICE MODEL SEED STEPS THREADS
 *	relmodel --marks COMMAND DIR DEVICE SEED STEPS
 *	relmodel --check DEVICE MODEL [NEXT]
 *
 * What a sector holds follows from its address and a sequence number, so that
 * a model is a number for each sector: 0 is what --stamp writes, and SOURCE has.
 * --random begins with the model in the file MODEL, if there is one, and leaves
 * it there. Each sector belongs to one thread, in every other piece of 64 KiB
 * by turns of five sectors: so threads meet in regions, never in sectors.
 * --marks writes, and runs "COMMAND N" after each fsync, when DIR/N is the
 * model of what is durable. --check compares, and with NEXT accepts what was
 * written in between.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "die.h"

#define SECTOR 512
#define PIECE 128 /* sectors */
#define STRIPE 5
#define RANGE_MAX 512
#define STEPS_MAX 16 /* from one mark to the next */
#define ZERO UINT32_MAX

static const char *device;
static uint64_t sectors;
static uint32_t *model;
static unsigned int n_threads = 1;

struct thread {
	pthread_t id;
	unsigned int number;
	uint64_t random;
	long steps;
	int disk;
	uint8_t *buffer;
	uint32_t seq;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* What a sector holds. */
static void fill(uint8_t *data, uint64_t sector, uint32_t seq)
{
	uint64_t *word = (uint64_t *)data, x = mix(sector * 0x9e3779b97f4a7c15 + seq + 1);
	unsigned int i;

	if (seq == ZERO) {
		memset(data, 0, SECTOR);
		return;
	}
	word[0] = sector;
	word[1] = seq;
	for (i = 2; i < SECTOR / 8; i++)
		word[i] = x += 0x9e3779b97f4a7c15;
}

/* The number of what is there; dies on what no number stands for. */
static uint32_t number_of(const uint8_t *data, uint64_t sector)
{
	static const uint8_t zeroes[SECTOR];
	uint8_t expected[SECTOR] __attribute__((aligned(8)));
	const uint64_t *word = (const uint64_t *)data;

	if (!memcmp(data, zeroes, SECTOR))
		return ZERO;
	fill(expected, sector, word[1]);
	if (word[0] != sector || word[1] >= ZERO || memcmp(data, expected, SECTOR)) {
		errno = EILSEQ;
		die("sector %lu is garbage: %lx %lx", sector, word[0], word[1]);
	}
	return word[1];
}

static void *memory(size_t size)
{
	void *data;

	if (posix_memalign(&data, 4096, size))
		die("no memory");
	memset(data, 0, size);
	return data;
}

static int open_device(int flags)
{
	int fd = open(device, O_DIRECT | flags);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &sectors))
		die("%s", device);
	sectors /= SECTOR;
	return fd;
}

static void load(const char *path, uint32_t *numbers)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0 && read(fd, numbers, sectors * 4) != (ssize_t)(sectors * 4))
		die("%s", path);
	if (fd >= 0)
		close(fd);
}

static void save(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, model, sectors * 4) != (ssize_t)(sectors * 4) || close(fd))
		die("%s", path);
}

static uint64_t below(struct thread *thread, uint64_t limit)
{
	return mix(thread->random += 0x9e3779b97f4a7c15) % limit;
}

static bool owns(const struct thread *thread, uint64_t sector)
{
	uint64_t piece = sector / PIECE;
	uint64_t turn = piece % 2 ? piece / 2 : sector / STRIPE;

	return turn % n_threads == thread->number;
}

/* How many sectors from here on are the thread's, of @count. */
static uint64_t owned(const struct thread *thread, uint64_t sector, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count && owns(thread, sector + i); i++)
		;
	return i;
}

/* Its own, as long as they go, up to a length that is mostly short. */
static uint64_t pick(struct thread *thread, uint64_t *sector)
{
	static const uint64_t lengths[] = { 1, 8, 8, 16, 64, PIECE };
	uint64_t length = lengths[below(thread, 6)], count = 0;

	while (!count) {
		*sector = below(thread, sectors);
		/* Whole regions now and then. */
		if (below(thread, 2))
			*sector &= ~7ULL;
		count = sectors - *sector < length ? sectors - *sector : length;
		count = owned(thread, *sector, count);
	}
	return count;
}

static void check_own(const struct thread *thread, uint64_t sector, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++) {
		uint32_t found;

		if (!owns(thread, sector + i))
			continue;
		found = number_of(thread->buffer + i * SECTOR, sector + i);
		if (found == model[sector + i])
			continue;
		errno = EILSEQ;
		die("sector %lu has %u, expected %u", sector + i, found, model[sector + i]);
	}
}

/* Of others as well, who may just be writing them. */
static void do_read(struct thread *thread)
{
	uint64_t sector = below(thread, sectors);
	uint64_t count = 1 + below(thread, below(thread, 4) ? 16 : RANGE_MAX);

	if (count > sectors - sector)
		count = sectors - sector;
	if (pread(thread->disk, thread->buffer, count * SECTOR, sector * SECTOR) !=
	    (ssize_t)(count * SECTOR))
		die("read of %lu sectors at %lu", count, sector);
	check_own(thread, sector, count);
}

static void do_write(struct thread *thread, bool may_be_fua)
{
	uint64_t sector, count = pick(thread, &sector), i;
	struct iovec piece = { .iov_base = thread->buffer, .iov_len = count * SECTOR };
	int flags = may_be_fua && !below(thread, 8) ? RWF_DSYNC : 0;

	thread->seq++;
	for (i = 0; i < count; i++) {
		model[sector + i] = thread->seq;
		fill(thread->buffer + i * SECTOR, sector + i, thread->seq);
	}
	if (pwritev2(thread->disk, &piece, 1, sector * SECTOR, flags) != (ssize_t)piece.iov_len)
		die("write of %lu sectors at %lu", count, sector);
}

static void clear_range(struct thread *thread, unsigned long request, uint64_t sector,
			uint64_t count)
{
	uint64_t range[2] = { sector * SECTOR, count * SECTOR };

	if (ioctl(thread->disk, request, range))
		die("clearing %lu sectors at %lu", count, sector);
}

static void do_zero(struct thread *thread)
{
	uint64_t sector, count = pick(thread, &sector), i;

	clear_range(thread, BLKZEROOUT, sector, count);
	for (i = 0; i < count; i++)
		model[sector + i] = ZERO;
}

/* What is there afterwards is what was there, or zeroes; and it stays. */
static void do_discard(struct thread *thread)
{
	uint64_t sector, count = pick(thread, &sector), i;

	clear_range(thread, BLKDISCARD, sector, count);
	if (pread(thread->disk, thread->buffer, count * SECTOR, sector * SECTOR) !=
	    (ssize_t)(count * SECTOR))
		die("read of %lu sectors at %lu", count, sector);
	for (i = 0; i < count; i++) {
		uint32_t found = number_of(thread->buffer + i * SECTOR, sector + i);

		if (found != ZERO && found != model[sector + i]) {
			errno = EILSEQ;
			die("sector %lu has %u after a discard of %u", sector + i, found,
			    model[sector + i]);
		}
		model[sector + i] = found;
	}
}

static void *run(void *data)
{
	struct thread *thread = data;

	for (; thread->steps; thread->steps--) {
		uint64_t what = below(thread, 100);

		if (what < 45)
			do_read(thread);
		else if (what < 85)
			do_write(thread, true);
		else if (what < 90)
			do_zero(thread);
		else if (what < 95)
			do_discard(thread);
		else if (fsync(thread->disk))
			die("fsync");
	}
	return NULL;
}

static void prepare(struct thread *thread, unsigned int number, uint64_t seed, long steps)
{
	uint64_t i;

	thread->number = number;
	thread->random = mix(seed + number);
	thread->steps = steps;
	thread->disk = open_device(O_RDWR);
	thread->buffer = memory(RANGE_MAX * SECTOR);
	for (i = 0; i < sectors; i++)
		if (model[i] != ZERO && model[i] > thread->seq)
			thread->seq = model[i];
}

static int random_io(const char *path, uint64_t seed, long steps)
{
	struct thread *threads = calloc(n_threads, sizeof(*threads));
	unsigned int i;

	close(open_device(O_RDONLY));
	model = memory(sectors * 4);
	load(path, model);
	for (i = 0; i < n_threads; i++)
		prepare(&threads[i], i, seed, steps);
	for (i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]))
			die("pthread_create");
	for (i = 0; i < n_threads; i++)
		pthread_join(threads[i].id, NULL);
	save(path);
	return 0;
}

/* dm-log-writes logs a write with FUA at once, older ones of the same place after it. */
static int marked_io(const char *command, const char *dir, uint64_t seed, long steps)
{
	struct thread thread = {};
	unsigned int marks = 0, since = 0;
	char text[512];

	close(open_device(O_RDONLY));
	model = memory(sectors * 4);
	prepare(&thread, 0, seed, steps);
	for (; thread.steps; thread.steps--) {
		if (below(&thread, 4))
			do_read(&thread);
		else
			do_write(&thread, false);
		/* Never so few that nothing is tried. */
		if (below(&thread, 12) && ++since < STEPS_MAX && thread.steps > 1)
			continue;
		since = 0;
		if (fsync(thread.disk))
			die("fsync");
		snprintf(text, sizeof(text), "%s/%u", dir, marks);
		save(text);
		snprintf(text, sizeof(text), "%s %u", command, marks++);
		if (system(text))
			die("%s", text);
	}
	printf("%u marks\n", marks);
	return 0;
}

/* As in the model, or as written since, but before the next one. */
static int check(const char *path, const char *next)
{
	int disk = open_device(O_RDONLY);
	uint8_t *buffer = memory(RANGE_MAX * SECTOR);
	uint32_t *last = memory(sectors * 4);
	uint64_t sector, count, i;

	model = memory(sectors * 4);
	load(path, model);
	memcpy(last, model, sectors * 4);
	if (next)
		load(next, last);
	for (sector = 0; sector < sectors; sector += count) {
		count = sectors - sector < RANGE_MAX ? sectors - sector : RANGE_MAX;
		if (pread(disk, buffer, count * SECTOR, sector * SECTOR) !=
		    (ssize_t)(count * SECTOR))
			die("read of %lu sectors at %lu", count, sector);
		for (i = 0; i < count; i++) {
			uint32_t found = number_of(buffer + i * SECTOR, sector + i);
			uint32_t from = model[sector + i], to = last[sector + i];

			if (found == from || (found > from && found <= to))
				continue;
			errno = EILSEQ;
			die("sector %lu has %u, expected %u to %u", sector + i, found, from, to);
		}
	}
	return 0;
}

static int stamp_all(void)
{
	int disk = open_device(O_RDWR);
	uint8_t *buffer = memory(RANGE_MAX * SECTOR);
	uint64_t sector, count, i;

	for (sector = 0; sector < sectors; sector += count) {
		count = sectors - sector < RANGE_MAX ? sectors - sector : RANGE_MAX;
		for (i = 0; i < count; i++)
			fill(buffer + i * SECTOR, sector + i, 0);
		if (pwrite(disk, buffer, count * SECTOR, sector * SECTOR) !=
		    (ssize_t)(count * SECTOR))
			die("write of %lu sectors at %lu", count, sector);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc == 3 && !strcmp(mode, "--stamp")) {
		device = argv[2];
		return stamp_all();
	}
	if (argc == 7 && !strcmp(mode, "--random")) {
		device = argv[2];
		n_threads = atoi(argv[6]);
		return random_io(argv[3], atol(argv[4]), atol(argv[5]));
	}
	if (argc == 7 && !strcmp(mode, "--marks")) {
		device = argv[4];
		return marked_io(argv[2], argv[3], atol(argv[5]), atol(argv[6]));
	}
	if ((argc == 4 || argc == 5) && !strcmp(mode, "--check")) {
		device = argv[2];
		return check(argv[3], argv[4]);
	}
	fputs("usage: relmodel --stamp|--random|--marks|--check ...\n", stderr);
	return 2;
}
