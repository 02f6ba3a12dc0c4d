// SPDX-License-Identifier: GPL-2.0
/*
 * Which LPARs run, on record: /var/lib/lparkit/running/NAME.json, so that those that ran when
 * their host crashed can run again.
 *
 * A record is there before QEMU runs, and goes when it has ended because somebody wanted it to,
 * or of itself: there is no guest of "start" without one. Whoever returns from start or stop
 * has it on the disk. Until then a crash may find either. It is changed under the LPAR's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lpar/lpar.h"

static const char *record_path(char *buf, size_t size, const char *name)
{
	return rooted(buf, size, "/var/lib/lparkit/running/%s.json", name);
}

static int fail(const char *path, int ret)
{
	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

/* NULL when there is none; -EBADMSG, with a message, when it cannot be read. To be put. */
int running_load(const char *name, struct json_object **record)
{
	char path[PATH_MAX];

	*record = NULL;
	if (access(record_path(path, sizeof(path), name), F_OK))
		return errno == ENOENT ? 0 : fail(path, -errno);
	*record = json_object_from_file(path);
	if (json_object_is_type(*record, json_type_object))
		return 0;
	json_object_put(*record);
	*record = NULL;
	err("%s: damaged: whether LPAR %s ran is not known: start it, or 'lparctl boot forget %s'",
	    path, name, name);
	return -EBADMSG;
}

/* Also over one that cannot be read. */
int running_store(const char *name, struct json_object *record)
{
	char path[PATH_MAX], *text, *dir = xstrdup(record_path(path, sizeof(path), name));
	int ret;

	*strrchr(dir, '/') = 0;
	ret = make_dir(dir, 0755);
	if (!ret)
		ret = sync_parent(dir);
	text = xprintf("%s\n", json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN));
	if (!ret)
		ret = store_text(path, text);
	free(text);
	free(dir);
	return fail(path, ret);
}

/*
 * It runs from now on, as the file describes it; NULL: as /etc/lparkit does. One that is
 * incoming runs elsewhere until running_arrived().
 */
int running_note(const char *name, const char *file, bool incoming)
{
	struct json_object *record = json_object_new_object();
	int ret;

	json_put_u64(record, "since_ns", now_ns(CLOCK_REALTIME));
	if (file)
		json_put(record, "file", file);
	if (incoming)
		json_put_flag(record, "incoming", true);
	ret = running_store(name, record);
	json_object_put(record);
	return ret;
}

/* One that was incoming is whole here. As often as it is told. */
int running_arrived(const char *name)
{
	struct json_object *record;
	int ret = running_load(name, &record);

	if (!ret && json_flag(record, "incoming")) {
		json_object_object_del(record, "incoming");
		ret = running_store(name, record);
	}
	json_object_put(record);
	return ret;
}

/* It has ended since its host goes down, and is to run again with it. */
int running_keep(const char *name)
{
	struct json_object *record;
	int ret = running_load(name, &record);

	if (!ret && !record)
		record = json_object_new_object();
	if (!ret) {
		json_put_flag(record, "kept", true);
		ret = running_store(name, record);
	}
	json_object_put(record);
	return ret;
}

/* By running_keep(); what cannot be read is not. */
bool running_is_kept(const char *name)
{
	struct json_object *record = NULL;
	char path[PATH_MAX];
	bool kept;

	if (!access(record_path(path, sizeof(path), name), F_OK))
		record = json_object_from_file(path);
	kept = json_flag(record, "kept");
	json_object_put(record);
	return kept;
}

/* It has ended, and stays so. */
int running_forget(const char *name)
{
	char path[PATH_MAX];

	return fail(path, remove_synced(record_path(path, sizeof(path), name)));
}

bool running_is_noted(const char *name)
{
	char path[PATH_MAX];

	return !access(record_path(path, sizeof(path), name), F_OK);
}

/*
 * It is restored since it is on record, by us and whatever we become, until that has ended: a
 * lock, and so whoever is killed leaves none. Sets errno.
 */
int running_claim(const char *name)
{
	char path[PATH_MAX];
	int fd = run_make(name);

	if (!fd)
		fd = lock_file(run_path(path, sizeof(path), name, "restored"), LOCK_SH);
	errno = fd < 0 ? -fd : 0;
	return fd < 0 || fcntl(fd, F_SETFD, 0) ? -errno : 0;
}

/* By anybody; what is not known is. */
bool running_is_claimed(const char *name)
{
	char path[PATH_MAX];
	int fd = open(run_path(path, sizeof(path), name, "restored"), O_RDONLY | O_CLOEXEC);
	bool claimed = fd < 0 ? errno != ENOENT : flock(fd, LOCK_EX | LOCK_NB) != 0;

	if (fd >= 0)
		close(fd);
	return claimed;
}

/* The name of each that has a record, in their order; what else is there is no LPAR's. */
int running_for_each(int (*visit)(const char *name, void *data), void *data)
{
	char path[PATH_MAX], *name, *end;
	glob_t files;
	int ret = find_files(record_path(path, sizeof(path), "*"), &files);
	size_t i;

	if (ret)
		return ret;
	for (i = 0; !ret && i < files.gl_pathc; i++) {
		name = xstrdup(strrchr(files.gl_pathv[i], '/') + 1);
		end = strrchr(name, '.');
		*end = 0;
		if (name_is_valid(name))
			ret = visit(name, data);
		free(name);
	}
	globfree(&files);
	return ret;
}
