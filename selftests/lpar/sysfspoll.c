// SPDX-License-Identifier: GPL-2.0
/*
 * sysfspoll: waits until a pollable attribute changes.
 *
 *	sysfspoll FILE SECONDS
 *
 * Prints "ready" when it has read the present value, and the new value when the
 * kernel said that there is one; status 1 if it did not.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_value(int fd, char *value, size_t bytes)
{
	ssize_t got = pread(fd, value, bytes - 1, 0);

	if (got < 0)
		return -1;
	value[got] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd pollfd = { .events = POLLPRI | POLLERR };
	char value[4096];

	if (argc != 3) {
		fputs("usage: sysfspoll FILE SECONDS\n", stderr);
		return 2;
	}
	pollfd.fd = open(argv[1], O_RDONLY);
	if (pollfd.fd < 0 || read_value(pollfd.fd, value, sizeof(value))) {
		perror(argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	if (poll(&pollfd, 1, atoi(argv[2]) * 1000) != 1)
		return 1;
	if (read_value(pollfd.fd, value, sizeof(value))) {
		perror(argv[1]);
		return 1;
	}
	puts(value);
	return 0;
}
