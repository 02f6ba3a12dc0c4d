// SPDX-License-Identifier: GPL-2.0
/* Generic netlink family "lpar": cuts. */
#include <linux/slab.h>
#include <net/genetlink.h>
#include "lpar.h"
#include "netlink.h"

/**
 * struct cut_dump - how far a dump of cuts has got; in netlink_callback.ctx
 * @cut: the one that is being told, with a reference, or NULL
 * @last: number of the last one that was begun
 * @only: no other is wanted
 * @begun: what identifies @cut is told
 * @fired: and that it has fired, so that its report follows
 * @lpar: the next of its LPARs
 * @result: the next of its results
 */
struct cut_dump {
	struct lpar_cut *cut;
	u32 last;
	bool only;
	bool begun;
	bool fired;
	unsigned int lpar;
	unsigned int result;
};

static struct cut_dump *to_dump(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct cut_dump) > sizeof(cb->ctx));
	return (struct cut_dump *)cb->ctx;
}

static int fill_result(struct sk_buff *skb, const struct lpar_cut *cut,
		       const struct lpar_cut_result *result)
{
	if (nla_put_string(skb, LPAR_A_POINT_KIND, result->kind) ||
	    nla_put_string(skb, LPAR_A_POINT_NAME, result->name) ||
	    nla_put_u64_64bit(skb, LPAR_A_POINT_FIRED_NS, ktime_to_ns(result->fired),
			      LPAR_A_POINT_PAD) ||
	    nla_put_s64(skb, LPAR_A_POINT_LATENCY_NS,
			ktime_to_ns(ktime_sub(result->fired, cut->deadline)), LPAR_A_POINT_PAD) ||
	    nla_put_u32(skb, LPAR_A_POINT_COUNT, result->count) ||
	    nla_put_s32(skb, LPAR_A_POINT_ERROR, result->error))
		return -EMSGSIZE;
	if (!result->done)
		return 0;
	return nla_put_u64_64bit(skb, LPAR_A_POINT_DONE_NS, ktime_to_ns(result->done),
				 LPAR_A_POINT_PAD);
}

