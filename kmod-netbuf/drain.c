// SPDX-License-Identifier: GPL-2.0
/*
 * The drain: held frames go on, in order and no faster than what is behind
 * can take them.
 *
 * It sends them in rounds. A round ends when all of its frames have landed
 * (see flight.c): so rounds stay in order wherever frames wait on their way, and
 * frames that pass later overtake nothing. A round is as many frames as land
 * within about a millisecond: a queue that is shaped never has many of them,
 * nor any of them for long, which is what queues drop frames for.
 *
 * Who has no room drops a frame and may or may not say so. What was dropped for
 * want of room is the oldest frame again (see port.c). A tap's ring is not even
 * tried when it is known to be full: how full it is follows from tx_packets, which
 * counts what the reader has taken.
 */
#include <linux/sched/isolation.h>
#include <linux/wait.h>
#include <lparkit/lpar.h>
#include <net/sch_generic.h>
#include "netbuf.h"

/* As many as NAPI handles in a row. */
#define BATCH		64
/* A round that lasts less may be larger, one that lasts longer than twice that is too large. */
#define ROUND_NS	NSEC_PER_MSEC
/*
 * A ptr_ring gives slots back in groups of two cache lines of pointers: that
 * many less than its size are free for sure.
 */
#define RING_SLACK	(2 * SMP_CACHE_BYTES / sizeof(void *))
/* A ring of which nothing has been taken for so long may have been emptied by somebody else. */
#define RING_TRUST_NS	(10 * NSEC_PER_SEC)
/* Sleeps while nothing can be sent, doubling. */
#define IDLE_MIN_US	50
#define IDLE_MAX_US	20000

/**
 * netbuf_next_round() - how many frames the next round sends
 * @frames: how many the last one did at most
 * @took_ns: how long it was until the last of them had landed
 *
 * Return: frames, at least 1.
 */
u32 netbuf_next_round(u32 frames, u64 took_ns)
{
	if (took_ns < ROUND_NS)
		return min_t(u32, frames * 2, BATCH);
	return took_ns > 2 * ROUND_NS ? max_t(u32, frames / 2, 1) : frames;
}

/**
 * netbuf_ring_room() - how many frames surely fit into a tap's ring
 * @ring: what was sent; corrected if the reader has taken more than that
 * @taken: tx_packets now
 * @size: frames that the ring takes
 * @now_ns: time now
 *
 * What was in the ring before the drain is not known, and assumed to be
 * nothing: ring_is_full() puts that right. Nor is it known when frames go that
 * nobody has taken, as when the ring is made shorter or a queue is detached.
 * So one that is not read is taken for an empty one now and then.
 *
 * Return: frames; 0 or less when it is full.
 */
