// SPDX-License-Identifier: GPL-2.0
/*
 * memtool: what processes do, or try to do, with /dev/lpar/NAME.
 *
 *	memtool hold PATH BYTE		maps all, fills it with BYTE, says "held", stays
 *	memtool open PATH		only opens
 *	memtool map PATH OFFSET BYTES shared|private
 *	memtool size PATH		prints what lseek(SEEK_END) says
 *	memtool pmd PATH		prints the KiB that are mapped by huge entries
 *	memtool zero PATH		each byte is zero
 *	memtool try PATH		only opens, and does not wait
 *	memtool rw|partial|advise|fork|others|pinned|abandoned PATH
 *	memtool pin PATH		a child holds it and ends; a page of it stays in a pipe.
 *					Says "pinned", stays
 *	memtool faults PATH SECONDS	maps all, touches it again and again; prints how many
 *					faults that made after the first time
 *	memtool snatch PATH CPUS	waits until it may run on that many CPUs, and opens;
 *					says "held", stays
 *	memtool poison PATH		a page of it gets a hardware error; says "poisoned" and
 *					stays when that page gives SIGBUS and no other does
 *	memtool poison-when PATH FILE	the same, when FILE is there; says "held" before that
 *	memtool direct PATH DISK	O_DIRECT to and from the mapping
 *	memtool busy PATH|anonymous SECONDS	reads 32 MiB of it again and again; prints how
 *					many faults NUMA balancing made of that
 *	memtool exclusive DISK		opens it with O_EXCL
 *	memtool dirty MIB		writes to that much memory and frees it
 *	memtool fragment MIB		pins a page in each 2 MiB of that much, frees the rest,
 *					says "held", stays
 *
 * A refused open or mmap prints the name of its errno and ends with status 1.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "memdev.h"

#define DISK_BYTES (1UL << 20)

#define NEXT_HOLDER_SECONDS 3
#define POISON_SECONDS 20
#define BUSY_BYTES (32UL << 20)
#define HEIRS 100

#define OURS 0x5a
#define THEIRS 0x77

static struct mapping map_all(const char *path)
{
	struct mapping map = { .fd = open_or_exit(path) };

	if (!map_file(&map))
		refused("mmap");
	return map;
}

static bool writable(void *address)
{
	int pipes[2];
	ssize_t bytes;

	require(!pipe(pipes), "pipe");
	require(write(pipes[1], "x", 1) == 1, "write to a pipe");
	bytes = read(pipes[0], address, 1);
	close(pipes[0]);
	close(pipes[1]);
	return bytes == 1;
}

static bool filled_with(const uint8_t *start, size_t bytes, uint8_t value)
{
	return start[0] == value && !memcmp(start, start + 1, bytes - 1);
}

/* The exit status of @body in a child of its own. */
static int in_child(int (*body)(void *), void *argument)
{
	int status;
	pid_t child = fork();

	require(child >= 0, "fork");
	if (!child)
		exit(body(argument));
	require(waitpid(child, &status, 0) == child, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int __attribute__((noreturn)) do_hold(const char *path, char **words)
{
	struct mapping map = map_all(path);

	memset(map.start, strtol(words[0], NULL, 0), map.bytes);
	stay("held");
}

static int do_open(const char *path, char **words)
{
	(void)words;
	open_or_exit(path);
	return 0;
}

static int do_try(const char *path, char **words)
{
	(void)words;
	if (open(path, O_RDWR | O_NONBLOCK) < 0)
		refused("open");
	return 0;
}

static int do_map(const char *path, char **words)
{
	int fd = open_or_exit(path);
	int flags = !strcmp(words[2], "private") ? MAP_PRIVATE : MAP_SHARED;
	void *start = mmap(NULL, strtoul(words[1], NULL, 0), PROT_READ | PROT_WRITE, flags, fd,
			   strtoul(words[0], NULL, 0));

	if (start == MAP_FAILED)
		refused("mmap");
	return 0;
}

static int do_size(const char *path, char **words)
{
	(void)words;
	printf("%lld\n", (long long)lseek(open_or_exit(path), 0, SEEK_END));
	return 0;
}

/* Sum of FilePmdMapped of the mapping; touched first. */
static int do_pmd(const char *path, char **words)
{
	struct mapping map = map_aligned(path);
	FILE *smaps;
	char line[512];
	bool inside = false;
	long sum_kib = 0, kib;

	(void)words;
	memset(map.start, OURS, map.bytes);
	smaps = fopen("/proc/self/smaps", "r");
	require(smaps, "open smaps");
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			inside = start >= (uintptr_t)map.start &&
				 end <= (uintptr_t)map.start + map.bytes;
		else if (inside && sscanf(line, "FilePmdMapped: %ld", &kib) == 1)
			sum_kib += kib;
	}
	printf("%ld\n", sum_kib);
	return 0;
}

static int do_zero(const char *path, char **words)
{
	struct mapping map = map_all(path);

	(void)words;
	require(filled_with(map.start, map.bytes, 0), "memory is not zero");
	return 0;
}

/* The memory is only there to be mapped. */
static int do_rw(const char *path, char **words)
{
	int fd = open_or_exit(path);
	char bytes[16] = "";

	(void)words;
	require(pread(fd, bytes, sizeof(bytes), 0) < 0, "read() is possible");
	require(pwrite(fd, bytes, sizeof(bytes), 0) < 0, "write() is possible");
	require(ftruncate(fd, PAGE) < 0, "ftruncate() is possible");
	return 0;
}

static int do_partial(const char *path, char **words)
{
	struct mapping map = map_all(path);
	uint8_t *hole = map.start + PAGE;
	uint8_t *again, *grown;

	(void)words;
	memset(map.start, OURS, map.bytes);
	require(!munmap(hole, PAGE), "munmap of a page");
	require(!readable(hole), "an unmapped page is readable");
	require(filled_with(map.start, PAGE, OURS), "the page before the hole changed");
	require(filled_with(hole + PAGE, HUGE - 2 * PAGE, OURS), "pages behind the hole changed");
	again = mmap(hole, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, map.fd, PAGE);
	require(again == hole, "map the page again");
	require(filled_with(hole, PAGE, OURS), "the page lost its contents");
	require(!mprotect(map.start, HUGE, PROT_READ), "mprotect read-only");
	require(readable(map.start) && !writable(map.start), "mprotect has no effect");
	require(!mprotect(map.start, HUGE, PROT_READ | PROT_WRITE), "mprotect writable");
	require(writable(map.start), "not writable again");
	grown = mremap(map.start, map.bytes, map.bytes + HUGE, MREMAP_MAYMOVE);
	require(grown == MAP_FAILED || !readable(grown + map.bytes),
		"mremap reaches behind the end");
	return 0;
}

/* As QEMU advises; the advice may be refused, the contents may not change. */
static int do_advise(const char *path, char **words)
{
	static const int advices[] = {
		MADV_DONTDUMP,	 MADV_MERGEABLE, MADV_HUGEPAGE, MADV_DONTFORK,
		MADV_NOHUGEPAGE, MADV_DONTNEED,	 MADV_REMOVE,	MADV_FREE,
		MADV_PAGEOUT,	 MADV_COLD,	 MADV_DODUMP,	MADV_DOFORK,
	};
	struct mapping map = map_all(path);

	(void)words;
	require(!madvise(map.start, map.bytes, MADV_POPULATE_WRITE), "populate (prealloc=on)");
	memset(map.start, OURS, map.bytes);
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		madvise(map.start, map.bytes, advices[i]);
		require(filled_with(map.start, map.bytes, OURS), "an advice changed the contents");
	}
	return 0;
}

