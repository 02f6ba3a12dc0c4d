// SPDX-License-Identifier: GPL-2.0
/*
 * Sends a state: what another has from different places, or all of it.
 *
 * A state does not change, so that the same is sent each time, and may be from
 * any sector on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "snap/snap_store.h"
#include "snap/snap_stream.h"

/* Zeroes are told apart in units of this. */
#define UNIT ((64 << 10) / STREAM_SECTOR)

/**
 * struct sending - a stream on its way
 * @sender: what is sent
 * @stream: where to
 * @data: room for STREAM_PIECE
 * @zero_start: sectors of zeroes that were not sent yet
 * @zero_end: where they end; @zero_start if there are none
 * @is_marked: nothing was sent since the last mark
 */
struct sending {
	const struct snap_sender *sender;
	struct stream stream;
	u8 *data;
	uint64_t zero_start;
	uint64_t zero_end;
	bool is_marked;
};

/* By what it is known everywhere. */
static int identify(const struct snap_states *states, const char *name, u8 *uuid, u8 *origin)
{
	const struct snap_state *state = snap_find_state(states, name);

	if (!state || !strcmp(name, "-"))
		return -ENOENT;
	if (!strcmp(name, STREAM_RECEIVING))
		return -EINVAL;
	if (!strcmp(state->condition, "undecided"))
		return -EAGAIN;
	if (!snap_has_uuid(state->uuid))
		return -ENODATA;
	memcpy(uuid, state->uuid, SS_UUID_SIZE);
	memcpy(origin, state->origin, SS_UUID_SIZE);
	return 0;
}

static int fill_header(const struct snap_sender *sender, const struct snap_states *states,
		       struct stream_header *header)
{
	const struct snap_state *to = snap_find_state(states, sender->to);
	int ret = identify(states, sender->to, header->to, header->to_origin);

	if (ret)
		return ret;
	header->at = htole64(sender->at / STREAM_ALIGN * STREAM_ALIGN);
	header->time = htole64(to->time);
	snprintf(header->to_name, sizeof(header->to_name), "%s", to->name);
	snprintf(header->note, sizeof(header->note), "%s", to->note);
	if (!sender->from)
		return 0;
	snprintf(header->from_name, sizeof(header->from_name), "%s", sender->from);
	return identify(states, sender->from, header->from, header->from_origin);
}

/**
 * snap_prepare_send() - which states are these?
 * @sender: what to send; no view is needed yet
 * @header: result, but for the size
 *
 * Return: 0; -ENOENT, -EINVAL when it is a part of one, -EAGAIN when it is undecided, -ENODATA when
 * it has no transaction, or another negative errno.
 */
int snap_prepare_send(const struct snap_sender *sender, struct stream_header *header)
{
	struct snap_states states;
	int ret = snap_read_states(sender->volume, &states);

	memset(header, 0, sizeof(*header));
	ret = ret ? ret : fill_header(sender, &states, header);
	free(states.state);
	return ret;
}

/* Ranges, and a view, are found by name: the states are the same before and after. */
static int check_same(const struct snap_sender *sender, const struct stream_header *header)
{
	struct stream_header now;
	int ret = snap_prepare_send(sender, &now);

	if (!ret && (memcmp(now.to, header->to, SS_UUID_SIZE) ||
		     memcmp(now.from, header->from, SS_UUID_SIZE)))
		ret = -ESTALE;
	return ret;
}

/*
 * One that was received before the volume grew is not the one that was taken any more, nor is one
 * that was taken here if what it shows of the base disk is another's.
 */
static int check_whole(const struct snap_sender *sender, const struct snap_states *states,
		       const char *name)
{
	const struct snap_state *state = snap_find_state(states, name);
	bool is_own = state && !memcmp(state->origin, states->origin, SS_UUID_SIZE);
	int ret;

	if (!state || (is_own && !sender->has_other_base))
		return 0;
	ret = snap_shows_base(sender->volume, name, sender->sectors);
	if (ret > 0)
		return is_own ? -EMEDIUMTYPE : -EXDEV;
	return ret;
}

static int check_both_whole(const struct snap_sender *sender)
{
	struct snap_states states;
	int ret = snap_read_states(sender->volume, &states);

	ret = ret ? ret : check_whole(sender, &states, sender->to);
	if (!ret && sender->from)
		ret = check_whole(sender, &states, sender->from);
	free(states.state);
	return ret;
}

/* To whole blocks of any disk: the view has what is around. */
static void align(const struct snap_sender *sender, struct snap_ranges *ranges)
{
	size_t i, n = 0;

	for (i = 0; i < ranges->n; i++) {
		struct snap_range range = ranges->range[i];

		range.start = range.start / STREAM_ALIGN * STREAM_ALIGN;
		range.end = (range.end + STREAM_ALIGN - 1) / STREAM_ALIGN * STREAM_ALIGN;
		if (range.end > sender->sectors)
			range.end = sender->sectors;
		if (n && range.start <= ranges->range[n - 1].end)
			ranges->range[n - 1].end = range.end;
		else
			ranges->range[n++] = range;
	}
	ranges->n = n;
}

