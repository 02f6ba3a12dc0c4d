// SPDX-License-Identifier: GPL-2.0
/*
 * snapkill: two volumes of a group under load until the machine dies, and what must
 * be there afterwards.
 *
 *	snapkill load A B RECORD [STATE...]	never ends; STATEs are those that exist
 *	snapkill running A B RECORD		are the volumes as a crash may leave them?
 *	snapkill states RECORD			"must|taken|deleted NAME HASH-A HASH-B" of each
 *	snapkill hash DEVICE			as above
 *	snapkill pair A B			is a state of both from one instant?
 *
 * A and B are names of volumes, RECORD is a disk that the load writes ahead of each
 * operation on states and after each flush. Of a volume, the first 64 blocks are for
 * pairs: a thread writes the next number to A, then to B. All other sectors carry
 * their address and a sequence number in every byte.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "die.h"
#include "dmmessage.h"

#define SECTOR 512
#define SECTORS 4096 /* of a volume */
#define BLOCK 4096
#define PLACES 64
#define FIRST (PLACES * BLOCK / SECTOR)
#define STATES_MAX 5
#define MAGIC 0x6c6c696b70616e73ULL
#define SLOT_SIZE (128 << 10)

enum pending { NOTHING, TAKE, RESTORE, DELETE };

struct state {
	char name[16];
	uint64_t hash[2];
};

/* What must be there, of which the later of two valid slots counts. */
struct record {
	uint64_t magic;
	uint64_t number;
	uint64_t seq;
	uint32_t pending;
	uint32_t n_states;
	struct state state[STATES_MAX];
	struct state subject;	      /* of what is pending */
	uint64_t durable[2][SECTORS]; /* sequence numbers */
	uint64_t hash;
};

struct pair {
	uint64_t number;
	uint64_t before; /* that B had then */
};

static struct record *record;
static const char *volume[2];
static uint8_t *model[2], *buffer;
static int disk[2], record_disk, control;
static pthread_mutex_t pairs = PTHREAD_MUTEX_INITIALIZER;
static uint64_t newest_pair, newest_in_b;

static void *memory(size_t size)
{
	void *p;

	if (posix_memalign(&p, BLOCK, size))
		die("no memory");
	memset(p, 0, size);
	return p;
}

static uint64_t hash_of(const void *data, size_t size)
{
	const uint64_t *word = data;
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size /= sizeof(*word); size; size--)
		hash = (hash ^ *word++) * 0x100000001b3ULL;
	return hash;
}

static uint64_t hash_image(const uint8_t *image)
{
	return hash_of(image + FIRST * SECTOR, (SECTORS - FIRST) * SECTOR);
}

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT);

	if (fd < 0)
		die("%s", path);
	return fd;
}

static int open_volume(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return open_disk(path, O_RDWR);
}

static void read_disk(int fd, void *into, size_t size, off_t at)
{
	if (pread(fd, into, size, at) != (ssize_t)size)
		die("read of %zu bytes at %ld", size, (long)at);
}

/* Zeroes are number 0. */
static void stamp(uint8_t *data, uint64_t sector, uint64_t seq)
{
	uint64_t word[2] = { seq ? sector : 0, seq };
	unsigned int i;

	for (i = 0; i < SECTOR; i += sizeof(word))
		memcpy(data + i, word, sizeof(word));
}

static uint64_t seq_of(const uint8_t *data)
{
	return ((const uint64_t *)data)[1];
}

static bool is_sound(const uint8_t *data, uint64_t sector)
{
	uint8_t wanted[SECTOR];

	stamp(wanted, sector, seq_of(data));
	return !memcmp(data, wanted, SECTOR);
}

static bool read_slot(int slot, struct record *into)
{
	read_disk(record_disk, into, SLOT_SIZE, slot * SLOT_SIZE);
	return into->magic == MAGIC && into->hash == hash_of(into, offsetof(struct record, hash));
}

/* Before the first there is nothing that must be there. */
static void read_record(const char *path)
{
	struct record *other = memory(SLOT_SIZE);
	bool first, second;

	record_disk = open_disk(path, O_RDWR);
	record = memory(SLOT_SIZE);
	first = read_slot(0, record);
	second = read_slot(1, other);
	if (second && (!first || other->number > record->number))
		memcpy(record, other, SLOT_SIZE);
	else if (!first)
		memset(record, 0, SLOT_SIZE);
	free(other);
}

