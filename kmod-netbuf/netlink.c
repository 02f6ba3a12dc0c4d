// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "netbuf": buffers. Their frames are in
 * netlink_frame.c. The specification is Documentation/netlink/specs/netbuf.yaml.
 */
#include <linux/filter.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "netbuf.h"
#include "netlink.h"

/* Attributes of requests; what only replies carry is refused. */
static const struct nla_policy netbuf_policy[NETBUF_A_MAX + 1] = {
	[NETBUF_A_IFNAME]	= { .type = NLA_NUL_STRING, .len = NETBUF_IFNAME_MAX },
	[NETBUF_A_STATE]	= NLA_POLICY_MAX(NLA_U32, NETBUF_STATE_DRAIN),
	[NETBUF_A_LPAR]		= { .type = NLA_NUL_STRING, .len = NETBUF_LPAR_MAX },
	[NETBUF_A_LIMIT_FRAMES]	= NLA_POLICY_MIN(NLA_U32, 1),
	[NETBUF_A_LIMIT_BYTES]	= NLA_POLICY_MIN(NLA_U64, 1),
	[NETBUF_A_POLICY]	= NLA_POLICY_MAX(NLA_U32, NETBUF_POLICY_PASS),
	[NETBUF_A_HIGH_WATER]	= NLA_POLICY_RANGE(NLA_U32, 1, 100),
	[NETBUF_A_ZERO_COPY]	= NLA_POLICY_MAX(NLA_U32, 1),
	[NETBUF_A_FILTER]	= { .type = NLA_BINARY, .len = NETBUF_FILTER_MAX },
	[NETBUF_A_FILTER_TEXT]	= { .type = NLA_NUL_STRING, .len = NETBUF_FILTER_TEXT_MAX },
	[NETBUF_A_UNMATCHED]	= NLA_POLICY_MAX(NLA_U32, NETBUF_UNMATCHED_DROP),
	[NETBUF_A_FORCE]	= { .type = NLA_FLAG },
	[NETBUF_A_FRAME]	= NLA_POLICY_NESTED(netbuf_frame_policy),
};

/**
 * netbuf_netlink_ifname() - the netdev that a request names
 * @info: request
 *
 * Return: name, or NULL, which the requester was told.
 */
const char *netbuf_netlink_ifname(struct genl_info *info)
{
	if (info->attrs[NETBUF_A_IFNAME])
		return nla_data(info->attrs[NETBUF_A_IFNAME]);
	netbuf_say(info->extack, "the name of the netdev is missing");
	return NULL;
}

static struct netbuf *get_named(struct genl_info *info)
{
	const char *ifname = netbuf_netlink_ifname(info);

	return ifname ? netbuf_get(genl_info_net(info), ifname, info->extack) : ERR_PTR(-EINVAL);
}

