// SPDX-License-Identifier: GPL-2.0
/*
 * Receives a state. What runs is written; at marks it becomes the state
 * "receiving", whose note says of what it is a part, and how far that has come;
 * at the end the state that was sent. So there is all of a state, or none, and
 * what was broken off goes on from the last mark. What ran before runs again
 * then, if that was a state: nobody is to start from a part.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "snap/snap_store.h"
#include "snap/snap_stream.h"

/* A cut becomes a state as soon as the disks have what was written before. */
#define CUT_WAIT_NS (20 * NSEC_PER_SEC)
#define CUT_POLL_MS 20
/* So long it may be written to what another has restored. */
#define LOOK_NS NSEC_PER_SEC

/**
 * struct receiving - a stream on its way
 * @receiver: where to
 * @header: of the stream
 * @stream: where from
 * @data: room for STREAM_PIECE
 * @next: sector before which the stream has nothing more to say
 * @noted: sector of the state "receiving": all before is as in what is sent
 * @noted_ns: CLOCK_MONOTONIC of that
 * @restores: of the volume, when what is written began to run
 * @written: to the volume, if nobody else writes
 * @has_failed: a write has, of which some may be done
 * @looked_ns: CLOCK_MONOTONIC when that was looked at
 * @is_begun: what runs is what comes
 * @former: the state that is to run again, empty if there is none
 */
struct receiving {
	const struct snap_receiver *receiver;
	const struct stream_header *header;
	struct stream stream;
	u8 *data;
	uint64_t next;
	uint64_t noted;
	uint64_t noted_ns;
	uint64_t restores;
	uint64_t written;
	bool has_failed;
	uint64_t looked_ns;
	bool is_begun;
	char former[SS_NAME_MAX + 1];
};

static bool is_full(const struct receiving *receiving)
{
	return !*receiving->header->from_name;
}

/* Says what is in the way, and that it was said. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct receiving *receiving,
							const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	err("%s cannot receive %s: %s", receiving->receiver->volume->name,
	    receiving->header->to_name, text ? text : "no memory");
	free(text);
	return -ECANCELED;
}

/* What the note of the state STREAM_RECEIVING says: "at BYTE of UUID ORIGIN". */
struct mark {
	uint64_t at;
	u8 uuid[SS_UUID_SIZE];
	u8 origin[SS_UUID_SIZE];
};

static void format_note(char *note, const struct mark *mark)
{
	char uuid[2 * SS_UUID_SIZE + 1], origin[2 * SS_UUID_SIZE + 1];

	snap_format_uuid(uuid, mark->uuid);
	snap_format_uuid(origin, mark->origin);
	snprintf(note, SS_NOTE_MAX + 1, "at %" PRIu64 " of %s %s", mark->at * STREAM_SECTOR, uuid,
		 origin);
}

static int parse_note(const char *note, struct mark *mark)
{
	char uuid[2 * SS_UUID_SIZE + 1], origin[2 * SS_UUID_SIZE + 1];
	uint64_t bytes;
	int end = 0;

	if (sscanf(note, "at %" SCNu64 " of %32s %32s%n", &bytes, uuid, origin, &end) != 3 ||
	    note[end] || bytes % STREAM_SECTOR || snap_parse_uuid(uuid, mark->uuid) ||
	    snap_parse_uuid(origin, mark->origin))
		return -EBADMSG;
	mark->at = bytes / STREAM_SECTOR;
	return 0;
}

/**
 * snap_disown_part() - a part may be older than it says: nothing goes on with it
 * @note: of any state, SS_NOTE_MAX characters at most; of a part it says that it is one of another
 * @origin: that other
 */
void snap_disown_part(char *note, const u8 *origin)
{
	struct mark mark;

	if (parse_note(note, &mark))
		return;
	memcpy(mark.origin, origin, SS_UUID_SIZE);
	format_note(note, &mark);
}

static bool is_part(const struct snap_state *state)
{
	struct mark mark;

	return !strcmp(state->name, STREAM_RECEIVING) || !parse_note(state->note, &mark);
}

/* What it started from; the kernel's tree has no circles, a list that is read might. */
static bool is_above(const struct snap_states *states, const struct snap_state *state,
		     const struct snap_state *below)
{
	size_t level;

	for (level = 0; state && level < states->n; level++) {
		if (!strcmp(state->parent, "-"))
			return false;
		state = snap_find_state(states, state->parent);
		if (state == below)
			return true;
	}
	return false;
}

