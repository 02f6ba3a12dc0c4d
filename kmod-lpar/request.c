// SPDX-License-Identifier: GPL-2.0
/*
 * Requests: a command runs in its caller's own context, but outside generic
 * netlink's locks.
 *
 * Generic netlink calls a command with a lock held for reading that whoever
 * registers a family takes for writing, and behind a writer nobody reads: a
 * command that zeroes memory, opens a disk or waits for one that does would
 * stop every generic netlink family of the host. So a request is only noted
 * there, and carried out and acknowledged by a task work, when its caller is
 * on its way back to user space. For the caller nothing is different: its
 * sendmsg(2) returns when the command is over.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "lpar.h"
#include "netlink.h"

/**
 * struct request - a command on its way
 * @node: in requests
 * @work: in the caller, for this request and those that follow it
 * @task: the caller, which cannot go before @work has run
 * @skb: the message, which @info points into; holds a reference
 * @sk: the caller's socket, which may be closed meanwhile; holds a reference
 * @run: carries it out
 * @info: the request, parsed
 * @attrs: of @info
 * @extack: of @info
 * @report: words of a refusal, until it is acknowledged
 */
struct request {
	struct list_head node;
	struct callback_head work;
	const struct task_struct *task;
	struct sk_buff *skb;
	struct sock *sk;
	lpar_request_run *run;
	struct genl_info info;
	struct nlattr *attrs[LPAR_A_MAX + 1];
	struct netlink_ext_ack extack;
	struct lpar_report report;
};

static LIST_HEAD(requests);
static DEFINE_SPINLOCK(requests_lock);

/* The first that @task has made. */
static struct request *find_first(const struct task_struct *task)
{
	struct request *request;

	lockdep_assert_held(&requests_lock);
	list_for_each_entry(request, &requests, node)
		if (request->task == task)
			return request;
	return NULL;
}

static struct request *take_first(const struct task_struct *task)
{
	struct request *request;

	spin_lock(&requests_lock);
	request = find_first(task);
	if (request)
		list_del(&request->node);
	spin_unlock(&requests_lock);
	return request;
}

static void free_request(struct request *request)
{
	sock_put(request->sk);
	consume_skb(request->skb);
	kfree(request);
	module_put(THIS_MODULE);
}

static void carry_out(struct request *request)
{
	/* netlink_ack() changes nothing of it. */
	struct nlmsghdr *nlh = (struct nlmsghdr *)request->info.nlhdr;
	int err;

	/* Nobody waits for the answer of one that was killed. */
	if (current->flags & PF_EXITING)
		return;
	err = request->run(&request->info, &request->report);
	/* Another thread has closed it before the request was carried out. */
	if (sock_flag(request->sk, SOCK_DEAD))
		lpar_stage_orphan(request->info.snd_portid);
	if (err || nlh->nlmsg_flags & NLM_F_ACK)
		netlink_ack(request->skb, nlh, err, &request->extack);
}

/* One work for all requests of a sendmsg(2), as works do not run in their order. */
static void request_work(struct callback_head *work)
{
	struct request *request;

	while ((request = take_first(current))) {
		carry_out(request);
		free_request(request);
	}
}

static struct request *new_request(struct sk_buff *skb, struct genl_info *info,
				   lpar_request_run *run)
{
	struct request *request = kzalloc(sizeof(*request), GFP_KERNEL);

	if (!request)
		return NULL;
	init_task_work(&request->work, request_work);
	request->task = current;
	request->skb = skb_get(skb);
	request->sk = NETLINK_CB(skb).sk;
	sock_hold(request->sk);
	request->run = run;
	request->info = *info;
	memcpy(request->attrs, info->attrs, sizeof(request->attrs));
	request->info.attrs = request->attrs;
	request->info.extack = &request->extack;
	request->report.extack = &request->extack;
	return request;
}

/**
 * lpar_request_defer() - carry a request out when generic netlink's locks are released
 * @skb: request, whose rights have been checked
 * @info: its attributes
 * @run: carries it out, in the caller, where it may sleep; what it returns is acknowledged
 *
 * Context: within ->doit().
 * Return: what ->doit() has to return: -EINTR, which tells netlink to send no
 * acknowledgment yet; or -ENOMEM, -ESRCH, -ENODEV.
 */
int lpar_request_defer(struct sk_buff *skb, struct genl_info *info, lpar_request_run *run)
{
	struct request *request;
	bool first;

	/* The module may be on its way out, which waits for this, but not for the work. */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	request = new_request(skb, info, run);
	if (!request) {
		module_put(THIS_MODULE);
		return -ENOMEM;
	}
	spin_lock(&requests_lock);
	first = !find_first(current);
	list_add_tail(&request->node, &requests);
	spin_unlock(&requests_lock);
	if (!first || !task_work_add(current, &request->work, TWA_RESUME))
		return -EINTR;
	free_request(take_first(current));	/* it is past its last work */
	return -ESRCH;
}