static int put_counters(struct sk_buff *skb, const struct netbuf_counters *counters)
{
	const struct {
		int type;
		u64 value;
	} all[] = {
		{ NETBUF_A_QUEUE_HELD, counters->held },
		{ NETBUF_A_QUEUE_DRAINED, counters->drained },
		{ NETBUF_A_QUEUE_LOADED, counters->loaded },
		{ NETBUF_A_QUEUE_FLUSHED, counters->flushed },
		{ NETBUF_A_QUEUE_DROPPED_LIMIT, counters->dropped_limit },
		{ NETBUF_A_QUEUE_DROPPED_MEMORY, counters->dropped_memory },
		{ NETBUF_A_QUEUE_DROPPED_FILTER, counters->dropped_filter },
		{ NETBUF_A_QUEUE_DROPPED_BELOW, counters->dropped_below },
		{ NETBUF_A_QUEUE_PASSED_LIMIT, counters->passed_limit },
		{ NETBUF_A_QUEUE_UNHOLDABLE, counters->unholdable },
		{ NETBUF_A_QUEUE_UNCOPIED, counters->uncopied },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (nla_put_u64_64bit(skb, all[i].type, all[i].value, NETBUF_A_QUEUE_PAD))
			return -EMSGSIZE;
	return 0;
}

static int put_queue(struct sk_buff *skb, struct netbuf_queue *queue)
{
	struct nlattr *nest = nla_nest_start(skb, NETBUF_A_QUEUE);
	int err = -EMSGSIZE;

	if (!nest)
		return err;
	spin_lock_bh(&queue->frames.lock);
	if (!nla_put_u32(skb, NETBUF_A_QUEUE_DIRECTION, queue->direction) &&
	    !nla_put_u32(skb, NETBUF_A_QUEUE_FRAMES, skb_queue_len(&queue->frames)) &&
	    !nla_put_u64_64bit(skb, NETBUF_A_QUEUE_BYTES, queue->bytes, NETBUF_A_QUEUE_PAD) &&
	    !nla_put_u32(skb, NETBUF_A_QUEUE_PEAK_FRAMES, queue->peak_frames) &&
	    !nla_put_u64_64bit(skb, NETBUF_A_QUEUE_PEAK_BYTES, queue->peak_bytes,
			       NETBUF_A_QUEUE_PAD))
		err = put_counters(skb, &queue->counters);
	spin_unlock_bh(&queue->frames.lock);
	nla_nest_end(skb, nest);
	return err;
}

/**
 * netbuf_netlink_put_queues() - what a buffer holds and has done
 * @skb: message
 * @buf: buffer
 *
 * Return: 0 or -EMSGSIZE.
 */
int netbuf_netlink_put_queues(struct sk_buff *skb, struct netbuf *buf)
{
	return put_queue(skb, &buf->queue[NETBUF_INGRESS]) ?:
	       put_queue(skb, &buf->queue[NETBUF_EGRESS]);
}

static int put_settings(struct sk_buff *skb, struct netbuf *buf)
{
	struct netbuf_limits limits = netbuf_queue_limits(&buf->queue[0]);
	u64 limit_total, total = netbuf_total(&limit_total);

	if (nla_put_string(skb, NETBUF_A_LPAR, buf->settings.lpar) ||
	    nla_put_u32(skb, NETBUF_A_LIMIT_FRAMES, limits.frames) ||
	    nla_put_u64_64bit(skb, NETBUF_A_LIMIT_BYTES, limits.bytes, NETBUF_A_PAD) ||
	    nla_put_u64_64bit(skb, NETBUF_A_LIMIT_TOTAL, limit_total, NETBUF_A_PAD) ||
	    nla_put_u64_64bit(skb, NETBUF_A_TOTAL_BYTES, total, NETBUF_A_PAD) ||
	    nla_put_u32(skb, NETBUF_A_POLICY, limits.policy) ||
	    nla_put_u32(skb, NETBUF_A_HIGH_WATER, limits.high_water) ||
	    nla_put_u32(skb, NETBUF_A_ZERO_COPY, buf->settings.zero_copy) ||
	    nla_put_u32(skb, NETBUF_A_UNMATCHED, buf->settings.unmatched))
		return -EMSGSIZE;
	return buf->filter_text ? nla_put_string(skb, NETBUF_A_FILTER_TEXT, buf->filter_text) : 0;
}

static bool has_unholdable(const struct netbuf *buf)
{
	return READ_ONCE(buf->queue[NETBUF_INGRESS].counters.unholdable) ||
	       READ_ONCE(buf->queue[NETBUF_EGRESS].counters.unholdable);
}

/* What the operator should know of frames that were not held. */
static const char *find_warning(const struct netbuf *buf)
{
	return has_unholdable(buf) ?
	       "frames of IPsec, MACsec, TLS or a tunnel cannot be held: see unholdable" :
	       netbuf_blind_spot(buf->dev);
}

static int put_buffer(struct sk_buff *skb, struct netbuf *buf)
{
	const char *warning = find_warning(buf);
	int err;

	if (nla_put_string(skb, NETBUF_A_IFNAME, buf->dev->name) ||
	    nla_put_u32(skb, NETBUF_A_IFINDEX, buf->dev->ifindex) ||
	    nla_put_u32(skb, NETBUF_A_STATE, netbuf_state(buf)) ||
	    (warning && nla_put_string(skb, NETBUF_A_WARNING, warning)))
		return -EMSGSIZE;
	mutex_lock(&buf->op);
	err = put_settings(skb, buf);
	mutex_unlock(&buf->op);
	return err ?: netbuf_netlink_put_queues(skb, buf);
}

static int put_message(struct sk_buff *skb, struct netbuf *buf, u32 portid, u32 seq, int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &netbuf_genl_family, flags, NETBUF_CMD_GET);

	lockdep_assert_held(&netbuf_mutex);
	if (!header)
		return -EMSGSIZE;
	if (put_buffer(skb, buf)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

static int get_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *ifname = netbuf_netlink_ifname(info);
	struct sk_buff *reply;
	struct netbuf *buf;
	int err = -ENOENT;

	if (!ifname)
		return -EINVAL;
	reply = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	mutex_lock(&netbuf_mutex);
	buf = netbuf_find(genl_info_net(info), ifname);
	if (buf)
		err = put_message(reply, buf, info->snd_portid, info->snd_seq, 0);
	else
		netbuf_say(info->extack, "no buffer is attached to it");
	mutex_unlock(&netbuf_mutex);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

static int get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct netbuf *buf;
	long i = 0;
	int err = 0;

	mutex_lock(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list) {
		if (i++ < cb->args[0])
			continue;
		if (net_eq(dev_net(buf->dev), sock_net(skb->sk)))
			err = put_message(skb, buf, NETLINK_CB(cb->skb).portid,
					  cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (err)
			break;
		cb->args[0] = i;
	}
	mutex_unlock(&netbuf_mutex);
	return skb->len ?: err;
}

/* The filter of a request; *filter is NULL for "none". */
static int parse_filter(struct genl_info *info, struct bpf_prog **filter)
{
	const struct nlattr *attr = info->attrs[NETBUF_A_FILTER];
	struct sock_fprog_kern program = {
		.len = nla_len(attr) / sizeof(struct sock_filter),
		.filter = nla_data(attr),
	};
	int err;

	*filter = NULL;
	if (!nla_len(attr))
		return 0;
	err = nla_len(attr) % sizeof(struct sock_filter) ? -EINVAL :
							   bpf_prog_create(filter, &program);
	if (err == -EINVAL)
		netbuf_say(info->extack, "the filter is no classic BPF program");
	return err;
}

static void replace_filter(struct netbuf *buf, struct bpf_prog *filter, char *text)
{
	struct bpf_prog *old;

	lockdep_assert_held(&buf->op);
	old = rcu_replace_pointer(buf->filter, filter, lockdep_is_held(&buf->op));
	kfree(buf->filter_text);
	buf->filter_text = text;
	if (!old)
		return;
	synchronize_net();
	bpf_prog_destroy(old);
}

static int set_filter(struct netbuf *buf, struct genl_info *info)
{
	struct bpf_prog *filter;
	char *text = NULL;
	int err;

	if (!info->attrs[NETBUF_A_FILTER])
		return 0;
	err = parse_filter(info, &filter);
	if (err)
		return err;
	if (filter && info->attrs[NETBUF_A_FILTER_TEXT]) {
		text = nla_strdup(info->attrs[NETBUF_A_FILTER_TEXT], GFP_KERNEL);
		if (!text) {
			bpf_prog_destroy(filter);
			return -ENOMEM;
		}
	}
	replace_filter(buf, filter, text);
	return 0;
}

static void set_limits(struct netbuf *buf, struct nlattr **attrs)
{
	struct netbuf_limits limits = netbuf_queue_limits(&buf->queue[0]);

	if (attrs[NETBUF_A_LIMIT_FRAMES])
		limits.frames = nla_get_u32(attrs[NETBUF_A_LIMIT_FRAMES]);
	if (attrs[NETBUF_A_LIMIT_BYTES])
		limits.bytes = nla_get_u64(attrs[NETBUF_A_LIMIT_BYTES]);
	if (attrs[NETBUF_A_POLICY])
		limits.policy = nla_get_u32(attrs[NETBUF_A_POLICY]);
	if (attrs[NETBUF_A_HIGH_WATER])
		limits.high_water = nla_get_u32(attrs[NETBUF_A_HIGH_WATER]);
	netbuf_set_limits(buf, &limits);
}

/* The filter first: it alone can be refused. */
static int configure(struct netbuf *buf, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	int err = -ENODEV;

	mutex_lock(&buf->op);
	if (!buf->gone)
		err = set_filter(buf, info);
	if (err)
		goto out;
	set_limits(buf, attrs);
	if (attrs[NETBUF_A_LPAR])
		nla_strscpy(buf->settings.lpar, attrs[NETBUF_A_LPAR], sizeof(buf->settings.lpar));
	if (attrs[NETBUF_A_ZERO_COPY])
		WRITE_ONCE(buf->settings.zero_copy, nla_get_u32(attrs[NETBUF_A_ZERO_COPY]));
	if (attrs[NETBUF_A_UNMATCHED])
		WRITE_ONCE(buf->settings.unmatched, nla_get_u32(attrs[NETBUF_A_UNMATCHED]));
out:
	mutex_unlock(&buf->op);
	return err;
}

static int set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct netbuf *buf = get_named(info);
	int err;

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = configure(buf, info);
	netbuf_put(buf);
	return err;
}

/* A buffer in pass is harmless: it may be there before its settings are. */
static int attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *ifname = netbuf_netlink_ifname(info);
	int err;

	if (!ifname)
		return -EINVAL;
	err = netbuf_attach(genl_info_net(info), ifname, info->extack);
	if (err)
		return err;
	err = set_doit(skb, info);
	if (err)
		netbuf_detach(genl_info_net(info), ifname, true, NULL);
	return err;
}

