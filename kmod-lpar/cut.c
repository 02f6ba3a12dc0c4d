// SPDX-License-Identifier: GPL-2.0
/*
 * The cut: at one instant all participants act, in hard-irq context, in a
 * fixed order. The contract for participants is include/lparkit/cut.h.
 *
 *	armed --deadline--> fired
 *	      --cancel----> cancelled
 *
 * Only one whose timer has not fired can be cancelled. It is armed until all have
 * finished: what becomes of it by then, lpar_cut_cancel() tells.
 *
 * The deadline is on CLOCK_REALTIME, so that hosts with synchronised clocks
 * cut at the same time.
 */
#include <linux/export.h>
#include <linux/module.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include "lpar.h"

/* Reports of this many cuts that are over are kept. */
#define KEPT_CUTS	16

/* Guards the list of cuts, their states and their reports; never held over what participants do. */
DEFINE_MUTEX(lpar_cut_mutex);
LIST_HEAD(lpar_cuts);

/*
 * Guards the list of classes; for reading while their participants are collected and get
 * ready, so that no cut waits for another that is being armed, but not while these finish,
 * which may take as long as a disk does not answer: until it has finished a cut is whose who
 * has stopped its timer.
 */
static DECLARE_RWSEM(classes_sem);
static LIST_HEAD(classes);
static u32 last_id;

/**
 * lpar_cut_register() - announce a kind of participant
 * @class: stays in place until lpar_cut_unregister()
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when an operation is missing.
 */
int lpar_cut_register(struct lpar_cut_class *class)
{
	if (!class->kind || !class->collect || !class->fire || !class->finish ||
	    !class->release || class->order >= LPAR_CUT_ORDERS)
		return -EINVAL;
	down_write(&classes_sem);
	list_add_tail(&class->node, &classes);
	up_write(&classes_sem);
	return 0;
}
EXPORT_SYMBOL_GPL(lpar_cut_register);

/**
 * lpar_cut_unregister() - the reverse
 * @class: takes part in no armed cut: those hold its owner
 *
 * Context: may sleep.
 */
void lpar_cut_unregister(struct lpar_cut_class *class)
{
	down_write(&classes_sem);
	list_del(&class->node);
	up_write(&classes_sem);
}
EXPORT_SYMBOL_GPL(lpar_cut_unregister);

/**
 * lpar_cut_add() - put a participant into a cut that is being armed
 * @cut: as given to ->collect()
 * @class: its class
 * @point: belongs to the cut until ->release()
 *
 * Context: within ->collect().
 */
void lpar_cut_add(struct lpar_cut *cut, const struct lpar_cut_class *class,
		  struct lpar_cut_point *point)
{
	__module_get(class->owner);
	point->class = class;
	list_add_tail(&point->node, &cut->points);
	cut->nr_points++;
}
EXPORT_SYMBOL_GPL(lpar_cut_add);

/**
 * lpar_cut_action() - what a cut that is being armed will do
 * @cut: as given to ->collect()
 *
 * Return: close or open.
 */
enum lpar_cut_action lpar_cut_action(const struct lpar_cut *cut)
{
	return cut->action;
}
EXPORT_SYMBOL_GPL(lpar_cut_action);

/**
 * lpar_cut_id() - the number of a cut
 * @cut: as given to ->collect()
 *
 * Return: its number, never 0.
 */
u32 lpar_cut_id(const struct lpar_cut *cut)
{
	return cut->id;
}
EXPORT_SYMBOL_GPL(lpar_cut_id);

/**
 * lpar_cut_deadline_check() - may a cut be armed for this time?
 * @now: CLOCK_REALTIME
 * @deadline: wanted
 *
 * Return: 0, -ETIME when it is past, -ERANGE when it is too far ahead.
 */
int lpar_cut_deadline_check(ktime_t now, ktime_t deadline)
{
	if (ktime_before(deadline, now))
		return -ETIME;
	if (ktime_after(deadline, ktime_add(now, ktime_set(LPAR_CUT_AHEAD_MAX_S, 0))))
		return -ERANGE;
	return 0;
}

/**
 * lpar_cut_skew_ns() - how far apart the participants of a fired cut acted
 * @cut: fired
 *
 * Return: last minus first, in nanoseconds.
 */