static bool is_above_part(const struct snap_states *states)
{
	const struct snap_state *running = snap_find_state(states, "-");
	size_t i;

	for (i = 0; i < states->n; i++)
		if (is_part(&states->state[i]) && is_above(states, running, &states->state[i]))
			return true;
	return false;
}

/**
 * snap_runs_part() - is what runs a part of a state, or above one?
 * @volume: volume
 *
 * Return: 1, 0 or a negative errno.
 */
int snap_runs_part(const struct snap_volume *volume)
{
	struct snap_states states;
	int ret = snap_read_states(volume, &states);

	if (!ret)
		ret = !snap_find_state(&states, "-") ? -EBADMSG : is_above_part(&states);
	free(states.state);
	return ret;
}

/**
 * snap_needs_part() - would what is above a part be taken for a whole without it?
 * @volume: volume
 * @name: of the state that is to go, or to be called otherwise
 * @above: result: who is above it, SS_NAME_MAX characters; "-" is what runs
 *
 * Return: 1, 0, also if the state is no part, or a negative errno.
 */
int snap_needs_part(const struct snap_volume *volume, const char *name, char *above)
{
	const struct snap_state *part;
	struct snap_states states;
	int ret = snap_read_states(volume, &states);
	size_t i;

	part = ret ? NULL : snap_find_state(&states, name);
	for (i = 0; part && is_part(part) && !ret && i < states.n; i++) {
		ret = is_above(&states, &states.state[i], part);
		if (ret)
			snprintf(above, SS_NAME_MAX + 1, "%s", states.state[i].name);
	}
	free(states.state);
	return ret;
}

static int send_until_cut(const struct snap_volume *volume, const char *text)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + CUT_WAIT_NS;
	int ret;

	while ((ret = volume->message(volume, text, NULL)) == -EINPROGRESS &&
	       now_ns(CLOCK_MONOTONIC) < end)
		sleep_ms(CUT_POLL_MS);
	return ret;
}

/* What runs becomes a state of that name, in place of another; of that identity, "- -" = its own. */
static int become(const struct receiving *receiving, const char *name, const char *replaced,
		  const char *identity, const char *note)
{
	char *quoted = snap_quoted(name), *quoted_note = snap_quoted(note), *text;
	int ret;

	text = xprintf("receive %s %s %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %s", quoted, replaced,
		       receiving->restores, receiving->written, identity,
		       le64toh(receiving->header->time), quoted_note);
	ret = send_until_cut(receiving->receiver->volume, text);
	free(text);
	free(quoted_note);
	free(quoted);
	return ret;
}

/* Never back: what was received is so for ever. A part is no state of the sender's. */
static int note_place(struct receiving *receiving, uint64_t sector, const char *replaced)
{
	struct mark mark = { .at = sector < receiving->noted ? receiving->noted : sector };
	char note[SS_NOTE_MAX + 1];
	int ret;

	memcpy(mark.uuid, receiving->header->to, SS_UUID_SIZE);
	memcpy(mark.origin, receiving->header->to_origin, SS_UUID_SIZE);
	format_note(note, &mark);
	ret = become(receiving, STREAM_RECEIVING, replaced, "- -", note);
	if (!ret) {
		receiving->is_begun = true;
		receiving->noted = mark.at;
		receiving->noted_ns = now_ns(CLOCK_MONOTONIC);
	}
	return ret;
}

/* Is there nothing between two states from a sector on? 1, 0 or a negative errno. */
static int is_same_from(const struct receiving *receiving, const char *older, const char *newer,
			uint64_t sector)
{
	struct snap_ranges ranges;
	int ret = snap_read_ranges(receiving->receiver->volume, older, newer, &ranges);

	if (!ret)
		ret = !ranges.n || ranges.range[ranges.n - 1].end <= sector;
	free(ranges.range);
	return ret;
}

/*
 * Before the first mark what runs has to be @below as it is, then nothing is
 * lost; and later the mark, from there on, or the stream says too little.
 */
