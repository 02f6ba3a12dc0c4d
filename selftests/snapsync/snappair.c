// SPDX-License-Identifier: GPL-2.0
/*
 * snappair: a write to B begins only after the one to A has ended.
 *
 *	snappair write A B	writes 1, 2, 3, ... to A, then to B, all over, until killed
 *	snappair read A B	prints the numbers; fails if B is ahead, or A by more than one
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define PLACES 64

static uint64_t *block;

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static uint64_t newest(int fd)
{
	uint64_t max = 0, i;

	for (i = 0; i < PLACES; i++)
		if (pread(fd, block, BLOCK, i * BLOCK) == BLOCK && *block > max)
			max = *block;
	return max;
}

static int write_pairs(int a, int b)
{
	uint64_t n;

	for (n = 1;; n++) {
		*block = n;
		if (pwrite(a, block, BLOCK, n % PLACES * BLOCK) != BLOCK ||
		    pwrite(b, block, BLOCK, n % PLACES * BLOCK) != BLOCK)
			return 1;
	}
}

static int read_pair(int a, int b)
{
	uint64_t in_a = newest(a), in_b = newest(b);

	printf("%lu %lu\n", in_a, in_b);
	return in_a < in_b || in_a > in_b + 1;
}

int main(int argc, char **argv)
{
	int writes = argc == 4 && !strcmp(argv[1], "write"), a, b;

	if (argc != 4 || posix_memalign((void **)&block, BLOCK, BLOCK))
		return 2;
	memset(block, 0, BLOCK);
	a = open_disk(argv[2], writes ? O_RDWR : O_RDONLY);
	b = open_disk(argv[3], writes ? O_RDWR : O_RDONLY);
	return writes ? write_pairs(a, b) : read_pair(a, b);
}
