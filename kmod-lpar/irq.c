// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts that come back: a driver that is bound anew has others than before, and
 * irqbalance puts them where it likes. lparctl moves the host's off an LPAR's CPUs, and
 * then has this look out for them, as only it knows that they were to go.
 *
 * On each of these CPUs irq_handler_entry notes one interrupt a second at most, by its
 * number. The guard's thread looks at what was noted, and whether what it has found before
 * may still come: whoever moves it away makes the LPAR whole again.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <trace/events/irq.h>
#include "lpar.h"

/* What is noted of a CPU besides the number of an interrupt. */
#define UNWATCHED	0	/* the timer's number, which is bound to its CPU */
#define NOTHING		(-1)

static DEFINE_PER_CPU(int, noted);

/* As lparctl moves them: neither bound to a CPU nor managed by its driver. */
static bool is_movable(struct irq_data *data)
{
	return irqd_can_balance(data) && !irqd_affinity_is_managed(data) && data->chip &&
	       data->chip->irq_set_affinity;
}

/* A guest's own, which it may have where it likes. */
static bool is_guests(const struct irqaction *action)
{
	return action->name && strstarts(action->name, "vfio");
}

/* It may have been moved already, and wait for the next interrupt to obey. */
static const struct cpumask *goes_to(struct irq_desc *desc)
{
	struct irq_data *data = irq_desc_get_irq_data(desc);

	return irqd_is_setaffinity_pending(data) ? desc->pending_mask :
						   irq_data_get_affinity_mask(data);
}

/* In hard interrupt context, while its handlers run, so that it is not freed. */
static void irq_entry(void *unused, int irq, struct irqaction *action)
{
	int *mine = this_cpu_ptr(&noted);
	struct irq_data *data;

	if (likely(READ_ONCE(*mine) != NOTHING))
		return;
	data = irq_get_irq_data(irq);
	if (data && is_movable(data) && !is_guests(action) &&
	    cpumask_test_cpu(smp_processor_id(), goes_to(irq_data_to_desc(data))))
		cmpxchg(mine, NOTHING, irq);
}

static bool has_guests(const struct irq_desc *desc)
{
	const struct irqaction *action;

	lockdep_assert_held(&desc->lock);
	for (action = desc->action; action; action = action->next)
		if (is_guests(action))
			return true;
	return false;
}

/* Is it in use, not a guest's, and allowed on one of these CPUs? */
static bool may_come(int irq, const struct cpumask *cpus)
{
	struct irq_data *data;
	struct irq_desc *desc;
	bool may = false;

	rcu_read_lock();
	data = irq_get_irq_data(irq);
	if (data) {
		desc = irq_data_to_desc(data);
		raw_spin_lock_irq(&desc->lock);
		may = desc->action && is_movable(data) && !has_guests(desc) &&
		      cpumask_intersects(goes_to(desc), cpus);
		raw_spin_unlock_irq(&desc->lock);
	}
	rcu_read_unlock();
	return may;
}

static void set_noted(const struct cpumask *cpus, int value)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpus)
		xchg(per_cpu_ptr(&noted, cpu), value);
}

/**
 * lpar_irq_look() - which interrupt of the host's comes to an LPAR's CPUs?
 * @lpar: active, with lpar->op held
 *
 * Tells of one that was not known, of one at a time.
 *
 * Context: may sleep.
 * Return: true if lpar->stray_irq has changed, and the LPAR is to be judged.
 */
bool lpar_irq_look(struct lpar *lpar)
{
	const struct cpumask *cpus = &lpar->config.cpus;
	struct lpar_event_info info = { .cpu = -1 };
	int was = lpar->stray_irq, irq;
	unsigned int cpu;

	lockdep_assert_held(&lpar->op);
	if (!lpar->watches_irqs)
		return false;
	if (was && !may_come(was, cpus))
		lpar->stray_irq = 0;
	for_each_cpu(cpu, cpus) {
		irq = xchg(per_cpu_ptr(&noted, cpu), NOTHING);
		if (irq == NOTHING || lpar->stray_irq || !may_come(irq, cpus))
			continue;
		lpar->stray_irq = irq;
		info.cpu = cpu;
	}
	if (lpar->stray_irq == was)
		return false;
	info.irq = lpar->stray_irq;
	if (info.irq)
		lpar_event_send(LPAR_EVENT_IRQ_STRAYED, lpar, &info);
	return true;
}

/**
 * lpar_irq_watch() - look out for interrupts, from now on
 * @lpar: from lpar_lock(), active; the host's have been moved off its CPUs
 * @report: for the refusal
 *
 * Once more, it looks whether the one that it knows is gone.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL, or what registering with the tracepoint gave.
 */
int lpar_irq_watch(struct lpar *lpar, struct lpar_report *report)
{
	int err;

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EINVAL,
				    "LPAR \"%s\" is %s; activate it before its interrupts are watched",
				    lpar->name, lpar_state_name(lpar->state));
	if (lpar->watches_irqs) {
		if (lpar_irq_look(lpar))
			lpar_judge(lpar);
		return 0;
	}
	check_trace_callback_type_irq_handler_entry(irq_entry);
	err = lpar_hook_get(LPAR_HOOK_IRQ_HANDLER_ENTRY, irq_entry);
	if (err)
		return lpar_problem(report, err, "interrupts cannot be watched (error %d)", err);
	lpar->watches_irqs = true;
	set_noted(&lpar->config.cpus, NOTHING);
	return 0;
}

/**
 * lpar_irq_unwatch() - look out no more
 * @lpar: LPAR that is being deactivated, with lpar->op held
 *
 * Context: may sleep.
 */
void lpar_irq_unwatch(struct lpar *lpar)
{
	if (!lpar->watches_irqs)
		return;
	set_noted(&lpar->config.cpus, UNWATCHED);
	lpar_hook_put(LPAR_HOOK_IRQ_HANDLER_ENTRY);
	lpar->watches_irqs = false;
	lpar->stray_irq = 0;
}
