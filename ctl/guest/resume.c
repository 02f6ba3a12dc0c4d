// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that stands goes on: one that QEMU has stopped as its disk was full, or failed, or
 * that somebody has paused.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/guest.h"

#define QMP_TIMEOUT_MS 5000
/* What has failed is tried again by then, and fails again if nothing has changed. */
#define WATCH_NS NSEC_PER_SEC

static bool is_status(struct json_object *guest, const char *status)
{
	return !strcmp(json_text(guest, "status"), status);
}

/* Does it stand again at once? *why is to be freed. */
static bool fails_again(struct qmp *qmp, char **why)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + WATCH_NS;
	struct json_object *guest;

	*why = NULL;
	while (!*why && now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		sleep_ms(20);
		guest = status_ask(qmp);
		if (is_status(guest, GUEST_IO_ERROR))
			*why = status_text(guest);
		json_object_put(guest);
	}
	return *why;
}

static int go_on(const char *name, struct qmp *qmp)
{
	char *why;
	int ret = qmp_command(qmp, "cont", QMP_TIMEOUT_MS);

	if (ret) {
		err("LPAR %s: its guest does not go on: %s", name, strerror(-ret));
		return EXIT_FAILED;
	}
	if (!fails_again(qmp, &why)) {
		say("%s: guest goes on", name);
		return EXIT_OK;
	}
	err("LPAR %s: its guest stands again: %s", name, why);
	free(why);
	return EXIT_FAILED;
}

static int resume(const struct lpar *lpar, void *data)
{
	struct json_object *guest;
	char path[PATH_MAX];
	struct qmp *qmp;
	int ret;

	(void)data;
	if (!guest_runs(lpar))
		return EXIT_FAILED;
	ret = qmp_open(run_monitor(path, sizeof(path), lpar->name), QMP_TIMEOUT_MS, &qmp);
	if (ret) {
		err("LPAR %s: %s: %s", lpar->name, path, strerror(-ret));
		return EXIT_FAILED;
	}
	guest = status_ask(qmp);
	if (is_status(guest, "running")) {
		say("%s: guest runs", lpar->name);
		ret = EXIT_OK;
	} else if (is_status(guest, GUEST_IO_ERROR) || is_status(guest, "paused")) {
		ret = go_on(lpar->name, qmp);
	} else {
		char *text = status_text(guest);

		err("LPAR %s: its guest's state is '%s': only one that is paused, or stands for an I/O error, goes on",
		    lpar->name, text);
		free(text);
		ret = EXIT_FAILED;
	}
	json_object_put(guest);
	qmp_close(qmp);
	return ret;
}

/* Without a word: a guest that stands is told to go on, if nobody else has to do with it. */
void guest_try_again(const char *name)
{
	int lock = lpar_try_lock(name);
	char path[PATH_MAX];
	struct json_object *guest;
	struct qmp *qmp;

	if (lock < 0)
		return;
	if (!qmp_open(run_monitor(path, sizeof(path), name), QMP_TIMEOUT_MS, &qmp)) {
		guest = status_ask(qmp);
		if (is_status(guest, GUEST_IO_ERROR))
			qmp_command(qmp, "cont", QMP_TIMEOUT_MS);
		json_object_put(guest);
	}
	qmp_close(qmp);
	close(lock);
}

/* resume NAME */
int resume_verb(struct args *args)
{
	const char *name = next_arg(args);

	if (!name || args->argc)
		return usage("resume NAME");
	return guest_locked(name, resume, NULL);
}
