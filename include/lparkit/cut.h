/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cut: many participants act at one instant.
 *
 * lpar.ko owns the deadline. A module that takes part registers one
 * struct lpar_cut_class for each kind of participant. When a cut is armed,
 * lpar.ko asks every class, in process context, for its participants of each
 * LPAR that is cut (->collect()); at the deadline it calls ->fire() of each
 * participant in hard-irq context, in the order of enum lpar_cut_order (in
 * reverse when the action is LPAR_CUT_OPEN): those of one order begin when all
 * of the former have returned. Afterwards, or on cancel, it calls ->finish() in
 * process context.
 *
 * Each participant records its own firing time, so that the skew that is
 * reported is measured.
 */
#ifndef _LPARKIT_CUT_H
#define _LPARKIT_CUT_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/types.h>
#include <lparkit/lpar.h>

struct lpar_cut;
struct module;

#define LPAR_CUT_KIND_MAX	15
#define LPAR_CUT_POINT_NAME_MAX	63

/**
 * enum lpar_cut_order - when a class acts within a cut
 * @LPAR_CUT_ORDER_NET: frames are held first: what a guest sends before its
 *	gate closes is then already on the far side of the cut
 * @LPAR_CUT_ORDER_GATE: then the vCPUs stop
 * @LPAR_CUT_ORDER_DISK: then disks take their new generation
 * @LPAR_CUT_ORDERS: number of the above
 */
enum lpar_cut_order {
	LPAR_CUT_ORDER_NET,
	LPAR_CUT_ORDER_GATE,
	LPAR_CUT_ORDER_DISK,
	LPAR_CUT_ORDERS,
};

/**
 * struct lpar_cut_point - one participant of one armed cut
 * @node: owned by lpar.ko from lpar_cut_add() to ->release()
 * @class: owned by lpar.ko
 * @name: what takes part (LPAR, netdev, volume); set before lpar_cut_add()
 * @fired: CLOCK_REALTIME when it acted; set by ->fire()
 * @done: CLOCK_REALTIME of its full effect, 0 if unknown; set by ->finish()
 * @count: number of things acted on, for the report; set by ->finish()
 * @error: 0 or a negative errno, for the report
 *
 * Allocated by the class in ->collect(), freed by it in ->release(), which comes after the
 * ->finish() of all.
 */
struct lpar_cut_point {
	struct list_head node;
	const struct lpar_cut_class *class;
	char name[LPAR_CUT_POINT_NAME_MAX + 1];
	ktime_t fired;
	ktime_t done;
	u32 count;
	int error;
};

/**
 * struct lpar_cut_class - a kind of participant
 * @node: owned by lpar.ko while registered
 * @owner: module that must not go while a cut is armed
 * @kind: shown in reports, LPAR_CUT_KIND_MAX characters at most: "gate", "netbuf", "snapsync"
 * @order: when it acts within a cut
 * @parallel: ->fire() of several participants may be called at a time, on
 *	several CPUs; with many of them that is done
 * @collect: adds the participants of one LPAR with lpar_cut_add().
 *	Process context, may sleep; may be called for several cuts at a time, as
 *	all that follow but @fire. Returns 0 (also when there are none) or a
 *	negative errno, which refuses the cut; what was added before is then
 *	finished with @fired false.
 * @ready: completes what ->collect() began, for all of the class at once.
 *	Process context, may sleep. Returns 0 or a negative errno, which refuses
 *	the cut. May be NULL.
 * @fire: acts. Hard-irq context: must be bounded, must not allocate, may
 *	take raw spinlocks only. Sets point->fired.
 * @fired: called once for a cut that has fired, before any ->finish(); also when
 *	the class has no part in it. Process context, may sleep. May be NULL.
 * @finish: completes the report after the cut fired, or undoes ->collect()
 *	when it did not. Process context, may sleep, also for as long as a disk does
 *	not answer; may be called for several cuts at a time.
 * @lapse: the gate of an LPAR, which a cut had closed, has opened by its own
 *	time-out, or by a forced deactivation: lets go what that cut made wait, and
 *	nothing of a later one. Process context, may sleep. May be NULL.
 * @release: frees the point. Process context.
 */
struct lpar_cut_class {
	struct list_head node;
	struct module *owner;
	const char *kind;
	enum lpar_cut_order order;
	bool parallel;
	int (*collect)(struct lpar_cut *cut, const char *lpar_name);
	int (*ready)(struct lpar_cut *cut);
	void (*fire)(struct lpar_cut_point *point, enum lpar_cut_action action);
	void (*fired)(struct lpar_cut *cut);
	void (*finish)(struct lpar_cut_point *point, enum lpar_cut_action action, bool fired);
	void (*lapse)(const char *lpar_name, u32 cut);
	void (*release)(struct lpar_cut_point *point);
};

int lpar_cut_register(struct lpar_cut_class *class);
void lpar_cut_unregister(struct lpar_cut_class *class);
void lpar_cut_add(struct lpar_cut *cut, const struct lpar_cut_class *class,
		  struct lpar_cut_point *point);
enum lpar_cut_action lpar_cut_action(const struct lpar_cut *cut);
u32 lpar_cut_id(const struct lpar_cut *cut);

#endif /* _LPARKIT_CUT_H */
