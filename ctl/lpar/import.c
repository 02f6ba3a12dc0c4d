// SPDX-License-Identifier: GPL-2.0
/*
 * What export.c has written becomes descriptions of this host: all of them, or none, and none
 * that is in the way of another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lpar/lpar.h"

#define MOST 4096 /* more LPARs than a host has CPUs for are a mistake */

struct import {
	const char *file;
	struct lpar_config *config;
	size_t n;
	bool version_known;
	bool ended;
	uint64_t lpars; /* that it says it has */
};

static const char *begin(struct import *import, const char *name)
{
	size_t i;

	if (!import->version_known)
		return "comes before version=";
	if (!name_is_valid(name))
		return "is no name for an LPAR: " NAME_RULE;
	for (i = 0; i < import->n; i++)
		if (!strcmp(import->config[i].name, name))
			return "is there twice";
	if (import->n == MOST)
		return "is one LPAR too many";
	config_init(&import->config[import->n], name);
	import->config[import->n++].file = xstrdup(import->file);
	return NULL;
}

static const char *on_export(struct import *import, const char *name, const char *value,
			     struct lpar_config **config)
{
	const char *why = NULL;
	uint64_t version;

	*config = NULL;
	if (!strcmp(name, "version")) {
		import->version_known = !parse_uint(value, UINT32_MAX, &version) &&
					version == EXPORT_VERSION;
		return import->version_known ? NULL : "is not what this lparctl can read: 1";
	}
	if (strcmp(name, "name"))
		return "belongs to no key that this lparctl knows";
	why = begin(import, value);
	if (!why)
		*config = &import->config[import->n - 1];
	import->version_known = false;
	return why;
}

static const char *on_other(void *data, const char *section, const char *name, const char *value,
			    struct lpar_config **config)
{
	struct import *import = data;

	if (import->ended)
		return "comes after the end";
	if (!strcmp(section, "export"))
		return on_export(import, name, value, config);
	if (strcmp(section, "end") || strcmp(name, "lpars") ||
	    parse_uint(value, MOST, &import->lpars))
		return "is in no section that lparctl export writes";
	import->ended = true;
	*config = NULL;
	return NULL;
}

/* A copy that was cut short must not pass for a whole one. */
static int read_import(struct import *import, FILE *stream)
{
	int ret = config_read(stream, import->file, on_other, import);
	size_t i;

	if (ret)
		return ret;
	if (!import->ended || import->lpars != import->n || !import->n) {
		err("%s: it is not all of what 'lparctl export' has written", import->file);
		return -EINVAL;
	}
	for (i = 0; i < import->n && !ret; i++)
		ret = config_complete(&import->config[i]);
	return ret;
}

static void free_import(struct import *import)
{
	while (import->n)
		config_free(&import->config[--import->n]);
	free(import->config);
}

static struct lpar_config *find_config(struct import *import, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < import->n; i++)
		if (strlen(import->config[i].name) == len &&
		    !strncmp(import->config[i].name, name, len))
			return &import->config[i];
	return NULL;
}

/* OLD=NEW */
static int rename_one(struct import *import, const char *names)
{
	const char *name = strchr(names, '=');
	struct lpar_config *config;

	if (!name || !name_is_valid(name + 1))
		return usage("'%s' is not OLD=NEW, two names of LPARs", names);
	config = find_config(import, names, name - names);
	if (!config) {
		err("%s: there is no LPAR %.*s in it", import->file, (int)(name - names), names);
		return EXIT_FAILED;
	}
	if (find_config(import, name + 1, strlen(name + 1))) {
		err("%s: there is an LPAR %s in it already", import->file, name + 1);
		return EXIT_FAILED;
	}
	strcpy(config->name, name + 1);
	return EXIT_OK;
}

static int all_new(const struct lpar_config *config, size_t n)
{
	int ret = EXIT_OK;
	size_t i;

	for (i = 0; i < n; i++)
		if (!site_takes(config[i].name))
			ret = EXIT_CHECK;
	return ret;
}