static int check_start(const struct receiving *receiving, const char *below, bool is_begun)
{
	int ret;

	if (is_begun && is_full(receiving))
		return 0;
	ret = is_same_from(receiving, below, is_begun ? STREAM_RECEIVING : "-", receiving->noted);
	if (ret)
		return ret < 0 ? ret : 0;
	if (is_begun)
		return refuse(receiving,
			      "what was received began from another state than %s; "
			      "restore that, and delete the state " STREAM_RECEIVING,
			      below);
	return refuse(receiving, "what runs is not that of %s; take a state, and restore %s",
		      strcmp(below, "-") ? below : "the base disk",
		      is_full(receiving) ? "any" : below);
}

static int check_from(const struct receiving *receiving, const struct snap_states *states,
		      const char **below)
{
	const struct snap_state *from = snap_find_uuid(states, receiving->header->from);
	int ret;

	if (!from)
		return refuse(receiving, "it has no state that is %s of the sender",
			      receiving->header->from_name);
	if (memcmp(from->origin, receiving->header->from_origin, SS_UUID_SIZE))
		return refuse(receiving,
			      "its %s is of the same take as %s of the sender, "
			      "but of another volume of the group, or salvaged since",
			      from->name, receiving->header->from_name);
	*below = from->name;
	ret = snap_shows_base(receiving->receiver->volume, from->name,
			      receiving->receiver->sectors);
	if (ret <= 0)
		return ret;
	return refuse(receiving,
		      "%s shows the base disk: it was taken here, or the volume has grown since "
		      "it was received; send without --from",
		      from->name);
}

static bool is_part_of(const struct mark *mark, const struct stream_header *header)
{
	return !memcmp(mark->uuid, header->to, SS_UUID_SIZE) &&
	       !memcmp(mark->origin, header->to_origin, SS_UUID_SIZE);
}

/* Sets receiving->noted if it has begun. What has nothing yet is in nobody's way. */
static int check_mark(struct receiving *receiving, const struct snap_state *state)
{
	uint64_t at = le64toh(receiving->header->at);
	struct mark mark = { 0 };

	if (state && (parse_note(state->note, &mark) || mark.at > receiving->receiver->sectors))
		return refuse(receiving,
			      "the note of the state " STREAM_RECEIVING " is none of ours");
	if (mark.at && !is_part_of(&mark, receiving->header))
		return refuse(receiving,
			      "it has received a part of another state; "
			      "restore another one, and delete the state " STREAM_RECEIVING
			      ", to give that up");
	receiving->noted = mark.at;
	if (at > receiving->noted)
		return refuse(receiving,
			      "the stream begins at %" PRIu64
			      ", but what is there ends at %" PRIu64,
			      at * STREAM_SECTOR, receiving->noted * STREAM_SECTOR);
	return 0;
}

static int check_name(const struct receiving *receiving, const struct snap_states *states)
{
	const struct snap_state *same = snap_find_uuid(states, receiving->header->to);

	if (same)
		return refuse(receiving, "it has a state of that take, called %s", same->name);
	if (snap_find_state(states, receiving->header->to_name))
		return refuse(receiving, "it has another state of that name");
	return 0;
}

/* What runs goes when a part is gone on with: it is the rest of that, or there is nothing of it. */
static int check_running(const struct receiving *receiving, const char *parent)
{
	int ret;

	if (!strcmp(parent, STREAM_RECEIVING))
		return 0;
	ret = is_same_from(receiving, parent, "-", 0);
	if (ret)
		return ret < 0 ? ret : 0;
	return refuse(receiving, "what was written since it was broken off would be lost; "
				 "take a state first");
}

/* What came runs again. */
static int go_on(struct receiving *receiving)
{
	const struct snap_receiver *receiver = receiving->receiver;
	struct snap_states states = { 0 };
	const struct snap_state *running;
	int ret = receiver->restore(receiver->disk, STREAM_RECEIVING);

	if (ret)
		return ret;
	receiving->is_begun = true;
	receiving->restores++;
	ret = snap_read_states(receiver->volume, &states);
	running = snap_find_state(&states, "-");
	if (!ret && (states.restores != receiving->restores || !running ||
		     strcmp(running->parent, STREAM_RECEIVING)))
		ret = -ESTALE;
	free(states.state);
	/* Of which state nothing came is no matter. */
	return ret || receiving->noted ? ret : note_place(receiving, 0, STREAM_RECEIVING);
}

/*
 * What runs again if it is broken off: never a part, nor what was taken above one in the middle
 * of it.
 */
