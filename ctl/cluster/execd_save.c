// SPDX-License-Identifier: GPL-2.0
/*
 * What a host does so that its guests stand and go on at one instant; Documentation/cluster.md has
 * the order of the requests.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cluster/cluster.h"

/* Between looks at whether an operation is given up. */
#define NAP_NS (50 * NSEC_PER_MSEC)
/* The cut has the CPUs for itself first. */
#define STOP_AFTER_NS NSEC_PER_MSEC
/* Of those who are told to stop then, all have a thread by that. */
#define LOOK_BEFORE_NS (100 * NSEC_PER_MSEC)
/* What QMP takes may double; and no more is to be lost by a host that is busy. */
#define LEAD_LEAST_NS (2 * NSEC_PER_MSEC)
#define LEAD_MOST_NS (60 * (uint64_t)NSEC_PER_MSEC)

/* 2 is execd_files.c's */
enum { STAGE_STOP = 1, STAGE_RESUME = 4 };

static int fail_cancelled(void)
{
	err("given up");
	return -ECANCELED;
}

/* --- begin --- */

static struct json_object *describe(const struct guest *guest)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "name", guest->name);
	json_put_flag(json, "by_monitor", guest->monitor);
	json_put_u64(json, "memory", guest->memory);
	json_object_object_add(json, "netdevs", guest_netdevs(guest));
	json_object_object_add(json, "volumes", guest_volumes(guest));
	json_object_object_add(json, "warnings", json_object_get(guest->warnings));
	return json;
}

/* Those that are not here may be elsewhere: the caller asks several hosts, and compares. */
static int check_names(const struct session *session, struct json_object *wanted, bool elsewhere)
{
	size_t i;

	for (i = 0; !elsewhere && i < json_count(wanted); i++) {
		const char *name = json_text_at(wanted, i);

		if (session_has(session, name))
			continue;
		err("LPAR %s runs no guest that 'lparctl start' has started: name its QMP socket by --qmp %s=PATH",
		    name, name);
		return -ENOENT;
	}
	if (session->n_guests)
		return 0;
	if (json_count(wanted))
		err("no guest of the LPARs of --lpar runs here: name others, or leave this host out of --hosts");
	else
		err("no guest runs here that 'lparctl start' has started: name the QMP sockets of others by --qmp LPAR=PATH");
	return -ENOENT;
}

/* Restoring starts what the file says, also where somebody else has started it before. */
static int check_described(const struct session *session)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++) {
		if (!session->guest[i].monitor || config_exists(session->guest[i].name))
			continue;
		err("guest %s: /etc/lparkit/%s.lpar is not there: it must describe the same machine, or it cannot be restored",
		    session->guest[i].name, session->guest[i].name);
		return -ENOENT;
	}
	return 0;
}

/* Who has frozen it would find it going on. */
static int check_thawed(const struct session *session)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++) {
		if (!session->guest[i].frozen)
			continue;
		err("LPAR %s is frozen: run 'lparctl thaw %s' first", session->guest[i].name,
		    session->guest[i].name);
		return -EBUSY;
	}
	return 0;
}

static int prepare_dir(struct session *session)
{
	char *part = session_file(session, "");
	int ret = 0;

	if (!access(session->dir, F_OK)) {
		err("%s is there already: choose another name, or 'lparctl cluster delete %s'",
		    session->dir, session->name);
		ret = -EEXIST;
	}
	if (!ret)
		ret = remove_dir(part);
	if (!ret) {
		session->prepared = true;
		ret = make_dir(part, 0700);
		if (ret)
			err("%s: %s", part, strerror(-ret));
	}
	free(part);
	return ret;
}

/* Most of a guest's memory may be blank, which takes none: whether it fits shows only later. */
static struct json_object *warn_of_room(const struct session *session)
{
	struct json_object *warnings = json_object_new_array();
	char *part = session_file(session, "");
	struct statvfs fs;
	uint64_t wanted = 0, room;
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		wanted += session->guest[i].memory;
	if (!statvfs(part, &fs)) {
		room = (uint64_t)fs.f_bavail * fs.f_frsize;
		if (room < wanted)
			json_add(warnings,
				 "%s has room for %" PRIu64 " MiB, and the guests have %" PRIu64
				 " MiB of memory",
				 part, room >> 20, wanted >> 20);
	}
	free(part);
	return warnings;
}

