// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what changed, to netlink's multicast group "events" in the network
 * namespace of the netdev, and to those that poll the file "state".
 */
#include <net/genetlink.h>
#include "netbuf.h"

/* Keeps the numbers of events in the order in which they are sent. */
static DEFINE_MUTEX(event_mutex);
static u64 last_seq;

static int fill(struct sk_buff *skb, enum netbuf_event event, struct netbuf *buf)
{
	void *header = genlmsg_put(skb, 0, 0, &netbuf_genl_family, 0, NETBUF_CMD_EVENT);

	if (!header ||
	    nla_put_u32(skb, NETBUF_A_EVENT, event) ||
	    nla_put_u64_64bit(skb, NETBUF_A_EVENT_SEQ, last_seq, NETBUF_A_PAD) ||
	    nla_put_u64_64bit(skb, NETBUF_A_EVENT_TIME_NS, ktime_get_real_ns(), NETBUF_A_PAD) ||
	    nla_put_string(skb, NETBUF_A_IFNAME, buf->dev->name) ||
	    nla_put_u32(skb, NETBUF_A_IFINDEX, buf->dev->ifindex) ||
	    nla_put_u32(skb, NETBUF_A_STATE, buf->announced) ||
	    netbuf_netlink_put_queues(skb, buf))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

static void send(enum netbuf_event event, struct netbuf *buf)
{
	struct net *net = dev_net(buf->dev);
	struct sk_buff *skb;

	lockdep_assert_held(&event_mutex);
	last_seq++;
	if (!genl_has_listeners(&netbuf_genl_family, net, 0))
		return;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (fill(skb, event, buf))
		nlmsg_free(skb);
	else
		genlmsg_multicast_netns(&netbuf_genl_family, net, skb, 0, 0, GFP_KERNEL);
}

/**
 * netbuf_event_send() - tell the listeners
 * @event: what
 * @buf: about which buffer
 *
 * An event that finds no memory is lost; its number shows the gap.
 *
 * Context: process; the netdev is not gone.
 */
void netbuf_event_send(enum netbuf_event event, struct netbuf *buf)
{
	mutex_lock(&event_mutex);
	send(event, buf);
	mutex_unlock(&event_mutex);
}

/**
 * netbuf_announce_state() - tell the listeners the state, if it is new to them
 * @buf: buffer
 *
 * Context: process; the netdev is not gone.
 */
void netbuf_announce_state(struct netbuf *buf)
{
	enum netbuf_state state;

	mutex_lock(&event_mutex);
	state = netbuf_state(buf);
	if (buf->announced != state) {
		buf->announced = state;
		send(NETBUF_EVENT_STATE, buf);
		sysfs_notify(&buf->kobj, NULL, "state");
	}
	mutex_unlock(&event_mutex);
}

/**
 * netbuf_event_defer() - tell the listeners soon
 * @event: what
 * @buf: about which buffer
 *
 * Context: any.
 */
void netbuf_event_defer(enum netbuf_event event, struct netbuf *buf)
{
	set_bit(event, &buf->events);
	/* A frame may be dropped on a CPU that is not for the host's work. */
	queue_work_on(netbuf_drain_cpu(buf), netbuf_wq, &buf->event_work);
}

/**
 * netbuf_event_work() - sends what netbuf_event_defer() has noted
 * @work: of the buffer
 */
void netbuf_event_work(struct work_struct *work)
{
	struct netbuf *buf = container_of(work, struct netbuf, event_work);

	if (test_and_clear_bit(NETBUF_EVENT_HIGH_WATER, &buf->events))
		netbuf_event_send(NETBUF_EVENT_HIGH_WATER, buf);
	if (test_and_clear_bit(NETBUF_EVENT_DROP, &buf->events))
		netbuf_event_send(NETBUF_EVENT_DROP, buf);
}