static int child_sees_nothing(void *argument)
{
	struct mapping *map = argument;

	require(!readable(map->start), "a forked child can read the memory");
	require(mmap(NULL, map->bytes, PROT_READ, MAP_SHARED, map->fd, 0) == MAP_FAILED,
		"a forked child can map the memory");
	require(errno == EBUSY, "the refusal is not EBUSY");
	return 0;
}

static int do_fork(const char *path, char **words)
{
	struct mapping map = map_all(path);

	(void)words;
	memset(map.start, OURS, map.bytes);
	require(!in_child(child_sees_nothing, &map), "see the child");
	require(let_inherit(&map), "MADV_DOFORK");
	require(!in_child(child_sees_nothing, &map), "see the child after MADV_DOFORK");
	require(filled_with(map.start, map.bytes, OURS), "a fork changed the contents");
	return 0;
}

/* Was there before the memory was opened; the file comes through a socket. */
static int stranger(int via, const char *path)
{
	uint8_t byte;
	int fd = receive_fd(via, &byte);

	require(mmap(NULL, HUGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED,
		"a passed file can be mapped by another process");
	require(errno == EBUSY, "the refusal is not EBUSY");
	require(open(path, O_RDWR) < 0, "a second process can open it");
	require(errno == EBUSY, "the refusal is not EBUSY");
	return 0;
}

static int do_others(const char *path, char **words)
{
	int sockets[2], status;
	struct mapping map;
	pid_t child;

	(void)words;
	require(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), "socketpair");
	child = fork();
	if (!child)
		exit(stranger(sockets[1], path));
	map = map_all(path);
	send_fd(sockets[0], map.fd, 0);
	require(waitpid(child, &status, 0) == child && !status, "see the other process");
	return 0;
}

