// SPDX-License-Identifier: GPL-2.0
/*
 * The guard: notices user tasks that run on a fenced CPU although they are no
 * members, whatever way they came there (a new affinity, a cpuset, a helper
 * that the kernel started), counts and reports them and has them evicted.
 *
 * It listens to sched_switch while any LPAR with CPUs is active. On a CPU that
 * is not fenced it costs the load of one per-CPU pointer a switch.
 *
 * Eviction is the work of a thread that runs elsewhere: on the fenced CPU the
 * intruder may be of a class that lets no worker of the kernel run.
 *
 * A member that leaves, or is taken off, its LPAR's CPUs disturbs nobody there, and no
 * switch tells of it. Another thread looks for such members once a second, and brings
 * them back, and for interrupts (irq.c). It also makes passes over all tasks, between whose
 * batches the first one evicts.
 */
#include <linux/kthread.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <trace/events/sched.h>
#include "lpar.h"

/**
 * struct guard - what the guard knows of a CPU
 * @lpar: whose it is; NULL = it is not fenced
 * @intruder: seen there since the last eviction; holds a reference
 */
struct guard {
	struct lpar __rcu *lpar;
	struct task_struct *intruder;
};

#define WATCH_INTERVAL	HZ
/* Or so soon if somebody looks at LPARs. */
#define WATCH_RETRY	(HZ / 50)
#define WATCH_TRIES	50	/* then it waits for them */
/* After a look at all tasks the thread rests for so many times as long as that took. */
#define SCAN_REST	3
/* An LPAR's intruders are told of no more often; the counter has all of them. */
#define TELL_INTERVAL	(HZ / 10)

static DEFINE_PER_CPU(struct guard, guards);
static struct kthread_worker *evictor, *watcher;

static void watch(struct kthread_work *work);
static DEFINE_KTHREAD_DELAYED_WORK(watch_work, watch);

static void scan(struct kthread_work *work);
static DEFINE_KTHREAD_DELAYED_WORK(scan_work, scan);
static unsigned long next_scan;

/* Under the run queue's lock: nothing here may wake a task, allocate or free. */
static void note_intruder(struct lpar *lpar, struct guard *guard, struct task_struct *task)
{
	atomic64_inc(&lpar->violations);
	get_task_struct(task);
	if (cmpxchg(&guard->intruder, NULL, task)) {
		put_task_struct(task);		/* it runs: this reference is not the last */
		WRITE_ONCE(lpar->missed_intruder, true);
	}
	irq_work_queue(&lpar->violation_irq);
}

static void guard_switch(void *data, bool preempt, struct task_struct *prev,
			 struct task_struct *next, unsigned int prev_state)
{
	struct guard *guard = this_cpu_ptr(&guards);
	struct lpar *lpar;

	rcu_read_lock();
	lpar = rcu_dereference(guard->lpar);
	if (unlikely(lpar) && !(next->flags & (PF_KTHREAD | PF_EXITING)) &&
	    lpar_member_lpar_rcu(next) != lpar)
		note_intruder(lpar, guard, next);
	rcu_read_unlock();
}

static void violation_irq(struct irq_work *work)
{
	struct lpar *lpar = container_of(work, struct lpar, violation_irq);

	kthread_queue_work(evictor, &lpar->violation_work);
}

/*
 * Anybody may come as often as he likes, and the events that he causes push others' out
 * of a listener's buffer.
 */
static void report(struct lpar *lpar, struct task_struct *task, int cpu)
{
	char comm[TASK_COMM_LEN];
	const struct lpar_event_info info = {
		.pid = task->pid, .cpu = cpu, .comm = get_task_comm(comm, task),
	};

	if (time_before(jiffies, lpar->tell_at)) {
		WRITE_ONCE(lpar->untold, true);
		return;
	}
	lpar->tell_at = jiffies + TELL_INTERVAL;
	WRITE_ONCE(lpar->untold, false);
	lpar_event_send(LPAR_EVENT_VIOLATION, lpar, &info);
	lpar_event_poll(lpar, LPAR_FILE_VIOLATIONS);
}

