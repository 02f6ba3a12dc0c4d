// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "dirtythrottle". The specification is
 * Documentation/netlink/specs/dirtythrottle.yaml.
 */
#include <linux/capability.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <net/genetlink.h>
#include "dirtythrottle.h"
#include "msi.h"

/* Attributes of requests; what only replies carry is refused. */
static const struct nla_policy dt_policy[DT_A_MAX + 1] = {
	[DT_A_PID]		= NLA_POLICY_MIN(NLA_U32, 1),
	[DT_A_MODE]		= NLA_POLICY_MAX(NLA_U32, DT_MODE_AUTO),
	[DT_A_LIMIT]		= { .type = NLA_U64 },
	[DT_A_DELAY_US]		= { .type = NLA_U32 },
	[DT_A_SHARE]		= NLA_POLICY_RANGE(NLA_U32, 1, DIRTYTHROTTLE_SHARE_MAX),
	[DT_A_TRANSFER_RATE]	= { .type = NLA_U64 },
	[DT_A_TIMEOUT_MS]	= { .type = NLA_U32 },
};

static int put_settings(struct sk_buff *skb, const struct dt_settings *settings)
{
	if (nla_put_u32(skb, DT_A_MODE, settings->mode) ||
	    nla_put_u64_64bit(skb, DT_A_LIMIT, settings->limit, DT_A_PAD) ||
	    nla_put_u32(skb, DT_A_DELAY_US, settings->delay_us) ||
	    nla_put_u32(skb, DT_A_SHARE, settings->share) ||
	    nla_put_u64_64bit(skb, DT_A_TRANSFER_RATE, settings->transfer_rate, DT_A_PAD) ||
	    nla_put_u32(skb, DT_A_TIMEOUT_MS, settings->timeout_ms))
		return -EMSGSIZE;
	return 0;
}

static int put_outlook(struct sk_buff *skb, struct dt_target *target, u64 pages)
{
	u64 dirty_bytes = target->census.dirty_pages * PAGE_SIZE;
	struct dt_outlook outlook;

	if (target->census.has_bitmap &&
	    nla_put_u64_64bit(skb, DT_A_DIRTY_BYTES, dirty_bytes, DT_A_PAD))
		return -EMSGSIZE;
	if (!dt_target_outlook(target, pages, &outlook))
		return 0;
	return nla_put_u64_64bit(skb, DT_A_PASS_MS, outlook.pass_ms, DT_A_PAD) ?:
	       nla_put_u32(skb, DT_A_CONVERGING, outlook.converging);
}

static int put_counters(struct sk_buff *skb, struct dt_target *target)
{
	struct dt_counters sum;

	dt_vcpu_sum(target, &sum);
	if (nla_put_u64_64bit(skb, DT_A_RATE_1S, dt_target_rate(target, sum.pages, 1),
			      DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_RATE_10S, dt_target_rate(target, sum.pages, 10),
			      DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_FAULTS, sum.faults, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_PAGES, sum.pages, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_FOREIGN, atomic64_read(&target->foreign), DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_UNDELAYED, atomic64_read(&target->undelayed), DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_DELAYED_US, div_u64(sum.delayed_ns, NSEC_PER_USEC),
			      DT_A_PAD))
		return -EMSGSIZE;
	return put_outlook(skb, target, sum.pages);
}