static void write_record(void)
{
	record->magic = MAGIC;
	record->number++;
	record->hash = hash_of(record, offsetof(struct record, hash));
	if (pwrite(record_disk, record, SLOT_SIZE, record->number % 2 * SLOT_SIZE) != SLOT_SIZE)
		die("record");
}

/* All that was written has to be there from now on. */
static void write_durable(void)
{
	unsigned int v, i;

	for (v = 0; v < 2; v++)
		for (i = FIRST; i < SECTORS; i++)
			record->durable[v][i] = seq_of(model[v] + i * SECTOR);
	record->pending = NOTHING;
	write_record();
}

static uint64_t newest(int fd, struct pair *found)
{
	uint8_t *image = memory(PLACES * BLOCK);
	const struct pair *pair;
	unsigned int i;

	memset(found, 0, sizeof(*found));
	read_disk(fd, image, PLACES * BLOCK, 0);
	for (i = 0; i < PLACES; i++) {
		pair = (const struct pair *)(image + i * BLOCK);
		if (pair->number > found->number)
			*found = *pair;
	}
	free(image);
	return found->number;
}

static void write_pair(void)
{
	static struct pair *block;
	unsigned int v;

	block = block ? block : memory(BLOCK);
	block->before = newest_in_b;
	block->number = ++newest_pair;
	for (v = 0; v < 2; v++)
		if (pwrite(disk[v], block, BLOCK, newest_pair % PLACES * BLOCK) != BLOCK)
			die("pair");
	newest_in_b = newest_pair;
}

static void *write_pairs(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_mutex_lock(&pairs);
		write_pair();
		pthread_mutex_unlock(&pairs);
	}
	return NULL;
}

static void say(const char *fmt, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), fmt, name);
	if (dm_message(control, volume[0], text))
		die("message '%s'", text);
}

static void do_write(void)
{
	unsigned int v = random() % 2, count = 1 + random() % 16, i;
	unsigned int sector = FIRST + random() % (SECTORS - FIRST - count);
	struct iovec piece = { .iov_base = buffer, .iov_len = count * SECTOR };

	for (i = 0; i < count; i++)
		stamp(model[v] + (sector + i) * SECTOR, sector + i, ++record->seq);
	memcpy(buffer, model[v] + sector * SECTOR, piece.iov_len);
	if (pwritev2(disk[v], &piece, 1, sector * SECTOR, random() % 8 ? 0 : RWF_DSYNC) !=
	    (ssize_t)piece.iov_len)
		die("write");
}

static void do_flush(void)
{
	if (fsync(disk[0]) || fsync(disk[1]))
		die("fsync");
	write_durable();
}

static void announce(enum pending pending, const struct state *subject)
{
	record->pending = pending;
	record->subject = *subject;
	write_record();
}

static void do_take(void)
{
	struct state fresh = { .hash = { hash_image(model[0]), hash_image(model[1]) } };

	if (record->n_states == STATES_MAX)
		return;
	snprintf(fresh.name, sizeof(fresh.name), "s%lu", record->number);
	announce(TAKE, &fresh);
	say("take %s", fresh.name);
	record->state[record->n_states++] = fresh;
	write_durable();
}

static void read_volumes(void)
{
	unsigned int v;

	for (v = 0; v < 2; v++)
		read_disk(disk[v], model[v], SECTORS * SECTOR, 0);
}

static void do_restore(void)
{
	const struct state *state = &record->state[random() % STATES_MAX];
	struct pair found;

	if (state >= record->state + record->n_states)
		return;
	announce(RESTORE, state);
	/* A pair half of which is gone would be none. */
	pthread_mutex_lock(&pairs);
	say("group restore %s", state->name);
	newest_in_b = newest(disk[1], &found);
	pthread_mutex_unlock(&pairs);
	read_volumes();
	if (hash_image(model[0]) != state->hash[0] || hash_image(model[1]) != state->hash[1])
		die("state %s is not what it was", state->name);
	write_durable();
}

static void forget_state(unsigned int i)
{
	record->state[i] = record->state[--record->n_states];
}

static void do_delete(void)
{
	unsigned int which = random() % STATES_MAX;

	if (record->n_states < 3 || which >= record->n_states)
		return;
	announce(DELETE, &record->state[which]);
	say("group delete %s", record->state[which].name);
	forget_state(which);
	write_durable();
}

