// SPDX-License-Identifier: GPL-2.0
/*
 * What a host writes of its guests while they stand: states, configurations, frames, and the
 * description of all that. Documentation/cluster.md has the order of the requests.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cluster/cluster.h"

/* Between those of execd_save.c */
enum { STAGE_STATE = 2 };

/* --- write, frames --- */

/* By which machine type it is started again: an alias such as q35 means another one later. */
static int pin_machine(const struct guest *guest, const char *path)
{
	struct lpar_config config = { 0 };
	const char *options_at;
	int ret = config_load(&config, path, guest->name);
	FILE *file = ret ? NULL : fopen(path, "ae");

	if (file) {
		options_at = strchr(config.guest.machine ? config.guest.machine : "", ',');
		fprintf(file, "\n# When it was saved, with QEMU %s\n[guest]\nmachine=%s%s\n",
			guest->qemu, guest->machine, options_at ? options_at : "");
		/* It was on the disk without these lines. */
		ret = close_synced(file, ferror(file) ? -EIO : 0);
	} else if (!ret) {
		ret = -errno;
	}
	config_free(&config);
	return ret;
}

/* What it was started with, and as the machine that it is. */
int guest_copy_config(const struct guest *guest, const char *to)
{
	char from[PATH_MAX];
	int ret;

	if (guest->monitor)
		rooted(from, sizeof(from), "/etc/lparkit/%s.lpar", guest->name);
	else
		run_path(from, sizeof(from), guest->name, "lpar.conf");
	ret = config_copy(from, to);
	if (!ret && *guest->machine)
		ret = pin_machine(guest, to);
	return ret;
}

static int copy_config(const struct session *session, const struct guest *guest)
{
	char *file = xprintf("%s.lpar", guest->name);
	char *to = session_file(session, file);
	int ret = guest_copy_config(guest, to);

	free(to);
	free(file);
	return ret;
}

/* write: the guests' states to files */
int save_write(struct session *session, struct json_object *request, struct json_object **result)
{
	size_t i;
	int ret = 0;

	(void)request;
	(void)result;
	session->writing = true;
	ret = session_store(session);
	for (i = 0; !ret && i < session->n_guests; i++)
		ret = copy_config(session, &session->guest[i]);
	if (!ret)
		ret = session_each(session, migrate_out, STAGE_STATE, "saving");
	return ret;
}

static int add_file(const struct session *session, struct json_object *files, char *name,
		    const char *digest)
{
	struct json_object *json = json_object_new_object();
	char *path = session_file(session, name), hex[DIGEST_CHARS + 1];
	struct stat st = { 0 };
	int ret = 0;

	if (digest)
		snprintf(hex, sizeof(hex), "%s", digest);
	else
		ret = digest_file(path, hex);
	if (!ret && stat(path, &st))
		ret = -errno;
	json_put(json, "name", name);
	json_put_u64(json, "size", st.st_size);
	json_put(json, "sha256", ret ? "" : hex);
	json_object_array_add(files, json);
	free(path);
	free(name);
	return ret;
}

static uint64_t frames_of(struct json_object *buffer, const char *direction)
{
	return json_number(json_object_object_get(buffer, direction), "frames");
}

/* Of all its netdevs. */
static int count_frames(const struct guest *guest, struct json_object *json)
{
	uint64_t ingress = 0, egress = 0, lost = 0;
	struct json_object *buffer;
	size_t i;
	int ret;

	for (i = 0; i < guest->n_netdevs; i++) {
		ret = netbuf_get(guest->netdev[i].name, &buffer);
		if (ret)
			return netbuf_fail(guest->netdev[i].name, ret);
		ingress += frames_of(buffer, "ingress");
		egress += frames_of(buffer, "egress");
		lost += netdev_lost(buffer) - guest->netdev[i].lost;
		json_object_put(buffer);
	}
	json_put_u64(json, "frames_from_guest", ingress);
	json_put_u64(json, "frames_to_guest", egress);
	json_put_u64(json, "frames_lost", lost);
	return 0;
}

static struct json_object *describe_saved(const struct guest *guest, int *error)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "name", guest->name);
	json_put_u64(json, "memory", guest->memory);
	json_put(json, "qemu", guest->qemu);
	json_put(json, "machine", guest->machine);
	json_object_object_add(json, "ran", json_object_new_boolean(guest->ran));
	json_put_u64(json, "state_bytes", guest->size);
	json_put(json, "state_sha256", guest->digest);
	json_put_u64(json, "write_ns", guest->step_ns);
	json_object_object_add(json, "netdevs", guest_netdevs(guest));
	json_object_object_add(json, "volumes", guest_volumes(guest));
	*error = count_frames(guest, json);
	return json;
}

