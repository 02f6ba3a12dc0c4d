/* SPDX-License-Identifier: GPL-2.0 */
/* What fence.c, record.c and pin.c share. */
#ifndef _KMOD_LPAR_FENCE_H
#define _KMOD_LPAR_FENCE_H

#include "lpar.h"

/* So many tasks or records, then others are let in. */
#define FENCE_BATCH		512

extern struct mutex lpar_fence_mutex;

/**
 * struct fence_mask - an affinity before and after; shared, as most tasks have the same
 * @node: in masks, by both affinities
 * @users: records that point here
 * @orig: what the task had; in @bits
 * @set: what it was given; in @bits
 * @bits: no more than the host's CPUs need
 *
 * Anybody may have as many affinities as threads, so an entry is small and found by hash.
 */
struct fence_mask {
	struct hlist_node node;
	unsigned int users;
	struct cpumask *orig;
	struct cpumask *set;
	unsigned long bits[];
};

/**
 * struct fence_record - a thread whose affinity was changed
 * @node: in records, by @pid
 * @pid: the thread; holds a reference, so that the number cannot be taken for another
 * @mask: what to give back
 * @former: what it had been given before some of it was given back, or NULL
 * @member: it was changed as a member's, whose present affinity is no wish to be kept
 * @spent: all of it was given back
 *
 * By @former, or @mask of one that is spent, children are known that were forked before that
 * and not seen yet; until the fence is down.
 */
struct fence_record {
	struct hlist_node node;
	struct pid *pid;
	struct fence_mask *mask;
	struct fence_mask *former;
	bool member;
	bool spent;
};

/* record.c */
struct fence_record *lpar_record_find(const struct pid *pid);
int lpar_record_note(struct pid *pid, const struct cpumask *orig, const struct cpumask *set,
		     bool member);
int lpar_record_replace(struct fence_record *record, const struct cpumask *orig,
			const struct cpumask *set);
void lpar_record_settle(struct fence_record *record);
void lpar_record_drop(struct fence_record *record);
bool lpar_record_is_any(void);
void lpar_record_for_each(void (*visit)(struct fence_record *record), void (*pause)(void));

/* pin.c */
void lpar_pin_room(const struct lpar *lpar, struct task_struct *task, struct cpumask *room);
void lpar_pin_swap(struct lpar *lpar, struct list_head *pins);
bool lpar_pin_free_dead(struct lpar *lpar);
int lpar_pin_check(const struct lpar *lpar, const struct lpar_pin *pin,
		   struct lpar_report *report);

#endif /* _KMOD_LPAR_FENCE_H */
