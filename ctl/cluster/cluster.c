// SPDX-License-Identifier: GPL-2.0
/*
 * Object cluster: guests of several hosts are saved, and restored, at one
 * instant. This is the caller: it knows the order of the steps, each of which
 * all hosts do at the same time; Documentation/cluster.md has the whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

/*
 * From arming until the cut, at least: enough for the answers, and for a second thought.
 * Guests run until they are stopped, so that it costs nothing to be late with that; but
 * they stand until they go on.
 */
#define STOP_AHEAD_NS ((uint64_t)NSEC_PER_SEC)
#define RESUME_AHEAD_NS (260 * NSEC_PER_MSEC)
/* Instants that are tried until no host is too late for one. */
#define RESUME_TRIES 4
/* The least that frames on the wire are waited for. */
#define WAIT_NS (10 * NSEC_PER_MSEC)

/* To be freed. */
char *cluster_manifest_path(const struct cluster *cluster)
{
	return xprintf("%s/%s/manifest.json", cluster->dir, cluster->name);
}

/* What the manifest is called while the state is being deleted. */
static char *deleting_path(const struct cluster *cluster)
{
	return xprintf("%s/%s/manifest.deleting", cluster->dir, cluster->name);
}

/* --- talking to hosts --- */

/* On a terminal: one line that is written over. */
static void show_progress(struct channel *channel, struct json_object *progress)
{
	struct json_object *guests = json_object_object_get(progress, "guests");
	char *doing = json_printable(json_object_object_get(progress, "doing"));

	fprintf(stderr, "\r\033[K%s: %s", channel->host, doing);
	free(doing);
	if (json_object_is_type(guests, json_type_object)) {
		json_object_object_foreach(guests, name, done)
			if (name_is_valid(name))
				fprintf(stderr, " %s %" PRId64 " %%", name,
					json_object_get_int64(done));
	}
	fflush(stderr);
}

static void end_progress(const struct cluster *cluster)
{
	if (cluster->channels.progress)
		fputs("\r\033[K", stderr);
}

static int connect_hosts(struct cluster *cluster)
{
	struct channels *channels = &cluster->channels;

	if (isatty(STDERR_FILENO))
		channels->progress = show_progress;
	channels_catch_signals();
	return channels_open(channels, cluster->host, cluster->n_hosts);
}

/* Connected, and with clocks that can be relied on. */
static int synchronise_hosts(struct cluster *cluster)
{
	int ret = connect_hosts(cluster);

	return ret ? ret : channels_compare_clocks(&cluster->channels, cluster->max_skew_ns);
}

/* Where the i-th host has, or will have, its part of the saved state. */
static const char *saved_host(const struct cluster *cluster, size_t i)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	struct json_object *host = json_at(hosts, i);

	return host ? json_text(host, "host") : cluster->host[i];
}

/* Of all hosts: none of them is to be left where it is not restored. */
static struct json_object *names_of_saved(const struct cluster *cluster)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	struct json_object *names = json_object_new_array();
	size_t i, j;

	for (i = 0; i < json_count(hosts); i++) {
		struct json_object *guests = cluster_saved_guests(json_at(hosts, i));

		for (j = 0; j < json_count(guests); j++)
			json_object_array_add(names, json_object_new_string(json_text(
							     json_at(guests, j), "name")));
	}
	return names;
}

/* A request that each host gets with its own directory, and the digest that is expected there. */
static int ask_each(struct cluster *cluster, const char *op)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	size_t i;

	for (i = 0; i < cluster->channels.n; i++) {
		struct json_object *json = json_object_new_object();
		struct json_object *host = json_at(hosts, i);

		json_put(json, "op", op);
		json_put(json, "name", cluster->name);
		json_put(json, "dir", cluster->dir);
		json_put(json, "host", saved_host(cluster, i));
		json_put(json, "sha256", json_text(host, "sha256"));
		json_put_flag(json, "again", cluster->again);
		json_object_object_add(json, "replaces",
				       json_object_new_boolean(cluster->replaces));
		if (cluster->replaces)
			json_object_object_add(json, "all", names_of_saved(cluster));
		json_object_object_add(json, "lpars", json_object_get(cluster->lpars));
		/* Some of them. */
		json_put_flag(json, "elsewhere", cluster->channels.n > 1);
		json_object_object_add(json, "qmp", json_object_get(cluster->monitors));
		channel_send(&cluster->channels.channel[i], json);
	}
	return channels_gather(&cluster->channels, op);
}