static void scan_soon(void)
{
	unsigned long now = jiffies, next = READ_ONCE(next_scan);

	kthread_queue_delayed_work(watcher, &scan_work, time_after(next, now) ? next - now : 0);
}

/*
 * Looks at all tasks. Anybody may make it necessary, by two tasks that go to one fenced
 * CPU again and again, but not keep a CPU of the host busy with it.
 */
static void scan(struct kthread_work *work)
{
	unsigned long begin = jiffies;

	/* The thread that evicts asked for it while the last one was under way. */
	if (time_before(begin, next_scan)) {
		scan_soon();
		return;
	}
	lpar_fence_catch_up();
	WRITE_ONCE(next_scan, jiffies + SCAN_REST * (jiffies - begin + 1));
}

static void violation_work(struct kthread_work *work)
{
	struct lpar *lpar = container_of(work, struct lpar, violation_work);
	struct task_struct *task;
	unsigned int cpu;

	for_each_cpu(cpu, &lpar->config.cpus) {
		task = xchg(&per_cpu_ptr(&guards, cpu)->intruder, NULL);
		if (!task)
			continue;
		lpar_fence_evict(task);
		report(lpar, task, cpu);
		put_task_struct(task);
	}
	/* More than one on a CPU at a time: not all are known by name. */
	if (xchg(&lpar->missed_intruder, false))
		scan_soon();
}

/*
 * A fenced LPAR that was not looked at in this round, with its op and a reference. Anybody may
 * keep lpar_mutex for long, by a reader that is given no CPU, and scans would wait with this:
 * -EAGAIN, come again. But readers of which there is always one must not keep it away for good:
 * then @wait.
 */
static struct lpar *next_to_watch(unsigned int round, bool wait, bool *any)
{
	struct lpar *lpar, *next = NULL;

	if (wait)
		mutex_lock(&lpar_mutex);
	else if (!mutex_trylock(&lpar_mutex))
		return ERR_PTR(-EAGAIN);
	list_for_each_entry(lpar, &lpar_list, list) {
		if (!lpar_state_is_active(lpar->state) || cpumask_empty(&lpar->config.cpus))
			continue;
		*any = true;
		if (lpar->watched_in == round)
			continue;
		lpar->watched_in = round;
		/* In an operation, it may have members that are about to be moved. */
		if (!mutex_trylock(&lpar->op))
			continue;
		lpar_ref(lpar);
		next = lpar;
		break;
	}
	mutex_unlock(&lpar_mutex);
	return next;
}

static void report_stray(struct lpar *lpar, const struct lpar_stray *stray)
{
	char comm[TASK_COMM_LEN];
	const struct lpar_event_info info = {
		.pid = stray->task->pid, .cpu = task_cpu(stray->task),
		.comm = get_task_comm(comm, stray->task),
	};

	/* A worker of io_uring begins on any CPU: its maker has moved nobody. */
	if (!stray->outside || stray->task->flags & PF_IO_WORKER)
		return;
	atomic64_inc(&lpar->strays);
	lpar_event_send(LPAR_EVENT_STRAYED, lpar, &info);
	lpar_event_poll(lpar, LPAR_FILE_STRAYS);
}

static void watch_one(struct lpar *lpar, struct lpar_stray *found)
{
	unsigned int n = lpar_fence_call_home(lpar, found), i;
	bool lost = false, changed;

	/* Who waits for the counter sees the last of them, too. */
	if (xchg(&lpar->untold, false))
		lpar_event_poll(lpar, LPAR_FILE_VIOLATIONS);
	for (i = 0; i < n; i++) {
		report_stray(lpar, &found[i]);
		lost |= found[i].err && found[i].err != -ESRCH;
		put_task_struct(found[i].task);
	}
	changed = lost != lpar->lost;
	lpar->lost = lost;
	changed |= lpar_irq_look(lpar);
	if (changed)
		lpar_judge(lpar);
}

