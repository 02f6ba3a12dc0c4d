// SPDX-License-Identifier: GPL-2.0
/*
 * vCPU threads: how the gate finds them and stops them.
 *
 * A vCPU executes guest instructions only inside the ioctl KVM_RUN, and KVM
 * looks for work that is pending for the thread each time before it enters the
 * guest (xfer_to_guest_mode_handle_work() in kernel/entry/kvm.c). So a task
 * work that sleeps, queued on the thread, keeps it out of the guest:
 *
 *  - threads that are in KVM_RUN when a gate is armed are found by a census of
 *    the members' threads, which looks at the system call that each is in;
 *  - threads that call KVM_RUN later are caught at the entry to the system
 *    call by the tracepoint sys_enter, which is listened to only while some
 *    gate is armed or closed.
 *
 * The work sleeps only inside KVM_RUN. A vCPU thread that is in user space, or
 * on its way there, may have to answer QEMU or hold its big lock; it goes on
 * until it calls KVM_RUN again.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/magic.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/task_work.h>
#include <asm/syscall.h>
#include <trace/events/syscalls.h>
#include "lpar.h"

/* ioctl(2) of 32-bit programs and of x32 ones; asm/unistd.h has that of 64-bit ones only. */
#define NR_IA32_IOCTL	54
#define NR_X32_IOCTL	(__X32_SYSCALL_BIT + 514)

/*
 * An LPAR's threads that may have a record: more than guests have vCPUs as a rule. Any number
 * of threads may call KVM_RUN, of one vCPU even, and a cut looks at each in hard-irq context.
 */
#define VCPUS_MAX	1024

/**
 * struct lpar_vcpu - a thread that was seen in KVM_RUN
 * @node: in gate->vcpus
 * @hash: in gate->by_task
 * @task: holds a reference
 * @lpar: holds a reference
 * @work: sleeps while the gate is closed
 * @kick: makes KVM_RUN return, so that @work runs
 * @queued: @work is on its way
 * @kicked: @kick is on its way
 * @held: @task sleeps in @work
 * @stopping: @task was on a CPU when the gate closed and has not run @work since
 *
 * Guarded by gate->lock. Freed when nobody watches the gate and neither work
 * is on its way; the thread itself does it if it comes last.
 */
struct lpar_vcpu {
	struct list_head node;
	struct hlist_node hash;
	struct task_struct *task;
	struct lpar *lpar;
	struct callback_head work;
	struct callback_head kick;
	bool queued;
	bool kicked;
	bool held;
	bool stopping;
};

/**
 * lpar_vcpu_is_kvm_run() - is this system call KVM_RUN?
 * @nr: its number
 * @cmd: its second argument
 * @compat: made by a 32-bit program
 *
 * Return: true if so.
 */
bool lpar_vcpu_is_kvm_run(long nr, unsigned long cmd, bool compat)
{
	if ((unsigned int)cmd != KVM_RUN)
		return false;
	return compat ? nr == NR_IA32_IOCTL : nr == __NR_ioctl || nr == NR_X32_IOCTL;
}

/*
 * Is @task inside KVM_RUN, by the registers that it entered the kernel with?
 * For a task that is in user space or on its way in or out the answer may be
 * wrong either way; the tracepoint and the work itself decide then.
 */
static bool in_kvm_run(struct task_struct *task, const struct pt_regs *regs)
{
	bool compat = task_thread_info(task)->status & TS_COMPAT;

	return lpar_vcpu_is_kvm_run((int)READ_ONCE(regs->orig_ax),
				    compat ? READ_ONCE(regs->cx) : READ_ONCE(regs->si), compat);
}

/*
 * Is the first argument of ioctl(2), in the current thread, the descriptor of a vCPU? KVM
 * gives their files this name, and nobody can make a file on this file system as he likes.
 *
 * Return: 0 if so, or the errno of KVM_RUN on what it is.
 */
