// SPDX-License-Identifier: GPL-2.0
/*
 * The LPAR's disks, as maps of device mapper over those of a port: they change over to those
 * of the other port, with the same LUNs by their names.
 *
 * A map is found by the disks that it holds, so that nothing has to be known of it. Its table
 * is loaded anew and resumed: the kernel suspends, changes and resumes in one call, so that a
 * kill leaves one of the tables, and no map that is suspended. Maps that multipathd looks
 * after are its own to change.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libdevmapper.h>
#include <linux/dm-ioctl.h>

#include "fc/fc.h"

#define MULTIPATHD_MS 10000
#define LOOK_MS 100
#define DEV_CHARS 32 /* MAJOR:MINOR */

/* Of one port to those of the other. */
struct change {
	struct json_object *from, *to; /* paths */
};

static struct json_object *paths_of(struct json_object *identity, const char *port)
{
	return json_object_object_get(json_object_object_get(identity, port), "paths");
}

/* --- sysfs --- */

/* "" if it is gone. */
static const char *disk_dev(char *buf, const char *disk)
{
	char path[PATH_MAX];

	rooted(path, sizeof(path), "/sys/class/block/%s/dev", disk);
	if (read_text(path, buf, DEV_CHARS))
		*buf = 0;
	return buf;
}

static bool has_name(struct json_object *names, const char *name)
{
	size_t i;

	for (i = 0; i < json_count(names); i++)
		if (!strcmp(json_text_at(names, i), name))
			return true;
	return false;
}

static void add_name(struct json_object *names, const char *name)
{
	if (!has_name(names, name))
		json_object_array_add(names, json_object_new_string(name));
}

static void add_holders(struct json_object *names, const char *disk)
{
	char pattern[PATH_MAX], path[PATH_MAX], name[DM_NAME_LEN + 1];
	glob_t holders;
	size_t i;

	rooted(pattern, sizeof(pattern), "/sys/class/block/%s/holders/dm-*", disk);
	if (glob(pattern, 0, NULL, &holders))
		return;
	for (i = 0; i < holders.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%s/dm/name", holders.gl_pathv[i]);
		if (!read_text(path, name, sizeof(name)))
			add_name(names, name);
	}
	globfree(&holders);
}

/* The names of the maps over the disks of a port; to be put. */
struct json_object *fc_maps_of(struct json_object *identity, const char *port)
{
	struct json_object *names = json_object_new_array(), *paths = paths_of(identity, port);
	size_t i;

	for (i = 0; i < json_count(paths); i++)
		add_holders(names, json_text(json_at(paths, i), "disk"));
	return names;
}

/* --- device mapper --- */

static struct dm_task *make_task(int type, const char *name)
{
	struct dm_task *task = dm_task_create(type);

	if (task && dm_task_set_name(task, name))
		return task;
	if (task)
		dm_task_destroy(task);
	return NULL;
}

static int failed(const char *map, const char *what, int error)
{
	err("map %s: %s: %s", map, what, strerror(-error));
	return error;
}

static int run_task(struct dm_task *task)
{
	if (dm_task_run(task))
		return 0;
	return dm_task_get_errno(task) ? -dm_task_get_errno(task) : -EIO;
}

/* Is it there, and held? It may have been removed, or resumed, by whomever. */
static bool map_exists(const char *map, bool *suspended)
{
	struct dm_task *task = make_task(DM_DEVICE_INFO, map);
	struct dm_info info = { 0 };

	if (task && dm_task_run(task))
		dm_task_get_info(task, &info);
	if (task)
		dm_task_destroy(task);
	*suspended = info.exists && info.suspended;
	return info.exists;
}

/* A change of which udev hears; the task is consumed. */
static int change_map(struct dm_task *task, const char *map, const char *what)
{
	uint32_t cookie = 0;
	int ret = -ENOMEM;

	if (task && dm_task_set_cookie(task, &cookie, 0)) {
		ret = run_task(task);
		dm_udev_wait(cookie);
	}
	if (task)
		dm_task_destroy(task);
	return ret ? failed(map, what, ret) : 0;
}

