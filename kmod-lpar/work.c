// SPDX-License-Identifier: GPL-2.0
/*
 * Where the module's own work is done: on the host's CPUs, not on those that it has given
 * to LPARs.
 *
 * So the work queues are bound to CPUs, and whoever queues work says on which. Workers of
 * an unbound queue run on all CPUs of a node, and no exported function keeps them off some;
 * a timer and the system's queues do their work on the CPU from which it came, which may be
 * one on which a member has just exited.
 *
 * Anybody may keep the host's first CPU busy, and a queue full of works that wait for an
 * operation. So what is short, and others wait for, has a queue of its own, whose workers
 * have the largest share of a CPU; nothing in it computes, or waits for an operation. So has
 * the end of a cut, which waits for disks that may not answer: hundreds of such fill a queue.
 *
 * A CPU that goes offline waits for RCU once it is active no more, and hands on the timers
 * that were set until then. So whoever sets one does that as a reader.
 */
#include <linux/cpumask.h>
#include <linux/topology.h>
#include "lpar.h"

static struct workqueue_struct *wq, *urgent_wq, *cut_wq;

/* The first of the host's; CPU 0 is never an LPAR's. */
static unsigned int host_cpu(void)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpu_active_mask)
		if (!lpar_cpu_is_fenced(cpu))
			return cpu;
	return WORK_CPU_UNBOUND;
}

/* Of a node, if it has any for the host, or of all nodes; one after the other. */
static unsigned int host_cpu_near(int node)
{
	const struct cpumask *near = node == NUMA_NO_NODE ? cpu_possible_mask :
				     cpumask_of_node(node);
	static atomic_t last;
	unsigned int cpu, n = 0, turn;

	for_each_cpu_and(cpu, near, cpu_active_mask)
		n += !lpar_cpu_is_fenced(cpu);
	if (!n)
		return host_cpu();
	turn = (unsigned int)atomic_inc_return(&last) % n;
	for_each_cpu_and(cpu, near, cpu_active_mask)
		if (!lpar_cpu_is_fenced(cpu) && !turn--)
			return cpu;
	return host_cpu();
}

/**
 * lpar_work_queue() - do work soon
 * @work: may take long and may sleep, but does not wait for an operation
 *
 * Context: any.
 * Return: false if it was queued already.
 */
bool lpar_work_queue(struct work_struct *work)
{
	return queue_work_on(host_cpu(), wq, work);
}

/**
 * lpar_work_urgent() - do work now: guests, networks or people wait
 * @work: is short; may sleep, but does not wait for an operation
 *
 * Context: any.
 * Return: false if it was queued already.
 */
bool lpar_work_urgent(struct work_struct *work)
{
	return queue_work_on(host_cpu(), urgent_wq, work);
}

/**
 * lpar_work_cut() - finish a cut now: guests, networks or people wait
 * @work: may sleep, for a disk that does not answer as well
 *
 * Context: any; the work is not queued.
 */
void lpar_work_cut(struct work_struct *work)
{
	queue_work_on(host_cpu(), cut_wq, work);
}

/**
 * lpar_work_delay() - do urgent work later, or when it was to be done already
 * @work: as for lpar_work_urgent()
 * @delay: in jiffies
 *
 * Context: any.
 * Return: false if it was queued already.
 */
bool lpar_work_delay(struct delayed_work *work, unsigned long delay)
{
	bool queued;

	rcu_read_lock();
	queued = queue_delayed_work_on(host_cpu(), urgent_wq, work, delay);
	rcu_read_unlock();
	return queued;
}

/**
 * lpar_work_set() - do urgent work after a time that counts from now
 * @work: as for lpar_work_urgent(); queued already or not
 * @delay: in jiffies
 *
 * Context: any.
 */
void lpar_work_set(struct delayed_work *work, unsigned long delay)
{
	rcu_read_lock();
	mod_delayed_work_on(host_cpu(), urgent_wq, work, delay);
	rcu_read_unlock();
}

/**
 * lpar_work_near() - do work on memory, later
 * @node: of the memory, or NUMA_NO_NODE
 * @work: may take long and may sleep; looks from time to time whether it is still on one
 *	of the host's CPUs
 * @delay: in jiffies
 *
 * Context: any.
 */
void lpar_work_near(int node, struct delayed_work *work, unsigned long delay)
{
	rcu_read_lock();
	queue_delayed_work_on(host_cpu_near(node), wq, work, delay);
	rcu_read_unlock();
}

/**
 * lpar_work_init() - make the queues, at module load
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int lpar_work_init(void)
{
	wq = alloc_workqueue("lpar", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	urgent_wq = alloc_workqueue("lpar_urgent", WQ_PERCPU | WQ_HIGHPRI, 0);
	cut_wq = alloc_workqueue("lpar_cut", WQ_PERCPU | WQ_HIGHPRI, 0);
	if (wq && urgent_wq && cut_wq)
		return 0;
	lpar_work_exit();
	return -ENOMEM;
}

/**
 * lpar_work_exit() - do what is left, and withdraw them, at module exit
 *
 * Context: may sleep. None of their code runs on return.
 */
void lpar_work_exit(void)
{
	if (cut_wq)
		destroy_workqueue(cut_wq);
	if (urgent_wq)
		destroy_workqueue(urgent_wq);
	if (wq)
		destroy_workqueue(wq);
}
