// SPDX-License-Identifier: GPL-2.0
/*
 * The drain: held frames go on, in order and no faster than what is behind
 * can take them.
 *
 * It runs on one CPU. A frame that a driver hands to the stack (veth) or that
 * the stack forwards waits in that CPU's backlog; the next batch is sent only
 * when that has been worked off. So batches stay in order, the backlog does
 * not overflow, and frames that pass later, on other CPUs, overtake nothing.
 *
 * A tap's ring drops frames when it is full, and tells nobody but the netdev's
 * tx_dropped. So a clone of a frame is kept while it is sent: if it was dropped,
 * the clone is the oldest frame again. How full the ring is follows from tx_packets,
 * which counts what the reader has taken: a full ring is not tried.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/netfilter_netdev.h>
#include "netbuf.h"

/* As many as NAPI handles in a row. */
#define BATCH		64
/*
 * A ptr_ring gives slots back in groups of two cache lines of pointers: that
 * many less than its size are free for sure.
 */
#define RING_SLACK	(2 * SMP_CACHE_BYTES / sizeof(void *))
/* Sleeps while nothing can be sent, doubling. */
#define IDLE_MIN_US	50
#define IDLE_MAX_US	20000

/**
 * netbuf_ring_room() - how many frames surely fit into a tap's ring
 * @ring: what was sent; corrected if the reader has taken more than that
 * @taken: tx_packets now
 * @size: frames that the ring takes
 *
 * What was in the ring before the drain is not known, and assumed to be
 * nothing: ring_is_full() puts that right.
 *
 * Return: frames; 0 or less when it is full.
 */
s64 netbuf_ring_room(struct netbuf_ring *ring, u64 taken, u32 size)
{
	u64 gone = taken - ring->base;

	/* It has taken frames that were there before. */
	if (ring->sent < gone)
		ring->sent = gone;
	return (s64)size - (s64)(ring->sent - gone);
}

static void ring_is_full(struct netbuf_ring *ring, u64 taken, u32 size)
{
	ring->sent = taken - ring->base + size;
}

/* Frames that the ring surely takes. */
static u32 ring_size(const struct net_device *dev)
{
	unsigned int len = READ_ONCE(dev->tx_queue_len);

	return len > RING_SLACK ? len - RING_SLACK : 1;
}

static unsigned int segments_of(const struct sk_buff *skb)
{
	return max_t(unsigned int, skb_shinfo(skb)->gso_segs, 1);
}

/* Sends one frame; false if it was dropped on the way. */
static bool xmit(struct net_device *dev, struct sk_buff *skb)
{
	int ret;

	memset(skb->cb, 0, sizeof(skb->cb));
	nf_skip_egress(skb, true);
	ret = dev_queue_xmit(skb);
	if (ret == NET_XMIT_SUCCESS)
		return true;
	/* NET_XMIT_CN: queued, and another frame dropped; but all are without a carrier. */
	return ret == NET_XMIT_CN && netif_running(dev) && netif_carrier_ok(dev);
}

static bool xmit_to_tap(struct netbuf *buf, struct sk_buff *skb)
{
	unsigned int segments = segments_of(skb);
	struct net_device *dev = buf->dev;
	struct rtnl_link_stats64 stats;
	bool sent;
	u64 lost;

	lost = dev_get_stats(dev, &stats)->tx_dropped;
	if (netbuf_ring_room(&buf->ring, stats.tx_packets, ring_size(dev)) <= 0) {
		kfree_skb(skb);
		return false;
	}
	sent = xmit(dev, skb);
	dev_get_stats(dev, &stats);
	if (!sent || stats.tx_dropped != lost) {
		ring_is_full(&buf->ring, stats.tx_packets, ring_size(dev));
		return false;
	}
	buf->ring.sent += segments;
	return true;
}

/* Sends frames until one is dropped; its clone is the first then. Returns how many went. */
static unsigned int send_egress(struct netbuf *buf, struct sk_buff_head *batch)
{
	/* One after the other is cloned into the same one, so that none need be allocated. */
	struct sk_buff *clone = alloc_skb(0, GFP_ATOMIC), *skb;
	unsigned int n;

	for (n = 0; clone && (skb = __skb_dequeue(batch)); n++) {
		skb_morph(clone, skb);
		if (!(buf->is_tap ? xmit_to_tap(buf, skb) : xmit(buf->dev, skb))) {
			__skb_queue_head(batch, clone);
			return n;
		}
	}
	consume_skb(clone);
	return n;
}

