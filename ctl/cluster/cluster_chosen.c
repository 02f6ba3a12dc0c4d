// SPDX-License-Identifier: GPL-2.0
/*
 * Which LPARs are saved: those that --lpar names, each on whichever of the hosts has it. No host
 * knows of the others; what all of them have found is compared here, before any guest stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

/* Words that contradict each other; exit code. */
int cluster_check_words(const struct cluster *cluster)
{
	if (!json_count(cluster->lpars))
		return EXIT_OK;
	json_object_object_foreach(cluster->monitors, name, path)
		if (!json_is_among(cluster->lpars, name))
			return usage("--qmp %s=%s: --lpar does not name %s", name,
				     json_object_get_string(path), name);
	return EXIT_OK;
}

/* Has any of the hosts a guest of that name, or one by the socket that --qmp names? */
static bool is_found(const struct cluster *cluster, const char *name, bool by_monitor)
{
	size_t i, j;

	for (i = 0; i < cluster->channels.n; i++) {
		struct json_object *guests =
			json_object_object_get(cluster->channels.channel[i].answer, "guests");

		for (j = 0; j < json_count(guests); j++)
			if (!strcmp(json_text(json_at(guests, j), "name"), name) &&
			    (!by_monitor || json_flag(json_at(guests, j), "by_monitor")))
				return true;
	}
	return false;
}

static int check_lpars(const struct cluster *cluster)
{
	const char *first = NULL;
	char *names = xstrdup(""), *more;
	size_t i;

	for (i = 0; i < json_count(cluster->lpars); i++) {
		const char *name = json_text_at(cluster->lpars, i);

		if (is_found(cluster, name, false))
			continue;
		more = xprintf("%s%s%s", names, first ? ", " : "", name);
		free(names);
		names = more;
		first = first ? first : name;
	}
	if (first)
		err("LPAR %s: none of these hosts has a guest of it that 'lparctl start' has started: name its QMP socket by --qmp %s=PATH",
		    names, first);
	free(names);
	return first ? -ENOENT : 0;
}

static int check_monitors(const struct cluster *cluster)
{
	json_object_object_foreach(cluster->monitors, name, path) {
		if (is_found(cluster, name, true))
			continue;
		if (is_found(cluster, name, false))
			err("--qmp %s=%s: 'lparctl start' has started that guest, and has a monitor of its own: leave it out",
			    name, json_object_get_string(path));
		else
			err("--qmp %s=%s: no such LPAR on these hosts", name,
			    json_object_get_string(path));
		return -EINVAL;
	}
	return 0;
}

/* What was named in vain would be missing in what is saved. */
int cluster_check_chosen(const struct cluster *cluster)
{
	int ret = check_lpars(cluster);

	return ret ? ret : check_monitors(cluster);
}
