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
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/once.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include "lpar.h"

/**
 * struct fence_mask - an affinity before and after; shared, as most tasks have the same
 * @node: in masks, by both affinities
 * @users: records that point here
 * @orig: what the task had; in @bits
 * @set: what it was given; in @bits
 * @bits: no more than the host's CPUs need
 *
 * Anybody may have as many affinities as threads, so an entry is small and found by hash.
 */
struct fence_mask {
	struct hlist_node node;
	unsigned int users;
	struct cpumask *orig;
	struct cpumask *set;
	unsigned long bits[];
};

/**
 * struct fence_record - a thread whose affinity was changed
 * @node: in records, by @pid
 * @pid: the thread; holds a reference, so that the number cannot be taken for another
 * @mask: what to give back
 * @member: it was changed as a member's, whose present affinity is no wish to be kept
 */
struct fence_record {
	struct hlist_node node;
	struct pid *pid;
	struct fence_mask *mask;
	bool member;
};

#define BATCH		512
/*
 * Passes over all tasks that find less than a batch. Those who fork or change
 * their affinity without end do not hold up others: the guard goes on.
 */
#define MAX_PASSES	8
#define MAX_BATCHES	256
#define MAX_ANCESTORS	64
/* Records of the dead are looked for each time that the records have doubled. */
#define PRUNE_MIN	1024U
/* A host may have some hundred thousand threads. */
#define TABLE_BITS	13

/*
 * Changes of any lpar->pins; within fence_mutex. For those who only look: whoever asks
 * for an LPAR does not wait for a pass over all tasks.
 */
static DEFINE_MUTEX(pins_mutex);

/* Guards all of the following, and lpar->pins against changes. */
static DEFINE_MUTEX(fence_mutex);
static DEFINE_HASHTABLE(records, TABLE_BITS);
static DEFINE_HASHTABLE(masks, TABLE_BITS);
static struct cpumask fenced;
static struct cpumask scratch_orig, scratch_target, scratch_room, scratch_was;
static unsigned int nr_records;
static unsigned int prune_at = PRUNE_MIN;
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

static struct fence_record *find_record(const struct pid *pid)
{
	struct fence_record *record;

	lockdep_assert_held(&fence_mutex);
	hash_for_each_possible(records, record, node, (unsigned long)pid)
		if (record->pid == pid)
			return record;
	return NULL;
}

/* Seeded, as users choose what is hashed. Bits beyond the last CPU mean nothing. */
static u32 hash_cpus(const struct cpumask *cpus, u32 seed)
{
	const unsigned long *bits = cpumask_bits(cpus);
	const unsigned int last = BIT_WORD(nr_cpu_ids - 1);
	const unsigned long tail = bits[last] & BITMAP_LAST_WORD_MASK(nr_cpu_ids);

	return jhash(&tail, sizeof(tail), jhash(bits, last * sizeof(*bits), seed));
}

static struct fence_mask *new_mask(const struct cpumask *orig, const struct cpumask *set)
{
	struct fence_mask *mask = kmalloc(sizeof(*mask) + 2 * cpumask_size(), GFP_KERNEL);

	if (!mask)
		return NULL;
	mask->users = 1;
	mask->orig = to_cpumask(mask->bits);
	mask->set = to_cpumask(mask->bits + cpumask_size() / sizeof(*mask->bits));
	cpumask_copy(mask->orig, orig);
	cpumask_copy(mask->set, set);
	return mask;
}

static struct fence_mask *get_mask(const struct cpumask *orig, const struct cpumask *set)
{
	struct fence_mask *mask;
	static u32 seed;
	u32 key;

	get_random_once(&seed, sizeof(seed));
	key = hash_cpus(set, hash_cpus(orig, seed));
	hash_for_each_possible(masks, mask, node, key) {
		if (cpumask_equal(mask->orig, orig) && cpumask_equal(mask->set, set)) {
			mask->users++;
			return mask;
		}
	}
	mask = new_mask(orig, set);
	if (mask)
		hash_add(masks, &mask->node, key);
	return mask;
}

