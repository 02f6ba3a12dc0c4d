// SPDX-License-Identifier: GPL-2.0
/*
 * What else there is to do with a migration: recover what has stopped half-way, look, cancel.
 */
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cluster/move.h"

/* Of the record of a cancelled migration to go. */
#define CANCEL_NS (60 * (uint64_t)NSEC_PER_SEC)

static void take_role(struct move *move, struct json_object *record, bool of_other)
{
	bool entered = !strcmp(json_text(record, "role"), "destination");

	snprintf(move->id, sizeof(move->id), "%s", json_text(record, "id"));
	move->arrived = entered != of_other;
}

/* There is no record here; the other host may have one, and it says which role is whose. */
static int ask_other(struct move *move)
{
	struct json_object *state = NULL;
	int ret;

	move_name_hosts(move);
	ret = move_reach(move, THERE, &state);
	take_role(move, json_object_object_get(state, "record"), true);
	json_object_put(state);
	return ret ? EXIT_FAILED : EXIT_OK;
}

static int refuse_gone(const char *name)
{
	err("LPAR %s: this host is not the destination of a migration: --source-gone is for that",
	    name);
	return EXIT_FAILED;
}

/* recover NAME [--to HOST] [--via COMMAND] [--abandon [--source-gone]] */
int migrate_recover_verb(struct args *args)
{
	struct json_object *record = NULL;
	struct session session = { .kind = SESSION_NONE };
	struct move move;
	char *peer = NULL;
	int ret = move_parse(args, &move, "recover");

	/* What a killed process has left here is undone first: that may be all. */
	if (!ret && session_recover(&session))
		ret = EXIT_FAILED;
	if (!ret && move_load(move.name, &record))
		ret = EXIT_FAILED;
	if (!ret && record) {
		take_role(&move, record, false);
		peer = xstrdup(json_text(record, "peer"));
		move.to = move.to ? move.to : peer;
	}
	json_object_put(record);
	if (!ret && move.to && !host_is_valid(move.to)) {
		err("'%s' is no name of a host: name it by --to", move.to);
		ret = EXIT_FAILED;
	}
	session_unlock();
	if (!ret && move.orphaned && !move.arrived)
		ret = refuse_gone(move.name);
	if (!ret && move.to && !*move.id)
		ret = ask_other(&move);
	if (!ret && move.orphaned) {
		ret = move_abandon(&move);
	} else if (!ret && *move.id) {
		ret = move_resolve(&move);
		ret = ret == EXIT_ROLLED_BACK ? EXIT_OK : ret;
	} else if (!ret) {
		say("%s: no migration is on record %s", move.name, move.to ? "there" : "here");
	}
	move_free(&move);
	free(peer);
	return ret;
}

static int refuse_late(const char *name)
{
	err("guest %s: too late: it lives at the destination", name);
	return EXIT_FAILED;
}

/* Until its record is gone, or it cannot be cancelled any more. */
static int wait_cancelled(const char *name, const char *id)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + CANCEL_NS;
	struct json_object *record;
	bool away, over = false;

	while (!over && now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		if (move_load(name, &record))
			return EXIT_FAILED;
		over = strcmp(json_text(record, "id"), id);
		away = !over && move_is_away(record);
		json_object_put(record);
		if (away)
			return refuse_late(name);
		if (!over)
			sleep_ms(50);
	}
	if (!over) {
		err("guest %s: its migration does not end", name);
		return EXIT_TIMEOUT;
	}
	/* It may have been released meanwhile. */
	if (!move_runs_here(name))
		return refuse_late(name);
	say("%s: is cancelled, and lives here", name);
	return EXIT_OK;
}

static int interrupt(const char *name, const struct process *caller)
{
	int fd = process_open(caller);

	if (fd < 0) {
		err("LPAR %s: the lparctl that moves it is gone: run 'lparctl migrate recover %s'",
		    name, name);
		return EXIT_FAILED;
	}
	syscall(SYS_pidfd_send_signal, fd, SIGINT, NULL, 0);
	close(fd);
	return EXIT_OK;
}

static int cancel(const char *name, struct json_object *record)
{
	const struct process caller = {
		.pid = json_number(record, "caller"),
		.start = json_number(record, "caller_start"),
	};
	int ret;

	if (strcmp(json_text(record, "role"), "source")) {
		err("LPAR %s: no migration of it has begun from here", name);
		return EXIT_FAILED;
	}
	if (move_is_away(record))
		return refuse_late(name);
	ret = interrupt(name, &caller);
	return ret ? ret : wait_cancelled(name, json_text(record, "id"));
}

/* cancel NAME: as Ctrl-C where it was started */
int migrate_cancel_verb(struct args *args)
{
	const char *name = next_arg(args);
	struct json_object *record;
	int ret;

	if (!name || args->argc || !name_is_valid(name))
		return usage("migrate cancel NAME");
	if (move_load(name, &record))
		return EXIT_FAILED;
	ret = cancel(name, record);
	json_object_put(record);
	return ret;
}
