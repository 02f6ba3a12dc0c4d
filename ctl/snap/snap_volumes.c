// SPDX-License-Identifier: GPL-2.0
/*
 * Volumes of device mapper: what they say of themselves, their list, a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libdevmapper.h>
#include <linux/fs.h>

#include "snap/snap.h"

#define SNAP_VOLUMES "/etc/lparkit/volumes"
#define WORDS_MAX 16
#define DISK_POLL_MS 100

/* "MODE CHUNK_KIB USED/TOTAL ZEROES STATES LAYERS PARENT TRANSACTION RAM FULL REAPING [REASON]" */
static int parse_status(const char *params, struct snap_status *status)
{
	char mode[3], reaping[8];
	uint64_t kib;
	int end = 0;

	if (sscanf(params,
		   "%2s %" SCNu64 " %" SCNu64 "/%" SCNu64 " %*s %u %*s %63s %*s %*s %7s %7s%n",
		   mode, &kib, &status->used, &status->total, &status->states, status->parent,
		   status->full, reaping, &end) != 8)
		return -EINVAL;
	status->read_only = !strcmp(mode, "ro");
	status->is_reaping = !strcmp(reaping, "reaping");
	status->has_other_base = strstr(params + end, "BASE is another one than STORE belongs to");
	status->chunk = kib * 1024;
	snprintf(status->reason, sizeof(status->reason), "%s", params + end + !!params[end]);
	return 0;
}

/**
 * snap_read_status() - what device mapper and the module say of a volume
 * @volume: its name
 * @status: result
 *
 * Return: 0, -ENXIO when there is none, -EINVAL when it is no snapsync volume, or another errno.
 */
int snap_read_status(const char *volume, struct snap_status *status)
{
	struct dm_task *task = snap_task(DM_DEVICE_STATUS, volume);
	char *type = NULL, *params = NULL;
	uint64_t start;
	struct dm_info info;
	int ret;

	if (!task)
		return -ENODEV;
	memset(status, 0, sizeof(*status));
	/* What is none of ours, as thin volumes, would write its metadata first. */
	dm_task_no_flush(task);
	ret = snap_run_task(task);
	if (!ret && (!dm_task_get_info(task, &info) || !info.exists))
		ret = -ENXIO;
	if (!ret) {
		ret = -EINVAL;
		status->opens = info.open_count;
		dm_get_next_target(task, NULL, &start, &status->sectors, &type, &params);
		if (type && !strcmp(type, "snapsync") && params)
			ret = parse_status(params, status);
	}
	dm_task_destroy(task);
	return ret;
}

/* In a word; the reason is for a read-only one, and for what is about BASE or a disk. */
static const char *condition(const struct snap_status *status)
{
	if (*status->reason)
		return status->reason;
	if (status->read_only)
		return "read-only";
	return strcmp(status->full, "-") ? status->full : "";
}

static struct json_object *volume_json(const char *name, const struct snap_status *status)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "name", name);
	json_put_u64(json, "bytes", status->sectors * 512);
	json_put_u64(json, "chunk_bytes", status->chunk);
	json_put_u64(json, "used_chunks", status->used);
	json_put_u64(json, "total_chunks", status->total);
	json_put_u64(json, "states", status->states);
	json_put(json, "parent", strcmp(status->parent, "-") ? status->parent : "");
	json_put_u64(json, "opens", status->opens);
	json_put_flag(json, "read_only", status->read_only);
	json_put(json, "condition", condition(status));
	return json;
}

static void volume_row(const char *name, const struct snap_status *status)
{
	char size[32], used[32], total[32], *states = xprintf("%u", status->states);
	const char *cell[] = {
		name,
		size,
		used,
		total,
		states,
		status->parent,
		status->opens ? "yes" : "no",
		condition(status),
	};

	format_size(size, sizeof(size), status->sectors * 512);
	format_size(used, sizeof(used), status->used * status->chunk);
	format_size(total, sizeof(total), status->total * status->chunk);
	table_row(cell, ARRAY_SIZE(cell));
	free(states);
}

