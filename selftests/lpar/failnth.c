// SPDX-License-Identifier: GPL-2.0
/*
 * failnth: fails each allocation of an activation, one after the other.
 *
 *	failnth NAME DISK CPU
 *
 * After each try the LPAR must be active with all that it has, which is then
 * given back, or defined with nothing: its DISK can be claimed, its CPU be used
 * and its memory not be opened. Ends when an activation needs no more
 * allocations than were tried; fails if none of the faults led to a refusal.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "failnth.h"
#include "lparnl.h"

/* More allocations than this would be a loop of our own. */
#define NTH_MAX 5000

static struct lparnl nl;
static const char *name, *disk;
static int cpu;

static int complain(const char *what)
{
	printf("# %s (%s)\n", what, nl.error);
	return -1;
}

static int errno_of_open(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static bool state_is(const char *state)
{
	char path[96], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/lpar/%s/state", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, state);
}

/* The fence must be down, or this would be an intruder. */
static bool can_use_cpu(void)
{
	cpu_set_t before, one;
	bool there;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_getaffinity(0, sizeof(before), &before);
	there = !sched_setaffinity(0, sizeof(one), &one) && sched_getcpu() == cpu;
	sched_setaffinity(0, sizeof(before), &before);
	return there && CPU_ISSET(cpu, &before);
}

static int check_nothing(void)
{
	char device[64];

	snprintf(device, sizeof(device), "/dev/lpar/%s", name);
	if (!state_is("defined"))
		return complain("neither active nor defined");
	if (errno_of_open(disk, O_RDWR | O_EXCL))
		return complain("the disk is still claimed");
	if (errno_of_open(device, O_RDWR) != ENXIO)
		return complain("there is still memory");
	if (!can_use_cpu())
		return complain("the CPU is still fenced");
	return 0;
}

static int give_back(void)
{
	if (errno_of_open(disk, O_RDWR | O_EXCL) != EBUSY)
		return complain("active without the disk");
	if (lparnl_do(&nl, LPAR_CMD_DEACTIVATE, name))
		return complain("cannot be deactivated");
	return 0;
}

/* One try. Sets what became of it; negative if something is left behind. */
static int try(int countdown, long nth, bool *refused, bool *injected)
{
	lparnl_start(&nl, nl.family, LPAR_CMD_ACTIVATE, 0);
	mnl_attr_put_strz(lparnl_message(&nl), LPAR_A_NAME, name);
	set_countdown(countdown, nth);
	lparnl_call(&nl, NULL, NULL);
	*injected = !countdown_left(countdown);
	set_countdown(countdown, 0);
	*refused = !state_is("active");
	if (!*refused && give_back())
		return -1;
	return check_nothing();
}

int main(int argc, char **argv)
{
	bool refused, injected = true;
	int countdown, refusals = 0;
	long nth;

	if (argc != 4) {
		fputs("usage: failnth NAME DISK CPU\n", stderr);
		return 2;
	}
	name = argv[1];
	disk = argv[2];
	cpu = atoi(argv[3]);
	lparnl_open(&nl);
	countdown = open_countdown();
	for (nth = 1; injected && nth < NTH_MAX; nth++) {
		if (try(countdown, nth, &refused, &injected)) {
			printf("# at allocation %ld\n", nth);
			return 1;
		}
		refusals += refused;
	}
	printf("# %ld allocations, %d refusals\n", nth - 2, refusals);
	return !injected && refusals ? 0 : 1;
}
