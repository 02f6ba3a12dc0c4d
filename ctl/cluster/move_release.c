// SPDX-License-Identifier: GPL-2.0
/*
 * The host that a guest leaves, once all of it is sent, or that is given up: the decision, what
 * it had here is given back, or it goes on. move_source.c has what comes before that.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/move_source.h"
#include "throttle/throttle.h"

/* Of former drop-ins that are kept beside each other. */
#define DROP_INS_MOST 99

char *leave_frames_path(const struct guest *guest)
{
	char path[PATH_MAX];

	return xstrdup(run_path(path, sizeof(path), guest->name, "moved.pcapng"));
}

static void end_throttle(struct guest *guest)
{
	if (guest->pid && guest->throttled && nl_available(&nl_throttle))
		throttle_release(guest->pid);
	guest->throttled = false;
}

/* An LPAR that is gone by now has none. */
static void end_stage(const struct guest *guest)
{
	const struct stage none = { .text = "" };

	stage_set(guest->name, &none, LPAR_STATE_ACTIVE, false);
}

/* Of one that is gone: that of a guest which ends is opened for it. */
static void open_gate(const struct guest *guest)
{
	if (guest->closed)
		nl_simple(LPAR_CMD_GATE_OPEN, guest->name);
}

/* --- the decision, and after it --- */

/* All of it is gone from here, by QEMU's own words, or its QEMU is. */
static int check_sent(struct guest *guest)
{
	struct progress progress = { .status = "" };
	int ret;

	guest_look(guest);
	if (!guest->pid)
		return 0;
	ret = guest_failed(guest, "no monitor", guest_connect(guest));
	if (!ret)
		ret = leave_query(guest, &progress);
	if (!ret && !leave_is(&progress, "completed")) {
		err("guest %s: not all of it is sent", guest->name);
		ret = -EBUSY;
	}
	return ret;
}

/* decide: {name, id}: the guest lives at the destination from now on, and never again here */
int leave_decide(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	if (!ret)
		ret = session->n_guests ? check_sent(move_guest(session)) : 0;
	if (!ret) {
		json_put(record, "decision", MOVE_AWAY);
		ret = move_store(session->name, record);
	}
	json_object_put(record);
	return ret;
}

/* Those of an earlier move make way, whoever has put drop-ins there. */
static int retire_drop_ins(const char *from, const char *to)
{
	char path[PATH_MAX + 16];
	unsigned int n;

	snprintf(path, sizeof(path), "%s", to);
	for (n = 1; rename(from, path); n++) {
		if (errno == ENOENT)
			return 0;
		if ((errno != ENOTEMPTY && errno != EEXIST) || n > DROP_INS_MOST)
			return -errno;
		snprintf(path, sizeof(path), "%s.%u", to, n);
	}
	return sync_parent(to);
}

/* A description that stays would start the guest here once more; drop-ins would change another. */
static int retire_config(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	int ret;

	rooted(from, sizeof(from), "/etc/lparkit/%s.lpar.d", name);
	rooted(to, sizeof(to), "/etc/lparkit/%s.lpar.moved.d", name);
	ret = retire_drop_ins(from, to);
	rooted(from, sizeof(from), "/etc/lparkit/%s.lpar", name);
	rooted(to, sizeof(to), "/etc/lparkit/%s.lpar.moved", name);
	if (ret)
		return ret;
	if (!rename(from, to))
		return sync_parent(to);
	return errno == ENOENT ? 0 : -errno;
}

static void remove_frames(const struct guest *guest)
{
	char *path = leave_frames_path(guest);

	unlink(path);
	free(path);
}

/* release: {name, id}: the destination has it; what it had here is given back */
int leave_release(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	if (!ret && !move_is_away(record)) {
		err("LPAR %s: it is not decided that its guest lives elsewhere", session->name);
		ret = -EBUSY;
	}
	json_object_put(record);
	if (!ret && session->n_guests) {
		remove_frames(move_guest(session));
		end_throttle(move_guest(session));
		end_stage(move_guest(session));
		ret = move_end_guest(session);
	}
	if (!ret && session->n_guests)
		open_gate(move_guest(session));
	if (!ret)
		ret = retire_config(session->name);
	/* After a crash of this host there was no guest to end. */
	if (!ret && !move_runs_here(session->name))
		ret = running_forget(session->name);
	if (!ret)
		ret = move_forget(session->name);
	if (!ret)
		session_end(session);
	return ret;
}

/* --- undoing --- */

static void flush_netdevs(struct guest *guest)
{
	guest_flush(guest);
	guest_drain(guest);
	guest_detach(guest);
}

/* Is it decided, or another migration's? Who cannot read that holds still. */
static int read_decision(const struct session *session, bool *away)
{
	struct json_object *record;
	int ret = move_load(session->name, &record);

	*away = move_is_away(record) || (record && strcmp(json_text(record, "id"), session->id));
	json_object_put(record);
	return ret;
}

static int put_parameters_back(struct guest *guest)
{
	int ret = guest_connect(guest);

	if (!ret)
		ret = leave_set_pause(guest, guest->pauses);
	return ret ? ret : guest_set_downtime(guest, guest->downtime_ms);
}

/*
 * Before the decision the guest goes on here, and then there is no record of it that a
 * destination could find; after it, it stands, and "migrate recover" has the rest.
 */
int leave_undo(struct session *session)
{
	struct guest *guest = move_guest(session);
	bool away;
	int ret = read_decision(session, &away);

	if (ret)
		return ret;
	if (!session->gated || !session->n_guests || away)
		return 0;
	setenv(SESSION_VARIABLE, session->id, 1);
	end_throttle(guest);
	/* Its memory may be whole elsewhere, with these frames: "migrate recover" finds out. */
	if (!guest->pid) {
		flush_netdevs(guest);
		return 0;
	}
	/* The stop, too, of a guest whose stream has not ended is undone by its end. */
	ret = move_forget(session->name);
	if (ret)
		return ret;
	guest->migrates = true;
	guest->stays_frozen = !guest->closed && guest_is_frozen(guest->name);
	ret = session_go_on(session);
	if (!ret)
		ret = guest_failed(guest, "cannot go on", put_parameters_back(guest));
	remove_frames(guest);
	session_detach(session);
	end_stage(guest);
	return ret;
}

/* stay: {name, id}: nobody has undone it yet, and nobody has decided */
int leave_stay(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	if (!ret && move_is_away(record)) {
		err("LPAR %s: it is decided that its guest lives elsewhere", session->name);
		ret = -EBUSY;
	}
	json_object_put(record);
	if (ret)
		return ret;
	/* With what a killed process has not come to put down. */
	session->gated = session->writing = true;
	return session_undo(session);
}

/* forget: {name, id}: neither copy is there any more */
int leave_forget(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *record;
	int ret = move_adopt(session, SESSION_LEAVE, request, &record);

	(void)result;
	json_object_put(record);
	if (!ret && session->n_guests && move_guest(session)->pid) {
		err("guest %s is there, and may not be forgotten", session->name);
		ret = -EBUSY;
	}
	if (ret)
		return ret;
	if (session->n_guests) {
		flush_netdevs(move_guest(session));
		open_gate(move_guest(session));
		remove_frames(move_guest(session));
		end_stage(move_guest(session));
	}
	ret = move_forget(session->name);
	if (!ret)
		session_end(session);
	return ret;
}