/* With a table that was loaded: that is in force then. A file system on it need not be frozen. */
static int resume_map(const char *map)
{
	struct dm_task *task = make_task(DM_DEVICE_RESUME, map);

	if (task)
		dm_task_skip_lockfs(task);
	return change_map(task, map, "resume");
}

/* What is under way comes back, and no more is sent until it is resumed. */
static int suspend_map(const char *map)
{
	struct dm_task *task = make_task(DM_DEVICE_SUSPEND, map);
	int ret = -ENOMEM;

	if (task) {
		dm_task_skip_lockfs(task);
		ret = run_task(task);
		dm_task_destroy(task);
	}
	return ret ? failed(map, "suspend", ret) : 0;
}

/* --- tables --- */

static const char *lun_of(const struct change *change, const char *dev)
{
	char other[DEV_CHARS];
	size_t i;

	for (i = 0; i < json_count(change->from); i++)
		if (!strcmp(disk_dev(other, json_text(json_at(change->from, i), "disk")), dev))
			return json_text(json_at(change->from, i), "id");
	return NULL;
}

/* The n-th disk of the other port with this LUN, round and round, as it may have fewer. */
static const char *disk_with(const struct change *change, const char *lun, size_t n, char *dev)
{
	size_t i, found = 0, count = 0;

	for (i = 0; i < json_count(change->to); i++)
		count += fc_is(json_at(change->to, i), "id", lun);
	for (i = 0; count && i < json_count(change->to); i++)
		if (fc_is(json_at(change->to, i), "id", lun) && found++ == n % count)
			return disk_dev(dev, json_text(json_at(change->to, i), "disk"));
	return NULL;
}

/*
 * The same words, with disks of the other port in place of those of this one; NULL: one of
 * these is not seen there. To be freed.
 */
static char *change_params(const struct change *change, const char *params, size_t *n_changed)
{
	char *copy = xstrdup(params), *rest = copy, *word, *changed = xstrdup(""), *longer;
	const char *lun, *other;
	char dev[DEV_CHARS];

	while (changed && (word = strsep(&rest, " "))) {
		lun = lun_of(change, word);
		other = lun ? disk_with(change, lun, *n_changed, dev) : word;
		*n_changed += lun ? 1 : 0;
		longer = other && *other ? xprintf("%s%s%s", changed, *changed ? " " : "", other)
					 : NULL;
		if (!longer && !*word)
			longer = xstrdup(changed);
		free(changed);
		changed = longer;
	}
	free(copy);
	return changed;
}

static bool may_change(const char *type)
{
	return !strcmp(type, "linear") || !strcmp(type, "multipath");
}

/* One target of the table that is in force, into the new one. */
static int add_target(const struct change *change, const char *map, struct dm_task *reload,
		      uint64_t start, uint64_t length, const char *type, const char *params)
{
	size_t n_changed = 0;
	char *changed;
	int ret = 0;

	if (!may_change(type)) {
		err("map %s: its paths do not change over, as its target is %s: it belongs over a linear map",
		    map, type);
		return -EOPNOTSUPP;
	}
	changed = change_params(change, params, &n_changed);
	if (!changed) {
		err("map %s: not all of its LUNs are seen by the other port", map);
		return -ENODEV;
	}
	if (!dm_task_add_target(reload, start, length, type, changed))
		ret = -ENOMEM;
	free(changed);
	return ret;
}

static int load_table(const struct change *change, const char *map, struct dm_task *table,
		      struct dm_task *reload)
{
	uint64_t start, length;
	char *type, *params;
	void *next = NULL;
	int ret;

	do {
		type = NULL;
		next = dm_get_next_target(table, next, &start, &length, &type, &params);
		ret = type ? add_target(change, map, reload, start, length, type, params) : 0;
	} while (next && !ret);
	if (ret)
		return ret;
	ret = run_task(reload);
	return ret ? failed(map, "load of a table", ret) : 0;
}

static int reload_map(const struct change *change, const char *map)
{
	struct dm_task *table = make_task(DM_DEVICE_TABLE, map);
	struct dm_task *reload = make_task(DM_DEVICE_RELOAD, map);
	int ret = table && reload ? run_task(table) : -ENOMEM;
	struct dm_info info;

	/* One that cannot be written stays so. */
	if (!ret && dm_task_get_info(table, &info) && info.read_only)
		dm_task_set_ro(reload);
	if (ret)
		failed(map, "its table", ret);
	else
		ret = load_table(change, map, table, reload);
	if (table)
		dm_task_destroy(table);
	if (reload)
		dm_task_destroy(reload);
	return ret ? ret : resume_map(map);
}

