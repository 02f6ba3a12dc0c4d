// SPDX-License-Identifier: GPL-2.0
/*
 * The init of the test guest: the whole of its user space, linked statically.
 *
 * It prints "beat N" on the console ten times a second, or every MS of beat_ms=MS
 * on the kernel's command line, and keeps the same count in a page whose
 * guest-physical address it tells, so that the host can see from outside whether
 * the guest runs. Over the second serial line it takes one command a line and
 * answers with one line, "ok ..." or "fail ...":
 *
 *   info                        CPUs, free memory, address of the counter page
 *   spin 0|1                    every CPU counts in the counter page without a pause
 *   memory MIB SEED             fill and check MIB of memory, twice
 *   disk write|verify SEED MIB [AT]  O_DIRECT on /dev/vda, from MiB AT on (0)
 *   churn 0|1                   write to /dev/vda without end
 *   mount TAG                   virtiofs TAG, at /TAG
 *   file write|verify PATH SEED MIB  as disk, through the guest's page cache
 *   stream|random MIB MS        measure memory, bytes per second
 *   dirty MIB                   write to each page of MIB of memory, again and again
 *   dirtied                     stop that, and check each page
 *   pair COMMAND                see pair.c
 *   ha COMMAND                  see ha.c
 *   off                         power off
 *
 * With guest_addr=ADDR on the kernel's command line it sets up eth0 and checks and
 * sends patterns on TCP port 7777.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "ha.h"
#include "pair.h"
#include "workload.h"

#define BEAT_MS 100
#define LINE_BYTES 64 /* one counter per cache line */
#define PAGE_BYTES 4096
#define COUNTERS (PAGE_BYTES / LINE_BYTES)
#define DISK "/dev/vda"

/* Counter 0 is the heartbeat; counter 1 + N belongs to CPU N. */
struct counter {
	_Atomic uint64_t value;
	char pad[LINE_BYTES - sizeof(uint64_t)];
};

static struct counter *counters;
static uint64_t counters_address;
static atomic_bool spinning, churning;
static FILE *commands, *answers;

static void answer(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void answer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(answers, format, args);
	va_end(args);
	fputc('\n', answers);
	fflush(answers);
}

static void start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		printf("init: no thread: %m\n");
	else
		pthread_detach(thread);
}

/* ---- boot ---- */

static void load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		printf("init: %s: %m\n", path);
	close(fd);
}

/* The names begin with a number, in the order of their dependencies. */
static void load_modules(void)
{
	struct dirent **names;
	char path[512];
	int count = scandir("/modules", &names, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			load_module(path);
	}
}

static void mount_all(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
}

/* init starts without a console when the initramfs has no /dev/console. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

static void open_line(void)
{
	struct termios raw;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &raw)) {
		printf("init: /dev/ttyS1: %m\n");
		return;
	}
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	commands = fdopen(fd, "r");
	answers = fdopen(dup(fd), "w");
}

static uint64_t physical_address(void *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE_BYTES * 8) != sizeof(entry))
		printf("init: pagemap: %m\n");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE_BYTES;
}

static void map_counters(void)
{
	counters = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	counters_address = physical_address(counters);
}

/* ---- counters ---- */

