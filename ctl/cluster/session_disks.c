// SPDX-License-Identifier: GPL-2.0
/*
 * The volumes of a session's guests, and the states of them that a save takes.
 *
 * What is taken of one volume is taken of all that are active in its group, of which some may be
 * another guest's, or nobody's. Of these others nothing is wanted; they are on record so that
 * nothing stays of them, whatever becomes of the save.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

typedef int disk_step(const struct session *session, const char *volume);

static int take_step(const struct session *session, disk_step *step, const char *volume)
{
	child_begins(volume);
	return step(session, volume);
}

static int each_own(const struct session *session, disk_step *step)
{
	size_t i, j;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++)
		for (j = 0; !ret && j < session->guest[i].n_volumes; j++)
			ret = take_step(session, step, session->guest[i].volume[j]);
	return ret;
}

static int each_other(const struct session *session, disk_step *step)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_count(session->others); i++)
		ret = take_step(session, step, json_text_at(session->others, i));
	return ret;
}

static bool has_volumes(const struct session *session)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		if (session->guest[i].n_volumes)
			return true;
	return json_count(session->others);
}

static int fail(const char *volume, const char *what, int ret)
{
	err("volume %s: cannot %s: %s", volume, what, snap_reason(ret));
	return ret;
}

/* --- who is in their groups --- */

static bool is_own(const struct session *session, const char *volume)
{
	size_t i, j;

	for (i = 0; i < session->n_guests; i++)
		for (j = 0; j < session->guest[i].n_volumes; j++)
			if (!strcmp(session->guest[i].volume[j], volume))
				return true;
	return false;
}

static int add_others(const struct session *session, const char *volume)
{
	char *members = NULL, *member, *rest;
	int ret = snap_message(volume, "members", &members);

	if (ret)
		return fail(volume, "ask for its group", ret);
	for (member = strtok_r(members, "\n", &rest); member; member = strtok_r(NULL, "\n", &rest))
		if (!is_own(session, member) && !json_is_among(session->others, member))
			json_object_array_add(session->others, json_object_new_string(member));
	free(members);
	return 0;
}

static int add_all_others(struct session *session)
{
	return each_own(session, add_others);
}

int disks_find_others(struct session *session)
{
	session->others = json_object_new_array();
	return has_volumes(session) ? child_run(session, add_all_others) : 0;
}

/* --- taking --- */

/* Undo would delete a state that was there before. */
static int check_no_state(const struct session *session, const char *volume)
{
	int ret = snap_has_state(volume, session->state);

	if (ret > 0)
		err("volume %s has a state %s already: choose another name, or, if it is left of a save, 'lparctl cluster delete %s --hosts HOST,...' and then 'lparctl snap delete %s %s'",
		    volume, session->state, session->name, volume, session->state);
	else if (ret)
		err("volume %s: %s", volume, snap_reason(ret));
	return ret > 0 ? -EEXIST : ret;
}

static int check_takes(const struct session *session, const char *volume)
{
	struct snap_status status;
	int ret = check_no_state(session, volume);

	if (ret || snap_read_status(volume, &status) || !status.read_only)
		return ret;
	err("volume %s is read-only: %s", volume, *status.reason ? status.reason : "by its table");
	return -EROFS;
}

/* One take is for all of a group, so that some volumes have the state already. */
static int take(const struct session *session, const char *volume)
{
	int ret = snap_has_state(volume, session->state);

	if (!ret)
		ret = snap_change(volume, "take", session->state);
	return ret < 0 ? fail(volume, "take its state", ret) : 0;
}

/* One that is gone, or that has left the group, has none. */
static int forget(const struct session *session, const char *volume)
{
	int ret = snap_has_state(volume, session->state);

	if (ret > 0)
		ret = snap_change(volume, "delete", session->state);
	return ret && ret != -ENXIO ? fail(volume, "delete a state that is not wanted", ret) : 0;
}

static int check_all(struct session *session)
{
	int ret = each_own(session, check_takes);

	return ret ? ret : each_other(session, check_takes);
}

/* Before any guest stands: what would make the save fail when all do. */
int disks_check(struct session *session)
{
	return has_volumes(session) ? child_run(session, check_all) : 0;
}

static int take_all(struct session *session)
{
	int ret = each_own(session, take);

	return ret ? ret : each_other(session, forget);
}

/* disks: a state of each volume */
int save_disks(struct session *session, struct json_object *request, struct json_object **result)
{
	int ret;

	(void)request;
	(void)result;
	if (!has_volumes(session))
		return 0;
	ret = disks_check(session);
	if (!ret) {
		session->taken = true;
		ret = session_store(session);
	}
	return ret ? ret : child_run(session, take_all);
}

/* --- undoing --- */

static int try_forget(const struct session *session, const char *volume)
{
	snap_change(volume, "delete", session->state);
	return 0;
}

static int try_forget_all(struct session *session)
{
	each_own(session, try_forget);
	return each_other(session, try_forget);
}

/* What save_disks() has taken, if it has; fails only if a store does not answer. */
int disks_forget(struct session *session)
{
	return session->taken ? child_run(session, try_forget_all) : 0;
}

/* A state has the name of the time at which its group took part in the cut. */
static int forget_cut(const struct session *session, const char *volume)
{
	struct json_object *points = json_object_object_get(session->fired, "points");
	size_t i;

	for (i = 0; i < json_count(points); i++) {
		struct json_object *point = json_at(points, i);

		if (!strcmp(json_text(point, "kind"), "snapsync"))
			snap_delete_cut(volume, json_number(point, "fired_ns"));
	}
	return 0;
}

static int forget_cut_of_all(struct session *session)
{
	each_own(session, forget_cut);
	return each_other(session, forget_cut);
}

/*
 * The groups that are called as the LPARs are have taken part in the cut, if that has fired. The
 * kernel knows when, whoever has armed it; other cuts' states are none of ours. The same.
 */
int disks_forget_cut(struct session *session)
{
	int ret;

	if (!has_volumes(session))
		return 0;
	session->fired = cut_find(session->guest[0].name, session->deadline_ns);
	ret = child_run(session, forget_cut_of_all);
	json_object_put(session->fired);
	session->fired = NULL;
	return ret;
}
