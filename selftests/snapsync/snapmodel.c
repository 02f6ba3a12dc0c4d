// SPDX-License-Identifier: GPL-2.0
/*
 * snapmodel: a random script on a snapsync volume and on a model in memory.
 *
 *	snapmodel NAME SEED STEPS [REOPEN-COMMAND]
 *	snapmodel --thin POOL THIN ORIGIN NAME SEED STEPS [REOPEN-COMMAND]
 *	snapmodel --marks LOG DIR NAME SEED STEPS
 *	snapmodel --check DEVICE IMAGE [NEXT-IMAGE]
 *	snapmodel --stamp DEVICE
 *
 * Every sector that is written carries its address, a sequence number and a
 * CRC. The volume is compared with the model now and then, and at the end so
 * is every state. With --thin, the same is done on a volume of dm-thin, number 0 in
 * POOL, with an external ORIGIN, and compared. With --marks, only writes, flushes, takes and restores are done;
 * after each that makes data durable the dm-log-writes device LOG gets a mark,
 * and DIR the image that must be there at that mark. --check compares a device
 * with an image; with the next one, it accepts what was written in between.
 * --stamp prepares what is to be BASE.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "die.h"
#include "dmmessage.h"

#define SECTOR 512
#define STATES_MAX 12

struct stamp {
	uint64_t sector;
	uint64_t seq;
	uint32_t crc;
};

struct state {
	char name[16];
	unsigned int thin;
	uint8_t *image;
};

/* The peer: a volume of dm-thin, if there is a pool. */
static struct {
	const char *pool, *name, *origin;
	int disk;
	unsigned int number, numbers;
} thin = { .disk = -1 };

static const char *volume, *reopen_command, *log_device, *mark_dir;
static int disk = -1, control = -1;
static uint64_t sectors, seq, flushed_seq;
static uint8_t *model, *buffer;
static struct state states[STATES_MAX];
static unsigned int n_states, names, marks;

static uint32_t crc32(const uint8_t *data, size_t size)
{
	uint32_t crc = ~0U;

	while (size--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void stamp(uint8_t *data, uint64_t sector)
{
	struct stamp *head = (struct stamp *)data;

	memset(data, (int)(seq * 37 + sector), SECTOR);
	head->sector = sector;
	head->seq = ++seq;
	head->crc = 0;
	head->crc = crc32(data, 64);
}

/* Zeroes count as sequence number 0, anything but a stamped sector of this address fails. */
static bool read_stamp(const uint8_t *data, uint64_t sector, uint64_t *number)
{
	uint8_t copy[64];
	struct stamp *head = (struct stamp *)copy;
	uint32_t crc;

	memcpy(copy, data, sizeof(copy));
	*number = head->seq;
	if (!head->seq && !head->sector && !head->crc)
		return true;
	crc = head->crc;
	head->crc = 0;
	return head->sector == sector && crc == crc32(copy, sizeof(copy));
}

static void message(const char *device, const char *fmt, const char *word)
{
	char text[256];

	snprintf(text, sizeof(text), fmt, word);
	if (dm_message(control, device, text))
		die("message '%s'", text);
}

__attribute__((format(printf, 1, 2))) static void run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command))
		die("%s", command);
}

/* dm-thin wants the device suspended while it is copied. */
static unsigned int thin_copy(unsigned int from, bool is_active)
{
	char text[64];

	if (is_active)
		run("dmsetup suspend %s", thin.name);
	snprintf(text, sizeof(text), "create_snap %u %u", ++thin.numbers, from);
	message(thin.pool, "%s", text);
	if (is_active)
		run("dmsetup resume %s", thin.name);
	return thin.numbers;
}

static void thin_delete(unsigned int number)
{
	char text[32];

	snprintf(text, sizeof(text), "delete %u", number);
	message(thin.pool, "%s", text);
}

static void thin_restore(unsigned int state)
{
	unsigned int old = thin.number;

	thin.number = thin_copy(state, false);
	run("dmsetup suspend %s && dmsetup load %s --table '0 %lu thin /dev/mapper/%s %u %s' && "
	    "dmsetup resume %s",
	    thin.name, thin.name, sectors, thin.pool, thin.number, thin.origin, thin.name);
	thin_delete(old);
}

static int open_disk(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDWR | O_DIRECT);
	if (fd < 0)
		die("%s", path);
	return fd;
}

static void read_from(int fd, uint8_t *into, uint64_t sector, uint64_t count)
{
	if (pread(fd, into, count * SECTOR, sector * SECTOR) != (ssize_t)(count * SECTOR))
		die("read of %lu sectors at %lu", count, sector);
}

static void read_disk(uint8_t *into, uint64_t sector, uint64_t count)
{
	read_from(disk, into, sector, count);
}

static void compare_disk(int fd, const uint8_t *image, const char *what)
{
	uint64_t i;

	read_from(fd, buffer, 0, sectors);
	for (i = 0; i < sectors; i++)
		if (memcmp(buffer + i * SECTOR, image + i * SECTOR, SECTOR))
			die("%s: sector %lu has seq %lu, expected %lu", what, i,
			    ((struct stamp *)(buffer + i * SECTOR))->seq,
			    ((struct stamp *)(image + i * SECTOR))->seq);
}

