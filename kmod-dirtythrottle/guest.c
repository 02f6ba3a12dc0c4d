// SPDX-License-Identifier: GPL-2.0
/*
 * What KVM knows of a process: its guests and their dirty logs. KVM is held
 * while there are targets, by some of its symbols; all else is in its headers.
 */
#include <linux/bitmap.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include "dirtythrottle.h"

#define PML_PARAMETER	"/sys/module/kvm_intel/parameters/pml"

/* Guests in one process: QEMU has one. */
#define VMS_MAX		8

/* Between two chances for others to run: 1 GiB. */
#define WEIGH_PAGES	((unsigned long)SZ_1G >> PAGE_SHIFT)

/* Changed under dt_mutex while nobody uses it. */
struct dt_kvm dt_kvm;

/* Without those that are not needed one can do with less. */
static const struct {
	const char *name;
	void **where;
	bool needed;
} symbols[] = {
	{ "__tracepoint_kvm_page_fault", (void **)&dt_kvm.fault, true },
	{ "file_is_kvm", (void **)&dt_kvm.is_vm_file, true },
	{ "mark_page_dirty_in_slot", &dt_kvm.mark, false },
	{ "kvm_get_running_vcpu", (void **)&dt_kvm.running_vcpu, false },
	{ "kvm_cpu_has_interrupt", (void **)&dt_kvm.has_interrupt, false },
};

/* They are what KVM's headers say; of the last one newer headers say nothing. */
static_assert(__same_type(dt_kvm.is_vm_file, &file_is_kvm));
static_assert(__same_type(dt_kvm.running_vcpu, &kvm_get_running_vcpu));

/**
 * dt_guest_hides_writes() - may the processor log writes by itself, without a fault?
 * @is_intel: it has VMX
 * @pml: what the parameter of kvm_intel says, 0 = it cannot be read
 *
 * Return: false only if it is known that it does not.
 */
bool dt_guest_hides_writes(bool is_intel, char pml)
{
	return is_intel && pml != 'N';
}

/* In the caller's root directory there may be no /sys. */
static char read_pml(void)
{
	struct file *file = filp_open(PML_PARAMETER, O_RDONLY, 0);
	char value = 0;
	loff_t pos = 0;

	if (IS_ERR(file))
		return 0;
	if (kernel_read(file, &value, sizeof(value), &pos) != sizeof(value))
		value = 0;
	fput(file);
	return value;
}

/**
 * dt_guest_may_hide_writes() - may the processor of this machine?
 *
 * Context: may sleep.
 * Return: false only if it is known that it does not.
 */
bool dt_guest_may_hide_writes(void)
{
	return dt_guest_hides_writes(boot_cpu_has(X86_FEATURE_VMX), read_pml());
}

/**
 * dt_guest_hold() - hold KVM, if it is there and shows its faults
 * @extack: for the refusal
 *
 * Context: may sleep, under dt_mutex.
 * Return: 0 or -EOPNOTSUPP.
 */
int dt_guest_hold(struct netlink_ext_ack *extack)
{
	bool complete = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		*symbols[i].where = __symbol_get(symbols[i].name);
		if (symbols[i].needed && !*symbols[i].where)
			complete = false;
	}
	if (complete)
		return 0;
	dt_say(extack, "KVM is not there, or shows no page faults; load kvm_amd or kvm_intel");
	dt_guest_release();
	return -EOPNOTSUPP;
}

/**
 * dt_guest_release() - the reverse
 *
 * Context: may sleep, under dt_mutex.
 */
void dt_guest_release(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		if (*symbols[i].where)
			__symbol_put(symbols[i].name);
		WRITE_ONCE(*symbols[i].where, NULL);
	}
}

/**
 * dt_guest_is_interrupted() - does an interrupt wait for the vCPU of this thread?
 *
 * Context: process, in a vCPU's thread, inside KVM_RUN.
 * Return: true if so; false also if its interrupts are not KVM's business.
 */
