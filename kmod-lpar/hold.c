// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds the memory of an LPAR: one address space at a time, from its first open of the
 * device to its last close, or to its end. The next one waits until what it has left is
 * zeroed.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "memory.h"

/* An address space that nobody runs in will never map, read or write anything again. */
static bool is_alive(const struct lpar_hold *hold)
{
	return atomic_read(&hold->mm->mm_users);
}

static pid_t holder(const struct lpar_memory *memory)
{
	lockdep_assert_held(&memory->lock);
	return memory->hold && is_alive(memory->hold) ? pid_nr(memory->hold->pid) : 0;
}

/**
 * lpar_memory_holder() - who has the memory open?
 * @memory: memory
 *
 * Context: may sleep.
 * Return: process id in the initial pid namespace, 0 = nobody.
 */
pid_t lpar_memory_holder(struct lpar_memory *memory)
{
	pid_t pid;

	mutex_lock(&memory->lock);
	pid = holder(memory);
	mutex_unlock(&memory->lock);
	return pid;
}

/**
 * lpar_memory_shut() - nobody opens the memory from now on
 * @memory: memory
 * @force: although somebody holds it, who keeps it
 *
 * Context: may sleep.
 * Return: 0, or without @force the process that holds it, as lpar_memory_holder(), and it
 * stays open.
 */
pid_t lpar_memory_shut(struct lpar_memory *memory, bool force)
{
	pid_t pid = 0;

	mutex_lock(&memory->lock);
	if (!force)
		pid = holder(memory);
	WRITE_ONCE(memory->shut, !pid);
	mutex_unlock(&memory->lock);
	if (!pid)
		wake_up_all(&memory->clean);
	return pid;
}

/**
 * lpar_memory_reopen() - the reverse of lpar_memory_shut()
 * @memory: memory
 *
 * Context: may sleep.
 */
void lpar_memory_reopen(struct lpar_memory *memory)
{
	mutex_lock(&memory->lock);
	WRITE_ONCE(memory->shut, false);
	mutex_unlock(&memory->lock);
}

/* Nobody holds the memory any more: zero what the last holder could touch, in its use. */
static void let_go(struct lpar_memory *memory)
{
	struct lpar_hold *hold = memory->hold;

	lockdep_assert_held(&memory->lock);
	WRITE_ONCE(hold->gone, true);
	memory->hold = NULL;
	memory->dirty = true;
	lpar_memory_scrub(memory, 0);
}

/* The address space is about to be taken apart, whoever has its files. */
static void holder_exits(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct lpar_hold *hold = container_of(notifier, struct lpar_hold, notifier);
	struct lpar_memory *memory = hold->memory;

	mutex_lock(&memory->lock);
	if (memory->hold == hold)
		let_go(memory);
	mutex_unlock(&memory->lock);
}

static const struct mmu_notifier_ops hold_ops = {
	.release = holder_exits,
};

static struct lpar_hold *new_hold(struct lpar_memory *memory)
{
	struct lpar_hold *hold = kzalloc(sizeof(*hold), GFP_KERNEL);
	int err;

	if (!hold)
		return ERR_PTR(-ENOMEM);
	hold->memory = memory;
	hold->mm = current->mm;
	hold->notifier.ops = &hold_ops;
	err = mmu_notifier_register(&hold->notifier, hold->mm);
	if (err) {
		kfree(hold);
		return ERR_PTR(err == -EINTR ? -ERESTARTSYS : err);
	}
	mmgrab(hold->mm);
	hold->pid = get_pid(task_tgid(current));
	return hold;
}

/* Not under memory->lock, which holder_exits() takes. */
static void free_hold(struct lpar_hold *hold)
{
	mmu_notifier_unregister(&hold->notifier, hold->mm);
	mmdrop(hold->mm);
	put_pid(hold->pid);
	kfree(hold);
}

/*
 * Under @lock: what the process has already, or @fresh, which is NULL as long as nobody
 * knows that it is needed. -EAGAIN: wait for @clean.
 */
static struct lpar_hold *try_hold(struct lpar_memory *memory, struct lpar_hold *fresh)
{
	struct lpar_hold *hold = memory->hold;

	if (memory->shut)
		return ERR_PTR(-ENXIO);
	if (hold && hold->mm != current->mm) {
		if (is_alive(hold))
			return ERR_PTR(-EBUSY);
		let_go(memory);
		hold = NULL;
	}
	if (memory->dirty)
		return ERR_PTR(-EAGAIN);
	if (!hold && fresh) {
		if (!kref_get_unless_zero(&memory->users))
			return ERR_PTR(-ENXIO);
		hold = fresh;
		memory->hold = hold;
	}
	if (hold)
		hold->opens++;
	return hold;
}

