// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts leave the LPAR's CPUs when it is activated and come back when it
 * is not any more. /run/lparkit/NAME/irqs remembers one "IRQ LIST" per line, irqs_stuck
 * those that could not be moved.
 *
 * LPARs come and go in any order, so that the old list cannot simply be written
 * back: it may hold CPUs that are another LPAR's by now. Each LPAR gives back
 * its own CPUs and no others. A list is read, changed and written back, and the LPAR
 * may be somebody else's business at the same time: so one at a time, who looks whether
 * it is active still, or again, when its turn comes.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lpar/lpar.h"

/* All LPARs share one lock: whoever stands with it must not keep them from being started. */
#define LOCK_NS (10 * NSEC_PER_SEC)

static const char *irq_path(char *buf, size_t size, unsigned int irq)
{
	return rooted(buf, size, "/proc/irq/%u/smp_affinity_list", irq);
}

static int write_irq(unsigned int irq, const struct cpus *cpus)
{
	char path[PATH_MAX], list[8192];

	return write_text(irq_path(path, sizeof(path), irq), cpus_format(list, sizeof(list), cpus));
}

static int add_fenced(const struct lpar *lpar, void *data)
{
	struct cpus cpus;

	if (lpar_is_fenced(lpar) && !cpus_parse(lpar->cpus, &cpus))
		cpus_or(data, data, &cpus);
	return 0;
}

/* Where an interrupt goes that was allowed on the LPAR's CPUs only. */
static void host_cpus(struct cpus *host, const struct cpus *mine)
{
	struct cpus fenced = *mine;
	char path[PATH_MAX];

	memset(host, 0, sizeof(*host));
	rooted(path, sizeof(path), "/sys/devices/system/cpu/online");
	cpus_read(path, host);
	lpar_for_each(add_fenced, &fenced);
	cpus_andnot(host, host, &fenced);
}

/* The guest's own, which it may have where it likes. */
static bool is_guests(unsigned int irq)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool guests = false;
	DIR *dir = opendir(rooted(path, sizeof(path), "/proc/irq/%u", irq));

	while (dir && !guests && (entry = readdir(dir)))
		guests = !strncmp(entry->d_name, "vfio", strlen("vfio"));
	if (dir)
		closedir(dir);
	return guests;
}

struct move {
	struct cpus mine;
	struct cpus host;
	FILE *memory; /* of the old lists */
	FILE *stay; /* those that cannot be moved, or NULL */
	unsigned int moved;
	unsigned int stuck;
	bool begun;
	int error; /* of remembering: nothing is moved any more */
};

/* What it had at first counts when it is moved once more. */
static bool is_noted(struct move *move, unsigned int irq)
{
	long end = ftell(move->memory);
	char line[8192 + 16];
	bool noted = false;

	rewind(move->memory);
	while (!noted && ftell(move->memory) < end && fgets(line, sizeof(line), move->memory))
		noted = (unsigned int)atoi(line) == irq;
	fseek(move->memory, 0, SEEK_END);
	return noted;
}

/* What was written behind the end. */
static void take_back(struct move *move, long end)
{
	__fpurge(move->memory);
	if (ftruncate(fileno(move->memory), end) && !move->error)
		move->error = errno;
	fseek(move->memory, 0, SEEK_END);
}

/* Before it is moved, or it could not come back. A line is whole or not there. */
static int remember(struct move *move, unsigned int irq, const struct cpus *now)
{
	char list[8192];

	fprintf(move->memory, "%u %s\n", irq, cpus_format(list, sizeof(list), now));
	if (!fflush(move->memory) && !ferror(move->memory))
		return 0;
	move->error = errno ? errno : EIO;
	return -move->error;
}

static void move_irq(struct move *move, unsigned int irq)
{
	long end = ftell(move->memory);
	struct cpus now, wanted;
	char path[PATH_MAX];

	if (cpus_read(irq_path(path, sizeof(path), irq), &now) ||
	    !cpus_intersect(&now, &move->mine) || is_guests(irq))
		return;
	cpus_andnot(&wanted, &now, &move->mine);
	if (!is_noted(move, irq) && remember(move, irq, &now)) {
		take_back(move, end);
		return;
	}
	if (write_irq(irq, cpus_empty(&wanted) ? &move->host : &wanted)) {
		take_back(move, end);
		move->stuck++;
		if (move->stay)
			fprintf(move->stay, "%u\n", irq);
		return;
	}
	move->moved++;
}

static void move_all(struct move *move)
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	dir = opendir(rooted(path, sizeof(path), "/proc/irq"));
	if (!dir)
		return;
	while (!move->error && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			move_irq(move, atoi(entry->d_name));
	closedir(dir);
}

/* A file descriptor that holds the lock, or -errno, which is said. */
static int lock_irqs(const char *name)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + LOCK_NS;
	char path[PATH_MAX];
	int lock;

	/* No name in /run/lparkit: those are LPARs'. */
	rooted(path, sizeof(path), "/run/lparkit.irqs");
	while ((lock = lock_file(path, LOCK_EX | LOCK_NB)) == -EWOULDBLOCK && left_ns(deadline_ns))
		sleep_ms(10);
	if (lock < 0)
		err("LPAR %s: interrupts stay where they are: %s: %s", name, path,
		    lock == -EWOULDBLOCK ? "another lparctl does not let it go ('fuser' has it)"
					 : strerror(-lock));
	return lock;
}

