/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection into the calling thread: the Nth fallible allocation from
 * now on fails. Documentation/fault-injection of the kernel has the rules.
 */
#ifndef SELFTESTS_FAILNTH_H
#define SELFTESTS_FAILNTH_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file stays open: opening it again would itself allocate and count. */
static inline int open_countdown(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);

	if (fd < 0) {
		perror("/proc/thread-self/fail-nth");
		exit(2);
	}
	return fd;
}

static inline void set_countdown(int fd, long nth)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", nth);
	if (pwrite(fd, text, strlen(text), 0) < 0) {
		perror("write fail-nth");
		exit(2);
	}
}

/* 0: the fault was injected. */
static inline long countdown_left(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		perror("read fail-nth");
	return atol(text);
}

#endif /* SELFTESTS_FAILNTH_H */