static int check_descriptor(const struct pt_regs *regs)
{
	bool compat = task_thread_info(current)->status & TS_COMPAT;
	struct file *file = fget(compat ? regs->bx : regs->di);
	const struct dentry *dentry;
	int err = -ENOTTY;

	if (!file)
		return -EBADF;
	dentry = file->f_path.dentry;
	if (dentry->d_sb->s_magic == ANON_INODE_FS_MAGIC &&
	    str_has_prefix(dentry->d_name.name, "kvm-vcpu:"))
		err = 0;
	fput(file);
	return err;
}

static struct lpar_vcpu *find(struct lpar_gate *gate, const struct task_struct *task)
{
	struct lpar_vcpu *vcpu;

	lockdep_assert_held(&gate->lock);
	hash_for_each_possible(gate->by_task, vcpu, hash, (unsigned long)task)
		if (vcpu->task == task)
			return vcpu;
	return NULL;
}

static void vcpu_free(struct lpar_vcpu *vcpu)
{
	put_task_struct(vcpu->task);
	lpar_put(vcpu->lpar);
	kfree(vcpu);
}

static bool is_idle(const struct lpar_vcpu *vcpu)
{
	return !vcpu->queued && !vcpu->kicked && !vcpu->held;
}

static void forget(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	lockdep_assert_held(&gate->lock);
	list_del(&vcpu->node);
	hash_del(&vcpu->hash);
	gate->nr_vcpus--;
}

/*
 * Does @task die, or is it no member any more? Such have no record: whoever takes them out of
 * @lpar forgets them after that, and gate->lock, which is held, decides who comes first.
 */
static bool is_gone(struct task_struct *task, const struct lpar *lpar)
{
	bool gone;

	rcu_read_lock();
	gone = task->flags & PF_EXITING || lpar_member_lpar_rcu(task) != lpar;
	rcu_read_unlock();
	return gone;
}

/*
 * The end of a work, in the vCPU thread: with nobody watching, or when the
 * thread is gone, it is forgotten. In the same critical section as the change
 * that makes @vcpu idle, as others free what is idle.
 *
 * Return: true when the caller has to free @vcpu.
 */
static bool leave(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	lockdep_assert_held(&gate->lock);
	if (!is_idle(vcpu) || (gate->watchers && !is_gone(current, vcpu->lpar)))
		return false;
	forget(gate, vcpu);
	return true;
}

static bool must_wait(struct lpar *lpar)
{
	bool member;

	rcu_read_lock();
	member = lpar_member_lpar_rcu(current) == lpar;
	rcu_read_unlock();
	return member && READ_ONCE(lpar->gate.closed);
}

/* Until the gate opens or a signal comes, as from QEMU's pause. */
static void wait_in_gate(struct lpar *lpar)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (!must_wait(lpar) || signal_pending(current))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

static void note_stop(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	lockdep_assert_held(&gate->lock);
	if (!vcpu->stopping)
		return;
	vcpu->stopping = false;
	gate->nr_stopping--;
	gate->nr_stopped++;
	gate->last_stop = ktime_get();
	gate->last_stop_real = ktime_get_real();
}

/*
 * Is the system call over but for the way out? QEMU makes KVM_RUN return at
 * once, without a signal, by immediate_exit, and counts on it.
 */
static bool has_result(const struct pt_regs *regs)
{
	return regs->ax != (unsigned long)-ENOSYS;
}

/* The work has come. True when the thread has to wait. */
static bool arrive(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	const struct pt_regs *regs = current_pt_regs();

	lockdep_assert_held(&gate->lock);
	vcpu->queued = false;
	gate->nr_queued--;
	note_stop(gate, vcpu);
	vcpu->held = gate->closed && !(current->flags & PF_EXITING) &&
		     in_kvm_run(current, regs) && !has_result(regs);
	gate->nr_held += vcpu->held;
	return vcpu->held;
}

