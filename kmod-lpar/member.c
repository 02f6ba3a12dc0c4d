// SPDX-License-Identifier: GPL-2.0
/*
 * Members: the processes that belong to an LPAR. Their children belong to it
 * too. A process is in one LPAR at most and leaves it by exit or on request.
 *
 * The table is read under RCU, also from the scheduler's switch.
 */
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <trace/events/sched.h>
#include "lpar.h"

/**
 * struct member - a process in an LPAR
 * @node: in members, by @tgid
 * @list: in lpar->members
 * @dead: in dead_members when the process has died
 * @tgid: its process id; holds a reference
 * @request: number of the request that has added this process, or a forefather of it
 * @told: listeners have heard of it as a member; under members_lock
 * @lpar: holds a reference
 * @rcu: frees it
 */
struct member {
	struct hlist_node node;
	struct list_head list;
	struct list_head dead;
	struct pid *tgid;
	u64 request;
	bool told;
	struct lpar *lpar;
	struct rcu_head rcu;
};

static DEFINE_HASHTABLE(members, 12);
static LIST_HEAD(dead_members);
static DEFINE_SPINLOCK(members_lock);	/* both of them */
static atomic_t nr_members;
static atomic64_t last_request;

static void prune(struct work_struct *work);
static DECLARE_WORK(prune_work, prune);

static struct member *find(const struct pid *tgid)
{
	struct member *member;

	hash_for_each_possible_rcu(members, member, node, (unsigned long)tgid,
				   lockdep_is_held(&members_lock))
		if (member->tgid == tgid)
			return member;
	return NULL;
}

/**
 * lpar_member_lpar_rcu() - the LPAR that a task belongs to
 * @task: any task
 *
 * Context: any, under RCU, which keeps the result alive.
 * Return: LPAR or NULL.
 */
struct lpar *lpar_member_lpar_rcu(struct task_struct *task)
{
	const struct member *member;

	if (!atomic_read(&nr_members))
		return NULL;
	member = find(task_tgid(task));
	/* A child is in the list of tasks a moment before member_fork() sees it. */
	if (!member && READ_ONCE(task->__state) == TASK_NEW)
		member = find(task_tgid(rcu_dereference(task->real_parent)));
	return member ? member->lpar : NULL;
}

static int insert(struct lpar *lpar, struct pid *tgid, u64 request, gfp_t gfp,
		  struct lpar **present)
{
	struct member *member = kmalloc(sizeof(*member), gfp);
	const struct member *other;

	if (!member)
		return -ENOMEM;
	member->tgid = get_pid(tgid);
	member->request = request;
	member->told = false;
	member->lpar = lpar;
	INIT_LIST_HEAD(&member->dead);
	spin_lock(&members_lock);
	other = find(tgid);
	if (other) {
		*present = other->lpar;
		spin_unlock(&members_lock);
		put_pid(tgid);
		kfree(member);
		return -EEXIST;
	}
	lpar_ref(lpar);
	hash_add_rcu(members, &member->node, (unsigned long)tgid);
	list_add_tail_rcu(&member->list, &lpar->members);
	WRITE_ONCE(lpar->nr_members, lpar->nr_members + 1);
	atomic_inc(&nr_members);
	spin_unlock(&members_lock);
	return 0;
}

static void free_member(struct rcu_head *rcu)
{
	struct member *member = container_of(rcu, struct member, rcu);

	put_pid(member->tgid);
	lpar_put(member->lpar);
	kfree(member);
}

static void unhash(struct member *member)
{
	lockdep_assert_held(&members_lock);
	hash_del_rcu(&member->node);
	list_del_rcu(&member->list);
	WRITE_ONCE(member->lpar->nr_members, member->lpar->nr_members - 1);
	list_del_init(&member->dead);
	atomic_dec(&nr_members);
}

static void announce(enum lpar_event event, struct lpar *lpar, pid_t pid)
{
	const struct lpar_event_info info = { .pid = pid, .cpu = -1 };

	lpar_event_send(event, lpar, &info);
	lpar_event_poll(lpar, LPAR_FILE_MEMBERS);
}