u64 lpar_cut_skew_ns(const struct lpar_cut *cut)
{
	ktime_t first = KTIME_MAX, last = 0;
	unsigned int i;

	for (i = 0; i < cut->nr_results; i++) {
		first = min(first, cut->results[i].fired);
		last = max(last, cut->results[i].fired);
	}
	return last ? ktime_to_ns(ktime_sub(last, first)) : 0;
}

static void put_lpars(struct lpar_cut *cut)
{
	while (cut->nr_lpars)
		lpar_put(cut->lpars[--cut->nr_lpars]);
}

static void free_cut(struct kref *ref)
{
	struct lpar_cut *cut = container_of(ref, struct lpar_cut, ref);

	put_lpars(cut);
	kvfree(cut->lpars);
	kvfree(cut->results);
	kfree(cut);
}

/**
 * lpar_cut_put() - drop a reference
 * @cut: freed with the last one
 *
 * Context: may sleep.
 */
void lpar_cut_put(struct lpar_cut *cut)
{
	kref_put(&cut->ref, free_cut);
}

static void announce(const struct lpar_cut *cut, enum lpar_event event)
{
	const struct lpar_event_info info = { .cpu = -1, .cut = cut };

	lpar_event_send(event, NULL, &info);
}

static void note_results(struct lpar_cut *cut)
{
	struct lpar_cut_result *result = cut->results;
	const struct lpar_cut_point *point;

	list_for_each_entry(point, &cut->points, node) {
		strscpy(result->kind, point->class->kind, sizeof(result->kind));
		strscpy(result->name, point->name, sizeof(result->name));
		result->fired = point->fired;
		result->done = point->done;
		result->count = point->count;
		result->error = point->error;
		result++;
	}
	cut->nr_results = result - cut->results;
}

static void settle(struct lpar_cut *cut)
{
	struct lpar_cut_class *class;

	down_read(&classes_sem);
	list_for_each_entry(class, &classes, node)
		if (class->fired)
			class->fired(cut);
	up_read(&classes_sem);
}

/**
 * lpar_cut_lapse() - the gate of an LPAR that a cut closed has opened, and no cut did it
 * @name: of the LPAR; what the cut made wait with it goes on
 * @id: of the cut
 *
 * Context: may sleep.
 */
void lpar_cut_lapse(const char *name, u32 id)
{
	struct lpar_cut_class *class;

	down_read(&classes_sem);
	list_for_each_entry(class, &classes, node)
		if (class->lapse)
			class->lapse(name, id);
	up_read(&classes_sem);
}

/* A report may outlive the modules that took part. */
static void free_points(struct lpar_cut *cut)
{
	struct lpar_cut_point *point, *next;

	list_for_each_entry_safe(point, next, &cut->points, node) {
		const struct lpar_cut_class *class = point->class;

		list_del(&point->node);
		class->release(point);
		module_put(class->owner);
	}
}

static void unlist(struct lpar_cut *cut)
{
	lockdep_assert_held(&lpar_cut_mutex);
	list_del(&cut->list);
	lpar_cut_put(cut);
}

/*
 * Ends an armed cut. One caller only: who has found its timer queued and stopped it, what
 * follows when it fires, or who could not arm it. The LPARs stay in the cut meanwhile. Once
 * it is over trim() may take it off the list, so only here can it be known to be there.
 */
static void finish(struct lpar_cut *cut, enum lpar_cut_state state, bool keep)
{
	struct lpar_cut_point *point;

	list_for_each_entry(point, &cut->points, node)
		point->class->finish(point, cut->action, state == LPAR_CUT_FIRED);
	mutex_lock(&lpar_cut_mutex);
	if (state == LPAR_CUT_FIRED)
		note_results(cut);
	cut->state = state;
	if (!keep)
		unlist(cut);
	mutex_unlock(&lpar_cut_mutex);
	free_points(cut);
	lpar_fire_free(cut);
}

/* Forgets the oldest cuts that are over. */
static void trim(void)
{
	struct lpar_cut *cut, *next;
	unsigned int over = 0;

	mutex_lock(&lpar_cut_mutex);
	list_for_each_entry_safe_reverse(cut, next, &lpar_cuts, list) {
		if (cut->state == LPAR_CUT_ARMED || ++over <= KEPT_CUTS)
			continue;
		unlist(cut);
	}
	mutex_unlock(&lpar_cut_mutex);
}

