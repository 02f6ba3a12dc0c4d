// SPDX-License-Identifier: GPL-2.0
/*
 * Activation: all resources of an LPAR are fenced, or none is. And what
 * becomes of an active LPAR when it loses a resource.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include "lpar.h"

/* How often an LPAR in an operation is looked at again. */
#define JUDGE_RETRY	(HZ / 10)

static enum cpuhp_state hotplug_state;

/**
 * lpar_check() - would activation succeed?
 * @lpar: from lpar_lock()
 * @report: takes every problem
 *
 * Changes nothing.
 *
 * Context: may sleep.
 * Return: 0, or a negative errno when the report is full.
 */
int lpar_check(struct lpar *lpar, struct lpar_report *report)
{
	int err;

	lockdep_assert_held(&lpar->op);
	if (lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EBUSY, "LPAR \"%s\" is %s already", lpar->name,
				    lpar_state_name(lpar->state));
	err = lpar_fence_check(&lpar->config.cpus, report);
	err = err ?: lpar_memory_check(&lpar->config, report);
	err = err ?: lpar_reserve_check(&lpar->config, lpar->config.memory_bytes, report);
	return err ?: lpar_disk_check(&lpar->config.disks, report);
}

static int raise_fence(struct lpar *lpar, struct lpar_report *report)
{
	int err = lpar_fence_check(&lpar->config.cpus, report);

	if (err)
		return err;
	err = lpar_fence_raise(lpar);
	if (err)
		return lpar_problem(report, err,
				    "the CPUs could not be freed of other tasks (error %d)", err);
	err = lpar_guard_raise(lpar);
	if (err) {
		lpar_fence_lower(lpar);
		return lpar_problem(report, err, "the CPUs cannot be watched (error %d)", err);
	}
	/* Who was forked onto them between the two. */
	lpar_fence_enforce();
	return 0;
}

static void lower_fence(struct lpar *lpar)
{
	lpar_irq_unwatch(lpar);
	lpar_guard_lower(lpar);
	lpar_fence_lower(lpar);
}

static int attach_memory(struct lpar *lpar, struct lpar_report *report)
{
	struct lpar_memory *memory;
	int err;

	if (!lpar->config.memory_bytes)
		return 0;
	err = lpar_memdev_ensure(lpar);
	if (err)
		return lpar_problem(report, err, "the device node cannot be made (error %d)", err);
	memory = lpar_memory_alloc(lpar, report);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	mutex_lock(&lpar_mutex);
	lpar->memory = memory;
	mutex_unlock(&lpar_mutex);
	return 0;
}

static void detach_memory(struct lpar *lpar)
{
	struct lpar_memory *memory;

	mutex_lock(&lpar_mutex);
	memory = lpar->memory;
	lpar->memory = NULL;
	mutex_unlock(&lpar_mutex);
	if (memory)
		lpar_memory_leave(memory);
}

/**
 * lpar_activate() - fence all resources of an LPAR
 * @lpar: from lpar_lock()
 * @report: for the refusal
 *
 * Disks are claimed before the memory is attached: until the memory is
 * attached nobody can open it, so that a failure leaves no user behind.
 *
 * Context: may sleep, for long when there is much memory.
 * Return: 0, or a negative errno and nothing is fenced.
 */
int lpar_activate(struct lpar *lpar, struct lpar_report *report)
{
	int err;

	lockdep_assert_held(&lpar->op);
	if (lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EBUSY, "LPAR \"%s\" is %s already", lpar->name,
				    lpar_state_name(lpar->state));
	if (!try_module_get(THIS_MODULE))
		return lpar_problem(report, -ENODEV, "lpar.ko is being unloaded");
	err = raise_fence(lpar, report);
	if (err)
		goto err_module;
	err = lpar_disk_claim_all(&lpar->config.disks, report);
	if (err)
		goto err_fence;
	err = attach_memory(lpar, report);
	if (err)
		goto err_disks;
	atomic64_set(&lpar->violations, 0);
	atomic64_set(&lpar->strays, 0);
	lpar->lost = false;
	lpar_set_state(lpar, LPAR_STATE_ACTIVE, NULL);
	lpar_guard_watch();
	return 0;

err_disks:
	lpar_disk_release_all(&lpar->config.disks);
err_fence:
	lower_fence(lpar);
err_module:
	module_put(THIS_MODULE);
	return err;
}