static int put_result(struct sk_buff *skb, const struct lpar_cut *cut,
		      const struct lpar_cut_result *result)
{
	struct nlattr *nest = nla_nest_start(skb, LPAR_A_CUT_POINT);

	if (!nest)
		return -EMSGSIZE;
	if (fill_result(skb, cut, result)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * lpar_netlink_put_cut() - what identifies a cut
 * @skb: message
 * @cut: cut
 *
 * Context: lpar_cut_mutex is held, or the cut is over.
 * Return: 0 or -EMSGSIZE.
 */
int lpar_netlink_put_cut(struct sk_buff *skb, const struct lpar_cut *cut)
{
	if (nla_put_u32(skb, LPAR_A_CUT_ID, cut->id) ||
	    nla_put_u32(skb, LPAR_A_CUT_ACTION, cut->action) ||
	    nla_put_u32(skb, LPAR_A_CUT_STATE, cut->state) ||
	    nla_put_u64_64bit(skb, LPAR_A_CUT_DEADLINE_NS, ktime_to_ns(cut->deadline), LPAR_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_first(struct sk_buff *skb, const struct lpar_cut *cut)
{
	if (lpar_netlink_put_cut(skb, cut))
		return -EMSGSIZE;
	if (cut->state != LPAR_CUT_FIRED)
		return 0;
	return nla_put_u64_64bit(skb, LPAR_A_CUT_SKEW_NS, lpar_cut_skew_ns(cut), LPAR_A_PAD);
}

/* True when there is more than fits. */
static bool put_lists(struct sk_buff *skb, struct cut_dump *dump)
{
	const struct lpar_cut *cut = dump->cut;

	for (; dump->lpar < cut->nr_lpars; dump->lpar++)
		if (nla_put_string(skb, LPAR_A_CUT_LPAR, cut->lpars[dump->lpar]->name))
			return true;
	/* It may have fired since it was told to be armed. */
	if (!dump->fired)
		return false;
	for (; dump->result < cut->nr_results; dump->result++)
		if (put_result(skb, cut, &cut->results[dump->result]))
			return true;
	return false;
}

/*
 * A message about the cut that is being told: the first says what it is, those
 * that follow have its number and go on with its lists.
 *
 * Return: 0 when all is told, 1 when there is more, -EMSGSIZE when nothing fitted.
 */
static int put_part(struct sk_buff *skb, struct netlink_callback *cb, struct cut_dump *dump)
{
	const struct lpar_cut *cut = dump->cut;
	unsigned int told = dump->lpar + dump->result;
	void *header;
	bool more;

	lockdep_assert_held(&lpar_cut_mutex);
	header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			     &lpar_genl_family, NLM_F_MULTI, LPAR_CMD_CUT_GET);
	if (!header)
		return -EMSGSIZE;
	if (dump->begun ? nla_put_u32(skb, LPAR_A_CUT_ID, cut->id) : put_first(skb, cut))
		goto cancel;
	if (!dump->begun)
		dump->fired = cut->state == LPAR_CUT_FIRED;
	more = put_lists(skb, dump);
	if (more && dump->begun && told == dump->lpar + dump->result)
		goto cancel;
	dump->begun = true;
	genlmsg_end(skb, header);
	return more;

cancel:
	genlmsg_cancel(skb, header);
	return -EMSGSIZE;
}

/* Numbers rise along the list, so the last one says where to go on. */
static bool find_next(struct cut_dump *dump)
{
	struct lpar_cut *cut;

	lockdep_assert_held(&lpar_cut_mutex);
	if (dump->cut)
		return true;
	if (dump->only)
		return false;
	list_for_each_entry(cut, &lpar_cuts, list) {
		if (cut->id <= dump->last)
			continue;
		kref_get(&cut->ref);
		*dump = (struct cut_dump){ .cut = cut, .last = cut->id };
		return true;
	}
	return false;
}

static void drop_cut(struct cut_dump *dump)
{
	if (dump->cut)
		lpar_cut_put(dump->cut);
	dump->cut = NULL;
}

/**
 * lpar_cut_dump_start() - before a dump of cuts
 * @cb: dump; LPAR_A_CUT_ID in the request asks for this one only
 *
 * Return: 0, -ENOENT.
 */
int lpar_cut_dump_start(struct netlink_callback *cb)
{
	const struct nlattr *id = nlmsg_find_attr(cb->nlh, GENL_HDRLEN, LPAR_A_CUT_ID);
	struct cut_dump *dump = to_dump(cb);

	memset(dump, 0, sizeof(*dump));
	if (id) {
		dump->only = true;
		dump->cut = lpar_cut_get(nla_get_u32(id));
		if (!dump->cut) {
			NL_SET_ERR_MSG(cb->extack, "there is no such cut, or none any more");
			return -ENOENT;
		}
	}
	return lpar_netlink_dump_start(cb);
}

/**
 * lpar_cut_dump() - LPAR_CMD_CUT_GET
 * @skb: reply
 * @cb: how far it got
 *
 * A cut may have more LPARs and participants than a message has room: it is told
 * in as many messages as that takes.
 *
 * Return: length of @skb, or -EMSGSIZE.
 */
int lpar_cut_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct cut_dump *dump = to_dump(cb);
	int ret = 0;

	mutex_lock(&lpar_cut_mutex);
	while (!ret && find_next(dump)) {
		ret = put_part(skb, cb, dump);
		if (!ret)
			drop_cut(dump);
	}
	mutex_unlock(&lpar_cut_mutex);
	return skb->len ?: min(ret, 0);
}

/**
 * lpar_cut_dump_done() - after a dump, also one that was broken off
 * @cb: dump
 *
 * Return: 0.
 */
int lpar_cut_dump_done(struct netlink_callback *cb)
{
	drop_cut(to_dump(cb));
	return 0;
}

/* How many LPARs a request names. */
static unsigned int count_names(const struct genl_info *info)
{
	const struct nlattr *attr;
	unsigned int n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == LPAR_A_CUT_LPAR;
	return n;
}

/* Their names, in an array that the caller frees; NULL if there is no memory. */
static const char **get_names(const struct genl_info *info, unsigned int n)
{
	const char **names = kvcalloc(n, sizeof(*names), GFP_KERNEL);
	const struct nlattr *attr;
	unsigned int i = 0;
	int rem;

	if (!names)
		return NULL;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (nla_type(attr) == LPAR_A_CUT_LPAR)
			names[i++] = nla_data(attr);
	return names;
}

static struct lpar_cut *arm(struct genl_info *info, struct lpar_report *report)
{
	struct nlattr **attrs = info->attrs;
	enum lpar_cut_action action = LPAR_CUT_CLOSE;
	unsigned int n = count_names(info);
	const char **names;
	struct lpar_cut *cut;

	if (attrs[LPAR_A_CUT_ACTION])
		action = nla_get_u32(attrs[LPAR_A_CUT_ACTION]);
	/* A forgotten attribute must not freeze guests. */
	if (!attrs[LPAR_A_CUT_DEADLINE_NS])
		return ERR_PTR(lpar_problem(report, -EINVAL,
					    "the deadline of the cut is missing; give 0 for now"));
	if (!n || n > LPAR_CUT_LPARS_MAX)
		return ERR_PTR(lpar_problem(report, -EINVAL, "name 1 to %d LPARs to be cut",
					    LPAR_CUT_LPARS_MAX));
	names = get_names(info, n);
	if (!names)
		return ERR_PTR(-ENOMEM);
	cut = lpar_cut_arm(nla_get_u64(attrs[LPAR_A_CUT_DEADLINE_NS]), action, names, n, report);
	kvfree(names);
	return cut;
}

/* What identifies it, for whoever has armed it. */
static int put_armed(struct sk_buff *skb, const struct lpar_cut *cut, struct genl_info *info)
{
	void *header = genlmsg_put_reply(skb, info, &lpar_genl_family, 0, LPAR_CMD_CUT_ARM);
	int err;

	if (!header)
		return -EMSGSIZE;
	mutex_lock(&lpar_cut_mutex);
	err = lpar_netlink_put_cut(skb, cut);
	mutex_unlock(&lpar_cut_mutex);
	genlmsg_end(skb, header);
	return err;
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
	reply = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	cut = arm(info, report);
	if (IS_ERR(cut)) {
		nlmsg_free(reply);
		return PTR_ERR(cut);
	}
	err = put_armed(reply, cut, info);
	if (err)
		nlmsg_free(reply);
	else
		err = genlmsg_reply(reply, info);
	/* Its caller, whose buffer is full or whose socket is closed, does not know its number. */
	if (err)
		lpar_cut_cancel(cut->id, NULL);
	lpar_cut_put(cut);
	return err;
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
