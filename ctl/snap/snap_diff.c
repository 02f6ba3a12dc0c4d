// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap diff: which ranges of a volume two states have from different
 * places, as the module answers in steps.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "snap/snap.h"

#define SECTOR 512

struct range {
	uint64_t start; /* sectors */
	uint64_t end;
};

struct ranges {
	struct range *range;
	size_t n;
};

/* Runs come in order, and may go on over the end of an answer. */
static void add_range(struct ranges *ranges, uint64_t start, uint64_t sectors)
{
	if (ranges->n && ranges->range[ranges->n - 1].end == start) {
		ranges->range[ranges->n - 1].end += sectors;
		return;
	}
	if (!(ranges->n & (ranges->n - 1)))
		ranges->range =
			xrealloc(ranges->range, (2 * ranges->n + 1) * sizeof(*ranges->range));
	ranges->range[ranges->n].start = start;
	ranges->range[ranges->n++].end = start + sectors;
}

/* Sets *next to where to go on, 0 at the end. */
static int parse_answer(struct ranges *ranges, char *answer, uint64_t *next)
{
	uint64_t start, sectors, from = *next;
	char *line, *rest;

	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "next %" SCNu64, next) == 1)
			return *next > from ? 0 : -EBADMSG;
		*next = 0;
		if (!strncmp(line, "end ", 4))
			return 0;
		if (sscanf(line, "%" SCNu64 " %" SCNu64, &start, &sectors) != 2)
			return -EBADMSG;
		add_range(ranges, start, sectors);
	}
	return -EBADMSG;
}

static int read_ranges(const char *volume, const char *from, const char *to, struct ranges *ranges)
{
	char *older = snap_quoted(from), *newer = snap_quoted(to);
	uint64_t next = 0;
	int ret;

	do {
		char *text = xprintf("diff %s %s %" PRIu64, older, newer, next), *answer = NULL;

		ret = snap_message(volume, text, &answer);
		ret = ret ? ret : parse_answer(ranges, answer, &next);
		free(answer);
		free(text);
	} while (!ret && next);
	free(newer);
	free(older);
	return ret;
}

static void print_json(const struct ranges *ranges)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < ranges->n; i++) {
		const struct range *range = &ranges->range[i];
		struct json_object *json = json_object_new_object();

		json_put_u64(json, "start", range->start * SECTOR);
		json_put_u64(json, "bytes", (range->end - range->start) * SECTOR);
		json_object_array_add(list, json);
	}
	json_print(list);
}

static void print_lines(const struct ranges *ranges)
{
	size_t i;

	for (i = 0; i < ranges->n; i++)
		printf("%" PRIu64 " %" PRIu64 "\n", ranges->range[i].start * SECTOR,
		       (ranges->range[i].end - ranges->range[i].start) * SECTOR);
}

int snap_diff_verb(struct args *args)
{
	const char *volume = next_arg(args), *from = next_arg(args);
	const char *to = args->argc ? next_arg(args) : "-";
	struct ranges ranges = { 0 };
	int ret;

	if (!volume || !from || !to || args->argc)
		return usage(
			"diff wants a volume, a state or - for its base disk, and maybe a second state");
	ret = read_ranges(volume, from, to, &ranges);
	if (ret)
		err("cannot diff on %s: %s", volume, snap_reason(ret));
	else if (options.json)
		print_json(&ranges);
	else
		print_lines(&ranges);
	free(ranges.range);
	return ret ? EXIT_FAILED : EXIT_OK;
}
