// SPDX-License-Identifier: GPL-2.0
/*
 * How the frames of a round get into their netdev.
 *
 * Where nobody has to look at them on the way, they are given to the driver
 * itself, all of a round under one lock: what dev_queue_xmit() finds out for each
 * frame is found out once, and a driver that has no room says so and leaves the
 * frame to us. All others go by dev_queue_xmit().
 *
 * What was dropped for want of room is sent again, so something has to be kept of
 * each frame. A driver that may send one and the same frame several times (as
 * pktgen asks of it) does not alter it: given to it directly, a frame need but be
 * taken back when it is about to be freed. All others are cloned beforehand: what
 * they pass on their way (tc, filters of a qdisc) may change them, and would again.
 */
#include <linux/etherdevice.h>
#include <linux/netfilter_netdev.h>
#include <net/gso.h>
#include <net/sch_generic.h>
#include "netbuf.h"

/* There is no qdisc, or frames go by it when it is empty: it does nothing to them. */
static bool is_plain(const struct netdev_queue *txq)
{
	const struct Qdisc *qdisc = rcu_dereference_bh(txq->qdisc);

	return !qdisc->enqueue || qdisc->flags & TCQ_F_CAN_BYPASS;
}

/* Another qdisc may segment frames, and drop some of the segments. */
static bool may_segment(const struct net_device *dev)
{
	bool may = false;
	unsigned int i;

	for (i = 0; i < dev->real_num_tx_queues && !may; i++)
		may = !is_plain(netdev_get_tx_queue(dev, i));
	return may;
}

/*
 * A netdev on top of others hands frames on, and one that needs room in front of
 * them, or behind, writes there.
 */
static bool alters_frames(struct net_device *dev)
{
	return !(dev->priv_flags & IFF_TX_SKB_SHARING) || READ_ONCE(dev->needed_headroom) ||
	       READ_ONCE(dev->needed_tailroom) || !list_empty(&dev->adj_list.lower);
}

/* No qdisc, no tc, no packet socket: would dev_queue_xmit() hand on at once? */
static bool is_direct(struct net_device *dev, const struct netdev_queue *txq)
{
	return dev->flags & IFF_UP && !rcu_dereference_bh(txq->qdisc)->enqueue &&
	       !netdev_has_tc_egress(dev) && !dev_nit_active(dev);
}

/**
 * netbuf_port_open() - find the way into a netdev
 * @port: to be filled in
 * @flight: to which the frames will be charged
 * @dev: netdev
 * @pace: says whether a driver waits for another frame, and in which queue
 *
 * Flows are spread over transmit queues, which do not wait for each other. So all
 * frames of a round take one, as those of a connected socket do. Not so where
 * queues are for classes of traffic, or the driver chooses: there the classes
 * have their own order, or the flows.
 *
 * Context: BH disabled, under RCU, until netbuf_port_close().
 * Return: false for want of memory.
 */
bool netbuf_port_open(struct netbuf_port *port, struct netbuf_flight *flight,
		      struct net_device *dev, const struct netbuf_pace *pace)
{
	unsigned int queues = READ_ONCE(dev->real_num_tx_queues);
	bool is_ours = !netdev_get_num_tc(dev) &&
		       (queues == 1 || !dev->netdev_ops->ndo_select_queue);

	*port = (struct netbuf_port){
		.dev = dev,
		.queue = (pace->promised ? pace->queue : smp_processor_id()) % queues,
		.clones = true,
		.spare = alloc_skb(0, GFP_ATOMIC),
		.promised = pace->promised,
	};
	__skb_queue_head_init(&port->ready);
	port->txq = netdev_get_tx_queue(dev, port->queue);
	if (is_ours && is_direct(dev, port->txq)) {
		port->clones = alters_frames(dev);
	} else {
		port->txq = NULL;
		port->split = may_segment(dev);
		netbuf_flight_use_queue(flight, netdev_get_num_tc(dev) ? -1 : port->queue);
	}
	return port->spare;
}

