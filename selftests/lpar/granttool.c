// SPDX-License-Identifier: GPL-2.0
/*
 * granttool: processes that a holder of /dev/lpar/NAME passes its file to.
 *
 *	granttool give SOCKET PATH BYTE	holds PATH, filled with BYTE; says "held", stays, and passes
 *					its file to each that connects to SOCKET
 *	granttool take SOCKET		what that passes it maps when it may; writes then 0x77
 *					at its end, says "mapped" and what is at its start, and has
 *					fault after fault there; when these are refused, and all is
 *					unmapped, it says "lost" and begins anew, and keeps file and mapping
 *	granttool leaderless SOCKET	takes in a thread; the thread that began has ended
 *	granttool try SOCKET		maps it, or is refused; prints the last byte that the
 *					holder sees
 *	granttool bequeath SOCKET	maps it when it may, leaves the mapping to a child, and ends;
 *					the child says "heir", how many of some pages it can read while
 *					its parent lives and after that, and stays
 *	granttool pin SOCKET		maps it when it may, and says "pinned" and stays when a pipe
 *					has a page of it; keeps neither file nor mapping
 *	granttool vfork			prints the number of a child that has executed nothing
 *					yet, and waits for it
 *
 * A refused mmap prints the name of its errno and ends with status 1.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/stat.h>
#include "commands.h"
#include "memdev.h"

#define TOUCHERS 3
#define RETRY_US 10000
/* From one page that is looked at to the next: some in each piece, not at the same place. */
#define SOME (37 * PAGE)

#define THEIRS 0x77

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static int __attribute__((noreturn)) do_give(const char *path, char **words)
{
	struct sockaddr_un address = socket_address(path);
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;
	struct mapping map = map_aligned(words[0]);

	memset(map.start, strtol(words[1], NULL, 0), map.bytes);
	unlink(path);
	require(!bind(server, (struct sockaddr *)&address, sizeof(address)), "bind");
	require(!chmod(path, 0666) && !listen(server, 16), "listen");
	puts("held");
	fflush(stdout);
	for (;;) {
		client = accept(server, NULL, NULL);
		require(client >= 0, "accept");
		send_fd(client, map.fd, map.start[map.bytes - 1]);
		close(client);
	}
}

/* What a holder at @path passes, and the last byte that it sees; -1 when nobody is there. */
static int ask_for_fd(const char *path, uint8_t *byte)
{
	struct sockaddr_un address = socket_address(path);
	int via = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;

	require(via >= 0, "socket");
	if (!connect(via, (struct sockaddr *)&address, sizeof(address)))
		fd = receive_fd(via, byte);
	close(via);
	return fd;
}

static int do_try(const char *path, char **words)
{
	struct mapping map;
	uint8_t byte;

	(void)words;
	map.fd = ask_for_fd(path, &byte);
	require(map.fd >= 0, "nobody is there");
	printf("the holder sees %#x\n", byte);
	fflush(stdout);
	if (!map_file(&map))
		refused("mmap");
	return 0;
}

/* A fault after the other, each page in its turn, until one is refused. */
static void *touch(void *argument)
{
	const struct mapping *map = argument;

	for (size_t at = 0;; at = (at + PAGE) % map->bytes) {
		madvise(map->start + at / HUGE * HUGE, HUGE, MADV_DONTNEED);
		if (!readable(map->start + at))
			return NULL;
	}
}

/* All of it would take minutes on a slow machine. */
static bool is_lost(const struct mapping *map)
{
	for (size_t at = 0; at < map->bytes; at += SOME)
		if (readable(map->start + at))
			return false;
	return true;
}

/* Until the mapping is taken away. */
static void use(struct mapping *map)
{
	pthread_t threads[TOUCHERS];

	for (int i = 0; i < TOUCHERS; i++)
		require(!pthread_create(&threads[i], NULL, touch, map), "pthread_create");
	for (int i = 0; i < TOUCHERS; i++)
		pthread_join(threads[i], NULL);
}

