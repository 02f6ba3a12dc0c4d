// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what changed, to netlink's multicast group "events" and to those
 * that poll sysfs.
 */
#include <linux/ktime.h>
#include <linux/sysfs.h>
#include <net/genetlink.h>
#include "lpar.h"

/* Keeps the numbers of events in the order in which they are sent. */
static DEFINE_MUTEX(event_mutex);
static u64 last_seq;
static bool ended;	/* the family is going, its group may become another's */

static int put_lpar(struct sk_buff *skb, enum lpar_event event, struct lpar *lpar)
{
	if (nla_put_string(skb, LPAR_A_NAME, lpar->name))
		return -EMSGSIZE;
	/* The state may change at once again; the next event tells. */
	if (nla_put_u32(skb, LPAR_A_STATE, READ_ONCE(lpar->state)) ||
	    nla_put_u32(skb, LPAR_A_GATE, lpar_gate_state(&lpar->gate)))
		return -EMSGSIZE;
	if (event == LPAR_EVENT_VIOLATION &&
	    nla_put_u64_64bit(skb, LPAR_A_VIOLATIONS, atomic64_read(&lpar->violations),
			      LPAR_A_PAD))
		return -EMSGSIZE;
	if (event == LPAR_EVENT_STATE || event == LPAR_EVENT_STAGE) {
		struct lpar_stage stage;
		char reason[LPAR_REASON_MAX + 1];

		mutex_lock(&lpar_mutex);
		stage = lpar->stage;
		memcpy(reason, lpar->reason, sizeof(reason));
		mutex_unlock(&lpar_mutex);
		if ((*reason && nla_put_string(skb, LPAR_A_REASON, reason)) ||
		    lpar_netlink_put_stage(skb, &stage))
			return -EMSGSIZE;
	}
	return 0;
}

/* All that are cut, or none if they are too many: CUT_GET tells. */
static void put_names(struct sk_buff *skb, const struct lpar_cut *cut)
{
	const void *mark = skb_tail_pointer(skb);
	unsigned int i;

	for (i = 0; i < cut->nr_lpars; i++) {
		if (nla_put_string(skb, LPAR_A_CUT_LPAR, cut->lpars[i]->name)) {
			nlmsg_trim(skb, mark);
			return;
		}
	}
}

static int put_info(struct sk_buff *skb, const struct lpar_event_info *info)
{
	if (info->pid && nla_put_u32(skb, LPAR_A_PID, info->pid))
		return -EMSGSIZE;
	if (info->comm && nla_put_string(skb, LPAR_A_COMM, info->comm))
		return -EMSGSIZE;
	if (info->cpu >= 0 && nla_put_u32(skb, LPAR_A_CPU, info->cpu))
		return -EMSGSIZE;
	if (info->irq && nla_put_u32(skb, LPAR_A_IRQ, info->irq))
		return -EMSGSIZE;
	if (!info->cut)
		return 0;
	if (lpar_netlink_put_cut(skb, info->cut))
		return -EMSGSIZE;
	put_names(skb, info->cut);
	return 0;
}

static int fill(struct sk_buff *skb, enum lpar_event event, struct lpar *lpar,
		const struct lpar_event_info *info)
{
	void *header = genlmsg_put(skb, 0, 0, &lpar_genl_family, 0, LPAR_CMD_EVENT);

	if (!header ||
	    nla_put_u32(skb, LPAR_A_EVENT, event) ||
	    nla_put_u64_64bit(skb, LPAR_A_EVENT_SEQ, last_seq, LPAR_A_PAD) ||
	    nla_put_u64_64bit(skb, LPAR_A_EVENT_TIME_NS, ktime_get_real_ns(), LPAR_A_PAD))
		return -EMSGSIZE;
	if ((lpar && put_lpar(skb, event, lpar)) || (info && put_info(skb, info)))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

/**
 * lpar_event_send() - tell the listeners
 * @event: what
 * @lpar: about which LPAR, or NULL
 * @info: what else, or NULL
 *
 * An event that finds no memory is lost; its number shows the gap.
 *
 * Context: may sleep; the caller does not hold lpar_mutex.
 */
void lpar_event_send(enum lpar_event event, struct lpar *lpar,
		     const struct lpar_event_info *info)
{
	struct sk_buff *skb;

	mutex_lock(&event_mutex);
	last_seq++;
	if (ended || !genl_has_listeners(&lpar_genl_family, &init_net, 0))
		goto out;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		goto out;
	if (fill(skb, event, lpar, info))
		nlmsg_free(skb);
	else
		genlmsg_multicast(&lpar_genl_family, skb, 0, 0, GFP_KERNEL);
out:
	mutex_unlock(&event_mutex);
}

/**
 * lpar_event_end() - tell nobody any more, at module exit
 *
 * Context: may sleep.
 */
void lpar_event_end(void)
{
	mutex_lock(&event_mutex);
	ended = true;
	mutex_unlock(&event_mutex);
}

/**
 * lpar_event_poll() - wake those that poll a file of an LPAR
 * @lpar: LPAR with a reference; its files may be gone
 * @file: which
 *
 * The file is not looked up by its name: that would wait for sysfs, as long as somebody
 * without rights likes who lists a directory of it into a page that does not come.
 *
 * Context: any.
 */
void lpar_event_poll(struct lpar *lpar, enum lpar_file file)
{
	sysfs_notify_dirent(lpar->files[file]);
}
