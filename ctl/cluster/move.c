// SPDX-License-Identifier: GPL-2.0
/*
 * Object migrate: a guest moves to another host while it runs. This is the caller, on the
 * source: it knows the order of the steps, and which of them can be undone;
 * Documentation/migrate.md has the whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/move.h"

/* Of a step while the guest stands, before it is decided: then it goes on where it was. */
#define STAND_NS (60 * (uint64_t)NSEC_PER_SEC)
/* For the source to say that it has given up itself. */
#define ANSWER_NS (10 * (uint64_t)NSEC_PER_SEC)
/* After the decision the guest stands until the destination is reached; that long it is tried. */
#define RETRY_NS (600 * (uint64_t)NSEC_PER_SEC)
#define RETRY_MS 5000

#define IF_GONE \
	"; if the source is gone for good, --abandon --source-gone gives this copy up: then start it anew"

/* --- requests --- */

struct json_object *answer_of(const struct move *move, int host)
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
static int insist_with(struct move *move, int host, const char *op, struct json_object *request)
{
	send_to(move, host, op, request);
	return channels_insist(&move->channels, op);
}

static int insist(struct move *move, int host, const char *op)
{
	return insist_with(move, host, op, NULL);
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

static const char here[] = "here";

static int connect_hosts(struct move *move)
{
	const char *const hosts[] = { [HERE] = here, [THERE] = move->to };

	move->channels.here = here;
	if (isatty(STDERR_FILENO))
		move->channels.progress = show_progress;
	channels_catch_signals();
	return channels_open(&move->channels, hosts, ARRAY_SIZE(hosts));
}

/* Each is connected when it is asked: see move_resolve(). */
void move_name_hosts(struct move *move)
{
	const char *const hosts[] = { [HERE] = here, [THERE] = move->to };

	channels_close(&move->channels);
	move->channels.here = here;
	move->channels.deaf = true;
	move->channels.timeout_ns = MOVE_STEP_NS;
	channels_catch_signals();
	channels_name(&move->channels, hosts, ARRAY_SIZE(hosts));
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

static void pass_on(struct json_object *request, struct json_object *found, const char *key)
{
	json_object_object_add(request, key, json_object_get(json_object_object_get(found, key)));
}

/* #1, #2: nothing of the guest is touched */
static int reserve(struct move *move)
{
	struct json_object *request = json_object_new_object(), *found;
	int ret;

	begin_stage(move, 1, "validating");
	json_put(request, "storage", move->storage);
	ret = ask(move, HERE, "leave", request);
	if (ret)
		return ret;
	found = json_object_get(answer_of(move, HERE));
	print_warnings(move, found);
	snprintf(move->id, sizeof(move->id), "%s", json_text(found, "id"));
	begin_stage(move, 2, "reserving the destination");
	request = json_object_new_object();
	json_put(request, "from", move->from);
	json_put(request, "host_id", json_text(found, "host_id"));
	json_put(request, "address", move->address);
	json_put(request, "config", json_text(found, "config"));
	json_put_s64(request, "memory", json_number(found, "memory"));
	json_put(request, "qemu", json_text(found, "qemu"));
	json_put(request, "machine", json_text(found, "machine"));
	pass_on(request, found, "cpu");
	pass_on(request, found, "disks");
	json_put_flag(request, "ran", json_flag(found, "ran"));
	ret = ask(move, THERE, "enter", request);
	json_object_put(found);
	if (!ret)
		print_warnings(move, answer_of(move, THERE));
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
	json_put(request, "host_id", json_text(answer_of(move, THERE), "host_id"));
	json_put(request, "address", move->address);
	json_put_s64(request, "port", json_number(answer_of(move, THERE), "port"));
	json_put_u64(request, "downtime_ms", move->downtime_ms);
	json_put_u64(request, "bandwidth", move->bandwidth);
	json_put(request, "throttle", move->throttled ? "on" : "off");
	json_put_u64(request, "limit", move->limit);
	json_put_flag(request, "patient", move->patient);
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

static struct json_object *with_downtime(const struct move *move)
{
	struct json_object *request = json_object_new_object();

	json_put_u64(request, "downtime_ms", move->downtime_ms);
	return request;
}

/* Of QEMU's stop, and of what it has left to send. */
static uint64_t stand_time(const struct move *move)
{
	uint64_t most_ns = DOWNTIME_TIMES * move->downtime_ms * NSEC_PER_MSEC + ANSWER_NS;

	return most_ns > STAND_NS ? most_ns : STAND_NS;
}

/* #8 to #10: it stands, and all of it is at the destination */
static int hand_over(struct move *move)
{
	struct json_object *request;
	bool has_frames;
	int ret;

	move->channels.timeout_ns = stand_time(move);
	begin_stage(move, 8, "stopping");
	ret = ask(move, HERE, "halt", with_downtime(move));
	if (!ret) {
		begin_stage(move, 9, "the rest of memory, and devices");
		ret = ask(move, HERE, "finish", with_downtime(move));
	}
	if (ret)
		return ret;
	move->channels.timeout_ns = STAND_NS;
	move->result = json_object_get(answer_of(move, HERE));
	has_frames = json_flag(move->result, "has_frames");
	begin_stage(move, 10, "held frames");
	if (has_frames)
		ret = carry_frames(move);
	if (ret)
		return ret;
	request = json_object_new_object();
	json_put_flag(request, "has_frames", has_frames);
	json_put_flag(request, "ran", json_flag(move->result, "ran"));
	ret = ask(move, THERE, "prepare", request);
	if (ret || json_flag(answer_of(move, THERE), "prepared"))
		return ret;
	err("host %s does not say that the guest is whole there", move->to);
	return -EPROTO;
}

/* #11, #12: the decision, and what follows from it; nobody who interrupts is heard any more */
static int switch_over(struct move *move)
{
	int ret;

	begin_stage(move, 11, "switching over");
	move->decided = move->channels.deaf = true;
	move->channels.timeout_ns = MOVE_STEP_NS;
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

	return !strcmp(json_text(record, "role"), role) && !strcmp(json_text(record, "id"), id);
}

static bool is_away(struct json_object *state)
{
	return move_is_away(json_object_object_get(state, "record"));
}

static bool is_prepared(struct json_object *state)
{
	return json_flag(json_object_object_get(state, "record"), "prepared");
}

/* The hosts of the migration, each by its channel. */
struct sides {
	int source, destination;
	struct json_object *left, *entered; /* what they say; to be put */
};

/* The destination knows which host may say that. */
static int abandon(struct move *move, const struct sides *sides, bool keeps_config)
{
	struct json_object *request = json_object_new_object();

	json_put(request, "host_id", json_text(sides->left, "host_id"));
	json_put_flag(request, "keeps_config", keeps_config);
	return insist_with(move, sides->destination, "abandon", request);
}

static int finish_move(struct move *move, const struct sides *sides)
{
	bool whole = record_is(sides->entered, "destination", move->id);
	int ret = 0;

	if (whole && !json_flag(sides->entered, "there")) {
		err("guest %s: its copy at the destination is gone, and it lived there: start it anew there",
		    move->name);
		if (!abandon(move, sides, true))
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
	bool entered = record_is(sides->entered, "destination", move->id);

	if (entered && is_prepared(sides->entered) && json_flag(sides->entered, "there"))
		return insist(move, sides->source, "decide") ? EXIT_FAILED
							     : finish_move(move, sides);
	if (entered)
		abandon(move, sides, false);
	insist(move, sides->source, "forget");
	err("guest %s: its QEMU at the source has ended before it was copied: start it anew",
	    move->name);
	return EXIT_FAILED;
}

static int stay(struct move *move, const struct sides *sides)
{
	bool entered = record_is(sides->entered, "destination", move->id);

	/* As after an undo, but also as on a host whose /var is not the one that it was. */
	if (entered && is_prepared(sides->entered) && !json_flag(sides->left, "runs") &&
	    !move->abandons) {
		err("guest %s: neither a guest nor a record of this migration is at the source, and a copy is at the destination: if it has ended at the source since, run 'lparctl migrate recover %s --abandon'",
		    move->name, move->name);
		return EXIT_FAILED;
	}
	if (entered && abandon(move, sides, false))
		return EXIT_FAILED;
	say("%s: lives at the source", move->name);
	return EXIT_ROLLED_BACK;
}

/* Any other host knows nothing of it, and that says nothing. */
static bool is_destination(const struct move *move, const struct sides *sides)
{
	struct json_object *record = json_object_object_get(sides->left, "record");

	if (!strcmp(json_text(record, "peer_id"), json_text(sides->entered, "host_id")))
		return true;
	err("guest %s: the host that was asked is not the one that it goes to, %s: name that by --to",
	    move->name, json_text(record, "peer"));
	return false;
}

/* By the source's record. Exit code; 5: it is as if nothing had been. */
static int follow_record(struct move *move, const struct sides *sides)
{
	if (!record_is(sides->left, "source", move->id))
		return stay(move, sides);
	if (!is_destination(move, sides))
		return EXIT_FAILED;
	if (is_away(sides->left))
		return finish_move(move, sides);
	return decide_late(move, sides);
}

static int ask_where(struct move *move, int host, struct json_object **state)
{
	json_object_put(*state);
	*state = NULL;
	if (insist(move, host, "where"))
		return -EIO;
	*state = json_object_get(answer_of(move, host));
	return 0;
}

int move_reach(struct move *move, int host, struct json_object **state)
{
	int ret = channel_open(&move->channels, &move->channels.channel[host]);

	return ret ? ret : ask_where(move, host, state);
}

/* Nobody has decided, and its QEMU is there: it goes on, if nobody has undone that yet. */
static int let_stay(struct move *move, struct sides *sides)
{
	if (!record_is(sides->left, "source", move->id) || is_away(sides->left) ||
	    !json_flag(sides->left, "there"))
		return 0;
	if (!insist(move, sides->source, "stay"))
		return ask_where(move, sides->source, &sides->left);
	err("guest %s: the source cannot let it go on: look at its QEMU, then run 'lparctl migrate recover %s' again",
	    move->name, move->name);
	return -EIO;
}

static bool is_reached(const struct move *move)
{
	size_t i;

	for (i = 0; i < move->channels.n; i++)
		if (move->channels.channel[i].dead || move->channels.channel[i].pending)
			return false;
	return true;
}

/* Exit code; *reached: that will not change if it is tried again. */
static int resolve_once(struct move *move, bool *reached)
{
	struct sides sides = { .source = move->arrived ? THERE : HERE,
			       .destination = move->arrived ? HERE : THERE };
	int code = EXIT_FAILED;

	move_name_hosts(move);
	/* In this order whoever asks: each has its host's lock, and two must not wait in a ring. */
	if (!move_reach(move, sides.source, &sides.left) && !let_stay(move, &sides)) {
		if (!move_reach(move, sides.destination, &sides.entered))
			code = follow_record(move, &sides);
		else if (!record_is(sides.left, "source", move->id))
			err("guest %s: lives at the source; what there is of it at the destination stays until 'lparctl migrate recover %s' reaches both hosts",
			    move->name, move->name);
	}
	*reached = is_reached(move) || (sides.left && !record_is(sides.left, "source", move->id));
	json_object_put(sides.left);
	json_object_put(sides.entered);
	return code;
}

/* Both hosts are asked, and follow what the source says. Exit code. */
int move_resolve(struct move *move)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + RETRY_NS;
	unsigned int before = interruptions();
	bool reached;
	int code = resolve_once(move, &reached);

	if (!reached && move->decided)
		err("guest %s: it is decided that it lives at the destination, which is not reached: trying again for 10 minutes, or until interrupted",
		    move->name);
	while (!reached && move->decided && interruptions() == before &&
	       now_ns(CLOCK_MONOTONIC) < deadline_ns) {
		sleep_ms(RETRY_MS);
		code = resolve_once(move, &reached);
	}
	if (!reached)
		err("guest %s: it stands where it is whole until 'lparctl migrate recover %s' reaches both hosts%s",
		    move->name, move->name, move->arrived ? IF_GONE : "");
	return code;
}

/* By the operator's word, in place of that of a source that is gone. Exit code. */
int move_abandon(struct move *move)
{
	struct json_object *request = json_object_new_object();
	int ret;

	move_name_hosts(move);
	ret = channel_open(&move->channels, &move->channels.channel[HERE]);
	json_put_flag(request, "source_gone", true);
	if (ret) {
		json_object_put(request);
		return EXIT_FAILED;
	}
	if (insist_with(move, HERE, "abandon", request))
		return EXIT_FAILED;
	say("%s: its copy here is given up", move->name);
	return EXIT_OK;
}

/* Before the decision all is undone; from then on the record is followed. */
static int give_up(struct move *move, int error)
{
	int code = error == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_ROLLED_BACK, undone;

	undone = move->decided ? 0 : channels_abort(&move->channels, "");
	if (!move->begun)
		return undone ? EXIT_FAILED : code;
	undone = move_resolve(move);
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

	/* Nothing has been begun, and what is under way on a host is another's. */
	if (ret)
		return move->check ? EXIT_CHECK : ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
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
