// SPDX-License-Identifier: GPL-2.0
/*
 * Armed cuts: the group that has an LPAR's name is cut with the LPAR, at one instant.
 *
 * lpar.ko collects a point for each member, fires them in hard-irq context, where the first
 * one cuts the whole group, and has them finished from a process, where the cut becomes a state.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/time.h>
#include <lparkit/cut.h>
#include "snapsync.h"

/**
 * struct armed - a group in an armed cut
 * @group: group
 * @points: members, those that came last first
 * @nr_points: that share this
 * @fired: the instant is over
 * @finished: the state is durable, or undone
 * @count: members that were cut, or an errno
 * @err: of the whole
 * @done: CLOCK_REALTIME when it was durable
 */
struct armed {
	struct ss_group *group;
	struct ss_point *points;
	unsigned int nr_points;
	bool fired;
	bool finished;
	int count;
	int err;
	ktime_t done;
};

/**
 * struct ss_point - one member of an armed cut
 * @point: for lpar.ko
 * @volume: which may have gone before the instant
 * @armed: what the members share
 * @next: in armed->points
 * @gone: it had
 */
struct ss_point {
	struct lpar_cut_point point;
	struct ss_point *next;
	struct ss_volume *volume;
	struct armed *armed;
	bool gone;
};

static struct ss_point *point_of(struct lpar_cut_point *point)
{
	return container_of(point, struct ss_point, point);
}

static void put_armed(struct armed *armed)
{
	if (--armed->nr_points)
		return;
	ss_group_put(armed->group);
	kfree(armed);
}

static struct lpar_cut_class ss_cut_class;

static bool has_point(const struct armed *armed, const struct ss_volume *volume)
{
	const struct ss_point *point;

	for (point = armed->points; point; point = point->next)
		if (point->volume == volume)
			return true;
	return false;
}

/* A member without a point yet, with a reference, or NULL. */
static struct ss_volume *next_member(const struct armed *armed)
{
	struct ss_volume *volume, *found = NULL;

	mutex_lock(&ss_registry);
	list_for_each_entry(volume, &armed->group->volumes, group_node) {
		if (!has_point(armed, volume)) {
			ss_volume_ref(volume);
			found = volume;
			break;
		}
	}
	mutex_unlock(&ss_registry);
	return found;
}

/* Takes the reference over, also if there is no memory. */
static int add_point(struct lpar_cut *cut, struct armed *armed, struct ss_volume *volume)
{
	struct ss_point *point = kzalloc(sizeof(*point), GFP_KERNEL);

	if (!point) {
		ss_volume_put(volume);
		return -ENOMEM;
	}
	point->volume = volume;
	point->armed = armed;
	point->next = armed->points;
	armed->points = point;
	armed->nr_points++;
	ss_volume_name(volume, point->point.name, sizeof(point->point.name));
	lpar_cut_add(cut, &ss_cut_class, &point->point);
	return 0;
}

/*
 * The members of the group that has the LPAR's name. Whoever arms a cut holds
 * what all cuts need: an operation of the group, which may be waiting for a disk,
 * is not waited for. So they are found one by one, with memory for each got
 * outside the registry.
 */
static int ss_cut_collect(struct lpar_cut *cut, const char *lpar_name)
{
	struct ss_volume *volume;
	struct ss_group *group;
	struct armed *armed;
	int err = 0;

	if (lpar_cut_action(cut) != LPAR_CUT_CLOSE)
		return 0;
	group = ss_group_find(lpar_name);
	if (!group)
		return 0;
	armed = kzalloc(sizeof(*armed), GFP_KERNEL);
	if (!armed) {
		ss_group_put(group);
		return -ENOMEM;
	}
	armed->group = group;
	armed->nr_points = 1;	/* ours */
	while (!err && (volume = next_member(armed)))
		err = add_point(cut, armed, volume);
	put_armed(armed);
	return err;
}

/* Hard irq: the first point cuts the group, the others report. */
static void ss_cut_fire(struct lpar_cut_point *base, enum lpar_cut_action action)
{
	struct ss_point *point = point_of(base);
	struct armed *armed = point->armed;

	if (!armed->fired) {
		armed->fired = true;
		armed->count = ss_group_cut(armed->group);
	}
	point->gone = !READ_ONCE(point->volume->is_member);
	base->fired = armed->count < 0 || point->gone ? ktime_get_real() : point->volume->cut_time;
}

static void name_after(char *name, size_t size, ktime_t time)
{
	struct timespec64 ts = ktime_to_timespec64(time);
	struct tm tm;

	time64_to_tm(ts.tv_sec, 0, &tm);
	snprintf(name, size, "cut-%04ld%02d%02dT%02d%02d%02d.%06ldZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 ts.tv_nsec / NSEC_PER_USEC);
}

static void finish_armed(struct armed *armed, ktime_t fired)
{
	char name[SS_NAME_MAX + 1];

	armed->finished = true;
	armed->err = armed->count;
	if (armed->count >= 0) {
		name_after(name, sizeof(name), fired);
		mutex_lock(&armed->group->op);
		armed->err = ss_group_finish_cut(armed->group, name, "", armed->count);
		mutex_unlock(&armed->group->op);
	}
	armed->done = ktime_get_real();
}

static void ss_cut_finish(struct lpar_cut_point *base, enum lpar_cut_action action, bool fired)
{
	struct ss_point *point = point_of(base);
	struct armed *armed = point->armed;

	if (!fired)
		return;
	if (!armed->finished)
		finish_armed(armed, base->fired);
	base->error = point->gone ? -ENODEV : armed->err;
	base->count = base->error ? 0 : 1;
	base->done = base->error ? 0 : armed->done;
}

static void ss_cut_release(struct lpar_cut_point *base)
{
	struct ss_point *point = point_of(base);

	ss_volume_put(point->volume);
	put_armed(point->armed);
	kfree(point);
}

static struct lpar_cut_class ss_cut_class = {
	.owner = THIS_MODULE,
	.kind = "snapsync",
	.order = LPAR_CUT_ORDER_DISK,
	.collect = ss_cut_collect,
	.fire = ss_cut_fire,
	.finish = ss_cut_finish,
	.release = ss_cut_release,
};

/**
 * ss_cut_init() - take part in cuts, at module load
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int ss_cut_init(void)
{
	return lpar_cut_register(&ss_cut_class);
}

/**
 * ss_cut_exit() - the reverse
 *
 * Context: may sleep.
 */
void ss_cut_exit(void)
{
	lpar_cut_unregister(&ss_cut_class);
}