static int find_ranges(const struct snap_sender *sender, struct snap_ranges *ranges)
{
	int ret;

	if (sender->from) {
		ret = snap_read_ranges(sender->volume, sender->from, sender->to, ranges);
		align(sender, ranges);
		return ret;
	}
	ranges->n = 1;
	ranges->range = xalloc(sizeof(*ranges->range));
	ranges->range->end = sender->sectors;
	return 0;
}

static int put(struct sending *sending, enum stream_type type, uint64_t start, uint64_t sectors,
	       const void *data)
{
	sending->is_marked = type == STREAM_AT;
	return stream_put(&sending->stream, type, start, sectors, data);
}

static int put_zeroes(struct sending *sending)
{
	uint64_t start = sending->zero_start, sectors = sending->zero_end - start;

	sending->zero_start = sending->zero_end;
	return sectors ? put(sending, STREAM_ZERO, start, sectors, NULL) : 0;
}

static int add_zeroes(struct sending *sending, uint64_t start, uint64_t sectors)
{
	int ret = start == sending->zero_end ? 0 : put_zeroes(sending);

	if (sending->zero_start == sending->zero_end)
		sending->zero_start = start;
	sending->zero_end = start + sectors;
	return ret;
}

static bool is_zero(const struct sending *sending, uint64_t from, uint64_t to)
{
	return !memchr_inv(sending->data + from * STREAM_SECTOR, 0, (to - from) * STREAM_SECTOR);
}

/* Where the unit that has this sector ends, but @max. */
static uint64_t end_of_unit(uint64_t sector, uint64_t max)
{
	uint64_t end = sector / UNIT * UNIT + UNIT;

	return end < max ? end : max;
}

/* A piece that was read: of each run of units that are zeroes, or are not, a record. */
static int put_piece(struct sending *sending, uint64_t start, uint64_t sectors)
{
	uint64_t from, to, end = start + sectors;
	int ret = 0;

	for (from = start; !ret && from < end; from = to) {
		bool zero;

		to = end_of_unit(from, end);
		zero = is_zero(sending, from - start, to - start);
		while (to < end &&
		       is_zero(sending, to - start, end_of_unit(to, end) - start) == zero)
			to = end_of_unit(to, end);
		if (zero) {
			ret = add_zeroes(sending, from, to - from);
			continue;
		}
		ret = put_zeroes(sending);
		ret = ret ? ret
			  : put(sending, STREAM_DATA, from, to - from,
				sending->data + (from - start) * STREAM_SECTOR);
	}
	return ret;
}

/* All before this was sent. */
static int put_mark(struct sending *sending, uint64_t sector)
{
	int ret = put_zeroes(sending);

	return ret || sending->is_marked ? ret : put(sending, STREAM_AT, sector, 0, NULL);
}

static int put_range(struct sending *sending, uint64_t start, uint64_t end)
{
	const struct snap_sender *sender = sending->sender;
	int ret = 0;

	while (!ret && start < end) {
		uint64_t mark = start / sender->mark * sender->mark + sender->mark;
		uint64_t max = start + STREAM_PIECE / STREAM_SECTOR;
		uint64_t to = end < mark ? end : mark;

		to = to < max ? to : max;
		ret = sender->read(sender->view, start, sending->data, to - start);
		ret = ret ? ret : put_piece(sending, start, to - start);
		if (!ret && to == mark)
			ret = put_mark(sending, to);
		start = to;
	}
	return ret;
}

static int put_ranges(struct sending *sending, const struct snap_ranges *ranges, uint64_t at)
{
	uint64_t mark = sending->sender->mark;
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < ranges->n; i++) {
		uint64_t start = ranges->range[i].start, end = ranges->range[i].end;

		if (end <= at)
			continue;
		start = start > at ? start : at;
		/* A mark in a gap says that all before the next range was sent. */
		if (i && start / mark > ranges->range[i - 1].end / mark)
			ret = put_mark(sending, start);
		ret = ret ? ret : put_range(sending, start, end);
	}
	ret = ret ? ret : put_zeroes(sending);
	return ret ? ret : put(sending, STREAM_END, sending->sender->sectors, 0, NULL);
}

/**
 * snap_send() - send a state
 * @sender: what to send, with a view that was made since @header was filled
 * @header: of snap_prepare_send()
 *
 * Return: 0, and there is an end in the stream; -ERANGE when it is to begin beyond the end of the
 * volume, -EXDEV when a state was received before the volume grew, -EMEDIUMTYPE when one that was
 * taken here shows another base disk, -ESTALE when it is another one
 * by now, or another negative errno.
 */
int snap_send(const struct snap_sender *sender, struct stream_header *header)
{
	struct sending sending = {
		.sender = sender,
		.stream.fd = sender->fd,
		.is_marked = true,
	};
	struct snap_ranges ranges = { 0 };
	int ret = sender->at > sender->sectors ? -ERANGE : check_both_whole(sender);

	ret = ret ? ret : find_ranges(sender, &ranges);
	ret = ret ? ret : check_same(sender, header);
	if (!ret && posix_memalign((void **)&sending.data, 4096, STREAM_PIECE))
		ret = -ENOMEM;
	header->sectors = htole64(sender->sectors);
	ret = ret ? ret : stream_put_header(&sending.stream, header);
	ret = ret ? ret : put_ranges(&sending, &ranges, le64toh(header->at));
	free(sending.data);
	free(ranges.range);
	return ret;
}