static int put_vcpu(struct sk_buff *skb, const struct dt_vcpu *vcpu)
{
	u64 delayed_us = div_u64(READ_ONCE(vcpu->counters.delayed_ns), NSEC_PER_USEC);
	struct nlattr *nest = nla_nest_start(skb, DT_A_VCPU);

	if (!nest ||
	    nla_put_u32(skb, DT_A_VCPU_ID, READ_ONCE(vcpu->id)) ||
	    nla_put_u32(skb, DT_A_VCPU_TID, vcpu->tid) ||
	    nla_put_u64_64bit(skb, DT_A_VCPU_PAGES, READ_ONCE(vcpu->counters.pages),
			      DT_A_VCPU_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_VCPU_DELAYED_US, delayed_us, DT_A_VCPU_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_vcpus(struct sk_buff *skb, struct dt_target *target)
{
	const struct dt_vcpu *vcpu;
	unsigned int shown = 0;
	unsigned long tid;

	xa_for_each(&target->vcpus, tid, vcpu) {
		if (shown++ == DIRTYTHROTTLE_VCPUS_SHOWN)
			break;
		if (put_vcpu(skb, vcpu))
			return -EMSGSIZE;
	}
	return 0;
}

static int put_target(struct sk_buff *skb, struct dt_target *target)
{
	lockdep_assert_held(&target->op);
	if (nla_put_u32(skb, DT_A_PID, pid_nr(target->pid)) ||
	    nla_put_u32(skb, DT_A_STATE, target->state) ||
	    (target->reason && nla_put_string(skb, DT_A_REASON, target->reason)) ||
	    nla_put_u32(skb, DT_A_SOURCE, dt_no_marks ? DT_SOURCE_FAULTS : DT_SOURCE_LOG) ||
	    (dt_no_marks && nla_put_string(skb, DT_A_NO_LOG, dt_no_marks)) ||
	    nla_put_u64_64bit(skb, DT_A_EFFECTIVE_LIMIT, target->effective_limit, DT_A_PAD))
		return -EMSGSIZE;
	return put_settings(skb, &target->settings) ?: put_counters(skb, target) ?:
	       put_vcpus(skb, target);
}

static int put_message(struct sk_buff *skb, struct dt_target *target, u32 portid, u32 seq,
		       int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &dt_genl_family, flags, DT_CMD_GET);
	int err;

	if (!header)
		return -EMSGSIZE;
	mutex_lock(&target->op);
	err = put_target(skb, target);
	mutex_unlock(&target->op);
	if (err)
		genlmsg_cancel(skb, header);
	else
		genlmsg_end(skb, header);
	return err;
}

static struct dt_target *get_named(struct genl_info *info)
{
	if (info->attrs[DT_A_PID])
		return dt_target_get(nla_get_u32(info->attrs[DT_A_PID]), info->extack);
	dt_say(info->extack, "the process id is missing");
	return ERR_PTR(-EINVAL);
}

static int get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct dt_target *target = get_named(info);
	struct sk_buff *reply;
	int err = -ENOMEM;

	if (IS_ERR(target))
		return PTR_ERR(target);
	reply = genlmsg_new(DT_REPLY_SIZE, GFP_KERNEL);
	if (reply)
		err = put_message(reply, target, info->snd_portid, info->snd_seq, 0);
	dt_target_put(target);
	if (!err)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return err;
}

/* A target may be longer than a message is by default. */
static int get_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = DT_REPLY_SIZE;
	return 0;
}

/**
 * struct dump - where a dump is
 * @skb: its message
 * @cb: its request; args[0] targets are done
 * @seen: in this pass
 */
struct dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	long seen;
};

static int dump_one(struct dt_target *target, void *data)
{
	struct dump *dump = data;
	int err;

	if (dump->seen++ < dump->cb->args[0])
		return 0;
	err = put_message(dump->skb, target, NETLINK_CB(dump->cb->skb).portid,
			  dump->cb->nlh->nlmsg_seq, NLM_F_MULTI);
	if (!err)
		dump->cb->args[0] = dump->seen;
	return err;
}

static int get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump dump = { .skb = skb, .cb = cb };
	int err = dt_target_for_each(dump_one, &dump);

	return skb->len ?: err;
}

/**
 * dt_may_change() - may the sender change anything?
 * @skb: request
 * @info: request
 *
 * GENL_ADMIN_PERM has checked CAP_NET_ADMIN; whose guests run how fast is the
 * host administrator's business as well.
 *
 * Return: 0 or -EPERM.
 */
int dt_may_change(struct sk_buff *skb, struct genl_info *info)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	dt_say(info->extack, "CAP_SYS_ADMIN is needed; run as root");
	return -EPERM;
}