/* Keeps the descriptor of the holder that forked it, and nothing else, until told to go. */
static int __attribute__((noreturn)) keep_fd(int fd, int until)
{
	char byte;

	while (read(until, &byte, 1) < 0)
		;
	close(fd);
	_exit(0);
}

/* Writes to the memory and ends; a child of it has the descriptor yet. */
static int hold_and_leave(const char *path, int until)
{
	struct mapping map = map_all(path);

	memset(map.start, OURS, PAGE);
	if (!fork())
		keep_fd(map.fd, until);
	return 0;
}

static int see_nothing(void *path)
{
	struct mapping map = map_all(path);

	require(filled_with(map.start, PAGE, 0), "memory of a former holder can be read");
	return 0;
}

/*
 * The holder ends, but not its descriptor. One of those who come next has its mm
 * at the same address. That must not make it the holder.
 */
static int do_abandoned(const char *path, char **words)
{
	int ends[2], status;
	pid_t child;

	(void)words;
	require(!pipe(ends), "pipe");
	child = fork();
	if (!child) {
		close(ends[1]);
		exit(hold_and_leave(path, ends[0]));
	}
	require(waitpid(child, &status, 0) == child && !status, "hold");
	for (int i = 0; i < HEIRS; i++)
		require(!in_child(see_nothing, (void *)path), "hold after it");
	return 0;
}

/*
 * Pages that somebody still refers to, here a pipe, must not become the memory
 * of the next holder. It is as good to refuse that holder, or to let it wait.
 */
static int fill_as_next_holder(void *path)
{
	struct mapping map;

	alarm(NEXT_HOLDER_SECONDS);
	map = map_all(path);
	require(filled_with(map.start, map.bytes, 0), "memory of the next holder is not zero");
	memset(map.start, THEIRS, map.bytes);
	return 0;
}

static int do_pinned(const char *path, char **words)
{
	struct mapping map = map_all(path);
	struct iovec page = { map.start, PAGE };
	uint8_t seen[PAGE];
	int pipes[2];

	(void)words;
	memset(map.start, OURS, map.bytes);
	require(!pipe(pipes), "pipe");
	require(vmsplice(pipes[1], &page, 1, 0) == (ssize_t)PAGE, "vmsplice");
	munmap(map.start, map.bytes);
	close(map.fd);
	in_child(fill_as_next_holder, (void *)path);
	require(read(pipes[0], seen, PAGE) == (ssize_t)PAGE, "read what was pinned");
	require(!memchr(seen, THEIRS, PAGE), "a pinned page shows the next holder's memory");
	require(filled_with(seen, PAGE, OURS) || filled_with(seen, PAGE, 0),
		"a pinned page is neither ours nor zero");
	return 0;
}