static void put_mask(struct fence_mask *mask)
{
	if (--mask->users)
		return;
	hash_del(&mask->node);
	kfree(mask);
}

static void drop_record(struct fence_record *record)
{
	hash_del(&record->node);
	nr_records--;
	put_mask(record->mask);
	put_pid(record->pid);
	kfree(record);
}

static bool is_gone(struct pid *pid)
{
	bool gone;

	rcu_read_lock();
	gone = !pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	return gone;
}

/* Those who come, are moved and die in great numbers leave no more than they were. */
static void prune_records(void)
{
	struct fence_record *record;
	struct hlist_node *next;
	int bucket;

	lockdep_assert_held(&fence_mutex);
	if (nr_records < prune_at)
		return;
	hash_for_each_safe(records, bucket, next, record, node)
		if (is_gone(record->pid))
			drop_record(record);
	prune_at = max(2 * nr_records, PRUNE_MIN);
}

/* Notes that @pid had @orig and is given @set; replaces what was noted before. */
static int note(struct pid *pid, const struct cpumask *orig, const struct cpumask *set,
		bool member)
{
	struct fence_record *record = find_record(pid);
	struct fence_mask *mask;

	if (cpumask_equal(orig, set)) {
		if (record)
			drop_record(record);
		return 0;
	}
	mask = get_mask(orig, set);
	if (!mask)
		return -ENOMEM;
	if (record) {
		put_mask(record->mask);
		record->mask = mask;
		record->member = member;
		return 0;
	}
	record = kmalloc(sizeof(*record), GFP_KERNEL);
	if (!record) {
		put_mask(mask);
		return -ENOMEM;
	}
	prune_records();
	record->pid = get_pid(pid);
	record->mask = mask;
	record->member = member;
	hash_add(records, &record->node, (unsigned long)pid);
	nr_records++;
	return 0;
}

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

/* The members of @lpar that still live keep the CPUs that they are pinned to, none else. */
static bool is_pinned(const struct lpar *lpar, const struct lpar_pin *pin)
{
	struct task_struct *task;
	bool pinned;

	rcu_read_lock();
	task = pid_task(pin->pid, PIDTYPE_PID);
	pinned = task && lpar_member_lpar_rcu(task) == lpar;
	rcu_read_unlock();
	return pinned;
}

/* Where those run who have no CPU of their own. */
static void shared_room(const struct lpar *lpar, struct cpumask *room)
{
	const struct lpar_pin *pin;

	cpumask_copy(room, &lpar->config.cpus);
	list_for_each_entry(pin, &lpar->pins, node)
		if (is_pinned(lpar, pin))
			cpumask_clear_cpu(pin->cpu, room);
	if (!cpumask_intersects(room, cpu_active_mask))
		cpumask_copy(room, &lpar->config.cpus);
}

