// SPDX-License-Identifier: GPL-2.0
/*
 * Vectors: interrupts whose flow handler is ours. One that has to wait is
 * acknowledged at once and sent again by a timer; then the kernel's own handler
 * gets it, so that all that genirq does for an interrupt is done. Resending is
 * what kernel/irq/resend.c does for interrupts that came while disabled.
 */
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>
#include "dirtythrottle.h"
#include "msi.h"

/* By number of the interrupt; changed under dt_msi_mutex, read under RCU. */
static DEFINE_XARRAY(vectors);

static void flow(struct irq_desc *desc);

static struct irq_desc *find_desc(unsigned int irq)
{
	struct irq_data *data = irq_get_irq_data(irq);

	return data ? irq_data_to_desc(data) : NULL;
}

/* Is it to be passed on now? */
static bool arrive(struct dt_vector *vector, struct irq_desc *desc)
{
	u64 now_ns = ktime_get_ns(), wait_ns;

	lockdep_assert_held(&desc->lock);
	if (vector->due) {
		vector->due = false;
		vector->delivered_ns = now_ns;
		return true;
	}
	vector->counters.interrupts++;
	if (vector->pending) {
		vector->counters.merged++;
		vector->window.merged++;
		vector->window.last_ns = now_ns;
		return false;
	}
	wait_ns = dt_pace_wait_ns(READ_ONCE(vector->pace->delay_ns),
				  READ_ONCE(vector->pace->gap_ns), vector->delivered_ns, now_ns);
	if (!wait_ns) {
		vector->delivered_ns = now_ns;
		return true;
	}
	vector->counters.delayed++;
	vector->pending = true;
	vector->window = (struct dt_window){ .first_ns = now_ns, .last_ns = now_ns };
	hrtimer_start(&vector->timer, ns_to_ktime(wait_ns), HRTIMER_MODE_REL_PINNED_HARD);
	return false;
}

/* In hard interrupt context, as handle_edge_irq(). */
static void flow(struct irq_desc *desc)
{
	struct dt_vector *vector = xa_load(&vectors, irq_desc_get_irq(desc));
	bool pass;

	raw_spin_lock(&desc->lock);
	/* It may have been set back since. */
	pass = !vector || desc->handle_irq != flow || arrive(vector, desc);
	if (!pass)
		desc->irq_data.chip->irq_ack(&desc->irq_data);
	raw_spin_unlock(&desc->lock);
	if (pass)
		handle_edge_irq(desc);
}

/* Nobody wants the interrupt when it was shut down or freed. */
static void resend(struct irq_desc *desc)
{
	struct irq_data *data = irq_desc_get_irq_data(desc);

	lockdep_assert_held(&desc->lock);
	if (desc->action && irqd_is_activated(data) && irqd_is_started(data) &&
	    data->chip->irq_retrigger)
		data->chip->irq_retrigger(data);
}

static void end_window(struct dt_vector *vector, struct irq_desc *desc)
{
	dt_pace_count(&vector->counters, &vector->window, ktime_get_ns());
	vector->pending = false;
	resend(desc);
}

/* The number may belong to another device by now. */
static enum hrtimer_restart deliver(struct hrtimer *timer)
{
	struct dt_vector *vector = container_of(timer, struct dt_vector, timer);
	struct irq_desc *desc;

	rcu_read_lock();
	desc = find_desc(vector->irq);
	if (desc) {
		raw_spin_lock(&desc->lock);
		if (desc->handle_irq == flow && xa_load(&vectors, vector->irq) == vector) {
			vector->due = true;
			end_window(vector, desc);
		}
		raw_spin_unlock(&desc->lock);
	}
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

/**
 * dt_vector_of() - the vector of an interrupt
 * @irq: number of an interrupt that cannot be freed meanwhile
 *
 * Context: under dt_msi_mutex.
 * Return: vector, or NULL when the flow handler of the interrupt is not ours.
 */
struct dt_vector *dt_vector_of(unsigned int irq)
{
	struct irq_desc *desc = find_desc(irq);

