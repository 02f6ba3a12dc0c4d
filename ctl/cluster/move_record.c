// SPDX-License-Identifier: GPL-2.0
/*
 * On which host a guest lives that migrates: one record at each end, which survives a crash.
 * The source's is the decision: "destination" in it, and the guest lives there; before that,
 * and without one, it lives at the source. The destination's says whether the guest is all
 * there; from then on it is kept until the source has been asked.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

/* NULL when there is none; -EBADMSG, with a message, when it cannot be read. To be put. */
int move_load(const char *name, struct json_object **record)
{
	char path[PATH_MAX];

	*record = NULL;
	if (access(move_path(path, sizeof(path), name), F_OK))
		return errno == ENOENT ? 0 : -errno;
	*record = json_object_from_file(path);
	if (*record)
		return 0;
	err("%s: damaged: look on which of the hosts the guest runs, then remove it", path);
	return -EBADMSG;
}

/* It is there, whole, whatever becomes of this host from now on. */
int move_store(const char *name, struct json_object *record)
{
	char path[PATH_MAX], *dir;
	int ret;

	move_path(path, sizeof(path), name);
	dir = xstrdup(path);
	*strrchr(dir, '/') = 0;
	ret = make_dir(dir, 0700);
	if (ret)
		err("%s: %s", dir, strerror(-ret));
	else
		ret = saved_store(path, record);
	free(dir);
	return ret;
}

/* It is gone, and stays so. */
int move_forget(const char *name)
{
	char path[PATH_MAX];
	int ret = 0;

	move_path(path, sizeof(path), name);
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	ret = sync_parent(path);
	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

static const char *role_of(enum session_kind kind)
{
	return kind == SESSION_LEAVE ? "source" : "destination";
}

/*
 * A session for what is on record here: the one that is open, or, after the process that had
 * it has ended, another one. The request has "name" and "id". The record is to be put.
 */
int move_adopt(struct session *session, enum session_kind kind, struct json_object *request,
	       struct json_object **record)
{
	const char *name = json_text(request, "name"), *id = json_text(request, "id");
	struct json_object *guest;
	int ret = 0;

	*record = NULL;
	if (session->kind != kind)
		ret = session_open(session, kind, name);
	else if (strcmp(session->name, name))
		ret = -EINVAL;
	if (!ret)
		ret = move_load(name, record);
	if (!ret && (!*record || strcmp(json_text(*record, "id"), id) ||
		     strcmp(json_text(*record, "role"), role_of(kind)))) {
		err("LPAR %s: this host is not the %s of that migration", name, role_of(kind));
		ret = -ENOENT;
	}
	if (ret || session->n_guests)
		return ret;
	snprintf(session->id, sizeof(session->id), "%s", id);
	setenv(SESSION_VARIABLE, session->id, 1);
	guest = json_object_object_get(*record, "guest");
	if (!guest)
		return 0;
	session_add_recorded(session, guest);
	session->gated = true;
	guest_look(&session->guest[0]);
	guest_find_netdevs(&session->guest[0]);
	return guest_lock(&session->guest[0]);
}

/* Its copy here ends, and its LPAR is given back; one whose QEMU is gone has left that active. */
int move_end_guest(struct session *session)
{
	const char *const words[] = { "stop", session->name, "--timeout", "0s", NULL };
	struct guest *guest = &session->guest[0];
	bool gone = !guest->pid;
	struct lpar lpar;
	int ret;

	/* The caller is not listened to any more: this is to be finished. */
	session->idle = NULL;
	ret = session_end_guests(session);
	if (ret || !gone)
		return ret;
	if (!lpar_get(guest->name, &lpar) && lpar_is_fenced(&lpar)) {
		guest_unlock(guest);
		ret = guest_run_lparctl(guest, words);
		if (ret)
			err("LPAR %s: %s", guest->name, guest->why);
	}
	lpar_free(&lpar);
	return ret;
}

static bool guest_is_there(struct json_object *record)
{
	struct json_object *guest = json_object_object_get(record, "guest");
	struct process process = {
		.pid = json_number(guest, "pid"),
		.start = json_number(guest, "start"),
	};

	return process.start && process_lives(&process);
}

/* Some guest has that LPAR, whatever is on record. */
static bool runs_here(const char *name)
{
	struct lpar lpar;
	bool runs = !lpar_get(name, &lpar) && lpar_guest_pid(&lpar);

	lpar_free(&lpar);
	return runs;
}

/* where: {name} -> the record of this host, whether its guest is there, and whether one runs */
int move_state(struct session *session, struct json_object *request, struct json_object **result)
{
	const char *name = json_text(request, "name");
	struct json_object *record;
	int ret;

	(void)session;
	if (!name_is_valid(name)) {
		err("not a valid name");
		return -EINVAL;
	}
	ret = move_load(name, &record);
	*result = json_object_new_object();
	json_object_object_add(*result, "there", json_object_new_boolean(guest_is_there(record)));
	json_object_object_add(*result, "runs", json_object_new_boolean(runs_here(name)));
	json_object_object_add(*result, "record", record);
	return ret;
}