static void compare(const uint8_t *image, const char *what)
{
	compare_disk(disk, image, what);
	if (thin.pool)
		compare_disk(thin.disk, image, "dm-thin");
}

static uint64_t below(uint64_t limit)
{
	return (uint64_t)random() % limit;
}

/* Mostly small, sometimes more than a bio can be. */
static void pick_range(uint64_t *sector, uint64_t *count)
{
	uint64_t limit = below(16) ? below(2) ? 8 : 80 : 4096;

	*count = 1 + below(limit);
	if (*count > sectors)
		*count = sectors;
	*sector = below(sectors - *count + 1);
	if (below(2)) {
		*sector &= ~7ULL;
		*count = (*count + 7) & ~7ULL;
		if (*sector + *count > sectors)
			*count = sectors - *sector;
	}
}

/*
 * dm-log-writes logs a write at the next flush, but one with FUA at once: in its log,
 * older data of the same place would come after it.
 */
static bool may_be_fua(uint64_t sector, uint64_t count)
{
	uint64_t number, i;

	for (i = sector; log_device && i < sector + count; i++) {
		read_stamp(model + i * SECTOR, i, &number);
		if (number > flushed_seq)
			return false;
	}
	return true;
}

/* One in eight with FUA. */
static void write_stamps(uint64_t sector, uint64_t count)
{
	struct iovec piece = { .iov_base = buffer, .iov_len = count * SECTOR };
	bool fua = !below(8) && may_be_fua(sector, count);
	ssize_t size = piece.iov_len;
	uint64_t i;

	for (i = 0; i < count; i++)
		stamp(model + (sector + i) * SECTOR, sector + i);
	memcpy(buffer, model + sector * SECTOR, size);
	if (pwritev2(disk, &piece, 1, sector * SECTOR, fua ? RWF_DSYNC : 0) != size ||
	    (thin.pool && pwrite(thin.disk, buffer, size, sector * SECTOR) != size))
		die("write of %lu sectors at %lu", count, sector);
}

static void do_write(void)
{
	uint64_t sector, count;

	pick_range(&sector, &count);
	write_stamps(sector, count);
}

/* BLKZEROOUT or BLKDISCARD. */
static void clear_range(unsigned long request, uint64_t sector, uint64_t count)
{
	uint64_t range[2] = { sector * SECTOR, count * SECTOR };

	if (ioctl(disk, request, range) || (thin.pool && ioctl(thin.disk, request, range)))
		die("clearing %lu sectors at %lu", count, sector);
}

static void do_zero(void)
{
	uint64_t sector, count;

	pick_range(&sector, &count);
	clear_range(BLKZEROOUT, sector, count);
	memset(model + sector * SECTOR, 0, count * SECTOR);
}

/*
 * What is read afterwards is older data of the same place. dm-thin has other such data,
 * so that both are written again then.
 */
static void do_discard(void)
{
	uint64_t sector, count, i, old, new;

	pick_range(&sector, &count);
	clear_range(BLKDISCARD, sector, count);
	read_disk(buffer, sector, count);
	for (i = 0; i < count; i++) {
		read_stamp(model + (sector + i) * SECTOR, sector + i, &old);
		if (!read_stamp(buffer + i * SECTOR, sector + i, &new) || (old && new > old))
			die("sector %lu after a discard", sector + i);
	}
	memcpy(model + sector * SECTOR, buffer, count * SECTOR);
	if (thin.pool)
		write_stamps(sector, count);
}

static void mark(void)
{
	char path[256], text[32];
	FILE *file;

	flushed_seq = seq;
	if (!log_device)
		return;
	snprintf(text, sizeof(text), "m%u", marks);
	message(log_device, "mark %s", text);
	snprintf(path, sizeof(path), "%s/%u", mark_dir, marks++);
	file = fopen(path, "w");
	if (!file || fwrite(model, SECTOR, sectors, file) != sectors || fclose(file))
		die("%s", path);
}

static void do_flush(void)
{
	if (fsync(disk) || (thin.pool && fsync(thin.disk)))
		die("fsync");
	mark();
}

static void do_take(void)
{
	struct state *state = &states[n_states];

	if (n_states == STATES_MAX)
		return;
	snprintf(state->name, sizeof(state->name), "s%u", names++);
	message(volume, "take %s", state->name);
	if (thin.pool)
		state->thin = thin_copy(thin.number, true);
	memcpy(state->image, model, sectors * SECTOR);
	n_states++;
	mark();
}

static void restore(const struct state *state)
{
	message(volume, "restore %s", state->name);
	if (thin.pool)
		thin_restore(state->thin);
}

static void do_restore(void)
{
	struct state *state = &states[below(n_states ? n_states : 1)];

	if (!n_states)
		return;
	restore(state);
	memcpy(model, state->image, sectors * SECTOR);
	mark();
}

