// SPDX-License-Identifier: GPL-2.0
/*
 * Other programs on this host: what they print, and what systemd is told, and does with the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib.h"

#define SYSTEMD_MS 5000
#define KILL_NS (5 * NSEC_PER_SEC) /* for one that is killed to end */

/*
 * What it complains of goes where our own errors do. With an input it has a process group of
 * its own: Ctrl-C is for us to hear, who may have to undo something by another such program.
 */
static int spawn(char *const words[], int input, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int ret = posix_spawn_file_actions_init(&actions);

	if (ret)
		return -ret;
	posix_spawnattr_init(&attr);
	if (input >= 0)
		ret = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	else
		ret = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
						       O_RDONLY, 0);
	if (!ret && input >= 0)
		ret = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	if (!ret)
		ret = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (!ret)
		ret = posix_spawnp(pid, words[0], &actions, &attr, words, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (ret)
		err("%s: %s", words[0], strerror(ret));
	return -ret;
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

static int run(char *const words[], int input, char *buf, size_t size, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	int ends[2], status, ret;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret = spawn(words, input, ends[1], &pid);
	close(ends[1]);
	if (ret) {
		close(ends[0]);
		return ret;
	}
	ret = read_all(ends[0], buf, size, deadline_ns);
	close(ends[0]);
	/* It may say nothing more, and go on. */
	if (!ret)
		ret = process_await(pid, &status, left_ns(deadline_ns));
	/* One with an input has a group of its own, of which nobody may go on. */
	if (ret) {
		kill(input < 0 ? pid : -pid, SIGKILL);
		process_await(pid, &status, KILL_NS);
	}
	if (!ret && (!WIFEXITED(status) || WEXITSTATUS(status)))
		ret = -EIO;
	return ret;
}

/*
 * What a program prints, as text. -EIO: it has failed, and said itself what went wrong; -EMSGSIZE
 * and -ETIMEDOUT: it was killed, as that was too much or too late. One that is not there is
 * told of here.
 */
int command_output(char *const words[], char *buf, size_t size, unsigned int timeout_ms)
{
	return run(words, -1, buf, size, timeout_ms);
}

/* The same, of one that is given a text, and does not hear the terminal's Ctrl-C. */
int command_answer(char *const words[], const char *input, char *buf, size_t size,
		   unsigned int timeout_ms)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	size_t len = strlen(input);
	int ret;

	if (fd < 0)
		return -errno;
	if (write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))
		ret = -EIO;
	else
		ret = run(words, fd, buf, size, timeout_ms);
	close(fd);
	return ret;
}

/* What sd_notify(3) does. Nobody may listen, and that is no error. */
void tell_systemd(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
	       offsetof(struct sockaddr_un, sun_path) + len);
	close(fd);
}

/*
 * Is the host going down? systemd says so from the moment on that it was told to. One that does
 * not answer is not, nor is a host that has none.
 */
bool host_goes_down(void)
{
	char *const words[] = { "systemctl", "is-system-running", NULL };
	char path[PATH_MAX], answer[64] = "";

	if (access(rooted(path, sizeof(path), "/run/systemd/system"), F_OK))
		return false;
	/* Its exit code is 0 for one that runs alone. */
	err_capture(true);
	command_output(words, answer, sizeof(answer), SYSTEMD_MS);
	err_capture(false);
	return !strncmp(answer, "stopping", strlen("stopping"));
}
