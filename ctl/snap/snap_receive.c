// SPDX-License-Identifier: GPL-2.0
/*
 * Receives a state. What runs is written; at marks it becomes the state
 * "receiving", whose note says how far that has come, at the end the state that
 * was sent. So there is all of a state, or none, and what was broken off goes
 * on from the last mark, whatever has happened to what runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "snap/snap_store.h"
#include "snap/snap_stream.h"

/**
 * struct receiving - a stream on its way
 * @receiver: where to
 * @header: of the stream
 * @stream: where from
 * @data: room for STREAM_PIECE
 * @next: sector before which the stream has nothing more to say
 * @noted: sector of the state "receiving": all before is as in what is sent
 * @noted_ns: CLOCK_MONOTONIC of that
 */
struct receiving {
	const struct snap_receiver *receiver;
	const struct stream_header *header;
	struct stream stream;
	u8 *data;
	uint64_t next;
	uint64_t noted;
	uint64_t noted_ns;
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

/* Does this state, whose transaction is that of the stream, say how far it has come? */
static int parse_note(const struct snap_state *state, uint64_t *at)
{
	uint64_t bytes;

	if (sscanf(state->note, "at %" SCNu64, &bytes) != 1 || bytes % STREAM_SECTOR)
		return -EBADMSG;
	*at = bytes / STREAM_SECTOR;
	return 0;
}

/* What runs becomes a state of that name, in place of another. */
static int become(const struct receiving *receiving, const char *name, const char *replaced,
		  const char *note)
{
	const struct snap_volume *volume = receiving->receiver->volume;
	char *quoted = snap_quoted(name), *quoted_note = snap_quoted(note), *text;
	char uuid[2 * SS_UUID_SIZE + 1];
	int ret;

	snap_format_uuid(uuid, receiving->header->to);
	text = xprintf("receive %s %s %s %" PRIu64 " %s", quoted, replaced, uuid,
		       le64toh(receiving->header->time), quoted_note);
	ret = volume->message(volume, text, NULL);
	free(text);
	free(quoted_note);
	free(quoted);
	return ret;
}

/* Never back: what was received is so for ever. */
static int note_place(struct receiving *receiving, uint64_t sector, const char *replaced)
{
	char *note;
	int ret;

	if (sector < receiving->noted)
		sector = receiving->noted;
	note = xprintf("at %" PRIu64 " of %s", sector * STREAM_SECTOR, receiving->header->to_name);
	ret = become(receiving, STREAM_RECEIVING, replaced, note);
	free(note);
	if (!ret) {
		receiving->noted = sector;
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

/* Where a state shows BASE, nobody knows what that of the other side has there. */
static int has_nothing_of_base(const struct receiving *receiving, const char *name)
{
	struct snap_ranges ranges;
	int ret = snap_read_ranges(receiving->receiver->volume, "-", name, &ranges);

	if (!ret)
		ret = ranges.n == 1 && !ranges.range->start &&
		      ranges.range->end == receiving->receiver->sectors;
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
			      "delete the state " STREAM_RECEIVING ", and restore that",
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
	*below = from->name;
	ret = has_nothing_of_base(receiving, from->name);
	if (ret)
		return ret < 0 ? ret : 0;
	return refuse(receiving,
		      "%s was not received as a whole, or the volume has grown since; "
		      "send without --from",
		      from->name);
}

/* Sets receiving->noted if it has begun. */
static int check_mark(struct receiving *receiving, const struct snap_state *mark)
{
	uint64_t at = le64toh(receiving->header->at);

	if (mark && memcmp(mark->uuid, receiving->header->to, SS_UUID_SIZE))
		return refuse(receiving, "it has received a part of another state; "
					 "delete the state " STREAM_RECEIVING " to give that up");
	if (mark && parse_note(mark, &receiving->noted))
		return refuse(receiving,
			      "the note of the state " STREAM_RECEIVING " is none of ours");
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

	if (same && strcmp(same->name, STREAM_RECEIVING))
		return refuse(receiving, "it has that state, called %s", same->name);
	if (snap_find_state(states, receiving->header->to_name))
		return refuse(receiving, "it has another state of that name");
	return 0;
}

static int begin_with(struct receiving *receiving, const struct snap_states *states)
{
	const struct snap_state *mark = snap_find_state(states, STREAM_RECEIVING);
	const struct snap_state *running = snap_find_state(states, "-");
	const char *below = running ? running->parent : "-";
	int ret = check_name(receiving, states);

	ret = ret ? ret : check_mark(receiving, mark);
	if (!ret && !is_full(receiving))
		ret = check_from(receiving, states, &below);
	ret = ret ? ret : check_start(receiving, below, mark);
	if (ret)
		return ret;
	return mark ? receiving->receiver->restore(receiving->receiver->disk)
		    : note_place(receiving, 0, "-");
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

static int receive_mark(struct receiving *receiving, uint64_t sector)
{
	if (now_ns(CLOCK_MONOTONIC) - receiving->noted_ns < receiving->receiver->mark_ns)
		return 0;
	return note_place(receiving, sector, STREAM_RECEIVING);
}

static int receive_end(const struct receiving *receiving, uint64_t sector)
{
	const struct snap_receiver *receiver = receiving->receiver;
	int ret = sector == receiver->sectors ? receiver->check(receiver->disk) : -EBADMSG;

	return ret ? ret
		   : become(receiving, receiving->header->to_name, STREAM_RECEIVING,
			    receiving->header->note);
}

/* 1 at the end. */
static int receive_record(struct receiving *receiving)
{
	const struct snap_receiver *receiver = receiving->receiver;
	struct stream_record record;
	int ret = stream_get(&receiving->stream, &record, receiving->data);
	uint64_t start = le64toh(record.start), sectors = le64toh(record.sectors);

	if (ret)
		return ret;
	if (!is_in_order(receiving, &record))
		return -EBADMSG;
	receiving->next = start + sectors;
	switch (le32toh(record.type)) {
	case STREAM_DATA:
		return receiver->write(receiver->disk, start, receiving->data, sectors);
	case STREAM_ZERO:
		return receiver->zero(receiver->disk, start, sectors);
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

/**
 * snap_receive() - receive a state
 * @receiver: where to, and where from
 * @header: result; its name is empty if there was none
 *
 * Return: 0, and the state is there; -ECANCELED when it was said why it is refused, and nothing
 * has changed, -EPIPE when the stream ends too early, -EBADMSG when it is damaged, or another
 * negative errno: then the state STREAM_RECEIVING says how far it has come.
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
	return ret ? ret : receive_records(&receiving);
}

/**
 * snap_received() - how far has a receive come that was broken off?
 * @volume: volume
 * @at: result: sector from which on the rest is wanted, 0 if there is none
 *
 * Return: 0 or a negative errno.
 */
int snap_received(const struct snap_volume *volume, uint64_t *at)
{
	struct snap_states states;
	const struct snap_state *mark;
	int ret = snap_read_states(volume, &states);

	*at = 0;
	mark = ret ? NULL : snap_find_state(&states, STREAM_RECEIVING);
	if (mark)
		ret = parse_note(mark, at);
	free(states.state);
	return ret;
}