/* What a text describes, to others that are to come with it; what is wrong is said. */
int comers_add(struct site *comers, FILE *stream, const char *file)
{
	struct import import = { .file = file };
	size_t i;
	int ret;

	import.config = xalloc(MOST * sizeof(*import.config));
	ret = read_import(&import, stream);
	for (i = 0; i < import.n && !ret; i++)
		if (site_find(comers, import.config[i].name)) {
			err("LPAR %s is there twice", import.config[i].name);
			ret = -EEXIST;
		}
	if (!ret) {
		comers->config =
			xrealloc(comers->config, (comers->n + import.n) * sizeof(*comers->config));
		memcpy(comers->config + comers->n, import.config,
		       import.n * sizeof(*comers->config));
		comers->n += import.n;
		import.n = 0;
	}
	free_import(&import);
	return ret;
}

/* Under the lock; what is found of each goes into the array. Exit code. */
int comers_check(struct site *comers, struct json_object *json)
{
	int ret = all_new(comers->config, comers->n);

	return ret == EXIT_OK ? check_comers(comers->config, comers->n, json) : ret;
}

/* Nobody describes another LPAR between the check and the writing. */
static int check_and_write(struct import *import)
{
	int lock = site_lock();
	int ret = lock < 0 ? EXIT_FAILED : all_new(import->config, import->n);

	if (ret == EXIT_OK)
		ret = check_comers_aloud(import->config, import->n);
	if (ret == EXIT_OK)
		ret = site_write(import->config, import->n);
	if (lock >= 0)
		close(lock);
	return ret;
}

static int import_stream(struct import *import, FILE *stream, const char *const *renames,
			 size_t n_renames, bool check)
{
	int ret = read_import(import, stream) ? EXIT_CHECK : EXIT_OK;
	size_t i;

	for (i = 0; i < n_renames && ret == EXIT_OK; i++)
		ret = rename_one(import, renames[i]);
	if (ret == EXIT_OK && !check)
		return check_and_write(import);
	if (ret == EXIT_OK)
		ret = all_new(import->config, import->n);
	if (ret == EXIT_OK)
		ret = check_comers_aloud(import->config, import->n);
	return ret;
}

static int import_file(const char *file, const char *const *renames, size_t n_renames, bool check)
{
	bool is_input = !file || !strcmp(file, "-");
	struct import import = { .file = is_input ? "standard input" : file };
	FILE *stream = is_input ? stdin : fopen(file, "re");
	int ret;

	if (!stream) {
		err("%s: %s", file, strerror(errno));
		return EXIT_FAILED;
	}
	import.config = xalloc(MOST * sizeof(*import.config));
	ret = import_stream(&import, stream, renames, n_renames, check);
	free_import(&import);
	if (!is_input)
		fclose(stream);
	return ret;
}

/* import [FILE] [--check] [--rename OLD=NEW]... */
int import_verb(struct args *args)
{
	const char **renames = xalloc((args->argc + 1) * sizeof(*renames));
	const char *file = NULL, *value = NULL;
	size_t n_renames = 0;
	bool check = false;
	int ret = EXIT_OK;

	while (args->argc && ret == EXIT_OK) {
		if (next_flag(args, "--check"))
			check = true;
		else if (next_option(args, "--rename", &value))
			ret = value ? EXIT_OK : usage("value of '--rename' is missing");
		else if (file || (args->argv[0][0] == '-' && args->argv[0][1]))
			ret = usage("'%s' is not expected", args->argv[0]);
		else
			file = next_arg(args);
		if (ret == EXIT_OK && value)
			renames[n_renames++] = value;
		value = NULL;
	}
	if (ret == EXIT_OK)
		ret = import_file(file, renames, n_renames, check);
	free(renames);
	return ret;
}
