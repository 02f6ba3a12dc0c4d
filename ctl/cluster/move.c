// SPDX-License-Identifier: GPL-2.0
/*
 * Object migrate: a guest moves to another host while it runs. This is the caller, on the
 * source: it knows the order of the steps, and which of them can be undone;
 * Documentation/migrate.md has the whole.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "cluster/move.h"

enum { HERE, THERE };

/* Of the record of a cancelled migration to go. */
#define CANCEL_NS (60 * (uint64_t)NSEC_PER_SEC)

/* --- requests --- */

static struct json_object *answer_of(const struct move *move, int host)
{
	return move->channels.channel[host].answer;
}

/* The request is consumed; NULL = with the migration's name and id alone. */
static void send_to(struct move *move, int host, const char *op, struct json_object *request)
{
	request = request ? request : json_object_new_object();
	json_put(request, "op", op);
	json_put(request, "name", move->name);
	json_put(request, "id", move->id);
	channel_send(&move->channels.channel[host], request);
}

static int ask(struct move *move, int host, const char *op, struct json_object *request)
{
	send_to(move, host, op, request);
	return channels_gather(&move->channels, op);
}

/* Where there is no way back but on. */
static int insist(struct move *move, int host, const char *op)
{
	send_to(move, host, op, NULL);
	return channels_insist(&move->channels, op);
}

static void show_progress(struct channel *channel, struct json_object *progress)
{
	char *doing = json_printable(json_object_object_get(progress, "doing"));

	fprintf(stderr, "\r\033[K%s: #%" PRId64 " %s", channel->host,
		json_number(progress, "stage"), doing);
	if (json_number(progress, "pass"))
		fprintf(stderr, ", pass %" PRId64 ", %.1f MiB to go, %.1f MiB/s",
			json_number(progress, "pass"),
			json_number(progress, "dirty_bytes") / 1048576.0,
			json_number(progress, "transfer_rate") / 1048576.0);
	fflush(stderr);
	free(doing);
}

static int connect_hosts(struct move *move)
{
	static char here[] = "here";
	const char *const hosts[] = { [HERE] = here, [THERE] = move->to };

	move->channels.here = here;
	if (isatty(STDERR_FILENO))
		move->channels.progress = show_progress;
	channels_catch_signals();
	return channels_open(&move->channels, hosts, ARRAY_SIZE(hosts));
}

/* --- stages --- */

/* One is over when the next begins. */
static void begin_stage(struct move *move, unsigned int number, const char *text)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	struct json_object *json = json_object_new_object();
	struct json_object *last =
		json_at(move->stages, json_count(move->stages) ? json_count(move->stages) - 1 : 0);

	if (last)
		json_put_u64(last, "ms", (now - move->stage_ns) / NSEC_PER_MSEC);
	move->stage_ns = now;
	json_put_u64(json, "number", number);
	json_put(json, "text", text);
	json_object_array_add(move->stages, json);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K#%u %s", number, text);
}

static void print_warnings(const struct move *move, struct json_object *answer)
{
	struct json_object *warnings = json_object_object_get(answer, "warnings");
	size_t i;

	for (i = 0; i < json_count(warnings); i++) {
		char *text = json_printable(json_at(warnings, i));

		err("warning: guest %s %s", move->name, text);
		free(text);
	}
}

/* #1, #2: nothing of the guest is touched */
static int reserve(struct move *move)
{
	struct json_object *request, *found;
	int ret;

	begin_stage(move, 1, "validating");
	ret = ask(move, HERE, "leave", NULL);
	if (ret)
		return ret;
	found = json_object_get(answer_of(move, HERE));
	print_warnings(move, found);
	snprintf(move->id, sizeof(move->id), "%s", json_text(found, "id"));
	begin_stage(move, 2, "reserving the destination");
	request = json_object_new_object();
	json_put(request, "from", move->from);
	json_put(request, "address", move->address);
	json_put(request, "config", json_text(found, "config"));
	json_put_s64(request, "memory", json_number(found, "memory"));
	json_put(request, "qemu", json_text(found, "qemu"));
	json_put(request, "machine", json_text(found, "machine"));
	json_object_object_add(request, "ran", json_object_new_boolean(json_flag(found, "ran")));
	ret = ask(move, THERE, "enter", request);
	json_object_put(found);
	return ret;
}

