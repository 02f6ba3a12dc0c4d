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
 * @lost: frames dropped in flight, not counted yet
 */
struct netbuf_flight {
	struct inet_sock inet;
	struct netbuf __rcu *buf;
	atomic_t lost;
};

/**
 * struct sending - the frame that a CPU is sending on, with BH disabled
 * @skb: frame, compared only; or NULL
 * @dropped: it was dropped
 * @reason: why
 */
struct sending {
	const struct sk_buff *skb;
	bool dropped;
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

/* The tracepoint kfree_skb: in any context. */
static void note_drop(KFREE_SKB_PROTO)
{
	struct sending *now;

	if (is_by_receiver(reason))
		return;
	now = get_cpu_ptr(&sending);
	if (now->skb == skb) {
		now->skb = NULL;
		now->dropped = true;
		now->reason = reason;
	} else if (is_charged(skb)) {
		atomic_inc(&to_flight(skb->sk)->lost);
	}
	put_cpu_ptr(&sending);
}

/*
 * A frame has landed; its last bit of the charge, and that of the sock itself,
 * are still there. Two that land at the same time may both not be the last in
 * each other's eyes: the drain does not rely on being woken.
 */
static void has_landed(struct sock *sk)
{
	struct netbuf *buf;

	if (refcount_read(&sk->sk_wmem_alloc) > 2)
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

/**
 * netbuf_fate_of() - may a frame that was dropped be sent again?
 * @drop: how it was dropped
 * @refused_ns: how long an empty queue has refused such a frame
 *
 * A qdisc that drops what a filter in it rejects says that all is well; one
 * that is full does not. One that is empty and refuses has another reason:
 * the frame is longer than it ever takes.
 *
 * Context: any.
 * Return: NETBUF_NO_ROOM if so; NETBUF_REFUSED if not: it would be dropped again.
 */
enum netbuf_fate netbuf_fate_of(const struct netbuf_drop *drop, u64 refused_ns)
{
	if (is_for_want_of_room(drop->reason) || drop->ret == -ENETDOWN)
		return NETBUF_NO_ROOM;
	if (skb_dropped_by_qdisc(drop->reason) && drop->ret != NET_XMIT_SUCCESS &&
	    refused_ns < PATIENCE_NS)
		return NETBUF_NO_ROOM;
	return NETBUF_REFUSED;
}

/**
 * netbuf_flight_use_queue() - which transmit queue do the next frames take?
 * @flight: flight
 * @dev: netdev that sends them
 *
 * Flows are spread over transmit queues, which do not wait for each other. So all
 * frames of a round take one, as those of a connected socket do. Not so where
 * queues are for classes of traffic, or the driver chooses: there the classes
 * have their own order, or the flows.
 *
 * Context: BH disabled.
 */
void netbuf_flight_use_queue(struct netbuf_flight *flight, struct net_device *dev)
{
	struct sock *sk = &flight->inet.sk;

	/* Since 6.18 a choice grows old, and is young again only if it is another one. */
	sk_tx_queue_clear(sk);
	if (!netdev_get_num_tc(dev))
		sk_tx_queue_set(sk, smp_processor_id() % READ_ONCE(dev->real_num_tx_queues));
}

/**
 * netbuf_flight_add() - a frame is in flight from now on
 * @flight: flight
 * @skb: frame
 *
 * Context: any.
 */
void netbuf_flight_add(struct netbuf_flight *flight, struct sk_buff *skb)
{
	skb_set_owner_w(skb, &flight->inet.sk);
}

/**
 * netbuf_flight_send() - give a frame to its netdev
 * @flight: takes it
 * @skb: frame; gone on return
 * @drop: set if it was dropped
 *
 * Context: BH disabled.
 * Return: true if it is in flight or has landed; false if it was dropped.
 */
bool netbuf_flight_send(struct netbuf_flight *flight, struct sk_buff *skb,
			struct netbuf_drop *drop)
{
	struct sending *now = this_cpu_ptr(&sending);

	netbuf_flight_add(flight, skb);
	*now = (struct sending){ .skb = skb };
	drop->ret = dev_queue_xmit(skb);
	now->skb = NULL;
	drop->reason = now->reason;
	return !now->dropped;
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
