// SPDX-License-Identifier: GPL-2.0
/*
 * What a host does to restore guests. check touches nothing; load ends the
 * guests that run and brings the saved ones, paused, with their gates to be
 * closed by arm.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

enum { STAGE_END = 1, STAGE_START, STAGE_LOAD };

/* The guests of a description, with their digests; -EBADMSG when it is not one. */
static int add_guests(struct session *session, struct json_object *description)
{
	struct json_object *guests = json_object_object_get(description, "guests");
	struct guest *guest;
	size_t i, j;

	for (i = 0; i < json_count(guests); i++) {
		struct json_object *json = json_at(guests, i);
		struct json_object *volumes = json_object_object_get(json, "volumes");
		struct json_object *ran;

		if (!name_is_valid(json_text(json, "name"))) {
			err("%s/description.json: '%s' is no name for an LPAR", session->dir,
			    json_text(json, "name"));
			return -EBADMSG;
		}
		guest = session_add(session, json_text(json, "name"));
		snprintf(guest->digest, sizeof(guest->digest), "%s",
			 json_text(json, "state_sha256"));
		guest->size = json_number(json, "state_bytes");
		snprintf(guest->qemu, sizeof(guest->qemu), "%s", json_text(json, "qemu"));
		snprintf(guest->machine, sizeof(guest->machine), "%s", json_text(json, "machine"));
		/* What was saved before that was known did. */
		guest->ran = !json_object_object_get_ex(json, "ran", &ran) ||
			     json_object_get_boolean(ran);
		session->has_frames |= json_count(json_object_object_get(json, "netdevs")) > 0;
		for (j = 0; j < json_count(volumes); j++)
			guest_add_volume(guest, json_text_at(volumes, j));
	}
	return 0;
}

static int look_for_states(struct session *session)
{
	size_t i, j;
	int ret = 1;

	for (i = 0; ret > 0 && i < session->n_guests; i++) {
		const struct guest *guest = &session->guest[i];

		for (j = 0; ret > 0 && j < guest->n_volumes; j++) {
			child_begins(guest->volume[j]);
			ret = snap_has_state(guest->volume[j], session->state);
			if (ret <= 0)
				err("guest %s: volume %s: %s", guest->name, guest->volume[j],
				    ret ? snap_reason(ret) : "the state of its disk is gone");
		}
	}
	return ret > 0 ? 0 : ret ? ret : -ENOENT;
}

static int check_volumes(struct session *session)
{
	size_t i, n = 0;

	for (i = 0; i < session->n_guests; i++)
		n += session->guest[i].n_volumes;
	return n ? child_run(session, look_for_states) : 0;
}

/* The description whose digest the manifest has; -ENOMEDIUM when it is not here. To be put. */
static int load_description(const char *dir, const char *digest, struct json_object **description)
{
	char *path = xprintf("%s/description.json", dir);
	int ret = access(path, F_OK) ? -ENOMEDIUM : 0;

	*description = ret ? NULL : saved_load_as(path, digest);
	if (ret)
		err("%s is not there: not mounted, or saved on another host? Copy or share its directory",
		    path);
	else if (!*description)
		ret = -EBADMSG;
	free(path);
	return ret;
}

/* What other lparctls do to it now, or a migration, is said. */
static int try_lock(const char *name)
{
	int lock = lpar_lock(name);

	if (lock < 0)
		return -EBUSY;
	close(lock);
	return 0;
}

/*
 * A guest that somebody else has started is not for us to end, and would be in the way. Nor can
 * one be ended that is in use; found later, it would be when others have ended.
 */
static int check_replaceable(const struct session *session)
{
	struct process process;
	struct lpar lpar;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++) {
		if (!lpar_get(session->guest[i].name, &lpar) && lpar.n_members &&
		    !lpar_guest_pid(&lpar)) {
			err("guest %s: its LPAR has a member, pid %u, that no 'lparctl start' has started: end it first",
			    lpar.name, lpar.member[0]);
			ret = -EBUSY;
		} else if (!lpar_guest_pid(&lpar) &&
			   !guest_find_noted(session->guest[i].name, &process)) {
			err("guest %s: its QEMU, pid %d, still runs, outside of its LPAR: 'lparctl stop %s' ends it",
			    session->guest[i].name, process.pid, session->guest[i].name);
			ret = -EBUSY;
		}
		lpar_free(&lpar);
		if (!ret)
			ret = try_lock(session->guest[i].name);
	}
	return ret;
}