/* Ends a work whose part of @vcpu has changed: lets go of gate->lock and @lpar. */
static void end_work(struct lpar *lpar, struct lpar_vcpu *vcpu, unsigned long flags)
	__releases(&lpar->gate.lock)
{
	struct lpar_gate *gate = &lpar->gate;
	bool last = leave(gate, vcpu);

	raw_spin_unlock_irqrestore(&gate->lock, flags);
	wake_up_all(&gate->settled);
	if (last)
		vcpu_free(vcpu);
	lpar_put(lpar);
}

/* Runs in the vCPU thread, before it enters the guest or returns to user space. */
static void vcpu_work(struct callback_head *work)
{
	struct lpar_vcpu *vcpu = container_of(work, struct lpar_vcpu, work);
	struct lpar *lpar = vcpu->lpar;
	struct lpar_gate *gate = &lpar->gate;
	unsigned long flags;

	lpar_ref(lpar);
	raw_spin_lock_irqsave(&gate->lock, flags);
	if (arrive(gate, vcpu)) {
		raw_spin_unlock_irqrestore(&gate->lock, flags);
		wake_up_all(&gate->settled);
		wait_in_gate(lpar);
		raw_spin_lock_irqsave(&gate->lock, flags);
		vcpu->held = false;
		gate->nr_held--;
	}
	end_work(lpar, vcpu, flags);
}

static void vcpu_kick(struct callback_head *kick)
{
	struct lpar_vcpu *vcpu = container_of(kick, struct lpar_vcpu, kick);
	struct lpar *lpar = vcpu->lpar;
	unsigned long flags;

	lpar_ref(lpar);
	raw_spin_lock_irqsave(&lpar->gate.lock, flags);
	vcpu->kicked = false;
	lpar->gate.nr_queued--;
	end_work(lpar, vcpu, flags);
}

static void queue(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	lockdep_assert_held(&gate->lock);
	if (vcpu->queued || vcpu->held)
		return;
	vcpu->queued = true;
	gate->nr_queued++;
	if (task_work_add(vcpu->task, &vcpu->work, TWA_RESUME_NO_ALLOC)) {
		vcpu->queued = false;		/* it is past its last work */
		gate->nr_queued--;
		note_stop(gate, vcpu);
	}
}

/* True when the gate has got @vcpu, which is new. */
static bool add(struct lpar_gate *gate, struct lpar_vcpu *vcpu)
{
	lockdep_assert_held(&gate->lock);
	if (gate->nr_vcpus >= VCPUS_MAX)
		return false;
	list_add(&vcpu->node, &gate->vcpus);
	hash_add(gate->by_task, &vcpu->hash, (unsigned long)vcpu->task);
	gate->nr_vcpus++;
	return true;
}

/* Once while the gate is watched: whoever has so many threads may have more. */
static int refuse(struct lpar *lpar)
{
	if (!xchg(&lpar->gate.crowded, true))
		pr_warn("lpar: \"%s\": more than %d threads call KVM_RUN; the gate holds no more\n",
			lpar->name, VCPUS_MAX);
	return -ENOSPC;
}

/* Makes @task known to the gate. Any context without raw locks. */
static int remember(struct lpar *lpar, struct task_struct *task)
{
	struct lpar_gate *gate = &lpar->gate;
	struct lpar_vcpu *vcpu;
	unsigned long flags;
	bool wanted, added;

	vcpu = kzalloc(sizeof(*vcpu), GFP_NOWAIT | __GFP_NOWARN);
	if (!vcpu)
		return -ENOMEM;
	init_task_work(&vcpu->work, vcpu_work);
	init_task_work(&vcpu->kick, vcpu_kick);
	vcpu->task = get_task_struct(task);
	vcpu->lpar = lpar;
	lpar_ref(lpar);

	raw_spin_lock_irqsave(&gate->lock, flags);
	wanted = gate->watchers && !find(gate, task) && !is_gone(task, lpar);
	added = wanted && add(gate, vcpu);
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	if (!added)
		vcpu_free(vcpu);
	return added || !wanted ? 0 : refuse(lpar);
}

