// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU fence: who may run where, by affinity.
 *
 * A member of an LPAR with CPUs runs on these and nowhere else; every other
 * user task runs elsewhere. What a task's affinity was is recorded and given
 * back when the fence falls, also to tasks that were forked meanwhile and
 * inherited the narrowed affinity. A task whose affinity somebody else has
 * changed in between keeps that.
 *
 * Within an LPAR a thread may have a CPU of its own, as vCPUs have: it is pinned
 * there, and the other members run on the CPUs that are left, or on all of the
 * LPAR's when none is. A CPU that is offline counts for nobody: who is pinned to
 * it runs with the others meanwhile, and members of an LPAR that has no CPU left
 * run where the host does.
 *
 * guard.c notices what slips through, and has it evicted here.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include "fence.h"

/*
 * Passes over all tasks that find less than a batch. Those who fork or change
 * their affinity without end do not hold up others: the guard goes on.
 */
#define MAX_PASSES	8
#define MAX_ANCESTORS	64
/* Guards all of the following, and lpar->pins against changes. */
DEFINE_MUTEX(lpar_fence_mutex);
static struct cpumask fenced;
static struct cpumask scratch_orig, scratch_target, scratch_room, scratch_was, scratch_active;
static bool put_off;		/* some could not be moved yet */
static bool owed;		/* or be given back what they had */

/**
 * lpar_fence_target() - where a task that is no member may run
 * @target: result
 * @orig: where it ran before any fence
 * @fenced: CPUs that belong to LPARs
 * @online: CPUs that are online
 *
 * As the scheduler does when an affinity becomes empty, a task that wanted
 * only fenced CPUs gets all others.
 */
void lpar_fence_target(struct cpumask *target, const struct cpumask *orig,
		       const struct cpumask *fenced, const struct cpumask *online)
{
	cpumask_andnot(target, orig, fenced);
	if (!cpumask_intersects(target, online))
		cpumask_andnot(target, online, fenced);
}

static int check_cpu(unsigned int cpu, const struct cpumask *cpus, struct lpar_report *report)
{
	const struct cpumask *core = topology_sibling_cpumask(cpu);
	unsigned int sibling;

	if (!cpu)
		return lpar_problem(report, -EINVAL,
				    "CPU 0 stays with the host; choose other CPUs");
	if (!cpu_online(cpu))
		return lpar_problem(report, -EINVAL,
				    "CPU %u is not online; bring it online or choose another", cpu);
	if (cpumask_test_cpu(0, core))
		return lpar_problem(report, -EINVAL,
				    "CPU %u shares its core with CPU 0, which stays with the host; choose other CPUs",
				    cpu);
	for_each_cpu(sibling, core)
		if (!cpumask_test_cpu(sibling, cpus))
			return lpar_problem(report, -EINVAL,
					    "CPU %u shares its core with CPU %u; add CPU %u, only whole cores can be fenced",
					    cpu, sibling, sibling);
	return 0;
}

/**
 * lpar_fence_check() - may these CPUs be fenced?
 * @cpus: wanted CPUs
 * @report: for what is wrong
 *
 * Whole cores only, because SMT siblings share caches and execution units;
 * never CPU 0, which runs what the kernel can run nowhere else.
 *
 * Context: may sleep.
 * Return: 0 or -EINVAL.
 */
int lpar_fence_check(const struct cpumask *cpus, struct lpar_report *report)
{
	unsigned int cpu;
	int err = 0;

	for_each_cpu(cpu, cpus) {
		if (err)
			break;
		err = check_cpu(cpu, cpus, report);
	}
	return err;
}

/**
 * lpar_cpu_is_fenced() - does a CPU belong to an active LPAR?
 * @cpu: CPU
 *
 * For those who choose where the host's work is done. The answer may be old when
 * it is used.
 *
 * Context: any.
 * Return: true if so.
 */
