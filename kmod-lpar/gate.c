// SPDX-License-Identifier: GPL-2.0
/*
 * The run gate: while it is closed, no vCPU of the LPAR executes a guest
 * instruction. vcpu.c does the stopping; here are the states.
 *
 *	open --watch--> armed --close--> closed --open--> open
 *
 * A gate that is closed opens by itself after a time-out, so that a tool
 * that died does not leave a guest stopped for ever.
 */
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include "lpar.h"

/* For the figures only: how long a close waits for its last vCPU to report. */
#define SETTLE_TIMEOUT	HZ
/* How long deactivation waits for vCPUs to come out of KVM_RUN. */
#define DRAIN_TIMEOUT	(10 * HZ)

static void gate_timeout(struct work_struct *work);
static void lapse(struct work_struct *work);

/**
 * lpar_gate_init() - an open gate
 * @gate: to be filled
 */
void lpar_gate_init(struct lpar_gate *gate)
{
	raw_spin_lock_init(&gate->lock);
	INIT_LIST_HEAD(&gate->vcpus);
	hash_init(gate->by_task);
	init_waitqueue_head(&gate->settled);
	INIT_DELAYED_WORK(&gate->timeout, gate_timeout);
	INIT_WORK(&gate->lapse, lapse);
}

/**
 * lpar_gate_state() - is it open, armed or closed?
 * @gate: gate
 *
 * Context: any.
 * Return: its state.
 */
enum lpar_gate_state lpar_gate_state(const struct lpar_gate *gate)
{
	if (READ_ONCE(gate->closed))
		return LPAR_GATE_CLOSED;
	return READ_ONCE(gate->watchers) ? LPAR_GATE_ARMED : LPAR_GATE_OPEN;
}

/**
 * lpar_gate_stop_ns() - how long the last close took to stop the vCPUs
 * @gate: gate
 *
 * Context: any.
 * Return: from the close to the last vCPU stopped, in nanoseconds.
 */
s64 lpar_gate_stop_ns(struct lpar_gate *gate)
{
	unsigned long flags;
	s64 ns;

	raw_spin_lock_irqsave(&gate->lock, flags);
	ns = ktime_to_ns(ktime_sub(gate->last_stop, gate->closed_at));
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	return ns;
}

/*
 * Listens to entries to KVM_RUN. A thread that passed the entry before that wrote its
 * registers before; see_all_registers() makes them visible to lpar_vcpu_census().
 */
static int listen(struct lpar_gate *gate)
{
	int err = lpar_vcpu_watch();

	if (err)
		return err;
	raw_spin_lock_irq(&gate->lock);
	gate->watchers++;
	raw_spin_unlock_irq(&gate->lock);
	return 0;
}

/* Each CPU takes an interrupt. */
static void see_all_registers(void)
{
	kick_all_cpus_sync();
}

/**
 * lpar_gate_watch() - know the vCPUs of an LPAR from now on
 * @lpar: LPAR
 *
 * After this the gate can be closed in hard-irq context. Counted.
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int lpar_gate_watch(struct lpar *lpar)
{
	int err = listen(&lpar->gate);

	if (err)
		return err;
	see_all_registers();
	err = lpar_vcpu_census(lpar);
	if (err)
		lpar_gate_unwatch(lpar);
	return err;
}

/**
 * lpar_gate_unwatch() - the reverse
 * @lpar: LPAR
 *
 * Context: may sleep.
 */
void lpar_gate_unwatch(struct lpar *lpar)
{
	struct lpar_gate *gate = &lpar->gate;

	raw_spin_lock_irq(&gate->lock);
	gate->watchers--;
	raw_spin_unlock_irq(&gate->lock);
	lpar_vcpu_forget_all(gate);
	lpar_vcpu_unwatch();
}

/* Closes in any context, for a cut if @cut is not 0; false when it was closed already. */
static bool close_now(struct lpar_gate *gate, u32 cut)
{
	unsigned long flags;
	bool closes;

	raw_spin_lock_irqsave(&gate->lock, flags);
	closes = !gate->closed;
	if (closes) {
		WRITE_ONCE(gate->closed, true);
		gate->cut = 0;
		gate->closed_at = ktime_get();
		gate->last_stop = gate->closed_at;
		gate->last_stop_real = ktime_get_real();
		gate->opens_at = KTIME_MAX;
		gate->nr_stopped = 0;
		lpar_vcpu_stop_all(gate);
	}
	gate->cut = cut ?: gate->cut;
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	return closes;
}