/* --- multipathd --- */

static int multipathd(const char *verb, const char *disk, char *answer, size_t size)
{
	char *words[] = { "multipathd", (char *)verb, disk ? "path" : "daemon", (char *)disk,
			  NULL };
	int ret;

	err_capture(true);
	ret = command_output(words, answer, size, MULTIPATHD_MS);
	err_capture(false);
	return ret;
}

static bool multipathd_runs(void)
{
	char answer[256] = "";

	return !multipathd("show", NULL, answer, sizeof(answer)) && strstr(answer, "pid");
}

/* multipathd gives its maps such an UUID, and looks after no others. */
static bool is_multipathd_map(const char *map)
{
	char pattern[PATH_MAX], path[PATH_MAX], text[DM_UUID_LEN];
	bool found = false;
	glob_t maps;
	size_t i;

	rooted(pattern, sizeof(pattern), "/sys/class/block/dm-*/dm");
	if (glob(pattern, 0, NULL, &maps))
		return false;
	for (i = 0; i < maps.gl_pathc && !found; i++) {
		snprintf(path, sizeof(path), "%s/name", maps.gl_pathv[i]);
		if (read_text(path, text, sizeof(text)) || strcmp(text, map))
			continue;
		snprintf(path, sizeof(path), "%s/uuid", maps.gl_pathv[i]);
		found = !read_text(path, text, sizeof(text)) && !strncmp(text, "mpath-", 6);
	}
	globfree(&maps);
	return found;
}

/* Is this disk in that map? */
static bool has_disk(const char *map, const char *disk)
{
	struct json_object *names = json_object_new_array();
	bool found;

	add_holders(names, disk);
	found = has_name(names, map);
	json_object_put(names);
	return found;
}

static const char *disk_at(struct json_object *paths, size_t i)
{
	return json_text(json_at(paths, i), "disk");
}

/* Has the map each disk of the other port that leads to this LUN, and at least one? */
static bool has_lun(const struct change *change, const char *map, const char *lun)
{
	bool found = false;
	size_t i;

	for (i = 0; i < json_count(change->to); i++) {
		if (!fc_is(json_at(change->to, i), "id", lun))
			continue;
		if (!has_disk(map, disk_at(change->to, i)))
			return false;
		found = true;
	}
	return found;
}

/* Has it all paths of the other port that it needs? */
static bool is_ready(const struct change *change, const char *map)
{
	size_t i;

	for (i = 0; i < json_count(change->from); i++)
		if (has_disk(map, disk_at(change->from, i)) &&
		    !has_lun(change, map, json_text(json_at(change->from, i), "id")))
			return false;
	return true;
}

/* Has it none of this port's any more? */
static bool is_over(const struct change *change, const char *map)
{
	size_t i;

	for (i = 0; i < json_count(change->from); i++)
		if (has_disk(map, disk_at(change->from, i)))
			return false;
	return true;
}

static void tell_multipathd(const char *verb, struct json_object *paths)
{
	char answer[256];
	size_t i;

	/* What it says of it does not count: the map does then. */
	for (i = 0; i < json_count(paths); i++)
		multipathd(verb, json_text(json_at(paths, i), "disk"), answer, sizeof(answer));
}

/* Until it is so with each of the maps; the first one with which it is not, or NULL. */
static const char *wait_maps(const struct change *change, struct json_object *maps,
			     bool (*is_so)(const struct change *change, const char *map))
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + MULTIPATHD_MS * NSEC_PER_MSEC;
	size_t i = 0;

	while (i < json_count(maps)) {
		if (is_so(change, json_text_at(maps, i)))
			i++;
		else if (left_ns(deadline_ns))
			sleep_ms(LOOK_MS);
		else
			return json_text_at(maps, i);
	}
	return NULL;
}

