// SPDX-License-Identifier: GPL-2.0
/*
 * A crew: threads that share long work, such as the zeroing of memory, with the task
 * that has asked for it. They run near the memory, on the host's CPUs and those of the
 * LPAR that it is for, never on another LPAR's: a work queue's own workers would. And a
 * thread that does what came to a work queue and takes long.
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include "lpar.h"

/* More CPUs than that do not make the memory faster, and the host needs some. */
#define HANDS_MAX	16
/* So many items are worth another thread, and a look at which CPUs are fenced now. */
#define SHARE		64

/**
 * struct hand - a thread of a crew
 * @crew: to which it belongs
 * @task: holds a reference
 * @cpus: where it may run
 */
struct hand {
	struct crew *crew;
	struct task_struct *task;
	struct cpumask cpus;
};

/**
 * struct crew - work that is shared
 * @lpar: for which it is
 * @node: of the memory
 * @act: does one item
 * @data: for @act
 * @nr: number of items
 * @next: the next one that is to be done
 * @err: 0, or of the first item that failed; ends the work of all
 * @cpus: where threads start
 * @nr_hands: number of @hands that were started
 * @hands: threads besides the task that has asked
 */
struct crew {
	const struct lpar *lpar;
	int node;
	lpar_crew_act *act;
	void *data;
	unsigned long nr;
	atomic_long_t next;
	int err;
	struct cpumask cpus;
	unsigned int nr_hands;
	struct hand hands[HANDS_MAX];
};

/* The node's if it has any. */
static void find_cpus(const struct lpar *lpar, int node, struct cpumask *cpus)
{
	lpar_guard_free_cpus(lpar, cpus);
	if (node != NUMA_NO_NODE && cpumask_intersects(cpus, cpumask_of_node(node)))
		cpumask_and(cpus, cpus, cpumask_of_node(node));
}

static void work(struct crew *crew, struct hand *hand)
{
	unsigned long i, done = 0;
	int err;

	while (!READ_ONCE(crew->err)) {
		/* Another LPAR may have got this CPU meanwhile. */
		if (hand && done++ % SHARE == 0) {
			find_cpus(crew->lpar, crew->node, &hand->cpus);
			set_cpus_allowed_ptr(current, &hand->cpus);
		}
		i = atomic_long_inc_return(&crew->next) - 1;
		if (i >= crew->nr)
			break;
		err = fatal_signal_pending(current) ? -EINTR : crew->act(crew->data, i);
		if (err)
			cmpxchg(&crew->err, 0, err);
		cond_resched();
	}
}

static int hand_work(void *data)
{
	struct hand *hand = data;

	work(hand->crew, hand);
	return 0;
}

/* As many as can be had: each only makes it faster. */
static void start_hands(struct crew *crew)
{
	unsigned long wanted = min(crew->nr / SHARE, HANDS_MAX);
	struct task_struct *task;
	struct hand *hand;

	find_cpus(crew->lpar, crew->node, &crew->cpus);
	wanted = min(wanted, cpumask_weight(&crew->cpus));
	while (crew->nr_hands < wanted) {
		hand = &crew->hands[crew->nr_hands];
		hand->crew = crew;
		task = kthread_create_on_node(hand_work, hand, crew->node, "lpar_crew/%u",
					      crew->nr_hands);
		if (IS_ERR(task))
			break;
		hand->task = get_task_struct(task);
		/* From 6.14 on it forgets that as it starts. */
		set_cpus_allowed_ptr(task, &crew->cpus);
		crew->nr_hands++;
		wake_up_process(task);
	}
}

/* After this none of their code runs. */
static void join_hands(struct crew *crew)
{
	while (crew->nr_hands) {
		struct hand *hand = &crew->hands[--crew->nr_hands];

		kthread_stop(hand->task);
		put_task_struct(hand->task);
	}
}

/**
 * lpar_crew_run() - do many items of work on several CPUs
 * @lpar: for which it is, in an operation
 * @node: NUMA node near which to run
 * @nr: number of items
 * @act: does item i of @nr, in process context, several at a time; 0 or a negative errno
 * @data: for @act
 *
 * Items are begun in order. Once one has failed, no other is begun.
 *
 * Context: may sleep, for long; a fatal signal ends it.
 * Return: 0 and all are done, -ENOMEM, -EINTR, or what an item gave.
 */
int lpar_crew_run(const struct lpar *lpar, int node, unsigned long nr, lpar_crew_act *act,
		  void *data)
{
	struct crew *crew = kvzalloc(sizeof(*crew), GFP_KERNEL);
	int err;

	if (!crew)
		return -ENOMEM;
	crew->lpar = lpar;
	crew->node = node;
	crew->nr = nr;
	crew->act = act;
	crew->data = data;
	start_hands(crew);
	work(crew, NULL);
	join_hands(crew);
	err = crew->err;
	kvfree(crew);
	return err;
}

/**
 * struct errand - work that a thread does for a work queue
 * @work: in the thread's queue
 * @node: of the memory, or NUMA_NO_NODE
 * @act: what to do
 * @data: for @act
 * @cpus: where it may run
 */
struct errand {
	struct kthread_work work;
	int node;
	void (*act)(void *data);
	void *data;
	struct cpumask cpus;
};

static void run_errand(struct kthread_work *work)
{
	struct errand *errand = container_of(work, struct errand, work);

	find_cpus(NULL, errand->node, &errand->cpus);
	set_cpus_allowed_ptr(current, &errand->cpus);
	errand->act(errand->data);
}

/**
 * lpar_crew_lend() - have a thread do long work that came to a work queue
 * @node: NUMA node near which to run, or NUMA_NO_NODE
 * @act: the work
 * @data: for @act
 *
 * The worker of the queue is bound to a CPU, which anybody may keep busy; the thread goes to
 * whichever of the host's has time. Without memory for one the caller does the work.
 *
 * Context: may sleep, until the work is done.
 */
void lpar_crew_lend(int node, void (*act)(void *data), void *data)
{
	struct errand *errand = kmalloc(sizeof(*errand), GFP_KERNEL);
	struct kthread_worker *worker = errand ? kthread_run_worker(0, "lpar_lent") : NULL;

	if (IS_ERR_OR_NULL(worker)) {
		act(data);
	} else {
		errand->node = node;
		errand->act = act;
		errand->data = data;
		kthread_init_work(&errand->work, run_errand);
		kthread_queue_work(worker, &errand->work);
		kthread_destroy_worker(worker);
	}
	kfree(errand);
}