static void open_locked(struct lpar_gate *gate)
{
	lockdep_assert_held(&gate->lock);
	WRITE_ONCE(gate->closed, false);
	lpar_vcpu_wake_all(gate);
}

/* Opens in any context; false when it was open already. */
static bool open_now(struct lpar_gate *gate)
{
	unsigned long flags;
	bool opens;

	raw_spin_lock_irqsave(&gate->lock, flags);
	opens = gate->closed;
	if (opens)
		open_locked(gate);
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	return opens;
}

/*
 * After this no vCPU is in the guest: each CPU has taken an interrupt since
 * the works were queued, and KVM finds these before it enters the guest again.
 */
static void leave_guest(void)
{
	kick_all_cpus_sync();
}

static void wait_settled(struct lpar_gate *gate, long timeout)
{
	wait_event_timeout(gate->settled, !READ_ONCE(gate->nr_stopping), timeout);
}

static void start_timeout(struct lpar_gate *gate, u32 timeout_ms)
{
	raw_spin_lock_irq(&gate->lock);
	gate->opens_at = ktime_add_ms(ktime_get(), timeout_ms);
	raw_spin_unlock_irq(&gate->lock);
	lpar_work_set(&gate->timeout, msecs_to_jiffies(timeout_ms));
}

static void announce(struct lpar *lpar, enum lpar_event event)
{
	lpar_event_send(event, lpar, NULL);
	lpar_event_poll(lpar, LPAR_FILE_GATE);
}

/**
 * lpar_gate_close() - stop the vCPUs of an LPAR
 * @lpar: from lpar_lock(), active
 * @timeout_ms: opens by itself after this, counted from now; 0 = as configured, or
 *	as it is when it was closed before
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0 and no vCPU can execute a guest instruction; also when it was
 * closed before. -EINVAL, -ENOMEM, -ENOSPC.
 */
int lpar_gate_close(struct lpar *lpar, u32 timeout_ms, struct lpar_report *report)
{
	struct lpar_gate *gate = &lpar->gate;
	bool closes;
	int err;

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EINVAL,
				    "LPAR \"%s\" is %s and has no vCPUs to stop; activate it first",
				    lpar->name, lpar_state_name(lpar->state));
	err = lpar_gate_watch(lpar);
	if (err == -ENOSPC)
		return lpar_problem(report, err,
				    "LPAR \"%s\" has more threads in KVM_RUN than a gate holds",
				    lpar->name);
	if (err)
		return err;
	closes = close_now(gate, 0);
	/* A cut may have closed it this moment, and its vCPUs be in the guest yet. */
	leave_guest();
	wait_settled(gate, SETTLE_TIMEOUT);
	if (closes || timeout_ms)
		start_timeout(gate, timeout_ms ?: lpar->config.gate_timeout_ms);
	if (closes)
		announce(lpar, LPAR_EVENT_GATE_CLOSED);
	else
		lpar_gate_unwatch(lpar);
	return 0;
}

/**
 * lpar_gate_open() - let all vCPUs of an LPAR go at once
 * @lpar: LPAR
 *
 * Context: may sleep.
 */
void lpar_gate_open(struct lpar *lpar)
{
	if (!open_now(&lpar->gate))
		return;
	lpar_gate_unwatch(lpar);
	announce(lpar, LPAR_EVENT_GATE_OPENED);
}

/* A work of its own: other gates must not have to wait for what takes part in cuts. */
static void lapse(struct work_struct *work)
{
	struct lpar *lpar = container_of(work, struct lpar, gate.lapse);

	lpar_cut_lapse(lpar->name, READ_ONCE(lpar->gate.lapsed));
	lpar_put(lpar);
}

static void gate_timeout(struct work_struct *work)
{
	struct lpar *lpar = container_of(to_delayed_work(work), struct lpar, gate.timeout);
	struct lpar_gate *gate = &lpar->gate;
	bool opens, waits;
	s64 left_ns;
	u32 cut;

	raw_spin_lock_irq(&gate->lock);
	cut = gate->cut;
	/*
	 * It may have been opened and closed anew since the timer was set: who opens leaves the
	 * timer alone, which may be another's by then.
	 */
	left_ns = ktime_sub(gate->opens_at, ktime_get());
	opens = gate->closed && left_ns <= 0;
	waits = gate->closed && left_ns > 0 && gate->opens_at != KTIME_MAX;
	if (opens)
		open_locked(gate);
	raw_spin_unlock_irq(&gate->lock);
	if (waits)
		lpar_work_delay(&gate->timeout, nsecs_to_jiffies(left_ns) + 1);
	if (!opens)
		return;
	if (cut) {
		/* Of two cuts the later one's hold has become what the former held. */
		WRITE_ONCE(gate->lapsed, cut);
		lpar_ref(lpar);
		if (!lpar_work_urgent(&gate->lapse))
			lpar_put(lpar);
	}
	lpar_gate_unwatch(lpar);	/* may wait, frames do not */
	announce(lpar, LPAR_EVENT_GATE_TIMEOUT);
}

