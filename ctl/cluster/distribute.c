// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl distribute: descriptions of this host go to others. All check them, and hold the lock
 * of their descriptions from then on; only if all can have them, all write.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

/* A request has to fit into a pipe that nobody has read from. */
#define TEXT_MOST_BYTES 32768

struct distribution {
	struct cluster cluster; /* its hosts, and channels to them */
	struct site site;
	bool check;
};

/* One request each: all of them together may be long. */
static int send_descriptions(struct distribution *it)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < it->site.n && !ret; i++) {
		struct json_object *json = json_object_new_object();
		char *text = export_one(&it->site.config[i]);

		if (text && strlen(text) > TEXT_MOST_BYTES)
			err("LPAR %s: its description is longer than %d bytes: use export and import",
			    it->site.config[i].name, TEXT_MOST_BYTES);
		ret = text && strlen(text) <= TEXT_MOST_BYTES ? 0 : -EMSGSIZE;
		if (!ret) {
			json_put(json, "text", text);
			ret = channels_ask(&it->cluster.channels, "describe", json);
		} else {
			json_object_put(json);
		}
		free(text);
	}
	return ret;
}

static void say_lpar(const char *host, struct json_object *lpar)
{
	struct json_object *problems = json_object_object_get(lpar, "problems");
	char *name = json_printable(json_object_object_get(lpar, "name"));
	size_t i;

	if (!json_count(problems))
		say("%s: %s: ok", host, name);
	for (i = 0; i < json_count(problems); i++) {
		char *text = json_printable(json_at(problems, i));

		say("%s: %s: %s", host, name, text);
		free(text);
	}
	free(name);
}

/* What a host says; whether it can have them. */
static bool take_answer(const struct channel *channel, struct json_object *report)
{
	struct json_object *lpars = json_object_object_get(channel->answer, "lpars");
	struct json_object *why = json_object_object_get(channel->answer, "why");
	struct json_object *json = json_object_new_object();
	size_t i;

	json_put(json, "host", channel->host);
	json_object_object_add(json, "lpars", json_object_get(lpars));
	json_object_array_add(report, json);
	for (i = 0; i < json_count(lpars); i++)
		say_lpar(channel->host, json_at(lpars, i));
	if (why) {
		char *text = json_printable(why);

		err("host %s: %s", channel->host, text);
		free(text);
	}
	return json_flag(channel->answer, "fits");
}

/* All say what is in the way. */
static int check(struct distribution *it)
{
	struct channels *channels = &it->cluster.channels;
	struct json_object *report = json_object_new_array();
	int ret = channels_ask(channels, "describe-check", NULL) ? EXIT_FAILED : EXIT_OK;
	size_t i;

	for (i = 0; i < channels->n && ret != EXIT_FAILED; i++)
		if (!take_answer(&channels->channel[i], report))
			ret = EXIT_CHECK;
	if (options.json && ret != EXIT_FAILED)
		json_print(report);
	else
		json_object_put(report);
	return ret;
}

/* An execd takes back what it has written, but not one that was killed: no other one knows. */
static int undo(struct channels *channels)
{
	bool lost[CLUSTER_HOSTS_MAX];
	size_t i;
	int ret;

	for (i = 0; i < channels->n; i++)
		lost[i] = channels->channel[i].dead;
	ret = channels_abort(channels, "");
	for (i = 0; i < channels->n; i++) {
		const struct channel *channel = &channels->channel[i];

		if (!lost[i] && !channel->dead && !channel->pending)
			continue;
		err("host %s was lost: see 'lparctl export --all' there, and remove what has come",
		    channel->host);
		ret = -EIO;
	}
	return ret ? EXIT_FAILED : EXIT_ROLLED_BACK;
}

/* Until all have written, all can go back; not when some have kept theirs. */
static int write_all(struct distribution *it)
{
	struct channels *channels = &it->cluster.channels;

	if (channels_ask(channels, "describe-write", NULL))
		return undo(channels);
	channels->no_return = true;
	if (!channels_ask(channels, "describe-keep", NULL))
		return EXIT_OK;
	err("a host that was lost now may have its descriptions, or not: see 'lparctl export --all' there; the others have theirs");
	return EXIT_FAILED;
}

static int distribute(struct distribution *it)
{
	struct cluster *cluster = &it->cluster;
	int ret;

	channels_catch_signals();
	ret = channels_open(&cluster->channels, cluster->host, cluster->n_hosts);
	if (!ret)
		ret = send_descriptions(it);
	if (ret)
		return ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
	ret = check(it);
	return ret == EXIT_OK && !it->check ? write_all(it) : ret;
}

static int take_time(struct distribution *it, const char *value)
{
	return value && !parse_time(value, &it->cluster.channels.timeout_ns)
		       ? EXIT_OK
		       : usage("--timeout needs a time such as 30s");
}

/* Options come first: what is behind them are names. */
static int take_options(struct distribution *it, struct args *args)
{
	const char *value = NULL;
	int ret = EXIT_OK;

	while (ret == EXIT_OK) {
		if (next_option(args, "--to", &value))
			ret = value ? cluster_set_hosts(&it->cluster, value)
				    : usage("--to needs HOST[,HOST]...");
		else if (next_option(args, "--via", &it->cluster.channels.prefix))
			ret = it->cluster.channels.prefix ? ret : usage("--via needs a command");
		else if (next_option(args, "--timeout", &value))
			ret = take_time(it, value);
		else if (next_flag(args, "--check"))
			it->check = true;
		else
			break;
	}
	return ret;
}

/* distribute --to HOST,... [--check] [--via COMMAND] [--timeout TIME] NAME...|--all */
int distribute_verb(struct args *args)
{
	struct distribution it = { 0 };
	int ret;

	cluster_init(&it.cluster);
	ret = take_options(&it, args);
	if (ret == EXIT_OK && !it.cluster.n_hosts)
		ret = usage("distribute --to HOST[,HOST]... NAME...|--all");
	if (ret == EXIT_OK)
		ret = export_load(&it.site, args);
	if (ret == EXIT_OK)
		ret = distribute(&it);
	site_free(&it.site);
	cluster_free(&it.cluster);
	return ret;
}
