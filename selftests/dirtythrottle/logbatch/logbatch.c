// SPDX-License-Identifier: GPL-2.0
/*
 * For tests of dirtythrottle.ko: stands in for a processor that logs writes by
 * itself (PML), which no emulator has. At the first write of a guest to a clean
 * page it dirties those behind it as well, as KVM does when it empties such a log:
 * in the thread of the vCPU, one after another.
 *
 * With silent=1 they come into the dirty log in a way that nobody can see.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/tracepoint.h>

#define FAULT_WRITE BIT_ULL(1)

static unsigned int pages = 512;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "that become dirty at once (512)");

static bool silent;
module_param(silent, bool, 0444);
MODULE_PARM_DESC(silent, "unseen (0)");

static struct tracepoint *fault;
static void (*mark)(struct kvm_vcpu *vcpu, gfn_t gfn);

static void dirty_one(struct kvm_vcpu *vcpu, const struct kvm_memory_slot *slot, gfn_t gfn)
{
	if (silent)
		set_bit(gfn - slot->base_gfn, slot->dirty_bitmap);
	else
		mark(vcpu, gfn);
}

static void on_fault(void *data, struct kvm_vcpu *vcpu, u64 address, u64 error_code)
{
	gfn_t gfn = gpa_to_gfn(address), end;
	const struct kvm_memory_slot *slot = __gfn_to_memslot(kvm_vcpu_memslots(vcpu), gfn);

	if (!(error_code & FAULT_WRITE) || !slot || !slot->dirty_bitmap ||
	    test_bit(gfn - slot->base_gfn, slot->dirty_bitmap))
		return;
	end = min_t(gfn_t, slot->base_gfn + slot->npages, gfn + pages);
	while (++gfn < end)
		dirty_one(vcpu, slot, gfn);
}

static void put_symbols(void)
{
	if (fault)
		__symbol_put("__tracepoint_kvm_page_fault");
	if (mark)
		__symbol_put("kvm_vcpu_mark_page_dirty");
}

static int __init logbatch_init(void)
{
	int err = -ENOENT;

	fault = __symbol_get("__tracepoint_kvm_page_fault");
	mark = __symbol_get("kvm_vcpu_mark_page_dirty");
	if (fault && mark)
		err = tracepoint_probe_register(fault, on_fault, NULL);
	if (err)
		put_symbols();
	return err;
}

static void __exit logbatch_exit(void)
{
	tracepoint_probe_unregister(fault, on_fault, NULL);
	tracepoint_synchronize_unregister();
	put_symbols();
}

module_init(logbatch_init);
module_exit(logbatch_exit);

MODULE_DESCRIPTION("Dirties pages of KVM guests in batches, for tests of lparkit");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
