/* SPDX-License-Identifier: GPL-2.0 */
/* What memtool and granttool both do with /dev/lpar/NAME. */
#ifndef _SELFTESTS_LPAR_MEMDEV_H
#define _SELFTESTS_LPAR_MEMDEV_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)

#define require(condition, what)                                                         \
	do {                                                                             \
		if (!(condition)) {                                                      \
			printf("# line %d: %s (%s)\n", __LINE__, what, strerror(errno)); \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

struct mapping {
	int fd;
	uint8_t *start;
	size_t bytes;
};

static inline void __attribute__((noreturn)) stay(const char *what)
{
	puts(what);
	fflush(stdout);
	for (;;)
		pause();
}

static inline void __attribute__((noreturn)) refused(const char *call)
{
	fprintf(stderr, "%s: %s\n", strerrorname_np(errno), call);
	exit(1);
}

static inline int open_or_exit(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		refused("open");
	return fd;
}

/* Asks the kernel for a byte, so that a missing mapping is EFAULT and no signal. */
static inline bool readable(const void *address)
{
	int pipes[2];
	ssize_t bytes;

	require(!pipe(pipes), "pipe");
	bytes = write(pipes[1], address, 1);
	close(pipes[0]);
	close(pipes[1]);
	return bytes == 1;
}

static sigjmp_buf on_sigbus;
static siginfo_t sigbus;

static inline void take_sigbus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	sigbus = *info;
	siglongjmp(on_sigbus, 1);
}

static inline void catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = take_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

/* Reads from there; if true, @sigbus is what was caught. */
static inline bool gives_sigbus(const uint8_t *page)
{
	if (sigsetjmp(on_sigbus, 1))
		return true;
	(void)*(const volatile uint8_t *)page;
	return false;
}

/* False if it is refused. */
static inline bool map_file(struct mapping *map)
{
	map->bytes = lseek(map->fd, 0, SEEK_END);
	map->start = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	return map->start != MAP_FAILED;
}

/* As QEMU maps it with align=2M: huge entries need aligned addresses. */
static inline struct mapping map_aligned(const char *path)
{
	struct mapping map = { .fd = open_or_exit(path) };
	uintptr_t start;

	map.bytes = lseek(map.fd, 0, SEEK_END);
	start = (uintptr_t)mmap(NULL, map.bytes + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
	start = (start + HUGE - 1) & ~(HUGE - 1);
	map.start = mmap((void *)start, map.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 map.fd, 0);
	if (map.start == MAP_FAILED)
		refused("mmap");
	return map;
}

static inline void send_fd(int via, int fd, uint8_t byte)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	require(sendmsg(via, &message, 0) == 1, "sendmsg");
}

/* -1 when the other end is gone */
static inline int receive_fd(int via, uint8_t *byte)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec vector = { byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(via, &message, 0) != 1)
		return -1;
	require(CMSG_FIRSTHDR(&message), "no file came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* A child is to inherit it. Newer kernels refuse that themselves. */
static inline bool let_inherit(const struct mapping *map)
{
	return !madvise(map->start, map->bytes, MADV_DOFORK) || errno == EINVAL;
}

struct verb {
	const char *name;
	int (*act)(const char *path, char **words);
	int words; /* with PATH */
};

/* What main() returns. */
static inline int act_on(const struct verb *verbs, size_t count, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < count; i++)
		if (!strcmp(argv[1], verbs[i].name) && argc - 2 == verbs[i].words)
			return verbs[i].act(argv[2], argv + 3);
	fputs("usage: see the top of its source\n", stderr);
	return 2;
}

#endif /* _SELFTESTS_LPAR_MEMDEV_H */
