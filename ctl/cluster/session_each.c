// SPDX-License-Identifier: GPL-2.0
/*
 * A step of an operation is one of all its guests at once, each in a thread. No thread speaks
 * netlink: there is one socket.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

/* Between looks at the caller while threads work. */
#define IDLE_MS 50

struct worker {
	pthread_t thread;
	struct guest *guest;
	guest_step *step;
	bool has_thread;
	_Atomic bool over;
	bool told;
};

/* In this thread, if there is none for it. */
static void *work(void *data)
{
	struct worker *worker = data;
	uint64_t began_ns = now_ns(CLOCK_MONOTONIC);

	worker->guest->ret = worker->step(worker->guest);
	worker->guest->step_ns = now_ns(CLOCK_MONOTONIC) - began_ns;
	worker->over = true;
	return NULL;
}

/* Whoever has come to an end since the last look is told of, and does not wait for the others. */
static bool all_over(struct worker *worker, size_t n)
{
	bool over = true;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!worker[i].over) {
			over = false;
			continue;
		}
		if (!worker[i].told && worker[i].guest->session->done)
			worker[i].guest->session->done(worker[i].guest);
		worker[i].told = true;
	}
	return over;
}

static unsigned int percent(const struct guest *guest)
{
	uint64_t whole = guest->size ? guest->size : guest->memory;
	uint64_t part = whole ? guest->moved * 100 / whole : 0;

	return part > 100 ? 100 : part;
}

/* What an operator watches; for show only: an LPAR that is gone by now has none. */
static void show_stage(const struct guest *guest, unsigned int number, const char *text,
		       unsigned int progress)
{
	struct stage stage = { .number = number, .progress = progress };

	snprintf(stage.text, sizeof(stage.text), "%s", text);
	stage_set(guest->name, &stage, -1, number);
}

void session_stage(const struct session *session, unsigned int number, const char *text,
		   unsigned int progress)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++)
		show_stage(&session->guest[i], number, text, progress);
}

static void report_progress(struct session *session, unsigned int stage, const char *doing)
{
	struct json_object *json = json_object_new_object();
	struct json_object *guests = json_object_new_object();
	size_t i;

	for (i = 0; i < session->n_guests; i++) {
		if (stage != STAGE_HIDDEN)
			show_stage(&session->guest[i], stage, doing, percent(&session->guest[i]));
		json_put_u64(guests, session->guest[i].name, percent(&session->guest[i]));
	}
	json_put(json, "doing", doing);
	json_object_object_add(json, "guests", guests);
	execd_progress(json);
}

static int first_failure(struct session *session, const char *doing)
{
	size_t i;

	for (i = 0; i < session->n_guests; i++) {
		struct guest *guest = &session->guest[i];

		if (!guest->ret || guest->ret == -ECANCELED)
			continue;
		return guest_failed(guest, doing, guest->ret);
	}
	return session->cancelled ? -ECANCELED : 0;
}

/* What cannot be begun is given up by the others, too. */
static void do_without(struct session *session, struct worker *worker, int error)
{
	snprintf(worker->guest->why, sizeof(worker->guest->why), "no thread for it: %s",
		 strerror(error));
	worker->guest->ret = -error;
	worker->over = true;
	session->cancelled = true;
}

static void begin(struct session *session, struct worker *worker, size_t n, guest_step *step)
{
	size_t i;
	int error;

	for (i = 0; i < n; i++) {
		worker[i].guest = &session->guest[i];
		worker[i].step = step;
		worker[i].guest->why[0] = 0;
		error = pthread_create(&worker[i].thread, NULL, work, &worker[i]);
		worker[i].has_thread = !error;
		/* What is undone, or finished, is so one after the other then. */
		if (error && session->idle)
			do_without(session, &worker[i], error);
	}
	for (i = 0; i < n; i++) {
		if (worker[i].has_thread || worker[i].over)
			continue;
		work(&worker[i]);
		all_over(worker, n);
	}
}

/*
 * A step of all guests, each in a thread, while the caller is listened to. A
 * stage is shown unless its number is 0.
 */
int session_each(struct session *session, guest_step *step, unsigned int stage, const char *doing)
{
	struct worker *worker = xalloc((session->n_guests + 1) * sizeof(*worker));
	unsigned int rounds = 0;
	size_t i;

	begin(session, worker, session->n_guests, step);
	while (!all_over(worker, session->n_guests)) {
		if (stage && !(rounds++ % 10))
			report_progress(session, stage, doing);
		if (session->idle && !session->idle(session))
			session->cancelled = true;
		sleep_ms(session->idle ? 1 : IDLE_MS);
	}
	for (i = 0; i < session->n_guests; i++)
		if (worker[i].has_thread)
			pthread_join(worker[i].thread, NULL);
	free(worker);
	return first_failure(session, doing);
}
