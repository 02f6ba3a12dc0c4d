// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded: once there is $PLAYED_KERNEL/later it is half an hour later, also for
 * who waits with such a time-out already.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LATER_S 1800
#define LONG_MS 300000
#define SLICE_MS 100

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int (*next)(clockid_t clock, struct timespec * time) = dlsym(RTLD_NEXT, "clock_gettime");
	const char *dir = getenv("PLAYED_KERNEL");
	char path[PATH_MAX];
	int ret = next(clock, time);

	snprintf(path, sizeof(path), "%s/later", dir ? dir : "");
	if (!ret && clock == CLOCK_MONOTONIC && !access(path, F_OK))
		time->tv_sec += LATER_S;
	return ret;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int (*next)(struct pollfd * fds, nfds_t n, int timeout_ms) = dlsym(RTLD_NEXT, "poll");
	struct timespec begin, now;
	int ret;

	if (timeout_ms < LONG_MS)
		return next(fds, n, timeout_ms);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		ret = next(fds, n, SLICE_MS);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!ret && now.tv_sec - begin.tv_sec < timeout_ms / 1000);
	return ret;
}