s64 netbuf_ring_room(struct netbuf_ring *ring, u64 taken, u32 size, u64 now_ns)
{
	u64 gone = taken - ring->base;
	s64 room;

	/* It has taken frames that were there before. */
	if (ring->sent < gone)
		ring->sent = gone;
	room = (s64)size - (s64)(ring->sent - gone);
	if (room <= 0 && taken == ring->taken) {
		if (now_ns - ring->since_ns < RING_TRUST_NS)
			return room;
		ring->sent = gone;
		room = size;
	}
	ring->taken = taken;
	ring->since_ns = now_ns;
	return room;
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

/* What the ring behind a tap takes now. */
static u32 room_behind(struct netbuf *buf)
{
	struct rtnl_link_stats64 stats;
	s64 room;

	dev_get_stats(buf->dev, &stats);
	room = netbuf_ring_room(&buf->ring, stats.tx_packets, ring_size(buf->dev),
				ktime_get_ns());
	return clamp_t(s64, room, 0, BATCH);
}

static void note_full_ring(struct netbuf *buf)
{
	struct rtnl_link_stats64 stats;

	dev_get_stats(buf->dev, &stats);
	ring_is_full(&buf->ring, stats.tx_packets, ring_size(buf->dev));
}

static bool can_send(const struct netbuf_queue *queue)
{
	const struct net_device *dev = queue->buf->dev;

	return netif_running(dev) &&
	       (queue->direction == NETBUF_INGRESS || netif_carrier_ok(dev));
}

/*
 * How long the netdev's queue has been empty and refused the frame. One that is being
 * replaced, or not there yet since the carrier came back, refuses all. That one as long will
 * not be taken either is known already.
 */
static u64 refused_for(struct netbuf_queue *queue, unsigned int len)
{
	struct netbuf_pace *pace = &queue->pace;
	u64 now = ktime_get_ns();

	if (!netbuf_flight_is_over(queue->flight) || !qdisc_all_tx_empty(queue->buf->dev) ||
	    qdisc_tx_changing(queue->buf->dev)) {
		pace->refused_ns = 0;
		return 0;
	}
	if (pace->too_long && len >= pace->too_long)
		return U64_MAX;
	if (!pace->refused_ns)
		pace->refused_ns = now;
	return now - pace->refused_ns;
}

/* Not by one below it, which others may have filled: that cannot be seen. */
static bool is_by_own_qdisc(const struct net_device *dev, const struct netbuf_drop *drop)
{
	return skb_dropped_by_qdisc(drop->reason) &&
	       rcu_dereference_bh(netdev_get_tx_queue(dev, 0)->qdisc)->enqueue;
}

/* If there is no room for it, it is the spare of the port. */
static enum netbuf_fate send_frame(struct netbuf_queue *queue, struct netbuf_port *port,
				   struct sk_buff *skb)
{
	bool more = port->txq && !skb_queue_empty(&port->ready);
	struct netbuf_pace *pace = &queue->pace;
	unsigned int len = skb->len;
	struct netbuf_drop drop;
	enum netbuf_fate fate;
	u64 refused_ns;

	memset(skb->cb, 0, sizeof(skb->cb));
	if (netbuf_flight_send(queue->flight, port, skb, more, &drop)) {
		pace->refused_ns = 0;
		if (len >= pace->too_long)
			pace->too_long = 0;
		return NETBUF_SENT;
	}
	if (drop.reason == SKB_DROP_REASON_FULL_RING && queue->buf->is_tap)
		note_full_ring(queue->buf);
	if (!can_send(queue) && !drop.gone)
		return NETBUF_NO_ROOM;
	refused_ns = refused_for(queue, len);
	fate = netbuf_fate_of(&drop, refused_ns);
	if (fate == NETBUF_NO_ROOM)
		return fate;
	/* The next frame has a time of its own, if it is not as long. */
	pace->refused_ns = 0;
	if (refused_ns && is_by_own_qdisc(port->dev, &drop))
		pace->too_long = min_not_zero(pace->too_long, len);
	return fate;
}

/* Sends frames until there is no room; that one is the first of them again. */
static unsigned int send_ready(struct netbuf_queue *queue, struct netbuf_port *port)
{
	unsigned int n = port->refused, drained = 0, dropped = port->refused;
	struct netbuf_tag tag;
	enum netbuf_fate fate;
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(&port->ready))) {
		tag = *NETBUF_TAG(skb);
		fate = send_frame(queue, port, skb);
		if (fate == NETBUF_NO_ROOM) {
			*NETBUF_TAG(port->spare) = tag;
			__skb_queue_head(&port->ready, port->spare);
			port->spare = NULL;
			break;
		}
		n++;
		if (fate == NETBUF_REFUSED)
			dropped++;
		else
			drained += !tag.is_part;
		queue->buf->ring.sent += fate == NETBUF_SENT;
	}
	netbuf_queue_count_sent(queue, drained, dropped);
	return n;
}

static unsigned int send_to_driver(struct netbuf_queue *queue, struct netbuf_port *port)
{
	unsigned int n;

	HARD_TX_LOCK(port->dev, port->txq, smp_processor_id());
	n = send_ready(queue, port);
	HARD_TX_UNLOCK(port->dev, port->txq);
	return n;
}

static unsigned int send_egress(struct netbuf_queue *queue, struct sk_buff_head *batch,
				unsigned int max)
{
	struct netbuf_port port;
	unsigned int n;

	if (!netbuf_port_open(&port, queue->flight, queue->buf->dev, &queue->pace))
		return 0;
	netbuf_port_fill(&port, batch, max);
	netbuf_flight_begin(queue->flight, &port);
	n = port.txq ? send_to_driver(queue, &port) : send_ready(queue, &port);
	netbuf_flight_end(queue->flight);
	netbuf_port_close(&port, batch);
	queue->pace.promised = port.promised;
	queue->pace.queue = port.queue;
	return n;
}