static int ask_number(struct cluster *cluster, const char *op, const char *key, uint64_t value)
{
	struct json_object *json = json_object_new_object();

	json_put_u64(json, key, value);
	return channels_ask(&cluster->channels, op, json);
}

/*
 * An instant on the first host's clock that all can be ready for. A busy host shows by
 * its round trips: arming takes it several of the longest.
 */
static uint64_t next_instant(const struct cluster *cluster, uint64_t ahead_ns)
{
	return now_ns(CLOCK_REALTIME) + cluster->channels.channel[0].offset_ns + ahead_ns +
	       8 * channels_worst_trip(&cluster->channels);
}

/* The first host that was not ready in time, or NULL. */
static const char *find_late(const struct channels *channels)
{
	size_t i;

	for (i = 0; i < channels->n; i++)
		if (json_flag(channels->channel[i].answer, "late"))
			return channels->channel[i].host;
	return NULL;
}

/* -ETIME: some host was too late, without a message. */
static int arm(struct cluster *cluster, const char *action, uint64_t ahead_ns, uint64_t *at_ns)
{
	struct json_object *json = json_object_new_object();
	int ret;

	*at_ns = next_instant(cluster, ahead_ns);
	json_put(json, "action", action);
	json_put_u64(json, "at_ns", *at_ns);
	ret = channels_ask(&cluster->channels, "arm", json);
	return ret || !find_late(&cluster->channels) ? ret : -ETIME;
}

static int fail_late(const struct cluster *cluster, int ret)
{
	if (ret == -ETIME)
		err("host %s: arm: the deadline is past: it is too slow",
		    find_late(&cluster->channels));
	return ret;
}

/*
 * Guests stand, and go on together or not at all: who needs longer than was thought is given
 * twice as long as he took.
 */
static int arm_resume(struct cluster *cluster, uint64_t *at_ns)
{
	uint64_t ahead_ns = RESUME_AHEAD_NS, began_ns;
	unsigned int tries = 0;
	int ret;

	do {
		began_ns = now_ns(CLOCK_MONOTONIC);
		ret = arm(cluster, "open", ahead_ns, at_ns);
		ahead_ns = RESUME_AHEAD_NS + 2 * (now_ns(CLOCK_MONOTONIC) - began_ns);
	} while (ret == -ETIME && ++tries < RESUME_TRIES);
	return fail_late(cluster, ret);
}

/* --- save --- */

static void put_instant(struct cluster *cluster, const char *step, uint64_t at_ns)
{
	struct json_object *json = json_object_new_object();

	json_put_u64(json, "at_ns", at_ns);
	json_object_object_add(cluster->manifest, step, json);
	cluster_keep_answers(cluster, step);
	cluster_put_skew(cluster, step);
}

/* In words of a host, which are shown as they are only when they can be. */
static void print_warnings(struct json_object *guest)
{
	struct json_object *warnings = json_object_object_get(guest, "warnings");
	size_t i;

	for (i = 0; i < json_count(warnings); i++) {
		char *text = json_printable(json_at(warnings, i));
		char *name = json_printable(json_object_object_get(guest, "name"));

		err("warning: guest %s %s", name, text);
		free(name);
		free(text);
	}
}

/* The same, of the host itself. */
static void print_host_warnings(const struct channel *channel)
{
	struct json_object *warnings = json_object_object_get(channel->answer, "warnings");
	size_t i;

	for (i = 0; i < json_count(warnings); i++) {
		char *text = json_printable(json_at(warnings, i));

		err("warning: host %s: %s", channel->host, text);
		free(text);
	}
}

