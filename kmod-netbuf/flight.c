// SPDX-License-Identifier: GPL-2.0
/*
 * Frames in flight: sent on, and not yet received, transmitted or dropped.
 *
 * A direction sends as a socket does: its frames are charged to a sock, and
 * whoever lets go of one (a receiver, a driver that has transmitted it, a qdisc
 * that drops it) discharges it. A sock outlives its buffer until the last frame
 * has landed, as any socket does, and holds the module as long.
 *
 * What has become of a frame says the kernel's own report of dropped frames,
 * the tracepoint kfree_skb: of the frame that is just being sent, whatever
 * became of its sock (a tap lets go of it before it looks for room); and of
 * those in flight, by their sock.
 */
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <net/inet_sock.h>
#include <trace/events/skb.h>
#include "netbuf.h"

/* A qdisc that is being replaced refuses all; one that is empty and refuses for longer means it. */
#define PATIENCE_NS	(200 * NSEC_PER_MSEC)

/**
 * struct netbuf_flight - frames of a direction that are in flight
 * @inet: the sock to which they are charged; code that looks at skb->sk may
 *	take it for a socket of IP
 * @buf: buffer whose drain waits for them; NULL when it is detached
 * @is_sending: the drain sends a round, and looks itself what has landed of it
 * @lost: frames dropped in flight, not counted yet
 */
struct netbuf_flight {
	struct inet_sock inet;
	struct netbuf __rcu *buf;
	bool is_sending;
	atomic_t lost;
};

/**
 * struct sending - the frame that a CPU is sending on, with BH disabled
 * @skb: frame, compared only; or NULL
 * @spare: becomes a clone of it if it is dropped; NULL: there is one
 * @dev: its netdev
 * @headroom: in front of its bytes
 * @len: their number
 * @dropped: it was dropped
 * @gone: and is no more what was sent: there is no clone of it
 * @reason: why
 */
struct sending {
	const struct sk_buff *skb;
	struct sk_buff *spare;
	const struct net_device *dev;
	unsigned int headroom;
	unsigned int len;
	bool dropped;
	bool gone;
	enum skb_drop_reason reason;
};

static DEFINE_PER_CPU(struct sending, sending);

static struct proto netbuf_proto = {
	.name = "netbuf",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct netbuf_flight),
};

static struct netbuf_flight *to_flight(struct sock *sk)
{
	return container_of(sk, struct netbuf_flight, inet.sk);
}

/* Who does not want it has received it. */
static bool is_by_receiver(enum skb_drop_reason reason)
{
	return reason == SKB_DROP_REASON_OTHERHOST || reason == SKB_DROP_REASON_UNHANDLED_PROTO;
}

/* Of frames without a destructor that knows it, skb->sk need not be a sock that is alive. */
static bool is_charged(const struct sk_buff *skb)
{
	return (skb->destructor == sock_wfree || skb->destructor == sock_efree) &&
	       skb->sk->sk_prot == &netbuf_proto;
}

/* Only its netdev has had it, which does not alter frames (see port.c). */
static bool is_as_sent(const struct sending *now, const struct sk_buff *skb)
{
	return skb->dev == now->dev && skb_headroom(skb) == now->headroom && skb->len == now->len;
}

/* It is about to be freed, but still whole. */
static void note_fate(struct sending *now, struct sk_buff *skb, enum skb_drop_reason reason)
{
	now->skb = NULL;
	now->dropped = true;
	now->reason = reason;
	if (!now->spare)
		return;
	if (is_as_sent(now, skb))
		skb_morph(now->spare, skb);
	else
		now->gone = true;
}

/* The tracepoint kfree_skb: in any context. */
static void note_drop(KFREE_SKB_PROTO)
{
	struct sending *now;

	if (is_by_receiver(reason))
		return;
	now = get_cpu_ptr(&sending);
	if (now->skb == skb)
		note_fate(now, skb, reason);
	else if (is_charged(skb))
		atomic_inc(&to_flight(skb->sk)->lost);
	put_cpu_ptr(&sending);
}

/*
 * A frame has landed; its last bit of the charge, and that of the sock itself,
 * are still there. Two that land at the same time may both not be the last in
 * each other's eyes, and one that lands while the drain is done with sending not be
 * seen by it: the drain does not rely on being woken.
 */
