// SPDX-License-Identifier: GPL-2.0
/*
 * The netfilter hooks of a netdev, registered from attach to detach. They come
 * last, so that all rules have been applied to a frame when it is held, and
 * need not be when it goes on.
 */
#include <linux/filter.h>
#include <net/net_namespace.h>
#include "netbuf.h"

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
		/* A copy may be larger than was thought; the frame itself is not. */
		verdict = netbuf_queue_add(queue, taken, &room);
		if (verdict != NETBUF_HELD)
			kfree_skb_list(taken);
		else if (taken != skb)
			consume_skb(skb);
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
 * netbuf_hook_register() - see the frames of the netdev
 * @buf: buffer
 * @net: network namespace in which the netdev is
 *
 * Context: process, under rtnl.
 * Return: 0 or a negative errno.
 */
int netbuf_hook_register(struct netbuf *buf, struct net *net)
{
	static const u8 hooknum[NETBUF_DIRECTIONS] = {
		[NETBUF_INGRESS] = NF_NETDEV_INGRESS,
		[NETBUF_EGRESS] = NF_NETDEV_EGRESS,
	};
	unsigned int i;
	int err;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		buf->ops[i] = (struct nf_hook_ops) {
			.hook = netbuf_hook,
			.dev = buf->dev,
			.priv = &buf->queue[i],
			.pf = NFPROTO_NETDEV,
			.hooknum = hooknum[i],
			.priority = INT_MAX,
		};
	err = nf_register_net_hooks(net, buf->ops, NETBUF_DIRECTIONS);
	if (!err)
		buf->net = net;
	return err;
}

/**
 * netbuf_hook_unregister() - the reverse; no hook runs on return
 * @buf: buffer
 *
 * Context: process, under rtnl.
 */
void netbuf_hook_unregister(struct netbuf *buf)
{
	if (!buf->net)
		return;
	nf_unregister_net_hooks(buf->net, buf->ops, NETBUF_DIRECTIONS);
	synchronize_net();
	buf->net = NULL;
}