static int __attribute__((noreturn)) do_pin(const char *path, char **words)
{
	int pipes[2], status;
	pid_t child;

	(void)words;
	require(!pipe(pipes), "pipe");
	child = fork();
	if (!child) {
		struct mapping map = map_all(path);
		struct iovec page = { map.start, PAGE };

		memset(map.start, OURS, map.bytes);
		exit(vmsplice(pipes[1], &page, 1, 0) != (ssize_t)PAGE);
	}
	require(waitpid(child, &status, 0) == child && !status, "pin a page");
	stay("pinned");
}

static int do_faults(const char *path, char **words)
{
	struct mapping map = map_aligned(path);
	time_t end = time(NULL) + atoi(words[0]);
	struct rusage first, last;

	memset(map.start, OURS, map.bytes);
	getrusage(RUSAGE_SELF, &first);
	while (time(NULL) <= end)
		for (size_t at = 0; at < map.bytes; at += HUGE)
			(void)*(volatile uint8_t *)(map.start + at);
	getrusage(RUSAGE_SELF, &last);
	printf("%ld\n", last.ru_minflt - first.ru_minflt);
	return 0;
}

static int __attribute__((noreturn)) do_snatch(const char *path, char **words)
{
	int cpus = atoi(words[0]);
	cpu_set_t set;

	do {
		require(!sched_getaffinity(0, sizeof(set), &set), "sched_getaffinity");
	} while (CPU_COUNT(&set) < cpus);
	open_or_exit(path);
	stay("held");
}

/* Does reading from there give SIGBUS for a hardware error, with that address? */
static bool is_poisoned(uint8_t *page)
{
	if (!gives_sigbus(page))
		return false;
	require(sigbus.si_code == BUS_MCEERR_AR, "SIGBUS is not for a hardware error");
	require((uintptr_t)sigbus.si_addr / PAGE == (uintptr_t)page / PAGE,
		"SIGBUS has not the address of the page");
	return true;
}

/* The kernel tells lpar.ko of the error, which takes the page from us soon after. */
static void __attribute__((noreturn)) poison(struct mapping map)
{
	uint8_t *bad = map.start + HUGE + 5 * PAGE;

	memset(map.start, OURS, map.bytes);
	catch_sigbus();
	/* It may say that the kernel itself could not recover from it. */
	madvise(bad, PAGE, MADV_HWPOISON);
	for (int i = 0; i < POISON_SECONDS * 100 && !is_poisoned(bad); i++)
		usleep(10000);
	require(is_poisoned(bad), "the page can be read yet");
	require(is_poisoned(bad), "the page can be read again");
	for (uint8_t *page = map.start; page < map.start + map.bytes; page += PAGE) {
		if (page == bad)
			continue;
		require(!is_poisoned(page), "another page gives SIGBUS");
		require(filled_with(page, PAGE, OURS), "another page has lost its contents");
	}
	require(!writable(bad), "the kernel writes to the page");
	stay("poisoned");
}

static int __attribute__((noreturn)) do_poison(const char *path, char **words)
{
	(void)words;
	poison(map_aligned(path));
}

static int __attribute__((noreturn)) do_poison_when(const char *path, char **words)
{
	struct mapping map = map_aligned(path);

	puts("held");
	fflush(stdout);
	while (access(words[0], F_OK))
		usleep(10000);
	poison(map);
}

static int do_direct(const char *path, char **words)
{
	struct mapping map = map_all(path);
	int disk = open(words[0], O_RDWR | O_DIRECT);

	require(disk >= 0, "open the disk");
	require(map.bytes >= 2 * DISK_BYTES, "needs 2 MiB");
	for (size_t i = 0; i < DISK_BYTES; i++)
		map.start[i] = i * 7 + i / PAGE;
	require(pwrite(disk, map.start, DISK_BYTES, 0) == (ssize_t)DISK_BYTES, "write from it");
	require(pread(disk, map.start + DISK_BYTES, DISK_BYTES, 0) == (ssize_t)DISK_BYTES,
		"read into it");
	require(!memcmp(map.start, map.start + DISK_BYTES, DISK_BYTES), "the data differ");
	return 0;
}

