// SPDX-License-Identifier: GPL-2.0
/*
 * Participant of the cut: at the deadline the netdevs of an LPAR hold, or
 * drain, in hard-irq context. See include/lparkit/cut.h.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <lparkit/cut.h>
#include "netbuf.h"

/**
 * struct netbuf_cut_point - a buffer in a cut
 * @point: for lpar.ko
 * @buf: holds a reference
 * @cut: number of the cut
 * @arms: it closes: the hooks are registered for it
 */
struct netbuf_cut_point {
	struct lpar_cut_point point;
	struct netbuf *buf;
	u32 cut;
	bool arms;
};

static struct netbuf_cut_point *to_netbuf_point(struct lpar_cut_point *point)
{
	return container_of(point, struct netbuf_cut_point, point);
}

/* Hooks that cannot be registered refuse the cut, before it is armed. */
static int add_point(struct lpar_cut *cut, struct netbuf *buf)
{
	struct netbuf_cut_point *mine = kzalloc(sizeof(*mine), GFP_KERNEL);
	int err = 0;

	lockdep_assert_held(&buf->op);
	if (!mine)
		return -ENOMEM;
	mine->arms = lpar_cut_action(cut) == LPAR_CUT_CLOSE;
	if (mine->arms)
		err = netbuf_hook_arm(buf);
	if (err) {
		netdev_warn(buf->dev, "netbuf: no hooks for a cut (error %d)\n", err);
		kfree(mine);
		return err;
	}
	kobject_get(&buf->kobj);
	mine->buf = buf;
	mine->cut = lpar_cut_id(cut);
	strscpy(mine->point.name, buf->dev->name, sizeof(mine->point.name));
	lpar_cut_add(cut, &netbuf_cut_class, &mine->point);
	return 0;
}

static int collect(struct lpar_cut *cut, const char *lpar_name)
{
	struct netbuf *buf;
	int err = 0;

	mutex_lock(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list) {
		mutex_lock(&buf->op);
		if (!strcmp(buf->settings.lpar, lpar_name))
			err = add_point(cut, buf);
		mutex_unlock(&buf->op);
		if (err)
			break;
	}
	mutex_unlock(&netbuf_mutex);
	return err;
}

/* What somebody holds already is not the cut's, but what a former cut holds becomes its. */
static void hold(struct netbuf *buf, u32 cut)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&buf->cut_lock, flags);
	if (netbuf_hold(buf) || buf->held_by_cut)
		buf->held_by_cut = cut;
	raw_spin_unlock_irqrestore(&buf->cut_lock, flags);
}

/* Ends the hold of this cut, or whoever's it is if @cut is 0. False: it is another's. */
static bool go_on(struct netbuf *buf, u32 cut)
{
	bool ends, starts = false;
	unsigned long flags;

	raw_spin_lock_irqsave(&buf->cut_lock, flags);
	ends = !cut || buf->held_by_cut == cut;
	if (ends) {
		buf->held_by_cut = 0;
		starts = netbuf_release(buf);
	}
	raw_spin_unlock_irqrestore(&buf->cut_lock, flags);
	if (starts)
		netbuf_drain_start(buf);
	return ends;
}

/* Bounded: a few atomic operations, and a work item on open. */
static void fire(struct lpar_cut_point *point, enum lpar_cut_action action)
{
	const struct netbuf_cut_point *mine = to_netbuf_point(point);
	struct netbuf *buf = mine->buf;

	point->fired = ktime_get_real();
	if (READ_ONCE(buf->gone))
		point->error = -ENODEV;
	else if (action == LPAR_CUT_CLOSE)
		hold(buf, mine->cut);
	else
		go_on(buf, 0);
}

/* Whoever made the cut is gone, and the guest runs again: so do its frames. */
static void lapse(const char *lpar_name, u32 cut)
{
	struct netbuf *buf;

	mutex_lock(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list) {
		mutex_lock(&buf->op);
		if (!buf->gone && !strcmp(buf->settings.lpar, lpar_name) && go_on(buf, cut))
			netbuf_announce_state(buf);
		mutex_unlock(&buf->op);
	}
	mutex_unlock(&netbuf_mutex);
}

static void finish(struct lpar_cut_point *point, enum lpar_cut_action action, bool fired)
{
	struct netbuf *buf = to_netbuf_point(point)->buf;
	unsigned int i;

	if (!fired)
		return;
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		point->count += skb_queue_len_lockless(&buf->queue[i].frames);
	mutex_lock(&buf->op);
	if (!buf->gone)
		netbuf_announce_state(buf);
	mutex_unlock(&buf->op);
}

static void release(struct lpar_cut_point *point)
{
	struct netbuf_cut_point *mine = to_netbuf_point(point);

	if (mine->arms)
		netbuf_hook_disarm(mine->buf);
	netbuf_put(mine->buf);
	kfree(mine);
}

struct lpar_cut_class netbuf_cut_class = {
	.owner = THIS_MODULE,
	.kind = "netbuf",
	.order = LPAR_CUT_ORDER_NET,
	.collect = collect,
	.fire = fire,
	.finish = finish,
	.lapse = lapse,
	.release = release,
};
