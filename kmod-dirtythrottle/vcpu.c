// SPDX-License-Identifier: GPL-2.0
/*
 * vCPUs: the thread that has dirtied a page waits until that is paid for.
 *
 * The fault is seen where nobody may sleep. So a task work is queued on the
 * thread, which KVM runs when the fault is dealt with, before it enters the
 * guest again, holding no lock but the vCPU's own. The write itself comes after
 * the wait; its page is in the dirty log already.
 */
#include <asm/syscall.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "dirtythrottle.h"

static void vcpu_work(struct callback_head *work);

/* Only a thread of the process itself can be a vCPU that may wait. */
static bool is_vcpu_thread(const struct dt_target *target)
{
	return current->mm == target->mm &&
	       !(current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER));
}

/*
 * A vCPU that is scheduled out marks its page of stolen time, with the lock of the
 * CPU's runqueue held: nothing may be allocated, woken or locked then. KVM's older
 * MMU marks pages with interrupts disabled as well.
 */
static bool is_restricted(void)
{
	return irqs_disabled();
}

static struct dt_vcpu *new_vcpu(struct dt_target *target)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct dt_vcpu *vcpu;

	if (is_restricted() || atomic_read(&target->nr_vcpus) >= DT_VCPUS_MAX)
		return NULL;
	vcpu = kzalloc(sizeof(*vcpu), gfp);
	if (!vcpu)
		return NULL;
	init_task_work(&vcpu->work, vcpu_work);
	vcpu->target = target;
	vcpu->tid = current->pid;
	vcpu->noted = DT_NOTED_NONE;
	vcpu->waited = DT_WAITED_NEVER;
	if (xa_insert(&target->vcpus, vcpu->tid, vcpu, gfp)) {
		kfree(vcpu);
		return NULL;
	}
	atomic_inc(&target->nr_vcpus);
	return vcpu;
}

/* The record of the current thread, which nobody else makes or changes. */
static struct dt_vcpu *this_vcpu(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu)
{
	struct dt_vcpu *vcpu = xa_load(&target->vcpus, current->pid) ?: new_vcpu(target);

	if (vcpu)
		WRITE_ONCE(vcpu->id, kvm_vcpu->vcpu_id);
	return vcpu;
}

static u64 book(struct dt_target *target, unsigned int pages, bool waits, u64 now_ns)
{
	u64 paid_ns;

	spin_lock(&target->bucket.lock);
	paid_ns = dt_bucket_charge(&target->bucket, pages, waits, now_ns);
	spin_unlock(&target->bucket.lock);
	return paid_ns;
}

static bool is_limited(const struct dt_target *target)
{
	return READ_ONCE(target->delay_ns) || READ_ONCE(target->bucket.page_ns);
}

/* A page of whoever cannot be made to wait for it. */
static void book_for_others(struct dt_target *target)
{
	if (READ_ONCE(target->bucket.page_ns) && !READ_ONCE(target->delay_ns))
		book(target, 1, false, ktime_get_ns());
}

/* Books what the vCPU has dirtied, and a grant; true when it has to wait for that. */
static bool charge(struct dt_target *target, struct dt_vcpu *vcpu)
{
	u64 delay_ns = READ_ONCE(target->delay_ns), page_ns = READ_ONCE(target->bucket.page_ns);
	unsigned int generation = READ_ONCE(target->generation), pages = vcpu->unbooked, grant;
	u64 now_ns;

	vcpu->unbooked = 0;
	if (vcpu->generation != generation)
		vcpu->granted = 0;
	if (pages <= vcpu->granted) {
		vcpu->granted -= pages;
		return false;
	}
	if (!delay_ns && !page_ns)
		return false;
	vcpu->generation = generation;
	now_ns = ktime_get_ns();
	if (delay_ns) {
		vcpu->paid_ns = dt_debt_add(vcpu->paid_ns, pages * delay_ns, now_ns);
	} else {
		grant = dt_bucket_grant(page_ns) - 1;
		vcpu->paid_ns = book(target, pages - vcpu->granted + grant, true, now_ns);
		vcpu->granted = grant;
	}
	return vcpu->paid_ns > now_ns;
}