static void has_landed(struct sock *sk)
{
	struct netbuf *buf;

	if (READ_ONCE(to_flight(sk)->is_sending) || refcount_read(&sk->sk_wmem_alloc) > 2)
		return;
	rcu_read_lock();
	buf = rcu_dereference(to_flight(sk)->buf);
	if (buf)
		netbuf_drain_wake(buf);
	rcu_read_unlock();
}

/**
 * netbuf_flight_alloc() - nothing is in flight
 * @buf: buffer whose drain is told when frames have landed
 *
 * Context: process.
 * Return: flight, or NULL.
 */
struct netbuf_flight *netbuf_flight_alloc(struct netbuf *buf)
{
	/* The netdev may move; this network namespace is always there. */
	struct sock *sk = sk_alloc(&init_net, AF_UNSPEC, GFP_KERNEL, &netbuf_proto, 1);

	if (!sk)
		return NULL;
	sock_init_data(NULL, sk);
	/* Nobody reads its error queue: no time stamp of a frame is put there. */
	sk->sk_rcvbuf = 0;
	sk->sk_write_space = has_landed;
	rcu_assign_pointer(to_flight(sk)->buf, buf);
	return to_flight(sk);
}

/**
 * netbuf_flight_detach() - the buffer goes; frames may still be in flight
 * @flight: flight; nobody uses the buffer for it after an RCU grace period
 *
 * Context: any.
 */
void netbuf_flight_detach(struct netbuf_flight *flight)
{
	RCU_INIT_POINTER(flight->buf, NULL);
}

/**
 * netbuf_flight_free() - free it, now or when the last frame has landed
 * @flight: detached flight, or NULL
 *
 * Context: process.
 */
void netbuf_flight_free(struct netbuf_flight *flight)
{
	/* A qdisc that delays frames holds the sock itself, and is no part of the charge. */
	if (flight)
		sock_put(&flight->inet.sk);
}

/**
 * netbuf_flight_is_over() - has all landed that was sent on?
 * @flight: flight
 *
 * Context: any.
 * Return: true if so.
 */
bool netbuf_flight_is_over(const struct netbuf_flight *flight)
{
	return !sk_wmem_alloc_get(&flight->inet.sk);
}

/**
 * netbuf_flight_lost() - how many frames were dropped in flight since the last call
 * @flight: flight
 *
 * Context: any.
 * Return: their number.
 */
unsigned int netbuf_flight_lost(struct netbuf_flight *flight)
{
	return atomic_xchg(&flight->lost, 0);
}

/* There may be room, or memory, later. */
static bool is_for_want_of_room(enum skb_drop_reason reason)
{
	return reason == SKB_DROP_REASON_FULL_RING || reason == SKB_DROP_REASON_CPU_BACKLOG ||
	       reason == SKB_DROP_REASON_NOMEM || reason == SKB_DROP_REASON_DEV_READY;
}

/*
 * A qdisc that drops what a filter in it rejects says that all is well; one that
 * is full does not. But netdevs on top of others keep to themselves what a qdisc below has
 * said, and newer kernels what became of one frame, if they have enqueued those of several
 * CPUs at once.
 */
static bool may_be_full(const struct netbuf_drop *drop)
{
	return drop->ret != NET_XMIT_SUCCESS || drop->plain ||
	       skb_dropped_by_full_qdisc(drop->reason);
}

/**
 * netbuf_fate_of() - may a frame that was dropped be sent again?
 * @drop: how it was dropped
 * @refused_ns: how long an empty queue has refused such a frame
 *
 * A qdisc that is empty and refuses has another reason than want of room: the frame is
 * longer than it ever takes.
 *
 * Context: any.
 * Return: NETBUF_NO_ROOM if so; NETBUF_REFUSED if not: it would be dropped again.
 */
enum netbuf_fate netbuf_fate_of(const struct netbuf_drop *drop, u64 refused_ns)
{
	if (drop->gone)
		return NETBUF_REFUSED;
	if (is_for_want_of_room(drop->reason) || drop->ret == -ENETDOWN ||
	    drop->ret == NETDEV_TX_BUSY)
		return NETBUF_NO_ROOM;
	if (skb_dropped_by_qdisc(drop->reason) && may_be_full(drop) && refused_ns < PATIENCE_NS)
		return NETBUF_NO_ROOM;
	return NETBUF_REFUSED;
}

