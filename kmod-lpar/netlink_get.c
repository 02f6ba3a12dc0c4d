// SPDX-License-Identifier: GPL-2.0
/* Generic netlink family "lpar": what there is to know of LPARs. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include "lpar.h"
#include "netlink.h"

static int put_members(struct sk_buff *skb, struct lpar *lpar)
{
	const unsigned int max = LPAR_MEMBERS_SHOWN;
	pid_t *pids = kmalloc_array(max, sizeof(*pids), GFP_KERNEL);
	unsigned int total, n, i;
	int err;

	if (!pids)
		return -ENOMEM;
	n = lpar_member_list(lpar, pids, max, &total);
	err = nla_put_u32(skb, LPAR_A_MEMBERS, total);
	for (i = 0; i < n && !err; i++)
		err = nla_put_u32(skb, LPAR_A_MEMBER, pids[i]);
	kfree(pids);
	return err;
}

/* A list as long as the policy allows may not fit the stack. */
static int put_cpus(struct sk_buff *skb, const struct cpumask *cpus)
{
	char *list = kasprintf(GFP_KERNEL, "%*pbl", cpumask_pr_args(cpus));
	int err;

	if (!list)
		return -ENOMEM;
	err = nla_put_string(skb, LPAR_A_CPUS, list);
	kfree(list);
	return err;
}