/* One that another host gets back, and that has come here since, would be there twice. */
static int check_elsewhere(const struct session *session, struct json_object *all)
{
	struct process process;
	struct lpar lpar;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_count(all); i++) {
		const char *name = json_text_at(all, i);

		if (!name_is_valid(name) || session_has(session, name))
			continue;
		if ((!lpar_get(name, &lpar) && lpar.n_members) ||
		    !guest_find_noted(name, &process)) {
			err("guest %s runs here, and another host is to have it back: 'lparctl stop %s' here first, or give --hosts in the order of the save",
			    name, name);
			ret = -EBUSY;
		}
		lpar_free(&lpar);
	}
	return ret;
}

/* What was saved before these were known says neither. */
static int check_kind(const struct guest *guest, const struct qemu_kind *kind)
{
	if (qemu_is_older(kind->version, guest->qemu)) {
		err("guest %s: it was saved by QEMU %s, and %s here is %s, which may not understand that: update it",
		    guest->name, guest->qemu, kind->binary, kind->version);
		return -EPROTO;
	}
	if (!*guest->machine || qemu_kind_has(kind, guest->machine))
		return 0;
	err("guest %s: it is a %s, and %s here, QEMU %s, is none: restore it by a QEMU that is, see '%s -machine help'",
	    guest->name, guest->machine, kind->binary, kind->version, kind->binary);
	return -EPROTO;
}

/* Which QEMU is to be the guest, and with which netdevs; *kind may have been read of the same one. */
static int read_kind(const struct session *session, const struct guest *guest,
		     struct qemu_kind *kind)
{
	char *name = xprintf("%s.lpar", guest->name), *file = session_file(session, name);
	struct lpar_config config = { 0 };
	int ret = config_load(&config, file, guest->name);

	if (!ret)
		ret = guest_check_netdevs(&config);
	if (!ret && (!kind->binary || strcmp(kind->binary, qemu_binary(&config)))) {
		qemu_kind_free(kind);
		ret = qemu_kind_read(kind, qemu_binary(&config));
	}
	config_free(&config);
	free(file);
	free(name);
	return ret;
}

/* Found later, it would be when those that ran are gone. Their QEMUs are run: not by verify. */
static int check_kinds(const struct session *session)
{
	struct qemu_kind kind = { 0 };
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++) {
		ret = read_kind(session, &session->guest[i], &kind);
		if (!ret)
			ret = check_kind(&session->guest[i], &kind);
	}
	qemu_kind_free(&kind);
	return ret;
}

/* check: {name, dir, host, sha256, replaces, all}; nothing is touched */
int restore_check(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *description;
	int ret = session_begin(session, SESSION_NONE, request);

	(void)result;
	if (ret)
		return ret;
	ret = load_description(session->dir, json_text(request, "sha256"), &description);
	if (!ret)
		ret = add_guests(session, description);
	if (!ret)
		ret = saved_verify_rest(session, description);
	if (!ret)
		ret = check_volumes(session);
	if (!ret && json_flag(request, "replaces"))
		ret = check_replaceable(session);
	if (!ret)
		ret = check_elsewhere(session, json_object_object_get(request, "all"));
	if (!ret && json_flag(request, "replaces"))
		ret = check_kinds(session);
	/* The long one last; many CPUs find the digests of many guests' states at once. */
	if (!ret)
		ret = session_each(session, migrate_check, STAGE_HIDDEN, "verifying");
	json_object_put(description);
	session_end(session);
	return ret;
}

/* An LPAR that is active without a guest has its disks claimed. */
static unsigned int claims_of(const struct guest *guest)
{
	struct lpar lpar = { .name = "" };
	unsigned int claims = !lpar_get(guest->name, &lpar) && lpar_is_fenced(&lpar);

	lpar_free(&lpar);
	return claims;
}

