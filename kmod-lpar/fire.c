// SPDX-License-Identifier: GPL-2.0
/*
 * How a cut fires: at its deadline, in hard-irq context, on as many CPUs as it
 * takes, so that none is kept for long, nor the last participant from acting.
 *
 * The participants act in phases, one for each enum lpar_cut_order that has any: a
 * phase begins when all of the former have acted, on whichever CPU the last of
 * these did. In a phase whose classes allow it, the CPU that begins it calls
 * others, and each takes one participant after the other as long as there are any.
 * Nobody waits for anybody. The last one to leave starts what follows.
 */
#include <linux/slab.h>
#include <linux/smp.h>
#include "lpar.h"

/* A CPU is called for each so many participants. */
#define SHARE		16
#define HELPERS_MAX	64

/**
 * struct phase - participants of one order
 * @end: the first one of the next phase
 * @left: how many have not acted yet; used if @parallel
 * @parallel: they may act on several CPUs at a time
 */
struct phase {
	unsigned int end;
	atomic_t left;
	bool parallel;
};

/**
 * struct lpar_firing - a cut that is ready to fire
 * @cut: of which it is a part
 * @phases: in the order in which they act
 * @nr_phases: their number
 * @phase: the present one; changed by whoever ends it
 * @next: the next participant that is to be taken
 * @limit: only those before it may be taken
 * @users: CPUs at work, or called
 * @nr_helpers: number of @helpers
 * @helpers: a call to another CPU each
 * @nr_points: number of @points
 * @points: in the order in which they act
 */
struct lpar_firing {
	struct lpar_cut *cut;
	struct phase phases[LPAR_CUT_ORDERS];
	unsigned int nr_phases;
	unsigned int phase;
	atomic_t next;
	int limit;
	atomic_t users;
	unsigned int nr_helpers;
	call_single_data_t *helpers;
	unsigned int nr_points;
	struct lpar_cut_point *points[];
};

static void fire_point(struct lpar_firing *firing, unsigned int i)
{
	struct lpar_cut_point *point = firing->points[i];

	point->class->fire(point, firing->cut->action);
}

/* Who is still called from a former phase has its share here as well. */
static void call_helpers(struct lpar_firing *firing, unsigned int nr_points)
{
	unsigned int wanted = min((nr_points - 1) / SHARE, firing->nr_helpers);
	unsigned int cpu, n = 0;

	for_each_online_cpu(cpu) {
		if (n == wanted)
			break;
		if (cpu == smp_processor_id())
			continue;
		atomic_inc(&firing->users);
		if (smp_call_function_single_async(cpu, &firing->helpers[n]))
			atomic_dec(&firing->users);	/* the caller is one yet */
		n++;
	}
}

/* Begins the phases after the present one, up to the first that others take part in. */
static void advance(struct lpar_firing *firing, unsigned int phase)
{
	unsigned int i = phase ? firing->phases[phase - 1].end : 0;

	for (; phase < firing->nr_phases; phase++) {
		struct phase *next = &firing->phases[phase];

		if (next->parallel) {
			firing->phase = phase;
			atomic_set(&firing->next, i);
			/* Who sees the limit sees the phase and where it begins. */
			smp_store_release(&firing->limit, next->end);
			call_helpers(firing, next->end - i);
			return;
		}
		for (; i < next->end; i++)
			fire_point(firing, i);
	}
}

static bool take(struct lpar_firing *firing, unsigned int *i)
{
	int next = atomic_read(&firing->next);

	do {
		/* Of the same phase as what it limits: see advance(). */
		if (next >= smp_load_acquire(&firing->limit))
			return false;
	} while (!atomic_try_cmpxchg(&firing->next, &next, next + 1));
	*i = next;
	return true;
}

/* Part of each CPU that has a share; the last one to leave ends it. */
static void work(struct lpar_firing *firing)
{
	struct lpar_cut *cut = firing->cut;
	struct phase *phase;
	unsigned int i;

	while (take(firing, &i)) {
		phase = &firing->phases[firing->phase];
		fire_point(firing, i);
		if (atomic_dec_and_test(&phase->left))
			advance(firing, firing->phase + 1);
	}
	if (atomic_dec_and_test(&firing->users))
		lpar_work_urgent(&cut->settle);
}

static void help(void *info)
{
	work(info);
}

/**
 * lpar_fire() - the deadline has come
 * @timer: of the cut
 *
 * Context: hard-irq. Queues cut->settle when all have acted.
 * Return: HRTIMER_NORESTART.
 */
enum hrtimer_restart lpar_fire(struct hrtimer *timer)
{
	struct lpar_firing *firing = container_of(timer, struct lpar_cut, timer)->firing;

	atomic_set(&firing->users, 1);
	advance(firing, 0);
	work(firing);
	return HRTIMER_NORESTART;
}

static void add_phase(struct lpar_firing *firing, enum lpar_cut_order order)
{
	struct phase *phase = &firing->phases[firing->nr_phases];
	unsigned int begin = firing->nr_points;
	struct lpar_cut_point *point;

	phase->parallel = true;
	list_for_each_entry(point, &firing->cut->points, node) {
		if (point->class->order != order)
			continue;
		firing->points[firing->nr_points++] = point;
		phase->parallel &= point->class->parallel;
	}
	phase->end = firing->nr_points;
	atomic_set(&phase->left, phase->end - begin);
	firing->nr_phases += phase->end > begin;
}

static int add_helpers(struct lpar_firing *firing)
{
	unsigned int i;

	firing->nr_helpers = min(firing->nr_points / SHARE, HELPERS_MAX);
	if (!firing->nr_helpers)
		return 0;
	firing->helpers = kcalloc(firing->nr_helpers, sizeof(*firing->helpers), GFP_KERNEL);
	if (!firing->helpers)
		return -ENOMEM;
	for (i = 0; i < firing->nr_helpers; i++)
		INIT_CSD(&firing->helpers[i], help, firing);
	return 0;
}

/**
 * lpar_fire_prepare() - get a cut ready to fire
 * @cut: has all its points
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int lpar_fire_prepare(struct lpar_cut *cut)
{
	struct lpar_firing *firing;
	unsigned int order;

	firing = kvzalloc(struct_size(firing, points, cut->nr_points), GFP_KERNEL);
	if (!firing)
		return -ENOMEM;
	cut->firing = firing;
	firing->cut = cut;
	for (order = 0; order < LPAR_CUT_ORDERS; order++)
		add_phase(firing, cut->action == LPAR_CUT_CLOSE ? order :
			  LPAR_CUT_ORDERS - 1 - order);
	return add_helpers(firing);
}

/**
 * lpar_fire_free() - free what it takes to fire
 * @cut: its timer does not run any more, nor will
 *
 * Context: may sleep.
 */
void lpar_fire_free(struct lpar_cut *cut)
{
	if (!cut->firing)
		return;
	kfree(cut->firing->helpers);
	kvfree(cut->firing);
	cut->firing = NULL;
}