bool lpar_cpu_is_fenced(unsigned int cpu)
{
	return cpumask_test_cpu(cpu, &fenced);
}
EXPORT_SYMBOL_GPL(lpar_cpu_is_fenced);

/* The LPAR whose CPUs @task has to keep to, or NULL. */
static struct lpar *home_of(struct task_struct *task)
{
	struct lpar *lpar;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "members are looked up under RCU");
	lpar = lpar_member_lpar_rcu(task);
	if (!lpar || !cpumask_intersects(&lpar->config.cpus, cpu_active_mask) ||
	    !cpumask_subset(&lpar->config.cpus, &fenced))
		return NULL;
	return lpar;
}

/* Kernel threads have their own reasons to be where they are. */
static bool is_confined(const struct task_struct *task)
{
	return !(task->flags & PF_KTHREAD) && !task->exit_state;
}

/*
 * The kernel waits for a task that must not migrate now, and such may sleep for long: in
 * a BPF program that reads memory of its user, whose pages come from a slow file.
 */
static bool may_move(const struct task_struct *task)
{
	return !READ_ONCE(task->migration_disabled);
}

/* Nor does it wait for one that may stay where it is. */
static bool may_have(const struct task_struct *task, const struct cpumask *cpus)
{
	return may_move(task) || cpumask_test_cpu(task_cpu(task), cpus);
}

/* Is @task on the wrong side of a fence? */
static bool is_outside(struct task_struct *task)
{
	const struct lpar *home = home_of(task);

	if (!home)
		return cpumask_intersects(&task->cpus_mask, &fenced);
	lpar_pin_room(home, task, &scratch_room);
	return !cpumask_subset(&task->cpus_mask, &scratch_room);
}

/* And can be moved? Otherwise it is looked at again a second later. */
static bool trespasses(struct task_struct *task, const struct lpar *unused)
{
	if (!is_outside(task))
		return false;
	if (may_move(task))
		return true;
	WRITE_ONCE(put_off, true);
	return false;
}

/* What @child has by inheritance, if that is what the record's thread had or has. */
static struct fence_mask *mask_of_child(const struct fence_record *record,
					const struct task_struct *child)
{
	struct fence_mask *former = record->former;

	if (cpumask_equal(record->mask->set, &child->cpus_mask))
		return record->mask;
	return former && cpumask_equal(former->set, &child->cpus_mask) ? former : NULL;
}

/*
 * Was @task forked by one whose affinity was narrowed, and so has the same
 * narrowed affinity without a record of its own?
 */
static struct fence_mask *inherited_mask(struct task_struct *task)
{
	struct task_struct *ancestor = task;
	struct fence_record *record;
	unsigned int i;

	/* One that is reaped keeps neither its leader nor its parent, whoever has a reference. */
	if (!pid_alive(task) || lpar_record_find(task_pid(task)))
		return NULL;
	for (i = 0; i < MAX_ANCESTORS; i++) {
		/* The leader stands for the threads of its process. */
		if (ancestor == task && !thread_group_leader(task))
			ancestor = task->group_leader;
		else
			ancestor = rcu_dereference(ancestor->real_parent);
		record = lpar_record_find(task_pid(ancestor));
		if (record)
			return mask_of_child(record, task);
		if (is_global_init(ancestor) || !ancestor->pid)
			return NULL;
	}
	return NULL;
}

static bool inherits(struct task_struct *task, const struct lpar *unused)
{
	return inherited_mask(task);
}

/* Is @task a member that was given less than all of the LPAR's CPUs? */
static bool is_narrowed(struct task_struct *task, const struct lpar *lpar)
{
	const struct fence_record *record;

	if (home_of(task) != lpar || cpumask_equal(&task->cpus_mask, &lpar->config.cpus))
		return false;
	record = lpar_record_find(task_pid(task));
	if (!record || !cpumask_equal(record->mask->set, &task->cpus_mask))
		return false;
	lpar_pin_room(lpar, task, &scratch_room);
	return may_have(task, &scratch_room);
}

