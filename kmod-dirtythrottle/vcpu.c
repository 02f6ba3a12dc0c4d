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

static struct dt_vcpu *new_vcpu(struct dt_target *target)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct dt_vcpu *vcpu;

	if (atomic_read(&target->nr_vcpus) >= DT_VCPUS_MAX)
		return NULL;
	vcpu = kzalloc(sizeof(*vcpu), gfp);
	if (!vcpu)
		return NULL;
	init_task_work(&vcpu->work, vcpu_work);
	vcpu->target = target;
	vcpu->tid = current->pid;
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

/* Books a page; true when whoever dirtied it has to wait for it, if that is possible. */
static bool charge(struct dt_target *target, struct dt_vcpu *vcpu, bool waits)
{
	u64 delay_ns = READ_ONCE(target->delay_ns);
	u64 now_ns, paid_ns;

	if (!delay_ns && !READ_ONCE(target->bucket.page_ns))
		return false;
	now_ns = ktime_get_ns();
	if (waits)
		vcpu->generation = READ_ONCE(target->generation);
	if (delay_ns) {
		paid_ns = waits ? dt_debt_add(vcpu->paid_ns, delay_ns, now_ns) : 0;
	} else {
		spin_lock(&target->bucket.lock);
		paid_ns = dt_bucket_charge(&target->bucket, waits, now_ns);
		spin_unlock(&target->bucket.lock);
	}
	if (waits)
		vcpu->paid_ns = paid_ns;
	return waits && paid_ns > now_ns;
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
	bool is_vcpu = is_vcpu_thread(target), waits;
	struct dt_vcpu *vcpu;

	if (kind == DT_FAULT_READ && !dirties)
		return;
	vcpu = is_vcpu ? this_vcpu(target, kvm_vcpu) : NULL;
	if (vcpu)
		WRITE_ONCE(vcpu->counters.faults, vcpu->counters.faults + 1);
	if (!dirties)
		return;
	waits = charge(target, vcpu, vcpu && kind == DT_FAULT_WRITE);
	if (!vcpu) {
		atomic64_inc(is_vcpu ? &target->undelayed : &target->foreign);
		return;
	}
	WRITE_ONCE(vcpu->counters.pages, vcpu->counters.pages + 1);
	if (waits)
		queue(vcpu);
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

static void wait_for_turn(struct dt_vcpu *vcpu)
{
	u64 start_ns = ktime_get_ns();
	u64 leave_ns = dt_debt_leave_ns(vcpu->paid_ns, start_ns);

	if (leave_ns == start_ns)
		return;
	/* A signal, as from QEMU's pause, ends it; what is booked stays booked. */
	wait_event_interruptible_hrtimeout(vcpu->target->waiters, !must_wait(vcpu),
					   ns_to_ktime(leave_ns - start_ns));
	WRITE_ONCE(vcpu->counters.delayed_ns,
		   vcpu->counters.delayed_ns + ktime_get_ns() - start_ns);
}

/* Runs in the vCPU thread, before it enters the guest or returns to user space. */
static void vcpu_work(struct callback_head *work)
{
	struct dt_vcpu *vcpu = container_of(work, struct dt_vcpu, work);
	struct dt_target *target = vcpu->target;

	if (!(current->flags & PF_EXITING) && !has_result(current_pt_regs()))
		wait_for_turn(vcpu);
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
