// SPDX-License-Identifier: GPL-2.0
/*
 * mark_page_dirty_in_slot(): whoever dirties a page of a guest, and however KVM
 * learns of it, here it enters the page into its dirty log. For a write fault
 * that is while it is dealt with; for a log of the processor at the next exit,
 * up to 512 pages one after another, in the thread of the vCPU that wrote them.
 *
 * The function tracer calls us at its entry. As long as it does, it cannot be
 * switched off by sysctl; KVM is held, so that its code stays.
 */
#include <linux/ftrace.h>
#include <linux/kvm_host.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include "dirtythrottle.h"

/* Under dt_mutex, while no probe runs. */
bool dt_mark_watched;

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS

/* That is how the arguments are taken below. */
static_assert(__same_type(&mark_page_dirty_in_slot,
			  (void (*)(struct kvm *, const struct kvm_memory_slot *, gfn_t))NULL));

/* Will it be in the log, and is not yet? KVM looks after us. */
static bool is_new(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	if (!slot || !kvm_slot_dirty_track_enabled(slot))
		return false;
	return !slot->dirty_bitmap || !test_bit(gfn - slot->base_gfn, slot->dirty_bitmap);
}

/*
 * KVM may hold its mmu_lock, and, when a vCPU is scheduled out and its page of
 * stolen time is marked, even the lock of the CPU's runqueue. That must not
 * happen in the middle of ours.
 */
static void notrace dt_mark_probe(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct kvm *kvm = (const void *)ftrace_regs_get_argument(fregs, 0);
	const struct kvm_memory_slot *slot = (const void *)ftrace_regs_get_argument(fregs, 1);
	gfn_t gfn = ftrace_regs_get_argument(fregs, 2);
	struct dt_target *target;

	if (!is_new(slot, gfn))
		return;
	preempt_disable_notrace();
	rcu_read_lock();
	target = dt_target_find_rcu(kvm->mm);
	if (target)
		dt_vcpu_mark(target, dt_kvm.running_vcpu(), gfn);
	rcu_read_unlock();
	preempt_enable_notrace();
}

static struct ftrace_ops mark_ops = {
	.func = dt_mark_probe,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

/* Not ftrace_free_filter(), which is for those who never register again. */
static void forget_address(void)
{
	ftrace_set_filter_ip(&mark_ops, (unsigned long)dt_kvm.mark, 1, 0);
}

/* How the tracer's refusal is to be told, or 0 if all is well. */
static int refuse(int err, const char *text, const char **why)
{
	if (!err || err == -ENOMEM)
		return err;
	*why = text;
	return -EOPNOTSUPP;
}

static int trace(const char **why)
{
	int err = ftrace_set_filter_ip(&mark_ops, (unsigned long)dt_kvm.mark, 0, 1);

	if (err)
		return refuse(err, "mark_page_dirty_in_slot() cannot be traced", why);
	err = register_ftrace_function(&mark_ops);
	if (err)
		forget_address();
	return refuse(err, "the function tracer is off; see the sysctl kernel.ftrace_enabled",
		      why);
}

/**
 * dt_mark_watch() - see the pages that KVM enters into its dirty logs
 * @why: set to NULL, or to why that does not work here
 *
 * Context: may sleep, under dt_mutex; KVM is held.
 * Return: 0, also if it does not work; -ENOMEM.
 */
int dt_mark_watch(const char **why)
{
	int err = -EOPNOTSUPP;

	*why = "KVM does not export mark_page_dirty_in_slot()";
	if (dt_kvm.mark && dt_kvm.running_vcpu)
		err = trace(why);
	if (!err)
		*why = NULL;
	dt_mark_watched = !err;
	return err == -ENOMEM ? err : 0;
}

/**
 * dt_mark_unwatch() - the reverse; the probe does not run on return
 *
 * Context: may sleep, under dt_mutex; KVM is held.
 */
void dt_mark_unwatch(void)
{
	if (!dt_mark_watched)
		return;
	WARN_ON_ONCE(unregister_ftrace_function(&mark_ops));
	forget_address();
	dt_mark_watched = false;
}

#endif /* CONFIG_DYNAMIC_FTRACE_WITH_ARGS */