static int check_uncut(struct lpar *lpar, struct lpar_report *report)
{
	if (lpar_cut_uses(lpar))
		return lpar_problem(report, -EBUSY,
				    "LPAR \"%s\" is in an armed cut; wait for it or cancel it",
				    lpar->name);
	return 0;
}

static int check_no_member(struct lpar *lpar, struct lpar_report *report)
{
	pid_t pid;

	lpar_member_prune();
	if (lpar_member_list(lpar, &pid, 1, NULL))
		return lpar_problem(report, -EBUSY,
				    "process %d is a member of LPAR \"%s\"; stop it, remove it or use force",
				    pid, lpar->name);
	return 0;
}

/*
 * A guest that still runs must not lose its fences by mistake, nor one begin to run that
 * would have none.
 */
static int shut(struct lpar *lpar, bool force, struct lpar_report *report)
{
	int err = check_uncut(lpar, report);
	pid_t pid;

	if (!err && !force)
		err = check_no_member(lpar, report);
	if (err || !lpar->memory)
		return err;
	pid = lpar_memory_shut(lpar->memory, force);
	if (pid)
		return lpar_problem(report, -EBUSY,
				    "process %d holds the memory of LPAR \"%s\"; stop it or use force",
				    pid, lpar->name);
	return 0;
}

/**
 * lpar_deactivate() - give all resources of an LPAR back
 * @lpar: from lpar_lock()
 * @force: although members or a holder of the memory live; these lose their
 *	fences, and the memory is freed when the holder lets go
 * @report: for the refusal
 *
 * Context: may sleep.
 * Return: 0, -EINVAL when it is not active, -EBUSY.
 */
int lpar_deactivate(struct lpar *lpar, bool force, struct lpar_report *report)
{
	int err;

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EINVAL, "LPAR \"%s\" is %s, not active", lpar->name,
				    lpar_state_name(lpar->state));
	err = shut(lpar, force, report);
	if (err)
		return err;
	/* First what may fail: a guest that stays must stay a member. */
	if (lpar_gate_drain(lpar)) {
		if (lpar->memory)
			lpar_memory_reopen(lpar->memory);
		return lpar_problem(report, -EBUSY,
				    "a vCPU of LPAR \"%s\" does not come out of the kernel; stop its process and try again",
				    lpar->name);
	}
	lpar_member_drop_all(lpar);
	lower_fence(lpar);
	lpar_disk_release_all(&lpar->config.disks);
	detach_memory(lpar);
	lpar_set_state(lpar, LPAR_STATE_DEFINED, NULL);
	module_put(THIS_MODULE);
	return 0;
}

/* A CPU that is not the LPAR's but shares a core with one; nr_cpu_ids = none. */
static unsigned int find_sharer(const struct lpar *lpar, unsigned int cpu)
{
	unsigned int sibling;

	for_each_cpu(sibling, topology_sibling_cpumask(cpu))
		if (!cpumask_test_cpu(sibling, &lpar->config.cpus))
			return sibling;
	return nr_cpu_ids;
}