static void watch(struct kthread_work *work)
{
	struct lpar_stray *found = kcalloc(LPAR_STRAYS_MAX, sizeof(*found), GFP_KERNEL);
	static unsigned int round = 1, tries;
	bool any = !found, again, wait = tries >= WATCH_TRIES;
	struct lpar *lpar = NULL;

	while (found && !IS_ERR_OR_NULL(lpar = next_to_watch(round, wait, &any))) {
		watch_one(lpar, found);
		lpar_unlock(lpar);
	}
	kfree(found);
	again = IS_ERR(lpar);
	round += !again;
	tries = again ? tries + 1 : 0;
	if (lpar_fence_is_behind()) {
		scan_soon();
		any = true;
	}
	/* Who becomes active later starts it again. */
	if (any || again)
		kthread_queue_delayed_work(watcher, &watch_work,
					   again ? WATCH_RETRY : WATCH_INTERVAL);
}

/**
 * lpar_guard_init() - prepare a new LPAR's part
 * @lpar: LPAR
 */
void lpar_guard_init(struct lpar *lpar)
{
	lpar->tell_at = jiffies;
	init_irq_work(&lpar->violation_irq, violation_irq);
	kthread_init_work(&lpar->violation_work, violation_work);
}

static void set_guarded(const struct cpumask *cpus, struct lpar *lpar)
{
	unsigned int cpu;

	for_each_cpu(cpu, cpus)
		rcu_assign_pointer(per_cpu_ptr(&guards, cpu)->lpar, lpar);
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
	if (err)
		return err;
	set_guarded(&lpar->config.cpus, lpar);
	return 0;
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
	irq_work_sync(&lpar->violation_irq);
	/* The work once more, for those that it has not seen. */
	kthread_queue_work(evictor, &lpar->violation_work);
	kthread_flush_work(&lpar->violation_work);
}

/**
 * lpar_guard_watch() - look for members and interrupts that stray, from now on
 *
 * Called when an LPAR has become active, and when not all could be given back what they
 * had. Ends by itself when none is active, and nothing is left to be done.
 *
 * Context: any.
 */
void lpar_guard_watch(void)
{
	kthread_queue_delayed_work(watcher, &watch_work, WATCH_INTERVAL);
}

/**
 * lpar_guard_free_cpus() - on which CPUs may the kernel work for an LPAR?
 * @lpar: LPAR
 * @cpus: result: those that are up and no other LPAR's; CPU 0 is never an LPAR's
 *
 * Context: any. Another may get one of them at any time.
 */
void lpar_guard_free_cpus(const struct lpar *lpar, struct cpumask *cpus)
{
	const struct lpar *owner;
	unsigned int cpu;

	cpumask_clear(cpus);
	for_each_cpu(cpu, cpu_active_mask) {
		owner = rcu_access_pointer(per_cpu_ptr(&guards, cpu)->lpar);
		if (!owner || owner == lpar)
			cpumask_set_cpu(cpu, cpus);
	}
}

/**
 * lpar_guard_keep_off() - the guard's own threads leave fenced CPUs
 * @fenced: CPUs that belong to LPARs
 * @scratch: any mask
 *
 * Context: may sleep.
 */
void lpar_guard_keep_off(const struct cpumask *fenced, struct cpumask *scratch)
{
	cpumask_andnot(scratch, cpu_possible_mask, fenced);
	set_cpus_allowed_ptr(evictor->task, scratch);
	set_cpus_allowed_ptr(watcher->task, scratch);
}

static struct kthread_worker *run_worker(const char *name)
{
	struct kthread_worker *worker = kthread_run_worker(0, "%s", name);

	if (!IS_ERR(worker))
		sched_set_normal(worker->task, MIN_NICE);
	return worker;
}

/**
 * lpar_guard_start() - start the guard's threads, at module load
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_guard_start(void)
{
	evictor = run_worker("lpar_guard");
	if (IS_ERR(evictor))
		return PTR_ERR(evictor);
	watcher = run_worker("lpar_watch");
	if (IS_ERR(watcher)) {
		kthread_destroy_worker(evictor);
		return PTR_ERR(watcher);
	}
	return 0;
}

/**
 * lpar_guard_stop() - end them, at module exit
 *
 * Context: may sleep.
 */
void lpar_guard_stop(void)
{
	kthread_cancel_delayed_work_sync(&watch_work);
	kthread_cancel_delayed_work_sync(&scan_work);
	kthread_destroy_worker(watcher);
	kthread_destroy_worker(evictor);
}
