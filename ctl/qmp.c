// SPDX-License-Identifier: GPL-2.0
/*
 * The little of QEMU's machine protocol that start and stop need: one command
 * at a time, one JSON object per line.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lparctl.h"

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = deadline_ns - now_ns(CLOCK_MONOTONIC);
	int ret = poll(&pfd, 1, left > 0 ? left / NSEC_PER_MSEC + 1 : 0);

	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

/* Byte by byte: what follows the line stays in the socket. */
static int read_line(int fd, char *buf, size_t size, uint64_t deadline_ns)
{
	size_t len = 0;
	ssize_t got;
	int ret;

	while (len + 1 < size) {
		ret = wait_readable(fd, deadline_ns);
		if (ret)
			return ret;
		got = read(fd, buf + len, 1);
		if (got <= 0)
			return got ? -errno : -EPIPE;
		if (buf[len] == '\n')
			break;
		len++;
	}
	buf[len] = 0;
	return 0;
}

/* Wait for an object that has the key; events in between are of no interest. */
static int expect(int fd, const char *key, uint64_t deadline_ns)
{
	struct json_object *json;
	char line[16384];
	int ret;

	do {
		ret = read_line(fd, line, sizeof(line), deadline_ns);
		if (ret)
			return ret;
		json = json_tokener_parse(line);
		if (json_object_object_get_ex(json, "error", NULL))
			ret = -EIO;
		else
			ret = json_object_object_get_ex(json, key, NULL);
		json_object_put(json);
	} while (!ret);
	return ret < 0 ? ret : 0;
}

static int execute(int fd, const char *command, uint64_t deadline_ns)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "{\"execute\": \"%s\"}\n", command);

	/* A QEMU that is gone is an error here, not a signal. */
	if (send(fd, line, len, MSG_NOSIGNAL) < 0)
		return -errno;
	return expect(fd, "return", deadline_ns);
}

/* Connect and leave the negotiation mode; returns a file descriptor. */
int qmp_open(const char *path, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = -errno;
	if (!ret)
		ret = expect(fd, "QMP", deadline_ns);
	if (!ret)
		ret = execute(fd, "qmp_capabilities", deadline_ns);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

int qmp_command(int fd, const char *command, unsigned int timeout_ms)
{
	return execute(fd, command, now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC);
}