/*
 * Between two batches of any pass: evictions come first, and nobody waits for a pass that
 * somebody without rights makes long by many threads. So what decides is looked at anew for
 * each task, and nothing of a batch is known after it, the scratch masks included.
 */
static void let_others(void)
{
	mutex_unlock(&lpar_fence_mutex);
	cond_resched();
	mutex_lock(&lpar_fence_mutex);
}

/*
 * How many full batches: whatever those do who change their affinity without end, but
 * enough for all threads that there are.
 */
static unsigned int max_batches(void)
{
	struct task_struct *process;
	unsigned int threads = 0;

	rcu_read_lock();
	for_each_process(process)
		threads += get_nr_threads(process);
	rcu_read_unlock();
	return MAX_PASSES + 2 * threads / FENCE_BATCH;
}

typedef bool task_test(struct task_struct *task, const struct lpar *lpar);

/* Up to FENCE_BATCH user tasks for which @test holds, with a reference each. */
static unsigned int gather(struct task_struct **batch, task_test *test, const struct lpar *lpar)
{
	struct task_struct *process, *task;
	unsigned int n = 0;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (!is_confined(task) || !test(task, lpar))
			continue;
		get_task_struct(task);
		batch[n++] = task;
		if (n == FENCE_BATCH)
			goto out;
	}
out:
	rcu_read_unlock();
	return n;
}

/*
 * What @task had before any fence, in scratch_orig. The mask of one that has been a
 * member says nothing of that: the scheduler changes it when CPUs go offline. A thread
 * that was born in @home, maybe of one that is pinned, has what its process had.
 */
static void find_orig(struct task_struct *task, const struct pid *pid, const struct lpar *home)
{
	const struct fence_record *record = lpar_record_find(pid);

	if (record && !record->member && !cpumask_equal(record->mask->set, &task->cpus_mask))
		record = NULL;
	else if (!record && home && cpumask_subset(&task->cpus_mask, &home->config.cpus))
		record = lpar_record_find(task_tgid(task));
	if (record)
		cpumask_copy(&scratch_orig, record->mask->orig);
	else
		cpumask_copy(&scratch_orig, &task->cpus_mask);
}

/*
 * From 6.2 on the kernel leaves a thread of @cpus what the thread itself has asked for, and
 * refuses if all of that is offline. Nobody stays where he is by such a wish: he has asked
 * for none of those that are active, and gets all of these.
 */
static int set_affinity(struct task_struct *task, const struct cpumask *cpus)
{
	int err = set_cpus_allowed_ptr(task, cpus);

	if (err != -EINVAL)
		return err;
	cpumask_and(&scratch_active, cpus, cpu_active_mask);
	return set_cpus_allowed_ptr(task, &scratch_active);
}

/* Puts one task on the right side of the fences and notes where it came from. */
static int send_home(struct task_struct *task)
{
	const struct lpar *home;
	struct pid *pid;
	bool member;
	int err;

	rcu_read_lock();
	pid = get_pid(task_pid(task));
	member = lpar_member_lpar_rcu(task);
	home = home_of(task);
	if (home)
		lpar_pin_room(home, task, &scratch_target);
	if (pid)
		find_orig(task, pid, home);
	rcu_read_unlock();
	if (!pid)
		return -ESRCH;		/* it has just died */

	if (!home)
		lpar_fence_target(&scratch_target, &scratch_orig, &fenced, cpu_active_mask);

	err = lpar_record_note(pid, &scratch_orig, &scratch_target, member);
	if (!err)
		err = set_affinity(task, &scratch_target);
	/* A task with an affinity of its own user's may have got a part only. */
	if (!err && !cpumask_equal(&task->cpus_mask, &scratch_target))
		err = lpar_record_note(pid, &scratch_orig, &task->cpus_mask, member);
	put_pid(pid);
	return err;
}

