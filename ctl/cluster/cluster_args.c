// SPDX-License-Identifier: GPL-2.0
/*
 * The words of lparctl cluster. Each verb takes some of the options, and refuses the
 * others: one that is ignored would do more, or less, than was asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

#define TIMEOUT_NS (600 * (uint64_t)NSEC_PER_SEC)
#define MAX_SKEW_NS (50 * (uint64_t)NSEC_PER_MSEC)

int cluster_set_hosts(struct cluster *cluster, const char *value)
{
	char *rest, *host;
	size_t i;

	free(cluster->hosts);
	cluster->hosts = xstrdup(value);
	cluster->n_hosts = 0;
	for (host = strtok_r(cluster->hosts, ",", &rest); host; host = strtok_r(NULL, ",", &rest)) {
		if (!host_is_valid(host))
			return usage("'%s' is no name of a host", host);
		if (cluster->n_hosts == CLUSTER_HOSTS_MAX)
			return usage("at most %d hosts", CLUSTER_HOSTS_MAX);
		/* It would wait for itself. */
		for (i = 0; i < cluster->n_hosts; i++)
			if (!strcmp(cluster->host[i], host))
				return usage("host %s is named twice", host);
		cluster->host[cluster->n_hosts++] = host;
	}
	return cluster->n_hosts ? EXIT_OK : usage("--hosts needs HOST[,HOST]...");
}

static int set_lpar(struct cluster *cluster, const char *value)
{
	char *copy = xstrdup(value), *rest, *name;
	int ret = EXIT_OK;

	for (name = strtok_r(copy, ",", &rest); !ret && name; name = strtok_r(NULL, ",", &rest)) {
		if (!name_is_valid(name))
			ret = usage("'%s' is no name for an LPAR", name);
		else if (json_is_among(cluster->lpars, name))
			ret = usage("LPAR %s is named twice", name);
		else
			json_object_array_add(cluster->lpars, json_object_new_string(name));
	}
	free(copy);
	if (!ret && !json_count(cluster->lpars))
		ret = usage("--lpar needs NAME[,NAME]...");
	return ret;
}

/* LPAR=PATH,...: monitors of guests that lparctl has not started */
static int set_qmp(struct cluster *cluster, const char *value)
{
	char *copy = xstrdup(value), *rest, *name, *path;
	int ret = EXIT_OK;

	for (name = strtok_r(copy, ",", &rest); !ret && name; name = strtok_r(NULL, ",", &rest)) {
		path = strchr(name, '=');
		if (path)
			*path++ = 0;
		if (!path || *path != '/' || !name_is_valid(name))
			ret = usage("--qmp needs LPAR=PATH, the absolute path of a QMP socket");
		else if (json_object_object_get(cluster->monitors, name))
			ret = usage("LPAR %s is named twice", name);
		else
			json_put(cluster->monitors, name, path);
	}
	free(copy);
	return ret;
}

static int set_via(struct cluster *cluster, const char *value)
{
	cluster->channels.prefix = value;
	return EXIT_OK;
}

static int set_dir(struct cluster *cluster, const char *value)
{
	cluster->dir = value;
	return *value == '/' ? EXIT_OK : usage("--dir needs an absolute path");
}

static int set_time(const char *option, const char *value, uint64_t *ns)
{
	return parse_time(value, ns) ? usage("%s needs a time such as 500ms", option) : EXIT_OK;
}

static int set_timeout(struct cluster *cluster, const char *value)
{
	return set_time("--timeout", value, &cluster->channels.timeout_ns);
}

static int set_max_skew(struct cluster *cluster, const char *value)
{
	return set_time("--max-skew", value, &cluster->max_skew_ns);
}

static int set_wait(struct cluster *cluster, const char *value)
{
	return set_time("--wait", value, &cluster->wait_ns);
}

static int set_continue(struct cluster *cluster, const char *value)
{
	(void)value;
	cluster->go_on = true;
	return EXIT_OK;
}

struct cluster_option {
	const char *name;
	unsigned int bit; /* OPTION_… */
	int (*set)(struct cluster *cluster, const char *value); /* exit code */
	bool is_flag;
};

/* clang-format off */
static const struct cluster_option known[] = {
	{ "--hosts", OPTION_HOSTS, cluster_set_hosts, false },
	{ "--lpar", OPTION_LPAR, set_lpar, false },
	{ "--qmp", OPTION_QMP, set_qmp, false },
	{ "--via", OPTION_VIA, set_via, false },
	{ "--dir", OPTION_DIR, set_dir, false },
	{ "--timeout", OPTION_TIMEOUT, set_timeout, false },
	{ "--max-skew", OPTION_MAX_SKEW, set_max_skew, false },
	{ "--wait", OPTION_WAIT, set_wait, false },
	{ "--continue", OPTION_CONTINUE, set_continue, true },
};
/* clang-format on */

/* Takes the next word, and its value, if it is an option; NULL when it is none. */
static const struct cluster_option *next_known(struct args *args, const char **value)
{
	size_t i;

	*value = "";
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].is_flag ? next_flag(args, known[i].name)
				     : next_option(args, known[i].name, value))
			return &known[i];
	return NULL;
}

/* The name of the state, or an option. */
static int parse_word(struct args *args, struct cluster *cluster, const char *verb,
		      unsigned int allowed)
{
	const struct cluster_option *option;
	const char *value;

	option = next_known(args, &value);
	if (!option && (args->argv[0][0] == '-' || cluster->name || !(allowed & OPTION_NAME)))
		return usage("'%s' is unknown to cluster %s", args->argv[0], verb);
	if (!option) {
		cluster->name = next_arg(args);
		return EXIT_OK;
	}
	if (!(allowed & option->bit))
		return usage("cluster %s has no option %s", verb, option->name);
	return value ? option->set(cluster, value) : usage("%s needs a value", option->name);
}

void cluster_init(struct cluster *cluster)
{
	memset(cluster, 0, sizeof(*cluster));
	cluster->dir = CLUSTER_DIR;
	cluster->lpars = json_object_new_array();
	cluster->monitors = json_object_new_object();
	cluster->max_skew_ns = MAX_SKEW_NS;
	cluster->channels.timeout_ns = TIMEOUT_NS;
}

void cluster_free(struct cluster *cluster)
{
	channels_close(&cluster->channels);
	free(cluster->hosts);
	json_object_put(cluster->lpars);
	json_object_put(cluster->monitors);
	json_object_put(cluster->manifest);
}

/* The words of a verb, in any order; allowed is a mask of OPTION_…. Exit code. */
int cluster_parse(struct args *args, struct cluster *cluster, const char *verb,
		  unsigned int allowed)
{
	int ret = EXIT_OK;

	while (!ret && args->argc)
		ret = parse_word(args, cluster, verb, allowed);
	if (ret || !(allowed & OPTION_NAME))
		return ret;
	if (!cluster->name)
		return usage("the name of the saved state is missing");
	if (!name_is_valid(cluster->name))
		return usage("'%s' is no name for a saved state: " NAME_RULE, cluster->name);
	return EXIT_OK;
}
