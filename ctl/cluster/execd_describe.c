// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of lparctl distribute: descriptions come one by one, are checked together, written,
 * and kept once all hosts have written theirs. Until then they are taken back when the caller
 * gives up, or is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define LOCK_PATIENCE_NS (3 * (uint64_t)NSEC_PER_SEC)
#define LOCK_POLL_MS 50

/* An execd has one caller, who distributes once. */
static struct {
	struct site comers;
	bool locked;
	bool written;
	int lock;
} coming;

int describe_add(struct session *session, struct json_object *request, struct json_object **result)
{
	const char *text = json_text(request, "text");
	FILE *stream;
	int ret;

	(void)session;
	(void)result;
	if (coming.locked) {
		err("a description comes after the check");
		return -EPROTO;
	}
	stream = *text ? fmemopen((void *)text, strlen(text), "r") : NULL;
	if (!stream) {
		err("there is no description");
		return -EINVAL;
	}
	ret = comers_add(&coming.comers, stream, "distributed");
	fclose(stream);
	return ret;
}

/* Two callers that have each a host wait for each other's: not for ever. */
static int lock_site(struct session *session)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + LOCK_PATIENCE_NS;
	int fd = site_try_lock();

	while (fd == -EWOULDBLOCK && session->idle(session) && now_ns(CLOCK_MONOTONIC) < end_ns) {
		sleep_ms(LOCK_POLL_MS);
		fd = site_try_lock();
	}
	if (fd == -EWOULDBLOCK)
		err("another lparctl describes LPARs there: try again");
	if (fd < 0)
		return fd;
	coming.lock = fd;
	coming.locked = true;
	return 0;
}

/* What is in the way is a result, which may be of several hosts. */
int describe_check(struct session *session, struct json_object *request,
		   struct json_object **result)
{
	struct json_object *lpars = json_object_new_array();
	int ret = coming.comers.n && !coming.locked ? lock_site(session) : -EPROTO;
	bool fits;

	(void)request;
	if (ret) {
		json_object_put(lpars);
		return ret;
	}
	fits = comers_check(&coming.comers, lpars) == EXIT_OK;
	*result = json_object_new_object();
	json_object_object_add(*result, "lpars", lpars);
	json_put_flag(*result, "fits", fits);
	if (*err_captured())
		json_put(*result, "why", err_captured());
	if (!fits)
		describe_undo();
	return 0;
}

int describe_write(struct session *session, struct json_object *request,
		   struct json_object **result)
{
	(void)session;
	(void)request;
	(void)result;
	if (!coming.locked || coming.written)
		return -EPROTO;
	if (site_write(coming.comers.config, coming.comers.n) != EXIT_OK)
		return -EIO;
	coming.written = true;
	return 0;
}

int describe_keep(struct session *session, struct json_object *request, struct json_object **result)
{
	(void)session;
	(void)request;
	(void)result;
	if (!coming.written)
		return -EPROTO;
	coming.written = false;
	describe_undo();
	return 0;
}

/* What was not kept is as if it had never come. */
void describe_undo(void)
{
	if (coming.written)
		site_take_back(coming.comers.config, coming.comers.n);
	if (coming.locked)
		close(coming.lock);
	site_free(&coming.comers);
	memset(&coming, 0, sizeof(coming));
}