/* What is wrong with an active LPAR; false = nothing. */
static bool find_fault(const struct lpar *lpar, char *reason, size_t size)
{
	u64 bad = lpar->memory ? lpar_memory_bad(lpar->memory) : 0;
	unsigned int cpu, sharer;

	for_each_cpu(cpu, &lpar->config.cpus) {
		if (!cpu_online(cpu)) {
			snprintf(reason, size, "cpu %u offline", cpu);
			return true;
		}
		sharer = find_sharer(lpar, cpu);
		if (sharer < nr_cpu_ids) {
			snprintf(reason, size,
				 "cpu %u is online and shares a core with cpu %u; take it offline",
				 sharer, cpu);
			return true;
		}
	}
	if (bad)
		snprintf(reason, size, "%llu MiB of memory have hardware errors; restart the guest",
			 bad >> 20);
	else if (lpar->lost)
		snprintf(reason, size, "a member is off the LPAR's CPUs and cannot be moved back");
	else if (lpar->stray_irq)
		snprintf(reason, size, "interrupt %d may come to its CPUs; run 'lparctl activate %s --host'",
			 lpar->stray_irq, lpar->name);
	return bad || lpar->lost || lpar->stray_irq;
}

/**
 * lpar_judge() - give an LPAR the state that its resources call for
 * @lpar: LPAR, with lpar->op held
 *
 * Context: may sleep; takes lpar_mutex.
 */
void lpar_judge(struct lpar *lpar)
{
	char reason[LPAR_REASON_MAX + 1];

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return;
	if (find_fault(lpar, reason, sizeof(reason))) {
		if (lpar->state != LPAR_STATE_DEGRADED)
			lpar->whole_state = lpar->state;
		lpar_set_state(lpar, LPAR_STATE_DEGRADED, reason);
	} else if (lpar->state == LPAR_STATE_DEGRADED) {
		lpar_set_state(lpar, lpar->whole_state, NULL);
	}
}

/* An LPAR that was not judged since round @round began, with a reference. */
static struct lpar *next_to_judge(unsigned int round)
{
	struct lpar *lpar, *next = NULL;

	mutex_lock(&lpar_mutex);
	list_for_each_entry(lpar, &lpar_list, list) {
		if (lpar->judged_in == round || lpar->dead)
			continue;
		lpar->judged_in = round;
		lpar_ref(lpar);
		next = lpar;
		break;
	}
	mutex_unlock(&lpar_mutex);
	return next;
}

static void judge_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(judgment, judge_work);

/* Nobody waits for an operation that is under way on another LPAR. */
static void judge_work(struct work_struct *work)
{
	static unsigned int round;
	struct lpar *lpar;
	bool busy = false;

	round++;
	while ((lpar = next_to_judge(round))) {
		if (mutex_trylock(&lpar->op)) {
			lpar_judge(lpar);
			mutex_unlock(&lpar->op);
		} else {
			busy = true;
		}
		lpar_put(lpar);
	}
	if (busy)
		lpar_work_delay(&judgment, JUDGE_RETRY);
}

/**
 * lpar_judge_all() - a resource has changed: see whether each active LPAR is whole
 *
 * Context: any; a work item does it.
 */
void lpar_judge_all(void)
{
	lpar_work_set(&judgment, 0);
}

static void cpus_work(struct work_struct *work)
{
	/* The change of a CPU is complete once the hotplug lock is free. */
	cpus_read_lock();
	cpus_read_unlock();
	/* The scheduler moves tasks that lost all their CPUs anywhere. */
	lpar_fence_enforce();
	lpar_judge_all();
}

static DECLARE_WORK(change_of_cpus, cpus_work);

/* Under the hotplug lock, which lpar->op may be held around: looked at elsewhere. */
static int cpu_changed(unsigned int cpu)
{
	lpar_work_queue(&change_of_cpus);
	return 0;
}

/**
 * lpar_hotplug_init() - hear of CPUs that come and go
 *
 * Return: 0 or a negative errno.
 */
int lpar_hotplug_init(void)
{
	int ret = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "lpar:online", cpu_changed,
					    cpu_changed);

	if (ret < 0)
		return ret;
	hotplug_state = ret;
	return 0;
}

/**
 * lpar_hotplug_exit() - the reverse
 */
void lpar_hotplug_exit(void)
{
	cpuhp_remove_state_nocalls(hotplug_state);
	cancel_work_sync(&change_of_cpus);
	cancel_delayed_work_sync(&judgment);
}
