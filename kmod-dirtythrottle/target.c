// SPDX-License-Identifier: GPL-2.0
/*
 * Targets: made by attach, gone with detach, with their process, or when their
 * controller is silent for too long. Four times a second each is looked at.
 */
#include <linux/hashtable.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include "dirtythrottle.h"

/* Which logs there are is looked at once a second. */
#define CENSUS_TICKS		(MSEC_PER_SEC / DT_TICK_MS)
/* And no more of them is read than 4 MiB a second: 128 GiB of guest. */
#define WEIGHED_PAGES_PER_SEC	((u64)SZ_4M * BITS_PER_BYTE)

/* Fewer pages in the log that were not seen are no sign of anything. */
#define UNSEEN_MAX		1024

/* Guards the hash, the hold on KVM and the probe. */
DEFINE_MUTEX(dt_mutex);

/* As where KVM cannot be traced; for tests, and should that ever do harm. */
static bool faults;
module_param(faults, bool, 0644);
MODULE_PARM_DESC(faults, "learn of dirty pages from write faults only (0)");

/* Why write faults are all that is seen, or NULL; as faults was at the first target. */
const char *dt_no_marks;

static DEFINE_HASHTABLE(targets, 6);
static unsigned int nr_targets;
static bool watching;

/* Targets that are not freed; the last one wakes the exit of the module. */
static atomic_t nr_allocated;
static DECLARE_WAIT_QUEUE_HEAD(all_freed);

/**
 * dt_target_find_rcu() - the target of an address space
 * @mm: address space
 *
 * Context: any, under RCU, which keeps the result alive.
 * Return: target or NULL.
 */
struct dt_target *dt_target_find_rcu(const struct mm_struct *mm)
{
	struct dt_target *target;

	hash_for_each_possible_rcu(targets, target, node, (unsigned long)mm,
				   lockdep_is_held(&dt_mutex))
		if (target->mm == mm)
			return target;
	return NULL;
}

static void free_target(struct kref *ref)
{
	struct dt_target *target = container_of(ref, struct dt_target, ref);

	dt_vcpu_free_all(target);
	mmdrop(target->mm);
	put_pid(target->pid);
	kfree(target);
	if (atomic_dec_and_test(&nr_allocated))
		wake_up_all(&all_freed);
}

/**
 * dt_target_put() - drop a reference
 * @target: freed with the last one
 *
 * Context: process, or any when it is not the last one.
 */
void dt_target_put(struct dt_target *target)
{
	kref_put(&target->ref, free_target);
}

/* Ends all waits: what is in force has changed. */
static void wake_vcpus(struct dt_target *target)
{
	WRITE_ONCE(target->generation, target->generation + 1);
	wake_up_all(&target->waiters);
}

/* Puts in force what follows from the settings. */
static void enforce(struct dt_target *target)
{
	u64 delay_ns = target->settings.mode == DT_MODE_DELAY ?
		       (u64)target->settings.delay_us * NSEC_PER_USEC : 0;
	u64 limit = dt_settings_limit(&target->settings, target->engaged,
				      target->effective_limit);

	lockdep_assert_held(&target->op);
	if (limit == target->effective_limit && delay_ns == target->delay_ns)
		return;
	spin_lock(&target->bucket.lock);
	dt_bucket_set(&target->bucket, limit, ktime_get_ns());
	spin_unlock(&target->bucket.lock);
	WRITE_ONCE(target->effective_limit, limit);
	WRITE_ONCE(target->delay_ns, delay_ns);
	wake_vcpus(target);
}

static const char *find_reason(const struct dt_target *target)
{
	if (!target->census.nr_vms)
		return "the process runs no guest any more; detach it";
	if (!target->census.logging)
		return "no dirty log is on; it begins with the migration";
	if (target->blind)
		return "more becomes dirty than is seen: KVM is not as its headers say";
	return NULL;
}

