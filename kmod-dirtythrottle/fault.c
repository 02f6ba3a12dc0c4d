// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoint kvm_page_fault: called in the vCPU thread when the guest has
 * touched what KVM's page tables do not allow, before KVM deals with it. The
 * thread holds kvm->srcu then, so that memory slots can be looked at.
 *
 * It tells who read and who wrote. Where mark.c does not work, it is also what
 * tells of dirty pages.
 */
#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/tracepoint.h>
#include "dirtythrottle.h"

/*
 * Both processors have the same bit for a write. For one by the page walk, AMD
 * sets a bit; Intel clears the one for the final address, if there is a
 * linear address at all. AMD says that the page is mapped, Intel for what.
 */
#define FAULT_WRITE		BIT_ULL(1)
#define SVM_FAULT_MAPPED	BIT_ULL(0)
#define SVM_FAULT_WALK		BIT_ULL(33)
#define VMX_FAULT_MAPPED	(BIT_ULL(3) | BIT_ULL(4) | BIT_ULL(5))
#define VMX_FAULT_LINEAR	BIT_ULL(7)
#define VMX_FAULT_FINAL		BIT_ULL(8)

/**
 * dt_fault_kind() - what has caused a fault?
 * @error_code: as the processor gave it: EXITINFO1 or exit qualification
 * @is_svm: it is an AMD processor
 *
 * With shadow paging it is the code of a page fault, whose bit 7 is clear.
 *
 * Context: any.
 * Return: its kind.
 */
enum dt_fault dt_fault_kind(u64 error_code, bool is_svm)
{
	bool walk;

	if (!(error_code & FAULT_WRITE))
		return error_code & (is_svm ? SVM_FAULT_MAPPED : VMX_FAULT_MAPPED) ?
		       DT_FAULT_OTHER : DT_FAULT_READ;
	if (is_svm)
		walk = error_code & SVM_FAULT_WALK;
	else
		walk = (error_code & VMX_FAULT_LINEAR) && !(error_code & VMX_FAULT_FINAL);
	return walk ? DT_FAULT_WALK : DT_FAULT_WRITE;
}

/*
 * Will KVM find a page at @address dirty that the dirty log does not have?
 * With shadow paging and for a guest's guest the address is another one, and
 * a write fault has to stand for the page.
 */
static bool dirties(const struct dt_target *target, struct kvm_vcpu *vcpu, u64 address,
		    enum dt_fault kind)
{
	const struct kvm_memory_slot *slot;
	gfn_t gfn = gpa_to_gfn(address);

	if (!vcpu->arch.mmu->root_role.direct)
		return kind == DT_FAULT_WRITE && READ_ONCE(target->logging);
	slot = __gfn_to_memslot(kvm_vcpu_memslots(vcpu), gfn);
	if (!slot || !kvm_slot_dirty_track_enabled(slot))
		return false;
	return !slot->dirty_bitmap || !test_bit(gfn - slot->base_gfn, slot->dirty_bitmap);
}

/* KVM enters the page into its log soon; who is not to wait for it is known now. */
static void note(struct dt_target *target, struct kvm_vcpu *vcpu, u64 address,
		 enum dt_fault kind)
{
	bool direct = vcpu->arch.mmu->root_role.direct;

	if (kind == DT_FAULT_READ && direct && !dirties(target, vcpu, address, kind))
		return;
	dt_vcpu_note(target, vcpu, kind, direct ? gpa_to_gfn(address) : DT_NOTED_ANY);
}

static void dt_probe(void *data, struct kvm_vcpu *vcpu, u64 address, u64 error_code)
{
	enum dt_fault kind = dt_fault_kind(error_code, boot_cpu_has(X86_FEATURE_SVM));
	struct dt_target *target;

	if (kind == DT_FAULT_OTHER)
		return;
	rcu_read_lock();
	target = dt_target_find_rcu(vcpu->kvm->mm);
	if (target && dt_mark_watched)
		note(target, vcpu, address, kind);
	else if (target)
		dt_vcpu_fault(target, vcpu, kind, dirties(target, vcpu, address, kind));
	rcu_read_unlock();
}

/**
 * dt_fault_watch() - see the faults of all guests
 *
 * Context: may sleep, under dt_mutex; KVM is held.
 * Return: 0 or -ENOMEM.
 */
int dt_fault_watch(void)
{
	return tracepoint_probe_register(dt_kvm.fault, dt_probe, NULL);
}

/**
 * dt_fault_unwatch() - the reverse; the probe does not run on return
 *
 * Context: may sleep, under dt_mutex; KVM is held.
 */
void dt_fault_unwatch(void)
{
	tracepoint_probe_unregister(dt_kvm.fault, dt_probe, NULL);
	tracepoint_synchronize_unregister();
}
