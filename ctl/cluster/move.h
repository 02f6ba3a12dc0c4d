/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the caller of a migration knows of it.
 */
#ifndef MOVE_H
#define MOVE_H

#include "cluster/cluster.h"

/* Of a step that is neither reserving nor copying. */
#define MOVE_STEP_NS (120 * (uint64_t)NSEC_PER_SEC)

/* Which channel is whose; either can be the source. */
enum { HERE, THERE };

struct move {
	const char *name; /* of the LPAR */
	char id[SESSION_ID_CHARS + 1]; /* "" = none yet */
	const char *to;
	const char *storage;
	char *from; /* this host, as the other one reaches it */
	char *address; /* of the other one, for QEMU's stream */
	uint64_t downtime_ms;
	uint64_t bandwidth; /* bytes per second; 0 = all that there is */
	uint64_t limit; /* of dirtying, the same; 0 = what is transferred */
	bool throttled;
	bool patient; /* goes on although it is slow */
	bool check; /* and no more */
	uint64_t timeout_ns; /* of the copy */
	struct channels channels;
	bool begun; /* there are records */
	bool decided; /* or it may be */
	bool arrived; /* this host is the destination */
	bool abandons; /* the operator knows that a copy is of no use */
	bool orphaned; /* and that nobody is there to ask */
	struct json_object *stages;
	uint64_t stage_ns; /* CLOCK_MONOTONIC at which the last one has begun */
	struct json_object *result; /* of the copy */
};

/* move_args.c */
int move_parse(struct args *args, struct move *move, const char *verb); /* exit code */
void move_free(struct move *move);

/* move.c */
struct json_object *answer_of(const struct move *move, int host);
void move_name_hosts(struct move *move);
int move_reach(struct move *move, int host, struct json_object **state);
int move_resolve(struct move *move); /* exit code */
int move_abandon(struct move *move); /* exit code */

#endif /* MOVE_H */
