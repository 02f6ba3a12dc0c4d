// SPDX-License-Identifier: GPL-2.0
/*
 * All descriptions of this host: who is to share it with whom.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lpar/lpar.h"

/* Reads all of them, or none: what fails is said. To be freed in either case. */
int site_load(struct site *site)
{
	char path[PATH_MAX];
	glob_t files;
	size_t i;
	int ret;

	memset(site, 0, sizeof(*site));
	rooted(path, sizeof(path), "/etc/lparkit/*.lpar");
	ret = find_files(path, &files);
	if (ret)
		return ret;
	site->config = xalloc((files.gl_pathc + 1) * sizeof(*site->config));
	for (i = 0; i < files.gl_pathc && !ret; i++)
		ret = config_load(&site->config[site->n++], files.gl_pathv[i], NULL);
	globfree(&files);
	return ret;
}

void site_free(struct site *site)
{
	while (site->n)
		config_free(&site->config[--site->n]);
	free(site->config);
}

/* The one of that name; NULL: there is none. */
const struct lpar_config *site_find(const struct site *site, const char *name)
{
	size_t i;

	for (i = 0; i < site->n; i++)
		if (!strcmp(site->config[i].name, name))
			return &site->config[i];
	return NULL;
}

static int take_lock(int how)
{
	char path[PATH_MAX];
	int fd, ret = make_dir(rooted(path, sizeof(path), "/etc/lparkit"), 0755);

	if (!ret)
		ret = make_dir(rooted(path, sizeof(path), "/run"), 0755);
	/* No name in /run/lparkit: those are LPARs'. */
	fd = ret ? ret : lock_file(rooted(path, sizeof(path), "/run/lparkit.lock"), how);
	if (fd < 0 && fd != -EWOULDBLOCK)
		err("%s: %s", path, strerror(-fd));
	return fd;
}

/* Whoever adds descriptions waits for others that do; a file descriptor that holds the lock. */
int site_lock(void)
{
	return take_lock(LOCK_EX);
}

/* The same; -EWOULDBLOCK, unsaid: another has it. */
int site_try_lock(void)
{
	return take_lock(LOCK_EX | LOCK_NB);
}

/* Whether not even a part of such an LPAR is there; it is said. */
bool site_takes(const char *name)
{
	if (!config_exists(name))
		return !config_refuse_drop_ins(name);
	err("LPAR %s is described on this host already: remove its file, or choose another name (import: --rename %s=NEW)",
	    name, name);
	return false;
}

static const char *new_path(char *buf, size_t size, const char *name)
{
	return rooted(buf, size, "/etc/lparkit/%s.lpar.new", name);
}

static int write_new(const struct lpar_config *config)
{
	char path[PATH_MAX];
	/* One that a crash has left may be another name of a description. */
	FILE *file = create_file(new_path(path, sizeof(path), config->name));
	int ret = file ? close_synced(file, config_write(file, config)) : -errno;

	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

/* Nobody's file is replaced: who has made one meanwhile keeps it. */
static int put_in_place(const struct lpar_config *config)
{
	char from[PATH_MAX], to[PATH_MAX];
	int ret;

	new_path(from, sizeof(from), config->name);
	config_path(to, sizeof(to), config->name);
	ret = link(from, to) ? -errno : 0;
	if (ret)
		err("%s: %s", to, strerror(-ret));
	return ret;
}

static void remove_new(const struct lpar_config *config, size_t n)
{
	char path[PATH_MAX];

	while (n--)
		unlink(new_path(path, sizeof(path), config[n].name));
}

/* Those that were written. */
void site_take_back(const struct lpar_config *config, size_t n)
{
	char path[PATH_MAX];

	while (n--)
		unlink(config_path(path, sizeof(path), config[n].name));
}

/* Descriptions that this host has not had: all of them, or none. Under the lock; exit code. */
int site_write(const struct lpar_config *config, size_t n)
{
	char path[PATH_MAX];
	size_t i, done = 0;
	int ret = 0;

	for (i = 0; i < n && !ret; i++)
		ret = write_new(&config[i]);
	while (!ret && done < n) {
		ret = put_in_place(&config[done]);
		done += !ret;
	}
	if (!ret)
		ret = sync_parent(config_path(path, sizeof(path), config[0].name));
	if (ret)
		site_take_back(config, done);
	remove_new(config, n);
	return ret ? EXIT_ROLLED_BACK : EXIT_OK;
}