/* Turns the system call into one that does nothing but to return @err. */
static void skip_syscall(struct pt_regs *regs, int err)
{
	regs->orig_ax = -1;
	regs->ax = err;
}

/* Holds the current thread if the gate is closed. False when it should be known and is not. */
static bool check_in(struct lpar_gate *gate)
{
	struct lpar_vcpu *vcpu;
	unsigned long flags;
	bool known;

	raw_spin_lock_irqsave(&gate->lock, flags);
	vcpu = find(gate, current);
	known = vcpu || !gate->watchers;
	if (vcpu && gate->closed)
		queue(gate, vcpu);
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	return known;
}

/*
 * The current thread, of a member of @lpar, is about to execute KVM_RUN. If there is no room
 * for a record, the program shall call it again: there may be by then.
 */
static void enter_kvm_run(struct lpar *lpar, struct pt_regs *regs)
{
	if (check_in(&lpar->gate))
		return;
	if (remember(lpar, current))
		skip_syscall(regs, -EINTR);
	else
		check_in(&lpar->gate);
}

static void vcpu_sys_enter(void *data, struct pt_regs *regs, long id)
{
	struct lpar *lpar;
	int err;

	if (!in_kvm_run(current, regs))
		return;
	rcu_read_lock();
	lpar = lpar_member_lpar_rcu(current);
	if (lpar)
		lpar_ref(lpar);
	rcu_read_unlock();
	if (!lpar)
		return;
	/*
	 * Who calls KVM_RUN on something else has no record, but his answer from here: another
	 * thread may make a vCPU's of the descriptor before the system call looks at it.
	 */
	err = check_descriptor(regs);
	if (err)
		skip_syscall(regs, err);
	else
		enter_kvm_run(lpar, regs);
	lpar_put(lpar);
}

