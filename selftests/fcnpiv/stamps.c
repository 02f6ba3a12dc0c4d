// SPDX-License-Identifier: GPL-2.0
/*
 * usage: stamps DEVICE BLOCKS
 * Writes blocks of 4 KiB of a device, one at a time and in a random order, each
 * with its number and how often it was written, and reads others to see whether
 * that is still there. SIGTERM ends it: all blocks are read, and the longest time
 * that a block took is printed, in milliseconds. Any error, or a wrong block, is
 * told, and fails.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "../lib/die.h"

#define BLOCK 4096

static volatile sig_atomic_t over;
static uint32_t *written; /* how often, by block */
static uint64_t *buffer;
static int fd;

static void on_term(int signal)
{
	(void)signal;
	over = 1;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static uint32_t draw(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

/* The whole block: half of an old one is found out. */
static void write_block(uint32_t block)
{
	size_t i;

	for (i = 0; i < BLOCK / sizeof(*buffer); i++)
		buffer[i] = (uint64_t)block << 32 | (written[block] + 1);
	if (pwrite(fd, buffer, BLOCK, (off_t)block * BLOCK) != BLOCK)
		die("write of block %u", block);
	written[block]++;
}

static void read_block(uint32_t block)
{
	size_t i;

	if (!written[block])
		return;
	if (pread(fd, buffer, BLOCK, (off_t)block * BLOCK) != BLOCK)
		die("read of block %u", block);
	for (i = 0; i < BLOCK / sizeof(*buffer); i++) {
		if (buffer[i] == ((uint64_t)block << 32 | written[block]))
			continue;
		fprintf(stderr, "block %u: %016llx, written %u times\n", block,
			(unsigned long long)buffer[i], written[block]);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	uint64_t began, took, longest = 0;
	uint32_t blocks, i;

	if (argc != 3)
		return 2;
	blocks = strtoul(argv[2], NULL, 0);
	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0)
		die("%s", argv[1]);
	written = calloc(blocks, sizeof(*written));
	if (!written || posix_memalign((void **)&buffer, BLOCK, BLOCK))
		die("memory");
	signal(SIGTERM, on_term);
	while (!over) {
		began = now_ms();
		write_block(draw() % blocks);
		read_block(draw() % blocks);
		took = now_ms() - began;
		if (took > longest)
			longest = took;
	}
	for (i = 0; i < blocks; i++)
		read_block(i);
	printf("%llu\n", (unsigned long long)longest);
	return 0;
}