/* begin: {name, dir, host, lpars: [], elsewhere, qmp: {}} -> {guests: [...], left_out: [], warnings: []} */
int save_begin(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *names = json_object_object_get(request, "lpars");
	struct json_object *guests = json_object_new_array();
	int ret = session_begin(session, SESSION_SAVE, request);
	size_t i;

	*result = json_object_new_object();
	json_object_object_add(*result, "guests", guests);
	if (!ret)
		ret = session_find_guests(session, names, json_object_object_get(request, "qmp"));
	if (!ret)
		ret = check_names(session, names, json_flag(request, "elsewhere"));
	if (!ret)
		ret = check_described(session);
	if (!ret)
		ret = check_thawed(session);
	if (!ret)
		ret = disks_find_others(session);
	if (!ret)
		ret = disks_check(session);
	if (!ret)
		ret = prepare_dir(session);
	if (!ret)
		ret = session_store(session);
	for (i = 0; !ret && i < session->n_guests; i++)
		ret = guest_attach(&session->guest[i]);
	if (!ret)
		ret = session_each(session, guest_connect, 0, "no monitor");
	if (!ret)
		ret = session_each(session, guest_inspect, 0, "cannot be saved");
	if (!ret)
		ret = session_store(session);
	for (i = 0; !ret && i < session->n_guests; i++)
		json_object_array_add(guests, describe(&session->guest[i]));
	json_object_object_add(*result, "left_out", json_object_get(session->left_out));
	json_object_object_add(*result, "warnings", ret ? NULL : warn_of_room(session));
	return ret;
}

/* --- arm --- */

/*
 * Writing takes longer than a gate stays closed. Guests that are halted do not run on
 * when it opens, but frames that only the cut holds would be sent: they are ours now.
 */
static int hold_frames(struct session *session)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < session->n_guests; i++)
		ret = guest_hold(&session->guest[i]);
	return ret;
}

/* Before guests are told to go on: they wait at the gate for the cut. */
static int close_gates(struct session *session, uint64_t at_ns)
{
	int64_t left = at_ns - now_ns(CLOCK_REALTIME);
	uint32_t timeout_ms = (left > 0 ? left / NSEC_PER_MSEC : 0) + GATE_GRACE_MS;
	size_t i;
	int ret;

	for (i = 0; i < session->n_guests; i++) {
		ret = gate_close(session->guest[i].name, timeout_ms);
		if (ret)
			return lpar_fail(session->guest[i].name, ret);
	}
	return 0;
}

static int ask_status(struct guest *guest)
{
	return guest_call(guest, "query-status", NULL, -1, NULL);
}

/*
 * Guests whose clocks run on at the gate, and guests that have to wait for their QEMU
 * when it opens, lose as much; so they are told to go on as long before as QMP takes now.
 */
static int find_lead(struct session *session)
{
	int ret = session_each(session, ask_status, 0, "no answer");
	size_t i;

	session->lead_ns = LEAD_LEAST_NS;
	for (i = 0; i < session->n_guests; i++)
		if (session->lead_ns < 2 * session->guest[i].step_ns)
			session->lead_ns = 2 * session->guest[i].step_ns;
	if (session->lead_ns > LEAD_MOST_NS)
		session->lead_ns = LEAD_MOST_NS;
	return ret;
}

/*
 * Another host was too late for the instant before. Here it may have fired, and a closing one made
 * netdevs hold; what comes from now on waits behind that.
 */
static int take_back_cut(struct session *session)
{
	size_t i;

	if (!session->cut)
		return 0;
	for (i = 0; i < session->n_guests; i++)
		cut_cancel_of(session->guest[i].name, session->deadline_ns);
	session->cut = 0;
	return hold_frames(session);
}

static void note_frozen(struct session *session)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		session->guest[i].frozen = guest_is_frozen(session->guest[i].name);
}