/*
 * Before anybody finishes, and not where cuts are finished: those may wait for disks, as many
 * as may be at work at a time, and the time-outs of gates begin here.
 */
static void settle_fired(struct work_struct *work)
{
	struct lpar_cut *cut = container_of(work, struct lpar_cut, settle);

	settle(cut);
	lpar_work_cut(&cut->finish);
}

static void finish_fired(struct work_struct *work)
{
	struct lpar_cut *cut = container_of(work, struct lpar_cut, finish);

	hrtimer_cancel(&cut->timer);	/* it may be on its way out yet */
	finish(cut, LPAR_CUT_FIRED, true);
	trim();
	announce(cut, LPAR_EVENT_CUT_FIRED);
	lpar_cut_put(cut);	/* the timer's */
	module_put(THIS_MODULE);
}

static struct lpar_cut *new_cut(enum lpar_cut_action action, unsigned int nr_lpars)
{
	struct lpar_cut *cut = kzalloc(sizeof(*cut), GFP_KERNEL);

	if (!cut)
		return NULL;
	cut->lpars = kvcalloc(nr_lpars, sizeof(*cut->lpars), GFP_KERNEL);
	if (!cut->lpars) {
		kfree(cut);
		return NULL;
	}
	kref_init(&cut->ref);
	INIT_LIST_HEAD(&cut->list);
	INIT_LIST_HEAD(&cut->points);
	INIT_WORK(&cut->settle, settle_fired);
	INIT_WORK(&cut->finish, finish_fired);
	cut->action = action;
	hrtimer_setup(&cut->timer, lpar_fire, CLOCK_REALTIME, HRTIMER_MODE_ABS_HARD);
	return cut;
}

static bool is_cut(const struct lpar_cut *cut, const struct lpar *lpar)
{
	unsigned int i;

	for (i = 0; i < cut->nr_lpars; i++)
		if (cut->lpars[i] == lpar)
			return true;
	return false;
}

/**
 * lpar_cut_uses() - is an LPAR in an armed cut?
 * @lpar: LPAR
 *
 * Context: may sleep; takes lpar_cut_mutex.
 * Return: true if so.
 */
bool lpar_cut_uses(const struct lpar *lpar)
{
	const struct lpar_cut *cut;
	bool uses = false;

	mutex_lock(&lpar_cut_mutex);
	list_for_each_entry(cut, &lpar_cuts, list)
		if (cut->state == LPAR_CUT_ARMED && is_cut(cut, lpar))
			uses = true;
	mutex_unlock(&lpar_cut_mutex);
	return uses;
}

static int check_in_no_cut(const struct lpar *lpar, struct lpar_report *report)
{
	const struct lpar_cut *cut;

	lockdep_assert_held(&lpar_cut_mutex);
	list_for_each_entry(cut, &lpar_cuts, list)
		if (cut->state == LPAR_CUT_ARMED && is_cut(cut, lpar))
			return lpar_problem(report, -EBUSY,
					    "LPAR \"%s\" is in cut %u; wait for it or cancel it",
					    lpar->name, cut->id);
	return 0;
}

static int take_lpar(struct lpar_cut *cut, struct lpar *lpar, struct lpar_report *report)
{
	int err;

	mutex_lock(&lpar_cut_mutex);
	err = check_in_no_cut(lpar, report);
	if (!err) {
		lpar_ref(lpar);
		cut->lpars[cut->nr_lpars++] = lpar;
	}
	mutex_unlock(&lpar_cut_mutex);
	return err;
}

/* Takes one LPAR into the cut. Its op is held, so it stays active meanwhile. */
static int add_lpar(struct lpar_cut *cut, const char *name, struct lpar_report *report)
{
	struct lpar *lpar = lpar_lock(name, report);
	struct lpar_cut_class *class;
	int err = 0;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	down_read(&classes_sem);
	if (!lpar_state_is_active(lpar->state))
		err = lpar_problem(report, -EINVAL, "LPAR \"%s\" is %s; activate it before a cut",
				   name, lpar_state_name(lpar->state));
	err = err ?: take_lpar(cut, lpar, report);
	list_for_each_entry(class, &classes, node) {
		if (err)
			break;
		err = class->collect(cut, name);
		if (err)
			lpar_problem(report, err, "%s: cannot take part in a cut of \"%s\"",
				     class->kind, name);
	}
	up_read(&classes_sem);
	lpar_unlock(lpar);
	return err;
}