static void step(void)
{
	unsigned int what = random() % 100;

	if (what < 80)
		do_write();
	else if (what < 88)
		do_flush();
	else if (what < 94)
		do_take();
	else if (what < 97)
		do_restore();
	else
		do_delete();
}

/* What was pending is over: there are the states that there are. */
static void resume_record(char **names)
{
	unsigned int i, j;

	if (record->pending == TAKE && record->n_states < STATES_MAX)
		record->state[record->n_states++] = record->subject;
	for (i = 0; i < record->n_states;) {
		for (j = 0; names[j] && strcmp(names[j], record->state[i].name); j++)
			;
		if (names[j])
			i++;
		else
			forget_state(i);
	}
	/* Beyond all that may have been written since. */
	record->seq = ((record->seq >> 32) + 1) << 32;
}

static void open_volumes(char **names)
{
	unsigned int v;

	for (v = 0; v < 2; v++) {
		volume[v] = names[v];
		disk[v] = open_volume(names[v]);
		model[v] = memory(SECTORS * SECTOR);
	}
}

static int load(char **names, const char *path, char **states)
{
	struct pair found;
	pthread_t writer;

	open_volumes(names);
	read_record(path);
	resume_record(states);
	buffer = memory(16 * SECTOR);
	control = dm_control();
	srandom(record->seq >> 32);
	read_volumes();
	write_durable();
	newest_pair = newest(disk[0], &found);
	newest_in_b = newest(disk[1], &found);
	newest_pair = newest_in_b > newest_pair ? newest_in_b : newest_pair;
	write_pair();
	if (pthread_create(&writer, NULL, write_pairs, NULL))
		die("no thread");
	puts("# loaded");
	fflush(stdout);
	for (;;)
		step();
}

static bool has_what_is_durable(unsigned int v)
{
	unsigned int i;

	for (i = FIRST; i < SECTORS; i++) {
		const uint8_t *data = model[v] + i * SECTOR;

		if (is_sound(data, i) && seq_of(data) >= record->durable[v][i])
			continue;
		printf("# %s: sector %u has %s number %lx, expected %lx or more\n", volume[v], i,
		       is_sound(data, i) ? "sound" : "unsound", seq_of(data),
		       record->durable[v][i]);
		return false;
	}
	return true;
}

static int check_running(char **names, const char *path)
{
	bool good = true;
	unsigned int v;

	open_volumes(names);
	read_record(path);
	read_volumes();
	for (v = 0; v < 2; v++)
		good &= (record->pending == RESTORE &&
			 hash_image(model[v]) == record->subject.hash[v]) ||
			has_what_is_durable(v);
	return !good;
}

static void list_state(const char *how, const struct state *state)
{
	printf("%s %s %lx %lx\n", how, state->name, state->hash[0], state->hash[1]);
}

static int list_states(const char *path)
{
	unsigned int i;
	bool is_subject;

	read_record(path);
	for (i = 0; i < record->n_states; i++) {
		is_subject = !strcmp(record->state[i].name, record->subject.name);
		list_state(is_subject && record->pending == DELETE ? "deleted" : "must",
			   &record->state[i]);
	}
	if (record->pending == TAKE)
		list_state("taken", &record->subject);
	return 0;
}

static int print_hash(const char *device)
{
	uint8_t *image = memory(SECTORS * SECTOR);

	read_disk(open_disk(device, O_RDONLY), image, SECTORS * SECTOR, 0);
	printf("%lx\n", hash_image(image));
	return 0;
}

static int check_pair(const char *a, const char *b)
{
	struct pair in_a, in_b;

	newest(open_disk(a, O_RDONLY), &in_a);
	newest(open_disk(b, O_RDONLY), &in_b);
	printf("# %lu after %lu, %lu\n", in_a.number, in_a.before, in_b.number);
	return in_b.number != in_a.number && in_b.number != in_a.before;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (argc >= 5 && !strcmp(verb, "load"))
		return load(argv + 2, argv[4], argv + 5);
	if (argc == 5 && !strcmp(verb, "running"))
		return check_running(argv + 2, argv[4]);
	if (argc == 3 && !strcmp(verb, "states"))
		return list_states(argv[2]);
	if (argc == 3 && !strcmp(verb, "hash"))
		return print_hash(argv[2]);
	if (argc == 4 && !strcmp(verb, "pair"))
		return check_pair(argv[2], argv[3]);
	fputs("usage: snapkill load|running A B RECORD ... | states RECORD | hash DEVICE | pair A B\n",
	      stderr);
	return 2;
}