bool dt_guest_is_interrupted(void)
{
	/* The thread is inside KVM, which stays; we may let go of it meanwhile. */
	typeof(dt_kvm.running_vcpu) running_vcpu = READ_ONCE(dt_kvm.running_vcpu);
	typeof(dt_kvm.has_interrupt) has_interrupt = READ_ONCE(dt_kvm.has_interrupt);
	struct kvm_vcpu *vcpu;
	bool is;
	int idx;

	if (!running_vcpu || !has_interrupt)
		return false;
	vcpu = running_vcpu();
	if (!vcpu || !vcpu->arch.apic)
		return false;
	/* That of its timer is one only when KVM has seen that it has run out. */
	if (kvm_test_request(KVM_REQ_NMI, vcpu) || kvm_test_request(KVM_REQ_UNBLOCK, vcpu))
		return true;
	/* For a guest that takes KVM for Xen its memory slots are looked at. */
	idx = srcu_read_lock(&vcpu->kvm->srcu);
	is = has_interrupt(vcpu);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return is;
}

/**
 * dt_guest_is_alive() - does the process still run the program that it did?
 * @target: target
 *
 * Context: process.
 * Return: true if so.
 */
bool dt_guest_is_alive(const struct dt_target *target)
{
	struct task_struct *task = get_pid_task(target->pid, PIDTYPE_TGID);
	bool alive;

	if (!task)
		return false;
	task_lock(task);
	/* Its first thread may have ended before the others. */
	alive = atomic_read(&task->signal->live) && (!task->mm || task->mm == target->mm);
	task_unlock(task);
	put_task_struct(task);
	return alive;
}

/* The files of VMs of one process, each VM once; with a reference each. */
struct vm_files {
	struct file *file[VMS_MAX];
	unsigned int nr;
};

static int note_vm(const void *arg, struct file *file, unsigned int fd)
{
	struct vm_files *vms = (struct vm_files *)arg;
	unsigned int i;

	if (!dt_kvm.is_vm_file(file))
		return 0;
	for (i = 0; i < vms->nr; i++)
		if (vms->file[i]->private_data == file->private_data)
			return 0;
	vms->file[vms->nr++] = get_file(file);
	return vms->nr == VMS_MAX;
}

static void find_vms(const struct dt_target *target, struct vm_files *vms)
{
	struct task_struct *task = get_pid_task(target->pid, PIDTYPE_TGID);

	vms->nr = 0;
	if (!task)
		return;
	task_lock(task);
	iterate_fd(task->files, 0, note_vm, vms);
	task_unlock(task);
	put_task_struct(task);
}

static u64 weigh(const unsigned long *bitmap, unsigned long pages)
{
	unsigned long part;
	u64 dirty = 0;

	for (; pages; pages -= part, bitmap += BITS_TO_LONGS(part)) {
		part = min(pages, WEIGH_PAGES);
		dirty += bitmap_weight(bitmap, part);
		cond_resched();
	}
	return dirty;
}

static void look_at_vm(struct kvm *kvm, bool weighs, struct dt_census *census)
{
	const struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	int bkt, idx;

	if (kvm_cpu_logs_writes(kvm))
		census->logged_by_cpu = true;
	idx = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);
	census->generation += slots->generation;
	kvm_for_each_memslot(slot, bkt, slots) {
		if (!kvm_slot_dirty_track_enabled(slot))
			continue;
		census->logging = true;
		if (!slot->dirty_bitmap)
			continue;
		census->has_bitmap = true;
		census->log_pages += slot->npages;
		if (weighs)
			census->dirty_pages += weigh(slot->dirty_bitmap, slot->npages);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

/**
 * dt_guest_census() - look at the dirty logs of a process
 * @target: its target
 * @weighs: also read all of them, for their dirty pages
 * @census: to be filled
 *
 * Context: may sleep; KVM is held.
 */
void dt_guest_census(const struct dt_target *target, bool weighs, struct dt_census *census)
{
	struct vm_files vms;
	unsigned int i;

	memset(census, 0, sizeof(*census));
	find_vms(target, &vms);
	census->nr_vms = vms.nr;
	for (i = 0; i < vms.nr; i++) {
		look_at_vm(vms.file[i]->private_data, weighs, census);
		fput(vms.file[i]);
	}
}