/* Sends one home; true if it was there to be sent. */
static bool move(struct task_struct *task, unsigned int *moved, int *err)
{
	int ret;

	cpumask_copy(&scratch_was, &task->cpus_mask);
	ret = send_home(task);
	if (ret == -ESRCH)
		return false;
	/* The kernel may know of a wish of its user's, and leave it where it was. */
	if (!ret)
		*moved += !cpumask_equal(&scratch_was, &task->cpus_mask);
	else
		*err = ret;
	return true;
}

/*
 * Sends tasks home until @test holds for none, or none of those left can be moved. The
 * caller itself goes last: on fenced CPUs an intruder might keep it from going on, and
 * so the guard from evicting him.
 */
static int sweep(task_test *test, const struct lpar *lpar)
{
	struct task_struct **batch;
	unsigned int n, i, moved, left, batches = 0, passes = 0;
	unsigned int limit = max_batches();
	bool me = false;
	int err = 0;

	lockdep_assert_held(&lpar_fence_mutex);
	batch = kmalloc_array(FENCE_BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	do {
		n = gather(batch, test, lpar);
		for (i = 0, moved = 0, left = 0, err = 0; i < n; i++) {
			if (batch[i] == current)
				me = true;
			else
				left += move(batch[i], &moved, &err);
			put_task_struct(batch[i]);
		}
		passes += n < FENCE_BATCH;
		let_others();
	} while (moved && passes < MAX_PASSES && ++batches < limit);
	kfree(batch);
	if (me)
		left += move(current, &moved, &err);
	return left ? err : 0;
}

/* Gives one a record that inherited a narrowed affinity; false: it did not. */
static bool adopt_one(struct task_struct *task)
{
	struct fence_mask *mask;
	bool member, adopted;
	struct pid *pid;

	rcu_read_lock();
	mask = inherited_mask(task);
	pid = get_pid(task_pid(task));
	member = lpar_member_lpar_rcu(task);
	rcu_read_unlock();
	adopted = mask && pid && !lpar_record_note(pid, mask->orig, mask->set, member);
	put_pid(pid);
	return adopted;
}

/*
 * Gives records to all those, and says to how many. Whoever else sends many home or gives
 * back has done this to the end before, so that none is lost by being let in between.
 */
static unsigned int adopt(void)
{
	unsigned int n, i, adopted, all = 0, batches = 0, passes = 0;
	unsigned int limit = max_batches();
	struct task_struct **batch;

	lockdep_assert_held(&lpar_fence_mutex);
	if (!lpar_record_is_any())
		return 0;
	batch = kmalloc_array(FENCE_BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return 0;
	do {
		n = gather(batch, inherits, NULL);
		for (i = 0, adopted = 0; i < n; i++) {
			adopted += adopt_one(batch[i]);
			put_task_struct(batch[i]);
		}
		all += adopted;
		passes += n < FENCE_BATCH;
		let_others();
	} while (adopted && passes < MAX_PASSES && ++batches < limit);
	kfree(batch);
	return all;
}

/*
 * Those who inherited an affinity are known before any is changed: they are no more
 * like their parents afterwards, and would get back what the fence had left them.
 */
static int enforce(void)
{
	adopt();
	return sweep(trespasses, NULL);
}

/* What counts is what the kernel has made of it, which may know of a wish of the thread's own. */
static void note_given(struct fence_record *record, const struct task_struct *task)
{
	bool all = cpumask_equal(&scratch_orig, &scratch_target);

	lpar_record_replace(record, &scratch_orig, all ? &scratch_orig : &task->cpus_mask);
}

/* Widens one recorded affinity as far as the remaining fences allow. */
static void give_back(struct fence_record *record)
{
	struct task_struct *task = get_pid_task(record->pid, PIDTYPE_PID);
	bool at_home;

	if (!task) {
		lpar_record_drop(record);
		return;
	}
	if (record->spent)
		goto out;
	rcu_read_lock();
	at_home = home_of(task);
	rcu_read_unlock();
	if (at_home)
		goto out;
	if (!cpumask_equal(&task->cpus_mask, record->mask->set)) {
		lpar_record_drop(record);	/* somebody else's wish since */
		goto out;
	}
	cpumask_copy(&scratch_orig, record->mask->orig);
	lpar_fence_target(&scratch_target, &scratch_orig, &fenced, cpu_active_mask);
	if (!may_have(task, &scratch_target))
		WRITE_ONCE(owed, true);
	else if (!set_affinity(task, &scratch_target))
		note_given(record, task);
out:
	put_task_struct(task);
}

/* Those who fork without end do not hold up others. */
static void give_back_all(void)
{
	unsigned int passes = 0;

	adopt();
	do {
		lpar_record_for_each(give_back, let_others);
	} while (adopt() && ++passes < MAX_PASSES);
	lpar_record_for_each(lpar_record_settle, let_others);
}

static void lower(const struct lpar *lpar)
{
	cpumask_andnot(&fenced, &fenced, &lpar->config.cpus);
	lpar_guard_keep_off(&fenced, &scratch_target);
	give_back_all();
	/* It may have been the last fence. */
	if (owed)
		lpar_guard_watch();
}

/**
 * lpar_fence_raise() - take the CPUs of an LPAR from everybody else
 * @lpar: LPAR that becomes active
 *
 * Context: may sleep; takes lpar_fence_mutex.
 * Return: 0; or -ENOMEM, or why the kernel refused to move a task, and the fence is down again.
 */
int lpar_fence_raise(struct lpar *lpar)
{
	int err;

	mutex_lock(&lpar_fence_mutex);
	cpumask_or(&fenced, &fenced, &lpar->config.cpus);
	lpar_guard_keep_off(&fenced, &scratch_target);
	err = enforce();
	if (err)
		lower(lpar);
	mutex_unlock(&lpar_fence_mutex);
	return err;
}

/**
 * lpar_fence_lower() - give the CPUs of an LPAR back, and affinities with them
 * @lpar: LPAR that is active no more
 *
 * One that must not migrate now gets his later, by lpar_fence_catch_up().
 *
 * Context: may sleep; takes lpar_fence_mutex.
 */
void lpar_fence_lower(struct lpar *lpar)
{
	LIST_HEAD(pins);

	mutex_lock(&lpar_fence_mutex);
	lpar_pin_swap(lpar, &pins);
	lower(lpar);
	mutex_unlock(&lpar_fence_mutex);
	lpar_pin_free_all(&pins);
}

/**
 * lpar_fence_enforce() - put every task on its side of the fences
 *
 * Called when a member joined or left, a CPU came or went, or intruders were seen.
 *
 * Context: may sleep; takes lpar_fence_mutex.
 */
void lpar_fence_enforce(void)
{
	mutex_lock(&lpar_fence_mutex);
	enforce();
	mutex_unlock(&lpar_fence_mutex);
}

/**
 * lpar_fence_is_behind() - were some left as they are, as they could not be moved?
 *
 * For the guard, which has lpar_fence_catch_up() called then.
 *
 * Context: any.
 * Return: true if so.
 */
bool lpar_fence_is_behind(void)
{
	return READ_ONCE(put_off) || READ_ONCE(owed);
}

/**
 * lpar_fence_catch_up() - put those on their side of the fences, and every other task
 *
 * Gives back what could not be given back when a fence fell.
 *
 * Context: may sleep; takes lpar_fence_mutex.
 */
void lpar_fence_catch_up(void)
{
	mutex_lock(&lpar_fence_mutex);
	WRITE_ONCE(put_off, false);
	if (owed) {
		WRITE_ONCE(owed, false);
		give_back_all();
	}
	enforce();
	mutex_unlock(&lpar_fence_mutex);
}

/**
 * lpar_fence_evict() - put one task on its side of the fences
 * @task: was seen on a fenced CPU
 *
 * One that must not migrate now is left to lpar_fence_catch_up().
 *
 * Context: may sleep; takes lpar_fence_mutex.
 */
void lpar_fence_evict(struct task_struct *task)
{
	bool trespasser;

	mutex_lock(&lpar_fence_mutex);
	rcu_read_lock();
	trespasser = is_confined(task) && trespasses(task, NULL);
	rcu_read_unlock();
	if (trespasser)
		send_home(task);
	mutex_unlock(&lpar_fence_mutex);
}

/* What the census of lpar_fence_call_home() has found; under lpar_fence_mutex. */
static struct lpar_stray *strays;
static unsigned int nr_strays;

static int note_stray(struct lpar *lpar, struct task_struct *task)
{
	/* Who cannot be moved is looked at in the next census, without a pass over all tasks. */
	if (!is_confined(task) || !is_outside(task) || !may_move(task))
		return 0;
	strays[nr_strays].task = get_task_struct(task);
	/* While a CPU is missing the scheduler itself may have done it. */
	strays[nr_strays].outside = !cpumask_subset(&task->cpus_mask, &lpar->config.cpus) &&
				    cpumask_subset(&lpar->config.cpus, cpu_active_mask);
	return ++nr_strays == LPAR_STRAYS_MAX;
}

/**
 * lpar_fence_call_home() - bring members back that were moved off their CPUs
 * @lpar: active, with lpar->op held, so that nobody is just joining
 * @found: LPAR_STRAYS_MAX of them at most; a reference to each task is the caller's
 *
 * Context: may sleep; takes lpar_fence_mutex.
 * Return: number of @found.
 */
unsigned int lpar_fence_call_home(struct lpar *lpar, struct lpar_stray *found)
{
	unsigned int n, i;

	lockdep_assert_held(&lpar->op);
	mutex_lock(&lpar_fence_mutex);
	/* A change of cpusets moves threads of the kernel, too. */
	lpar_guard_keep_off(&fenced, &scratch_target);
	if (lpar_pin_free_dead(lpar)) {
		adopt();
		sweep(is_narrowed, lpar);
	}
	strays = found;
	nr_strays = 0;
	lpar_member_census(lpar, note_stray);
	n = nr_strays;
	for (i = 0; i < n; i++) {
		/* A pinned thread's child has had no more than that, as it seems. */
		adopt_one(found[i].task);
		found[i].err = send_home(found[i].task);
	}
	mutex_unlock(&lpar_fence_mutex);
	return n;
}

/**
 * lpar_fence_pin() - give threads of an LPAR a CPU each
 * @lpar: from lpar_lock(), active
 * @pins: list of struct lpar_pin, which replaces what there was; empty on success
 * @report: for the refusal
 *
 * The other members run on the CPUs that are left, or on all when none is.
 *
 * Context: may sleep; takes lpar_fence_mutex.
 * Return: 0, -EINVAL, -ESRCH.
 */
int lpar_fence_pin(struct lpar *lpar, struct list_head *pins, struct lpar_report *report)
{
	const struct lpar_pin *pin;
	LIST_HEAD(none);
	int err = 0;

	lockdep_assert_held(&lpar->op);
	if (!lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EINVAL,
				    "LPAR \"%s\" is %s; activate it before pinning vCPUs",
				    lpar->name, lpar_state_name(lpar->state));
	list_for_each_entry(pin, pins, node) {
		err = lpar_pin_check(lpar, pin, report);
		if (err)
			return err;
	}
	mutex_lock(&lpar_fence_mutex);
	adopt();
	lpar_pin_swap(lpar, &none);
	sweep(is_narrowed, lpar);
	lpar_pin_swap(lpar, pins);
	enforce();
	mutex_unlock(&lpar_fence_mutex);
	lpar_pin_free_all(&none);
	return 0;
}

/**
 * lpar_fence_exit() - forget who could not be given back what he had, at module exit
 *
 * Context: may sleep; the guard has ended.
 */
void lpar_fence_exit(void)
{
	mutex_lock(&lpar_fence_mutex);
	lpar_record_for_each(lpar_record_drop, NULL);
	mutex_unlock(&lpar_fence_mutex);
}
