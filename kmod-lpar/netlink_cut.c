// SPDX-License-Identifier: GPL-2.0
/* Generic netlink family "lpar": cuts. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include "lpar.h"
#include "netlink.h"

static int put_result(struct sk_buff *skb, const struct lpar_cut *cut,
		      const struct lpar_cut_result *result)
{
	struct nlattr *nest = nla_nest_start(skb, LPAR_A_CUT_POINT);

	if (!nest ||
	    nla_put_string(skb, LPAR_A_POINT_KIND, result->kind) ||
	    nla_put_string(skb, LPAR_A_POINT_NAME, result->name) ||
	    nla_put_u64_64bit(skb, LPAR_A_POINT_FIRED_NS, ktime_to_ns(result->fired),
			      LPAR_A_POINT_PAD) ||
	    nla_put_s64(skb, LPAR_A_POINT_LATENCY_NS,
			ktime_to_ns(ktime_sub(result->fired, cut->deadline)), LPAR_A_POINT_PAD) ||
	    nla_put_u32(skb, LPAR_A_POINT_COUNT, result->count) ||
	    nla_put_s32(skb, LPAR_A_POINT_ERROR, result->error))
		return -EMSGSIZE;
	if (result->done && nla_put_u64_64bit(skb, LPAR_A_POINT_DONE_NS, ktime_to_ns(result->done),
					      LPAR_A_POINT_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_report(struct sk_buff *skb, const struct lpar_cut *cut)
{
	unsigned int i;

	for (i = 0; i < cut->nr_results; i++)
		if (put_result(skb, cut, &cut->results[i]))
			return -EMSGSIZE;
	return nla_put_u64_64bit(skb, LPAR_A_CUT_SKEW_NS, lpar_cut_skew_ns(cut), LPAR_A_PAD);
}

/**
 * lpar_netlink_put_cut() - what identifies a cut
 * @skb: message
 * @cut: cut
 *
 * Return: 0 or -EMSGSIZE.
 */
int lpar_netlink_put_cut(struct sk_buff *skb, const struct lpar_cut *cut)
{
	unsigned int i;

	if (nla_put_u32(skb, LPAR_A_CUT_ID, cut->id) ||
	    nla_put_u32(skb, LPAR_A_CUT_ACTION, cut->action) ||
	    nla_put_u32(skb, LPAR_A_CUT_STATE, cut->state) ||
	    nla_put_u64_64bit(skb, LPAR_A_CUT_DEADLINE_NS, ktime_to_ns(cut->deadline), LPAR_A_PAD))
		return -EMSGSIZE;
	for (i = 0; i < cut->nr_lpars; i++)
		if (nla_put_string(skb, LPAR_A_CUT_LPAR, cut->lpars[i]->name))
			return -EMSGSIZE;
	return 0;
}

/* Under lpar_cut_mutex: the points of an armed cut may change at any time. */
static int put_message(struct sk_buff *skb, const struct lpar_cut *cut, u8 cmd, u32 portid,
		       u32 seq, int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &lpar_genl_family, flags, cmd);

	lockdep_assert_held(&lpar_cut_mutex);
	if (!header)
		return -EMSGSIZE;
	if (lpar_netlink_put_cut(skb, cut) ||
	    (cut->state == LPAR_CUT_FIRED && put_report(skb, cut))) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* The LPARs that a request names; nothing when there are none or too many. */
static unsigned int get_names(struct genl_info *info, const char **names)
{
	const struct nlattr *attr;
	unsigned int n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != LPAR_A_CUT_LPAR)
			continue;
		if (n == LPAR_CUT_LPARS_MAX)
			return 0;
		names[n++] = nla_data(attr);
	}
	return n;
}

static struct lpar_cut *arm(struct genl_info *info, struct lpar_report *report)
{
	struct nlattr **attrs = info->attrs;
	enum lpar_cut_action action = LPAR_CUT_CLOSE;
	u64 deadline_ns;
	const char **names;
	struct lpar_cut *cut;
	unsigned int n;

