// SPDX-License-Identifier: GPL-2.0
/*
 * Processes: further ones of lparctl itself, and those of guests. The number of a process
 * is given to another one when it has ended; with the time of its start it is its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib.h"

/* More than the environment of any QEMU */
#define ENVIRON_BYTES (1 << 20)

/* The command line of another lparctl that works on the same root. To be freed, with each word. */
char **self_words(const char *const *words)
{
	char **all;
	size_t n = 0, i;

	while (words[n])
		n++;
	all = xalloc((n + 4) * sizeof(*all));
	n = 0;
	all[n++] = xstrdup("lparctl");
	if (*options.root) {
		all[n++] = xstrdup("--root");
		all[n++] = xstrdup(options.root);
	}
	for (i = 0; words[i]; i++)
		all[n++] = xstrdup(words[i]);
	return all;
}

/* Field 22 of stat, in clock ticks since the machine has booted; 0 = there is none. */
static uint64_t start_of(pid_t pid)
{
	char path[64], text[1024];
	unsigned long long start;
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	/* The name may have spaces and parentheses in it: nothing behind it has. */
	if (read_text(path, text, sizeof(text)) || !(end = strrchr(text, ')')) || end[1] != ' ')
		return 0;
	/* One that nobody has waited for yet has ended, too. */
	if (end[2] == 'Z' || end[2] == 'X')
		return 0;
	if (sscanf(end + 3,
		   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		   &start) != 1)
		return 0;
	return start;
}

/* The process that has this number now; -ESRCH when there is none. */
int process_find(pid_t pid, struct process *process)
{
	process->pid = pid;
	process->start = pid > 0 ? start_of(pid) : 0;
	return process->start ? 0 : -ESRCH;
}

bool process_lives(const struct process *process)
{
	return process->start && start_of(process->pid) == process->start;
}

/* It is another one after each boot. "" where there is none. */
const char *boot_id(char *buf, size_t size)
{
	if (read_text("/proc/sys/kernel/random/boot_id", buf, size))
		*buf = 0;
	return buf;
}

/* A pidfd of this process, and of none that has got its number since; or -errno. */
int process_open(const struct process *process)
{
	int fd = syscall(SYS_pidfd_open, process->pid, 0);

	if (fd < 0)
		return -errno;
	if (process_lives(process))
		return fd;
	close(fd);
	return -ESRCH;
}

/*
 * Until a child has ended. Who is killed does not end while it waits for a disk that does not
 * answer: -ETIMEDOUT then.
 */
int process_await(pid_t child, int *status, uint64_t timeout_ns)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
	struct pollfd pfd = { .fd = syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	pid_t ended;

	*status = 0;
	while (!(ended = waitpid(child, status, WNOHANG)) && left_ns(deadline_ns))
		if (pfd.fd < 0 || poll(&pfd, 1, poll_ms(left_ns(deadline_ns))) < 0)
			sleep_ms(10);
	if (pfd.fd >= 0)
		close(pfd.fd);
	return ended ? 0 : -ETIMEDOUT;
}

/* Was it, or what has started it, started with this variable? */
bool process_has_variable(pid_t pid, const char *name, const char *value)
{
	char path[64], *text = xalloc(ENVIRON_BYTES + 1), *wanted = xprintf("%s=%s", name, value);
	size_t len = 0, at;
	ssize_t got;
	bool has = false;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (got = read(fd, text + len, ENVIRON_BYTES - len)) > 0)
		len += got;
	if (fd >= 0)
		close(fd);
	for (at = 0; !has && at < len; at += strlen(text + at) + 1)
		has = !strcmp(text + at, wanted);
	free(wanted);
	free(text);
	return has;
}
