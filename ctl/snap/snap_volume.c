// SPDX-License-Identifier: GPL-2.0
/*
 * What a volume tells of its states: answers to messages, taken apart.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"
#include "snap/snap_store.h"
#include "snap/snap_volume.h"

/* Device mapper splits a message at blanks, and takes backslashes away. */
char *snap_quoted(const char *text)
{
	char *copy = xalloc(2 * strlen(text) + 1), *at = copy;

	for (; *text; *at++ = *text++)
		if (*text == ' ' || *text == '\\')
			*at++ = '\\';
	return copy;
}

static int parse_state(const char *line, struct snap_state *state)
{
	int end = 0;

	memset(state, 0, sizeof(*state));
	if (sscanf(line, "%63s %63s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %u %15s%n",
		   state->name, state->parent, &state->time, &state->own, &state->zero,
		   &state->inherited, &state->views, state->condition, &end) < 8)
		return -EBADMSG;
	if (line[end] == ' ')
		snprintf(state->note, sizeof(state->note), "%s", line + end + 1);
	return 0;
}

static int read_list(const struct snap_volume *volume, struct snap_states *states)
{
	char *answer = NULL, *line, *rest;
	int ret = volume->message(volume, "list", &answer);

	if (ret)
		return ret;
	for (line = strtok_r(answer, "\n", &rest); line && !ret;
	     line = strtok_r(NULL, "\n", &rest)) {
		states->state = xrealloc(states->state, (states->n + 1) * sizeof(*states->state));
		ret = parse_state(line, &states->state[states->n++]);
	}
	free(answer);
	return ret;
}

/* Of digits, no more and no less. */
int snap_parse_uuid(const char *text, uint8_t *uuid)
{
	unsigned int i;

	if (strlen(text) != 2 * SS_UUID_SIZE || strspn(text, "0123456789abcdef") != strlen(text))
		return -EBADMSG;
	for (i = 0; i < SS_UUID_SIZE; i++)
		if (sscanf(text + 2 * i, "%2" SCNx8, &uuid[i]) != 1)
			return -EBADMSG;
	return 0;
}

/* What was taken or renamed in between has none. */
static int parse_identity(struct snap_states *states, const char *line)
{
	char name[SS_NAME_MAX + 1], uuid[2 * SS_UUID_SIZE + 1], origin[2 * SS_UUID_SIZE + 1];
	struct snap_state *state;

	if (sscanf(line, "- %" SCNu64 " %" SCNu64 " %32s", &states->restores, &states->written,
		   origin) == 3)
		return snap_parse_uuid(origin, states->origin);
	if (sscanf(line, "%63s %32s %32s", name, uuid, origin) != 3)
		return -EBADMSG;
	state = (struct snap_state *)snap_find_state(states, name);
	if (!state)
		return 0;
	return snap_parse_uuid(uuid, state->uuid) ? -EBADMSG
						  : snap_parse_uuid(origin, state->origin);
}

static int read_uuids(const struct snap_volume *volume, struct snap_states *states)
{
	char *answer = NULL, *line, *rest;
	int ret = volume->message(volume, "uuids", &answer);

	if (ret)
		return ret;
	for (line = strtok_r(answer, "\n", &rest); line && !ret; line = strtok_r(NULL, "\n", &rest))
		ret = parse_identity(states, line);
	free(answer);
	return ret;
}

/* All states, what runs first; states->state is to be freed in any case. */
int snap_read_states(const struct snap_volume *volume, struct snap_states *states)
{
	int ret;

	memset(states, 0, sizeof(*states));
	ret = read_list(volume, states);
	return ret ? ret : read_uuids(volume, states);
}

const struct snap_state *snap_find_state(const struct snap_states *states, const char *name)
{
	size_t i;

	for (i = 0; i < states->n; i++)
		if (!strcmp(states->state[i].name, name))
			return &states->state[i];
	return NULL;
}

/* Not what runs, which has none. */
const struct snap_state *snap_find_uuid(const struct snap_states *states, const uint8_t *uuid)
{
	size_t i;

	for (i = 0; i < states->n; i++)
		if (strcmp(states->state[i].name, "-") &&
		    !memcmp(states->state[i].uuid, uuid, SS_UUID_SIZE))
			return &states->state[i];
	return NULL;
}

bool snap_has_uuid(const uint8_t *uuid)
{
	return memchr_inv(uuid, 0, SS_UUID_SIZE);
}

/* Room for 2 * SS_UUID_SIZE digits, and the end; empty if there is none. */
void snap_format_uuid(char *text, const uint8_t *uuid)
{
	unsigned int i;

	*text = '\0';
	for (i = 0; snap_has_uuid(uuid) && i < SS_UUID_SIZE; i++)
		sprintf(text + 2 * i, "%02x", uuid[i]);
}

/* Runs come in order, and may go on over the end of an answer. */
static void add_range(struct snap_ranges *ranges, uint64_t start, uint64_t sectors)
{
	if (ranges->n && ranges->range[ranges->n - 1].end == start) {
		ranges->range[ranges->n - 1].end += sectors;
		return;
	}
	if (!(ranges->n & (ranges->n - 1)))
		ranges->range =
			xrealloc(ranges->range, (2 * ranges->n + 1) * sizeof(*ranges->range));
	ranges->range[ranges->n].start = start;
	ranges->range[ranges->n++].end = start + sectors;
}

/* Sets *next to where to go on, 0 at the end. */
static int parse_ranges(struct snap_ranges *ranges, char *answer, uint64_t *next)
{
	uint64_t start, sectors, from = *next;
	char *line, *rest;

	for (line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "next %" SCNu64, next) == 1)
			return *next > from ? 0 : -EBADMSG;
		*next = 0;
		if (!strncmp(line, "end ", 4))
			return 0;
		if (sscanf(line, "%" SCNu64 " %" SCNu64, &start, &sectors) != 2)
			return -EBADMSG;
		add_range(ranges, start, sectors);
	}
	return -EBADMSG;
}

/* ranges->range is to be freed in any case. */
int snap_read_ranges(const struct snap_volume *volume, const char *from, const char *to,
		     struct snap_ranges *ranges)
{
	char *older = snap_quoted(from), *newer = snap_quoted(to);
	uint64_t next = 0;
	int ret;

	memset(ranges, 0, sizeof(*ranges));
	do {
		char *text = xprintf("diff %s %s %" PRIu64, older, newer, next), *answer = NULL;

		ret = volume->message(volume, text, &answer);
		ret = ret ? ret : parse_ranges(ranges, answer, &next);
		free(answer);
		free(text);
	} while (!ret && next);
	free(newer);
	free(older);
	return ret;
}

/* Where a state shows BASE, nobody knows what another volume has there. 1, 0 or a negative errno. */
int snap_shows_base(const struct snap_volume *volume, const char *name, uint64_t sectors)
{
	struct snap_ranges ranges;
	int ret = snap_read_ranges(volume, "-", name, &ranges);

	if (!ret)
		ret = ranges.n != 1 || ranges.range->start || ranges.range->end != sectors;
	free(ranges.range);
	return ret;
}
