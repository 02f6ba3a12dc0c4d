// SPDX-License-Identifier: GPL-2.0
/*
 * Migrations that this host has a part in: how far they are, when that will be over, and if it
 * will not, why, and what can be done.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/move.h"

#define QMP_TIMEOUT_MS 2000

/* What QEMU says of a copy, by the monitor that is for everybody. */
struct pace {
	int64_t pass, remaining, sent;
	int64_t rate, dirtying; /* bytes per second; the latter is known after a pass */
};

static bool read_pace(const char *name, struct pace *pace)
{
	struct qmp_reply reply = { 0 };
	struct json_object *ram;
	char path[PATH_MAX];
	struct qmp *qmp;
	bool active;

	if (qmp_open(run_path(path, sizeof(path), name, "qmp.sock"), QMP_TIMEOUT_MS, &qmp))
		return false;
	active = !qmp_call(qmp, "query-migrate", NULL, -1, &reply, QMP_TIMEOUT_MS) &&
		 !strcmp(json_text(reply.result, "status"), "active");
	ram = json_object_object_get(reply.result, "ram");
	*pace = (struct pace){
		.pass = json_number(ram, "dirty-sync-count"),
		.remaining = json_number(ram, "remaining"),
		.sent = json_number(ram, "transferred"),
		.rate = json_object_get_double(json_object_object_get(ram, "mbps")) * 1e6 / 8,
		.dirtying = json_number(ram, "dirty-pages-rate") * json_number(ram, "page-size"),
	};
	json_object_put(reply.result);
	qmp_close(qmp);
	return active;
}

/* In ms; -1: it has no end as it is. Each pass sends what was dirtied in the one before. */
static int64_t time_left(const struct pace *pace)
{
	if (pace->rate <= pace->dirtying)
		return -1;
	return pace->remaining * 1000 / (pace->rate - pace->dirtying);
}

/* Downtime and bandwidth are given when it begins. To be freed. */
static char *why_slow(const char *name, const struct pace *pace, bool throttled)
{
	if (pace->pass < 2 || time_left(pace) >= 0)
		return xstrdup("");
	return xprintf(
		"dirties its memory as fast as that is sent, %s: run 'lparctl throttle %s %s --limit SIZE', or 'lparctl migrate cancel %s', and move it with more --downtime or --bandwidth",
		throttled ? "though it is throttled" : "and is not throttled",
		throttled ? "set" : "attach", name, name);
}

static void put_pace(struct json_object *json, const char *name, struct json_object *record)
{
	bool throttled = json_flag(json_object_object_get(record, "guest"), "throttled");
	struct pace pace;
	char *why;

	if (strcmp(json_text(record, "role"), "source") || !read_pace(name, &pace))
		return;
	json_put_s64(json, "pass", pace.pass);
	json_put_s64(json, "sent_bytes", pace.sent);
	json_put_s64(json, "left_bytes", pace.remaining);
	json_put_s64(json, "transfer_rate", pace.rate);
	json_put_s64(json, "dirty_rate", pace.dirtying);
	json_put_flag(json, "throttled", throttled);
	json_object_object_add(json, "left_ms",
			       time_left(&pace) < 0 ? NULL
						    : json_object_new_int64(time_left(&pace)));
	why = why_slow(name, &pace, throttled);
	json_put(json, "why", why);
	free(why);
}

static struct json_object *status_json(const char *name, struct json_object *record)
{
	struct json_object *json = json_object_new_object();
	struct lpar lpar;

	json_put(json, "name", name);
	json_put(json, "role", json_text(record, "role"));
	json_put(json, "peer", json_text(record, "peer"));
	json_put(json, "decision", json_text(record, "decision"));
	json_put_flag(json, "prepared", json_flag(record, "prepared"));
	if (!lpar_get(name, &lpar))
		json_object_object_add(json, "stage", stage_json(&lpar.stage));
	lpar_free(&lpar);
	put_pace(json, name, record);
	return json;
}

/* What QEMU says just now, or else what the stage was told last. */
static void status_row(struct json_object *status)
{
	struct json_object *stage = json_object_object_get(status, "stage");
	bool copied = json_object_object_get(status, "pass");
	char doing[128], pass[24] = "-", rate[32], dirty[32], left[32] = "-";
	const char *cell[] = { json_text(status, "name"),
			       json_text(status, "role"),
			       json_text(status, "peer"),
			       doing,
			       pass,
			       rate,
			       dirty,
			       left };

	snprintf(doing, sizeof(doing), "%s",
		 *json_text(status, "decision")	 ? "decided: lives at the destination"
		 : json_flag(status, "prepared") ? "whole, waits for the source"
		 : json_number(stage, "number")	 ? json_text(stage, "text")
						 : "-");
	if (copied)
		snprintf(pass, sizeof(pass), "%" PRId64, json_number(status, "pass"));
	if (copied && json_object_object_get(status, "left_ms"))
		format_time(left, sizeof(left), json_number(status, "left_ms") * NSEC_PER_MSEC);
	snprintf(rate, sizeof(rate), "%.1f MiB/s",
		 json_number(copied ? status : stage, "transfer_rate") / 1048576.0);
	snprintf(dirty, sizeof(dirty), "%.1f MiB",
		 (copied ? json_number(status, "left_bytes") : json_number(stage, "dirty_bytes")) /
			 1048576.0);
	table_row(cell, ARRAY_SIZE(cell));
}

static void status_table(struct json_object *all)
{
	static const char *const head[] = { "NAME", "ROLE", "PEER",  "STAGE",
					    "PASS", "RATE", "DIRTY", "LEFT" };
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(all); i++)
		status_row(json_at(all, i));
	table_print();
	for (i = 0; i < json_count(all); i++)
		if (*json_text(json_at(all, i), "why"))
			say("%s %s", json_text(json_at(all, i), "name"),
			    json_text(json_at(all, i), "why"));
}

static int is_record(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && !strcmp(end, ".json");
}

/* status [NAME]: what is on record on this host, and how it goes on */
int migrate_status_verb(struct args *args)
{
	const char *wanted = next_arg(args);
	struct json_object *all = json_object_new_array(), *record;
	struct dirent **entry;
	char path[PATH_MAX];
	int i, n, ret = EXIT_OK;

	if (args->argc)
		return usage("migrate status [NAME]");
	move_path(path, sizeof(path), "x");
	*strrchr(path, '/') = 0;
	n = scandir(path, &entry, is_record, alphasort);
	if (n < 0 && errno != ENOENT) {
		err("%s: %s", path, strerror(errno));
		ret = EXIT_FAILED;
	}
	for (i = 0; i < n; i++) {
		*strrchr(entry[i]->d_name, '.') = 0;
		if (!wanted || !strcmp(wanted, entry[i]->d_name)) {
			if (move_load(entry[i]->d_name, &record))
				ret = EXIT_FAILED;
			else
				json_object_array_add(all, status_json(entry[i]->d_name, record));
			json_object_put(record);
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	/* Whoever waits for its end knows that there was one; else it is a wrong name. */
	if (wanted && !ret && !json_count(all)) {
		err("%s: no migration is on record on this host", wanted);
		ret = EXIT_FAILED;
	}
	if (options.json) {
		json_print(all);
		return ret;
	}
	if (json_count(all) || !ret)
		status_table(all);
	json_object_put(all);
	return ret;
}