static void do_delete(void)
{
	unsigned int which = below(n_states ? n_states : 1);
	struct state gone = states[which];

	if (n_states < 4)
		return;
	message(volume, "delete %s", gone.name);
	if (thin.pool)
		thin_delete(gone.thin);
	states[which] = states[--n_states];
	states[n_states] = gone;
}

static void do_reopen(void)
{
	if (!reopen_command)
		return;
	close(disk);
	run("%s", reopen_command);
	disk = open_disk(volume);
}

static void step(bool only_writes)
{
	unsigned int what = below(200);

	if (what < 100 || (only_writes && what < 160))
		do_write();
	else if (what < 172)
		do_flush();
	else if (what < 182)
		do_take();
	else if (what < 190)
		do_restore();
	else if (only_writes)
		do_write();
	else if (what < 198)
		do_delete();
	else if (what == 198)
		compare(model, "the volume");
	else
		do_reopen();
}

/* What belongs to no mark does not occur between marks. */
static void step_all(void)
{
	unsigned int what = below(10);

	if (what == 0)
		do_zero();
	else if (what == 1)
		do_discard();
	else
		step(false);
}

static void check_states(void)
{
	unsigned int i;

	compare(model, "the volume");
	for (i = 0; i < n_states; i++) {
		restore(&states[i]);
		compare(states[i].image, states[i].name);
	}
}

static void *sector_memory(uint64_t count)
{
	void *memory;

	if (posix_memalign(&memory, 4096, count * SECTOR))
		die("no memory");
	memset(memory, 0, count * SECTOR);
	return memory;
}

static void prepare(void)
{
	uint64_t number, i;

	control = dm_control();
	if (control < 0)
		die("/dev/mapper/control");
	disk = open_disk(volume);
	if (thin.pool)
		thin.disk = open_disk(thin.name);
	if (ioctl(disk, BLKGETSIZE, &sectors))
		die("BLKGETSIZE");
	model = sector_memory(sectors);
	buffer = sector_memory(sectors);
	for (i = 0; i < STATES_MAX; i++)
		states[i].image = sector_memory(sectors);
	read_disk(model, 0, sectors);
	for (i = 0; i < sectors; i++) {
		if (!read_stamp(model + i * SECTOR, i, &number))
			die("sector %lu is garbage", i);
		seq = number > seq ? number : seq;
	}
	mark();
}

static uint8_t *load(const char *path, uint64_t *count)
{
	int fd = open(path, O_RDONLY);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	uint8_t *image;

	if (size <= 0)
		die("%s", path);
	image = sector_memory(size / SECTOR);
	if (pread(fd, image, size, 0) != size)
		die("%s", path);
	close(fd);
	*count = size / SECTOR;
	return image;
}

/* Each sector as in the image, or as written since, but before the next one. */
static int check(const char *device, const char *first, const char *next)
{
	uint64_t size, count, i, found, from;
	uint8_t *disk_image = load(device, &size);
	uint8_t *a = load(first, &count), *b = next ? load(next, &count) : a;

	for (i = 0; i < count; i++) {
		const uint8_t *data = disk_image + i * SECTOR;

		if (!memcmp(data, a + i * SECTOR, SECTOR) || !memcmp(data, b + i * SECTOR, SECTOR))
			continue;
		if (!read_stamp(data, i, &found))
			die("sector %lu is garbage", i);
		read_stamp(a + i * SECTOR, i, &from);
		if (!next || found < from)
			die("sector %lu has seq %lu, expected %lu or more", i, found, from);
	}
	return 0;
}

static int stamp_all(const char *device)
{
	uint64_t i;

	disk = open(device, O_RDWR | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE, &sectors))
		die("%s", device);
	model = sector_memory(sectors);
	for (i = 0; i < sectors; i++)
		stamp(model + i * SECTOR, i);
	if (pwrite(disk, model, sectors * SECTOR, 0) != (ssize_t)(sectors * SECTOR))
		die("write of %lu sectors", sectors);
	return 0;
}

int main(int argc, char **argv)
{
	bool with_marks = argc == 7 && !strcmp(argv[1], "--marks");
	long steps;

	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "--check"))
		return check(argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "--stamp"))
		return stamp_all(argv[2]);
	if (with_marks) {
		log_device = argv[2];
		mark_dir = argv[3];
		argc -= 3;
		argv += 3;
	} else if (argc > 4 && !strcmp(argv[1], "--thin")) {
		thin.pool = argv[2];
		thin.name = argv[3];
		thin.origin = argv[4];
		argc -= 4;
		argv += 4;
	}
	if (argc != 4 && argc != 5) {
		fputs("usage: snapmodel NAME SEED STEPS [REOPEN-COMMAND]\n", stderr);
		return 2;
	}
	volume = argv[1];
	srandom(atol(argv[2]));
	reopen_command = argv[4];
	prepare();
	for (steps = atol(argv[3]); steps; steps--) {
		if (with_marks)
			step(true);
		else
			step_all();
	}
	if (with_marks)
		do_flush();
	else
		check_states();
	printf("%u marks, %u takes, %lu sectors written\n", marks, names, seq);
	return 0;
}