static int detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *ifname = netbuf_netlink_ifname(info);

	if (!ifname)
		return -EINVAL;
	return netbuf_detach(genl_info_net(info), ifname, info->attrs[NETBUF_A_FORCE],
			     info->extack);
}

static int state_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct netbuf *buf;
	int err;

	if (!info->attrs[NETBUF_A_STATE]) {
		netbuf_say(info->extack, "the state is missing: hold or drain");
		return -EINVAL;
	}
	buf = get_named(info);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = netbuf_set_state(buf, nla_get_u32(info->attrs[NETBUF_A_STATE]), info->extack);
	netbuf_put(buf);
	return err;
}

static void flush_queues(struct netbuf *buf)
{
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		netbuf_queue_flush(&buf->queue[i]);
}

static int flush_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct netbuf *buf = get_named(info);

	if (IS_ERR(buf))
		return PTR_ERR(buf);
	flush_queues(buf);
	/* What a drain has just tried in vain comes back. */
	netbuf_drain_wait(buf);
	flush_queues(buf);
	netbuf_put(buf);
	return 0;
}

static const struct genl_ops netbuf_ops[] = {
	{ .cmd = NETBUF_CMD_GET, .doit = get_doit, .dumpit = get_dumpit },
	{ .cmd = NETBUF_CMD_ATTACH, .doit = attach_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_DETACH, .doit = detach_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_SET, .doit = set_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_STATE_SET, .doit = state_set_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_FLUSH, .doit = flush_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_SAVE, .start = netbuf_save_start, .dumpit = netbuf_save_dumpit,
	  .done = netbuf_save_done, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_LOAD, .doit = netbuf_load_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = NETBUF_CMD_COMMIT, .doit = netbuf_commit_doit, .flags = GENL_ADMIN_PERM },
};

