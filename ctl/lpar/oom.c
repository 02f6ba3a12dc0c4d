// SPDX-License-Identifier: GPL-2.0
/*
 * The OOM killer and the memory of an LPAR: it counts as its holder's, and is not
 * freed by killing it. So QEMU's oom_score_adj takes off what the memory adds.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

/* The kernel reckons in thousandths of RAM and swap; -1000 would be: never. */
#define OOM_UNITS 1000
#define OOM_LOWEST (-999)
#define OOM_OF_SELF "/proc/self/oom_score_adj"

/* RAM and swap of the host in bytes; 0 = unknown. */
static uint64_t host_bytes(void)
{
	char path[PATH_MAX], line[128];
	FILE *meminfo = fopen(rooted(path, sizeof(path), "/proc/meminfo"), "re");
	uint64_t kib, sum = 0;

	if (!meminfo)
		return 0;
	while (fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "MemTotal: %" SCNu64, &kib) == 1 ||
		    sscanf(line, "SwapTotal: %" SCNu64, &kib) == 1)
			sum += kib << 10;
	fclose(meminfo);
	return sum;
}

/*
 * For this process, which is about to be the QEMU of an LPAR with so much memory. What
 * it was born with, as a unit's OOMScoreAdjust, stays beneath.
 */
int oom_discount(uint64_t memory)
{
	uint64_t host = host_bytes();
	char path[PATH_MAX], text[16];
	int adj, ret;

	if (!host)
		return -EIO;
	ret = read_text(rooted(path, sizeof(path), OOM_OF_SELF), text, sizeof(text));
	if (ret)
		return ret;
	adj = atoi(text);
	if (adj <= OOM_LOWEST)
		return 0;
	adj -= (int)((memory * OOM_UNITS + host - 1) / host);
	snprintf(text, sizeof(text), "%d", adj < OOM_LOWEST ? OOM_LOWEST : adj);
	return write_text(path, text);
}

/* What a process has, as text. */
int oom_read(pid_t pid, char *buf, size_t size)
{
	char path[PATH_MAX];

	return read_text(rooted(path, sizeof(path), "/proc/%d/oom_score_adj", pid), buf, size);
}