static int put_disk(struct sk_buff *skb, const struct lpar_disk *disk)
{
	struct nlattr *nest = nla_nest_start(skb, LPAR_A_DISK);

	if (!nest || nla_put_string(skb, LPAR_A_DISK_PATH, disk->path) ||
	    nla_put_u32(skb, LPAR_A_DISK_MAJOR, MAJOR(disk->dev)) ||
	    nla_put_u32(skb, LPAR_A_DISK_MINOR, MINOR(disk->dev)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_config(struct sk_buff *skb, const struct lpar_config *config)
{
	const struct lpar_disk *disk;

	if (put_cpus(skb, &config->cpus) ||
	    nla_put_u64_64bit(skb, LPAR_A_MEMORY, config->memory_bytes, LPAR_A_PAD) ||
	    nla_put_s32(skb, LPAR_A_NODE, config->node) ||
	    nla_put_u32(skb, LPAR_A_PAGES, config->pages) ||
	    nla_put_u32(skb, LPAR_A_OWNER_UID, from_kuid(&init_user_ns, config->uid)) ||
	    nla_put_u32(skb, LPAR_A_OWNER_GID, from_kgid(&init_user_ns, config->gid)) ||
	    nla_put_u32(skb, LPAR_A_GATE_TIMEOUT_MS, config->gate_timeout_ms))
		return -EMSGSIZE;
	list_for_each_entry(disk, &config->disks, node)
		if (put_disk(skb, disk))
			return -EMSGSIZE;
	return 0;
}

static int put_gate(struct sk_buff *skb, struct lpar_gate *gate)
{
	if (nla_put_u32(skb, LPAR_A_GATE, lpar_gate_state(gate)) ||
	    nla_put_u32(skb, LPAR_A_GATE_VCPUS, READ_ONCE(gate->nr_vcpus)) ||
	    nla_put_u32(skb, LPAR_A_GATE_HELD, READ_ONCE(gate->nr_held)) ||
	    nla_put_u64_64bit(skb, LPAR_A_GATE_STOP_NS, lpar_gate_stop_ns(gate), LPAR_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_grants(struct sk_buff *skb, struct lpar_memory *memory)
{
	pid_t pids[LPAR_GRANTS_MAX];
	unsigned int n = lpar_grants_list(lpar_memory_grants(memory), pids), i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = nla_put_u32(skb, LPAR_A_GRANT, pids[i]);
	return err;
}

static int put_memory(struct sk_buff *skb, struct lpar_memory *memory)
{
	pid_t holder;

	if (!memory)
		return 0;
	if (put_grants(skb, memory))
		return -EMSGSIZE;
	holder = lpar_memory_holder(memory);
	if (holder && nla_put_u32(skb, LPAR_A_HOLDER, holder))
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, LPAR_A_MEMORY_SMALL, lpar_memory_small(memory), LPAR_A_PAD))
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, LPAR_A_MEMORY_BAD, lpar_memory_bad(memory), LPAR_A_PAD))
		return -EMSGSIZE;
	return nla_put_u64_64bit(skb, LPAR_A_MEMORY_LEFT, lpar_memory_left(memory), LPAR_A_PAD);
}

static int put_pin(void *data, u32 vcpu, pid_t pid, unsigned int cpu)
{
	struct sk_buff *skb = data;
	struct nlattr *nest = nla_nest_start(skb, LPAR_A_PIN);

	if (!nest || nla_put_u32(skb, LPAR_A_PIN_VCPU, vcpu) ||
	    nla_put_u32(skb, LPAR_A_PIN_PID, pid) || nla_put_u32(skb, LPAR_A_PIN_CPU, cpu))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * lpar_netlink_put_stage() - a stage as a nested attribute
 * @skb: message
 * @stage: stage
 *
 * Return: 0 or -EMSGSIZE.
 */
int lpar_netlink_put_stage(struct sk_buff *skb, const struct lpar_stage *stage)
{
	struct nlattr *nest = nla_nest_start(skb, LPAR_A_STAGE);

	if (!nest ||
	    nla_put_u32(skb, LPAR_A_STAGE_NUMBER, stage->number) ||
	    nla_put_string(skb, LPAR_A_STAGE_TEXT, stage->text) ||
	    nla_put_u32(skb, LPAR_A_STAGE_PROGRESS, stage->progress) ||
	    nla_put_u64_64bit(skb, LPAR_A_STAGE_TRANSFER_RATE, stage->transfer_rate,
			      LPAR_A_STAGE_PAD) ||
	    nla_put_u64_64bit(skb, LPAR_A_STAGE_DIRTY_BYTES, stage->dirty_bytes,
			      LPAR_A_STAGE_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* All that there is to know of an LPAR; under lpar_mutex. */
static int put_lpar(struct sk_buff *skb, struct lpar *lpar)
{
	lockdep_assert_held(&lpar_mutex);
	if (nla_put_string(skb, LPAR_A_NAME, lpar->name) ||
	    nla_put_u32(skb, LPAR_A_STATE, lpar->state) ||
	    (*lpar->reason && nla_put_string(skb, LPAR_A_REASON, lpar->reason)) ||
	    nla_put_u64_64bit(skb, LPAR_A_VIOLATIONS, atomic64_read(&lpar->violations),
			      LPAR_A_PAD) ||
	    nla_put_u64_64bit(skb, LPAR_A_STRAYS, atomic64_read(&lpar->strays), LPAR_A_PAD))
		return -EMSGSIZE;
	if (put_config(skb, &lpar->config) || put_memory(skb, lpar->memory) ||
	    put_gate(skb, &lpar->gate) || put_members(skb, lpar))
		return -EMSGSIZE;
	return lpar_netlink_put_stage(skb, &lpar->stage) ?:
	       lpar_pin_visit_all(lpar, put_pin, skb);
}

static int put_message(struct sk_buff *skb, struct lpar *lpar, u32 portid, u32 seq, int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &lpar_genl_family, flags, LPAR_CMD_GET);

	if (!header)
		return -EMSGSIZE;
	if (put_lpar(skb, lpar)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/**
 * lpar_get_doit() - LPAR_CMD_GET
 * @skb: request
 * @info: its attributes
 *
 * At once: anybody may ask, and must not have more of the kernel's memory for it than one
 * reply.
 *
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM, -EMSGSIZE.
 */
int lpar_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply;
	struct lpar *lpar;
	int err;

	if (!info->attrs[LPAR_A_NAME]) {
		NL_SET_ERR_MSG(info->extack, "the name of the LPAR is missing");
		return -EINVAL;
	}
	lpar = lpar_get(nla_data(info->attrs[LPAR_A_NAME]));
	if (!lpar) {
		NL_SET_ERR_MSG(info->extack, "no LPAR has this name; create it first");
		return -ENOENT;
	}
	reply = genlmsg_new(LPAR_REPLY_SIZE, GFP_KERNEL);
	if (!reply) {
		lpar_put(lpar);
		return -ENOMEM;
	}
	mutex_lock(&lpar_mutex);
	err = put_message(reply, lpar, info->snd_portid, info->snd_seq, 0);
	mutex_unlock(&lpar_mutex);
	lpar_put(lpar);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

/**
 * lpar_netlink_dump_start() - before a dump
 * @cb: dump
 *
 * One LPAR may be longer than a message is by default. A reader needs a buffer of
 * LPAR_REPLY_SIZE bytes, as it does for single replies.
 *
 * Return: 0.
 */
int lpar_netlink_dump_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = LPAR_REPLY_SIZE;
	return 0;
}

/**
 * lpar_get_dumpit() - LPAR_CMD_GET, of all
 * @skb: reply
 * @cb: how far it got
 *
 * Those that come and go between two messages make it neither lose nor repeat others.
 *
 * Return: length of @skb, or -EMSGSIZE.
 */
int lpar_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	u64 *told = (u64 *)cb->ctx;	/* serial of the last one */
	struct lpar *lpar;
	int err = 0;

	mutex_lock(&lpar_mutex);
	list_for_each_entry(lpar, &lpar_list, list) {
		if (lpar->serial <= *told)
			continue;
		err = put_message(skb, lpar, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  NLM_F_MULTI);
		if (err)
			break;
		*told = lpar->serial;
	}
	mutex_unlock(&lpar_mutex);
	return skb->len ?: err;
}
