// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "fcnpiv". The specification is
 * Documentation/netlink/specs/fcnpiv.yaml.
 */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include "fcnpiv.h"

/* Not const, as 6.1 wants it. */
static struct netlink_range_validation deadline_range = {
	.min = FCNPIV_DEADLINE_MIN_MS,
	.max = FCNPIV_DEADLINE_MAX_MS,
};

/* What the kernel says of a LUN may be sent back as it is. */
static const struct nla_policy fcn_lun_policy[FCN_A_LUN_MAX + 1] = {
	[FCN_A_LUN_ID]		= { .type = NLA_NUL_STRING, .len = FCNPIV_LUN_ID_MAX },
	[FCN_A_LUN_SECTORS]	= { .type = NLA_U64 },
	[FCN_A_LUN_BLOCK_SIZE]	= { .type = NLA_U32 },
	[FCN_A_LUN_NUMBER]	= { .type = NLA_U64 },
	[FCN_A_LUN_DISK]	= { .type = NLA_NUL_STRING, .len = FCN_DISK_NAME_MAX },
};

/* Attributes of requests; what only replies carry is refused. */
static const struct nla_policy fcn_policy[FCN_A_MAX + 1] = {
	[FCN_A_LPAR]		= { .type = NLA_NUL_STRING, .len = FCNPIV_LPAR_MAX },
	[FCN_A_WWNN]		= { .type = NLA_U64 },
	[FCN_A_WWPN_ORIGINAL]	= { .type = NLA_U64 },
	[FCN_A_WWPN_MAINTENANCE] = { .type = NLA_U64 },
	[FCN_A_PARENT]		= { .type = NLA_U64 },
	[FCN_A_OPERATION]	= NLA_POLICY_RANGE(NLA_U32, FCN_OPERATION_LOGIN,
						   FCN_OPERATION_DESTINATION),
	[FCN_A_PORT]		= NLA_POLICY_MAX(NLA_U32, FCN_PORT_MAINTENANCE),
	[FCN_A_AWAY]		= NLA_POLICY_MAX(NLA_U32, 1),
	[FCN_A_LOGIN_MS]	= NLA_POLICY_FULL_RANGE(NLA_U32, &deadline_range),
	[FCN_A_STORAGE_MS]	= NLA_POLICY_FULL_RANGE(NLA_U32, &deadline_range),
	[FCN_A_MOVE_MS]		= NLA_POLICY_FULL_RANGE(NLA_U32, &deadline_range),
	[FCN_A_LOGOUT_MS]	= NLA_POLICY_FULL_RANGE(NLA_U32, &deadline_range),
	[FCN_A_GRACE_MS]	= NLA_POLICY_FULL_RANGE(NLA_U32, &deadline_range),
	[FCN_A_LUN]		= NLA_POLICY_NESTED(fcn_lun_policy),
	[FCN_A_TOKEN]		= NLA_POLICY_EXACT_LEN(FCNPIV_TOKEN_SIZE),
	[FCN_A_RECEIPT]		= NLA_POLICY_EXACT_LEN(FCNPIV_TOKEN_SIZE),
	[FCN_A_FORCE]		= NLA_POLICY_MAX(NLA_U32, 1),
	[FCN_A_CONFIRM]		= NLA_POLICY_MAX(NLA_U32, FCN_CONFIRM_RETURNED),
	[FCN_A_USED]		= NLA_POLICY_EXACT_LEN(FCNPIV_TOKEN_SIZE),
};

static const enum fcn_attr deadline_attrs[FCN_DEADLINES] = {
	[FCN_DEADLINE_LOGIN] = FCN_A_LOGIN_MS,
	[FCN_DEADLINE_STORAGE] = FCN_A_STORAGE_MS,
	[FCN_DEADLINE_MOVE] = FCN_A_MOVE_MS,
	[FCN_DEADLINE_LOGOUT] = FCN_A_LOGOUT_MS,
	[FCN_DEADLINE_GRACE] = FCN_A_GRACE_MS,
};

/**
 * fcn_netlink_put_progress() - where an operation is
 * @skb: message
 * @machine: of an identity whose op is held
 *
 * Return: 0 or -EMSGSIZE.
 */
