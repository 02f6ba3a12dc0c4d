// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA nodes of this host, and the cores of their CPUs.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lpar/lpar.h"

int nodes_online(struct cpus *nodes)
{
	char path[PATH_MAX];

	return cpus_read(rooted(path, sizeof(path), "/sys/devices/system/node/online"), nodes);
}

int cpus_online(struct cpus *cpus)
{
	char path[PATH_MAX];

	return cpus_read(rooted(path, sizeof(path), "/sys/devices/system/cpu/online"), cpus);
}

/*
 * Those among which the scheduler does not balance: by isolcpus=, or in somebody's isolated
 * cpuset. A kernel that does not tell of the latter counts as one that has none.
 */
static void cpus_isolated(struct cpus *cpus)
{
	char path[PATH_MAX];
	struct cpus cpuset;

	if (cpus_read(rooted(path, sizeof(path), "/sys/devices/system/cpu/isolated"), cpus))
		memset(cpus, 0, sizeof(*cpus));
	if (!cpus_read(rooted(path, sizeof(path), "/sys/fs/cgroup/cpuset.cpus.isolated"), &cpuset))
		cpus_or(cpus, cpus, &cpuset);
}

/* It keeps no LPAR from being activated, and is right for one whose threads are all pinned. */
void say_isolated(const char *name, const char *list)
{
	char text[LPAR_CPULIST_MAX + 1];
	struct cpus cpus, isolated;

	cpus_isolated(&isolated);
	if (cpus_parse(list, &cpus))
		return;
	cpus_and(&isolated, &isolated, &cpus);
	if (!cpus_empty(&isolated))
		say("%s: CPU %s is isolated (isolcpus=, or a cpuset): threads that are not pinned stay there where they begin, though others of its CPUs are idle; end that, or pin each",
		    name, cpus_format(text, sizeof(text), &isolated));
}

int node_cpus(unsigned int node, struct cpus *cpus)
{
	char path[PATH_MAX];

	rooted(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
	return cpus_read(path, cpus);
}

/* The CPU and its siblings. */
int core_cpus(unsigned int cpu, struct cpus *cpus)
{
	char path[PATH_MAX];

	rooted(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
	       cpu);
	return cpus_read(path, cpus);
}

/* What a node has in all; false: nobody knows. */
bool node_memory(int node, uint64_t *bytes)
{
	char path[PATH_MAX], text[4096];
	const char *line;
	unsigned long long kib;

	rooted(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	if (read_text(path, text, sizeof(text)))
		return false;
	line = strstr(text, "MemTotal:");
	if (!line || sscanf(line, "MemTotal: %llu kB", &kib) != 1)
		return false;
	*bytes = kib << 10;
	return true;
}

/* All of the nodes, as an LPAR may be of any. */
bool host_memory(uint64_t *bytes)
{
	struct cpus nodes;
	unsigned int node;
	uint64_t one;

	if (nodes_online(&nodes))
		return false;
	for (*bytes = 0, node = 0; node < CPUS_MAX; node++)
		if (cpus_has(&nodes, node)) {
			if (!node_memory(node, &one))
				return false;
			*bytes += one;
		}
	return true;
}

/* What LPARs can have of so much, in whole pieces; some stays with the host. */
uint64_t memory_for_lpars(uint64_t has)
{
	has -= has / 32;
	return has - has % PIECE_BYTES;
}