/* What runs there, and is not going to be saved. */
static void print_left_out(const struct channel *channel)
{
	struct json_object *names = json_object_object_get(channel->answer, "left_out");
	size_t i;

	for (i = 0; i < json_count(names); i++)
		if (name_is_valid(json_text_at(names, i)))
			err("warning: host %s: LPAR %s has members, and no guest that 'lparctl start' has started: it is not saved; name its QMP socket by --qmp %s=PATH",
			    channel->host, json_text_at(names, i), json_text_at(names, i));
}

static void warn(const struct cluster *cluster)
{
	size_t i, j;

	for (i = 0; i < cluster->channels.n; i++) {
		struct json_object *guests =
			json_object_object_get(cluster->channels.channel[i].answer, "guests");

		for (j = 0; j < json_count(guests); j++)
			print_warnings(json_at(guests, j));
		print_left_out(&cluster->channels.channel[i]);
		print_host_warnings(&cluster->channels.channel[i]);
	}
}

static void new_manifest(struct cluster *cluster)
{
	struct json_object *hosts = json_object_new_array();
	size_t i;

	cluster->manifest = json_object_new_object();
	json_put_u64(cluster->manifest, "version", CLUSTER_VERSION);
	json_put(cluster->manifest, "name", cluster->name);
	for (i = 0; i < cluster->channels.n; i++) {
		struct json_object *host = json_object_new_object();

		json_put(host, "host", cluster->host[i]);
		json_put_s64(host, "clock_offset_ns", cluster->channels.channel[i].offset_ns);
		json_put_s64(host, "clock_error_ns", cluster->channels.channel[i].error_ns);
		json_object_array_add(hosts, host);
	}
	json_object_object_add(cluster->manifest, "hosts", hosts);
}

static void keep_descriptions(struct cluster *cluster)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	size_t i;

	for (i = 0; i < cluster->channels.n; i++) {
		struct json_object *host = json_at(hosts, i);
		struct json_object *answer = cluster->channels.channel[i].answer;

		json_put(host, "sha256", json_text(answer, "sha256"));
		json_object_object_add(
			host, "description",
			json_object_get(json_object_object_get(answer, "description")));
	}
}

/* A name that two saves have begun with is the first one's. */
static int store_manifest(struct cluster *cluster, bool is_new)
{
	char *dir = xprintf("%s/%s", cluster->dir, cluster->name);
	char *path = cluster_manifest_path(cluster);
	int ret = make_dir(dir, 0700);

	if (ret)
		err("%s: %s", dir, strerror(-ret));
	else
		ret = is_new ? saved_store_new(path, cluster->manifest)
			     : saved_store(path, cluster->manifest);
	free(path);
	free(dir);
	return ret;
}

static uint64_t wait_for_frames(const struct cluster *cluster)
{
	uint64_t wait_ns = 4 * channels_worst_trip(&cluster->channels);

	if (cluster->wait_ns)
		return cluster->wait_ns;
	return wait_ns > WAIT_NS ? wait_ns : WAIT_NS;
}

/* All guests of all hosts stand from the same instant on. */
static int stop_guests(struct cluster *cluster)
{
	uint64_t at_ns;
	int ret = fail_late(cluster, arm(cluster, "close", STOP_AHEAD_NS, &at_ns));

	if (!ret)
		ret = channels_ask(&cluster->channels, "stop", NULL);
	if (!ret)
		put_instant(cluster, "stop", at_ns);
	return ret;
}

/* And all go on. Once this has begun there is no way back. */
static int resume_guests(struct cluster *cluster)
{
	uint64_t at_ns;
	int ret = arm_resume(cluster, &at_ns);

	cluster->channels.no_return = true;
	if (!ret)
		ret = channels_ask(&cluster->channels, "resume", NULL);
	if (!ret)
		put_instant(cluster, "resume", at_ns);
	return ret;
}