	if (attrs[LPAR_A_CUT_ACTION])
		action = nla_get_u32(attrs[LPAR_A_CUT_ACTION]);
	/* A forgotten attribute must not freeze guests. */
	if (!attrs[LPAR_A_CUT_DEADLINE_NS])
		return ERR_PTR(lpar_problem(report, -EINVAL,
					    "the deadline of the cut is missing; give 0 for now"));
	deadline_ns = nla_get_u64(attrs[LPAR_A_CUT_DEADLINE_NS]);
	names = kcalloc(LPAR_CUT_LPARS_MAX, sizeof(*names), GFP_KERNEL);
	if (!names)
		return ERR_PTR(-ENOMEM);
	n = get_names(info, names);
	if (n)
		cut = lpar_cut_arm(deadline_ns, action, names, n, report);
	else
		cut = ERR_PTR(lpar_problem(report, -EINVAL, "name 1 to %d LPARs to be cut",
					   LPAR_CUT_LPARS_MAX));
	kfree(names);
	return cut;
}

/**
 * lpar_cut_arm_run() - LPAR_CMD_CUT_ARM
 * @info: request
 * @report: for the refusal
 *
 * Return: 0 or a negative errno.
 */
int lpar_cut_arm_run(struct genl_info *info, struct lpar_report *report)
{
	struct sk_buff *reply;
	struct lpar_cut *cut;
	int err;

	/* First the room for the reply: an armed cut nobody knows of would be a trap. */
	reply = genlmsg_new(LPAR_REPLY_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	cut = arm(info, report);
	if (IS_ERR(cut)) {
		nlmsg_free(reply);
		return PTR_ERR(cut);
	}
	mutex_lock(&lpar_cut_mutex);
	err = put_message(reply, cut, LPAR_CMD_CUT_ARM, info->snd_portid, info->snd_seq, 0);
	mutex_unlock(&lpar_cut_mutex);
	lpar_cut_put(cut);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	return genlmsg_reply(reply, info);
}

/**
 * lpar_cut_cancel_run() - LPAR_CMD_CUT_CANCEL
 * @info: request
 * @report: for the refusal
 *
 * Return: 0 or a negative errno.
 */
int lpar_cut_cancel_run(struct genl_info *info, struct lpar_report *report)
{
	if (!info->attrs[LPAR_A_CUT_ID])
		return lpar_problem(report, -EINVAL, "the number of the cut is missing");
	return lpar_cut_cancel(nla_get_u32(info->attrs[LPAR_A_CUT_ID]), report);
}

/**
 * lpar_cut_get_run() - LPAR_CMD_CUT_GET of one cut
 * @info: request
 * @report: for the refusal
 *
 * Return: 0 or a negative errno.
 */
int lpar_cut_get_run(struct genl_info *info, struct lpar_report *report)
{
	struct sk_buff *reply;
	struct lpar_cut *cut;
	int err = -ENOENT;
	u32 id;

	if (!info->attrs[LPAR_A_CUT_ID])
		return lpar_problem(report, -EINVAL, "the number of the cut is missing");
	id = nla_get_u32(info->attrs[LPAR_A_CUT_ID]);
	reply = genlmsg_new(LPAR_REPLY_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	mutex_lock(&lpar_cut_mutex);
	list_for_each_entry(cut, &lpar_cuts, list) {
		if (cut->id == id) {
			err = put_message(reply, cut, LPAR_CMD_CUT_GET, info->snd_portid,
					  info->snd_seq, 0);
			break;
		}
	}
	mutex_unlock(&lpar_cut_mutex);
	if (err) {
		nlmsg_free(reply);
		return err == -ENOENT ? lpar_problem(report, err, "no cut %u", id) : err;
	}
	return genlmsg_reply(reply, info);
}

/**
 * lpar_cut_get_dumpit() - LPAR_CMD_CUT_GET of all cuts
 * @skb: reply
 * @cb: how far it got
 *
 * Return: length of @skb, or -EMSGSIZE.
 */
int lpar_cut_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct lpar_cut *cut;
	int err = 0;

	mutex_lock(&lpar_cut_mutex);
	/* Numbers rise along the list, so the last one sent says where to go on. */
	list_for_each_entry(cut, &lpar_cuts, list) {
		if (cut->id <= (u32)cb->args[0])
			continue;
		err = put_message(skb, cut, LPAR_CMD_CUT_GET, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (err)
			break;
		cb->args[0] = cut->id;
	}
	mutex_unlock(&lpar_cut_mutex);
	return skb->len ?: err;
}