/* Tells the listeners when it is another state. */
static void judge(struct dt_target *target)
{
	const char *reason = find_reason(target);
	enum dt_state state = DT_STATE_ARMED;

	lockdep_assert_held(&target->op);
	if (reason)
		state = DT_STATE_BLOCKED;
	else if (target->effective_limit || target->delay_ns)
		state = DT_STATE_THROTTLING;
	if (state == target->state && reason == target->reason)
		return;
	target->state = state;
	target->reason = reason;
	dt_event_send(DT_EVENT_STATE, target);
	if (target->dev)
		sysfs_notify(&target->dev->kobj, NULL, "state");
}

/**
 * dt_target_rate() - how fast are pages dirtied?
 * @target: target, its op held
 * @pages: counted until now
 * @seconds: over how many seconds, 1 to 10
 *
 * Context: process.
 * Return: bytes per second.
 */
u64 dt_target_rate(struct dt_target *target, u64 pages, unsigned int seconds)
{
	lockdep_assert_held(&target->op);
	return dt_meter_rate(&target->meter, pages, ktime_get_ns(), seconds) * PAGE_SIZE;
}

/**
 * dt_target_outlook() - will the migration end?
 * @target: target, its op held
 * @pages: counted until now
 * @outlook: to be filled
 *
 * Context: process.
 * Return: true if known: the log is a bitmap, and the transfer rate was given.
 */
bool dt_target_outlook(struct dt_target *target, u64 pages, struct dt_outlook *outlook)
{
	u64 transfer_rate = target->settings.transfer_rate;
	u64 dirty_bytes = target->census.dirty_pages * PAGE_SIZE;

	if (!target->census.has_bitmap || !transfer_rate)
		return false;
	outlook->pass_ms = div64_u64(dirty_bytes * MSEC_PER_SEC, transfer_rate);
	outlook->converging = dt_target_rate(target, pages, 1) < transfer_rate;
	return true;
}

/*
 * Pages leave the log meanwhile, and those that become dirty while it is read may
 * be in it or not: so much more than was seen cannot be chance. A log may begin full.
 */
static bool is_blind(const struct dt_census *before, const struct dt_census *now, u64 seen)
{
	return now->generation == before->generation &&
	       now->dirty_pages > before->dirty_pages + 2 * seen + UNSEEN_MAX;
}

/* Reads all logs. */
static void weigh(struct dt_target *target)
{
	struct dt_census before = target->census;
	u64 seen_before = target->weighed_pages;
	struct dt_counters sum;

	target->weighed_ns = ktime_get_ns();
	dt_vcpu_sum(target, &sum);
	target->weighed_pages = sum.pages;
	dt_guest_census(target, true, &target->census);
	dt_vcpu_sum(target, &sum);
	if (is_blind(&before, &target->census, sum.pages - seen_before))
		target->blind = true;
}

/**
 * dt_weighing_is_due() - are the logs to be read again?
 * @before: census so far
 * @now: that of the same target now
 * @age_ns: how long ago they were read
 *
 * The larger the guest, the less often. When its memory slots change makes no difference, as
 * a guest changes them as often as it likes; it begins no log.
 *
 * Context: any.
 * Return: true if so.
 */
bool dt_weighing_is_due(const struct dt_census *before, const struct dt_census *now, u64 age_ns)
{
	u64 wanted_ms = div64_u64(now->log_pages * MSEC_PER_SEC, WEIGHED_PAGES_PER_SEC);

	/* A migration logs all of the guest; its screen may have a log all the time. */
	return now->log_pages > 2 * before->log_pages || age_ns >= wanted_ms * NSEC_PER_MSEC;
}

static void take_census(struct dt_target *target)
{
	u64 age_ns = ktime_get_ns() - target->weighed_ns;
	struct dt_census now;

	dt_guest_census(target, false, &now);
	if (!now.logging)
		target->blind = false;
	if (dt_weighing_is_due(&target->census, &now, age_ns)) {
		weigh(target);
	} else {
		/* Other logs than those that were read. */
		if (now.generation != target->census.generation)
			now.generation = DT_CENSUS_OLD;
		now.dirty_pages = target->census.dirty_pages;
		target->census = now;
	}
	WRITE_ONCE(target->logging, target->census.logging);
}