/* One thread of the census; under RCU. */
static int see(struct lpar *lpar, struct task_struct *task)
{
	/*
	 * The stack of a task that dies now is freed after a grace period or
	 * kept mapped for the next task (kernel/fork.c), so it can be read.
	 */
	const void *stack = READ_ONCE(task->stack);
	const struct pt_regs *regs;

	if (!stack || task->exit_state)
		return 0;
	/* Workers that KVM or io_uring made have a copy of their maker's registers. */
	if (task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return 0;
	regs = (const struct pt_regs *)(stack + THREAD_SIZE - TOP_OF_KERNEL_STACK_PADDING) - 1;
	if (!in_kvm_run(task, regs))
		return 0;
	return remember(lpar, task);
}

/**
 * lpar_vcpu_census() - find the vCPU threads that are in KVM_RUN now
 * @lpar: LPAR whose gate is watched, so that later ones are found at entry; each CPU
 *	has taken an interrupt since
 *
 * Context: process.
 * Return: 0, -ENOMEM, or -ENOSPC when more threads than VCPUS_MAX are in KVM_RUN.
 */
int lpar_vcpu_census(struct lpar *lpar)
{
	return lpar_member_census(lpar, see);
}

/**
 * lpar_vcpu_stop_all() - let no vCPU of a gate that has closed run on
 * @gate: gate, with @closed set
 *
 * A vCPU that is in the guest leaves it by the interrupt that task_work_add()
 * sends to its CPU.
 *
 * Context: any, hard-irq too; gate->lock held. Bounded by VCPUS_MAX.
 */
void lpar_vcpu_stop_all(struct lpar_gate *gate)
{
	struct lpar_vcpu *vcpu;

	lockdep_assert_held(&gate->lock);
	list_for_each_entry(vcpu, &gate->vcpus, node) {
		if (vcpu->held)
			continue;
		if (!vcpu->stopping && READ_ONCE(vcpu->task->on_cpu)) {
			vcpu->stopping = true;
			gate->nr_stopping++;
		}
		queue(gate, vcpu);
	}
}

/**
 * lpar_vcpu_wake_all() - make the vCPUs that wait look at the gate again
 * @gate: gate
 *
 * Context: any, hard-irq too; gate->lock held. Bounded by VCPUS_MAX.
 */
void lpar_vcpu_wake_all(struct lpar_gate *gate)
{
	struct lpar_vcpu *vcpu;

	lockdep_assert_held(&gate->lock);
	list_for_each_entry(vcpu, &gate->vcpus, node)
		if (vcpu->held)
			wake_up_process(vcpu->task);
}

/**
 * lpar_vcpu_forget_all() - forget the vCPUs of a gate that nobody watches
 * @gate: gate; vCPUs with work on its way are forgotten when it has come
 *
 * Context: process.
 */
void lpar_vcpu_forget_all(struct lpar_gate *gate)
{
	struct lpar_vcpu *vcpu, *next;
	unsigned long flags;
	LIST_HEAD(forgotten);

	raw_spin_lock_irqsave(&gate->lock, flags);
	if (!gate->watchers)
		WRITE_ONCE(gate->crowded, false);
	list_for_each_entry_safe(vcpu, next, &gate->vcpus, node) {
		if (gate->watchers || !is_idle(vcpu))
			continue;
		forget(gate, vcpu);
		list_add(&vcpu->node, &forgotten);
	}
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	list_for_each_entry_safe(vcpu, next, &forgotten, node)
		vcpu_free(vcpu);
}

/**
 * lpar_vcpu_kick_queued() - make KVM_RUN return in the vCPUs with work on its way
 * @gate: gate that is open
 *
 * A halted vCPU would run the work only when its guest wakes.
 *
 * Context: process.
 */
void lpar_vcpu_kick_queued(struct lpar_gate *gate)
{
	struct lpar_vcpu *vcpu;
	unsigned long flags;

	raw_spin_lock_irqsave(&gate->lock, flags);
	list_for_each_entry(vcpu, &gate->vcpus, node) {
		if (!vcpu->queued || vcpu->kicked)
			continue;
		vcpu->kicked = !task_work_add(vcpu->task, &vcpu->kick, TWA_SIGNAL_NO_ALLOC);
		gate->nr_queued += vcpu->kicked;
	}
	raw_spin_unlock_irqrestore(&gate->lock, flags);
}

/**
 * lpar_vcpu_gone() - a thread of a member dies, or its process has just ceased to be one
 * @gate: gate of its LPAR
 * @task: the thread
 *
 * Context: any without raw locks.
 */
void lpar_vcpu_gone(struct lpar_gate *gate, struct task_struct *task)
{
	struct lpar_vcpu *vcpu;
	unsigned long flags;

	raw_spin_lock_irqsave(&gate->lock, flags);
	vcpu = find(gate, task);
	if (vcpu && is_idle(vcpu))
		forget(gate, vcpu);
	else
		vcpu = NULL;		/* its work, which is yet to end, does it */
	raw_spin_unlock_irqrestore(&gate->lock, flags);
	if (vcpu)
		vcpu_free(vcpu);
}

/**
 * lpar_vcpu_watch() - listen to entries to KVM_RUN
 *
 * Counted. Makes every system call on the host a little slower, so it is
 * done only while some gate is armed or closed, and a few seconds longer.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_vcpu_watch(void)
{
	check_trace_callback_type_sys_enter(vcpu_sys_enter);
	return lpar_hook_get(LPAR_HOOK_SYS_ENTER, vcpu_sys_enter);
}

/**
 * lpar_vcpu_unwatch() - the reverse
 *
 * Context: may sleep.
 */
void lpar_vcpu_unwatch(void)
{
	lpar_hook_put(LPAR_HOOK_SYS_ENTER);
}