static uint8_t *anonymous(size_t bytes)
{
	uint8_t *start =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(start != MAP_FAILED, "anonymous memory");
	return start;
}

/* Of this task since not long ago. */
static long numa_faults(void)
{
	FILE *sched = fopen("/proc/self/sched", "r");
	char line[256];
	long faults = -1;

	require(sched, "open sched");
	while (fgets(line, sizeof(line), sched))
		if (sscanf(line, "total_numa_faults : %ld", &faults) == 1)
			break;
	fclose(sched);
	require(faults >= 0, "the kernel does not count NUMA faults");
	return faults;
}

static int do_busy(const char *path, char **words)
{
	bool ours = strcmp(path, "anonymous");
	struct mapping map = { .bytes = BUSY_BYTES };
	time_t end = time(NULL) + atoi(words[0]);
	long faults = 0;

	if (ours)
		map = map_aligned(path);
	else
		map.start = anonymous(map.bytes);
	require(map.bytes >= BUSY_BYTES, "needs 32 MiB");
	memset(map.start, OURS, BUSY_BYTES);
	while (time(NULL) < end) {
		long now = numa_faults();

		faults = now > faults ? now : faults;
		for (size_t at = 0; at < BUSY_BYTES; at += PAGE)
			(void)*(volatile uint8_t *)(map.start + at);
	}
	printf("%ld\n", faults);
	return 0;
}

static int do_exclusive(const char *path, char **words)
{
	(void)words;
	if (open(path, O_RDWR | O_EXCL) < 0)
		refused("open");
	return 0;
}

static int do_dirty(const char *mib, char **words)
{
	size_t bytes = strtoul(mib, NULL, 0) << 20;

	(void)words;
	memset(anonymous(bytes), OURS, bytes);
	return 0;
}

/* A page that a pipe refers to cannot be migrated, so that no 2 MiB come free. */
static int __attribute__((noreturn)) do_fragment(const char *mib, char **words)
{
	size_t bytes = strtoul(mib, NULL, 0) << 20;
	uint8_t *start = anonymous(bytes);
	int pipes[2];

	(void)words;
	madvise(start, bytes, MADV_NOHUGEPAGE);
	memset(start, OURS, bytes);
	for (size_t at = 0; at < bytes; at += HUGE) {
		struct iovec page = { start + at, PAGE };

		require(!pipe(pipes), "pipe");
		require(vmsplice(pipes[1], &page, 1, 0) == (ssize_t)PAGE, "vmsplice");
	}
	munmap(start, bytes);
	stay("held");
}

int main(int argc, char **argv)
{
	static const struct verb verbs[] = {
		{ "hold", do_hold, 2 },
		{ "open", do_open, 1 },
		{ "try", do_try, 1 },
		{ "map", do_map, 4 },
		{ "size", do_size, 1 },
		{ "pmd", do_pmd, 1 },
		{ "zero", do_zero, 1 },
		{ "rw", do_rw, 1 },
		{ "partial", do_partial, 1 },
		{ "advise", do_advise, 1 },
		{ "fork", do_fork, 1 },
		{ "others", do_others, 1 },
		{ "pinned", do_pinned, 1 },
		{ "pin", do_pin, 1 },
		{ "faults", do_faults, 2 },
		{ "snatch", do_snatch, 2 },
		{ "abandoned", do_abandoned, 1 },
		{ "poison", do_poison, 1 },
		{ "poison-when", do_poison_when, 2 },
		{ "direct", do_direct, 2 },
		{ "busy", do_busy, 2 },
		{ "exclusive", do_exclusive, 1 },
		{ "dirty", do_dirty, 1 },
		{ "fragment", do_fragment, 1 },
	};

	return act_on(verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
