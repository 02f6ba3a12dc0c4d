// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's monitor, and whether the guest runs: what it did before an operation it does
 * after it, whether that succeeds or is undone. Runs in threads: no netlink here.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cluster/cluster.h"

#define QMP_TIMEOUT_MS 20000
/* For a migration to end that was cancelled, or that nobody reads any more. */
#define CANCEL_NS (30 * (uint64_t)NSEC_PER_SEC)

int guest_connect(struct guest *guest)
{
	char path[PATH_MAX];
	int ret;

	if (guest->qmp)
		return 0;
	ret = qmp_open(guest->monitor ? guest->monitor
				      : run_monitor(path, sizeof(path), guest->name),
		       QMP_TIMEOUT_MS, &guest->qmp);
	if (ret)
		snprintf(guest->why, sizeof(guest->why),
			 "QEMU does not answer on its QMP socket: %s", strerror(-ret));
	return ret;
}

void guest_disconnect(struct guest *guest)
{
	qmp_close(guest->qmp);
	guest->qmp = NULL;
}

static int call(struct guest *guest, const char *command, struct json_object *arguments, int pass,
		struct qmp_reply *reply)
{
	int ret = qmp_call(guest->qmp, command, arguments, pass, reply, QMP_TIMEOUT_MS);

	if (ret)
		snprintf(guest->why, sizeof(guest->why), "QMP %s: %s", command,
			 *reply->why ? reply->why : strerror(-ret));
	return ret;
}

/* In any thread; the reason of a failure is in guest->why. */
int guest_call(struct guest *guest, const char *command, struct json_object *arguments, int pass,
	       struct json_object **result)
{
	struct qmp_reply reply = { 0 };
	int ret = call(guest, command, arguments, pass, &reply);

	if (!ret && result)
		*result = reply.result;
	else
		json_object_put(reply.result);
	return ret;
}

/*
 * The same for a command without arguments whose effect an event tells of: guest->halted_ns, and
 * whether there was one.
 */
int guest_halt(struct guest *guest, const char *command, const char *event, bool *changed)
{
	uint64_t sent_ns = now_ns(CLOCK_REALTIME);
	struct qmp_reply reply = { .event = event };
	int ret = call(guest, command, NULL, -1, &reply);

	json_object_put(reply.result);
	/* One that stood, or ran, already says nothing; what is older is of somebody else's command. */
	*changed = reply.event_ns + NSEC_PER_USEC > sent_ns;
	guest->halted_ns = *changed ? reply.event_ns : now_ns(CLOCK_REALTIME);
	return ret;
}

/* What query-migrate tells: is one under way? */
bool migration_is_busy(struct json_object *info)
{
	static const char *const over[] = { "", "none", "completed", "failed", "cancelled" };

	return find_word(over, ARRAY_SIZE(over), json_text(info, "status")) < 0;
}

/* Of QEMU's migrations, which others may have set, too. */
static int set_parameter(struct guest *guest, const char *key, int64_t value)
{
	struct json_object *parameters = json_object_new_object();

	json_put_s64(parameters, key, value);
	return guest_call(guest, "migrate-set-parameters", parameters, -1, NULL);
}

int guest_set_bandwidth(struct guest *guest, int64_t bytes)
{
	return set_parameter(guest, "max-bandwidth", bytes);
}

int guest_set_downtime(struct guest *guest, int64_t ms)
{
	return set_parameter(guest, "downtime-limit", ms);
}

/* The same. */
int guest_set_capability(struct guest *guest, const char *name, bool on)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *list = json_object_new_array(), *one = json_object_new_object();

	json_put(one, "capability", name);
	json_put_flag(one, "state", on);
	json_object_array_add(list, one);
	json_object_object_add(arguments, "capabilities", list);
	return guest_call(guest, "migrate-set-capabilities", arguments, -1, NULL);
}

/* --- and does again --- */

/*
 * The stream to our file ends: it is cancelled; one of a killed process, whose pipe nobody
 * reads any more, does so by itself. Another's would not, and is left alone.
 */
static int end_migration(struct guest *guest)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + CANCEL_NS;
	struct json_object *info;
	bool busy;
	int ret;

	if (guest->migrates)
		guest_call(guest, "migrate_cancel", NULL, -1, NULL);
	for (;;) {
		ret = guest_call(guest, "query-migrate", NULL, -1, &info);
		if (ret)
			return ret;
		busy = migration_is_busy(info);
		json_object_put(info);
		if (!busy || now_ns(CLOCK_MONOTONIC) > deadline_ns)
			break;
		sleep_ms(20);
	}
	if (busy && guest->migrates)
		snprintf(guest->why, sizeof(guest->why), "its migration does not end");
	return busy && guest->migrates ? -ETIMEDOUT : 0;
}

static int read_status(struct guest *guest, char *status, size_t size)
{
	struct json_object *info;
	int ret = guest_call(guest, "query-status", NULL, -1, &info);

	if (ret)
		return ret;
	snprintf(status, size, "%s", json_text(info, "status"));
	json_object_put(info);
	return 0;
}

/*
 * A guest that was paused is so again: what its stream has taken away from it, its disks,
 * comes back only by "cont". Its gate is closed meanwhile, so that it executes nothing.
 */
int guest_settle(struct guest *guest)
{
	char status[32];
	int ret = read_status(guest, status, sizeof(status));

	if (ret || strcmp(status, "postmigrate"))
		return ret;
	ret = guest_call(guest, "cont", NULL, -1, NULL);
	return ret ? ret : guest_call(guest, "stop", NULL, -1, NULL);
}

/* A guest that leaves is stopped by its migration alone; what else has stopped it is its user's. */
static bool stands_by_us(const struct guest *guest, const char *status)
{
	if (guest->session->kind == SESSION_LEAVE)
		return !strcmp(status, "postmigrate") || !strcmp(status, "finish-migrate");
	return guest->session->halting && strcmp(status, "running");
}

/* One that stands because of us goes on, one that was paused stays so. It may be gone, too. */
int guest_go_on(struct guest *guest)
{
	char status[32];
	int ret;

	if (!guest->pid || guest->done)
		return 0;
	if (guest->lock < 0) {
		snprintf(guest->why, sizeof(guest->why),
			 "another lparctl starts, stops or saves it");
		return -EBUSY;
	}
	ret = guest_connect(guest);
	if (!ret && guest->session->writing)
		ret = end_migration(guest);
	if (!ret && guest->session->writing)
		ret = guest_set_bandwidth(guest, guest->bandwidth);
	if (!ret)
		ret = read_status(guest, status, sizeof(status));
	if (ret)
		return ret;
	if (!guest->ran)
		return guest_settle(guest);
	return stands_by_us(guest, status) ? guest_call(guest, "cont", NULL, -1, NULL) : 0;
}
