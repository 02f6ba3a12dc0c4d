// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap diff: which ranges of a volume two states have from different
 * places.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "snap/snap.h"
#include "snap/snap_volume.h"

#define SECTOR 512

static void print_json(const struct snap_ranges *ranges)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < ranges->n; i++) {
		const struct snap_range *range = &ranges->range[i];
		struct json_object *json = json_object_new_object();

		json_put_u64(json, "start", range->start * SECTOR);
		json_put_u64(json, "bytes", (range->end - range->start) * SECTOR);
		json_object_array_add(list, json);
	}
	json_print(list);
}

static void print_lines(const struct snap_ranges *ranges)
{
	size_t i;

	for (i = 0; i < ranges->n; i++)
		printf("%" PRIu64 " %" PRIu64 "\n", ranges->range[i].start * SECTOR,
		       (ranges->range[i].end - ranges->range[i].start) * SECTOR);
}

int snap_diff_verb(struct args *args)
{
	const struct snap_volume volume = snap_volume(next_arg(args));
	const char *from = next_arg(args);
	const char *to = args->argc ? next_arg(args) : "-";
	struct snap_ranges ranges = { 0 };
	int ret;

	if (!volume.name || !from || !to || args->argc)
		return usage(
			"diff wants a volume, a state or - for its base disk, and maybe a second state");
	ret = snap_read_ranges(&volume, from, to, &ranges);
	if (ret)
		err("cannot diff on %s: %s", volume.name, snap_reason(ret));
	else if (options.json)
		print_json(&ranges);
	else
		print_lines(&ranges);
	free(ranges.range);
	return ret ? EXIT_FAILED : EXIT_OK;
}