int fcn_netlink_put_progress(struct sk_buff *skb, const struct fcn_machine *machine)
{
	const char *reason = fcn_machine_reason(machine);

	if (nla_put_u32(skb, FCN_A_OPERATION, machine->operation) ||
	    nla_put_u32(skb, FCN_A_STEP, machine->step) ||
	    nla_put_u32(skb, FCN_A_STATE, machine->state) ||
	    nla_put_u32(skb, FCN_A_RESULT, machine->result) ||
	    nla_put_u32(skb, FCN_A_GOES_BACK, machine->goes_back) ||
	    (*reason && nla_put_string(skb, FCN_A_REASON, reason)))
		return -EMSGSIZE;
	return 0;
}

static int put_names(struct sk_buff *skb, const struct fcn_names *names)
{
	if (nla_put_u64_64bit(skb, FCN_A_WWNN, names->node, FCN_A_PAD) ||
	    nla_put_u64_64bit(skb, FCN_A_WWPN_ORIGINAL, names->port[FCN_PORT_ORIGINAL],
			      FCN_A_PAD) ||
	    nla_put_u64_64bit(skb, FCN_A_WWPN_MAINTENANCE, names->port[FCN_PORT_MAINTENANCE],
			      FCN_A_PAD) ||
	    nla_put_u64_64bit(skb, FCN_A_PARENT, names->parent, FCN_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_deadlines(struct sk_buff *skb, const struct fcn_machine *machine)
{
	u64 now = fcn_now_ms();
	unsigned int i;

	for (i = 0; i < FCN_DEADLINES; i++)
		if (nla_put_u32(skb, deadline_attrs[i], machine->deadline_ms[i]))
			return -EMSGSIZE;
	if (!machine->deadline || fcn_machine_is_idle(machine))
		return 0;
	return nla_put_u64_64bit(skb, FCN_A_REMAINING_MS,
				 machine->deadline > now ? machine->deadline - now : 0, FCN_A_PAD);
}

static int put_lun(struct sk_buff *skb, int type, const struct fcn_lun *lun)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest ||
	    nla_put_string(skb, FCN_A_LUN_ID, lun->id) ||
	    nla_put_u64_64bit(skb, FCN_A_LUN_SECTORS, lun->sectors, FCN_A_LUN_PAD) ||
	    nla_put_u32(skb, FCN_A_LUN_BLOCK_SIZE, lun->block_size))
		return -EMSGSIZE;
	/* Where it is, if it is seen and not only expected. */
	if (lun->disk[0] &&
	    (nla_put_u64_64bit(skb, FCN_A_LUN_NUMBER, lun->number, FCN_A_LUN_PAD) ||
	     nla_put_string(skb, FCN_A_LUN_DISK, lun->disk)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_luns(struct sk_buff *skb, int type, const struct fcn_luns *luns)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < luns->count && !err; i++)
		err = put_lun(skb, type, &luns->lun[i]);
	return err;
}

static int put_view(struct sk_buff *skb, const struct fcn_identity *identity, enum fcn_port port,
		    bool whole)
{
	const struct fcn_port_view *view = &identity->view.port[port];
	struct nlattr *nest = nla_nest_start(skb, FCN_A_VIEW);

	if (!nest ||
	    nla_put_u32(skb, FCN_A_VIEW_PORT, port) ||
	    nla_put_u32(skb, FCN_A_VIEW_STATE, view->state) ||
	    (view->host >= 0 && nla_put_u32(skb, FCN_A_VIEW_HOST, view->host)) ||
	    nla_put_u32(skb, FCN_A_VIEW_TARGETS, view->targets) ||
	    nla_put_u32(skb, FCN_A_VIEW_BUSY, view->busy) ||
	    nla_put_u32(skb, FCN_A_VIEW_MATCHES, view->matches) ||
	    nla_put_u32(skb, FCN_A_VIEW_HELD, view->held) ||
	    (whole && put_luns(skb, FCN_A_VIEW_LUN, &identity->seen[port])))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_tokens(struct sk_buff *skb, const struct fcn_identity *identity)
{
	const struct fcn_used *used = &identity->used;
	struct fcn_token receipt;

	if (nla_put(skb, FCN_A_USED, sizeof(used->token), &used->token) ||
	    nla_put_u32(skb, FCN_A_HAS_COME, used->has_come))
		return -EMSGSIZE;
	if (identity->machine.has_token &&
	    nla_put(skb, FCN_A_TOKEN, sizeof(identity->token), &identity->token))
		return -EMSGSIZE;
	if (!identity->has_receipt)
		return 0;
	fcn_token_receipt(&identity->token, &receipt);
	return nla_put(skb, FCN_A_RECEIPT, sizeof(receipt), &receipt);
}

/**
 * struct extent - how much of an identity is told
 * @luns: also the LUNs that are expected and seen
 * @tokens: also tokens, which are for those who may use them
 */
struct extent {
	bool luns;
	bool tokens;
};

static int put_identity(struct sk_buff *skb, struct fcn_identity *identity, struct extent extent)
{
	const struct fcn_machine *machine = &identity->machine;

	lockdep_assert_held(&identity->op);
	fcn_identity_look(identity);
	if (nla_put_string(skb, FCN_A_LPAR, identity->lpar) ||
	    put_names(skb, &identity->names) ||
	    nla_put_u32(skb, FCN_A_PORT, machine->port) ||
	    fcn_netlink_put_progress(skb, machine) ||
	    put_deadlines(skb, machine) ||
	    nla_put_u32(skb, FCN_A_AWAY, machine->is_away) ||
	    nla_put_u32(skb, FCN_A_GONE_BY, machine->gone_by) ||
	    put_view(skb, identity, FCN_PORT_ORIGINAL, extent.luns) ||
	    put_view(skb, identity, FCN_PORT_MAINTENANCE, extent.luns) ||
	    (extent.luns && put_luns(skb, FCN_A_LUN, &identity->expected)) ||
	    (extent.tokens && put_tokens(skb, identity)))
		return -EMSGSIZE;
	return 0;
}

static int put_message(struct sk_buff *skb, struct fcn_identity *identity, u32 portid, u32 seq,
		       int flags, struct extent extent)
{
	void *header = genlmsg_put(skb, portid, seq, &fcn_genl_family, flags, FCN_CMD_GET);
	int err;

	if (!header)
		return -EMSGSIZE;
	mutex_lock(&identity->op);
	err = put_identity(skb, identity, extent);
	mutex_unlock(&identity->op);
	if (err)
		genlmsg_cancel(skb, header);
	else
		genlmsg_end(skb, header);
	return err;
}

static int require_name(struct genl_info *info)
{
	if (info->attrs[FCN_A_LPAR])
		return 0;
	NL_SET_ERR_MSG(info->extack, "the name of an LPAR is missing");
	return -EINVAL;
}

static struct fcn_identity *get_named(struct genl_info *info)
{
	int err = require_name(info);

	if (err)
		return ERR_PTR(err);
	return fcn_identity_get(nla_data(info->attrs[FCN_A_LPAR]), info->extack);
}

static int get_doit(struct sk_buff *skb, struct genl_info *info)
{
	bool may_change = netlink_capable(skb, CAP_SYS_ADMIN);
	const struct extent extent = { .luns = may_change, .tokens = may_change };
	struct fcn_identity *identity = get_named(info);
	struct sk_buff *reply;
	int err = -ENOMEM;

	if (IS_ERR(identity))
		return PTR_ERR(identity);
	reply = genlmsg_new(may_change ? FCN_REPLY_SIZE : NLMSG_GOODSIZE, GFP_KERNEL);
	if (reply)
		err = put_message(reply, identity, info->snd_portid, info->snd_seq, 0, extent);
	fcn_identity_put(identity);
	if (!err)
		return genlmsg_reply(reply, info);
	nlmsg_free(reply);
	return err;
}

static int get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	const struct extent extent = { .tokens = netlink_capable(cb->skb, CAP_SYS_ADMIN) };
	struct fcn_identity *identity;
	long i = 0;
	int err = 0;

	mutex_lock(&fcn_mutex);
	list_for_each_entry(identity, &fcn_list, list) {
		if (i++ < cb->args[0])
			continue;
		err = put_message(skb, identity, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  NLM_F_MULTI, extent);
		if (err)
			break;
		cb->args[0] = i;
	}
	mutex_unlock(&fcn_mutex);
	return skb->len ?: err;
}

/*
 * GENL_ADMIN_PERM has checked CAP_NET_ADMIN; whose disks are where is the host
 * administrator's business as well.
 */
static int may_change(struct sk_buff *skb, struct genl_info *info)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(info->extack, "CAP_SYS_ADMIN is needed; run as root");
	return -EPERM;
}

static struct fcn_identity *get_to_change(struct sk_buff *skb, struct genl_info *info)
{
	int err = may_change(skb, info);

	return err ? ERR_PTR(err) : get_named(info);
}

static int parse_lun(struct fcn_luns *luns, const struct nlattr *attr, struct genl_info *info)
{
	struct nlattr *attrs[FCN_A_LUN_MAX + 1];
	struct fcn_lun *lun;
	int err = nla_parse_nested(attrs, FCN_A_LUN_MAX, attr, fcn_lun_policy, info->extack);

	if (err)
		return err;
	if (!attrs[FCN_A_LUN_ID] || !attrs[FCN_A_LUN_SECTORS] || !attrs[FCN_A_LUN_BLOCK_SIZE])
		return fcn_refuse(info->extack, -EINVAL,
				  "a LUN needs its name, its size and its block size");
	lun = fcn_luns_add(luns);
	if (!lun)
		return fcn_refuse(info->extack, -E2BIG, "an LPAR has %d LUNs at most",
				  FCNPIV_PATHS_MAX);
	nla_strscpy(lun->id, attrs[FCN_A_LUN_ID], sizeof(lun->id));
	lun->sectors = nla_get_u64(attrs[FCN_A_LUN_SECTORS]);
	lun->block_size = nla_get_u32(attrs[FCN_A_LUN_BLOCK_SIZE]);
	if (lun->id[0] && lun->sectors)
		return 0;
	return fcn_refuse(info->extack, -EINVAL, "a LUN's name and size must not be empty");
}

/* The LUNs of a request; none if it has none. */
static int parse_luns(struct fcn_luns *luns, struct genl_info *info)
{
	const struct nlattr *attr;
	int rest, err = fcn_luns_init(luns);

	if (err)
		return err;
	nla_for_each_attr(attr, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr), rest) {
		if (nla_type(attr) != FCN_A_LUN)
			continue;
		err = parse_lun(luns, attr, info);
		if (err)
			break;
	}
	if (err)
		fcn_luns_free(luns);
	return err;
}