/**
 * lpar_gate_recensus() - a process joined an LPAR: its vCPUs obey the gate now
 * @lpar: LPAR
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int lpar_gate_recensus(struct lpar *lpar)
{
	struct lpar_gate *gate = &lpar->gate;
	int err;

	if (lpar_gate_state(gate) == LPAR_GATE_OPEN)
		return 0;
	see_all_registers();
	err = lpar_vcpu_census(lpar);
	raw_spin_lock_irq(&gate->lock);
	if (gate->closed)
		lpar_vcpu_stop_all(gate);
	raw_spin_unlock_irq(&gate->lock);
	leave_guest();
	wait_settled(gate, SETTLE_TIMEOUT);
	return err;
}

/**
 * lpar_gate_recheck() - a process left an LPAR: its vCPUs go on
 * @lpar: LPAR
 *
 * Context: any.
 */
void lpar_gate_recheck(struct lpar *lpar)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lpar->gate.lock, flags);
	lpar_vcpu_wake_all(&lpar->gate);
	raw_spin_unlock_irqrestore(&lpar->gate.lock, flags);
}

static bool is_drained(struct lpar_gate *gate)
{
	bool drained;

	raw_spin_lock_irq(&gate->lock);
	drained = !gate->nr_queued && !gate->nr_held;
	raw_spin_unlock_irq(&gate->lock);
	return drained;
}

/**
 * lpar_gate_drain() - leave nothing of the gate behind in any thread
 * @lpar: LPAR that is being deactivated, in no armed cut
 *
 * Context: may sleep, for DRAIN_TIMEOUT at the most.
 * Return: 0, or -EBUSY when a thread does not come out of KVM_RUN.
 */
int lpar_gate_drain(struct lpar *lpar)
{
	struct lpar_gate *gate = &lpar->gate;
	u32 cut;

	raw_spin_lock_irq(&gate->lock);
	cut = gate->closed ? gate->cut : 0;
	raw_spin_unlock_irq(&gate->lock);
	lpar_gate_open(lpar);
	/* The guest goes on, so do its frames: no time-out will come that lets them go. */
	if (cut)
		lpar_cut_lapse(lpar->name, cut);
	cancel_delayed_work_sync(&gate->timeout);
	lpar_vcpu_kick_queued(gate);
	if (!wait_event_timeout(gate->settled, is_drained(gate), DRAIN_TIMEOUT))
		return -EBUSY;
	return 0;
}

/**
 * lpar_gate_exit() - wait for the last threads to leave the gate's code
 *
 * At module exit. All works have run; this waits for the tail of their code.
 *
 * Context: may sleep.
 */
void lpar_gate_exit(void)
{
	synchronize_rcu_tasks();
}

/**
 * struct gate_point - a gate in a cut
 * @point: what cut.c knows
 * @cut: of which it is a part
 * @lpar: holds a reference
 * @acted: it was this cut that closed or opened the gate
 */
struct gate_point {
	struct lpar_cut_point point;
	struct lpar_cut *cut;
	struct lpar *lpar;
	bool acted;
};

static struct gate_point *to_gate_point(struct lpar_cut_point *point)
{
	return container_of(point, struct gate_point, point);
}

static int gate_collect(struct lpar_cut *cut, const char *lpar_name)
{
	struct lpar *lpar = lpar_get(lpar_name);
	struct gate_point *gp;
	int err;

	if (!lpar)
		return -ENOENT;
	gp = kzalloc(sizeof(*gp), GFP_KERNEL);
	err = gp ? listen(&lpar->gate) : -ENOMEM;
	if (err) {
		kfree(gp);
		lpar_put(lpar);
		return err;
	}
	gp->cut = cut;
	gp->lpar = lpar;
	strscpy(gp->point.name, lpar->name, sizeof(gp->point.name));
	lpar_cut_add(cut, &lpar_gate_cut_class, &gp->point);
	return 0;
}

