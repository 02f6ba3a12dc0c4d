// SPDX-License-Identifier: GPL-2.0
/*
 * slowlist: lists a directory into memory that does not come.
 *
 *	slowlist DIR
 *
 * The entries "." and ".." find room, the third one waits: says "waits" then, and does until it is
 * killed. DIR has a third one.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In a struct linux_dirent64, "." and ".." take this much together. */
#define DOTS_BYTES 48

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

/* Whoever touches @page waits until @return is closed. */
static int make_slow(char *page, size_t bytes)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)page, .len = bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		die("userfaultfd");
	return fd;
}

static void *list(void *arg)
{
	size_t bytes = sysconf(_SC_PAGESIZE);
	char *end = arg;

	int fd = open(".", O_RDONLY | O_DIRECTORY);

	syscall(SYS_getdents64, fd, end - DOTS_BYTES, DOTS_BYTES + bytes);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t bytes = sysconf(_SC_PAGESIZE);
	struct pollfd pollfd = { .events = POLLIN };
	pthread_t thread;
	char *pages;

	if (argc != 2) {
		fputs("usage: slowlist DIR\n", stderr);
		return 2;
	}
	if (chdir(argv[1]))
		die(argv[1]);
	pages = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		die("mmap");
	*pages = 0;
	pollfd.fd = make_slow(pages + bytes, bytes);
	if (pthread_create(&thread, NULL, list, pages + bytes))
		die("thread");
	if (poll(&pollfd, 1, 10000) != 1)
		die("nobody waits");
	puts("waits");
	fflush(stdout);
	pause();
	return 0;
}