static const char *find_former(const struct receiving *receiving, const struct snap_states *states,
			       const char *parent, const char *below)
{
	if (!is_full(receiving))
		return below;
	return snap_find_state(states, STREAM_RECEIVING) && is_above_part(states) ? "-" : parent;
}

static int begin_with(struct receiving *receiving, const struct snap_states *states)
{
	const struct snap_state *mark = snap_find_state(states, STREAM_RECEIVING);
	const struct snap_state *running = snap_find_state(states, "-");
	const char *parent = running ? running->parent : "-", *below = parent;
	int ret = check_name(receiving, states);

	receiving->restores = states->restores;
	receiving->written = states->written;
	ret = ret ? ret : check_mark(receiving, mark);
	if (!ret && !is_full(receiving))
		ret = check_from(receiving, states, &below);
	ret = ret ? ret : check_start(receiving, below, mark);
	if (!ret && mark)
		ret = check_running(receiving, parent);
	if (ret)
		return ret;
	parent = find_former(receiving, states, parent, below);
	if (strcmp(parent, "-"))
		snprintf(receiving->former, sizeof(receiving->former), "%s", parent);
	return mark ? go_on(receiving) : note_place(receiving, 0, "-");
}

static int begin(struct receiving *receiving)
{
	const struct snap_receiver *receiver = receiving->receiver;
	uint64_t sectors = le64toh(receiving->header->sectors);
	struct snap_states states = { 0 };
	int ret;

	if (sectors != receiver->sectors)
		return refuse(receiving, "it has %" PRIu64 " bytes, but the sender's %" PRIu64,
			      receiver->sectors * STREAM_SECTOR, sectors * STREAM_SECTOR);
	ret = receiver->check(receiver->disk);
	ret = ret ? ret : snap_read_states(receiver->volume, &states);
	ret = ret ? ret : begin_with(receiving, &states);
	free(states.state);
	return ret;
}

/* In order, within the volume, and of a whole one without a gap. */
static bool is_in_order(const struct receiving *receiving, const struct stream_record *record)
{
	uint64_t start = le64toh(record->start), sectors = le64toh(record->sectors);
	uint64_t size = receiving->receiver->sectors;

	return start >= receiving->next && start <= size && sectors <= size - start &&
	       (!is_full(receiving) || start == receiving->next);
}

/* What another has restored is not written over, nor is what is received mixed with his. */
static int check_alone(struct receiving *receiving)
{
	struct snap_states states;
	int ret = snap_read_states(receiving->receiver->volume, &states);

	if (!ret && states.restores != receiving->restores)
		ret = -ESTALE;
	if (!ret && states.written != receiving->written && !receiving->has_failed)
		ret = -ETXTBSY;
	free(states.state);
	receiving->looked_ns = now_ns(CLOCK_MONOTONIC);
	return ret;
}

static int check_alone_at_times(struct receiving *receiving)
{
	if (now_ns(CLOCK_MONOTONIC) - receiving->looked_ns < LOOK_NS)
		return 0;
	return check_alone(receiving);
}

/* A view of the last one keeps it: there is another at a later mark. */
static int receive_mark(struct receiving *receiving, uint64_t sector)
{
	const struct snap_receiver *receiver = receiving->receiver;
	int ret = check_alone(receiving);

	if (ret)
		return ret;
	if (now_ns(CLOCK_MONOTONIC) - receiving->noted_ns < receiver->mark_ns ||
	    receiver->is_reaping(receiver->disk))
		return 0;
	ret = note_place(receiving, sector, STREAM_RECEIVING);
	return ret == -EBUSY ? 0 : ret;
}

/* All is kept first, whatever is in the way of the state itself. */
static int receive_end(struct receiving *receiving, uint64_t sector)
{
	const struct snap_receiver *receiver = receiving->receiver;
	const struct stream_header *header = receiving->header;
	char identity[4 * SS_UUID_SIZE + 2];
	int ret = sector == receiver->sectors ? 0 : -EBADMSG;

	ret = ret ? ret : note_place(receiving, sector, STREAM_RECEIVING);
	ret = ret ? ret : receiver->check(receiver->disk);
	if (ret)
		return ret;
	snap_format_uuid(identity, header->to);
	identity[2 * SS_UUID_SIZE] = ' ';
	snap_format_uuid(identity + 2 * SS_UUID_SIZE + 1, header->to_origin);
	return become(receiving, header->to_name, STREAM_RECEIVING, identity, header->note);
}