/**
 * netbuf_flight_use_queue() - which transmit queue do the next frames take?
 * @flight: flight
 * @queue: its number, or -1: whichever they would
 *
 * Context: any.
 */
void netbuf_flight_use_queue(struct netbuf_flight *flight, int queue)
{
	struct sock *sk = &flight->inet.sk;

	/* Since 6.18 a choice grows old, and is young again only if it is another one. */
	sk_tx_queue_clear(sk);
	if (queue >= 0)
		sk_tx_queue_set(sk, queue);
}

/**
 * netbuf_flight_add() - a frame is in flight from now on
 * @flight: flight
 * @skb: frame, charged to nobody
 *
 * Context: any.
 */
void netbuf_flight_add(struct netbuf_flight *flight, struct sk_buff *skb)
{
	struct sock *sk = &flight->inet.sk;

	/* As skb_set_owner_w() does for what has no owner. */
	skb->sk = sk;
	skb->destructor = sock_wfree;
	refcount_add(skb->truesize, &sk->sk_wmem_alloc);
}

/**
 * netbuf_flight_begin() - a round is about to be sent
 * @flight: flight
 * @port: the way into its netdev
 *
 * Context: BH disabled, until netbuf_flight_end().
 */
void netbuf_flight_begin(struct netbuf_flight *flight, const struct netbuf_port *port)
{
	struct sending *now = this_cpu_ptr(&sending);

	WRITE_ONCE(flight->is_sending, true);
	now->dev = port->dev;
	now->spare = port->clones ? NULL : port->spare;
}

/**
 * netbuf_flight_end() - the round was sent
 * @flight: flight
 *
 * Context: BH disabled.
 */
void netbuf_flight_end(struct netbuf_flight *flight)
{
	WRITE_ONCE(flight->is_sending, false);
}

/**
 * netbuf_flight_send() - give a frame to its netdev
 * @flight: takes it
 * @port: the way into it
 * @skb: frame
 * @more: another one follows at once
 * @drop: set if it was not sent
 *
 * Context: between netbuf_flight_begin() and netbuf_flight_end(); the port's transmit
 * queue is locked, if it has one.
 * Return: true if it is in flight or has landed, or false: what it was is
 * the spare of the port then, unless @drop says that it is gone.
 */
bool netbuf_flight_send(struct netbuf_flight *flight, struct netbuf_port *port,
			struct sk_buff *skb, bool more, struct netbuf_drop *drop)
{
	struct sending *now = this_cpu_ptr(&sending);
	u16 queue = skb_get_queue_mapping(skb);

	if (port->clones)
		skb_morph(port->spare, skb);
	netbuf_flight_add(flight, skb);
	now->headroom = skb_headroom(skb);
	now->len = skb->len;
	now->dropped = false;
	now->gone = false;
	now->skb = skb;
	drop->ret = netbuf_port_give(port, skb, more);
	now->skb = NULL;
	if (likely(!now->dropped && drop->ret != NETDEV_TX_BUSY)) {
		port->promised = more;
		return true;
	}
	drop->gone = now->gone;
	drop->reason = now->reason;
	/* Where frames are not split, the netdev's own qdisc has no filter. */
	drop->plain = !port->split;
	if (!now->dropped) {
		/* It was not taken. */
		drop->reason = SKB_DROP_REASON_NOT_SPECIFIED;
		skb_orphan(skb);
		consume_skb(port->spare);
		port->spare = skb;
	}
	/* Not that of its round: it may be held again, and saved. */
	skb_set_queue_mapping(port->spare, queue);
	return false;
}

/**
 * netbuf_flight_init() - hear of dropped frames
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int netbuf_flight_init(void)
{
	return register_trace_kfree_skb(note_drop, NULL);
}

/**
 * netbuf_flight_exit() - the reverse; no frame is in flight
 */
void netbuf_flight_exit(void)
{
	unregister_trace_kfree_skb(note_drop, NULL);
	tracepoint_synchronize_unregister();
}