/* #6, #7: while it runs */
static int copy_memory(struct move *move)
{
	struct json_object *request = json_object_new_object();
	struct process self = { 0 };

	begin_stage(move, 6, "copying memory");
	process_find(getpid(), &self);
	json_put(request, "to", move->to);
	json_put(request, "address", move->address);
	json_put_s64(request, "port", json_number(answer_of(move, THERE), "port"));
	json_put_u64(request, "downtime_ms", move->downtime_ms);
	json_put_u64(request, "bandwidth", move->bandwidth);
	json_put(request, "throttle", move->throttled ? "on" : "off");
	json_put_u64(request, "limit", move->limit);
	json_object_object_add(request, "patient", json_object_new_boolean(move->patient));
	json_put_u64(request, "timeout_ns", move->timeout_ns);
	json_put_s64(request, "caller", self.pid);
	json_put_u64(request, "caller_start", self.start);
	move->begun = true;
	return ask(move, HERE, "copy", request);
}

/* A piece at a time, as there may be many. */
static int carry_frames(struct move *move)
{
	struct json_object *request;
	int64_t offset = 0;
	bool over = false;
	int ret = 0;

	while (!ret && !over) {
		request = json_object_new_object();
		json_put_s64(request, "offset", offset);
		ret = ask(move, HERE, "held", request);
		if (ret)
			return ret;
		over = json_flag(answer_of(move, HERE), "over");
		request = json_object_new_object();
		json_put_s64(request, "offset", offset);
		json_put_s64(request, "bytes", json_number(answer_of(move, HERE), "bytes"));
		json_put(request, "data", json_text(answer_of(move, HERE), "data"));
		offset += json_number(answer_of(move, HERE), "bytes");
		ret = ask(move, THERE, "take", request);
	}
	return ret;
}

/* #8 to #10: it stands, and all of it is at the destination */
static int hand_over(struct move *move)
{
	struct json_object *request = json_object_new_object();
	bool has_frames;
	int ret;

	begin_stage(move, 8, "stopping");
	ret = ask(move, HERE, "halt", NULL);
	if (!ret) {
		begin_stage(move, 9, "the rest of memory, and devices");
		ret = ask(move, HERE, "finish", NULL);
	}
	if (ret) {
		json_object_put(request);
		return ret;
	}
	move->result = json_object_get(answer_of(move, HERE));
	has_frames = json_flag(move->result, "has_frames");
	begin_stage(move, 10, "held frames");
	if (has_frames)
		ret = carry_frames(move);
	json_object_object_add(request, "has_frames", json_object_new_boolean(has_frames));
	if (ret) {
		json_object_put(request);
		return ret;
	}
	return ask(move, THERE, "prepare", request);
}

/* #11, #12: the decision, and what follows from it; nobody who interrupts is heard any more */
static int switch_over(struct move *move)
{
	int ret;

	begin_stage(move, 11, "switching over");
	move->decided = true;
	ret = insist(move, HERE, "decide");
	if (!ret)
		ret = insist(move, THERE, "run");
	if (ret)
		return ret;
	begin_stage(move, 12, "releasing the source");
	return insist(move, HERE, "release");
}

/* --- after something has failed --- */

static bool record_is(struct json_object *state, const char *role, const char *id)
{
	struct json_object *record = json_object_object_get(state, "record");

	return !strcmp(json_text(record, "role"), role) &&
	       (!*id || !strcmp(json_text(record, "id"), id));
}

/* The hosts of the migration, each by its channel. */
struct sides {
	int source, destination;
	struct json_object *left, *entered; /* what they say; to be put */
};

static int finish_move(struct move *move, const struct sides *sides)
{
	bool whole = record_is(sides->entered, "destination", move->id);
	int ret = 0;

	if (whole && !json_flag(sides->entered, "there")) {
		err("guest %s: its copy at the destination is gone, and it lived there: start it anew",
		    move->name);
		insist(move, sides->destination, "abandon");
		insist(move, sides->source, "release");
		return EXIT_FAILED;
	}
	if (whole)
		ret = insist(move, sides->destination, "run");
	if (!ret)
		ret = insist(move, sides->source, "release");
	if (ret)
		return EXIT_FAILED;
	say("%s: lives at the destination", move->name);
	return EXIT_OK;
}

/* There is no decision, and the source has no guest any more that could go on. */
static int decide_late(struct move *move, const struct sides *sides)
{
	struct json_object *record = json_object_object_get(sides->entered, "record");

	if (record_is(sides->entered, "destination", move->id) && json_flag(record, "prepared") &&
	    json_flag(sides->entered, "there"))
		return insist(move, sides->source, "decide") ? EXIT_FAILED
							     : finish_move(move, sides);
	if (record_is(sides->entered, "destination", move->id))
		insist(move, sides->destination, "abandon");
	insist(move, sides->source, "forget");
	err("guest %s: its QEMU at the source has ended before it was copied: start it anew",
	    move->name);
	return EXIT_FAILED;
}