static int save_guests(struct cluster *cluster)
{
	struct channels *channels = &cluster->channels;
	int ret = ask_each(cluster, "begin");

	if (ret)
		return ret;
	ret = cluster_check_chosen(cluster);
	if (ret)
		return ret;
	warn(cluster);
	ret = stop_guests(cluster);
	if (!ret)
		ret = channels_ask(channels, "write", NULL);
	if (!ret)
		ret = channels_ask(channels, "disks", NULL);
	if (!ret)
		ret = ask_number(cluster, "frames", "wait_ns", wait_for_frames(cluster));
	if (ret)
		return ret;
	keep_descriptions(cluster);
	ret = channels_ask(channels, "commit", NULL);
	if (!ret)
		ret = channels_ask(channels, "keep", NULL);
	return ret ? ret : store_manifest(cluster, true);
}

static int finish_save(struct cluster *cluster)
{
	cluster->channels.no_return = true;
	if (!cluster->go_on)
		return channels_ask(&cluster->channels, "discard", NULL);
	return resume_guests(cluster);
}

/* Nothing has been begun. */
static int not_begun(int ret)
{
	return ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
}

/* Undoes, and returns the exit code: 5 is a promise. */
static int give_up(struct cluster *cluster, int ret, const char *unwanted)
{
	end_progress(cluster);
	if (channels_abort(&cluster->channels, unwanted))
		return EXIT_FAILED;
	return ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_ROLLED_BACK;
}

static int save(struct cluster *cluster)
{
	int ret = synchronise_hosts(cluster);

	if (ret)
		return not_begun(ret);
	new_manifest(cluster);
	ret = save_guests(cluster);
	if (ret)
		return give_up(cluster, ret, cluster->name);
	cluster_warn_lost(cluster);
	ret = finish_save(cluster);
	if (ret) {
		err("%s is saved; but its guests could not be %s", cluster->name,
		    cluster->go_on ? "continued together" : "ended");
		give_up(cluster, ret, "");
		return EXIT_FAILED;
	}
	end_progress(cluster);
	/* With the pause in it. */
	if (cluster->go_on && store_manifest(cluster, false)) {
		err("%s is saved, and its guests go on; but its manifest does not tell how long they stood",
		    cluster->name);
		return EXIT_FAILED;
	}
	cluster_report(cluster, "stop", "saved");
	return EXIT_OK;
}

static int check_new(const struct cluster *cluster)
{
	char *path = cluster_manifest_path(cluster), *deleting = deleting_path(cluster);
	int ret = EXIT_FAILED;

	if (!access(path, F_OK))
		err("%s is saved already: choose another name, or 'lparctl cluster delete %s'",
		    cluster->name, cluster->name);
	else if (!access(deleting, F_OK))
		err("%s is half deleted: run 'lparctl cluster delete %s' again", cluster->name,
		    cluster->name);
	else
		ret = EXIT_OK;
	free(deleting);
	free(path);
	return ret;
}

/* save NAME --hosts HOST,HOST... [OPTION]... */
int cluster_save_verb(struct args *args)
{
	struct cluster cluster;
	int ret;

	cluster_init(&cluster);
	ret = cluster_parse(args, &cluster, "save",
			    OPTIONS_STATE | OPTION_LPAR | OPTION_QMP | OPTION_MAX_SKEW |
				    OPTION_WAIT | OPTION_CONTINUE);
	if (!ret && !cluster.n_hosts)
		ret = usage("cluster save NAME --hosts HOST[,HOST]...");
	if (!ret)
		ret = cluster_check_words(&cluster);
	if (!ret)
		ret = check_new(&cluster);
	if (!ret)
		ret = save(&cluster);
	cluster_free(&cluster);
	return ret;
}

/* --- what is there --- */

/* The hosts of a manifest are words of a command line: what is none is not taken for one. */
static int take_hosts(struct cluster *cluster, struct json_object *hosts)
{
	size_t n = json_count(hosts), i;

	if (!n || n > CLUSTER_HOSTS_MAX) {
		err("%s: its manifest is damaged: no hosts, or too many", cluster->name);
		return -EBADMSG;
	}
	for (i = 0; i < n; i++) {
		const char *host = json_text(json_at(hosts, i), "host");

		if (!host_is_valid(host)) {
			err("%s: its manifest is damaged: host %zu has no name", cluster->name, i);
			return -EBADMSG;
		}
		if (cluster->n_hosts <= i && !cluster->hosts)
			cluster->host[cluster->n_hosts++] = host;
	}
	if (cluster->n_hosts == n)
		return 0;
	err("%s was saved on %zu hosts: name as many with --hosts, in that order", cluster->name,
	    n);
	return -EINVAL;
}

