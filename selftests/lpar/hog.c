// SPDX-License-Identifier: GPL-2.0
/*
 * hog: tasks that sit on CPUs, or want to.
 *
 *	hog spin LIST [N]	N spinning threads on the CPUs of LIST, until killed
 *	hog fork LIST		forks a child that forks a child; all sleep
 *	hog later LIST		the same upon SIGUSR1; sleeps until then
 *	hog storm LIST		forks children as fast as it can, all on LIST
 *	hog back LIST		goes to LIST again and again, whoever takes it off
 *	hog sleep LIST [N]	N sleeping threads, their affinity is LIST
 *	hog nap LIST [N]	the same, but each wakes up a hundred times a second
 *	hog differ LIST N	N sleeping threads; upon SIGUSR1 each gets an affinity of its own,
 *				of which the first two CPUs of LIST are always part
 *	hog intrude CPU MS	goes to CPU and prints the microseconds until it was
 *				evicted; fails if it still runs there after MS
 *	hog swarm CPU N		N processes, one after another, which go to CPU, are
 *				evicted and end
 *	hog late LIST MS N	sleeps MS N times, and prints by how many milliseconds it was
 *				late on the CPUs of LIST at the worst
 *	hog where PID		the affinity of each thread of PID, one line each
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* More than an eviction takes on the slowest machine. */
#define SWARM_LIMIT_MS 20000

static void parse_list(const char *list, cpu_set_t *set)
{
	CPU_ZERO(set);
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last; first++)
			CPU_SET(first, set);
		list = *end ? end + 1 : end;
	}
}

static void print_list(const cpu_set_t *set)
{
	const char *comma = "";

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		printf(last > cpu ? "%s%d-%d" : "%s%d", comma, cpu, last);
		comma = ",";
		cpu = last;
	}
	putchar('\n');
}

static void settle(const cpu_set_t *set)
{
	if (sched_setaffinity(0, sizeof(*set), set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static void *spin(void *unused)
{
	(void)unused;
	for (;;)
		__asm__ volatile("pause");
	return NULL;
}

static void *rest(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void *nap(void *unused)
{
	(void)unused;
	for (;;)
		usleep(10000);
	return NULL;
}

static void threads(int count, void *(*body)(void *))
{
	pthread_t thread;

	while (--count > 0)
		if (pthread_create(&thread, NULL, body, NULL))
			perror("pthread_create");
	body(NULL);
}

/* Three generations; the two below end with the first. */
static void family(void)
{
	for (int generation = 0; generation < 2; generation++) {
		if (fork())
			break;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	rest(NULL);
}

/* Also for the threads to come, which would die of it. */
static sigset_t block_usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

static void wait_for_usr1(void)
{
	sigset_t set = block_usr1();
	int signal;

	puts("waiting");
	fflush(stdout);
	sigwait(&set, &signal);
}

/* The bits of the thread's number say which CPUs beyond the first two are in. */
static void settle_by_number(const cpu_set_t *all, pid_t thread, int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0, nth = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, all) && (nth++ < 2 || number >> (nth - 3) & 1))
			CPU_SET(cpu, &set);
	if (sched_setaffinity(thread, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

static void differ(const cpu_set_t *all, int count)
{
	pthread_t thread;
	struct dirent *entry;
	int number = 0;
	DIR *dir;

	block_usr1();
	for (int i = 1; i < count; i++) {
		if (pthread_create(&thread, NULL, rest, NULL)) {
			perror("pthread_create");
			exit(1);
		}
	}
	wait_for_usr1();
	dir = opendir("/proc/self/task");
	while (dir && (entry = readdir(dir)))
		if (isdigit(entry->d_name[0]))
			settle_by_number(all, atoi(entry->d_name), number++);
	puts("all differ");
	fflush(stdout);
	rest(NULL);
}

static void fork_storm(void)
{
	for (;;) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int intrude(int cpu, int limit_ms)
{
	cpu_set_t target;
	int64_t start_us;

	CPU_ZERO(&target);
	CPU_SET(cpu, &target);
	start_us = now_us();
	settle(&target);
	while (sched_getcpu() == cpu)
		if (now_us() - start_us > limit_ms * 1000LL)
			return 1;
	printf("%lld\n", (long long)(now_us() - start_us));
	return 0;
}

static int swarm(int cpu, int count)
{
	int status;

	for (; count; count--) {
		pid_t child = fork();

		if (!child)
			_exit(intrude(cpu, SWARM_LIMIT_MS));
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			return 1;
	}
	return 0;
}

static void late(int ms, int count)
{
	int64_t worst_us = 0;

	while (count--) {
		int64_t due_us = now_us() + ms * 1000LL, late_us;

		usleep(ms * 1000);
		late_us = now_us() - due_us;
		if (late_us > worst_us)
			worst_us = late_us;
	}
	printf("%lld\n", (long long)worst_us / 1000);
}

static int where(const char *pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(dir))) {
		cpu_set_t set;

		if (!isdigit(entry->d_name[0]))
			continue;
		if (!sched_getaffinity(atoi(entry->d_name), sizeof(set), &set))
			print_list(&set);
	}
	closedir(dir);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	cpu_set_t set;

	if (!strcmp(verb, "where"))
		return where(argv[2]);
	if (!strcmp(verb, "intrude") && argc == 4)
		return intrude(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(verb, "swarm") && argc == 4)
		return swarm(atoi(argv[2]), atoi(argv[3]));
	if (argc > 2) {
		parse_list(argv[2], &set);
		settle(&set);
	}
	if (!strcmp(verb, "late") && argc == 5) {
		late(atoi(argv[3]), atoi(argv[4]));
		return 0;
	}
	if (!strcmp(verb, "spin"))
		threads(argc > 3 ? atoi(argv[3]) : 1, spin);
	if (!strcmp(verb, "later"))
		wait_for_usr1();
	if (!strcmp(verb, "fork") || !strcmp(verb, "later"))
		family();
	if (!strcmp(verb, "differ") && argc == 4)
		differ(&set, atoi(argv[3]));
	while (!strcmp(verb, "back"))
		settle(&set);
	if (!strcmp(verb, "storm"))
		fork_storm();
	if (!strcmp(verb, "sleep"))
		threads(argc > 3 ? atoi(argv[3]) : 1, rest);
	if (!strcmp(verb, "nap"))
		threads(argc > 3 ? atoi(argv[3]) : 1, nap);
	fputs("usage: see the top of hog.c\n", stderr);
	return 2;
}