static int stay(struct move *move, const struct sides *sides)
{
	if (record_is(sides->entered, "destination", move->id) &&
	    insist(move, sides->destination, "abandon"))
		return EXIT_FAILED;
	say("%s: lives at the source", move->name);
	return EXIT_ROLLED_BACK;
}

/* By the source's record. Exit code; 5: it is as if nothing had been. */
static int follow_record(struct move *move, const struct sides *sides)
{
	struct json_object *record = json_object_object_get(sides->left, "record");

	if (!record_is(sides->left, "source", move->id))
		return stay(move, sides);
	if (!strcmp(json_text(record, "decision"), MOVE_AWAY))
		return finish_move(move, sides);
	if (!json_flag(sides->left, "there"))
		return decide_late(move, sides);
	err("guest %s: the source cannot let it go on: look at its QEMU, then recover again",
	    move->name);
	return EXIT_FAILED;
}

static int ask_where(struct move *move, int host, struct json_object **state)
{
	int ret;

	send_to(move, host, "where", NULL);
	ret = channels_insist(&move->channels, "where");
	*state = ret ? NULL : json_object_get(answer_of(move, host));
	return ret;
}

/* Both hosts are asked, and follow what the source says. Exit code. */
static int resolve(struct move *move)
{
	struct sides sides = { .source = move->arrived ? THERE : HERE,
			       .destination = move->arrived ? HERE : THERE };
	int code = EXIT_FAILED;

	channels_close(&move->channels);
	if (!connect_hosts(move) && !ask_where(move, sides.source, &sides.left) &&
	    !ask_where(move, sides.destination, &sides.entered))
		code = follow_record(move, &sides);
	else
		err("guest %s: it stands where it is whole until 'lparctl migrate recover %s' reaches both hosts",
		    move->name, move->name);
	json_object_put(sides.left);
	json_object_put(sides.entered);
	return code;
}

/* Before the decision all is undone; from then on the record is followed. */
static int give_up(struct move *move, int error)
{
	int code = error == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_ROLLED_BACK, undone;

	undone = move->decided ? 0 : channels_abort(&move->channels, "");
	if (!move->begun)
		return undone ? EXIT_FAILED : code;
	undone = resolve(move);
	return undone == EXIT_ROLLED_BACK ? code : undone;
}

/* --- the verbs --- */

static void report(struct move *move)
{
	struct json_object *json;
	size_t i;

	begin_stage(move, 0, "done");
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	json_object_array_del_idx(move->stages, json_count(move->stages) - 1, 1);
	if (options.json) {
		json = json_object_new_object();
		json_put(json, "name", move->name);
		json_put(json, "to", move->to);
		json_put_s64(json, "passes", json_number(move->result, "passes"));
		json_put_s64(json, "sent", json_number(move->result, "sent"));
		json_put_s64(json, "downtime_ms", json_number(move->result, "downtime_ms"));
		json_put_s64(json, "frames", json_number(move->result, "frames"));
		json_object_object_add(json, "stages", json_object_get(move->stages));
		json_print(json);
		return;
	}
	for (i = 0; i < json_count(move->stages); i++) {
		struct json_object *stage = json_at(move->stages, i);

		say("#%-2" PRId64 " %-32s %6" PRId64 " ms", json_number(stage, "number"),
		    json_text(stage, "text"), json_number(stage, "ms"));
	}
	say("%s: lives on %s: %" PRId64 " passes, %.1f MiB, %" PRId64 " frames held", move->name,
	    move->to, json_number(move->result, "passes"),
	    json_number(move->result, "sent") / 1048576.0, json_number(move->result, "frames"));
}

static int run(struct move *move)
{
	int ret = connect_hosts(move);

	if (!ret)
		ret = reserve(move);
	if (!ret && move->check) {
		ret = channels_abort(&move->channels, "");
		say("%s: can move to %s", move->name, move->to);
		return ret ? EXIT_FAILED : EXIT_OK;
	}
	if (!ret)
		ret = copy_memory(move);
	if (!ret)
		ret = hand_over(move);
	if (!ret)
		ret = switch_over(move);
	if (ret)
		return move->check ? (give_up(move, ret), EXIT_CHECK) : give_up(move, ret);
	report(move);
	return EXIT_OK;
}

/* start NAME --to HOST [OPTION]... */
int migrate_start_verb(struct args *args)
{
	struct move move;
	int ret = move_parse(args, &move, "start");

	if (!ret)
		ret = run(&move);
	move_free(&move);
	return ret;
}