/**
 * lpar_find_process() - the process that a caller names
 * @nr: process or thread id in the caller's pid namespace
 * @report: for the refusal
 *
 * Context: any that may take RCU.
 * Return: its id with a reference, or ERR_PTR of -ESRCH, or of -EINVAL for a kernel
 * thread and for process 1.
 */
struct pid *lpar_find_process(pid_t nr, struct lpar_report *report)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	struct pid *tgid = NULL;
	int err = 0;

	put_pid(pid);
	if (!task)
		return ERR_PTR(lpar_problem(report, -ESRCH, "no process %d", nr) ?: -ESRCH);
	if (task->flags & PF_KTHREAD)
		err = lpar_problem(report, -EINVAL,
				   "%d is a kernel thread; name a process", nr);
	else if (is_global_init(task))
		err = lpar_problem(report, -EINVAL, "process 1 stays with the host");
	if (!err) {
		rcu_read_lock();
		tgid = get_pid(task_tgid(task));
		rcu_read_unlock();
	}
	put_task_struct(task);
	return err ? ERR_PTR(err) : tgid ?: ERR_PTR(-ESRCH);
}

/*
 * Takes one member out of the table, that which @pick says. None of them walks over members
 * that it does not take: there may be very many.
 */
static struct member *take(struct member *(*pick)(void *arg), void *arg)
{
	struct member *member;

	spin_lock(&members_lock);
	member = pick(arg);
	if (member)
		unhash(member);
	spin_unlock(&members_lock);
	return member;
}

/* Of one that has died, some may be on their way to member_exit() and find no LPAR there. */
static void forget_threads(const struct member *member)
{
	struct task_struct *leader, *task;

	rcu_read_lock();
	leader = pid_task(member->tgid, PIDTYPE_TGID);
	if (leader)
		for_each_thread(leader, task)
			lpar_vcpu_gone(&member->lpar->gate, task);
	rcu_read_unlock();
}

/* It is out of the table. */
static void retire(struct member *member, bool tell)
{
	forget_threads(member);
	if (tell)
		announce(LPAR_EVENT_MEMBER_REMOVED, member->lpar, pid_nr(member->tgid));
	call_rcu(&member->rcu, free_member);
}

/*
 * Nobody was told of a child when it became a member, nor is he when it leaves by itself: a
 * member may fork as often as it likes, and would push others' events out of a listener's
 * buffer.
 */
static void take_all(struct member *(*pick)(void *arg), void *arg)
{
	struct member *member;

	while ((member = take(pick, arg)))
		retire(member, member->told);
}

static struct member *first_of_lpar(void *arg)
{
	struct lpar *lpar = arg;

	return list_first_entry_or_null(&lpar->members, struct member, list);
}

static struct member *first_dead(void *arg)
{
	return list_first_entry_or_null(&dead_members, struct member, dead);
}

static struct member *of_process(void *arg)
{
	return find(arg);
}

/**
 * lpar_member_prune() - take those off who have died
 *
 * For who asks whether there are members; otherwise a worker does it some time.
 *
 * Context: may sleep.
 */
void lpar_member_prune(void)
{
	take_all(first_dead, NULL);
}

static void prune(struct work_struct *work)
{
	lpar_member_prune();
}

static bool has_died(struct pid *tgid)
{
	const struct task_struct *task;
	bool dead;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	dead = !task || !atomic_read(&task->signal->live);
	rcu_read_unlock();
	return dead;
}

/* Takes off the process that was added by @request and the children that are members by it. */
static void dismiss(struct lpar *lpar, u64 request)
{
	struct member *member, *next;
	LIST_HEAD(dismissed);

	spin_lock(&members_lock);
	list_for_each_entry_safe(member, next, &lpar->members, list) {
		if (member->request != request)
			continue;
		unhash(member);
		list_add_tail(&member->dead, &dismissed);
	}
	spin_unlock(&members_lock);
	list_for_each_entry_safe(member, next, &dismissed, dead)
		retire(member, member->told);
}

