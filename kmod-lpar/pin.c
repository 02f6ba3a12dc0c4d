// SPDX-License-Identifier: GPL-2.0
/*
 * Pins: threads of an LPAR that have a CPU of their own, as vCPUs have. The other members
 * run on the CPUs that are left, or on all of the LPAR's when none is.
 */
#include <linux/cpumask.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "fence.h"

/*
 * Changes of any lpar->pins; within lpar_fence_mutex. For those who only look: whoever asks
 * for an LPAR does not wait for a pass over all tasks, nor does the guard wait for him, who may
 * be given no CPU while he holds a mutex.
 */
static DEFINE_SPINLOCK(pins_lock);

/* The members of @lpar that still live keep the CPUs that they are pinned to, none else. */
static bool is_pinned(const struct lpar *lpar, const struct lpar_pin *pin)
{
	struct task_struct *task;
	bool pinned;

	rcu_read_lock();
	task = pid_task(pin->pid, PIDTYPE_PID);
	pinned = task && lpar_member_lpar_rcu(task) == lpar;
	rcu_read_unlock();
	return pinned;
}

/*
 * When pins have changed, as each thread without one is asked for in each pass over all tasks,
 * and may be one of very many. The CPU of one that dies is shared by lpar_pin_free_dead().
 */
static void note_shared(struct lpar *lpar)
{
	const struct lpar_pin *pin;

	lockdep_assert_held(&lpar_fence_mutex);
	cpumask_copy(&lpar->shared_cpus, &lpar->config.cpus);
	list_for_each_entry(pin, &lpar->pins, node)
		cpumask_clear_cpu(pin->cpu, &lpar->shared_cpus);
}

/* Where those run who have no CPU of their own. */
static const struct cpumask *shared_room(const struct lpar *lpar)
{
	if (list_empty(&lpar->pins) || !cpumask_intersects(&lpar->shared_cpus, cpu_active_mask))
		return &lpar->config.cpus;
	return &lpar->shared_cpus;
}

/**
 * lpar_pin_room() - where a member may run
 * @lpar: its LPAR
 * @task: one of its threads
 * @room: result
 *
 * Context: under lpar_fence_mutex.
 */
void lpar_pin_room(const struct lpar *lpar, struct task_struct *task, struct cpumask *room)
{
	const struct pid *pid = task_pid(task);
	const struct lpar_pin *pin;

	list_for_each_entry(pin, &lpar->pins, node) {
		if (pin->pid == pid && cpumask_test_cpu(pin->cpu, cpu_active_mask)) {
			cpumask_copy(room, cpumask_of(pin->cpu));
			return;
		}
	}
	cpumask_copy(room, shared_room(lpar));
}

static void free_pin(struct lpar_pin *pin)
{
	list_del(&pin->node);
	put_pid(pin->pid);
	kfree(pin);
}

/**
 * lpar_pin_free_all() - empty a list of pins
 * @pins: list of struct lpar_pin that no other knows
 */
void lpar_pin_free_all(struct list_head *pins)
{
	struct lpar_pin *pin, *next;

	list_for_each_entry_safe(pin, next, pins, node)
		free_pin(pin);
}

/**
 * lpar_pin_swap() - change all pins of an LPAR
 * @lpar: LPAR
 * @pins: its pins from now on; has the former then
 *
 * Context: under lpar_fence_mutex; takes pins_lock.
 */
void lpar_pin_swap(struct lpar *lpar, struct list_head *pins)
{
	LIST_HEAD(former);

	lockdep_assert_held(&lpar_fence_mutex);
	spin_lock(&pins_lock);
	list_splice_init(&lpar->pins, &former);
	list_splice_init(pins, &lpar->pins);
	note_shared(lpar);
	spin_unlock(&pins_lock);
	list_splice(&former, pins);
}

/**
 * lpar_pin_free_dead() - the CPUs of pinned threads that are gone are everybody's
 * @lpar: LPAR
 *
 * Context: under lpar_fence_mutex; takes pins_lock.
 * Return: true if there were any.
 */
bool lpar_pin_free_dead(struct lpar *lpar)
{
	struct lpar_pin *pin, *next;
	bool any = false;

	spin_lock(&pins_lock);
	list_for_each_entry_safe(pin, next, &lpar->pins, node) {
		if (is_pinned(lpar, pin))
			continue;
		free_pin(pin);
		any = true;
	}
	note_shared(lpar);
	spin_unlock(&pins_lock);
	return any;
}

/**
 * lpar_pin_check() - can a thread be pinned so?
 * @lpar: from lpar_lock(), active
 * @pin: how
 * @report: for the refusal
 *
 * Return: 0, -EINVAL, -ESRCH.
 */
int lpar_pin_check(const struct lpar *lpar, const struct lpar_pin *pin,
		   struct lpar_report *report)
{
	if (pin->cpu >= nr_cpu_ids || !cpumask_test_cpu(pin->cpu, &lpar->config.cpus))
		return lpar_problem(report, -EINVAL, "CPU %u is not in LPAR \"%s\"", pin->cpu,
				    lpar->name);
	if (!is_pinned(lpar, pin))
		return lpar_problem(report, -ESRCH,
				    "the thread of vCPU %u is no member of LPAR \"%s\"",
				    pin->vcpu, lpar->name);
	return 0;
}

/**
 * lpar_pin_visit_all() - who has a CPU of its own?
 * @lpar: LPAR
 * @visit: called with the number of the vCPU, of its thread in the initial pid namespace,
 *	and of its CPU; not 0 ends the walk
 * @data: for @visit
 *
 * Context: any but interrupts; takes pins_lock, under which @visit is called.
 * Return: 0 or what @visit returned.
 */
int lpar_pin_visit_all(struct lpar *lpar, lpar_pin_visitor *visit, void *data)
{
	const struct lpar_pin *pin;
	int ret = 0;

	spin_lock(&pins_lock);
	list_for_each_entry(pin, &lpar->pins, node) {
		if (!is_pinned(lpar, pin))
			continue;
		ret = visit(data, pin->vcpu, pid_nr(pin->pid), pin->cpu);
		if (ret)
			break;
	}
	spin_unlock(&pins_lock);
	return ret;
}