/*
 * Goes on behind the hook: neither taps, tc nor rules see it again. Nor does
 * RPS, which would spread flows over CPUs, and drop what their backlogs cannot
 * take.
 */
static unsigned int send_ingress(struct sk_buff_head *batch)
{
	struct sk_buff *skb;
	unsigned int n;

	for (n = 0; (skb = __skb_dequeue(batch)); n++) {
		memset(skb->cb, 0, sizeof(skb->cb));
		skb->tc_skip_classify = 1;
		netif_receive_skb_core(skb);
	}
	return n;
}

static bool can_send(const struct netbuf_queue *queue)
{
	const struct net_device *dev = queue->buf->dev;

	return netif_running(dev) &&
	       (queue->direction == NETBUF_INGRESS || netif_carrier_ok(dev));
}

/* Frames of the former batch still wait on this CPU. */
static bool backlog_is_busy(void)
{
	return local_softirq_pending() & (BIT(NET_RX_SOFTIRQ) | BIT(NET_TX_SOFTIRQ));
}

/* Sends a batch on; false if none of it could be. */
static bool send_batch(struct netbuf_queue *queue)
{
	struct sk_buff_head batch;
	unsigned int n;

	__skb_queue_head_init(&batch);
	netbuf_queue_take(queue, &batch, BATCH);
	local_bh_disable();
	n = queue->direction == NETBUF_EGRESS ? send_egress(queue->buf, &batch) :
						send_ingress(&batch);
	local_bh_enable();
	netbuf_queue_return(queue, &batch);
	netbuf_queue_drained(queue, n);
	return n;
}

/* Returns true if the queue needs another round; sets *progress if this one was of use. */
static bool drain_queue(struct netbuf_queue *queue, bool *progress)
{
	bool busy;

	if (atomic_read(&queue->state) != NETBUF_STATE_DRAIN)
		return false;
	local_bh_disable();
	busy = backlog_is_busy();
	local_bh_enable();
	if (busy)
		return true;
	if (netbuf_queue_try_pass(queue))
		return false;
	if (can_send(queue) && send_batch(queue))
		*progress = true;
	return true;
}

static void note_ring(struct netbuf *buf)
{
	struct rtnl_link_stats64 stats;

	buf->ring.sent = 0;
	buf->ring.base = dev_get_stats(buf->dev, &stats)->tx_packets;
	buf->drain_new = false;
}

/**
 * netbuf_drain_work() - one round of a drain
 * @work: of the buffer
 */
void netbuf_drain_work(struct work_struct *work)
{
	struct netbuf *buf = container_of(work, struct netbuf, drain);
	bool progress = false, more = false;
	unsigned int i;

	if (READ_ONCE(buf->drain_new))
		note_ring(buf);
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		more |= drain_queue(&buf->queue[i], &progress);
	if (!more) {
		netbuf_announce_state(buf);
		return;
	}
	if (progress) {
		buf->idle_us = 0;
	} else {
		buf->idle_us = clamp(buf->idle_us * 2, IDLE_MIN_US, IDLE_MAX_US);
		usleep_range(buf->idle_us, buf->idle_us * 2);
	}
	queue_work_on(buf->drain_cpu, netbuf_wq, &buf->drain);
}

/**
 * netbuf_drain_start() - let the drain run
 * @buf: of which at least one queue is told to drain
 *
 * Context: any, also hard irq.
 */
void netbuf_drain_start(struct netbuf *buf)
{
	if (!cpu_online(buf->drain_cpu))
		buf->drain_cpu = raw_smp_processor_id();
	WRITE_ONCE(buf->drain_new, true);
	queue_work_on(buf->drain_cpu, netbuf_wq, &buf->drain);
}

/**
 * netbuf_drain_wait() - until the batch that is under way is not any more
 * @buf: buffer; the frames of that batch are in the queue again, or have gone,
 *	on return
 *
 * Context: may sleep, for the time that a batch takes.
 */
void netbuf_drain_wait(struct netbuf *buf)
{
	flush_work(&buf->drain);
}