static int load_manifest(struct cluster *cluster)
{
	char *path = cluster_manifest_path(cluster);

	cluster->manifest = saved_load(path);
	free(path);
	if (!cluster->manifest)
		return -ENOENT;
	return take_hosts(cluster, json_object_object_get(cluster->manifest, "hosts"));
}

/* A verb on a saved state and its hosts. */
static int with_state(struct args *args, const char *verb, unsigned int allowed,
		      int (*run)(struct cluster *cluster))
{
	struct cluster cluster;
	int ret;

	cluster_init(&cluster);
	ret = cluster_parse(args, &cluster, verb, allowed);
	if (!ret)
		ret = load_manifest(&cluster) ? EXIT_FAILED : run(&cluster);
	cluster_free(&cluster);
	return ret;
}

/* Nothing that runs is touched before all have agreed; from then on there is no way back. */
static int load_guests(struct cluster *cluster)
{
	int ret = ask_each(cluster, "load");

	if (ret)
		return ret;
	cluster_keep_answers(cluster, "load");
	return resume_guests(cluster);
}

static void forget_stops(const struct cluster *cluster)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	size_t i;

	for (i = 0; i < json_count(hosts); i++)
		json_object_object_del(json_at(hosts, i), "stop");
}

/* Those of a host that it says are there, though all was to be undone; true if any is. */
static bool tell_running(struct cluster *cluster, size_t i)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	struct json_object *guests = cluster_saved_guests(json_at(hosts, i));
	const struct channel *channel = &cluster->channels.channel[i];
	struct json_object *running = json_object_object_get(channel->answer, "running");
	char *names = xstrdup(""), *more;
	bool any;
	size_t j;

	for (j = 0; j < json_count(guests); j++) {
		const char *name = json_text(json_at(guests, j), "name");

		if (!name_is_valid(name) || !json_is_among(running, name))
			continue;
		more = xprintf("%s%s%s", names, *names ? ", " : "", name);
		free(names);
		names = more;
	}
	any = *names;
	if (any)
		err("host %s: its guests %s are there, those of other hosts may not be: restore again, or stop them",
		    channel->host, names);
	free(names);
	return any;
}

/* It was lost, or has not undone: its guests may be there. */
static bool is_silent(const struct channel *channel)
{
	return !json_object_object_get_ex(channel->answer, "running", NULL);
}

/* What has come of the guests is for their hosts to say. */
static int not_restored(struct cluster *cluster, int ret)
{
	bool any = false;
	size_t i;

	give_up(cluster, ret, "");
	for (i = 0; i < cluster->channels.n; i++)
		any |= tell_running(cluster, i) || is_silent(&cluster->channels.channel[i]);
	err("%s is not restored%s: its state is whole, try again", cluster->name,
	    any ? "" : ", and the guests that ran are gone");
	return ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
}

static int restore(struct cluster *cluster)
{
	int ret = synchronise_hosts(cluster);

	if (ret)
		return not_begun(ret);
	cluster->replaces = true;
	ret = ask_each(cluster, "check");
	if (ret)
		return give_up(cluster, ret, "");
	ret = load_guests(cluster);
	if (ret)
		return not_restored(cluster, ret);
	end_progress(cluster);
	forget_stops(cluster);
	cluster_report(cluster, "resume", "restored");
	return EXIT_OK;
}

/*
 * Whoever deletes what is damaged must not do so because a host was lost, has not mounted it, or
 * could not look, or because he had enough.
 */