static void queue(struct dt_vcpu *vcpu)
{
	if (vcpu->queued)
		return;
	/* The hash has a reference for as long as the probe runs. */
	kref_get(&vcpu->target->ref);
	vcpu->queued = true;
	if (!task_work_add(current, &vcpu->work, TWA_RESUME_NO_ALLOC))
		return;
	vcpu->queued = false;		/* it is past its last work */
	dt_target_put(vcpu->target);
}

/* A page is dirty that was not; @vcpu waits for it, unless it is not to. */
static void dirty(struct dt_target *target, struct dt_vcpu *vcpu, bool waits)
{
	WRITE_ONCE(vcpu->counters.pages, vcpu->counters.pages + 1);
	/* What became dirty without a limit is not owed under the next one. */
	if (!is_limited(target))
		return;
	if (!waits) {
		if (!is_restricted())
			book_for_others(target);
		return;
	}
	vcpu->unbooked++;
	/* Or it is booked soon, before the thread enters the guest again. */
	if (is_restricted() || charge(target, vcpu))
		queue(vcpu);
}

/* By a thread that has no record: it is no vCPU, or there is no memory for one. */
static void dirty_unrecorded(struct dt_target *target, bool is_vcpu)
{
	atomic64_inc(is_vcpu ? &target->undelayed : &target->foreign);
	if (!is_restricted())
		book_for_others(target);
}

/**
 * dt_vcpu_fault() - a vCPU has caused a fault that may dirty a page
 * @target: its process
 * @kvm_vcpu: vCPU that runs in the current thread
 * @kind: of the fault
 * @dirties: it dirties a page
 *
 * Only who writes by an instruction waits: not who reads for the first time,
 * nor the processor that walks a reader's page tables.
 *
 * Context: atomic, under RCU.
 */
void dt_vcpu_fault(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu,
		   enum dt_fault kind, bool dirties)
{
	bool is_vcpu = is_vcpu_thread(target);
	struct dt_vcpu *vcpu;

	if (kind == DT_FAULT_READ && !dirties)
		return;
	vcpu = is_vcpu ? this_vcpu(target, kvm_vcpu) : NULL;
	if (vcpu)
		WRITE_ONCE(vcpu->counters.faults, vcpu->counters.faults + 1);
	if (!dirties)
		return;
	if (vcpu)
		dirty(target, vcpu, kind == DT_FAULT_WRITE);
	else
		dirty_unrecorded(target, is_vcpu);
}

/**
 * dt_vcpu_note() - a vCPU has caused a fault; what it dirties is seen by itself
 * @target: its process
 * @kvm_vcpu: vCPU that runs in the current thread
 * @kind: of the fault
 * @gfn: page, or DT_NOTED_ANY
 *
 * Context: atomic, under RCU.
 */
void dt_vcpu_note(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu,
		  enum dt_fault kind, u64 gfn)
{
	struct dt_vcpu *vcpu = is_vcpu_thread(target) ? this_vcpu(target, kvm_vcpu) : NULL;

	if (!vcpu)
		return;
	WRITE_ONCE(vcpu->counters.faults, vcpu->counters.faults + 1);
	vcpu->noted = kind == DT_FAULT_WRITE ? DT_NOTED_NONE : gfn;
}

/**
 * dt_vcpu_mark() - a page is about to enter KVM's dirty log
 * @target: process whose page it is
 * @kvm_vcpu: vCPU that runs in the current thread, or NULL
 * @gfn: page
 *
 * A page that the fault before has not told of was written: KVM learns of it
 * from a log of the processor, or writes it for the vCPU.
 *
 * Who has not been in the guest since it waited has written nothing. KVM tells a
 * guest each time that its vCPU was scheduled, and enters that page into a dirty
 * ring each time: if it had to wait for that, it would never come into the guest.
 *
 * Context: atomic, under RCU, not preempted; also with interrupts disabled.
 */