/* Under classes_sem, so that no class goes. */
static int make_ready(struct lpar_cut *cut, struct lpar_report *report)
{
	struct lpar_cut_class *class;
	int err = 0;

	down_read(&classes_sem);
	list_for_each_entry(class, &classes, node) {
		if (!err && class->ready)
			err = class->ready(cut);
	}
	up_read(&classes_sem);
	if (err == -ENOSPC && cut->unready)
		return lpar_problem(report, err,
				    "LPAR \"%s\" cannot take part in the cut: too many of its threads call KVM_RUN; leave it out",
				    cut->unready->name);
	if (err)
		return lpar_problem(report, err, "not all can take part in the cut (error %d)",
				    err);
	cut->results = kvcalloc(cut->nr_points, sizeof(*cut->results), GFP_KERNEL);
	return cut->results ? lpar_fire_prepare(cut) : -ENOMEM;
}

/* Stable: participants of one class keep the order of the LPARs. */
static void sort_points(struct lpar_cut *cut)
{
	struct lpar_cut_point *point, *next;
	LIST_HEAD(sorted);
	unsigned int order;

	for (order = 0; order < LPAR_CUT_ORDERS; order++)
		list_for_each_entry_safe(point, next, &cut->points, node)
			if (point->class->order == order)
				list_move_tail(&point->node, &sorted);
	list_splice(&sorted, &cut->points);
}

static int check_deadline(ktime_t deadline, struct lpar_report *report)
{
	int err = lpar_cut_deadline_check(ktime_get_real(), deadline);

	if (err == -ETIME)
		return lpar_problem(report, err,
				    "the deadline is past; choose one that leaves time to arm the cut");
	if (err)
		return lpar_problem(report, err, "the deadline is more than %d s ahead",
				    LPAR_CUT_AHEAD_MAX_S);
	return 0;
}

/* From here on its LPARs are refused to other cuts and stay active. */
static void publish(struct lpar_cut *cut)
{
	mutex_lock(&lpar_cut_mutex);
	cut->id = ++last_id;
	kref_get(&cut->ref);		/* the list's */
	list_add_tail(&cut->list, &lpar_cuts);
	mutex_unlock(&lpar_cut_mutex);
}

/* Undoes publish() and what was collected; drops the caller's reference too. */
static void retract(struct lpar_cut *cut)
{
	finish(cut, LPAR_CUT_CANCELLED, false);
	lpar_cut_put(cut);
}

/*
 * Getting ready takes time, as does waiting for the mutex: the deadline must still be ahead.
 * Nothing comes between that look and the timer, least of all the event, which is the longer
 * the more listen; nobody is told that the cut is over before he is told that it is armed, as
 * finish() waits for the mutex.
 */
static int set_timer(struct lpar_cut *cut, bool has_deadline, struct lpar_report *report)
{
	int err = 0;

	mutex_lock(&lpar_cut_mutex);
	if (has_deadline)
		err = check_deadline(cut->deadline, report);
	else
		cut->deadline = ktime_get_real();
	if (!err) {
		cut->set = true;
		kref_get(&cut->ref);		/* the timer's */
		__module_get(THIS_MODULE);
		hrtimer_start(&cut->timer, cut->deadline, HRTIMER_MODE_ABS_HARD);
		announce(cut, LPAR_EVENT_CUT_ARMED);
	}
	mutex_unlock(&lpar_cut_mutex);
	return err;
}

/**
 * lpar_cut_arm() - arm a cut
 * @deadline_ns: CLOCK_REALTIME; 0 = now
 * @action: close or open
 * @names: LPARs to be cut
 * @nr: their number
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: the cut with a reference, or ERR_PTR of -ENOENT, -EINVAL, -EBUSY,
 * -ETIME, -ERANGE, -ENOMEM, -ENOSPC.
 */