/* What goes while it is looked at is left out. */
static void list_names(const struct dm_names *names, struct json_object *list)
{
	struct snap_status status;

	/* One without a device says that there is none. */
	while (names->dev) {
		if (snap_read_status(names->name, &status))
			;
		else if (list)
			json_object_array_add(list, volume_json(names->name, &status));
		else
			volume_row(names->name, &status);
		if (!names->next)
			return;
		names = (const void *)((const char *)names + names->next);
	}
}

/**
 * snap_list_volumes() - print all volumes
 *
 * Return: exit code.
 */
int snap_list_volumes(void)
{
	static const char *const head[] = {
		"VOLUME", "SIZE", "USED", "OF", "STATES", "RUNS FROM", "OPEN", "CONDITION",
	};
	struct json_object *list = options.json ? json_object_new_array() : NULL;
	struct dm_task *task = snap_task(DM_DEVICE_LIST, NULL);
	struct dm_names *names = NULL;

	if (task && dm_task_run(task))
		names = dm_task_get_names(task);
	if (!list)
		table_row(head, ARRAY_SIZE(head));
	if (names)
		list_names(names, list);
	else
		err("cannot list volumes: no device mapper");
	if (task)
		dm_task_destroy(task);
	if (list)
		json_print(list);
	else
		table_print();
	return names ? EXIT_OK : EXIT_FAILED;
}

/* A volume that is to be. */
struct creation {
	const char *volume;
	const char *base;
	const char *store;
	char *options;
	unsigned int n_words;
};

static void add_option(struct creation *creation, const char *option, const char *value)
{
	char *quoted = value ? snap_quoted(value) : xstrdup("");
	char *longer = xprintf("%s %s%s%s", creation->options, option, value ? " " : "", quoted);

	free(quoted);
	free(creation->options);
	creation->options = longer;
	creation->n_words += 1 + !!value;
}

static int add_chunk(struct creation *creation, const char *text)
{
	uint64_t bytes;
	char *kib;

	if (!text || parse_size(text, &bytes) || bytes % 1024)
		return usage("--chunk wants a size: 4K, 8K, 16K, 32K or 64K");
	kib = xprintf("%" PRIu64, bytes / 1024);
	add_option(creation, "chunk", kib);
	free(kib);
	return EXIT_OK;
}

static int parse_option(struct creation *creation, struct args *args)
{
	const char *value = NULL;

	if (next_option(args, "--chunk", &value))
		return add_chunk(creation, value);
	if (next_option(args, "--group", &value)) {
		if (!value)
			return usage("--group wants a name");
		add_option(creation, "group", value);
		return EXIT_OK;
	}
	if (next_flag(args, "--writable-base"))
		add_option(creation, "writable_base", NULL);
	else if (next_flag(args, "--any-base"))
		add_option(creation, "any_base", NULL);
	else
		return usage("'%s' is unknown", args->argv[0]);
	return EXIT_OK;
}

static int parse(struct creation *creation, struct args *args)
{
	int ret = EXIT_OK;

	creation->options = xstrdup("");
	creation->volume = next_arg(args);
	creation->base = next_arg(args);
	creation->store = next_arg(args);
	if (!creation->store)
		return usage("create wants a volume, its base disk and its store");
	while (args->argc && !ret)
		ret = parse_option(creation, args);
	return ret;
}

/* 0 and an error said if it is no disk. */
static uint64_t disk_sectors(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		err("%s: %s", path, strerror(errno));
	else if (!bytes)
		err("%s has no size", path);
	if (fd >= 0)
		close(fd);
	return bytes / 512;
}

/* 0 if there is none. */
static int find_device(const char *name)
{
	struct snap_status status;
	int ret = snap_read_status(name, &status);

	if (ret == -ENXIO)
		return 0;
	return ret && ret != -EINVAL ? ret : -EEXIST;
}

static int run(struct dm_task *task, const char *target, uint64_t sectors, const char *params)
{
	uint32_t cookie = 0;
	int ret;

	if (!dm_task_add_target(task, 0, sectors, target, params) ||
	    !dm_task_set_cookie(task, &cookie, 0))
		return -ENOMEM;
	ret = snap_run_task(task);
	dm_udev_wait(cookie);
	/* Without udev, now, and not when we end. */
	dm_task_update_nodes();
	return ret;
}