void dt_vcpu_mark(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu, u64 gfn)
{
	bool is_vcpu = kvm_vcpu && is_vcpu_thread(target), noted;
	struct dt_vcpu *vcpu = is_vcpu ? this_vcpu(target, kvm_vcpu) : NULL;

	if (!vcpu) {
		dirty_unrecorded(target, is_vcpu);
		return;
	}
	noted = vcpu->noted == gfn || vcpu->noted == DT_NOTED_ANY;
	if (noted)
		vcpu->noted = DT_NOTED_NONE;
	vcpu->exits = kvm_vcpu->stat.exits;
	dirty(target, vcpu, !noted && vcpu->exits != vcpu->waited);
}

/*
 * Is the system call over but for the way out? Then the thread may be about to
 * take QEMU's big lock; its next page pays.
 */
static bool has_result(const struct pt_regs *regs)
{
	return regs->ax != (unsigned long)-ENOSYS;
}

static bool must_wait(const struct dt_vcpu *vcpu)
{
	return READ_ONCE(vcpu->target->generation) == vcpu->generation;
}

/*
 * A guest has to hear of its interrupts, however long it waits. So it looks for
 * them all the time, and goes on for one if not too much is owed: by all, for a
 * limit, or by itself, for a fixed delay.
 */
static bool is_favoured(const struct dt_vcpu *vcpu, u64 now_ns)
{
	u64 paid_ns = max(READ_ONCE(vcpu->target->bucket.paid_ns), vcpu->paid_ns);

	return dt_debt_is_small(paid_ns, now_ns) && dt_guest_is_interrupted();
}

static void wait_for_turn(struct dt_vcpu *vcpu)
{
	u64 start_ns = ktime_get_ns(), now_ns = start_ns;
	u64 leave_ns = dt_debt_leave_ns(vcpu->paid_ns, start_ns);

	while (now_ns < leave_ns && !is_favoured(vcpu, now_ns)) {
		u64 piece_ns = min_t(u64, leave_ns - now_ns, DT_PIECE_NS);

		/* A signal, as from QEMU's pause, ends it; what is booked stays booked. */
		if (wait_event_interruptible_hrtimeout(vcpu->target->waiters, !must_wait(vcpu),
						       ns_to_ktime(piece_ns)) != -ETIME)
			break;
		now_ns = ktime_get_ns();
	}
	WRITE_ONCE(vcpu->counters.delayed_ns,
		   vcpu->counters.delayed_ns + ktime_get_ns() - start_ns);
}

/* Runs in the vCPU thread, before it enters the guest or returns to user space. */
static void vcpu_work(struct callback_head *work)
{
	struct dt_vcpu *vcpu = container_of(work, struct dt_vcpu, work);
	struct dt_target *target = vcpu->target;

	/* The thread marks a page as well when it is scheduled out: not in the middle. */
	preempt_disable();
	if (vcpu->unbooked)
		charge(target, vcpu);
	preempt_enable();
	if (!(current->flags & PF_EXITING) && !has_result(current_pt_regs())) {
		vcpu->waited = vcpu->exits;
		wait_for_turn(vcpu);
	}
	vcpu->queued = false;
	dt_target_put(target);
}

/**
 * dt_vcpu_sum() - what all vCPUs have done
 * @target: their target
 * @sum: to be filled
 *
 * Context: process.
 */
void dt_vcpu_sum(struct dt_target *target, struct dt_counters *sum)
{
	u64 others = atomic64_read(&target->foreign) + atomic64_read(&target->undelayed);
	struct dt_vcpu *vcpu;
	unsigned long tid;

	*sum = (struct dt_counters){ .faults = others, .pages = others };
	xa_for_each(&target->vcpus, tid, vcpu) {
		sum->faults += READ_ONCE(vcpu->counters.faults);
		sum->pages += READ_ONCE(vcpu->counters.pages);
		sum->delayed_ns += READ_ONCE(vcpu->counters.delayed_ns);
	}
}

/**
 * dt_vcpu_free_all() - with the target
 * @target: nobody sees it any more, and no work is queued
 */
void dt_vcpu_free_all(struct dt_target *target)
{
	struct dt_vcpu *vcpu;
	unsigned long tid;

	xa_for_each(&target->vcpus, tid, vcpu)
		kfree(vcpu);
	xa_destroy(&target->vcpus);
}
