// SPDX-License-Identifier: GPL-2.0
/* The operations of the netlink family that are about devices. */
#include <linux/math64.h>
#include <linux/pci.h>
#include <net/genetlink.h>
#include "dirtythrottle.h"
#include "msi.h"

#define ADDRESS_MAX	31

/* Attributes of requests; what only replies carry is refused. */
const struct nla_policy dt_msi_policy[DT_A_MAX + 1] = {
	[DT_A_ADDRESS]		= { .type = NLA_NUL_STRING, .len = ADDRESS_MAX },
	[DT_A_DELAY_US]		= { .type = NLA_U32 },
	[DT_A_RATE]		= { .type = NLA_U32 },
	[DT_A_TIMEOUT_MS]	= { .type = NLA_U32 },
	[DT_A_FORCE]		= NLA_POLICY_MAX(NLA_U32, 1),
};

static int put_vector(struct sk_buff *skb, const struct dt_vector *vector)
{
	struct nlattr *nest = nla_nest_start(skb, DT_A_VECTOR);
	struct dt_msi_counters counters = {};

	dt_vector_read(vector, &counters);
	if (!nest ||
	    nla_put_u32(skb, DT_A_VECTOR_INDEX, vector->index) ||
	    nla_put_u32(skb, DT_A_VECTOR_IRQ, vector->irq) ||
	    nla_put_u64_64bit(skb, DT_A_VECTOR_INTERRUPTS, counters.interrupts,
			      DT_A_VECTOR_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_VECTOR_DELAYED, counters.delayed, DT_A_VECTOR_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_VECTOR_MERGED, counters.merged, DT_A_VECTOR_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_VECTOR_DELAYED_US,
			      div_u64(counters.delay_ns, NSEC_PER_USEC), DT_A_VECTOR_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_vectors(struct sk_buff *skb, const struct dt_device *device)
{
	const struct dt_vector *vector;
	unsigned int shown = 0;

	list_for_each_entry(vector, &device->vectors, node) {
		if (shown++ == DIRTYTHROTTLE_VECTORS_SHOWN)
			break;
		if (put_vector(skb, vector))
			return -EMSGSIZE;
	}
	return 0;
}

static int put_counters(struct sk_buff *skb, const struct dt_device *device)
{
	struct dt_msi_counters sum;

	dt_device_sum(device, &sum);
	if (nla_put_u64_64bit(skb, DT_A_INTERRUPTS, sum.interrupts, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_DELAYED, sum.delayed, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_MERGED, sum.merged, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_DELAYED_US, div_u64(sum.delay_ns, NSEC_PER_USEC),
			      DT_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int fill_device(struct sk_buff *skb, const struct dt_device *device)
{
	if (nla_put_string(skb, DT_A_ADDRESS, pci_name(device->pdev)) ||
	    nla_put_u32(skb, DT_A_STATE, device->state) ||
	    (device->reason && nla_put_string(skb, DT_A_REASON, device->reason)) ||
	    nla_put_u32(skb, DT_A_DELAY_US, device->settings.delay_us) ||
	    nla_put_u32(skb, DT_A_RATE, device->settings.rate) ||
	    nla_put_u32(skb, DT_A_TIMEOUT_MS, device->settings.timeout_ms) ||
	    nla_put_u32(skb, DT_A_FORCE, device->settings.force) ||
	    nla_put_u32(skb, DT_A_REFUSED, device->nr_refused))
		return -EMSGSIZE;
	return put_counters(skb, device) ?: put_vectors(skb, device);
}

static int put_message(struct sk_buff *skb, const struct dt_device *device, u32 portid, u32 seq,
		       int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &dt_genl_family, flags, DT_CMD_MSI_GET);
	int err;

	if (!header)
		return -EMSGSIZE;
	err = fill_device(skb, device);
	if (err)
		genlmsg_cancel(skb, header);
	else
		genlmsg_end(skb, header);
	return err;
}

/* The address, or NULL, which was said. */
static const char *find_address(struct genl_info *info)
{
	if (info->attrs[DT_A_ADDRESS])
		return nla_data(info->attrs[DT_A_ADDRESS]);
	dt_say(info->extack, "the address of the device is missing");
	return NULL;
}

/**
 * struct reply - an answer about one device
 * @skb: answer
 * @info: request
 */
struct reply {
	struct sk_buff *skb;
	struct genl_info *info;
};

static int get_one(struct dt_device *device, void *data)
{
	struct reply *reply = data;

	return put_message(reply->skb, device, reply->info->snd_portid, reply->info->snd_seq, 0);
}

/**
 * dt_msi_get_doit() - DT_CMD_MSI_GET of one device
 * @skb: request
 * @info: request
 *
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM.
 */
int dt_msi_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct reply reply = { .info = info };
	const char *address = find_address(info);
	int err;

	if (!address)
		return -EINVAL;
	reply.skb = genlmsg_new(DT_REPLY_SIZE, GFP_KERNEL);
	if (!reply.skb)
		return -ENOMEM;
	err = dt_device_visit(address, get_one, &reply);
	if (!err)
		return genlmsg_reply(reply.skb, info);
	if (err == -ENOENT)
		dt_say(info->extack, "its interrupts are not throttled");
	nlmsg_free(reply.skb);
	return err;
}

/**
 * struct msi_dump - where a dump is
 * @skb: its message
 * @cb: its request; args[0] devices are done
 * @seen: in this pass
 */
struct msi_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	long seen;
};

static int dump_one(struct dt_device *device, void *data)
{
	struct msi_dump *dump = data;
	int err;

	if (dump->seen++ < dump->cb->args[0])
		return 0;
	err = put_message(dump->skb, device, NETLINK_CB(dump->cb->skb).portid,
			  dump->cb->nlh->nlmsg_seq, NLM_F_MULTI);
	if (!err)
		dump->cb->args[0] = dump->seen;
	return err;
}

/**
 * dt_msi_get_dumpit() - DT_CMD_MSI_GET of all devices
 * @skb: message to be filled
 * @cb: request
 *
 * Return: length, 0 at the end, or a negative errno.
 */
int dt_msi_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct msi_dump dump = { .skb = skb, .cb = cb };
	int err = dt_device_visit(NULL, dump_one, &dump);

	return skb->len ?: err;
}

/* A delay ends a rate, and the reverse, unless the request has both. */
static void change(struct dt_msi_settings *settings, const void *data)
{
	struct nlattr *const *attrs = data;

	if (attrs[DT_A_DELAY_US] || attrs[DT_A_RATE]) {
		settings->delay_us = 0;
		settings->rate = 0;
	}
	if (attrs[DT_A_DELAY_US])
		settings->delay_us = nla_get_u32(attrs[DT_A_DELAY_US]);
	if (attrs[DT_A_RATE])
		settings->rate = nla_get_u32(attrs[DT_A_RATE]);
	if (attrs[DT_A_TIMEOUT_MS])
		settings->timeout_ms = nla_get_u32(attrs[DT_A_TIMEOUT_MS]);
	if (attrs[DT_A_FORCE])
		settings->force = nla_get_u32(attrs[DT_A_FORCE]);
}

/**
 * dt_msi_set_doit() - DT_CMD_MSI_SET
 * @skb: request
 * @info: request
 *
 * Return: 0 or a negative errno; see dt_device_set().
 */
int dt_msi_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *address;
	int err = dt_may_change(skb, info);

	if (err)
		return err;
	address = find_address(info);
	return address ? dt_device_set(address, change, info->attrs, info->extack) : -EINVAL;
}

/**
 * dt_msi_off_doit() - DT_CMD_MSI_OFF
 * @skb: request
 * @info: request
 *
 * Return: 0, -EINVAL, -ENOENT, -EPERM.
 */
int dt_msi_off_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *address;
	int err = dt_may_change(skb, info);

	if (err)
		return err;
	address = find_address(info);
	return address ? dt_device_off(address, info->extack) : -EINVAL;
}