/**
 * snap_create_device() - a device of one target; if there is none in the end, it is said why
 * @name: of the device; who has that already is left alone, even if he comes only now
 * @target: its type
 * @sectors: its size
 * @params: of the target
 *
 * Return: 0 or a negative errno. What is refused leaves no device: its creation is taken back.
 */
int snap_create_device(const char *name, const char *target, uint64_t sectors, const char *params)
{
	struct dm_task *task = snap_task(DM_DEVICE_CREATE, name);
	int ret = task ? find_device(name) : -ENODEV;

	if (!ret)
		ret = run(task, target, sectors, params);
	if (ret)
		err("cannot create %s: %s", name,
		    ret == -EEXIST   ? "there is a device of that name"
		    : ret == -ENODEV ? "no device mapper"
				     : "it is refused; the kernel log says why");
	if (task)
		dm_task_destroy(task);
	return ret;
}

static int create(const struct creation *creation)
{
	char *base = snap_quoted(creation->base), *store = snap_quoted(creation->store);
	char *params = xprintf("%s %s %u%s", base, store, creation->n_words, creation->options);
	uint64_t sectors = disk_sectors(creation->base);
	bool created = sectors &&
		       !snap_create_device(creation->volume, "snapsync", sectors, params);

	free(params);
	free(store);
	free(base);
	return created ? EXIT_OK : EXIT_FAILED;
}

/* Disks of a storage network come when they do. */
static void wait_for(const char *path, uint64_t deadline)
{
	while (access(path, F_OK) && now_ns(CLOCK_MONOTONIC) < deadline)
		sleep_ms(DISK_POLL_MS);
}

/* What there is already stays as it is. */
static int create_listed(const struct creation *creation, uint64_t deadline)
{
	struct snap_status status;

	if (!snap_read_status(creation->volume, &status))
		return EXIT_OK;
	wait_for(creation->base, deadline);
	wait_for(creation->store, deadline);
	return create(creation);
}

/* The words of "snap create"; what is behind a # is a comment. */
static int create_line(char *line, uint64_t deadline)
{
	struct creation creation = { 0 };
	char *word[WORDS_MAX], *rest;
	struct args args = { .argv = word };
	int ret;

	line[strcspn(line, "#")] = '\0';
	for (word[0] = strtok_r(line, " \t\n", &rest); word[args.argc];
	     word[args.argc] = strtok_r(NULL, " \t\n", &rest))
		if (++args.argc == WORDS_MAX)
			return usage("a line has more than %d words", WORDS_MAX - 1);
	if (!args.argc)
		return EXIT_OK;
	ret = parse(&creation, &args);
	ret = ret ? ret : create_listed(&creation, deadline);
	free(creation.options);
	return ret;
}

/* One that cannot be created is in no other's way. */
static int create_all(uint64_t wait_ns)
{
	uint64_t deadline = now_ns(CLOCK_MONOTONIC) + wait_ns;
	int ret = EXIT_OK, number = 0;
	char path[256], *line = NULL;
	FILE *file = fopen(rooted(path, sizeof(path), SNAP_VOLUMES), "re");
	size_t size = 0;

	if (!file) {
		err("%s: %s", path, strerror(errno));
		return EXIT_FAILED;
	}
	while (getline(&line, &size, file) >= 0) {
		number++;
		if (!create_line(line, deadline))
			continue;
		err("%s: line %d", path, number);
		ret = EXIT_FAILED;
	}
	free(line);
	fclose(file);
	return ret;
}

static int parse_all(struct args *args)
{
	const char *wait = NULL;
	uint64_t wait_ns = 0;

	if (next_option(args, "--wait", &wait) && (!wait || parse_time(wait, &wait_ns)))
		return usage("--wait wants a time");
	if (args->argc)
		return usage("--all is for the volumes in " SNAP_VOLUMES);
	return create_all(wait_ns);
}

int snap_create_verb(struct args *args)
{
	struct creation creation = { 0 };
	int ret;

	if (next_flag(args, "--all"))
		return parse_all(args);
	ret = parse(&creation, args);
	ret = ret ? ret : create(&creation);
	free(creation.options);
	return ret;
}
