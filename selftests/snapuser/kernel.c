// SPDX-License-Identifier: GPL-2.0
/*
 * Work, memory, log and time of the kernel in user space; see kernel.h.
 */
#include "kernel.h"
#include "disk.h"

unsigned int test_locks;
size_t test_alloc_max;
unsigned long jiffies;
char test_log[256];

static LIST_HEAD(work_list);
static LIST_HEAD(delayed_list);

void *test_alloc(size_t size, gfp_t gfp)
{
	if (test_alloc_max && size > test_alloc_max)
		return NULL;
	return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void test_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(test_log, sizeof(test_log), fmt, ap);
	va_end(ap);
	if (getenv("VERBOSE"))
		printf("# %s\n", test_log);
}

ktime_t ktime_get_real(void)
{
	static ktime_t now = NSEC_PER_SEC;

	return now += NSEC_PER_USEC;
}

void queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	(void)wq;
	if (work->pending)
		return;
	work->pending = true;
	list_add_tail(&work->node, &work_list);
}

void queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay)
{
	(void)wq;
	if (dwork->pending)
		return;
	dwork->pending = true;
	dwork->due = jiffies + delay;
	list_add_tail(&dwork->node, &delayed_list);
}

void cancel_delayed_work_sync(struct delayed_work *dwork)
{
	if (dwork->pending)
		list_del(&dwork->node);
	dwork->pending = false;
	cancel_work_sync(&dwork->work);
}

void mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay)
{
	cancel_delayed_work_sync(dwork);
	queue_delayed_work(wq, dwork, delay);
}

void cancel_work_sync(struct work_struct *work)
{
	if (work->pending)
		list_del(&work->node);
	work->pending = false;
}

/* All that is queued, and what that queues. */
void test_run_work(void)
{
	while (!list_empty(&work_list)) {
		struct work_struct *work = list_first_entry(&work_list, struct work_struct, node);

		list_del(&work->node);
		work->pending = false;
		work->fn(work);
		assert(!test_locks);
	}
}

static struct delayed_work *next_due(void)
{
	struct delayed_work *dwork;

	list_for_each_entry(dwork, &delayed_list,
			    node) if (time_after_eq(jiffies, dwork->due)) return dwork;
	return NULL;
}

void test_pass_second(void)
{
	struct delayed_work *dwork;

	jiffies += HZ;
	while ((dwork = next_due())) {
		list_del(&dwork->node);
		dwork->pending = false;
		dwork->work.fn(&dwork->work);
		assert(!test_locks);
	}
	test_run_work();
}

void generate_random_uuid(u8 *uuid)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		uuid[i] = random();
}