static void *beat(void *arg)
{
	const char *period = getenv("beat_ms");
	long ms = period ? atol(period) : BEAT_MS;
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)arg;
	for (;;) {
		printf("beat %lu\n", (unsigned long)++counters[0].value);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void *spin(void *arg)
{
	long cpu = (long)arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	while (spinning)
		counters[1 + cpu].value++;
	return NULL;
}

static void command_spin(int on)
{
	bool was = atomic_exchange(&spinning, on);

	for (long cpu = 0; on && !was && cpu < get_nprocs() && 1 + cpu < COUNTERS; cpu++)
		start_thread(spin, (void *)cpu);
	answer("ok");
}

/* ---- memory ---- */

static void *map_memory(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	return at;
}

/* The second round overwrites what the first left, so that a lost write shows. */
static void command_memory(unsigned long mib, uint64_t seed)
{
	size_t bytes = mib * MIB;
	uint64_t *memory = map_memory(bytes);
	int64_t wrong = -1;

	if (!memory) {
		answer("fail no memory: %m");
		return;
	}
	for (int round = 0; round < 2 && wrong < 0; round++) {
		pattern_fill(memory, bytes, seed + round, 0);
		wrong = pattern_check(memory, bytes, seed + round, 0);
	}
	munmap(memory, bytes);
	if (wrong < 0)
		answer("ok %lu MiB", mib);
	else
		answer("fail wrong word at byte %ld", (long)wrong);
}

static void command_measure(uint64_t (*pass)(volatile uint64_t *, size_t), unsigned long mib,
			    unsigned int ms)
{
	size_t bytes = mib * MIB;
	uint64_t *memory = map_memory(bytes);

	if (!memory) {
		answer("fail no memory: %m");
		return;
	}
	pattern_fill(memory, bytes, 1, 0); /* faults are not what is measured */
	answer("ok %lu", (unsigned long)measure(pass, memory, bytes, ms));
	munmap(memory, bytes);
}

/* ---- a working set ---- */

#define PAGE_WORDS (PAGE_BYTES / 8)
#define DIRTY_SEED 5

/* The first word of each page is the last pass that has been there, the others a pattern. */
static struct {
	uint64_t *memory;
	unsigned long pages;
	uint64_t passes;    /* begun */
	unsigned long done; /* pages of the last of them */
	atomic_bool wanted, runs;
} dirty;

static void *dirty_pages(void *arg)
{
	(void)arg;
	while (dirty.wanted) {
		dirty.passes++;
		for (dirty.done = 0; dirty.wanted && dirty.done < dirty.pages; dirty.done++)
			*(volatile uint64_t *)&dirty.memory[dirty.done * PAGE_WORDS] = dirty.passes;
	}
	dirty.runs = false;
	return NULL;
}

static void command_dirty(unsigned long mib)
{
	if (dirty.memory) {
		answer("fail it does already");
		return;
	}
	dirty.memory = map_memory(mib * MIB);
	if (!dirty.memory) {
		answer("fail no memory");
		return;
	}
	dirty.pages = mib * MIB / PAGE_BYTES;
	dirty.passes = 0;
	pattern_fill(dirty.memory, mib * MIB, DIRTY_SEED, 0);
	dirty.wanted = true;
	dirty.runs = true;
	start_thread(dirty_pages, NULL);
	answer("ok");
}

static bool page_is_right(unsigned long page)
{
	uint64_t pass = page < dirty.done ? dirty.passes : dirty.passes - 1;
	uint64_t *words = &dirty.memory[page * PAGE_WORDS];

	/* In the first pass what is not reached yet has its pattern in the first word, too. */
	if (pass && words[0] != pass)
		return false;
	return pattern_check(words + 1, PAGE_BYTES - 8, DIRTY_SEED, page * PAGE_BYTES + 8) < 0;
}

static void command_dirtied(void)
{
	unsigned long page = 0;

	dirty.wanted = false;
	while (dirty.runs)
		usleep(1000);
	while (page < dirty.pages && page_is_right(page))
		page++;
	if (!dirty.memory || page < dirty.pages)
		answer("fail page %lu of %lu", page, dirty.pages);
	else
		answer("ok passes=%lu", (unsigned long)dirty.passes);
	munmap(dirty.memory, dirty.pages * PAGE_BYTES);
	dirty.memory = NULL;
}

/* ---- disk and files ---- */

static bool disk_chunk(int fd, uint64_t *buf, bool write, uint64_t seed, uint64_t at)
{
	if (write) {
		pattern_fill(buf, DISK_CHUNK, seed, at);
		return pwrite(fd, buf, DISK_CHUNK, at) == (ssize_t)DISK_CHUNK;
	}
	errno = 0;
	return pread(fd, buf, DISK_CHUNK, at) == (ssize_t)DISK_CHUNK &&
	       pattern_check(buf, DISK_CHUNK, seed, at) < 0;
}

static void command_disk(const char *path, int flags, bool write, uint64_t seed, unsigned long mib,
			 unsigned long from)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	void *buf = map_memory(DISK_CHUNK);
	uint64_t at = from * MIB, end = at + mib * MIB;

	while (fd >= 0 && buf && at < end && disk_chunk(fd, buf, write, seed, at))
		at += DISK_CHUNK;
	if (at < end || fsync(fd))
		answer("fail at byte %lu: %s", (unsigned long)at,
		       errno ? strerror(errno) : "wrong data");
	else
		answer("ok %lu MiB", mib);
	munmap(buf, DISK_CHUNK);
	close(fd);
}

static void command_mount(const char *tag)
{
	char path[64];

	snprintf(path, sizeof(path), "/%s", tag);
	mkdir(path, 0755);
	if (mount(tag, path, "virtiofs", 0, NULL))
		answer("fail %s: %m", path);
	else
		answer("ok");
}

static void *churn(void *arg)
{
	int fd = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	uint64_t *buf = map_memory(DISK_CHUNK);
	uint64_t size = lseek(fd, 0, SEEK_END);

	(void)arg;
	for (uint64_t at = 0; churning && disk_chunk(fd, buf, true, 3, at);)
		at = (at + DISK_CHUNK) % size;
	munmap(buf, DISK_CHUNK);
	close(fd);
	return NULL;
}

static void command_churn(int on)
{
	if (access(DISK, W_OK)) {
		answer("fail " DISK ": %m");
		return;
	}
	if (!atomic_exchange(&churning, on) && on)
		start_thread(churn, NULL);
	answer("ok");
}

/* ---- network ---- */

