// SPDX-License-Identifier: GPL-2.0
/*
 * Grants: processes that may map the memory of an LPAR beside its holder, by a file
 * which the holder passes them. Back ends of vhost-user and virtiofsd are such.
 *
 * A grant is of an address space: neither a child nor what the process executes later
 * has it. It lasts until it is revoked or the memory is given back; what was mapped by
 * it lasts no longer than the holder either.
 */
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include "lpar.h"

/**
 * struct lpar_grant - an address space that may map the memory
 * @node: in lpar_grants.list; not there once it is over
 * @ref: the list and each mapping hold one
 * @mm: the address space; holds a reference to the structure, as lpar_hold
 * @pid: its process
 * @ended: no fault may map anything by it
 */
struct lpar_grant {
	struct list_head node;
	struct kref ref;
	struct mm_struct *mm;
	struct pid *pid;
	bool ended;
};

/**
 * lpar_grants_init() - no grants yet
 * @grants: of new memory
 */
void lpar_grants_init(struct lpar_grants *grants)
{
	mutex_init(&grants->lock);
	INIT_LIST_HEAD(&grants->list);
}

static void free_grant(struct kref *ref)
{
	struct lpar_grant *grant = container_of(ref, struct lpar_grant, ref);

	mmdrop(grant->mm);
	put_pid(grant->pid);
	kfree(grant);
}

/**
 * lpar_grant_ref() - take a reference
 * @grant: grant that the caller knows to be there, or NULL
 */
void lpar_grant_ref(struct lpar_grant *grant)
{
	if (grant)
		kref_get(&grant->ref);
}

/**
 * lpar_grant_put() - drop a reference
 * @grant: grant, or NULL
 *
 * Context: may sleep.
 */
void lpar_grant_put(struct lpar_grant *grant)
{
	if (grant)
		kref_put(&grant->ref, free_grant);
}

/* An address space without users has exited, or its process executes something else. */
static bool is_over(const struct lpar_grant *grant)
{
	return !atomic_read(&grant->mm->mm_users);
}

static void take_off(struct lpar_grants *grants, struct lpar_grant *grant)
{
	lockdep_assert_held(&grants->lock);
	if (list_empty(&grant->node))
		return;
	list_del_init(&grant->node);
	lpar_grant_put(grant);
}

/* How many are left when those that are over are gone. */
static unsigned int prune(struct lpar_grants *grants)
{
	struct lpar_grant *grant, *next;
	unsigned int n = 0;

	list_for_each_entry_safe(grant, next, &grants->list, node) {
		if (is_over(grant))
			take_off(grants, grant);
		else
			n++;
	}
	return n;
}

static struct lpar_grant *find(struct lpar_grants *grants, const struct mm_struct *mm)
{
	struct lpar_grant *grant;

	lockdep_assert_held(&grants->lock);
	list_for_each_entry(grant, &grants->list, node)
		if (grant->mm == mm)
			return grant;
	return NULL;
}

/* Of any thread: the first one may have ended while others go on. */
static struct mm_struct *get_mm(struct task_struct *process)
{
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	rcu_read_lock();
	for_each_thread(process, task) {
		mm = get_task_mm(task);
		if (mm)
			break;
	}
	rcu_read_unlock();
	return mm;
}

/*
 * Between vfork() and exec the address space is the parent's, which must not get what
 * its child was meant to have.
 */
static struct mm_struct *get_own_mm(struct pid *pid)
{
	struct task_struct *process = get_pid_task(pid, PIDTYPE_TGID);
	struct mm_struct *mm;

	if (!process)
		return ERR_PTR(-ESRCH);
	mm = READ_ONCE(process->vfork_done) ? ERR_PTR(-EAGAIN) : get_mm(process);
	put_task_struct(process);
	return mm ?: ERR_PTR(-ESRCH);
}

static struct lpar_grant *new_grant(struct pid *pid)
{
	struct mm_struct *mm = get_own_mm(pid);
	struct lpar_grant *grant;

	if (IS_ERR(mm))
		return ERR_CAST(mm);
	grant = kzalloc(sizeof(*grant), GFP_KERNEL);
	if (grant) {
		INIT_LIST_HEAD(&grant->node);
		kref_init(&grant->ref);
		mmgrab(mm);
		grant->mm = mm;
		grant->pid = get_pid(pid);
	}
	mmput(mm);
	return grant ?: ERR_PTR(-ENOMEM);
}

/* Takes over the caller's reference. */
static int insert(struct lpar_grants *grants, struct lpar_grant *grant, struct lpar_report *report)
{
	unsigned int n = prune(grants);

	if (find(grants, grant->mm))
		return lpar_problem(report, -EEXIST,
				    "process %d has a grant of this LPAR already; revoke it first",
				    pid_vnr(grant->pid));
	if (n >= LPAR_GRANTS_MAX)
		return lpar_problem(report, -E2BIG, "an LPAR has %d grants at most",
				    LPAR_GRANTS_MAX);
	list_add_tail(&grant->node, &grants->list);
	return 0;
}

/**
 * lpar_grant_add() - let a process map the memory by the holder's files
 * @grants: of the memory
 * @nr: process or thread id in the caller's pid namespace
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0, -ESRCH, -EAGAIN, -EINVAL, -EEXIST, -E2BIG, -ENOMEM.
 */
