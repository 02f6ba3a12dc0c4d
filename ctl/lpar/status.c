// SPDX-License-Identifier: GPL-2.0
/*
 * What QEMU says of the guest that lparctl has started in an LPAR. Whoever looks does not
 * take the LPAR's lock, nor wait for those who have it: a monitor serves one client, so he
 * takes the one that is free, for a moment.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

#define QMP_TIMEOUT_MS 1000

static int open_any(const char *name, struct qmp **qmp)
{
	static const char *const sockets[] = { "qmp.sock", "lparctl.sock" };
	char path[PATH_MAX];
	size_t i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(sockets); i++) {
		ret = qmp_open(run_path(path, sizeof(path), name, sockets[i]), QMP_TIMEOUT_MS, qmp);
		if (!ret)
			break;
	}
	return ret;
}

/* Of an LPAR's disk that QEMU has been given open, if that is what it speaks of; or -1. */
int disk_number(struct json_object *block)
{
	const char *file = json_text(json_object_object_get(block, "inserted"), "file");
	char device[32], set[32];
	unsigned int number;

	if (sscanf(file, "/dev/fdset/%u", &number) != 1 || number >= LPAR_DISKS_MAX)
		return -1;
	snprintf(device, sizeof(device), "disk%u", number);
	snprintf(set, sizeof(set), "/dev/fdset/%u", number);
	return strcmp(file, set) || strcmp(json_text(block, "device"), device) ? -1 : (int)number;
}

static const char *disk_file(struct json_object *block, const struct lpar *lpar)
{
	int number = disk_number(block);

	if (number >= 0 && (size_t)number < lpar->n_disks)
		return lpar->disk[number];
	return json_text(json_object_object_get(block, "inserted"), "file");
}

/* Disks of requests that have failed, and wait for the guest to go on. */
static struct json_object *failed_disks(struct json_object *blocks, const struct lpar *lpar)
{
	struct json_object *disks = json_object_new_array(), *disk;
	size_t i;

	for (i = 0; i < json_count(blocks); i++) {
		struct json_object *block = json_at(blocks, i);
		const char *status = json_text(block, "io-status");

		if (!*status || !strcmp(status, "ok"))
			continue;
		disk = json_object_new_object();
		json_put(disk, "disk", disk_file(block, lpar));
		json_put(disk, "error", !strcmp(status, "nospace") ? "no space" : "I/O error");
		json_object_array_add(disks, disk);
	}
	return disks;
}

static struct json_object *ask(struct qmp *qmp, const char *command)
{
	struct qmp_reply reply = { 0 };

	return qmp_call(qmp, command, NULL, -1, &reply, QMP_TIMEOUT_MS) ? NULL : reply.result;
}

/* Those of a QEMU are known: another one is no word of QEMU's, but of who has taken it over. */
static const char *known_status(const char *status)
{
	static const char *const known[] = {
		"running",	  "paused",    "inmigrate",    "postmigrate",
		"finish-migrate", "prelaunch", "restore-vm",   "save-vm",
		"shutdown",	  "suspended", "watchdog",     "guest-panicked",
		"internal-error", "debug",     GUEST_IO_ERROR, "colo",
	};
	int i = find_word(known, ARRAY_SIZE(known), status);

	return i < 0 ? "unknown" : known[i];
}

/* {status, failed: [{disk, error}]}, where status is QEMU's word, or "unknown". To be put. */
struct json_object *status_ask(struct qmp *qmp, const struct lpar *lpar)
{
	struct json_object *json = json_object_new_object(), *run, *blocks;

	run = ask(qmp, "query-status");
	json_put(json, "status", known_status(json_text(run, "status")));
	json_object_put(run);
	if (!strcmp(json_text(json, "status"), GUEST_IO_ERROR)) {
		blocks = ask(qmp, "query-block");
		json_object_object_add(json, "failed", failed_disks(blocks, lpar));
		json_object_put(blocks);
	}
	return json;
}

/* The same of an LPAR's guest; NULL without one. */
struct json_object *status_get(const struct lpar *lpar)
{
	struct json_object *json;
	struct qmp *qmp;

	if (!lpar_guest_pid(lpar))
		return NULL;
	if (!open_any(lpar->name, &qmp)) {
		json = status_ask(qmp, lpar);
		qmp_close(qmp);
		return json;
	}
	json = json_object_new_object();
	json_put(json, "status", "unknown");
	return json;
}

struct question {
	const struct lpar *lpar;
	struct json_object *answer;
	pthread_t thread;
	bool asked;
};

static void *ask_one(void *data)
{
	struct question *question = data;

	question->answer = status_get(question->lpar);
	return NULL;
}

/*
 * Of all guests, asked at once: those that do not answer take no longer than one of them.
 * To be freed, and each to be put.
 */
struct json_object **status_get_all(const struct lpars *lpars)
{
	struct json_object **status = xalloc((lpars->n + 1) * sizeof(*status));
	struct question *question = xalloc((lpars->n + 1) * sizeof(*question));
	size_t i;

	for (i = 0; i < lpars->n; i++) {
		question[i].lpar = &lpars->lpar[i];
		question[i].asked =
			lpar_guest_pid(&lpars->lpar[i]) &&
			!pthread_create(&question[i].thread, NULL, ask_one, &question[i]);
	}
	for (i = 0; i < lpars->n; i++) {
		if (question[i].asked)
			pthread_join(question[i].thread, NULL);
		else
			ask_one(&question[i]);
		status[i] = question[i].answer;
	}
	free(question);
	return status;
}

/* "io-error: /dev/vg0/web: no space"; what QEMU says is not trusted. To be freed. */
char *status_text(struct json_object *guest)
{
	struct json_object *failed = json_object_object_get(guest, "failed"), *text;
	char *all = xstrdup(json_text(guest, "status")), *more;
	size_t i;

	for (i = 0; i < json_count(failed); i++) {
		more = xprintf("%s%s %s: %s", all, i ? "," : ":",
			       json_text(json_at(failed, i), "disk"),
			       json_text(json_at(failed, i), "error"));
		free(all);
		all = more;
	}
	text = json_object_new_string(all);
	free(all);
	all = json_printable(text);
	json_object_put(text);
	return all;
}