/* No path goes before all maps have their new ones: none is ever without. */
static int tell_maps(const struct change *change, struct json_object *maps)
{
	const char *map;

	if (!json_count(maps))
		return 0;
	tell_multipathd("add", change->to);
	map = wait_maps(change, maps, is_ready);
	if (map) {
		err("map %s: multipathd does not take the paths of the other port in", map);
		return -ETIMEDOUT;
	}
	tell_multipathd("del", change->from);
	map = wait_maps(change, maps, is_over);
	if (!map)
		return 0;
	err("map %s: multipathd does not take the paths out that are to go", map);
	return -ETIMEDOUT;
}

/* --- what is done with all maps of an LPAR --- */

/*
 * The maps over the disks of one port change over to those of the other. Those that have
 * before are left alone, so that it can be done again. What fails is said.
 */
int fc_maps_move(struct json_object *identity, const char *from, const char *to)
{
	const struct change change = { paths_of(identity, from), paths_of(identity, to) };
	struct json_object *names = fc_maps_of(identity, from);
	struct json_object *told = json_object_new_array();
	bool runs = json_count(names) && multipathd_runs();
	int ret = 0;
	size_t i;

	for (i = 0; i < json_count(names); i++)
		if (runs && is_multipathd_map(json_text_at(names, i)))
			add_name(told, json_text_at(names, i));
	for (i = 0; i < json_count(names) && !ret; i++)
		if (!has_name(told, json_text_at(names, i)))
			ret = reload_map(&change, json_text_at(names, i));
	if (!ret)
		ret = tell_maps(&change, told);
	json_object_put(told);
	json_object_put(names);
	return ret;
}

int fc_maps_suspend(struct json_object *names)
{
	int ret = 0;
	size_t i;

	for (i = 0; i < json_count(names) && !ret; i++)
		ret = suspend_map(json_text_at(names, i));
	return ret;
}

/* Are all suspended still? multipathd, and others, resume maps when a path comes or goes. */
bool fc_maps_stand(struct json_object *names)
{
	bool suspended;
	size_t i;

	for (i = 0; i < json_count(names); i++)
		if (!map_exists(json_text_at(names, i), &suspended) || !suspended) {
			err("map %s: somebody has resumed it", json_text_at(names, i));
			return false;
		}
	return true;
}

/* Those that are suspended. */
int fc_maps_resume(struct json_object *names)
{
	bool suspended;
	int ret = 0;
	size_t i;

	for (i = 0; i < json_count(names); i++)
		if (map_exists(json_text_at(names, i), &suspended) && suspended &&
		    resume_map(json_text_at(names, i)))
			ret = -EIO;
	return ret;
}

/* Whoever has it open still gets errors from now on, and reaches no disk. */
static int make_fail(const char *map)
{
	struct dm_task *info = make_task(DM_DEVICE_TABLE, map);
	struct dm_task *reload = make_task(DM_DEVICE_RELOAD, map);
	uint64_t start = 0, length = 0, end = 0;
	char *type, *params;
	void *next = NULL;
	int ret = info && reload ? run_task(info) : -ENOMEM;

	while (!ret) {
		next = dm_get_next_target(info, next, &start, &length, &type, &params);
		end = start + length > end ? start + length : end;
		if (!next)
			break;
	}
	if (!ret && !dm_task_add_target(reload, 0, end, "error", ""))
		ret = -ENOMEM;
	if (!ret)
		ret = run_task(reload);
	if (info)
		dm_task_destroy(info);
	if (reload)
		dm_task_destroy(reload);
	return ret ? failed(map, "load of a table", ret) : 0;
}

static void remove_map(const char *map)
{
	int ret;

	err_capture(true);
	ret = change_map(make_task(DM_DEVICE_REMOVE, map), map, "remove");
	err_capture(false);
	if (ret == -EBUSY)
		err("warning: map %s is still open: who has it open gets errors", map);
}

/* The LPAR lives elsewhere: what is left of its maps here goes, or fails. */
void fc_maps_drop(struct json_object *names)
{
	const char *map;
	bool suspended;
	size_t i;

	for (i = 0; i < json_count(names); i++) {
		map = json_text_at(names, i);
		if (map_exists(map, &suspended) && !make_fail(map) && !resume_map(map))
			remove_map(map);
	}
}
