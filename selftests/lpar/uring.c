// SPDX-License-Identifier: GPL-2.0
/*
 * uring: a process that has workers of io_uring.
 *
 *	uring N		N threads, each with a worker, which has done something and stays; says
 *			"idle" when all have, and stays
 *
 * By system calls, as liburing may not be there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "die.h"

static pthread_barrier_t all;

static void *map_ring(int fd, size_t bytes, uint64_t offset)
{
	void *ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (ring == MAP_FAILED)
		die("map a ring");
	return ring;
}

/* One operation that does nothing, by a worker; returns when it is done. */
static void do_one(void)
{
	struct io_uring_params params = {};
	int fd = syscall(__NR_io_uring_setup, 1, &params);
	struct io_uring_sqe *sqe;
	uint32_t *tail;
	char *ring;

	if (fd < 0)
		die("io_uring_setup");
	ring = map_ring(fd, params.sq_off.array + sizeof(uint32_t), IORING_OFF_SQ_RING);
	sqe = map_ring(fd, sizeof(*sqe), IORING_OFF_SQES);
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_NOP;
	sqe->flags = IOSQE_ASYNC;
	*(uint32_t *)(ring + params.sq_off.array) = 0;
	tail = (uint32_t *)(ring + params.sq_off.tail);
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
}

static void *use(void *unused)
{
	(void)unused;
	do_one();
	pthread_barrier_wait(&all);
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int threads = argc == 2 ? atoi(argv[1]) : 0;
	pthread_t thread;

	if (!threads) {
		fputs("usage: uring N\n", stderr);
		return 2;
	}
	pthread_barrier_init(&all, NULL, threads + 1);
	while (threads--) {
		errno = pthread_create(&thread, NULL, use, NULL);
		if (errno)
			die("create a thread");
	}
	pthread_barrier_wait(&all);
	puts("idle");
	fflush(stdout);
	for (;;)
		pause();
}