static const struct fcn_luns *if_any(const struct fcn_luns *luns)
{
	return luns->count ? luns : NULL;
}

static void parse_deadlines(u32 *deadline_ms, struct nlattr **attrs)
{
	unsigned int i;

	for (i = 0; i < FCN_DEADLINES; i++) {
		const struct nlattr *attr = attrs[deadline_attrs[i]];

		deadline_ms[i] = attr ? nla_get_u32(attr) : 0;
	}
}

static u64 get_wwn(struct nlattr **attrs, enum fcn_attr attr)
{
	return attrs[attr] ? nla_get_u64(attrs[attr]) : 0;
}

static int define_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct fcn_names names = {
		.node = get_wwn(info->attrs, FCN_A_WWNN),
		.port[FCN_PORT_ORIGINAL] = get_wwn(info->attrs, FCN_A_WWPN_ORIGINAL),
		.port[FCN_PORT_MAINTENANCE] = get_wwn(info->attrs, FCN_A_WWPN_MAINTENANCE),
		.parent = get_wwn(info->attrs, FCN_A_PARENT),
	};
	const struct nlattr *away = info->attrs[FCN_A_AWAY];
	u32 deadline_ms[FCN_DEADLINES];
	struct fcn_luns luns;
	int err = may_change(skb, info) ?: require_name(info) ?: parse_luns(&luns, info);

	if (err)
		return err;
	parse_deadlines(deadline_ms, info->attrs);
	err = fcn_identity_define(nla_data(info->attrs[FCN_A_LPAR]), &names,
				  away && nla_get_u32(away), deadline_ms, if_any(&luns),
				  info->extack);
	fcn_luns_free(&luns);
	return err;
}

