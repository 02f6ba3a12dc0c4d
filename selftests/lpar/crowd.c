// SPDX-License-Identifier: GPL-2.0
/*
 * crowd: many threads that call KVM_RUN on what is no vCPU.
 *
 *	crowd none|FILE THREADS
 *
 * On descriptor -1 or on FILE. All of them call once, wait for each other, and call again;
 * after each round a line tells how many calls have ended with EBADF, ENOTTY and EINTR:
 * "ebadf=5 enotty=0 eintr=0". Not on one vCPU: KVM waits for RCU each time another thread
 * runs it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "die.h"

#define STACK_BYTES (64 << 10)

static pthread_barrier_t turn;
static atomic_uint ebadf, enotty, eintr;
static int fd = -1;

static void *call_often(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&turn);
		if (ioctl(fd, KVM_RUN, 0)) {
			ebadf += errno == EBADF;
			enotty += errno == ENOTTY;
			eintr += errno == EINTR;
		}
		pthread_barrier_wait(&turn);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned int threads = argc == 3 ? atoi(argv[2]) : 0;
	pthread_attr_t small;
	pthread_t thread;

	if (!threads) {
		fputs("usage: crowd none|FILE THREADS\n", stderr);
		return 2;
	}
	if (strcmp(argv[1], "none"))
		fd = open(argv[1], O_RDWR);
	if (fd < 0 && strcmp(argv[1], "none"))
		die("open %s", argv[1]);
	pthread_barrier_init(&turn, NULL, threads + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	for (unsigned int i = 0; i < threads; i++) {
		errno = pthread_create(&thread, &small, call_often, NULL);
		if (errno)
			die("create thread %u", i);
	}
	for (;;) {
		ebadf = enotty = eintr = 0;
		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
		printf("ebadf=%u enotty=%u eintr=%u\n", ebadf, enotty, eintr);
		fflush(stdout);
		usleep(100000);
	}
}