int lpar_grant_add(struct lpar_grants *grants, pid_t nr, struct lpar_report *report)
{
	struct pid *pid = lpar_find_process(nr, report);
	struct lpar_grant *grant;
	int err;

	if (IS_ERR(pid))
		return PTR_ERR(pid);
	grant = new_grant(pid);
	put_pid(pid);
	if (grant == ERR_PTR(-ESRCH))
		return lpar_problem(report, -ESRCH, "process %d has ended", nr);
	if (grant == ERR_PTR(-EAGAIN))
		return lpar_problem(report, -EAGAIN,
				    "process %d has not executed its program yet; try again", nr);
	if (IS_ERR(grant))
		return PTR_ERR(grant);
	mutex_lock(&grants->lock);
	err = insert(grants, grant, report);
	mutex_unlock(&grants->lock);
	if (err)
		lpar_grant_put(grant);
	return err;
}

/**
 * lpar_grant_mm() - whose it is
 * @grant: of a mapping
 *
 * Return: address space, which the grant keeps from being another's.
 */
const struct mm_struct *lpar_grant_mm(const struct lpar_grant *grant)
{
	return grant->mm;
}

/**
 * lpar_grant_has_ended() - may a fault map nothing by it?
 * @grant: of the mapping, or NULL for the holder's
 *
 * Context: any.
 * Return: true if it was revoked.
 */
bool lpar_grant_has_ended(const struct lpar_grant *grant)
{
	return grant && READ_ONCE(grant->ended);
}

/**
 * lpar_grant_get() - the grant of an address space
 * @grants: of the memory
 * @mm: address space
 *
 * Context: may sleep.
 * Return: with a reference, or NULL.
 */
struct lpar_grant *lpar_grant_get(struct lpar_grants *grants, const struct mm_struct *mm)
{
	struct lpar_grant *grant;

	mutex_lock(&grants->lock);
	grant = find(grants, mm);
	if (lpar_grant_has_ended(grant))
		grant = NULL;
	lpar_grant_ref(grant);
	mutex_unlock(&grants->lock);
	return grant;
}

/**
 * lpar_grant_end() - from now on, no fault that begins maps anything by it
 * @grants: of the memory
 * @nr: number that its process has, or had, in the caller's pid namespace: others may
 *	share the address space of one that has exited
 *
 * It stays in the list until lpar_grant_forget(), so that this can be repeated.
 *
 * Context: may sleep.
 * Return: one of that number with a reference, or NULL.
 */
struct lpar_grant *lpar_grant_end(struct lpar_grants *grants, pid_t nr)
{
	struct lpar_grant *grant, *found = NULL;

	mutex_lock(&grants->lock);
	prune(grants);
	list_for_each_entry(grant, &grants->list, node) {
		if (pid_vnr(grant->pid) != nr)
			continue;
		found = grant;
		WRITE_ONCE(found->ended, true);
		lpar_grant_ref(found);
		break;
	}
	mutex_unlock(&grants->lock);
	return found;
}

/**
 * lpar_grant_settle() - wait for faults that began before it ended
 * @grant: from lpar_grant_end()
 *
 * The kernel calls ->fault with mmap_lock held for reading, for lack of a ->map_pages not
 * with a VMA's own lock alone, and maps the page before it drops it.
 *
 * Context: may sleep, for as long as the process likes: it can be made to wait with its
 * mmap_lock held. A fatal signal ends it.
 * Return: 0 or -EINTR.
 */
int lpar_grant_settle(struct lpar_grant *grant)
{
	int err = mmap_write_lock_killable(grant->mm);

	if (!err)
		mmap_write_unlock(grant->mm);
	return err;
}

/**
 * lpar_grant_forget() - it is over
 * @grants: of the memory
 * @grant: from lpar_grant_end(); the reference goes
 *
 * Context: may sleep.
 */
void lpar_grant_forget(struct lpar_grants *grants, struct lpar_grant *grant)
{
	mutex_lock(&grants->lock);
	take_off(grants, grant);
	mutex_unlock(&grants->lock);
	lpar_grant_put(grant);
}

/**
 * lpar_grants_drop() - forget them all
 * @grants: of memory of which no file is open
 *
 * Context: may sleep.
 */
void lpar_grants_drop(struct lpar_grants *grants)
{
	struct lpar_grant *grant, *next;

	mutex_lock(&grants->lock);
	list_for_each_entry_safe(grant, next, &grants->list, node)
		take_off(grants, grant);
	mutex_unlock(&grants->lock);
}

/**
 * lpar_grants_list() - whose grants they are
 * @grants: of the memory
 * @pids: filled with LPAR_GRANTS_MAX process ids of the initial pid namespace at most
 *
 * Context: may sleep.
 * Return: number of @pids.
 */
unsigned int lpar_grants_list(struct lpar_grants *grants, pid_t *pids)
{
	const struct lpar_grant *grant;
	unsigned int n = 0;

	mutex_lock(&grants->lock);
	list_for_each_entry(grant, &grants->list, node)
		if (!is_over(grant))
			pids[n++] = pid_nr(grant->pid);
	mutex_unlock(&grants->lock);
	return n;
}