/* It may have died since it became a member, and been taken off without a word. */
static void tell_added(struct lpar *lpar, struct pid *tgid)
{
	struct member *member;

	announce(LPAR_EVENT_MEMBER_ADDED, lpar, pid_nr(tgid));
	spin_lock(&members_lock);
	member = find(tgid);
	if (member)
		member->told = true;
	spin_unlock(&members_lock);
	if (!member)
		announce(LPAR_EVENT_MEMBER_REMOVED, lpar, pid_nr(tgid));
}

/* A new member obeys the fence and the gate, or is none. */
static int settle(struct lpar *lpar, struct pid *tgid, u64 request)
{
	int err;

	lpar_fence_enforce();
	tell_added(lpar, tgid);
	err = lpar_gate_recensus(lpar);
	if (err) {
		dismiss(lpar, request);
		/* A fork that still saw its parent as a member may have added a child. */
		synchronize_rcu();
		dismiss(lpar, request);
		lpar_gate_recheck(lpar);
		lpar_fence_enforce();
		return err;
	}
	/* It may have died before it was in the table, where member_exit() looks. */
	smp_mb();	/* who does not see it there has lowered what has_died() looks at */
	if (has_died(tgid))
		take_all(of_process, tgid);
	return 0;
}

/**
 * lpar_member_add() - put a process into an LPAR
 * @lpar: from lpar_lock(), active
 * @nr: process or thread id in the caller's pid namespace
 * @report: for the refusal
 *
 * Its threads move onto the CPUs of the LPAR; its vCPUs obey the gate.
 *
 * Context: may sleep.
 * Return: 0, -ESRCH, -EINVAL, -EEXIST, -EBUSY, -ENOMEM, -ENOSPC.
 */
int lpar_member_add(struct lpar *lpar, pid_t nr, struct lpar_report *report)
{
	struct lpar *present = NULL;
	struct pid *tgid;
	u64 request;
	int err;

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EINVAL,
				    "LPAR \"%s\" is %s; activate it before adding members",
				    lpar->name, lpar_state_name(lpar->state));
	tgid = lpar_find_process(nr, report);
	if (IS_ERR(tgid))
		return PTR_ERR(tgid);
	request = atomic64_inc_return(&last_request);
	err = insert(lpar, tgid, request, GFP_KERNEL, &present);
	if (err == -EEXIST)
		err = lpar_problem(report, present == lpar ? -EEXIST : -EBUSY,
				   "process %d is a member of %s LPAR already; remove it there first",
				   nr, present == lpar ? "this" : "another");
	if (!err)
		err = settle(lpar, tgid, request);
	if (err == -ENOSPC)
		lpar_problem(report, err,
			     "process %d has more threads in KVM_RUN than the gate of LPAR \"%s\" holds",
			     nr, lpar->name);
	put_pid(tgid);
	return err;
}

/**
 * lpar_member_del() - take a process out of an LPAR
 * @lpar: from lpar_lock()
 * @nr: process or thread id in the caller's pid namespace
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0, -ESRCH.
 */
int lpar_member_del(struct lpar *lpar, pid_t nr, struct lpar_report *report)
{
	struct pid *tgid = lpar_find_process(nr, report);
	struct member *member;
	bool mine;

	lockdep_assert_held(&lpar->op);
	if (IS_ERR(tgid))
		return PTR_ERR(tgid);
	rcu_read_lock();
	member = find(tgid);
	mine = member && member->lpar == lpar;
	rcu_read_unlock();
	member = mine ? take(of_process, tgid) : NULL;
	put_pid(tgid);
	if (!member)
		return lpar_problem(report, -ESRCH, "process %d is no member of LPAR \"%s\"",
				    nr, lpar->name);
	retire(member, true);
	lpar_gate_recheck(lpar);
	lpar_fence_enforce();
	return 0;
}

/**
 * lpar_member_drop_all() - empty an LPAR of its members
 * @lpar: LPAR that is being deactivated
 *
 * Context: may sleep.
 */
