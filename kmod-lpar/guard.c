// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: notices user tasks that run on a fenced CPU although they are no
 * members, whatever way they came there (a new affinity, a cpuset, a helper
 * that the kernel started), counts and reports them and has them evicted.
 *
 * It listens to sched_switch while any LPAR with CPUs is active. On a CPU that
 * is not fenced it costs the load of one per-CPU pointer a switch.
 */
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <trace/events/sched.h>
#include "lpar.h"

static DEFINE_PER_CPU(struct lpar __rcu *, guarded);
/* Under the run queue's lock: nothing here may wake a task or allocate. */
static void note_intruder(struct lpar *lpar, struct task_struct *task)
{
	struct lpar_intruder *intruder = &lpar->intruder;

	atomic64_inc(&lpar->violations);
	raw_spin_lock(&intruder->lock);
	if (!intruder->pid) {
		intruder->pid = task->pid;
		intruder->cpu = smp_processor_id();
		memcpy(intruder->comm, task->comm, sizeof(intruder->comm));
		intruder->comm[TASK_COMM_LEN - 1] = '\0';
	}
	raw_spin_unlock(&intruder->lock);
	irq_work_queue(&lpar->violation_irq);
}

static void guard_switch(void *data, bool preempt, struct task_struct *prev,
			 struct task_struct *next, unsigned int prev_state)
{
	struct lpar *lpar;

	rcu_read_lock();
	lpar = rcu_dereference(*this_cpu_ptr(&guarded));
	if (unlikely(lpar) && !(next->flags & (PF_KTHREAD | PF_EXITING)) &&
	    lpar_member_lpar_rcu(next) != lpar)
		note_intruder(lpar, next);
	rcu_read_unlock();
}

static void violation_irq(struct irq_work *work)
{
	struct lpar *lpar = container_of(work, struct lpar, violation_irq);

	queue_work(system_highpri_wq, &lpar->violation_work);
}

static void violation_work(struct work_struct *work)
{
	struct lpar *lpar = container_of(work, struct lpar, violation_work);
	struct lpar_intruder *intruder = &lpar->intruder;
	struct lpar_event_info info;
	char comm[TASK_COMM_LEN];

	lpar_fence_enforce();
	raw_spin_lock_irq(&intruder->lock);
	info = (struct lpar_event_info){
		.pid = intruder->pid, .cpu = intruder->cpu, .comm = comm,
	};
	memcpy(comm, intruder->comm, sizeof(comm));
	intruder->pid = 0;
	raw_spin_unlock_irq(&intruder->lock);
	if (!info.pid)
		return;
	lpar_event_send(LPAR_EVENT_VIOLATION, lpar, &info);
	lpar_event_poll(lpar, NULL, "violations");
}

/**
 * lpar_guard_init() - prepare a new LPAR's part
 * @lpar: LPAR
 */
void lpar_guard_init(struct lpar *lpar)
{
	raw_spin_lock_init(&lpar->intruder.lock);
	init_irq_work(&lpar->violation_irq, violation_irq);
	INIT_WORK(&lpar->violation_work, violation_work);
}

static void set_guarded(const struct cpumask *cpus, struct lpar *lpar)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpus)
		rcu_assign_pointer(*per_cpu_ptr(&guarded, cpu), lpar);
}

/**
 * lpar_guard_raise() - watch the CPUs of an LPAR
 * @lpar: LPAR whose fence is up
 *
 * Context: may sleep.
 * Return: 0 or what registering with the tracepoint gave.
 */
int lpar_guard_raise(struct lpar *lpar)
{
	int err;

	if (cpumask_empty(&lpar->config.cpus))
		return 0;
	check_trace_callback_type_sched_switch(guard_switch);
	err = lpar_hook_get(LPAR_HOOK_SCHED_SWITCH, guard_switch);
	if (!err)
		set_guarded(&lpar->config.cpus, lpar);
	return err;
}

/**
 * lpar_guard_lower() - watch them no more
 * @lpar: LPAR
 *
 * Context: may sleep. No violation of @lpar is noted after this.
 */
void lpar_guard_lower(struct lpar *lpar)
{
	if (cpumask_empty(&lpar->config.cpus))
		return;
	set_guarded(&lpar->config.cpus, NULL);
	lpar_hook_put(LPAR_HOOK_SCHED_SWITCH);
	synchronize_rcu();
	lpar_guard_flush(lpar);
}

/**
 * lpar_guard_flush() - wait until no work of the guard is under way
 * @lpar: LPAR that is not watched
 *
 * Context: may sleep.
 */
void lpar_guard_flush(struct lpar *lpar)
{
	irq_work_sync(&lpar->violation_irq);
	cancel_work_sync(&lpar->violation_work);
}
