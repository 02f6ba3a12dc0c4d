// SPDX-License-Identifier: GPL-2.0
/*
 * The netfilter hooks of a netdev. They come last, so that all rules have been
 * applied to a frame when it is held, and need not be when it goes on.
 *
 * They are registered while the buffer holds or drains, or a cut is armed that
 * will make it hold, and for a while after, as each time costs the kernel a change of
 * its code. A buffer that passes has none, so frames that pass cost nothing. Where others
 * than the host's root might take their places meanwhile, they stay from attach to detach.
 */
#include <linux/filter.h>
#include <linux/moduleparam.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include "netbuf.h"

static unsigned int hook_linger_ms = 1000;
module_param(hook_linger_ms, uint, 0644);
MODULE_PARM_DESC(hook_linger_ms, "how long hooks stay when nothing needs them any more (1000)");

/* The filter sees the frame from its MAC header on. */
static bool is_chosen(struct netbuf *buf, struct sk_buff *skb)
{
	const struct bpf_prog *filter = rcu_dereference(buf->filter);
	unsigned int mac_len = netbuf_frame_mac_len(skb);
	bool chosen;

	if (!filter)
		return true;
	__skb_push(skb, mac_len);
	chosen = bpf_prog_run_clear_cb(filter, skb);
	__skb_pull(skb, mac_len);
	return chosen;
}

/* Not to be held: what then, the operator has said. */
static unsigned int leave(struct netbuf_queue *queue)
{
	if (READ_ONCE(queue->buf->settings.unmatched) == NETBUF_UNMATCHED_PASS)
		return NF_ACCEPT;
	netbuf_queue_count_drop(queue, &queue->counters.dropped_filter);
	return NF_DROP;
}

/* The verdict of the queue, and what it may keep; then there is room for that. */
static enum netbuf_verdict take(struct netbuf_queue *queue, struct sk_buff *skb,
				struct netbuf_room *room, struct sk_buff **taken)
{
	bool zero_copy = READ_ONCE(queue->buf->settings.zero_copy);
	enum netbuf_way way = netbuf_frame_plan(skb, zero_copy, room);
	enum netbuf_verdict verdict = netbuf_queue_admit(queue, room);

	if (verdict != NETBUF_HELD)
		return verdict;
	*taken = netbuf_frame_take(skb, queue->direction, way);
	if (*taken)
		return NETBUF_HELD;
	netbuf_queue_cancel(queue, room);
	if (way == NETBUF_COPY) {
		/* No memory: held as it is, it pins its pages, but is not lost. */
		netbuf_frame_plan(skb, true, room);
		verdict = netbuf_queue_admit(queue, room);
		if (verdict != NETBUF_HELD)
			return verdict;
		*taken = netbuf_frame_take(skb, queue->direction, NETBUF_KEEP);
		if (*taken) {
			netbuf_queue_count(queue, &queue->counters.uncopied);
			return NETBUF_HELD;
		}
		netbuf_queue_cancel(queue, room);
	}
	netbuf_queue_count_drop(queue, &queue->counters.dropped_memory);
	return NETBUF_DROPPED;
}

/* A frame that passes after all is never touched: all is decided before. */
static unsigned int hold(struct netbuf_queue *queue, struct sk_buff *skb)
{
	enum netbuf_verdict verdict;
	struct sk_buff *taken;
	struct netbuf_room room;

	if (!is_chosen(queue->buf, skb))
		return leave(queue);
	if (netbuf_frame_is_bound(skb)) {
		netbuf_queue_count(queue, &queue->counters.unholdable);
		return leave(queue);
	}
	verdict = take(queue, skb, &room, &taken);
	if (verdict == NETBUF_HELD) {
		/* A copy may be larger than was thought; the frame itself is not, or stays. */
		verdict = netbuf_queue_add(queue, taken, &room);
		if (taken != skb && verdict == NETBUF_HELD)
			consume_skb(skb);
		else if (taken != skb)
			kfree_skb_list(taken);
	}
	switch (verdict) {
	case NETBUF_HELD:
		return NF_STOLEN;
	case NETBUF_ACCEPTED:
		return NF_ACCEPT;
	default:
		return NF_DROP;
	}
}

static unsigned int netbuf_hook(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct netbuf_queue *queue = priv;

	if (likely(atomic_read(&queue->state) == NETBUF_STATE_PASS))
		return NF_ACCEPT;
	return hold(queue, skb);
}

/**
 * netbuf_hook_is_alone() - is nothing registered in front of ours?
 * @dev: netdev
 *
 * Context: any.
 * Return: true if none but ours sees what it receives.
 */
bool netbuf_hook_is_alone(const struct net_device *dev)
{
	const struct nf_hook_entries *entries;
	bool alone = true;
	unsigned int i;

	rcu_read_lock();
	entries = rcu_dereference(dev->nf_hooks_ingress);
	for (i = 0; entries && i < entries->num_hook_entries; i++)
		alone &= entries->hooks[i].hook == netbuf_hook;
	rcu_read_unlock();
	return alone;
}

