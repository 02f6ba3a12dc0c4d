/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two halves of a migration's source share.
 */
#ifndef MOVE_SOURCE_H
#define MOVE_SOURCE_H

#include "cluster/cluster.h"

/* One answer to query-migrate. */
struct progress {
	char status[24];
	uint64_t passes; /* begun */
	uint64_t total, remaining, sent; /* bytes */
	uint64_t rate; /* bytes per second that are transferred */
	uint64_t downtime_ms; /* the guest's stop, as QEMU saw it */
	char why[160];
};

/* move_source.c */
int leave_query(struct guest *guest, struct progress *progress);
bool leave_is(const struct progress *progress, const char *status);
int leave_set_pause(struct guest *guest, bool on);

/* move_release.c */
char *leave_frames_path(const struct guest *guest); /* to be freed */

#endif /* MOVE_SOURCE_H */