static const struct genl_multicast_group netbuf_mcast_groups[] = {
	{ .name = NETBUF_MCGRP_EVENTS },
};

struct genl_family netbuf_genl_family = {
	.name		= NETBUF_FAMILY_NAME,
	.version	= NETBUF_FAMILY_VERSION,
	.maxattr	= NETBUF_A_MAX,
	.policy		= netbuf_policy,
	.module		= THIS_MODULE,
	.netnsok	= true,
	/* Many frames take long and must not hold up other families. */
	.parallel_ops	= true,
	.ops		= netbuf_ops,
	.n_ops		= ARRAY_SIZE(netbuf_ops),
	.resv_start_op	= NETBUF_CMD_UNSPEC,
	.mcgrps		= netbuf_mcast_groups,
	.n_mcgrps	= ARRAY_SIZE(netbuf_mcast_groups),
};

/**
 * netbuf_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int netbuf_netlink_init(void)
{
	int err = netbuf_load_init();

	if (err)
		return err;
	err = genl_register_family(&netbuf_genl_family);
	if (err)
		netbuf_load_exit();
	return err;
}

/**
 * netbuf_netlink_exit() - withdraw it; no operation runs on return
 */
void netbuf_netlink_exit(void)
{
	genl_unregister_family(&netbuf_genl_family);
	netbuf_load_exit();
}
