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

/* Which host this is, whatever it is called; "" where that is not known. */
const char *host_id(char *buf, size_t size)
{
	char path[PATH_MAX];

	if (read_text(rooted(path, sizeof(path), "/etc/machine-id"), buf, size))
		*buf = 0;
	return buf;
}

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

/* Of which the end is not known. */
int move_check_none(const char *name)
{
	struct json_object *record;
	int ret = move_load(name, &record);

	if (!ret && record) {
		err("LPAR %s: another migration of it is not over: run 'lparctl migrate recover %s'",
		    name, name);
		ret = -EBUSY;
	}
	json_object_put(record);
	return ret;
}

/* It is decided that the guest lives at the destination. */
bool move_is_away(struct json_object *record)
{
	return !strcmp(json_text(record, "decision"), MOVE_AWAY);
}

static const char *role_of(enum session_kind kind)
{
	return kind == SESSION_LEAVE ? "source" : "destination";
}

/* What either end's begins with; the peer is the other host. To be put. */
struct json_object *move_new_record(const struct session *session, const char *peer,
				    const char *peer_id)
{
	struct json_object *record = json_object_new_object();

	json_put(record, "role", role_of(session->kind));
	json_put(record, "id", session->id);
	json_put(record, "name", session->name);
	json_put(record, "peer", peer);
	json_put(record, "peer_id", peer_id);
	return record;
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
	if (!ret)
		ret = sync_parent(dir);
	if (ret)
		err("%s: %s", dir, strerror(-ret));
	else
		ret = saved_store(path, record);
	free(dir);
	return ret;
}

/* With what is known of the guest by now. */
int move_store_guest(const struct session *session, struct json_object *record)
{
	json_object_object_add(record, "guest", guest_record(move_guest(session)));
	return move_store(session->name, record);
}

/* It is gone, and stays so. */
int move_forget(const char *name)
{
	char path[PATH_MAX];
	int ret = remove_synced(move_path(path, sizeof(path), name));

	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

/* Each so many rounds, as listening takes a while itself; the rounds are counted. */
int move_listen(struct session *session, unsigned int *rounds, unsigned int each)
{
	if ((*rounds)++ % each || session->idle(session))
		return 0;
	err("given up");
	return -ECANCELED;
}

/* A session of this kind has one. */
struct guest *move_guest(const struct session *session)
{
	return &session->guest[0];
}

/*
 * A session for what is on record here: the one that is open, or, after the process that had
 * it has ended, another one. The request has "name" and "id". The record is to be put.
 */
int move_adopt(struct session *session, enum session_kind kind, struct json_object *request,
	       struct json_object **record)
{
	const char *name = json_text(request, "name"), *id = json_text(request, "id");
	bool opened = session->kind != kind;
	struct json_object *guest;
	int ret = 0;

	*record = NULL;
	if (opened)
		ret = session_open(session, kind, name);
	else if (strcmp(session->name, name))
		ret = -EINVAL;
	if (ret)
		return ret;
	ret = move_load(name, record);
	if (!ret && (!*record || strcmp(json_text(*record, "id"), id) ||
		     strcmp(json_text(*record, "role"), role_of(kind)))) {
		err("LPAR %s: this host is not the %s of that migration", name, role_of(kind));
		ret = -ENOENT;
	}
	/* What another migration has here is not ours to undo. */
	if (ret && opened)
		session_end(session);
	if (ret || session->n_guests)
		return ret;
	snprintf(session->id, sizeof(session->id), "%s", id);
	setenv(SESSION_VARIABLE, session->id, 1);
	guest = json_object_object_get(*record, "guest");
	if (!guest)
		return 0;
	session_add_recorded(session, guest);
	session->gated = true;
	guest_look(move_guest(session));
	guest_find_netdevs(move_guest(session));
	return guest_lock(move_guest(session));
}

/* Its copy here ends, and its LPAR is given back; one whose QEMU is gone has left that active. */
int move_end_guest(struct session *session)
{
	struct guest *guest = move_guest(session);
	bool gone = !guest->pid;
	struct lpar lpar;
	int ret;

	ret = session_end_guests(session);
	if (ret || !gone)
		return ret;
	if (!lpar_get(guest->name, &lpar) && lpar_is_fenced(&lpar)) {
		guest_unlock(guest);
		ret = guest_give_back(guest);
		if (ret)
			err("LPAR %s: %s", guest->name, guest->why);
	}
	lpar_free(&lpar);
	return ret;
}

/* Numbers of processes are worth nothing after a reboot. */
static bool guest_is_there(struct json_object *record)
{
	struct json_object *guest = json_object_object_get(record, "guest");
	char boot[BOOT_ID_CHARS + 1];
	struct process process = {
		.pid = json_number(guest, "pid"),
		.start = json_number(guest, "start"),
	};

	return process.start && !strcmp(json_text(guest, "boot"), boot_id(boot, sizeof(boot))) &&
	       process_lives(&process);
}

/* A decision that a power loss would take back is none that anybody may hear of. */
static int synchronise(const char *name, struct json_object *record)
{
	char path[PATH_MAX];
	int ret = record ? sync_parent(move_path(path, sizeof(path), name)) : 0;

	if (ret)
		err("%s: %s", path, strerror(-ret));
	return ret;
}

/* Some guest has that LPAR, whatever is on record. */
bool move_runs_here(const char *name)
{
	struct lpar lpar;
	bool runs = !lpar_get(name, &lpar) && lpar_guest_pid(&lpar);

	lpar_free(&lpar);
	return runs;
}

/*
 * where: {name} -> {there, runs, host_id, record}: whether the guest of the record is there,
 * and whether any runs
 */
int move_state(struct session *session, struct json_object *request, struct json_object **result)
{
	const char *name = json_text(request, "name");
	char id[HOST_ID_CHARS + 1];
	struct json_object *record;
	int ret;

	(void)session;
	if (!name_is_valid(name)) {
		err("not a valid name");
		return -EINVAL;
	}
	ret = move_load(name, &record);
	if (!ret)
		ret = synchronise(name, record);
	*result = json_object_new_object();
	json_put_flag(*result, "there", guest_is_there(record));
	json_put_flag(*result, "runs", move_runs_here(name));
	json_put(*result, "host_id", host_id(id, sizeof(id)));
	json_object_object_add(*result, "record", record);
	return ret;
}
