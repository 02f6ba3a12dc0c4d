// SPDX-License-Identifier: GPL-2.0
/* Events: what changed, to netlink's multicast group "events". */
#include <linux/ktime.h>
#include <net/genetlink.h>
#include "fcnpiv.h"

/* Keeps the numbers of events in the order in which they are sent. */
static DEFINE_MUTEX(event_mutex);
static u64 last_seq;
static bool is_over;

static int fill(struct sk_buff *skb, enum fcn_event event, const struct fcn_identity *identity)
{
	void *header = genlmsg_put(skb, 0, 0, &fcn_genl_family, 0, FCN_CMD_EVENT);

	if (!header ||
	    nla_put_u32(skb, FCN_A_EVENT, event) ||
	    nla_put_u64_64bit(skb, FCN_A_EVENT_SEQ, last_seq, FCN_A_PAD) ||
	    nla_put_u64_64bit(skb, FCN_A_EVENT_TIME_NS, ktime_get_real_ns(), FCN_A_PAD) ||
	    nla_put_string(skb, FCN_A_LPAR, identity->lpar) ||
	    fcn_netlink_put_progress(skb, &identity->machine))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

static void send(enum fcn_event event, const struct fcn_identity *identity)
{
	struct sk_buff *skb;

	lockdep_assert_held(&event_mutex);
	last_seq++;
	if (is_over || !genl_has_listeners(&fcn_genl_family, &init_net, 0))
		return;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (fill(skb, event, identity))
		nlmsg_free(skb);
	else
		genlmsg_multicast(&fcn_genl_family, skb, 0, 0, GFP_KERNEL);
}

/**
 * fcn_event_send() - tell the listeners
 * @event: what
 * @identity: about which identity, its op held
 *
 * An event that finds no memory is lost; its number shows the gap.
 *
 * Context: process.
 */
void fcn_event_send(enum fcn_event event, const struct fcn_identity *identity)
{
	mutex_lock(&event_mutex);
	send(event, identity);
	mutex_unlock(&event_mutex);
}

/**
 * fcn_event_exit() - the family goes; no event is sent after this
 *
 * Context: process.
 */
void fcn_event_exit(void)
{
	mutex_lock(&event_mutex);
	is_over = true;
	mutex_unlock(&event_mutex);
}