/* Of all volumes, so that nobody opens one while others are restored. */
struct claims {
	int *fd;
	size_t n;
};

static int claim(const struct session *session, const struct guest *guest, const char *volume,
		 struct claims *claims)
{
	(void)session;
	claims->fd = xrealloc(claims->fd, (claims->n + 1) * sizeof(*claims->fd));
	return snap_claim(volume, claims_of(guest), &claims->fd[claims->n++]);
}

static int restore_one(const struct session *session, const struct guest *guest, const char *volume,
		       struct claims *claims)
{
	(void)guest;
	(void)claims;
	return snap_restore(volume, session->state);
}

static int each_volume(const struct session *session, struct claims *claims,
		       int (*step)(const struct session *session, const struct guest *guest,
				   const char *volume, struct claims *claims))
{
	size_t i, j;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++) {
		const struct guest *guest = &session->guest[i];

		for (j = 0; !ret && j < guest->n_volumes; j++) {
			ret = step(session, guest, guest->volume[j], claims);
			if (ret)
				err("guest %s: cannot restore volume %s: %s", guest->name,
				    guest->volume[j], snap_reason(ret));
		}
	}
	return ret;
}

/* All are claimed before the first is changed. */
static int restore_volumes(const struct session *session)
{
	struct claims claims = { 0 };
	int ret = each_volume(session, &claims, claim);

	if (!ret)
		ret = each_volume(session, &claims, restore_one);
	while (claims.n)
		if (claims.fd[--claims.n] >= 0)
			close(claims.fd[claims.n]);
	free(claims.fd);
	return ret;
}

static int start_guest(struct guest *guest)
{
	char *name = xprintf("%s.lpar", guest->name);
	char *file = session_file(guest->session, name);
	int ret = guest_start_incoming(guest, file);

	free(file);
	free(name);
	return ret;
}

/* Its netdevs hold before anything can come. */
static int prepare_netdevs(struct session *session)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++) {
		struct guest *guest = &session->guest[i];

		ret = guest_take_incoming(guest);
		if (!ret)
			ret = guest_hold(guest);
		if (!ret)
			ret = session_store(session);
	}
	return ret;
}

static int load_frames(const struct session *session)
{
	char *path;
	int ret;

	if (!session->has_frames)
		return 0;
	path = session_file(session, "frames.pcapng");
	ret = netbuf_load(path) ? -EIO : 0;
	free(path);
	return ret;
}

/* Those that run under these names now. They are not claimed: what is undone is what we start. */
static int end_present(struct session *session)
{
	size_t i;
	int ret;

	for (i = 0; i < session->n_guests; i++)
		guest_find(&session->guest[i]);
	ret = session_each(session, guest_end, STAGE_END, "ending");
	setenv(SESSION_VARIABLE, session->id, 1);
	return ret;
}

/* load: {name, dir, host, sha256} -> {guests: {GUEST: ns}} */
int restore_load(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *description, *guests = json_object_new_object();
	int ret = session_begin(session, SESSION_RESTORE, request);
	size_t i;

	*result = json_object_new_object();
	json_object_object_add(*result, "guests", guests);
	if (ret)
		return ret;
	ret = load_description(session->dir, json_text(request, "sha256"), &description);
	if (!ret)
		ret = add_guests(session, description);
	json_object_put(description);
	if (!ret)
		ret = session_store(session);
	if (!ret)
		ret = end_present(session);
	if (!ret)
		ret = restore_volumes(session);
	session->starts = !ret;
	if (!ret)
		ret = session_each(session, start_guest, STAGE_START, "starting");
	if (!ret)
		ret = prepare_netdevs(session);
	if (!ret)
		ret = session_each(session, guest_connect, 0, "no monitor");
	if (!ret)
		ret = session_each(session, migrate_in, STAGE_LOAD, "loading");
	if (!ret)
		ret = load_frames(session);
	/* They run again as soon as they are told to: that is no time to wait for disks. */
	for (i = 0; !ret && i < session->n_guests; i++)
		ret = running_arrived(session->guest[i].name);
	for (i = 0; !ret && i < session->n_guests; i++)
		json_put_u64(guests, session->guest[i].name, session->guest[i].step_ns);
	return ret;
}
