// SPDX-License-Identifier: GPL-2.0
/*
 * logreplay: what a crash would have left, from a log of dm-log-writes.
 *
 *	logreplay LOG TARGET ENTRY	replay the entries before ENTRY
 *	logreplay LOG list		one line per entry: number, flush|fua|mark|-, then the name
 *					of a mark, or the first sector of anything else
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC 0x6a736677736872ULL
#define FLUSH 1
#define FUA 2
#define DISCARD 4
#define MARK 8

struct super {
	uint64_t magic;
	uint64_t version;
	uint64_t nr_entries;
	uint32_t sectorsize;
};

struct entry {
	uint64_t sector;
	uint64_t nr_sectors;
	uint64_t flags;
	uint64_t data_len;
};

static int log_fd;
static struct super super;

static void must(int done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "logreplay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void list_entry(uint64_t number, const struct entry *entry, const char *name)
{
	const char *kind = entry->flags & MARK	  ? "mark"
			   : entry->flags & FUA	  ? "fua"
			   : entry->flags & FLUSH ? "flush"
						  : "-";

	if (entry->flags & MARK)
		printf("%lu %s %.64s\n", number, kind, name);
	else
		printf("%lu %s %lu\n", number, kind, entry->sector * (super.sectorsize / 512));
}

static void replay(int target, const struct entry *entry, off_t data)
{
	size_t size = entry->nr_sectors * super.sectorsize;
	void *memory = calloc(1, size);

	must(!!memory, "memory");
	if (!(entry->flags & DISCARD))
		must(pread(log_fd, memory, size, data) == (ssize_t)size, "read");
	must(pwrite(target, memory, size, entry->sector * super.sectorsize) == (ssize_t)size,
	     "write");
	free(memory);
}

int main(int argc, char **argv)
{
	int list = argc == 3, target = -1;
	uint64_t number, end;
	char block[4096] = "";
	struct entry entry;
	off_t at;

	if (argc != 3 && argc != 4)
		return 2;
	log_fd = open(argv[1], O_RDONLY);
	must(log_fd >= 0 && pread(log_fd, &super, sizeof(super), 0) == sizeof(super), argv[1]);
	must(super.magic == MAGIC && super.sectorsize <= sizeof(block), "no log");
	end = list ? super.nr_entries : strtoull(argv[3], NULL, 10);
	if (!list)
		target = open(argv[2], O_RDWR);
	must(list || target >= 0, argv[2]);

	at = super.sectorsize;
	for (number = 0; number < end && number < super.nr_entries; number++) {
		must(pread(log_fd, block, super.sectorsize, at) == (ssize_t)super.sectorsize,
		     "read");
		memcpy(&entry, block, sizeof(entry));
		at += super.sectorsize;
		if (list)
			list_entry(number, &entry, block + sizeof(entry));
		if (entry.flags & MARK || !entry.nr_sectors)
			continue;
		if (!list)
			replay(target, &entry, at);
		if (!(entry.flags & DISCARD))
			at += entry.nr_sectors * super.sectorsize;
	}
	must(list || !fsync(target), "fsync");
	return 0;
}