/* What somebody has frozen, or holds, since begin would be let go on. */
static int check_unused(struct session *session)
{
	size_t i;
	int ret = 0;

	note_frozen(session);
	for (i = 0; !ret && i < session->n_guests; i++)
		ret = guest_check_unused(&session->guest[i]);
	return ret ? ret : check_thawed(session);
}

/* arm: {action: close or open, at_ns} -> {late}: that instant is past here */
int cut_arm_request(struct session *session, struct json_object *request,
		    struct json_object **result)
{
	int action = cut_action_number(json_text(request, "action"));
	const char **names;
	size_t i, n = 0;
	int ret = action == LPAR_CUT_CLOSE ? check_unused(session) : 0;

	if (ret)
		return ret;
	names = xalloc((session->n_guests + 1) * sizeof(*names));
	ret = take_back_cut(session);
	session->deadline_ns = json_number(request, "at_ns");
	/* Whoever was paused does not go on: its gate is opened when that is sure. */
	for (i = 0; i < session->n_guests; i++)
		if (action == LPAR_CUT_CLOSE || session->guest[i].ran)
			names[n++] = session->guest[i].name;
	session->gated = true;
	session->apart |= action == LPAR_CUT_OPEN;
	ret = ret ? ret : session_store(session);
	if (action == LPAR_CUT_OPEN) {
		ret = ret ? ret : session_keep_frames(session);
		ret = ret ? ret : find_lead(session);
		ret = ret ? ret : close_gates(session, session->deadline_ns);
	}
	if (!ret && n)
		ret = cut_arm(action, &session->deadline_ns, names, n, &session->cut);
	free(names);
	*result = json_object_new_object();
	json_put_flag(*result, "late", ret == -ETIME);
	return ret == -ETIME ? 0 : ret;
}

/* --- stop, resume --- */

/* Returns -ECANCELED, with a message, when the caller gives up. */
int session_sleep_until(struct session *session, uint64_t time_ns)
{
	int64_t left;

	while ((left = time_ns - now_ns(CLOCK_REALTIME)) > 0) {
		/* What listens takes up to 50 ms itself. */
		if (left < 60 * NSEC_PER_MSEC)
			sleep_ms(left / NSEC_PER_MSEC + 1);
		else if (!session->idle(session))
			return fail_cancelled();
	}
	return 0;
}

/* The report of the armed cut once it has fired. */
static int wait_fired(struct session *session, struct json_object **cut)
{
	int ret = session_sleep_until(session, session->deadline_ns);

	while (!ret && session->cut) {
		*cut = cut_get(session->cut, &ret);
		if (!ret && !strcmp(json_text(*cut, "state"), "fired")) {
			session->cut = 0;
			return 0;
		}
		if (!ret && !strcmp(json_text(*cut, "state"), "cancelled"))
			ret = -ECANCELED;
		if (!ret && now_ns(CLOCK_REALTIME) > session->deadline_ns + FIRE_GRACE_NS)
			ret = -ETIMEDOUT;
		json_object_put(*cut);
		*cut = NULL;
		if (ret)
			err("the cut did not fire: %s", strerror(-ret));
		else
			sleep_ms(1);
	}
	return ret;
}

static int check_points(struct json_object *cut)
{
	struct json_object *points = json_object_object_get(cut, "points");
	size_t i;

	for (i = 0; i < json_count(points); i++) {
		struct json_object *point = json_at(points, i);

		if (json_number(point, "error")) {
			err("%s %s did not take part in the cut: %s", json_text(point, "kind"),
			    json_text(point, "name"), strerror(-json_number(point, "error")));
			return json_number(point, "error");
		}
	}
	return 0;
}

/*
 * In the threads of guests: to start them takes longer than QMP. The clock may be set
 * meanwhile, so that none sleeps long.
 */
static int wait_to_act(const struct session *session)
{
	int64_t left;

	while ((left = session->act_ns - now_ns(CLOCK_REALTIME)) > 0) {
		struct timespec nap = { .tv_nsec = left < NAP_NS ? left : NAP_NS };

		if (session->cancelled)
			return -ECANCELED;
		nanosleep(&nap, NULL);
	}
	return 0;
}