static bool is_damaged(const struct channels *channels)
{
	bool damaged = false;
	size_t i;

	for (i = 0; i < channels->n; i++) {
		if (channels->channel[i].dead || channels->channel[i].absent)
			return false;
		damaged |= channels->channel[i].damaged;
	}
	return damaged;
}

static int verify(struct cluster *cluster)
{
	int ret = connect_hosts(cluster);

	if (ret)
		return not_begun(ret);
	ret = ask_each(cluster, "check");
	if (ret)
		return is_damaged(&cluster->channels) ? EXIT_CHECK : not_begun(ret);
	say("%s: whole", cluster->name);
	return EXIT_OK;
}

/* A save that was lost has left no manifest, and --hosts tells where its parts are. */
static int load_doomed(struct cluster *cluster)
{
	char *path = cluster_manifest_path(cluster), *deleting = deleting_path(cluster);
	bool half = access(path, F_OK) && !access(deleting, F_OK);
	int ret = 0;

	cluster->again = half;
	if (half || !access(path, F_OK) || !cluster->n_hosts) {
		cluster->manifest = saved_load(half ? deleting : path);
		ret = cluster->manifest
			      ? take_hosts(cluster,
					   json_object_object_get(cluster->manifest, "hosts"))
			      : -ENOENT;
	}
	free(deleting);
	free(path);
	return ret;
}

/* What is half deleted is no saved state any more, but tells the next try where it is. */
static int doom(const struct cluster *cluster)
{
	char *path = cluster_manifest_path(cluster), *deleting = deleting_path(cluster);
	/* Of what a save that was lost has left, nothing may be here. */
	int ret = rename_synced(path, deleting);

	if (ret)
		err("%s: %s", path, strerror(-ret));
	free(deleting);
	free(path);
	return ret;
}

static void end_delete(const struct cluster *cluster)
{
	char *dir = xprintf("%s/%s", cluster->dir, cluster->name);
	char *deleting = deleting_path(cluster);

	unlink(deleting);
	/* It may be shared, and is gone with the last host's part then. */
	rmdir(dir);
	free(deleting);
	free(dir);
}

static bool is_found(const struct channels *channels)
{
	bool found = false;
	size_t i;

	for (i = 0; i < channels->n; i++)
		found |= json_flag(channels->channel[i].answer, "found");
	return found;
}

static int delete_state(struct cluster *cluster)
{
	int ret;

	if (load_doomed(cluster))
		return EXIT_FAILED;
	ret = connect_hosts(cluster);
	if (!ret)
		ret = doom(cluster);
	if (ret)
		return not_begun(ret);
	ret = ask_each(cluster, "delete");
	if (ret) {
		err("%s is half deleted: run 'lparctl cluster delete %s' again", cluster->name,
		    cluster->name);
		return not_begun(ret);
	}
	end_delete(cluster);
	if (cluster->manifest || is_found(&cluster->channels))
		return EXIT_OK;
	err("%s: nothing of it is on these hosts", cluster->name);
	return EXIT_FAILED;
}

static int show(struct cluster *cluster)
{
	cluster_report(cluster, "stop", "saved");
	return EXIT_OK;
}

int cluster_restore_verb(struct args *args)
{
	return with_state(args, "restore", OPTIONS_STATE | OPTION_MAX_SKEW, restore);
}

int cluster_verify_verb(struct args *args)
{
	return with_state(args, "verify", OPTIONS_STATE, verify);
}

int cluster_delete_verb(struct args *args)
{
	struct cluster cluster;
	int ret;

	cluster_init(&cluster);
	ret = cluster_parse(args, &cluster, "delete", OPTIONS_STATE);
	if (!ret)
		ret = delete_state(&cluster);
	cluster_free(&cluster);
	return ret;
}

int cluster_show_verb(struct args *args)
{
	return with_state(args, "show", OPTION_NAME | OPTION_DIR, show);
}

/* recover: on this host, what a killed operation has left */
int cluster_recover_verb(struct args *args)
{
	struct session session = { .kind = SESSION_NONE };

	if (args->argc)
		return usage("cluster recover takes no arguments");
	return session_recover(&session) ? EXIT_FAILED : EXIT_OK;
}