/* The first of a list; the others come next. */
static struct sk_buff *unlink_first(struct sk_buff *list, struct sk_buff_head *batch,
				    struct netbuf_tag tag)
{
	struct sk_buff *one, *next, *before = (struct sk_buff *)batch;

	skb_list_walk_safe(list, one, next) {
		*NETBUF_TAG(one) = tag;
		NETBUF_TAG(one)->is_part |= !!next;
		skb_mark_not_on_list(one);
		__skb_queue_after(batch, before, one);
		before = one;
	}
	return __skb_dequeue(batch);
}

/*
 * Segments that would be made on the way are made here, so that each has its
 * own place in a ring, and its own fate. They come in front of the others.
 * Returns what to send first, or NULL for want of memory: the frame is in front then.
 */
static struct sk_buff *first_part(struct netbuf_port *port, struct sk_buff *skb,
				  struct sk_buff_head *batch)
{
	struct netbuf_tag tag = *NETBUF_TAG(skb);
	netdev_features_t features;
	struct sk_buff *segments;

	/* Most are not, and need not ask what the netdev can do. */
	if (!skb_is_gso(skb))
		return skb;
	features = netif_skb_features(skb);
	if (!port->split && !netif_needs_gso(skb, features))
		return skb;
	segments = skb_gso_segment(skb, features & ~NETIF_F_GSO_MASK);
	if (segments == ERR_PTR(-ENOMEM)) {
		__skb_queue_head(batch, skb);
		return NULL;
	}
	/* Its netdev will refuse what cannot be segmented. */
	if (IS_ERR_OR_NULL(segments))
		return skb;
	consume_skb(skb);
	return unlink_first(segments, batch, tag);
}

/* As its driver takes it, or NULL: it never does. */
static struct sk_buff *validate(struct netbuf_port *port, struct sk_buff *skb,
				struct sk_buff_head *batch)
{
	struct netbuf_tag tag = *NETBUF_TAG(skb);
	bool again = false;

	skb_reset_mac_header(skb);
	skb = validate_xmit_skb_list(skb, port->dev, &again);
	if (!skb) {
		port->refused++;
		return NULL;
	}
	return skb->next ? unlink_first(skb, batch, tag) : skb;
}

/**
 * netbuf_port_fill() - make frames ready
 * @port: open port
 * @batch: from which they come
 * @max: their number at most
 *
 * Context: as netbuf_port_open().
 */
void netbuf_port_fill(struct netbuf_port *port, struct sk_buff_head *batch, unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max; n++) {
		struct sk_buff *skb = __skb_dequeue(batch);

		if (skb)
			skb = first_part(port, skb, batch);
		if (!skb)
			break;
		if (port->txq)
			skb = validate(port, skb, batch);
		if (skb)
			__skb_queue_tail(&port->ready, skb);
	}
}

/**
 * netbuf_port_give() - give it a frame
 * @port: filled port
 * @skb: frame, one of those that were ready
 * @more: another one follows at once
 *
 * Context: as netbuf_port_open(); the transmit queue is locked, if there is one.
 * Return: NETDEV_TX_BUSY: it still belongs to the caller. Otherwise it has gone, or was
 * dropped.
 */
int netbuf_port_give(struct netbuf_port *port, struct sk_buff *skb, bool more)
{
	if (!port->txq) {
		/* It takes the queue of its round, whatever TCP would have allowed. */
		skb->ooo_okay = 0;
		nf_skip_egress(skb, true);
		return dev_queue_xmit(skb);
	}
	if (netif_xmit_frozen_or_stopped(port->txq))
		return NETDEV_TX_BUSY;
	skb_set_queue_mapping(skb, port->queue);
	return netdev_start_xmit(skb, port->dev, port->txq, more);
}

/**
 * netbuf_port_close() - the round is over
 * @port: open port
 * @batch: what was not sent is in front of it then
 *
 * Context: as netbuf_port_open().
 */
void netbuf_port_close(struct netbuf_port *port, struct sk_buff_head *batch)
{
	consume_skb(port->spare);
	skb_queue_splice(&port->ready, batch);
}