/* One interrupt on each CPU does for all gates of the cut. */
static int gate_ready(struct lpar_cut *cut)
{
	struct lpar_cut_point *point;
	int err;

	see_all_registers();
	list_for_each_entry(point, &cut->points, node) {
		if (point->class != &lpar_gate_cut_class)
			continue;
		cut->unready = to_gate_point(point)->lpar;
		err = lpar_vcpu_census(to_gate_point(point)->lpar);
		if (err)
			return err;
	}
	cut->unready = NULL;
	return 0;
}

static void gate_fire(struct lpar_cut_point *point, enum lpar_cut_action action)
{
	struct gate_point *gp = to_gate_point(point);
	struct lpar_gate *gate = &gp->lpar->gate;

	point->fired = ktime_get_real();
	gp->acted = action == LPAR_CUT_CLOSE ? close_now(gate, gp->cut->id) : open_now(gate);
}

/* Its time-out counts from the cut; who closed it once more has said for how long. */
static void start_timeout_of_cut(struct gate_point *gp)
{
	u32 timeout_ms = READ_ONCE(gp->lpar->config.gate_timeout_ms);
	struct lpar_gate *gate = &gp->lpar->gate;
	s64 left_ns = 0;
	bool starts;

	raw_spin_lock_irq(&gate->lock);
	starts = gate->closed && gate->opens_at == KTIME_MAX;
	if (starts) {
		gate->opens_at = ktime_add_ms(gate->closed_at, timeout_ms);
		left_ns = max_t(s64, ktime_sub(gate->opens_at, ktime_get()), 0);
	}
	raw_spin_unlock_irq(&gate->lock);
	if (starts)
		lpar_work_set(&gate->timeout, nsecs_to_jiffies(left_ns) + 1);
}

/* With each gate that the cut has closed. */
static void with_closed(struct lpar_cut *cut, void (*act)(struct gate_point *gp))
{
	struct lpar_cut_point *point;

	list_for_each_entry(point, &cut->points, node)
		if (point->class == &lpar_gate_cut_class && to_gate_point(point)->acted)
			act(to_gate_point(point));
}

static void tell_closed(struct gate_point *gp)
{
	announce(gp->lpar, LPAR_EVENT_GATE_CLOSED);
}

/*
 * Here as well. The time-outs first: nothing that comes later, such as a participant that
 * waits for a disk, may keep a gate closed for longer.
 */
static void gates_fired(struct lpar_cut *cut)
{
	if (cut->action != LPAR_CUT_CLOSE)
		return;
	with_closed(cut, start_timeout_of_cut);
	leave_guest();
	cut->settled_by = jiffies + SETTLE_TIMEOUT;
	with_closed(cut, tell_closed);
}

static void complete_close(struct gate_point *gp)
{
	struct lpar_gate *gate = &gp->lpar->gate;

	wait_settled(gate, max((long)(gp->cut->settled_by - jiffies), 0L));
	raw_spin_lock_irq(&gate->lock);
	gp->point.done = gate->last_stop_real;
	gp->point.count = gate->nr_stopped;
	raw_spin_unlock_irq(&gate->lock);
}

static void complete_open(struct gate_point *gp)
{
	gp->point.done = gp->point.fired;
	lpar_gate_unwatch(gp->lpar);	/* what the close had taken */
	announce(gp->lpar, LPAR_EVENT_GATE_OPENED);
}

static void gate_finish(struct lpar_cut_point *point, enum lpar_cut_action action, bool fired)
{
	struct gate_point *gp = to_gate_point(point);

	if (fired && gp->acted && action == LPAR_CUT_CLOSE) {
		complete_close(gp);
		return;		/* keeps watching while closed */
	}
	if (fired && gp->acted)
		complete_open(gp);
	else if (fired)
		point->error = -EALREADY;
	lpar_gate_unwatch(gp->lpar);
}

static void gate_release(struct lpar_cut_point *point)
{
	struct gate_point *gp = to_gate_point(point);

	lpar_put(gp->lpar);
	kfree(gp);
}

struct lpar_cut_class lpar_gate_cut_class = {
	.owner = THIS_MODULE,
	.kind = "gate",
	.order = LPAR_CUT_ORDER_GATE,
	.parallel = true,
	.collect = gate_collect,
	.ready = gate_ready,
	.fire = gate_fire,
	.fired = gates_fired,
	.finish = gate_finish,
	.release = gate_release,
};
