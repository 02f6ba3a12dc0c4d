/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest and its host do to memory, disk and network alike: patterns that
 * either side can write and the other can check byte by byte, and two ways to
 * measure memory. Shared by the guest's init and by the programs on the host.
 */
#ifndef LPARKIT_SELFTESTS_WORKLOAD_H
#define LPARKIT_SELFTESTS_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define MIB (1UL << 20)
#define DISK_CHUNK (256UL << 10)

/* A TCP service of the guest: it checks what it is sent and answers in kind. */
#define GUEST_PORT 7777
#define SEED_TO_GUEST 0x746f
#define SEED_FROM_GUEST 0x66726f6d

/* Word INDEX of the pattern SEED (splitmix64: no two words alike, cheap to compute). */
static inline uint64_t pattern_word(uint64_t seed, uint64_t index)
{
	uint64_t z = (seed << 40) + (index + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Fill BYTES at BUF with the part of the pattern that begins at byte offset START. */
static inline void pattern_fill(uint64_t *buf, size_t bytes, uint64_t seed, uint64_t start)
{
	for (size_t i = 0; i < bytes / 8; i++)
		buf[i] = pattern_word(seed, start / 8 + i);
}

/* Offset in BUF of the first wrong word, or -1. */
static inline int64_t pattern_check(const uint64_t *buf, size_t bytes, uint64_t seed,
				    uint64_t start)
{
	for (size_t i = 0; i < bytes / 8; i++)
		if (buf[i] != pattern_word(seed, start / 8 + i))
			return i * 8;
	return -1;
}

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* One write and one read of every word, in order; returns bytes moved. */
static inline uint64_t stream_pass(volatile uint64_t *buf, size_t bytes)
{
	size_t words = bytes / 8;
	uint64_t sum = 0;

	for (size_t i = 0; i < words; i++)
		buf[i] = i;
	for (size_t i = 0; i < words; i++)
		sum += buf[i];
	buf[0] = sum;
	return 2 * bytes;
}

/* Read-modify-write of words all over the buffer; returns bytes moved. */
static inline uint64_t random_pass(volatile uint64_t *buf, size_t bytes)
{
	size_t words = bytes / 8, accesses = words / 16;
	uint64_t at = 88172645463325252ULL;

	for (size_t i = 0; i < accesses; i++) {
		at = at * 6364136223846793005ULL + 1442695040888963407ULL;
		buf[(at >> 20) % words] += at;
	}
	return 2 * 8 * accesses;
}

/* Bytes per second of whole passes, for at least MS milliseconds. */
static inline uint64_t measure(uint64_t (*pass)(volatile uint64_t *, size_t), void *buf,
			       size_t bytes, unsigned int ms)
{
	uint64_t start = clock_ns(), moved = 0, spent;

	do {
		moved += pass(buf, bytes);
		spent = clock_ns() - start;
	} while (spent < ms * 1000000ULL);
	return moved * 1000 / (spent / 1000000 ? spent / 1000000 : 1);
}

#endif /* LPARKIT_SELFTESTS_WORKLOAD_H */