/* As try_hold(), with @wait when no former holder's contents are there. */
static struct lpar_hold *await_hold(struct lpar_memory *memory, struct lpar_hold *fresh,
				    bool wait)
{
	struct lpar_hold *hold;

	for (;;) {
		mutex_lock(&memory->lock);
		hold = try_hold(memory, fresh);
		mutex_unlock(&memory->lock);
		if (hold != ERR_PTR(-EAGAIN) || !wait)
			return hold;
		if (wait_event_interruptible(memory->clean, !READ_ONCE(memory->dirty) ||
					     READ_ONCE(memory->shut)))
			return ERR_PTR(-ERESTARTSYS);
	}
}

/**
 * lpar_memory_hold() - the current process opens the memory
 * @memory: memory, referenced
 * @wait: until a former holder's contents are gone
 *
 * Context: may sleep.
 * Return: what lpar_memory_release() ends, or ERR_PTR of -EBUSY when another process
 * holds it, -ENXIO when it is shut or being freed, -EINVAL, -ENOMEM, -ERESTARTSYS,
 * without @wait -EAGAIN.
 */
struct lpar_hold *lpar_memory_hold(struct lpar_memory *memory, bool wait)
{
	struct lpar_event_info info = { .pid = task_tgid_nr(current), .cpu = -1 };
	struct lpar_hold *hold, *fresh;

	if (!current->mm)
		return ERR_PTR(-EINVAL);	/* a kernel thread */
	/* To make a hold takes all locks of the address space: not for who is refused. */
	hold = await_hold(memory, NULL, wait);
	if (hold)
		return hold;
	fresh = new_hold(memory);
	if (IS_ERR(fresh))
		return fresh;
	hold = await_hold(memory, fresh, wait);
	if (hold != fresh) {
		free_hold(fresh);
		return hold;
	}
	info.comm = current->comm;
	mutex_lock(&memory->tell);	/* that it was let go is told first */
	lpar_event_send(LPAR_EVENT_MEMORY_HELD, memory->lpar, &info);
	mutex_unlock(&memory->tell);
	lpar_event_poll(memory->lpar, LPAR_FILE_HOLDER);
	return hold;
}

/**
 * lpar_memory_release() - a file of the memory is closed
 * @hold: of its opener; the memory is zeroed in the background after its last close
 *
 * Context: may sleep.
 */
void lpar_memory_release(struct lpar_hold *hold)
{
	struct lpar_memory *memory = hold->memory;
	bool last;

	mutex_lock(&memory->lock);
	last = !--hold->opens;
	if (last && memory->hold == hold)
		let_go(memory);
	mutex_unlock(&memory->lock);
	if (last)
		free_hold(hold);
}

/**
 * lpar_memory_of() - the memory of an open file
 * @hold: of the file
 *
 * Return: memory, which the file keeps.
 */
struct lpar_memory *lpar_memory_of(const struct lpar_hold *hold)
{
	return hold->memory;
}

/**
 * lpar_memory_may_map() - may the current process map the memory by a file?
 * @hold: of the file, which may have been passed on
 * @grant: becomes its grant, with a reference, or NULL if it needs none
 *
 * Context: may sleep.
 * Return: true if the opener of the file holds the memory yet, and this is the opener
 * or has a grant.
 */
bool lpar_memory_may_map(const struct lpar_hold *hold, struct lpar_grant **grant)
{
	struct lpar_memory *memory = hold->memory;
	bool may;

	*grant = NULL;
	mutex_lock(&memory->lock);
	may = memory->hold == hold;
	if (may && hold->mm != current->mm) {
		*grant = lpar_grant_get(&memory->grants, current->mm);
		may = *grant;
	}
	mutex_unlock(&memory->lock);
	return may;
}

/**
 * lpar_memory_is_heir() - has an address space only been left a mapping?
 * @hold: of the file
 * @grant: of the mapping, or NULL for the holder's
 * @mm: address space
 *
 * By a fork, as madvise() can undo VM_DONTCOPY.
 *
 * Return: true if the mapping was made in another.
 */
bool lpar_memory_is_heir(const struct lpar_hold *hold, const struct lpar_grant *grant,
			 const struct mm_struct *mm)
{
	return mm != (grant ? lpar_grant_mm(grant) : hold->mm);
}
