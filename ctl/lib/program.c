// SPDX-License-Identifier: GPL-2.0
/*
 * Other programs, for what they print.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib.h"

static pid_t spawn(char *const words[], int output)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
		execvp(words[0], words);
	err("%s: %s", words[0], strerror(errno));
	_exit(127);
}

/* All that comes until the end, as text. */
static int read_all(int fd, char *buf, size_t size, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	int64_t left;
	int ready;
	ssize_t got;

	for (;;) {
		left = deadline_ns - now_ns(CLOCK_MONOTONIC);
		ready = left > 0 ? poll(&pfd, 1, left / NSEC_PER_MSEC + 1) : 0;
		if (!ready)
			return -ETIMEDOUT;
		/* A signal: there may be nothing to read for ever. */
		if (ready < 0)
			continue;
		got = read(fd, buf + len, size - 1 - len);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			break;
		if (got > 0)
			len += got;
		if (len == size - 1)
			return -EMSGSIZE;
	}
	buf[len] = 0;
	return 0;
}

/*
 * What a program prints, as text of less than @size bytes; it has said itself what went wrong:
 * -EIO. One that takes too long is killed: -ETIMEDOUT.
 */
int program_output(char *const words[], char *buf, size_t size, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	int ends[2], status, ret;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = spawn(words, ends[1]);
	close(ends[1]);
	ret = pid < 0 ? -errno : read_all(ends[0], buf, size, deadline_ns);
	close(ends[0]);
	if (pid < 0)
		return ret;
	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!ret && (!WIFEXITED(status) || WEXITSTATUS(status)))
		ret = -EIO;
	return ret;
}