/*
 * Goes on behind the hook: neither taps, tc nor rules see it again. Nor does
 * RPS, which would spread flows over CPUs, and drop what their backlogs cannot
 * take.
 */
static unsigned int send_ingress(struct netbuf_queue *queue, struct sk_buff_head *batch)
{
	struct sk_buff *skb;
	unsigned int n;

	for (n = 0; (skb = __skb_dequeue(batch)); n++) {
		memset(skb->cb, 0, sizeof(skb->cb));
		skb->tc_skip_classify = 1;
		netbuf_flight_add(queue->flight, skb);
		netif_receive_skb_core(skb);
	}
	netbuf_queue_count_sent(queue, n, 0);
	return n;
}

/* Sends a round of so many frames on at most; returns how many went. */
static unsigned int send_round(struct netbuf_queue *queue, unsigned int max)
{
	struct sk_buff_head batch;
	unsigned int n;

	if (queue->direction == NETBUF_EGRESS && queue->buf->is_tap)
		max = min(max, room_behind(queue->buf));
	__skb_queue_head_init(&batch);
	netbuf_queue_take(queue, &batch, max);
	local_bh_disable();
	rcu_read_lock();
	n = queue->direction == NETBUF_EGRESS ? send_egress(queue, &batch, max) :
						send_ingress(queue, &batch);
	rcu_read_unlock();
	local_bh_enable();
	netbuf_queue_return(queue, &batch);
	if (n)
		queue->pace.sent_ns = ktime_get_ns();
	return n;
}

/* Has the last round landed? Then it tells how large the next may be. */
static bool round_is_over(struct netbuf_queue *queue)
{
	struct netbuf_pace *pace = &queue->pace;
	unsigned int lost;

	if (!netbuf_flight_is_over(queue->flight))
		return false;
	if (pace->sent_ns)
		pace->frames = netbuf_next_round(pace->frames, ktime_get_ns() - pace->sent_ns);
	pace->sent_ns = 0;
	pace->promised = false;
	lost = netbuf_flight_lost(queue->flight);
	if (lost)
		netbuf_queue_count_lost(queue, lost);
	return true;
}

/*
 * A round that ends early (somebody has stopped the queue, the frame was dropped) leaves
 * frames behind that a driver, as another one was to follow, may never send on its own.
 * That other one is sent behind them, in the same queue, before they have landed.
 */
static bool keep_promise(struct netbuf_queue *queue)
{
	return queue->pace.promised && atomic_read(&queue->state) == NETBUF_STATE_DRAIN &&
	       can_send(queue) && send_round(queue, 1);
}

/* Returns true if the queue needs another round; sets *progress if this one was of use. */
static bool drain_queue(struct netbuf_queue *queue, bool *progress)
{
	if (!round_is_over(queue)) {
		*progress |= keep_promise(queue);
		return true;
	}
	if (atomic_read(&queue->state) != NETBUF_STATE_DRAIN || netbuf_queue_try_pass(queue))
		return false;
	if (can_send(queue)) {
		*progress |= send_round(queue, queue->pace.frames) > 0;
	} else if (queue->direction == NETBUF_EGRESS) {
		/* The ring went with its reader. */
		WRITE_ONCE(queue->buf->drain_new, true);
	}
	return true;
}

static void note_ring(struct netbuf *buf)
{
	struct rtnl_link_stats64 stats;

	buf->ring.sent = 0;
	buf->ring.base = dev_get_stats(buf->dev, &stats)->tx_packets;
	buf->drain_new = false;
}

/* Until frames have landed, or something else may have changed. */
static void idle(struct netbuf *buf)
{
	buf->idle_us = clamp(buf->idle_us * 2, IDLE_MIN_US, IDLE_MAX_US);
	wait_event_interruptible_hrtimeout(buf->idle, READ_ONCE(buf->woken),
					   ns_to_ktime(buf->idle_us * NSEC_PER_USEC));
}