void lpar_member_drop_all(struct lpar *lpar)
{
	take_all(first_of_lpar, lpar);
	/* A fork that still saw its parent as a member may have added a child. */
	synchronize_rcu();
	take_all(first_of_lpar, lpar);
	lpar_gate_recheck(lpar);
}

/**
 * lpar_member_list() - the members of an LPAR
 * @lpar: LPAR
 * @pids: filled with process ids of the initial pid namespace, in the order in which
 *	they joined
 * @max: room in @pids
 * @total: becomes the number of members, of whom there may be very many; or NULL
 *
 * Context: any that may take RCU.
 * Return: how many are in @pids.
 */
unsigned int lpar_member_list(struct lpar *lpar, pid_t *pids, unsigned int max,
			      unsigned int *total)
{
	const struct member *member;
	unsigned int n = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(member, &lpar->members, list) {
		if (n == max)
			break;
		pids[n++] = pid_nr(member->tgid);
	}
	rcu_read_unlock();
	/* Whoever comes and goes meanwhile may be in one of them only. */
	if (total)
		*total = n < max ? n : max(n, READ_ONCE(lpar->nr_members));
	return n;
}

/**
 * lpar_member_census() - look at every thread of every member
 * @lpar: LPAR
 * @see: called under RCU; must not sleep; not 0 ends the census
 *
 * Context: process.
 * Return: 0 or what @see returned.
 */
int lpar_member_census(struct lpar *lpar, int (*see)(struct lpar *lpar, struct task_struct *t))
{
	const struct member *member;
	struct task_struct *leader, *task;
	int err = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(member, &lpar->members, list) {
		leader = pid_task(member->tgid, PIDTYPE_TGID);
		if (!leader)
			continue;
		for_each_thread(leader, task) {
			err = see(lpar, task);
			if (err)
				goto out;
		}
	}
out:
	rcu_read_unlock();
	return err;
}

/* A process that a member forks is a member before it first runs. */
static void member_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	const struct member *member;
	struct lpar *present;

	if (child->group_leader != child || !atomic_read(&nr_members))
		return;		/* a thread is found by its process */
	rcu_read_lock();
	member = find(task_tgid(parent));
	/* Without memory the child stays outside, and the guard evicts it. */
	if (member)
		insert(member->lpar, task_tgid(child), member->request,
		       GFP_ATOMIC | __GFP_NOWARN, &present);
	rcu_read_unlock();
}

/* The process has died. What else is to be done for that, prune() does on a CPU of the host. */
static void bury(const struct pid *tgid)
{
	struct member *member;

	spin_lock(&members_lock);
	member = find(tgid);
	if (member && list_empty(&member->dead))
		list_add_tail(&member->dead, &dead_members);
	spin_unlock(&members_lock);
	lpar_work_queue(&prune_work);
}

static void member_exit(SCHED_PROCESS_EXIT_PROTO)
{
	struct lpar *lpar;

	rcu_read_lock();
	lpar = lpar_member_lpar_rcu(task);
	if (lpar) {
		lpar_vcpu_gone(&lpar->gate, task);
		if (!atomic_read(&task->signal->live))
			bury(task_tgid(task));
	}
	rcu_read_unlock();
}

/**
 * lpar_member_init() - follow the forks and exits of members
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_member_init(void)
{
	int err;

	check_trace_callback_type_sched_process_fork(member_fork);
	check_trace_callback_type_sched_process_exit(member_exit);
	err = lpar_hook_get(LPAR_HOOK_PROCESS_FORK, member_fork);
	if (err)
		return err;
	err = lpar_hook_get(LPAR_HOOK_PROCESS_EXIT, member_exit);
	if (err)
		lpar_hook_put(LPAR_HOOK_PROCESS_FORK);
	return err;
}

/**
 * lpar_member_exit() - the reverse, at module exit; there are no members left
 *
 * Context: may sleep.
 */
void lpar_member_exit(void)
{
	lpar_hook_put(LPAR_HOOK_PROCESS_EXIT);
	lpar_hook_put(LPAR_HOOK_PROCESS_FORK);
	cancel_work_sync(&prune_work);
	rcu_barrier();
}