/* All of it is written, or it is not known how much. */
static int write_range(struct receiving *receiving, uint64_t start, uint64_t sectors, bool is_zero)
{
	const struct snap_receiver *receiver = receiving->receiver;
	int ret = is_zero ? receiver->zero(receiver->disk, start, sectors)
			  : receiver->write(receiver->disk, start, receiving->data, sectors);

	receiving->written += sectors;
	receiving->has_failed = ret;
	return ret;
}

/* 1 at the end. */
static int receive_record(struct receiving *receiving)
{
	struct stream_record record;
	int ret = stream_get(&receiving->stream, &record, receiving->data);
	uint64_t start, sectors;

	if (ret)
		return ret;
	if (!is_in_order(receiving, &record))
		return -EBADMSG;
	start = le64toh(record.start);
	sectors = le64toh(record.sectors);
	receiving->next = start + sectors;
	ret = check_alone_at_times(receiving);
	if (ret)
		return ret;
	switch (le32toh(record.type)) {
	case STREAM_DATA:
		return write_range(receiving, start, sectors, false);
	case STREAM_ZERO:
		return write_range(receiving, start, sectors, true);
	case STREAM_AT:
		return receive_mark(receiving, start);
	default:
		ret = receive_end(receiving, start);
		return ret ? ret : 1;
	}
}

static int receive_records(struct receiving *receiving)
{
	int ret;

	receiving->next = le64toh(receiving->header->at);
	if (posix_memalign((void **)&receiving->data, 4096, STREAM_PIECE))
		return -ENOMEM;
	do {
		ret = receive_record(receiving);
	} while (!ret);
	free(receiving->data);
	return ret < 0 ? ret : 0;
}

static int restore_former(struct receiving *receiving)
{
	const struct snap_receiver *receiver = receiving->receiver;
	int ret = check_alone(receiving);

	ret = ret ? ret : receiver->check(receiver->disk);
	return ret ? ret : receiver->restore(receiver->disk, receiving->former);
}

/* It was broken off: what runs is a part that nobody is to start from. */
static void leave(struct receiving *receiving)
{
	const char *volume = receiving->receiver->volume->name;

	if (!*receiving->former)
		err("what %s runs is a part of %s", volume, receiving->header->to_name);
	else if (restore_former(receiving))
		err("what %s runs is not what it did: restore %s", volume, receiving->former);
}

/**
 * snap_receive() - receive a state
 * @receiver: where to, and where from
 * @header: result; its name is empty if there was none
 *
 * Return: 0, and the state is there; -ECANCELED when it was said why it is refused, and nothing
 * has changed, -EPIPE when the stream ends too early, -EBADMSG when it is damaged, -ESTALE when
 * another has restored a state meanwhile, -ETXTBSY when another has written, or another negative
 * errno: then the state STREAM_RECEIVING says how far it has come, and what ran before runs again
 * if that was a state.
 */
int snap_receive(const struct snap_receiver *receiver, struct stream_header *header)
{
	struct receiving receiving = {
		.receiver = receiver,
		.header = header,
		.stream.fd = receiver->fd,
	};
	int ret;

	memset(header, 0, sizeof(*header));
	ret = stream_get_header(&receiving.stream, header);
	if (ret) {
		memset(header, 0, sizeof(*header));
		return ret;
	}
	ret = begin(&receiving);
	ret = ret ? ret : receive_records(&receiving);
	if (ret && receiving.is_begun)
		leave(&receiving);
	return ret;
}

/**
 * snap_received() - how far has a receive come that was broken off?
 * @volume: volume
 * @header: of which stream, NULL = any
 * @at: result: sector from which on the rest is wanted, 0 if there is none
 *
 * Return: 0 or a negative errno.
 */
int snap_received(const struct snap_volume *volume, const struct stream_header *header,
		  uint64_t *at)
{
	struct snap_states states;
	const struct snap_state *state;
	struct mark mark = { 0 };
	int ret = snap_read_states(volume, &states);

	state = ret ? NULL : snap_find_state(&states, STREAM_RECEIVING);
	if (state)
		ret = parse_note(state->note, &mark);
	*at = header && !is_part_of(&mark, header) ? 0 : mark.at;
	free(states.state);
	return ret;
}
