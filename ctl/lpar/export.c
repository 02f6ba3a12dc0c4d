// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions as one text, for another host: drop-ins are part of it, as are the MAC
 * addresses and world wide names that this host would have made. import.c reads it.
 *
 *	[export]
 *	version=1
 *	name=web
 *	[lpar]
 *	...
 *	[guest]
 *	...
 *	[end]
 *	lpars=1
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

static void write_nics(FILE *to, const struct guest_config *guest)
{
	char mac[MAC_CHARS + 1];
	size_t i;

	for (i = 0; i < guest->n_nics; i++)
		fprintf(to, "net=%s%s%s\n", guest->nic[i].netdev,
			guest->nic[i].has_mac ? ",mac=" : "",
			guest->nic[i].has_mac ? mac_format(mac, guest->nic[i].mac) : "");
}

/* A copy of a description says what it was given, too: on another host it stays that. */
int config_record(const struct lpar_config *config, const char *file)
{
	FILE *copy = fopen(file, "ae");
	int ret = copy ? 0 : -errno;

	if (copy) {
		fprintf(copy, "[guest]\nnet=\n");
		write_nics(copy, &config->guest);
		wwns_write(copy, config);
	}
	if (copy && ferror(copy))
		ret = -errno;
	if (copy && fclose(copy) && !ret)
		ret = -errno;
	if (ret)
		err("%s: %s", file, strerror(-ret));
	return ret;
}

static void write_section(FILE *to, const struct lpar_config *config, const char *section)
{
	const struct config_line *line = config->line;
	size_t i;

	fprintf(to, "[%s]\n", section);
	for (i = 0; i < config->n_lines; i++)
		if (!strcmp(line[i].section, section) && strcmp(line[i].name, "net"))
			fprintf(to, "%s=%s\n", line[i].name, line[i].value);
}

/* As a file of its own, which says the same. */
int config_write(FILE *to, const struct lpar_config *config)
{
	write_section(to, config, "lpar");
	fputc('\n', to);
	write_section(to, config, "guest");
	write_nics(to, &config->guest);
	wwns_write(to, config);
	return ferror(to) ? -EIO : 0;
}

static void write_export(FILE *to, const struct lpar_config *config, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		fprintf(to, "[export]\nversion=%d\nname=%s\n\n", EXPORT_VERSION, config[i].name);
		config_write(to, &config[i]);
		fputc('\n', to);
	}
	fprintf(to, "[end]\nlpars=%zu\n", n);
}

/* What this host would make of its own accord goes along. */
static int complete(struct lpar_config *config)
{
	int ret = nics_complete(config);

	return ret ? ret : wwns_complete(config);
}

/* A text that describes this one alone, to be freed; NULL: it cannot be written, which is said. */
char *export_one(struct lpar_config *config)
{
	char *text = NULL;
	size_t size;
	FILE *to;

	if (complete(config))
		return NULL;
	to = open_memstream(&text, &size);
	if (to)
		write_export(to, config, 1);
	if (!to || fclose(to)) {
		err("LPAR %s: %s", config->name, strerror(errno));
		free(text);
		return NULL;
	}
	return text;
}

/* Nothing is written unless all of them can be. */
static int export_all(struct lpar_config *config, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (complete(&config[i]))
			return EXIT_FAILED;
	write_export(stdout, config, n);
	return EXIT_OK;
}

/* Those that are named, into a site of their own. */
static int load_named(struct site *site, struct args *args)
{
	const char *name;
	int ret = 0;

	site->config = xalloc(args->argc * sizeof(*site->config));
	while (!ret && (name = next_arg(args)))
		if (!site_find(site, name))
			ret = config_load(&site->config[site->n++], NULL, name);
	return ret;
}

/* NAME...|--all, as all that is left of the words. Exit code; to be freed in either case. */
int export_load(struct site *site, struct args *args)
{
	int ret;

	if (!args->argc)
		return usage("name of an LPAR, or --all, is missing");
	if (next_flag(args, "--all")) {
		if (args->argc)
			return usage("'%s' is one of all", args->argv[0]);
		ret = site_load(site);
	} else {
		ret = load_named(site, args);
	}
	if (!ret && !site->n)
		err("there is no description to export");
	return ret || !site->n ? EXIT_FAILED : EXIT_OK;
}

/* export NAME...|--all */
int export_verb(struct args *args)
{
	struct site site = { 0 };
	int ret = export_load(&site, args);

	if (ret == EXIT_OK)
		ret = export_all(site.config, site.n);
	site_free(&site);
	return ret;
}