static void measure(struct dt_target *target)
{
	struct dt_counters sum;

	if (target->ticks++ % CENSUS_TICKS == 0)
		take_census(target);
	dt_vcpu_sum(target, &sum);
	dt_meter_add(&target->meter, sum.pages, ktime_get_ns());
	if (dt_settings_engage(&target->settings, dt_target_rate(target, sum.pages, 1)))
		target->engaged = true;
	enforce(target);
	judge(target);
}

/* Detaching waits for ticks, so that another work item has to do it. */
static void retire_soon(struct dt_target *target, enum dt_event event)
{
	target->retire_event = event;
	kref_get(&target->ref);
	queue_work(dt_wq, &target->retire);
}

static void tick(struct work_struct *work)
{
	struct dt_target *target = container_of(to_delayed_work(work), struct dt_target, tick);

	mutex_lock(&target->op);
	if (target->gone) {
		;
	} else if (!dt_guest_is_alive(target)) {
		retire_soon(target, DT_EVENT_EXITED);
	} else if (dt_settings_is_silent(target->settings.timeout_ms, target->beat_ns)) {
		retire_soon(target, DT_EVENT_TIMEOUT);
	} else {
		measure(target);
		queue_delayed_work(dt_wq, &target->tick, msecs_to_jiffies(DT_TICK_MS));
	}
	mutex_unlock(&target->op);
}

static int refuse_pml(struct netlink_ext_ack *extack)
{
	dt_say(extack,
	       "the processor may log writes by itself (PML), and KVM cannot be traced here; load kvm_intel with pml=0");
	return -EOPNOTSUPP;
}

/* Both probes, or the one that can do without the other. */
static int watch(void)
{
	int err = 0;

	dt_no_marks = "the module's parameter says so";
	if (!READ_ONCE(faults))
		err = dt_mark_watch(&dt_no_marks);
	if (err)
		return err;
	err = dt_fault_watch();
	if (err)
		dt_mark_unwatch();
	return err;
}

static void unwatch(void)
{
	lockdep_assert_held(&dt_mutex);
	dt_fault_unwatch();
	dt_mark_unwatch();
	dt_guest_release();
	watching = false;
}

/* KVM and the probes are there for as long as there are targets. */
static int watch_first(struct netlink_ext_ack *extack)
{
	int err;

	lockdep_assert_held(&dt_mutex);
	if (watching)
		return 0;
	err = dt_guest_hold(extack);
	if (err)
		return err;
	err = watch();
	if (err)
		dt_guest_release();
	watching = !err;
	return err;
}

/* The tracer takes its time to let go; and there may soon be another target. */
static void unwatch_unused(struct work_struct *work)
{
	mutex_lock(&dt_mutex);
	if (watching && !nr_targets)
		unwatch();
	mutex_unlock(&dt_mutex);
}

static DECLARE_DELAYED_WORK(unwatch_work, unwatch_unused);

static void unwatch_last(void)
{
	lockdep_assert_held(&dt_mutex);
	if (!nr_targets)
		mod_delayed_work(dt_wq, &unwatch_work, HZ);
}

/*
 * After this no vCPU waits for it, and none will. Works that are queued hold
 * references.
 */
static void detach(struct dt_target *target, enum dt_event event)
{
	lockdep_assert_held(&dt_mutex);
	mutex_lock(&target->op);
	target->gone = true;
	hash_del_rcu(&target->node);
	wake_vcpus(target);
	mutex_unlock(&target->op);
	synchronize_rcu();
	/* Whose page was booked before that: none begins to wait any more. */
	wake_vcpus(target);
	dt_sysfs_del(target);
	cancel_delayed_work_sync(&target->tick);
	dt_event_send(event, target);
	nr_targets--;
	unwatch_last();
	dt_target_put(target);
}

static void retire(struct work_struct *work)
{
	struct dt_target *target = container_of(work, struct dt_target, retire);

	mutex_lock(&dt_mutex);
	if (!target->gone)
		detach(target, target->retire_event);
	mutex_unlock(&dt_mutex);
	dt_target_put(target);
}

static struct dt_target *new_target(struct mm_struct *mm, struct pid *pid)
{
	struct dt_target *target = kzalloc(sizeof(*target), GFP_KERNEL);