/* Neither begun nor an error: there is nothing to move them off. */
static void move_off(struct move *move, const char *name, const char *cpus)
{
	char path[PATH_MAX];

	if (!*cpus || cpus_parse(cpus, &move->mine) || run_make(name))
		return;
	host_cpus(&move->host, &move->mine);
	move->memory = fopen(run_path(path, sizeof(path), name, "irqs"), "a+e");
	if (!move->memory) {
		move->error = errno;
		return;
	}
	move->begun = true;
	fseek(move->memory, 0, SEEK_END);
	move->stay = fopen(run_path(path, sizeof(path), name, "irqs_stuck"), "we");
	move_all(move);
	fclose(move->memory);
	if (move->stay)
		fclose(move->stay);
}

/* By who has the lock no more: nobody may read what we say. */
static void tell_moved(const struct move *move, const char *name, const char *cpus)
{
	char path[PATH_MAX];

	if (move->error)
		err("LPAR %s: %sinterrupts stay where they are: %s: %s", name,
		    move->begun ? "the other " : "", run_path(path, sizeof(path), name, "irqs"),
		    strerror(move->error));
	if (!move->begun)
		return;
	say("%s: %u interrupts moved off CPUs %s", name, move->moved, cpus);
	if (move->stuck)
		say("%s: %u cannot be moved (per-CPU, or managed by their driver)", name,
		    move->stuck);
}

/* From now on the kernel tells of those that come back. */
static void have_watched(const char *name)
{
	int ret = nl_simple(LPAR_CMD_IRQS_WATCH, name);

	/* Deactivated meanwhile: nothing is to be watched. */
	if (ret && ret != -EINVAL && ret != -ENOENT)
		lpar_fail(name, ret);
}

/* Unless it has been deactivated meanwhile. */
void irqs_move(const char *name)
{
	int lock = lock_irqs(name);
	struct move move = { .moved = 0 };
	struct lpar lpar;

	if (lock < 0)
		return;
	if (!lpar_get(name, &lpar) && lpar_is_fenced(&lpar))
		move_off(&move, name, lpar.cpus);
	close(lock);
	tell_moved(&move, name, lpar.cpus);
	lpar_free(&lpar);
	if (move.begun && !move.error)
		have_watched(name);
}

static bool is_stuck(FILE *stuck, unsigned int irq)
{
	unsigned int one;

	rewind(stuck);
	while (fscanf(stuck, "%u", &one) == 1)
		if (one == irq)
			return true;
	return false;
}

/*
 * An interrupt that may come to these CPUs, and could be moved when that was tried; -1 =
 * none. Of all that there are now: a driver that is bound anew has others than before.
 */
int irqs_strayed(const char *name, const char *cpus)
{
	char path[PATH_MAX];
	struct cpus mine, now;
	struct dirent *entry;
	int irq, strayed = -1;
	FILE *stuck;
	DIR *dir;

	if (cpus_parse(cpus, &mine))
		return -1;
	stuck = fopen(run_path(path, sizeof(path), name, "irqs_stuck"), "re");
	if (!stuck)
		return -1; /* none was to be moved */
	dir = opendir(rooted(path, sizeof(path), "/proc/irq"));
	while (dir && strayed < 0 && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		irq = atoi(entry->d_name);
		if (!cpus_read(irq_path(path, sizeof(path), irq), &now) &&
		    cpus_intersect(&now, &mine) && !is_guests(irq) && !is_stuck(stuck, irq))
			strayed = irq;
	}
	if (dir)
		closedir(dir);
	fclose(stuck);
	return strayed;
}

static bool restore_irq(unsigned int irq, const struct cpus *old, const struct cpus *mine)
{
	char path[PATH_MAX];
	struct cpus now, back;

	if (cpus_read(irq_path(path, sizeof(path), irq), &now))
		return false;
	if (cpus_subset(old, mine))
		return !write_irq(irq, old);
	cpus_and(&back, old, mine);
	cpus_or(&back, &back, &now);
	return !write_irq(irq, &back);
}

/* How many; -1 when none were moved. */
static int give_back(const char *name, const char *cpus)
{
	char path[PATH_MAX], line[8192 + 16], *list;
	struct cpus mine, old;
	int restored = 0;
	FILE *memory;

	memory = fopen(run_path(path, sizeof(path), name, "irqs"), "re");
	if (!memory)
		return -1;
	while (!cpus_parse(cpus, &mine) && fgets(line, sizeof(line), memory)) {
		line[strcspn(line, "\n")] = 0;
		list = strchr(line, ' ');
		if (list && !cpus_parse(list + 1, &old))
			restored += restore_irq(atoi(line), &old, &mine);
	}
	fclose(memory);
	unlink(path);
	unlink(run_path(path, sizeof(path), name, "irqs_stuck"));
	return restored;
}

/* Nothing happens when none were moved, or while the LPAR is active, as again it may be. */
void irqs_restore(const char *name, const char *cpus)
{
	int lock = lock_irqs(name), restored = -1;
	struct lpar lpar;

	if (lock < 0)
		return;
	if (lpar_get(name, &lpar) || !lpar_is_fenced(&lpar))
		restored = give_back(name, cpus);
	lpar_free(&lpar);
	close(lock);
	if (restored >= 0)
		say("%s: %d interrupts may use CPUs %s again", name, restored, cpus);
}
