// SPDX-License-Identifier: GPL-2.0
/*
 * An isolated cpuset partition per LPAR, /sys/fs/cgroup/lparkit-NAME: it takes
 * the CPUs out of the scheduler's load balancing and out of every other cgroup.
 * It comes on top of the module's own fence; where cgroup v2 cannot give it,
 * that is said, and the fence alone has to do.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lparctl.h"

#define CGROUP "/sys/fs/cgroup"
#define REMOVE_TIMEOUT_NS (2 * NSEC_PER_SEC)

static const char *cgroup_path(char *buf, size_t size, const char *name, const char *file)
{
	return rooted(buf, size, CGROUP "/lparkit-%s%s", name, file);
}

static int cgroup_write(const char *name, const char *file, const char *text)
{
	char path[PATH_MAX];

	return write_text(cgroup_path(path, sizeof(path), name, file), text);
}

/* NULL, or why there can be no partition. */
static const char *enable_controller(void)
{
	char path[PATH_MAX], controllers[512], *word, *rest;

	rooted(path, sizeof(path), CGROUP "/cgroup.controllers");
	if (read_text(path, controllers, sizeof(controllers)))
		return "no cgroup v2 is mounted at " CGROUP;
	for (word = strtok_r(controllers, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!strcmp(word, "cpuset"))
			break;
	if (!word)
		return "cgroup v2 has no cpuset controller here";
	rooted(path, sizeof(path), CGROUP "/cgroup.subtree_control");
	if (write_text(path, "+cpuset"))
		return "the cpuset controller cannot be enabled";
	return NULL;
}

static void say_partition(const char *name, const char *cpus)
{
	char path[PATH_MAX], partition[512] = "unknown";

	cgroup_path(path, sizeof(path), name, "/cpuset.cpus.partition");
	read_text(path, partition, sizeof(partition));
	say("%s: cpuset partition lparkit-%s with CPUs %s: %s", name, name, cpus, partition);
}

/* Returns whether a partition was made that was not there before. */
bool cpuset_create(const char *name, const char *cpus)
{
	const char *why = *cpus ? enable_controller() : "the LPAR has no CPUs";
	char path[PATH_MAX];
	bool made;
	int ret;

	if (why) {
		say("%s: no cpuset partition: %s", name, why);
		return false;
	}
	made = !mkdir(cgroup_path(path, sizeof(path), name, ""), 0755);
	if (!made && errno != EEXIST) {
		say("%s: no cpuset partition: %s: %s", name, path, strerror(errno));
		return false;
	}
	ret = cgroup_write(name, "/cpuset.cpus", cpus);
	/* Older kernels know partitions that are roots, but not isolated ones. */
	if (!ret && cgroup_write(name, "/cpuset.cpus.partition", "isolated"))
		ret = cgroup_write(name, "/cpuset.cpus.partition", "root");
	if (ret) {
		say("%s: no cpuset partition: %s", name, strerror(-ret));
		if (made)
			rmdir(path);
		return false;
	}
	say_partition(name, cpus);
	return made;
}

/* Processes that are left belong to nobody's partition: to the root with them. */
static void evacuate(const char *name)
{
	char path[PATH_MAX], root[PATH_MAX], line[32];
	FILE *procs;

	procs = fopen(cgroup_path(path, sizeof(path), name, "/cgroup.procs"), "re");
	if (!procs)
		return;
	rooted(root, sizeof(root), CGROUP "/cgroup.procs");
	while (fgets(line, sizeof(line), procs))
		write_text(root, line);
	fclose(procs);
}

/* Give the CPUs back; nothing happens when there is no partition. */
void cpuset_remove(const char *name)
{
	uint64_t deadline = now_ns(CLOCK_MONOTONIC) + REMOVE_TIMEOUT_NS;
	char path[PATH_MAX];

	cgroup_path(path, sizeof(path), name, "");
	if (access(path, F_OK))
		return;
	evacuate(name);
	/* Processes that exit keep the cgroup busy for a moment. */
	while (rmdir(path)) {
		if (errno != EBUSY || now_ns(CLOCK_MONOTONIC) > deadline) {
			err("LPAR %s: cannot remove %s: %s", name, path, strerror(errno));
			return;
		}
		sleep_ms(10);
	}
	say("%s: cpuset partition lparkit-%s removed", name, name);
}

/* Put a process into the partition, where there is one. */
void cpuset_place(const char *name, pid_t pid)
{
	char path[PATH_MAX], number[16];
	int ret;

	snprintf(number, sizeof(number), "%d", pid);
	ret = write_text(cgroup_path(path, sizeof(path), name, "/cgroup.procs"), number);
	if (ret && ret != -ENOENT)
		err("LPAR %s: process %d does not enter the cpuset partition: %s", name, pid,
		    strerror(-ret));
}

/* Take a process out of the partition, if it is in. */
void cpuset_release(const char *name, pid_t pid)
{
	char path[PATH_MAX], number[16];

	if (access(cgroup_path(path, sizeof(path), name, ""), F_OK))
		return;
	snprintf(number, sizeof(number), "%d", pid);
	rooted(path, sizeof(path), CGROUP "/cgroup.procs");
	write_text(path, number);
}
