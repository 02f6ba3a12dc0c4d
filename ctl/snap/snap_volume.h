/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a volume tells of its states, whoever carries the messages to it.
 */
#ifndef LPARCTL_SNAP_VOLUME_H
#define LPARCTL_SNAP_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/uapi/lparkit/snapsync.h"

/**
 * struct snap_volume - who answers messages
 * @name: of the device
 * @message: sets *answer, to be freed, if it is not NULL; returns 0 or a negative errno
 */
struct snap_volume {
	const char *name;
	int (*message)(const struct snap_volume *volume, const char *text, char **answer);
};

/* A state, or what runs: that is called "-". */
struct snap_state {
	char name[SS_NAME_MAX + 1];
	char parent[SS_NAME_MAX + 1];
	uint64_t time;
	uint64_t own;
	uint64_t zero;
	uint64_t inherited;
	unsigned int views;
	char condition[16];
	char note[SS_NOTE_MAX + 1];
	uint8_t uuid[SS_UUID_SIZE]; /* of the take, the same on all members and hosts */
	uint8_t origin[SS_UUID_SIZE]; /* of the volume that was taken */
};

struct snap_states {
	struct snap_state *state;
	size_t n;
	uint64_t chunk; /* bytes */
	uint64_t restores; /* since the volume was activated */
	uint64_t written; /* sectors since then, by anybody */
	uint8_t origin[SS_UUID_SIZE]; /* of what is taken here */
};

/* Sectors that differ, in order, none next to another. */
struct snap_range {
	uint64_t start;
	uint64_t end;
};

struct snap_ranges {
	struct snap_range *range;
	size_t n;
};

struct snap_volume snap_volume(const char *name); /* of device mapper; snap.c */
char *snap_quoted(const char *text);
int snap_read_states(const struct snap_volume *volume, struct snap_states *states);
const struct snap_state *snap_find_state(const struct snap_states *states, const char *name);
const struct snap_state *snap_find_uuid(const struct snap_states *states, const uint8_t *uuid);
bool snap_has_uuid(const uint8_t *uuid);
void snap_format_uuid(char *text, const uint8_t *uuid);
int snap_parse_uuid(const char *text, uint8_t *uuid);
int snap_shows_base(const struct snap_volume *volume, const char *name, uint64_t sectors);
int snap_read_ranges(const struct snap_volume *volume, const char *from, const char *to,
		     struct snap_ranges *ranges);

#endif /* LPARCTL_SNAP_VOLUME_H */