static int stop_guest(struct guest *guest)
{
	int ret = wait_to_act(guest->session);
	bool stopped;

	if (!ret)
		ret = guest_halt(guest, "stop", "STOP", &stopped);
	if (ret)
		return ret;
	guest->ran = stopped;
	/* It stood: paused by its user since we have looked, or for a reason with which none is saved. */
	return stopped ? 0 : guest_note_status(guest);
}

static int continue_guest(struct guest *guest)
{
	bool resumed;
	int ret;

	if (!guest->ran)
		return guest_settle(guest);
	ret = wait_to_act(guest->session);
	if (!ret)
		ret = guest_halt(guest, "cont", "RESUME", &resumed);
	/* At the answer: RESUME comes before its vhost has the tap again. */
	if (!ret)
		guest_let_frames_go(guest);
	return ret;
}

/*
 * Once the cut has closed all gates nobody can say which of them was closed before. Those that
 * are now stay so.
 */
static int check_before_cut(struct session *session)
{
	size_t i;
	int ret = session_sleep_until(session, session->deadline_ns - LOOK_BEFORE_NS);

	if (ret)
		return ret;
	note_frozen(session);
	/* Who asks us so late may have seen the cut's work. */
	if (now_ns(CLOCK_REALTIME) >= session->deadline_ns)
		return 0;
	for (i = 0; i < session->n_guests; i++)
		session->guest[i].stays_frozen = session->guest[i].frozen;
	ret = check_thawed(session);
	/* Whoever undoes it may be another process. */
	if (ret)
		session_store(session);
	return ret;
}

/* A gate whose time-out was shorter than QMP's answer has let the guest run on. */
static int check_gates(const struct session *session)
{
	struct lpar lpar;
	size_t i;
	int ret;

	for (i = 0; i < session->n_guests; i++) {
		ret = lpar_get(session->guest[i].name, &lpar);
		if (!ret && lpar.gate != LPAR_GATE_CLOSED) {
			err("the gate of %s opened by its time-out before its guest was stopped: raise gate-timeout",
			    session->guest[i].name);
			ret = -ETIMEDOUT;
		}
		lpar_free(&lpar);
		if (ret)
			return ret;
	}
	return 0;
}

static struct json_object *halted(const struct session *session)
{
	struct json_object *json = json_object_new_object();
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		if (session->guest[i].ran)
			json_put_u64(json, session->guest[i].name, session->guest[i].halted_ns);
	return json;
}

/* stop: -> {cut, halted: {GUEST: ns}} */
int save_stop(struct session *session, struct json_object *request, struct json_object **result)
{
	struct json_object *cut = NULL;
	int ret;

	(void)request;
	*result = json_object_new_object();
	ret = check_before_cut(session);
	if (ret)
		return ret;
	session->act_ns = session->deadline_ns + STOP_AFTER_NS;
	session->halting = true;
	ret = session_store(session);
	if (!ret)
		ret = session_each(session, stop_guest, STAGE_STOP, "stopping");
	if (!ret)
		ret = wait_fired(session, &cut);
	if (ret)
		return ret;
	json_object_object_add(*result, "cut", cut);
	ret = check_points(cut);
	if (!ret)
		ret = hold_frames(session);
	/* If a gate is closed yet, nothing was sent before. */
	if (!ret)
		ret = check_gates(session);
	if (!ret)
		ret = disks_forget_cut(session);
	if (ret)
		return ret;
	json_object_object_add(*result, "halted", halted(session));
	return session_store(session);
}

/* resume: -> {cut, halted: {GUEST: ns}}; there is no way back from here */
int cut_resume_request(struct session *session, struct json_object *request,
		       struct json_object **result)
{
	struct json_object *cut = NULL;
	int ret;

	(void)request;
	*result = json_object_new_object();
	session->act_ns = session->deadline_ns - session->lead_ns;
	ret = session_each(session, continue_guest, STAGE_RESUME, "resuming");
	if (!ret)
		ret = wait_fired(session, &cut);
	if (ret)
		return ret;
	session_open_gates(session, true);
	json_object_object_add(*result, "cut", cut);
	json_object_object_add(*result, "halted", halted(session));
	session_detach(session);
	session_end(session);
	return check_points(cut);
}