	if (!target)
		return NULL;
	atomic_inc(&nr_allocated);
	kref_init(&target->ref);
	mmgrab(mm);
	target->mm = mm;
	target->pid = get_pid(pid);
	dt_bucket_init(&target->bucket);
	init_waitqueue_head(&target->waiters);
	xa_init(&target->vcpus);
	mutex_init(&target->op);
	dt_settings_init(&target->settings);
	dt_meter_start(&target->meter, ktime_get_ns());
	INIT_DELAYED_WORK(&target->tick, tick);
	INIT_WORK(&target->retire, retire);
	return target;
}

/* Before anybody else sees it. */
static int begin(struct dt_target *target, const struct dt_settings *settings,
		 struct netlink_ext_ack *extack)
{
	int err;

	take_census(target);
	if (!target->census.nr_vms) {
		dt_say(extack, "the process runs no KVM guest");
		return -EINVAL;
	}
	/* KVM's part for the processor may have been loaded anew since the probes are there. */
	if (dt_no_marks && (target->census.logged_by_cpu || dt_guest_may_hide_writes()))
		return refuse_pml(extack);
	err = dt_sysfs_add(target);
	if (err)
		return err;
	mutex_lock(&target->op);
	target->reason = find_reason(target);
	target->state = target->reason ? DT_STATE_BLOCKED : DT_STATE_ARMED;
	dt_event_send(DT_EVENT_ATTACHED, target);
	dt_target_set(target, settings, NULL);
	mutex_unlock(&target->op);
	hash_add_rcu(targets, &target->node, (unsigned long)target->mm);
	/* What became dirty before that was not seen, which is no sign of anything. */
	target->census.generation = DT_CENSUS_OLD;
	nr_targets++;
	queue_delayed_work(dt_wq, &target->tick, msecs_to_jiffies(DT_TICK_MS));
	return 0;
}

/* Of the same process, or of one whose number it has. */
static struct dt_target *find_alike(const struct mm_struct *mm, struct pid *pid)
{
	struct dt_target *target;
	int bucket;

	lockdep_assert_held(&dt_mutex);
	hash_for_each(targets, bucket, target, node)
		if (target->mm == mm || pid_nr(target->pid) == pid_nr(pid))
			return target;
	return NULL;
}

static int attach(struct mm_struct *mm, struct pid *pid, const struct dt_settings *settings,
		  struct netlink_ext_ack *extack)
{
	struct dt_target *target = find_alike(mm, pid);
	int err;

	if (target && dt_guest_is_alive(target)) {
		dt_say(extack, "the process is throttled already; use 'lparctl throttle set'");
		return -EEXIST;
	}
	if (target)
		detach(target, DT_EVENT_EXITED);
	err = watch_first(extack);
	if (err)
		return err;
	target = new_target(mm, pid);
	err = target ? begin(target, settings, extack) : -ENOMEM;
	if (!err)
		return 0;
	unwatch_last();
	if (target)
		dt_target_put(target);
	return err;
}

/* The process of a thread that @nr names in the caller's pid namespace. */
static struct task_struct *find_process(pid_t nr, struct netlink_ext_ack *extack)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	if (task)
		return task;
	dt_say(extack, "there is no such process");
	return ERR_PTR(-ESRCH);
}

/**
 * dt_target_attach() - throttle a process from now on
 * @nr: process id in the caller's pid namespace
 * @settings: checked settings
 * @extack: for the refusal
 *
 * Context: process; takes dt_mutex.
 * Return: 0, -ESRCH, -EINVAL, -EEXIST, -EOPNOTSUPP, -ENOMEM.
 */
int dt_target_attach(pid_t nr, const struct dt_settings *settings,
		     struct netlink_ext_ack *extack)
{
	struct task_struct *task = find_process(nr, extack);
	struct mm_struct *mm;
	int err = -EINVAL;

	if (IS_ERR(task))
		return PTR_ERR(task);
	mm = get_task_mm(task);
	if (mm) {
		mutex_lock(&dt_mutex);
		err = attach(mm, task_tgid(task), settings, extack);
		mutex_unlock(&dt_mutex);
		mmput(mm);
	} else {
		dt_say(extack, "it is a kernel thread, or exits");
	}
	put_task_struct(task);
	return err;
}

