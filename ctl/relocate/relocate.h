/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks that follow their guests.
 */
#ifndef RELOCATE_H
#define RELOCATE_H

#include "lib/lib.h"

/* relocate.c: volumes */
int relocate_start_verb(struct args *args);
int relocate_status_verb(struct args *args);
int relocate_pause_verb(struct args *args);
int relocate_resume_verb(struct args *args);
int relocate_rate_verb(struct args *args);
int relocate_source_verb(struct args *args);
int relocate_finish_verb(struct args *args);
int relocate_abort_verb(struct args *args);

/* Of a disk or of a file system, in sectors. */
struct range {
	uint64_t start;
	uint64_t count;
	uint64_t weight;
};

struct ranges {
	struct range *range;
	size_t n;
	size_t size;
};

/* relocate_order.c: what comes first */
void add_range(struct ranges *ranges, uint64_t start, uint64_t count, uint64_t weight);
int relocate_order_verb(struct args *args);
int relocate_send_verb(struct args *args);

/* relocate_xfs.c: what an XFS has free */
bool xfs_find_free(const char *path, uint64_t sectors, struct ranges *free_ranges, uint64_t *end,
		   bool *clean);

#endif /* RELOCATE_H */