static void member_room(const struct lpar *lpar, struct task_struct *task, struct cpumask *room)
{
	const struct pid *pid = task_pid(task);
	const struct lpar_pin *pin;

	list_for_each_entry(pin, &lpar->pins, node) {
		if (pin->pid == pid && cpumask_test_cpu(pin->cpu, cpu_active_mask)) {
			cpumask_copy(room, cpumask_of(pin->cpu));
			return;
		}
	}
	shared_room(lpar, room);
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
	member_room(home, task, &scratch_room);
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
	if (!pid_alive(task) || find_record(task_pid(task)))
		return NULL;
	for (i = 0; i < MAX_ANCESTORS; i++) {
		/* The leader stands for the threads of its process. */
		if (ancestor == task && !thread_group_leader(task))
			ancestor = task->group_leader;
		else
			ancestor = rcu_dereference(ancestor->real_parent);
		record = find_record(task_pid(ancestor));
		if (record)
			return cpumask_equal(record->mask->set, &task->cpus_mask) ?
			       record->mask : NULL;
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
	record = find_record(task_pid(task));
	if (!record || !cpumask_equal(record->mask->set, &task->cpus_mask))
		return false;
	member_room(lpar, task, &scratch_room);
	return may_have(task, &scratch_room);
}

/*
 * Between two batches of any pass: evictions come first, and nobody waits for a pass that
 * somebody without rights makes long by many threads. So what decides is looked at anew for
 * each task, and nothing of a batch is known after it, the scratch masks included.
 */
static void let_others(void)
{
	mutex_unlock(&fence_mutex);
	cond_resched();
	mutex_lock(&fence_mutex);
}

typedef bool task_test(struct task_struct *task, const struct lpar *lpar);

/* Up to BATCH user tasks for which @test holds, with a reference each. */
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
		if (n == BATCH)
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
	const struct fence_record *record = find_record(pid);

	if (record && !record->member && !cpumask_equal(record->mask->set, &task->cpus_mask))
		record = NULL;
	else if (!record && home && cpumask_subset(&task->cpus_mask, &home->config.cpus))
		record = find_record(task_tgid(task));
	if (record)
		cpumask_copy(&scratch_orig, record->mask->orig);
	else
		cpumask_copy(&scratch_orig, &task->cpus_mask);
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
		member_room(home, task, &scratch_target);
	if (pid)
		find_orig(task, pid, home);
	rcu_read_unlock();
	if (!pid)
		return -ESRCH;		/* it has just died */

	if (!home)
		lpar_fence_target(&scratch_target, &scratch_orig, &fenced, cpu_active_mask);

	err = note(pid, &scratch_orig, &scratch_target, member);
	if (!err)
		err = set_cpus_allowed_ptr(task, &scratch_target);
	/* A task with an affinity of its own user's may have got a part only. */
	if (!err && !cpumask_equal(&task->cpus_mask, &scratch_target))
		err = note(pid, &scratch_orig, &task->cpus_mask, member);
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
	bool me = false;
	int err = 0;

	lockdep_assert_held(&fence_mutex);
	batch = kmalloc_array(BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	do {
		n = gather(batch, test, lpar);
		for (i = 0, moved = 0, left = 0; i < n; i++) {
			if (batch[i] == current)
				me = true;
			else
				left += move(batch[i], &moved, &err);
			put_task_struct(batch[i]);
		}
		passes += n < BATCH;
		let_others();
	} while (moved && passes < MAX_PASSES && ++batches < MAX_BATCHES);
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
	adopted = mask && pid && !note(pid, mask->orig, mask->set, member);
	put_pid(pid);
	return adopted;
}

/*
 * Gives records to all those. Whoever else sends many home or gives back has done this to
 * the end before, so that none is lost by being let in between.
 */
static void adopt(void)
{
	unsigned int n, i, adopted, batches = 0, passes = 0;
	struct task_struct **batch;

	lockdep_assert_held(&fence_mutex);
	if (!nr_records)
		return;
	batch = kmalloc_array(BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return;
	do {
		n = gather(batch, inherits, NULL);
		for (i = 0, adopted = 0; i < n; i++) {
			adopted += adopt_one(batch[i]);
			put_task_struct(batch[i]);
		}
		passes += n < BATCH;
		let_others();
	} while (adopted && passes < MAX_PASSES && ++batches < MAX_BATCHES);
	kfree(batch);
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

/* Widens one recorded affinity as far as the remaining fences allow. */
static void give_back(struct fence_record *record)
{
	struct task_struct *task = get_pid_task(record->pid, PIDTYPE_PID);
	bool at_home;

	if (!task) {
		drop_record(record);
		return;
	}
	rcu_read_lock();
	at_home = home_of(task);
	rcu_read_unlock();
	if (at_home)
		goto out;
	if (!cpumask_equal(&task->cpus_mask, record->mask->set)) {
		drop_record(record);	/* somebody else's wish since */
		goto out;
	}
	lpar_fence_target(&scratch_target, record->mask->orig, &fenced, cpu_active_mask);
	cpumask_copy(&scratch_orig, record->mask->orig);
	if (!may_have(task, &scratch_target))
		WRITE_ONCE(owed, true);
	else if (!set_cpus_allowed_ptr(task, &scratch_target))
		note(record->pid, &scratch_orig, &scratch_target, false);
out:
	put_task_struct(task);
}

static void give_back_all(void)
{
	struct fence_record *record;
	struct hlist_node *next;
	unsigned int bucket;

	adopt();
	for (bucket = 0; bucket < HASH_SIZE(records); bucket++) {
		if (hlist_empty(&records[bucket]))
			continue;
		hlist_for_each_entry_safe(record, next, &records[bucket], node)
			give_back(record);
		let_others();
	}
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

static void free_pin(struct lpar_pin *pin)
{
	list_del(&pin->node);
	put_pid(pin->pid);
	kfree(pin);
}

/**
 * lpar_fence_free_pins() - empty a list of pins
 * @pins: list of struct lpar_pin that no other knows
 */
void lpar_fence_free_pins(struct list_head *pins)
{
	struct lpar_pin *pin, *next;

	list_for_each_entry_safe(pin, next, pins, node)
		free_pin(pin);
}

/* The LPAR's pins are those of @pins from now on, which has the former then. */
static void swap_pins(struct lpar *lpar, struct list_head *pins)
{
	LIST_HEAD(former);

	lockdep_assert_held(&fence_mutex);
	mutex_lock(&pins_mutex);
	list_splice_init(&lpar->pins, &former);
	list_splice_init(pins, &lpar->pins);
	mutex_unlock(&pins_mutex);
	list_splice(&former, pins);
}

/**
 * lpar_fence_raise() - take the CPUs of an LPAR from everybody else
 * @lpar: LPAR that becomes active
 *
 * Context: may sleep; takes fence_mutex.
 * Return: 0, or -ENOMEM and the fence is down again.
 */
int lpar_fence_raise(struct lpar *lpar)
{
	int err;

	mutex_lock(&fence_mutex);
	cpumask_or(&fenced, &fenced, &lpar->config.cpus);
	lpar_guard_keep_off(&fenced, &scratch_target);
	err = enforce();
	if (err)
		lower(lpar);
	mutex_unlock(&fence_mutex);
	return err;
}

/**
 * lpar_fence_lower() - give the CPUs of an LPAR back, and affinities with them
 * @lpar: LPAR that is active no more
 *
 * One that must not migrate now gets his later, by lpar_fence_catch_up().
 *
 * Context: may sleep; takes fence_mutex.
 */
void lpar_fence_lower(struct lpar *lpar)
{
	LIST_HEAD(pins);

	mutex_lock(&fence_mutex);
	swap_pins(lpar, &pins);
	lower(lpar);
	mutex_unlock(&fence_mutex);
	lpar_fence_free_pins(&pins);
}

/**
 * lpar_fence_enforce() - put every task on its side of the fences
 *
 * Called when a member joined or left, a CPU came or went, or intruders were seen.
 *
 * Context: may sleep; takes fence_mutex.
 */
void lpar_fence_enforce(void)
{
	mutex_lock(&fence_mutex);
	enforce();
	mutex_unlock(&fence_mutex);
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
 * Context: may sleep; takes fence_mutex.
 */
void lpar_fence_catch_up(void)
{
	mutex_lock(&fence_mutex);
	WRITE_ONCE(put_off, false);
	if (owed) {
		WRITE_ONCE(owed, false);
		give_back_all();
	}
	enforce();
	mutex_unlock(&fence_mutex);
}

/**
 * lpar_fence_evict() - put one task on its side of the fences
 * @task: was seen on a fenced CPU
 *
 * One that must not migrate now is left to lpar_fence_catch_up().
 *
 * Context: may sleep; takes fence_mutex.
 */
void lpar_fence_evict(struct task_struct *task)
{
	bool trespasser;

	mutex_lock(&fence_mutex);
	rcu_read_lock();
	trespasser = is_confined(task) && trespasses(task, NULL);
	rcu_read_unlock();
	if (trespasser)
		send_home(task);
	mutex_unlock(&fence_mutex);
}

/* What the census of lpar_fence_call_home() has found; under fence_mutex. */
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

/* The CPUs of pinned threads that are gone are everybody's. */
static void free_dead_pins(struct lpar *lpar)
{
	struct lpar_pin *pin, *next;
	bool any = false;

	mutex_lock(&pins_mutex);
	list_for_each_entry_safe(pin, next, &lpar->pins, node) {
		if (is_pinned(lpar, pin))
			continue;
		free_pin(pin);
		any = true;
	}
	mutex_unlock(&pins_mutex);
	if (!any)
		return;
	adopt();
	sweep(is_narrowed, lpar);
}

/**
 * lpar_fence_call_home() - bring members back that were moved off their CPUs
 * @lpar: active, with lpar->op held, so that nobody is just joining
 * @found: LPAR_STRAYS_MAX of them at most; a reference to each task is the caller's
 *
 * Context: may sleep; takes fence_mutex.
 * Return: number of @found.
 */
unsigned int lpar_fence_call_home(struct lpar *lpar, struct lpar_stray *found)
{
	unsigned int n, i;

	lockdep_assert_held(&lpar->op);
	mutex_lock(&fence_mutex);
	/* A change of cpusets moves threads of the kernel, too. */
	lpar_guard_keep_off(&fenced, &scratch_target);
	free_dead_pins(lpar);
	strays = found;
	nr_strays = 0;
	lpar_member_census(lpar, note_stray);
	n = nr_strays;
	for (i = 0; i < n; i++) {
		/* A pinned thread's child has had no more than that, as it seems. */
		adopt_one(found[i].task);
		found[i].err = send_home(found[i].task);
	}
	mutex_unlock(&fence_mutex);
	return n;
}

static int check_pin(const struct lpar *lpar, const struct lpar_pin *pin,
		     struct lpar_report *report)
{
	if (pin->cpu >= nr_cpu_ids || !cpumask_test_cpu(pin->cpu, &lpar->config.cpus))
		return lpar_problem(report, -EINVAL, "CPU %u is not in LPAR \"%s\"", pin->cpu,
				    lpar->name);
	if (!is_pinned(lpar, pin))
		return lpar_problem(report, -ESRCH,
				    "the thread of vCPU %u is no member of LPAR \"%s\"",
				    pin->vcpu, lpar->name);
	return 0;
}

/**
 * lpar_fence_pin() - give threads of an LPAR a CPU each
 * @lpar: from lpar_lock(), active
 * @pins: list of struct lpar_pin, which replaces what there was; empty on success
 * @report: for the refusal
 *
 * The other members run on the CPUs that are left, or on all when none is.
 *
 * Context: may sleep; takes fence_mutex.
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
		err = check_pin(lpar, pin, report);
		if (err)
			return err;
	}
	mutex_lock(&fence_mutex);
	adopt();
	swap_pins(lpar, &none);
	sweep(is_narrowed, lpar);
	swap_pins(lpar, pins);
	enforce();
	mutex_unlock(&fence_mutex);
	lpar_fence_free_pins(&none);
	return 0;
}

/**
 * lpar_fence_visit_pins() - who has a CPU of its own?
 * @lpar: LPAR
 * @visit: called with the number of the vCPU, of its thread in the initial pid namespace,
 *	and of its CPU; not 0 ends the walk
 * @data: for @visit
 *
 * Context: may sleep; takes pins_mutex. @visit does not wait for anything.
 * Return: 0 or what @visit returned.
 */
int lpar_fence_visit_pins(struct lpar *lpar, lpar_pin_visit *visit, void *data)
{
	const struct lpar_pin *pin;
	int ret = 0;

	mutex_lock(&pins_mutex);
	list_for_each_entry(pin, &lpar->pins, node) {
		if (!is_pinned(lpar, pin))
			continue;
		ret = visit(data, pin->vcpu, pid_nr(pin->pid), pin->cpu);
		if (ret)
			break;
	}
	mutex_unlock(&pins_mutex);
	return ret;
}

/**
 * lpar_fence_exit() - forget who could not be given back what he had, at module exit
 *
 * Context: may sleep; the guard has ended.
 */
void lpar_fence_exit(void)
{
	struct fence_record *record;
	struct hlist_node *next;
	int bucket;

	mutex_lock(&fence_mutex);
	hash_for_each_safe(records, bucket, next, record, node)
		drop_record(record);
	mutex_unlock(&fence_mutex);
}