struct lpar_cut *lpar_cut_arm(u64 deadline_ns, enum lpar_cut_action action,
			      const char *const *names, unsigned int nr,
			      struct lpar_report *report)
{
	ktime_t deadline = ns_to_ktime(min_t(u64, deadline_ns, KTIME_MAX));
	struct lpar_cut *cut;
	unsigned int i;
	int err = deadline_ns ? check_deadline(deadline, report) : 0;

	if (err)
		return ERR_PTR(err);
	cut = new_cut(action, nr);
	if (!cut)
		return ERR_PTR(-ENOMEM);
	cut->deadline = deadline;
	publish(cut);
	for (i = 0; i < nr && !err; i++)
		err = add_lpar(cut, names[i], report);
	err = err ?: make_ready(cut, report);
	if (!err) {
		sort_points(cut);
		err = set_timer(cut, deadline_ns, report);
	}
	if (err) {
		retract(cut);
		return ERR_PTR(err);
	}
	return cut;
}

/**
 * lpar_cut_get() - look a cut up
 * @id: its number
 *
 * Context: may sleep; takes lpar_cut_mutex.
 * Return: the cut with a reference, or NULL.
 */
struct lpar_cut *lpar_cut_get(u32 id)
{
	struct lpar_cut *cut, *found = NULL;

	mutex_lock(&lpar_cut_mutex);
	list_for_each_entry(cut, &lpar_cuts, list) {
		if (cut->id == id) {
			kref_get(&cut->ref);
			found = cut;
			break;
		}
	}
	mutex_unlock(&lpar_cut_mutex);
	return found;
}

/*
 * Of an armed cut whose timer has not fired, to whoever ends it; one caller only.
 * -EALREADY: it is over. -EINPROGRESS: it cannot be cancelled any more, but is not over
 * either. -EAGAIN: it is not armed yet.
 */
static int stop_timer(struct lpar_cut *cut)
{
	int err = 0;

	mutex_lock(&lpar_cut_mutex);
	if (cut->state != LPAR_CUT_ARMED)
		err = -EALREADY;
	else if (!cut->set)
		err = -EAGAIN;
	else if (!hrtimer_cancel(&cut->timer))
		err = -EINPROGRESS;
	else
		cut->stopped = true;
	mutex_unlock(&lpar_cut_mutex);
	return err;
}

/* Ends a cut whose timer was stopped, and drops the timer's reference. */
static void disarm(struct lpar_cut *cut)
{
	finish(cut, LPAR_CUT_CANCELLED, true);
	trim();
	announce(cut, LPAR_EVENT_CUT_CANCELLED);
	lpar_cut_put(cut);
	module_put(THIS_MODULE);
}

static int refuse_cancel(const struct lpar_cut *cut, int err, struct lpar_report *report)
{
	switch (err) {
	case -EAGAIN:
		return lpar_problem(report, err, "cut %u is being armed; try again", cut->id);
	case -EINPROGRESS:
		return lpar_problem(report, err, cut->stopped ?
				    "cut %u is being cancelled by somebody else; wait for it" :
				    "cut %u has fired and is being finished; wait for it",
				    cut->id);
	default:
		return lpar_problem(report, err, cut->state == LPAR_CUT_FIRED ?
				    "cut %u is over: it has fired" :
				    "cut %u is over: it was cancelled", cut->id);
	}
}

/**
 * lpar_cut_cancel() - disarm a cut
 * @id: which
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0 and it is cancelled, -ENOENT, -EALREADY when it is over, -EINPROGRESS when it
 * has fired, or is being cancelled, and is not over, -EAGAIN when it is not armed yet.
 */
int lpar_cut_cancel(u32 id, struct lpar_report *report)
{
	struct lpar_cut *cut = lpar_cut_get(id);
	int err;

	if (!cut)
		return lpar_problem(report, -ENOENT, "no cut %u", id);
	err = stop_timer(cut);
	if (err)
		refuse_cancel(cut, err, report);
	else
		disarm(cut);
	lpar_cut_put(cut);
	return err;
}

/**
 * lpar_cut_exit() - forget all cuts, at module exit; none is armed
 *
 * Context: may sleep.
 */
void lpar_cut_exit(void)
{
	struct lpar_cut *cut, *next;

	list_for_each_entry_safe(cut, next, &lpar_cuts, list) {
		flush_work(&cut->finish);
		list_del(&cut->list);
		lpar_cut_put(cut);
	}
}
