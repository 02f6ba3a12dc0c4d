// SPDX-License-Identifier: GPL-2.0
/*
 * gatewatch: looks at the counters of a minikvm while a gate opens and closes.
 *
 *	gatewatch still FILE MS		no vCPU moves for MS
 *	gatewatch move FILE MS		each vCPU moves within MS
 *	gatewatch get FILE FIELD	sum of guest, entries or eintr; ticks; paused
 *	gatewatch close NAME FILE MS	closes the gate, then as "still" from its return on
 *	gatewatch open NAME FILE MS	opens it, then as "move"
 *	gatewatch rounds NAME FILE N	N times: close, still for 2 ms, open, move in 5 s
 *
 * "close" reads the counters right after the call has returned, before anything
 * else: a vCPU that runs on for some microseconds is seen.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lparnl.h"
#include "minikvm.h"

#define ROUND_STILL_MS 2
#define ROUND_MOVE_MS 5000

static struct minikvm_shared *shared;
static struct lparnl nl;

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void map_counters(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd >= 0)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || shared == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static void look(uint64_t *guest)
{
	for (unsigned int i = 0; i < MINIKVM_VCPUS_MAX; i++)
		guest[i] = shared->vcpu[i].guest;
}

/* Also sees a vCPU that starts only now: all counters are watched. */
static int still_since(const uint64_t *before, int ms)
{
	int64_t start_us = now_us();

	do {
		for (unsigned int i = 0; i < MINIKVM_VCPUS_MAX; i++) {
			uint64_t moved = shared->vcpu[i].guest - before[i];

			if (!moved)
				continue;
			printf("# vCPU %u made %llu turns, seen %lld us after the gate closed\n", i,
			       (unsigned long long)moved, (long long)(now_us() - start_us));
			return 1;
		}
		usleep(200);
	} while (now_us() - start_us < ms * 1000LL);
	return 0;
}

static int all_move_since(const uint64_t *before, int ms)
{
	int64_t end_us = now_us() + ms * 1000LL;

	for (unsigned int i = 0; i < shared->nr_vcpus; i++) {
		while (shared->vcpu[i].guest == before[i]) {
			if (now_us() > end_us) {
				printf("# vCPU %u did not move within %d ms\n", i, ms);
				return 1;
			}
			usleep(100);
		}
	}
	return 0;
}

static int gate(uint8_t cmd, const char *name)
{
	int error = lparnl_do(&nl, cmd, name);

	if (error)
		printf("# gate: %s: %s\n", strerror(-error), nl.error);
	return error;
}

static int close_and_watch(const char *name, int ms)
{
	uint64_t before[MINIKVM_VCPUS_MAX];

	if (gate(LPAR_CMD_GATE_CLOSE, name))
		return 1;
	look(before);
	return still_since(before, ms);
}

static int open_and_watch(const char *name, int ms)
{
	uint64_t before[MINIKVM_VCPUS_MAX];

	look(before);
	if (gate(LPAR_CMD_GATE_OPEN, name))
		return 1;
	return all_move_since(before, ms);
}

static int rounds(const char *name, int count)
{
	for (int round = 0; round < count; round++) {
		if (close_and_watch(name, ROUND_STILL_MS) || open_and_watch(name, ROUND_MOVE_MS)) {
			printf("# in round %d of %d\n", round, count);
			return 1;
		}
	}
	return 0;
}

static int print_field(const char *field)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < MINIKVM_VCPUS_MAX; i++) {
		const struct minikvm_vcpu *vcpu = &shared->vcpu[i];

		if (!strcmp(field, "guest"))
			sum += vcpu->guest;
		else if (!strcmp(field, "entries"))
			sum += vcpu->entries;
		else if (!strcmp(field, "eintr"))
			sum += vcpu->eintr;
		else if (!strcmp(field, "paused"))
			sum += vcpu->paused;
	}
	if (!strcmp(field, "ticks"))
		sum = shared->ticks;
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t before[MINIKVM_VCPUS_MAX];
	const char *verb = argc > 3 ? argv[1] : "";

	if (argc == 4) {
		map_counters(argv[2]);
		look(before);
		if (!strcmp(verb, "still"))
			return still_since(before, atoi(argv[3]));
		if (!strcmp(verb, "move"))
			return all_move_since(before, atoi(argv[3]));
		if (!strcmp(verb, "get"))
			return print_field(argv[3]);
	}
	if (argc == 5) {
		map_counters(argv[3]);
		lparnl_open(&nl);
		if (!strcmp(verb, "close"))
			return close_and_watch(argv[2], atoi(argv[4]));
		if (!strcmp(verb, "open"))
			return open_and_watch(argv[2], atoi(argv[4]));
		if (!strcmp(verb, "rounds"))
			return rounds(argv[2], atoi(argv[4]));
	}
	fputs("usage: see the top of gatewatch.c\n", stderr);
	return 2;
}