static struct dt_target *find_by_pid(const struct pid *pid)
{
	struct dt_target *target;
	int bucket;

	lockdep_assert_held(&dt_mutex);
	hash_for_each(targets, bucket, target, node)
		if (target->pid == pid)
			return target;
	return NULL;
}

/**
 * dt_target_get() - the target of a process, with a reference
 * @nr: process id in the caller's pid namespace
 * @extack: for the refusal
 *
 * Context: process; takes dt_mutex.
 * Return: target, or ERR_PTR(-ENOENT).
 */
struct dt_target *dt_target_get(pid_t nr, struct netlink_ext_ack *extack)
{
	struct pid *pid = find_get_pid(nr);
	struct dt_target *target;

	mutex_lock(&dt_mutex);
	target = find_by_pid(pid);
	if (target)
		kref_get(&target->ref);
	mutex_unlock(&dt_mutex);
	put_pid(pid);
	if (target)
		return target;
	dt_say(extack, "the process is not throttled: see 'lparctl throttle attach'");
	return ERR_PTR(-ENOENT);
}

/**
 * dt_target_for_each() - visit all targets
 * @visit: called under dt_mutex; not 0 ends it
 * @data: for @visit
 *
 * Context: process; takes dt_mutex.
 * Return: 0 or what @visit returned.
 */
int dt_target_for_each(int (*visit)(struct dt_target *target, void *data), void *data)
{
	struct dt_target *target;
	int bucket, err = 0;

	mutex_lock(&dt_mutex);
	hash_for_each(targets, bucket, target, node) {
		err = visit(target, data);
		if (err)
			break;
	}
	mutex_unlock(&dt_mutex);
	return err;
}

/**
 * dt_target_set() - change settings; a sign of life of the controller, too
 * @target: target, its op held
 * @settings: new settings
 * @extack: for the refusal, or NULL
 *
 * Context: process.
 * Return: 0, -EINVAL, -ENODEV when it is detached.
 */
int dt_target_set(struct dt_target *target, const struct dt_settings *settings,
		  struct netlink_ext_ack *extack)
{
	int err = dt_settings_check(settings, extack);

	lockdep_assert_held(&target->op);
	if (err)
		return err;
	if (target->gone)
		return -ENODEV;
	if (settings->mode != target->settings.mode)
		target->engaged = false;
	target->settings = *settings;
	target->beat_ns = ktime_get_ns();
	enforce(target);
	judge(target);
	return 0;
}

/**
 * dt_target_detach() - throttle a process no longer
 * @nr: process id in the caller's pid namespace
 * @extack: for the refusal
 *
 * Context: process; takes dt_mutex. No vCPU waits on return.
 * Return: 0 or -ENOENT.
 */
int dt_target_detach(pid_t nr, struct netlink_ext_ack *extack)
{
	struct dt_target *target = dt_target_get(nr, extack);

	if (IS_ERR(target))
		return PTR_ERR(target);
	mutex_lock(&dt_mutex);
	if (!target->gone)
		detach(target, DT_EVENT_DETACHED);
	mutex_unlock(&dt_mutex);
	dt_target_put(target);
	return 0;
}

/**
 * dt_target_detach_all() - at module exit
 *
 * Context: may sleep; until all works of vCPUs have run. The queue of works
 * has to be empty before the module goes, as the last may have freed a target.
 */
void dt_target_detach_all(void)
{
	struct dt_target *target;
	struct hlist_node *next;
	int bucket;

	mutex_lock(&dt_mutex);
	hash_for_each_safe(targets, bucket, next, target, node)
		detach(target, DT_EVENT_DETACHED);
	mutex_unlock(&dt_mutex);
	mod_delayed_work(dt_wq, &unwatch_work, 0);
	flush_delayed_work(&unwatch_work);
	flush_workqueue(dt_wq);
	wait_event(all_freed, !atomic_read(&nr_allocated));
	/* The last of them is still on its way out of our code. */
	synchronize_rcu_tasks();
}
