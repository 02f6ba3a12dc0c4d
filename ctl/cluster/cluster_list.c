// SPDX-License-Identifier: GPL-2.0
/*
 * cluster list: the saved states of a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

static int is_state(const struct dirent *entry)
{
	return name_is_valid(entry->d_name);
}

static void state_row(struct json_object *manifest, const char *name)
{
	struct json_object *hosts = json_object_object_get(manifest, "hosts");
	char when[64], guests[16], names[512] = "";
	const char *cell[] = { name, when, guests, names };
	size_t i, n = 0, len = 0;

	for (i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_at(hosts, i);

		n += json_count(cluster_saved_guests(host));
		if (len < sizeof(names))
			len += snprintf(names + len, sizeof(names) - len, "%s%s", i ? "," : "",
					json_text(host, "host"));
	}
	snprintf(guests, sizeof(guests), "%zu", n);
	format_instant(when, sizeof(when),
		       json_number(json_object_object_get(manifest, "stop"), "at_ns"));
	table_row(cell, ARRAY_SIZE(cell));
}

static void list_one(struct cluster *cluster, const char *name, struct json_object *json)
{
	char *path;

	cluster->name = name;
	path = cluster_manifest_path(cluster);
	cluster->manifest = access(path, F_OK) ? NULL : saved_load(path);
	free(path);
	if (!cluster->manifest)
		return;
	if (options.json)
		json_object_array_add(json, json_object_get(cluster->manifest));
	else
		state_row(cluster->manifest, name);
	json_object_put(cluster->manifest);
	cluster->manifest = NULL;
}

/* list [--dir DIR] */
int cluster_list_verb(struct args *args)
{
	static const char *const head[] = { "NAME", "TIME", "GUESTS", "HOSTS" };
	struct json_object *json = json_object_new_array();
	struct cluster cluster;
	struct dirent **entry;
	int i, n, ret;

	cluster_init(&cluster);
	ret = cluster_parse(args, &cluster, "list", OPTION_DIR);
	if (!options.json)
		table_row(head, ARRAY_SIZE(head));
	n = ret ? 0 : scandir(cluster.dir, &entry, is_state, alphasort);
	/* Where nothing has ever been saved there is none. */
	if (n < 0 && errno != ENOENT) {
		err("%s: %s", cluster.dir, strerror(errno));
		ret = EXIT_FAILED;
	}
	for (i = 0; i < n; i++) {
		list_one(&cluster, entry[i]->d_name, json);
		free(entry[i]);
	}
	if (n > 0)
		free(entry);
	if (options.json && !ret)
		json_print(json);
	else
		json_object_put(json);
	if (!options.json && !ret)
		table_print();
	cluster_free(&cluster);
	return ret;
}