static int __attribute__((noreturn)) do_take(const char *path, char **words)
{
	struct mapping map, before = { 0 };
	bool told = false;
	uint8_t byte;

	(void)words;
	catch_sigbus();
	for (;; usleep(RETRY_US)) {
		require(is_lost(&before), "what was lost can be read again");
		map.fd = ask_for_fd(path, &byte);
		if (map.fd < 0)
			continue;
		if (!map_file(&map)) {
			if (!told)
				printf("%s\n", strerrorname_np(errno));
			told = true;
			fflush(stdout);
			close(map.fd);
			continue;
		}
		map.start[map.bytes - 1] = THEIRS;
		printf("mapped %#x\n", map.start[0]);
		fflush(stdout);
		use(&map);
		/* Faults are refused first, and what is mapped is unmapped then. */
		while (!is_lost(&map))
			usleep(RETRY_US);
		require(gives_sigbus(map.start) && sigbus.si_code == BUS_ADRERR, "no SIGBUS");
		puts("lost");
		fflush(stdout);
		/* The former one stays mapped as it is. */
		before = map;
		told = false;
	}
}

static const char *socket_path;

static void *take_in_thread(void *unused)
{
	(void)unused;
	do_take(socket_path, NULL);
}

static int __attribute__((noreturn)) do_leaderless(const char *path, char **words)
{
	pthread_t thread;

	(void)words;
	socket_path = path;
	require(!pthread_create(&thread, NULL, take_in_thread, NULL), "pthread_create");
	pthread_exit(NULL);
}

static struct mapping map_when_allowed(const char *path)
{
	struct mapping map;
	uint8_t byte;

	for (;; usleep(RETRY_US)) {
		map.fd = ask_for_fd(path, &byte);
		if (map.fd < 0)
			continue;
		if (map_file(&map))
			return map;
		close(map.fd);
	}
}

static size_t count_readable(const struct mapping *map)
{
	size_t pages = 0;

	for (size_t at = 0; at < map->bytes; at += SOME)
		pages += readable(map->start + at);
	return pages;
}

static int do_bequeath(const char *path, char **words)
{
	struct mapping map = map_when_allowed(path);
	int alive[2], seen[2];
	size_t pages;
	char byte;

	(void)words;
	require(count_readable(&map), "the parent cannot read it");
	require(let_inherit(&map), "MADV_DOFORK");
	/* From 6.15 on fork copies the page tables of a mapping with such pages. */
	madvise(map.start + PAGE, PAGE, MADV_GUARD_INSTALL);
	require(!pipe(alive) && !pipe(seen), "pipe");
	if (fork()) {
		close(seen[1]);
		return read(seen[0], &byte, 1) == 1 ? 0 : 1;
	}
	close(alive[1]);
	pages = count_readable(&map);
	require(write(seen[1], "x", 1) == 1, "tell the parent");
	/* Its address space is gone before its files are. */
	require(!read(alive[0], &byte, 1), "wait for the end of the parent");
	pages += count_readable(&map);
	printf("heir %zu %d\n", pages, getpid());
	stay("");
}

static int do_pin(const char *path, char **words)
{
	struct mapping map = map_when_allowed(path);
	struct iovec page = { map.start, PAGE };
	int pipes[2];

	(void)words;
	require(!pipe(pipes), "pipe");
	require(vmsplice(pipes[1], &page, 1, 0) == (ssize_t)PAGE, "vmsplice");
	require(!munmap(map.start, map.bytes) && !close(map.fd), "let go");
	stay("pinned");
}

/* The child has its parent's address space, which waits. */
static int do_vfork(const char *path, char **words)
{
	(void)path;
	(void)words;
	if (!vfork()) {
		printf("%d\n", getpid());
		fflush(stdout);
		for (;;)
			pause();
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct verb verbs[] = {
		{ "give", do_give, 3 },
		{ "take", do_take, 1 },
		{ "leaderless", do_leaderless, 1 },
		{ "try", do_try, 1 },
		{ "bequeath", do_bequeath, 1 },
		{ "pin", do_pin, 1 },
		{ "vfork", do_vfork, 0 },
	};

	return act_on(verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