	return desc && desc->handle_irq == flow ? xa_load(&vectors, irq) : NULL;
}

/* Edge-triggered, and its chip does what we ask of it. */
static bool can_wait(const struct irq_desc *desc)
{
	const struct irq_chip *chip = desc->irq_data.chip;

	return desc->handle_irq == handle_edge_irq && chip->irq_ack && chip->irq_retrigger;
}

static struct dt_vector *new_vector(struct dt_device *device, unsigned int irq,
				    unsigned int index)
{
	struct dt_vector *vector = kzalloc(sizeof(*vector), GFP_KERNEL);

	if (!vector)
		return NULL;
	vector->irq = irq;
	vector->index = index;
	vector->used = true;
	vector->pace = &device->pace;
	hrtimer_setup(&vector->timer, deliver, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	return vector;
}

/**
 * dt_vector_take() - delay an interrupt from now on
 * @device: whose interrupt it is
 * @irq: its number; it cannot be freed meanwhile
 * @index: which of the device's vectors
 *
 * Context: may sleep, under dt_msi_mutex.
 * Return: 0, -EOPNOTSUPP when it cannot be delayed, -ENOMEM.
 */
int dt_vector_take(struct dt_device *device, unsigned int irq, unsigned int index)
{
	struct irq_desc *desc = find_desc(irq);
	struct dt_vector *vector;
	int err;

	if (!desc || !can_wait(desc))
		return -EOPNOTSUPP;
	vector = new_vector(device, irq, index);
	if (!vector)
		return -ENOMEM;
	/* One that was freed may still be there under this number: no longer then. */
	err = xa_err(xa_store(&vectors, irq, vector, GFP_KERNEL));
	if (err) {
		kfree(vector);
		return err;
	}
	list_add_tail(&vector->node, &device->vectors);
	__irq_set_handler(irq, flow, 0, desc->name);
	return 0;
}

/**
 * dt_vector_restore() - delay it no longer, deliver what waits
 * @vector: vector; nothing is done to an interrupt that was freed since, whoever
 *	has its number now
 *
 * Context: any but hard irq, under dt_msi_mutex.
 */
void dt_vector_restore(struct dt_vector *vector)
{
	struct irq_desc *desc;

	rcu_read_lock();
	desc = find_desc(vector->irq);
	if (desc) {
		raw_spin_lock_irq(&desc->lock);
		if (desc->handle_irq == flow && xa_load(&vectors, vector->irq) == vector) {
			/* After this the flow handler and the timer change nothing any more. */
			irq_set_handler_locked(irq_desc_get_irq_data(desc), handle_edge_irq);
			if (vector->pending)
				end_window(vector, desc);
		}
		raw_spin_unlock_irq(&desc->lock);
	}
	rcu_read_unlock();
}

/**
 * dt_vector_forget() - a vector that was restored, or whose interrupt was freed
 * @vector: vector
 * @old: list for dt_vector_free_all()
 *
 * Context: under dt_msi_mutex.
 */
void dt_vector_forget(struct dt_vector *vector, struct list_head *old)
{
	xa_cmpxchg(&vectors, vector->irq, vector, NULL, 0);
	list_move(&vector->node, old);
}

/**
 * dt_vector_free_all() - free what was forgotten
 * @old: list of vectors
 *
 * Context: may sleep; not under the locks of a device.
 */
void dt_vector_free_all(struct list_head *old)
{
	struct dt_vector *vector, *next;

	if (list_empty(old))
		return;
	/* The flow handler, which may start the timer, runs with interrupts off. */
	synchronize_rcu();
	list_for_each_entry_safe(vector, next, old, node) {
		hrtimer_cancel(&vector->timer);
		kfree(vector);
	}
}

/**
 * dt_vector_is_posted() - does it go straight to the guest?
 * @vector: vector
 *
 * Return: true if the interrupt controller says so.
 */
bool dt_vector_is_posted(const struct dt_vector *vector)
{
	struct irq_data *data = irq_get_irq_data(vector->irq);

	return data && irqd_is_forwarded_to_vcpu(data);
}

/**
 * dt_vector_read() - add the counters of a vector
 * @vector: vector
 * @sum: to be changed
 *
 * Context: under dt_msi_mutex; they count on meanwhile.
 */
void dt_vector_read(const struct dt_vector *vector, struct dt_msi_counters *sum)
{
	sum->interrupts += READ_ONCE(vector->counters.interrupts);
	sum->delayed += READ_ONCE(vector->counters.delayed);
	sum->merged += READ_ONCE(vector->counters.merged);
	sum->delay_ns += READ_ONCE(vector->counters.delay_ns);
	sum->full += READ_ONCE(vector->counters.full);
	sum->steady += READ_ONCE(vector->counters.steady);
}