static int set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fcn_identity *identity = get_to_change(skb, info);
	u32 deadline_ms[FCN_DEADLINES];
	struct fcn_luns luns;
	int err;

	if (IS_ERR(identity))
		return PTR_ERR(identity);
	err = parse_luns(&luns, info);
	if (err)
		goto out;
	parse_deadlines(deadline_ms, info->attrs);
	err = fcn_identity_set(identity, get_wwn(info->attrs, FCN_A_PARENT), deadline_ms,
			       if_any(&luns), info->extack);
	fcn_luns_free(&luns);
out:
	fcn_identity_put(identity);
	return err;
}

static int delete_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err = may_change(skb, info) ?: require_name(info);

	if (err)
		return err;
	return fcn_identity_delete(nla_data(info->attrs[FCN_A_LPAR]), info->extack);
}

static bool get_flag(struct nlattr **attrs, enum fcn_attr attr)
{
	return attrs[attr] && nla_get_u32(attrs[attr]);
}

static int parse_start(struct fcn_request *request, struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;

	memset(request, 0, sizeof(*request));
	if (!attrs[FCN_A_OPERATION])
		return fcn_refuse(info->extack, -EINVAL, "the operation is missing");
	request->start.operation = nla_get_u32(attrs[FCN_A_OPERATION]);
	request->start.force = get_flag(attrs, FCN_A_FORCE);
	if (attrs[FCN_A_PORT])
		request->start.port = nla_get_u32(attrs[FCN_A_PORT]);
	if (attrs[FCN_A_TOKEN]) {
		request->start.has_token = true;
		nla_memcpy(&request->token, attrs[FCN_A_TOKEN], sizeof(request->token));
	}
	return 0;
}