static bool is_needed(const struct netbuf *buf)
{
	lockdep_assert_held(&buf->op);
	return buf->armed || netbuf_state(buf) != NETBUF_STATE_PASS;
}

/*
 * Netfilter has a limited number of places, which are for whoever is root in the netdev's
 * network namespace: only the host's root may keep a buffer from holding.
 */
static bool may_rest(const struct netbuf *buf)
{
	lockdep_assert_held(&buf->op);
	return !buf->net || buf->net->user_ns == &init_user_ns;
}

/* A cut that is not armed makes nobody hold; so who needs none now needs them first under op. */
static void unhook(struct work_struct *work)
{
	struct netbuf *buf = container_of(to_delayed_work(work), struct netbuf, unhook);

	mutex_lock(&buf->op);
	if (!is_needed(buf) && may_rest(buf))
		netbuf_hook_remove(buf);
	mutex_unlock(&buf->op);
}

/**
 * netbuf_hook_init() - none is registered
 * @buf: new buffer
 */
void netbuf_hook_init(struct netbuf *buf)
{
	static const u8 hooknum[NETBUF_DIRECTIONS] = {
		[NETBUF_INGRESS] = NF_NETDEV_INGRESS,
		[NETBUF_EGRESS] = NF_NETDEV_EGRESS,
	};
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		buf->ops[i] = (struct nf_hook_ops) {
			.hook = netbuf_hook,
			.dev = buf->dev,
			.priv = &buf->queue[i],
			.pf = NFPROTO_NETDEV,
			.hooknum = hooknum[i],
			.priority = INT_MAX,
		};
	INIT_DELAYED_WORK(&buf->unhook, unhook);
}

/**
 * netbuf_hook_add() - see the frames of the netdev
 * @buf: buffer that is about to hold; if its netdev is between two network namespaces,
 *	where it has no frames, netbuf_hook_enter() does it
 *
 * Context: process, under buf->op.
 * Return: 0 or a negative errno; then the buffer must not hold.
 */
int netbuf_hook_add(struct netbuf *buf)
{
	int err;

	lockdep_assert_held(&buf->op);
	if (buf->hooked || !buf->net)
		return 0;
	err = nf_register_net_hooks(buf->net, buf->ops, NETBUF_DIRECTIONS);
	buf->hooked = !err;
	return err;
}

/**
 * netbuf_hook_remove() - the reverse
 * @buf: buffer; frames may be in its hooks until the end of an RCU grace period
 *
 * Context: process, under buf->op.
 */
void netbuf_hook_remove(struct netbuf *buf)
{
	lockdep_assert_held(&buf->op);
	if (buf->hooked)
		nf_unregister_net_hooks(buf->net, buf->ops, NETBUF_DIRECTIONS);
	buf->hooked = false;
}

/**
 * netbuf_hook_rest() - something that needed the hooks is over
 * @buf: buffer that is not detached, nor will be before this returns
 *
 * If nothing needs them for a while, they go, where they may.
 *
 * Context: process.
 */
void netbuf_hook_rest(struct netbuf *buf)
{
	mod_delayed_work_on(netbuf_drain_cpu(buf), netbuf_wq, &buf->unhook,
			    msecs_to_jiffies(READ_ONCE(hook_linger_ms)));
}

/**
 * netbuf_hook_arm() - a cut is going to make the buffer hold
 * @buf: buffer that is not detached
 *
 * Context: process, under buf->op.
 * Return: 0, and netbuf_hook_disarm() is to follow; or a negative errno.
 */
int netbuf_hook_arm(struct netbuf *buf)
{
	int err = netbuf_hook_add(buf);

	if (!err)
		buf->armed++;
	return err;
}

/**
 * netbuf_hook_disarm() - that cut has acted, or never will
 * @buf: buffer, may be detached
 *
 * Context: process, takes buf->op.
 */
void netbuf_hook_disarm(struct netbuf *buf)
{
	mutex_lock(&buf->op);
	buf->armed--;
	if (!buf->gone)
		netbuf_hook_rest(buf);
	mutex_unlock(&buf->op);
}

/**
 * netbuf_hook_enter() - the netdev is in a new network namespace
 * @buf: buffer
 * @net: network namespace
 *
 * Context: process, under rtnl; takes buf->op.
 * Return: 0 or a negative errno: the hooks are needed, or must not rest there, and cannot
 * be registered.
 */
int netbuf_hook_enter(struct netbuf *buf, struct net *net)
{
	int err;

	mutex_lock(&buf->op);
	buf->net = net;
	err = is_needed(buf) || !may_rest(buf) ? netbuf_hook_add(buf) : 0;
	mutex_unlock(&buf->op);
	return err;
}

/**
 * netbuf_hook_leave() - it leaves that one
 * @buf: buffer, of whose netdev no frames are under way
 *
 * Context: process, under rtnl; takes buf->op.
 */
void netbuf_hook_leave(struct netbuf *buf)
{
	mutex_lock(&buf->op);
	netbuf_hook_remove(buf);
	buf->net = NULL;
	mutex_unlock(&buf->op);
}
