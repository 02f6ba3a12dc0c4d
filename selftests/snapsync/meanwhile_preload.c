// SPDX-License-Identifier: GPL-2.0
/*
 * A library to be preloaded: before device mapper is told to restore a state, the command
 * $MEANWHILE runs, once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/dm-ioctl.h>

static int restores(const struct dm_ioctl *dm)
{
	const struct dm_target_msg *message = (const void *)((const char *)dm + dm->data_start);

	return !strncmp(message->message, "restore ", 8) ||
	       !strncmp(message->message, "group restore ", 14);
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int fd, unsigned long request, ...) = dlsym(RTLD_NEXT, "ioctl");
	const char *command = getenv("MEANWHILE");
	void *argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (request == DM_TARGET_MSG && command && restores(argument)) {
		command = strdup(command);
		unsetenv("MEANWHILE");
		unsetenv("LD_PRELOAD");
		if (system(command))
			return -1;
	}
	return next(fd, request, argument);
}