static int set_address(const char *address)
{
	struct ifreq request = { .ifr_name = "eth0" };
	struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int err;

	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	err = ioctl(fd, SIOCSIFADDR, &request);
	if (!err) {
		request.ifr_flags = IFF_UP | IFF_RUNNING;
		err = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
	return err;
}

/* One connection: the peer says how many bytes it wants, and sends a pattern of its own. */
struct exchange {
	int fd;
	uint64_t wanted;
};

static void *net_send(void *arg)
{
	struct exchange *exchange = arg;
	uint64_t buf[PAGE_BYTES / 8];

	for (uint64_t at = 0; at < exchange->wanted; at += sizeof(buf)) {
		pattern_fill(buf, sizeof(buf), SEED_FROM_GUEST, at);
		if (send(exchange->fd, buf, sizeof(buf), 0) != sizeof(buf))
			break;
	}
	return NULL;
}

/* Bytes received that are right, up to the first that is not. */
static uint64_t net_receive(int fd)
{
	uint64_t buf[PAGE_BYTES / 8], at = 0;

	while (recv(fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf) &&
	       pattern_check(buf, sizeof(buf), SEED_TO_GUEST, at) < 0)
		at += sizeof(buf);
	return at;
}

static void net_exchange(int fd)
{
	struct exchange exchange = { .fd = fd };
	pthread_t sender;
	uint64_t right;

	if (recv(fd, &exchange.wanted, 8, MSG_WAITALL) != 8)
		return;
	if (pthread_create(&sender, NULL, net_send, &exchange))
		return;
	right = net_receive(fd);
	pthread_join(sender, NULL);
	send(fd, &right, sizeof(right), 0);
}

static void *net_serve(void *arg)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(GUEST_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)arg;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4))
		printf("init: port %d: %m\n", GUEST_PORT);
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue;
		net_exchange(peer);
		close(peer);
	}
	return NULL;
}

static void start_network(void)
{
	const char *address = getenv("guest_addr");

	if (!address)
		return;
	if (set_address(address))
		printf("init: eth0: %m\n");
	else
		start_thread(net_serve, NULL);
}

/* ---- commands ---- */

static void command_info(void)
{
	struct sysinfo info;

	sysinfo(&info);
	answer("ok cpus=%d free_mib=%lu counters=0x%lx", get_nprocs(), info.freeram / MIB,
	       (unsigned long)counters_address);
}

static void command_to(void (*whom)(const char *, char *, size_t), const char *command)
{
	char text[512];

	whom(command, text, sizeof(text));
	answer("%s", text);
}

static void command_off(void)
{
	answer("ok");
	tcdrain(fileno(answers));
	sync();
	reboot(RB_POWER_OFF);
}

static void obey(const char *command)
{
	unsigned long a, b, at = 0;
	char verb[16], path[64];

	if (!strcmp(command, "info"))
		command_info();
	else if (sscanf(command, "spin %lu", &a) == 1)
		command_spin(!!a);
	else if (sscanf(command, "memory %lu %lu", &a, &b) == 2)
		command_memory(a, b);
	else if (sscanf(command, "disk %15s %lu %lu %lu", verb, &a, &b, &at) >= 3)
		command_disk(DISK, O_DIRECT, !strcmp(verb, "write"), a, b, at);
	else if (sscanf(command, "file %15s %63s %lu %lu", verb, path, &a, &b) == 4)
		command_disk(path, O_CREAT, !strcmp(verb, "write"), a, b, 0);
	else if (sscanf(command, "mount %15s", verb) == 1)
		command_mount(verb);
	else if (sscanf(command, "churn %lu", &a) == 1)
		command_churn(!!a);
	else if (sscanf(command, "stream %lu %lu", &a, &b) == 2)
		command_measure(stream_pass, a, b);
	else if (sscanf(command, "random %lu %lu", &a, &b) == 2)
		command_measure(random_pass, a, b);
	else if (sscanf(command, "dirty %lu", &a) == 1)
		command_dirty(a);
	else if (!strcmp(command, "dirtied"))
		command_dirtied();
	else if (!strncmp(command, "pair ", 5))
		command_to(pair_command, command + 5);
	else if (!strncmp(command, "ha ", 3))
		command_to(ha_command, command + 3);
	else if (!strcmp(command, "off"))
		command_off();
	else
		answer("fail unknown command: %s", command);
}

int main(void)
{
	char command[128];

	if (getpid() != 1) {
		fprintf(stderr, "this is the init of the test guest: see selftests/guest/build\n");
		return 2;
	}
	mount_all();
	open_console();
	load_modules();
	open_line();
	map_counters();
	signal(SIGPIPE, SIG_IGN);
	start_network();
	pair_start();
	ha_start();
	start_thread(beat, NULL);
	printf("guest: ready\n");
	while (commands && fgets(command, sizeof(command), commands)) {
		command[strcspn(command, "\r\n")] = '\0';
		obey(command);
	}
	printf("init: no command line left\n");
	for (;;)
		pause();
}
