// SPDX-License-Identifier: GPL-2.0
/*
 * Hardware errors in memory. The kernel marks the page, but knows no way to take a
 * page like ours from its user: it is on no LRU list and in no page cache. So the
 * tracepoint that tells of each error is listened to, and the rest done here: what
 * hugetlbfs does in memory_failure().
 */
#include <linux/kfifo.h>
#include <linux/printk.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <trace/events/memory-failure.h>
#include "lpar.h"

#define NOTED_MAX	256

static DEFINE_SPINLOCK(noted_lock);
static DEFINE_KFIFO(noted, unsigned long, NOTED_MAX);

static void tell(struct lpar *lpar)
{
	lpar_event_send(LPAR_EVENT_MEMORY_FAILED, lpar, NULL);
	lpar_event_poll(lpar, LPAR_FILE_MEMORY_BAD);
}

static void take_pages(struct work_struct *work)
{
	unsigned long pfn;
	struct lpar *lpar;
	bool ours = false, former;

	while (kfifo_out_spinlocked(&noted, &pfn, 1, &noted_lock)) {
		lpar = lpar_memory_fail_page(pfn, &former);
		if (!lpar)
			continue;
		ours = true;
		pr_err("lpar: %s: page %#lx of its %smemory has a hardware error\n", lpar->name,
		       pfn, former ? "former " : "");
		if (!former)
			tell(lpar);
		lpar_put(lpar);
	}
	if (ours)
		lpar_judge_all();
}

static DECLARE_WORK(take_work, take_pages);

/* Under mf_mutex, with preemption off. */
static void memory_failed(void *data, unsigned long pfn, int type, int result)
{
	if (!kfifo_in_spinlocked(&noted, &pfn, 1, &noted_lock))
		pr_warn_ratelimited("lpar: page %#lx: too many hardware errors at a time; if it is an LPAR's, it is retired with its holder\n",
				    pfn);
	lpar_work_queue(&take_work);
}

/**
 * lpar_poison_init() - hear of hardware errors
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int lpar_poison_init(void)
{
	check_trace_callback_type_memory_failure_event(memory_failed);
	return lpar_hook_get(LPAR_HOOK_MEMORY_FAILURE, memory_failed);
}

/**
 * lpar_poison_exit() - the reverse
 *
 * Context: may sleep; before lpar_hook_exit(). Its work ends with lpar_work_exit().
 */
void lpar_poison_exit(void)
{
	lpar_hook_put(LPAR_HOOK_MEMORY_FAILURE);
}