/* recover NAME [--to HOST] [--via COMMAND] [--timeout TIME] */
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
		snprintf(move.id, sizeof(move.id), "%s", json_text(record, "id"));
		move.arrived = !strcmp(json_text(record, "role"), "destination");
		peer = xstrdup(json_text(record, "peer"));
		move.to = move.to ? move.to : peer;
	}
	json_object_put(record);
	if (!ret && move.to && !host_is_valid(move.to)) {
		err("'%s' is no name of a host: name it by --to", move.to);
		ret = EXIT_FAILED;
	}
	session_unlock();
	if (!ret && move.to) {
		ret = resolve(&move);
		ret = ret == EXIT_ROLLED_BACK ? EXIT_OK : ret;
	} else if (!ret) {
		say("%s: no migration is on record here", move.name);
	}
	move_free(&move);
	free(peer);
	return ret;
}

static struct json_object *status_json(const char *name, struct json_object *record)
{
	struct json_object *json = json_object_new_object();
	struct lpar lpar;

	json_put(json, "name", name);
	json_put(json, "role", json_text(record, "role"));
	json_put(json, "peer", json_text(record, "peer"));
	json_put(json, "decision", json_text(record, "decision"));
	json_object_object_add(json, "prepared",
			       json_object_new_boolean(json_flag(record, "prepared")));
	if (!lpar_get(name, &lpar))
		json_object_object_add(json, "stage", stage_json(&lpar.stage));
	lpar_free(&lpar);
	return json;
}

static void status_row(struct json_object *status)
{
	struct json_object *stage = json_object_object_get(status, "stage");
	char doing[128], rate[32], dirty[32];
	const char *cell[] = { json_text(status, "name"),
			       json_text(status, "role"),
			       json_text(status, "peer"),
			       doing,
			       rate,
			       dirty };

	snprintf(doing, sizeof(doing), "%s",
		 *json_text(status, "decision")	 ? "decided: lives at the destination"
		 : json_flag(status, "prepared") ? "whole, waits for the source"
		 : json_number(stage, "number")	 ? json_text(stage, "text")
						 : "-");
	format_size(rate, sizeof(rate), json_number(stage, "transfer_rate"));
	format_size(dirty, sizeof(dirty), json_number(stage, "dirty_bytes"));
	table_row(cell, ARRAY_SIZE(cell));
}

static int is_record(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && !strcmp(end, ".json");
}

/* status [NAME]: what is on record on this host */
int migrate_status_verb(struct args *args)
{
	static const char *const head[] = { "NAME", "ROLE", "PEER", "STAGE", "RATE", "DIRTY" };
	const char *wanted = next_arg(args);
	struct json_object *all = json_object_new_array(), *record;
	struct dirent **entry;
	char path[PATH_MAX];
	size_t j;
	int i, n, ret = EXIT_OK;

	if (args->argc)
		return usage("migrate status [NAME]");
	move_path(path, sizeof(path), "x");
	*strrchr(path, '/') = 0;
	n = scandir(path, &entry, is_record, alphasort);
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
	if (options.json) {
		json_print(all);
		return ret;
	}
	table_row(head, ARRAY_SIZE(head));
	for (j = 0; j < json_count(all); j++)
		status_row(json_at(all, j));
	table_print();
	json_object_put(all);
	return ret;
}

/* Until it is on record that it is over, or cannot be cancelled any more. */
static int wait_cancelled(const char *name)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + CANCEL_NS;
	struct json_object *record;
	bool away;

	while (now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		if (move_load(name, &record))
			return EXIT_FAILED;
		away = !strcmp(json_text(record, "decision"), MOVE_AWAY);
		if (!record) {
			say("%s: is being cancelled, and lives here", name);
			return EXIT_OK;
		}
		json_object_put(record);
		if (away) {
			err("guest %s: too late: it lives at the destination", name);
			return EXIT_FAILED;
		}
		sleep_ms(50);
	}
	err("guest %s: its migration does not end", name);
	return EXIT_TIMEOUT;
}

/* cancel NAME: as Ctrl-C where it was started */
int migrate_cancel_verb(struct args *args)
{
	const char *name = next_arg(args);
	struct json_object *record;
	struct process caller;
	int fd;

	if (!name || args->argc || !name_is_valid(name))
		return usage("migrate cancel NAME");
	if (move_load(name, &record))
		return EXIT_FAILED;
	if (strcmp(json_text(record, "role"), "source")) {
		err("LPAR %s: no migration of it has begun from here", name);
		json_object_put(record);
		return EXIT_FAILED;
	}
	caller.pid = json_number(record, "caller");
	caller.start = json_number(record, "caller_start");
	json_object_put(record);
	fd = process_open(&caller);
	if (fd < 0) {
		err("LPAR %s: the lparctl that moves it is gone: run 'lparctl migrate recover %s'",
		    name, name);
		return EXIT_FAILED;
	}
	syscall(SYS_pidfd_send_signal, fd, SIGINT, NULL, 0);
	close(fd);
	return wait_cancelled(name);
}
