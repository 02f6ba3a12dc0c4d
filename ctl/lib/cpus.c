// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of CPUs, written as the kernel writes them: "0-3,8".
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

static void cpus_add(struct cpus *cpus, unsigned long first, unsigned long last)
{
	for (; first <= last; first++)
		cpus->word[first / 64] |= 1ULL << first % 64;
}

static int parse_cpu(const char **list, unsigned long *cpu)
{
	char *end;

	if (!isdigit((unsigned char)**list))
		return -EINVAL;
	*cpu = strtoul(*list, &end, 10);
	*list = end;
	return *cpu < CPUS_MAX ? 0 : -ERANGE;
}

/* An empty list is the empty set. */
int cpus_parse(const char *list, struct cpus *cpus)
{
	unsigned long first, last;
	int ret;

	memset(cpus, 0, sizeof(*cpus));
	while (*list) {
		ret = parse_cpu(&list, &first);
		last = first;
		if (!ret && *list == '-') {
			list++;
			ret = parse_cpu(&list, &last);
		}
		if (ret)
			return ret;
		if (last < first || (*list && *list != ','))
			return -EINVAL;
		cpus_add(cpus, first, last);
		if (*list == ',' && !*++list)
			return -EINVAL;
	}
	return 0;
}

const char *cpus_format(char *buf, size_t size, const struct cpus *cpus)
{
	unsigned int first, last;
	size_t len = 0;

	*buf = 0;
	for (first = 0; first < CPUS_MAX && len < size; first++) {
		if (!cpus_has(cpus, first))
			continue;
		for (last = first; last + 1 < CPUS_MAX && cpus_has(cpus, last + 1); last++)
			;
		len += snprintf(buf + len, size - len, len ? ",%u" : "%u", first);
		if (last > first && len < size)
			len += snprintf(buf + len, size - len, "-%u", last);
		first = last;
	}
	return buf;
}

int cpus_read(const char *path, struct cpus *cpus)
{
	char list[8192];
	int ret = read_text(path, list, sizeof(list));

	return ret ? ret : cpus_parse(list, cpus);
}

bool cpus_has(const struct cpus *cpus, unsigned int cpu)
{
	return cpus->word[cpu / 64] >> cpu % 64 & 1;
}

unsigned int cpus_count(const struct cpus *cpus)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cpus->word); i++)
		count += __builtin_popcountll(cpus->word[i]);
	return count;
}

bool cpus_empty(const struct cpus *cpus)
{
	return !cpus_count(cpus);
}

bool cpus_intersect(const struct cpus *a, const struct cpus *b)
{
	struct cpus both;

	cpus_and(&both, a, b);
	return !cpus_empty(&both);
}

bool cpus_subset(const struct cpus *a, const struct cpus *of)
{
	struct cpus rest;

	cpus_andnot(&rest, a, of);
	return cpus_empty(&rest);
}

void cpus_and(struct cpus *dst, const struct cpus *a, const struct cpus *b)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dst->word); i++)
		dst->word[i] = a->word[i] & b->word[i];
}

void cpus_or(struct cpus *dst, const struct cpus *a, const struct cpus *b)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dst->word); i++)
		dst->word[i] = a->word[i] | b->word[i];
}

void cpus_andnot(struct cpus *dst, const struct cpus *a, const struct cpus *b)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dst->word); i++)
		dst->word[i] = a->word[i] & ~b->word[i];
}