static int start_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fcn_identity *identity = get_to_change(skb, info);
	struct fcn_request request;
	struct fcn_luns luns;
	int err;

	if (IS_ERR(identity))
		return PTR_ERR(identity);
	err = parse_start(&request, info) ?: parse_luns(&luns, info);
	if (err)
		goto out;
	request.expected = if_any(&luns);
	err = fcn_identity_start(identity, &request, info->extack);
	fcn_luns_free(&luns);
out:
	fcn_identity_put(identity);
	return err;
}

static int confirm_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fcn_identity *identity;
	const struct nlattr *receipt = info->attrs[FCN_A_RECEIPT];
	int err;

	if (!info->attrs[FCN_A_CONFIRM])
		return fcn_refuse(info->extack, -EINVAL, "it is not said what is confirmed");
	identity = get_to_change(skb, info);
	if (IS_ERR(identity))
		return PTR_ERR(identity);
	err = fcn_identity_confirm(identity, nla_get_u32(info->attrs[FCN_A_CONFIRM]),
				   receipt ? nla_data(receipt) : NULL,
				   get_flag(info->attrs, FCN_A_FORCE), info->extack);
	fcn_identity_put(identity);
	return err;
}

static int revoke_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *token = info->attrs[FCN_A_TOKEN];
	const struct nlattr *used = info->attrs[FCN_A_USED];
	struct fcn_identity *identity;
	int err;

	if (!token || !used)
		return fcn_refuse(info->extack, -EINVAL,
				  "the token, and the one that was used before, are needed");
	identity = get_to_change(skb, info);
	if (IS_ERR(identity))
		return PTR_ERR(identity);
	err = fcn_identity_revoke(identity, nla_data(token), nla_data(used), info->extack);
	fcn_identity_put(identity);
	return err;
}

static int abort_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct fcn_identity *identity = get_to_change(skb, info);
	int err;

	if (IS_ERR(identity))
		return PTR_ERR(identity);
	err = fcn_identity_abort(identity, info->extack);
	fcn_identity_put(identity);
	return err;
}

static const struct genl_ops fcn_ops[] = {
	{ .cmd = FCN_CMD_GET, .doit = get_doit, .dumpit = get_dumpit },
	{ .cmd = FCN_CMD_DEFINE, .doit = define_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_SET, .doit = set_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_DELETE, .doit = delete_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_START, .doit = start_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_CONFIRM, .doit = confirm_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_ABORT, .doit = abort_doit, .flags = GENL_ADMIN_PERM },
	{ .cmd = FCN_CMD_REVOKE, .doit = revoke_doit, .flags = GENL_ADMIN_PERM },
};

static const struct genl_multicast_group fcn_mcast_groups[] = {
	{ .name = FCN_MCGRP_EVENTS },
};

struct genl_family fcn_genl_family = {
	.name		= FCN_FAMILY_NAME,
	.version	= FCN_FAMILY_VERSION,
	.maxattr	= FCN_A_MAX,
	.policy		= fcn_policy,
	.module		= THIS_MODULE,
	/* Looking at many disks takes a while and must not hold up other families. */
	.parallel_ops	= true,
	.ops		= fcn_ops,
	.n_ops		= ARRAY_SIZE(fcn_ops),
	.resv_start_op	= FCN_CMD_UNSPEC,
	.mcgrps		= fcn_mcast_groups,
	.n_mcgrps	= ARRAY_SIZE(fcn_mcast_groups),
};

/**
 * fcn_netlink_init() - make the family known
 *
 * Return: 0 or a negative errno.
 */
int fcn_netlink_init(void)
{
	return genl_register_family(&fcn_genl_family);
}

/**
 * fcn_netlink_exit() - withdraw it; no operation runs, and no event is sent, on return
 */
void fcn_netlink_exit(void)
{
	fcn_event_exit();
	genl_unregister_family(&fcn_genl_family);
}