/* A file without a netdev could not be told from one that was cut short: there is none. */
static int save_netbufs(struct session *session)
{
	size_t i, j, n = 0;
	uint64_t *frames;
	char **names, *path;
	int ret = 0;

	for (i = 0; i < session->n_guests; i++)
		n += session->guest[i].n_netdevs;
	session->has_frames = n;
	if (!n)
		return 0;
	path = session_file(session, "frames.pcapng");
	names = xalloc((n + 1) * sizeof(*names));
	n = 0;
	for (i = 0; i < session->n_guests; i++)
		for (j = 0; j < session->guest[i].n_netdevs; j++)
			names[n++] = session->guest[i].netdev[j].name;
	frames = xalloc((n + 1) * sizeof(*frames));
	if (netbuf_save(path, names, n, frames))
		ret = -EIO;
	free(frames);
	free(names);
	free(path);
	return ret;
}

static int list_files(const struct session *session, struct json_object *files)
{
	size_t i;
	int ret = 0;

	if (session->has_frames)
		ret = add_file(session, files, xstrdup("frames.pcapng"), NULL);
	for (i = 0; !ret && i < session->n_guests; i++) {
		const struct guest *guest = &session->guest[i];

		ret = add_file(session, files, xprintf("%s" STATE_SUFFIX, guest->name),
			       guest->digest);
		if (!ret)
			ret = add_file(session, files, xprintf("%s.lpar", guest->name), NULL);
	}
	return ret;
}

static struct json_object *new_description(const struct session *session, int *ret)
{
	struct json_object *json = json_object_new_object();
	struct json_object *guests = json_object_new_array();
	struct json_object *files = json_object_new_array();
	struct utsname uts;
	size_t i;

	uname(&uts);
	json_put_u64(json, "version", CLUSTER_VERSION);
	json_put(json, "name", session->name);
	json_put(json, "host", uts.nodename);
	json_put(json, "kernel", uts.release);
	json_put_u64(json, "time_ns", session->deadline_ns);
	for (i = 0, *ret = 0; !*ret && i < session->n_guests; i++)
		json_object_array_add(guests, describe_saved(&session->guest[i], ret));
	json_object_object_add(json, "guests", guests);
	json_object_object_add(json, "files", files);
	if (!*ret)
		*ret = list_files(session, files);
	return json;
}

/* frames: {wait_ns} -> {sha256, description}; all guests of all hosts stand */
int save_frames(struct session *session, struct json_object *request, struct json_object **result)
{
	char hex[DIGEST_CHARS + 1], *path = session_file(session, "description.json");
	struct json_object *description = NULL;
	int ret = session_sleep_until(session,
				      now_ns(CLOCK_REALTIME) + json_number(request, "wait_ns"));

	if (!ret)
		ret = save_netbufs(session);
	if (!ret)
		description = new_description(session, &ret);
	if (!ret)
		ret = saved_store(path, description);
	if (!ret)
		ret = digest_file(path, hex);
	if (!ret) {
		*result = json_object_new_object();
		json_put(*result, "sha256", hex);
		json_object_object_add(*result, "description", json_object_get(description));
	}
	json_object_put(description);
	free(path);
	return ret;
}

/* --- commit, keep, discard --- */

/* commit: the directory gets its name; a later abort still removes it */
int save_commit(struct session *session, struct json_object *request, struct json_object **result)
{
	char *part = session_file(session, "");
	char *description = session_file(session, "description.json");
	char *above = xstrdup(session->dir);
	int ret;

	(void)request;
	(void)result;
	*strrchr(above, '/') = 0;
	/* Before it is so: who undoes this looks for both names. */
	session->written = true;
	ret = session_store(session);
	/* The names of the files in it, its own, and that of the directory above. */
	if (!ret)
		ret = sync_parent(description);
	if (!ret && rename(part, session->dir))
		ret = -errno;
	if (!ret)
		ret = sync_parent(session->dir);
	if (!ret)
		ret = sync_parent(above);
	if (ret)
		err("%s: %s", session->dir, strerror(-ret));
	free(above);
	free(description);
	free(part);
	return ret;
}

/* keep: all hosts have committed; what is saved stays whatever comes */
int save_keep(struct session *session, struct json_object *request, struct json_object **result)
{
	(void)request;
	(void)result;
	session->kept = true;
	return session_store(session);
}

/* discard: the guests end */
int save_discard(struct session *session, struct json_object *request, struct json_object **result)
{
	(void)request;
	(void)result;
	return session_discard(session);
}