/* Changes @settings by what the request has. */
static void parse_settings(struct dt_settings *settings, struct nlattr **attrs)
{
	if (attrs[DT_A_MODE])
		settings->mode = nla_get_u32(attrs[DT_A_MODE]);
	if (attrs[DT_A_LIMIT])
		settings->limit = nla_get_u64(attrs[DT_A_LIMIT]);
	if (attrs[DT_A_DELAY_US])
		settings->delay_us = nla_get_u32(attrs[DT_A_DELAY_US]);
	if (attrs[DT_A_SHARE])
		settings->share = nla_get_u32(attrs[DT_A_SHARE]);
	if (attrs[DT_A_TRANSFER_RATE])
		settings->transfer_rate = nla_get_u64(attrs[DT_A_TRANSFER_RATE]);
	if (attrs[DT_A_TIMEOUT_MS])
		settings->timeout_ms = nla_get_u32(attrs[DT_A_TIMEOUT_MS]);
}

static int attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct dt_settings settings;
	int err = dt_may_change(skb, info);

	if (err)
		return err;
	if (!info->attrs[DT_A_PID]) {
		dt_say(info->extack, "the process id is missing");
		return -EINVAL;
	}
	dt_settings_init(&settings);
	parse_settings(&settings, info->attrs);
	return dt_settings_check(&settings, info->extack) ?:
	       dt_target_attach(nla_get_u32(info->attrs[DT_A_PID]), &settings, info->extack);
}

static int set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct dt_settings settings;
	struct dt_target *target;
	int err = dt_may_change(skb, info);

	if (err)
		return err;
	target = get_named(info);
	if (IS_ERR(target))
		return PTR_ERR(target);
	mutex_lock(&target->op);
	settings = target->settings;
	parse_settings(&settings, info->attrs);
	err = dt_target_set(target, &settings, info->extack);
	mutex_unlock(&target->op);
	dt_target_put(target);
	return err;
}

static int detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = dt_may_change(skb, info);

	if (err)
		return err;
	if (info->attrs[DT_A_PID])
		return dt_target_detach(nla_get_u32(info->attrs[DT_A_PID]), info->extack);
	dt_say(info->extack, "the process id is missing");
	return -EINVAL;
}

static const struct genl_ops dt_ops[] = {
	{ .cmd = DT_CMD_GET, .doit = get_doit, .start = get_start, .dumpit = get_dumpit },
	{ .cmd = DT_CMD_ATTACH, .doit = attach_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = DT_CMD_SET, .doit = set_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = DT_CMD_DETACH, .doit = detach_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = DT_CMD_MSI_GET, .doit = dt_msi_get_doit, .start = get_start,
	  .dumpit = dt_msi_get_dumpit, .policy = dt_msi_policy, .maxattr = DT_A_MAX },
	{ .cmd = DT_CMD_MSI_SET, .doit = dt_msi_set_doit, .flags = GENL_ADMIN_PERM,
	  .policy = dt_msi_policy, .maxattr = DT_A_MAX },
	{ .cmd = DT_CMD_MSI_OFF, .doit = dt_msi_off_doit, .flags = GENL_ADMIN_PERM,
	  .policy = dt_msi_policy, .maxattr = DT_A_MAX },
};

static const struct genl_multicast_group dt_mcast_groups[] = {
	{ .name = DT_MCGRP_EVENTS },
};

struct genl_family dt_genl_family = {
	.name		= DT_FAMILY_NAME,
	.version	= DT_FAMILY_VERSION,
	.maxattr	= DT_A_MAX,
	.policy		= dt_policy,
	.module		= THIS_MODULE,
	/* Detaching waits for vCPUs and must not hold up other families. */
	.parallel_ops	= true,
	.ops		= dt_ops,
	.n_ops		= ARRAY_SIZE(dt_ops),
	.resv_start_op	= DT_CMD_UNSPEC,
	.mcgrps		= dt_mcast_groups,
	.n_mcgrps	= ARRAY_SIZE(dt_mcast_groups),
};

/**
 * dt_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int dt_netlink_init(void)
{
	return genl_register_family(&dt_genl_family);
}

/**
 * dt_netlink_exit() - withdraw it; no operation runs, and no event is sent, on return
 */
void dt_netlink_exit(void)
{
	dt_event_exit();
	genl_unregister_family(&dt_genl_family);
}