/* CPUs that are isolated, or belong to an LPAR, are not for the host's work. */
static bool is_for_drains(unsigned int cpu)
{
	return cpu_online(cpu) && !cpu_is_isolated(cpu) &&
	       housekeeping_test_cpu(cpu, HK_TYPE_WQ) && !lpar_cpu_is_fenced(cpu);
}

/* The next one that is for drains. */
static unsigned int next_cpu(unsigned int cpu)
{
	unsigned int next;

	for_each_cpu_wrap(next, cpu_online_mask, cpu + 1)
		if (is_for_drains(next))
			return next;
	return raw_smp_processor_id();
}

/* Where it is to run from now on. */
static void choose_cpu(struct netbuf *buf)
{
	unsigned int cpu = READ_ONCE(buf->drain_cpu);

	rcu_read_lock();
	if (!is_for_drains(cpu))
		WRITE_ONCE(buf->drain_cpu, next_cpu(cpu));
	rcu_read_unlock();
}

static void queue_drain(struct netbuf *buf, unsigned long delay)
{
	queue_delayed_work_on(READ_ONCE(buf->drain_cpu), netbuf_wq, &buf->drain, delay);
}

/* Some rounds of a drain. */
static void drain_work(struct work_struct *work)
{
	struct netbuf *buf = container_of(to_delayed_work(work), struct netbuf, drain);
	unsigned long end = jiffies + 1;
	bool progress, more;
	unsigned int i;

	if (READ_ONCE(buf->drain_new))
		note_ring(buf);
	do {
		WRITE_ONCE(buf->woken, false);
		/* What has landed before is seen, what lands later wakes. */
		smp_mb();
		progress = false;
		more = false;
		for (i = 0; i < NETBUF_DIRECTIONS; i++)
			more |= drain_queue(&buf->queue[i], &progress);
		cond_resched();
	} while (progress && time_is_after_jiffies(end));
	if (!more) {
		netbuf_announce_state(buf);
		netbuf_hook_rest(buf);
		return;
	}
	if (progress)
		buf->idle_us = 0;
	else
		idle(buf);
	choose_cpu(buf);
	/* As long as it runs, a work item is queued where it runs: it moves a jiffy later. */
	queue_drain(buf, READ_ONCE(buf->drain_cpu) != raw_smp_processor_id());
}

/**
 * netbuf_drain_init() - a drain that does not run
 * @buf: new buffer, whose queues are there
 */
void netbuf_drain_init(struct netbuf *buf)
{
	/* Drains of several buffers share the work. */
	static atomic_t spread = ATOMIC_INIT(0);
	unsigned int i;

	INIT_DELAYED_WORK(&buf->drain, drain_work);
	rcu_read_lock();
	buf->drain_cpu = next_cpu((unsigned int)atomic_inc_return(&spread) % nr_cpu_ids);
	rcu_read_unlock();
	init_waitqueue_head(&buf->idle);
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		buf->queue[i].pace.frames = 1;
}

/**
 * netbuf_drain_wake() - what was sent on has landed
 * @buf: buffer
 *
 * Context: any.
 */
void netbuf_drain_wake(struct netbuf *buf)
{
	WRITE_ONCE(buf->woken, true);
	/* It seldom sleeps, and a netdev may be done with each frame at once. */
	if (wq_has_sleeper(&buf->idle))
		wake_up(&buf->idle);
}

/**
 * netbuf_drain_cpu() - where is work to be done for a buffer?
 * @buf: buffer
 *
 * Context: any, also hard irq.
 * Return: a CPU that is for the host's work.
 */
unsigned int netbuf_drain_cpu(struct netbuf *buf)
{
	choose_cpu(buf);
	return READ_ONCE(buf->drain_cpu);
}

/**
 * netbuf_drain_start() - let the drain run
 * @buf: of which at least one queue is told to drain
 *
 * Context: any, also hard irq.
 */
void netbuf_drain_start(struct netbuf *buf)
{
	WRITE_ONCE(buf->drain_new, true);
	choose_cpu(buf);
	queue_drain(buf, 0);
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
	flush_delayed_work(&buf->drain);
}
