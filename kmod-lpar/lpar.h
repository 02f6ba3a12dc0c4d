/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lpar.ko: logical partitions. Objects, locks and lifetimes are drawn in
 * Documentation/lpar.md.
 *
 * The order of the mutexes is there as well. The spinlocks (members_lock,
 * gate->lock) come last, and none is held over another.
 */
#ifndef _KMOD_LPAR_H
#define _KMOD_LPAR_H

#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <lparkit/cut.h>
#include <lparkit/lpar.h>

struct address_space;
struct genl_family;
struct kernfs_node;
struct lpar;
struct lpar_firing;
struct lpar_grant;
struct netlink_ext_ack;
struct pt_regs;
struct sk_buff;

#define LPAR_REASON_MAX		127
#define LPAR_PROBLEM_MAX	255
/* Memory is reserved, mapped and zeroed in pieces of one PMD. */
#define LPAR_PIECE_SIZE		PMD_SIZE
#define LPAR_PIECE_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define LPAR_PIECE_PAGES	BIT(LPAR_PIECE_ORDER)

/**
 * struct lpar_report - where the reasons for a refusal go
 * @extack: netlink caller to tell the first problem
 * @skb: CHECK reply that takes every problem, or NULL
 * @text: the last problem; @extack points to it
 *
 * With @skb set, a problem is noted and the check goes on; otherwise the
 * first problem ends the operation.
 */
struct lpar_report {
	struct netlink_ext_ack *extack;
	struct sk_buff *skb;
	char text[LPAR_PROBLEM_MAX + 1];
};

/**
 * struct lpar_config - what an operator sets
 * @cpus: CPUs owned; empty = none
 * @memory_bytes: multiple of LPAR_PIECE_SIZE; 0 = none
 * @node: NUMA node of the memory, or LPAR_NODE_ANY
 * @pages: of which size its pages have to be
 * @uid: owner of /dev/lpar/NAME
 * @gid: group of /dev/lpar/NAME
 * @gate_timeout_ms: after this long a closed gate opens by itself
 * @disks: struct lpar_disk, in the order given
 *
 * Written with lpar->op and lpar_mutex held, read with either.
 */
struct lpar_config {
	struct cpumask cpus;
	u64 memory_bytes;
	int node;
	enum lpar_pages pages;
	kuid_t uid;
	kgid_t gid;
	u32 gate_timeout_ms;
	struct list_head disks;
};

/**
 * struct lpar_stage - what the operator watches during a long operation
 * @number: 0 = no operation
 * @progress: percent
 * @transfer_rate: bytes per second
 * @dirty_bytes: memory still to be sent again
 * @text: for people
 */
struct lpar_stage {
	u32 number;
	u32 progress;
	u64 transfer_rate;
	u64 dirty_bytes;
	char text[LPAR_STAGE_TEXT_MAX + 1];
};

/**
 * struct lpar_gate - stops every vCPU of an LPAR inside the kernel
 * @lock: raw, because a cut takes it in hard-irq context; guards all below
 * @watchers: armed cuts plus one while closed; vCPUs are known while it is > 0
 * @closed: no vCPU may enter the guest
 * @cut: number of the last cut that closed it, or would have, 0 = none; means something
 *	while @closed
 * @lapsed: number of the cut that @lapse is about
 * @closed_at: CLOCK_MONOTONIC of the last close
 * @last_stop: CLOCK_MONOTONIC when the last vCPU that ran at the close stopped
 * @last_stop_real: the same on CLOCK_REALTIME
 * @opens_at: CLOCK_MONOTONIC of the time-out of the present close
 * @vcpus: struct lpar_vcpu of the threads seen in KVM_RUN
 * @by_task: the same
 * @crowded: there were more than may have one, and that is told; written with xchg() too
 * @nr_vcpus: their number
 * @nr_held: those that wait in the gate now
 * @nr_stopping: those that were on a CPU at the close and have not stopped yet
 * @nr_stopped: those of them that have
 * @nr_queued: those with work on its way to them
 * @settled: woken when @nr_stopping or @nr_queued falls to 0
 * @timeout: opens the gate by itself
 * @lapse: then lets go what a cut made wait; holds a reference to the LPAR
 */
struct lpar_gate {
	raw_spinlock_t lock;
	unsigned int watchers;
	bool closed;
	u32 cut;
	u32 lapsed;
	ktime_t closed_at;
	ktime_t last_stop;
	ktime_t last_stop_real;
	ktime_t opens_at;
	struct list_head vcpus;
	DECLARE_HASHTABLE(by_task, 7);
	bool crowded;
	unsigned int nr_vcpus;
	unsigned int nr_held;
	unsigned int nr_stopping;
	unsigned int nr_stopped;
	unsigned int nr_queued;
	wait_queue_head_t settled;
	struct delayed_work timeout;
	struct work_struct lapse;
};

/* Files of an LPAR in sysfs that can be polled; those of the directory "stage" come last. */
enum lpar_file {
	LPAR_FILE_STATE,
	LPAR_FILE_REASON,
	LPAR_FILE_MEMORY_BAD,
	LPAR_FILE_MEMBERS,
	LPAR_FILE_HOLDER,
	LPAR_FILE_VIOLATIONS,
	LPAR_FILE_STRAYS,
	LPAR_FILE_GATE,
	LPAR_FILE_STAGE,
	LPAR_FILE_STAGE_NUMBER = LPAR_FILE_STAGE,
	LPAR_FILE_STAGE_TEXT,
	LPAR_FILE_STAGE_PROGRESS,
	LPAR_FILE_STAGE_TRANSFER_RATE,
	LPAR_FILE_STAGE_DIRTY_BYTES,
	LPAR_FILES,
};

/**
 * struct lpar - a logical partition
 * @ref: the registry, members, an open memory device and callers hold one each
 * @list: in the registry, under lpar_mutex
 * @serial: rises along the list; no other LPAR has or had it
 * @name: unique
 * @op: held over an operation that changes the LPAR, long ones included
 * @dead: deleted; set under @op
 * @state: under lpar_mutex
 * @whole_state: what a degraded LPAR returns to; under @op
 * @judged_in: round of the last look at its CPUs; under lpar_mutex
 * @reason: why degraded; under lpar_mutex
 * @config: what the operator set
 * @stage: under lpar_mutex
 * @stage_portid: netlink socket with which it ends; 0 = it stays; under lpar_mutex
 * @stage_orphaned: that socket is closed, and the stage about to end; under lpar_mutex
 * @stage_end: ends it then; holds a reference
 * @memory: reserved memory while active; under lpar_mutex
 * @members: struct member of member.c, in the order in which they joined; read under RCU
 * @nr_members: their number; written under members_lock
 * @pins: struct lpar_pin; written under lpar_fence_mutex and pin.c's pins_lock, read with either
 * @shared_cpus: those that no thread is pinned to; means something while there are pins; under
 *	lpar_fence_mutex
 * @gate: see struct lpar_gate
 * @violations: switches to an intruder
 * @strays: threads of members that were found off the LPAR's CPUs
 * @lost: some of them could not be moved back; under @op
 * @watches_irqs: the host's interrupts are off its CPUs, and one that comes is a fault;
 *	under @op
 * @stray_irq: one that may come to them, 0 = none; under @op
 * @watched_in: round of the last look for both; under lpar_mutex
 * @tell_at: the next intruder is told of after that; used by the thread that evicts only
 * @untold: there were such since; written with xchg() too
 * @missed_intruder: there was one that the guard has not noted
 * @violation_irq: leaves the scheduler's locks
 * @violation_work: evicts and reports
 * @dev: /sys/class/lpar/NAME
 * @files: those of its files that can be polled; a reference each, until the LPAR is freed
 * @memdev: /dev/lpar/NAME; under @op
 * @free_work: the last reference may be dropped where one cannot sleep
 */
struct lpar {
	struct kref ref;
	struct list_head list;
	u64 serial;
	char name[LPAR_NAME_MAX + 1];
	struct mutex op;	/* one operation at a time */
	bool dead;
	enum lpar_state state;
	enum lpar_state whole_state;
	unsigned int judged_in;
	char reason[LPAR_REASON_MAX + 1];
	struct lpar_config config;
	struct lpar_stage stage;
	u32 stage_portid;
	bool stage_orphaned;
	struct delayed_work stage_end;
	struct lpar_memory *memory;
	struct list_head members;
	unsigned int nr_members;
	struct list_head pins;
	struct cpumask shared_cpus;
	struct lpar_gate gate;
	atomic64_t violations;
	atomic64_t strays;
	bool lost;
	bool watches_irqs;
	int stray_irq;
	unsigned int watched_in;
	unsigned long tell_at;
	bool untold;
	bool missed_intruder;
	struct irq_work violation_irq;
	struct kthread_work violation_work;
	struct device *dev;
	struct kernfs_node *files[LPAR_FILES];
	struct lpar_memdev *memdev;
	struct work_struct free_work;
};

/* work.c */
bool lpar_work_queue(struct work_struct *work);
bool lpar_work_urgent(struct work_struct *work);
void lpar_work_cut(struct work_struct *work);
bool lpar_work_delay(struct delayed_work *work, unsigned long delay);
void lpar_work_set(struct delayed_work *work, unsigned long delay);
void lpar_work_near(int node, struct delayed_work *work, unsigned long delay);
int lpar_work_init(void);
void lpar_work_exit(void);

/* registry.c */
extern struct mutex lpar_mutex;
extern struct list_head lpar_list;
bool lpar_name_valid(const char *name);
bool lpar_state_is_active(enum lpar_state state);
bool lpar_state_may_follow(enum lpar_state from, enum lpar_state to);
const char *lpar_state_name(enum lpar_state state);
struct lpar *lpar_get(const char *name);
void lpar_ref(struct lpar *lpar);
void lpar_put(struct lpar *lpar);
struct lpar *lpar_lock(const char *name, struct lpar_report *report);
int lpar_lock_op(struct lpar *lpar);
void lpar_unlock(struct lpar *lpar);
int lpar_create(const char *name, struct lpar_config *config, struct lpar_report *report);
int lpar_delete(const char *name, struct lpar_report *report);
int lpar_configure(struct lpar *lpar, struct lpar_config *config, struct lpar_report *report);
void lpar_config_init(struct lpar_config *config);
void lpar_set_state(struct lpar *lpar, enum lpar_state state, const char *reason);
int lpar_gate_timeout_check(u32 timeout_ms, struct lpar_report *report);
int lpar_set_gate_timeout(struct lpar *lpar, u32 timeout_ms, struct lpar_report *report);
void lpar_delete_all(void);
__printf(3, 4) int lpar_problem(struct lpar_report *report, int err, const char *fmt, ...);

/* stage.c */
int lpar_set_stage(struct lpar *lpar, const struct lpar_stage *stage,
		   const enum lpar_state *state, struct lpar_report *report);
void lpar_stage_bind(struct lpar *lpar, u32 portid);
void lpar_stage_orphan(u32 portid);
void lpar_stage_prepare(struct lpar *lpar);
void lpar_stage_forget(struct lpar *lpar);
int lpar_stage_init(void);
void lpar_stage_exit(void);

/* activation.c */
int lpar_check(struct lpar *lpar, struct lpar_report *report);
int lpar_activate(struct lpar *lpar, struct lpar_report *report);
int lpar_deactivate(struct lpar *lpar, bool force, struct lpar_report *report);
void lpar_judge_all(void);
void lpar_judge(struct lpar *lpar);
int lpar_hotplug_init(void);
void lpar_hotplug_exit(void);

/* fence.c */
/**
 * struct lpar_pin - a vCPU thread that has a CPU of its own
 * @node: in lpar->pins
 * @pid: the thread; holds a reference, so that the number cannot be taken for another
 * @vcpu: its number in the guest, for people
 * @cpu: one of the LPAR's
 */
struct lpar_pin {
	struct list_head node;
	struct pid *pid;
	u32 vcpu;
	unsigned int cpu;
};

#define LPAR_STRAYS_MAX		64

/**
 * struct lpar_stray - a thread of a member that was not where it belongs
 * @task: holds a reference
 * @outside: it was allowed on CPUs that are not the LPAR's, not just on a pinned one
 * @err: 0, or why it could not be moved back
 */
struct lpar_stray {
	struct task_struct *task;
	bool outside;
	int err;
};

int lpar_fence_check(const struct cpumask *cpus, struct lpar_report *report);
void lpar_fence_target(struct cpumask *target, const struct cpumask *orig,
		       const struct cpumask *fenced, const struct cpumask *online);
int lpar_fence_raise(struct lpar *lpar);
void lpar_fence_lower(struct lpar *lpar);
void lpar_fence_enforce(void);
bool lpar_fence_is_behind(void);
void lpar_fence_catch_up(void);
void lpar_fence_evict(struct task_struct *task);
unsigned int lpar_fence_call_home(struct lpar *lpar, struct lpar_stray *found);
int lpar_fence_pin(struct lpar *lpar, struct list_head *pins, struct lpar_report *report);
void lpar_fence_exit(void);

/* pin.c */
void lpar_pin_free_all(struct list_head *pins);
typedef int lpar_pin_visitor(void *data, u32 vcpu, pid_t pid, unsigned int cpu);
int lpar_pin_visit_all(struct lpar *lpar, lpar_pin_visitor *visit, void *data);

/* guard.c */
int lpar_guard_raise(struct lpar *lpar);
void lpar_guard_lower(struct lpar *lpar);
void lpar_guard_watch(void);
void lpar_guard_init(struct lpar *lpar);
void lpar_guard_free_cpus(const struct lpar *lpar, struct cpumask *cpus);
void lpar_guard_keep_off(const struct cpumask *fenced, struct cpumask *scratch);
int lpar_guard_start(void);
void lpar_guard_stop(void);

/* irq.c */
int lpar_irq_watch(struct lpar *lpar, struct lpar_report *report);
void lpar_irq_unwatch(struct lpar *lpar);
bool lpar_irq_look(struct lpar *lpar);

/* member.c */
int lpar_member_init(void);
void lpar_member_exit(void);
struct pid *lpar_find_process(pid_t nr, struct lpar_report *report);
int lpar_member_add(struct lpar *lpar, pid_t nr, struct lpar_report *report);
int lpar_member_del(struct lpar *lpar, pid_t nr, struct lpar_report *report);
void lpar_member_prune(void);
void lpar_member_drop_all(struct lpar *lpar);
struct lpar *lpar_member_lpar_rcu(struct task_struct *task);
unsigned int lpar_member_list(struct lpar *lpar, pid_t *pids, unsigned int max,
			      unsigned int *total);
int lpar_member_census(struct lpar *lpar, int (*see)(struct lpar *lpar, struct task_struct *t));

/* memory.c, hold.c */
struct lpar_memory *lpar_memory_alloc(struct lpar *lpar, struct lpar_report *report);
void lpar_memory_ref(struct lpar_memory *memory);
void lpar_memory_put(struct lpar_memory *memory);
void lpar_memory_leave(struct lpar_memory *memory);
u64 lpar_memory_size(const struct lpar_memory *memory);
u64 lpar_memory_small(const struct lpar_memory *memory);
pid_t lpar_memory_holder(struct lpar_memory *memory);
pid_t lpar_memory_shut(struct lpar_memory *memory, bool force);
void lpar_memory_reopen(struct lpar_memory *memory);
u64 lpar_memory_bad(const struct lpar_memory *memory);
u64 lpar_memory_left(const struct lpar_memory *memory);
struct address_space *lpar_memory_mapping(const struct lpar_memory *memory);
struct lpar_hold *lpar_memory_hold(struct lpar_memory *memory, bool wait);
void lpar_memory_release(struct lpar_hold *hold);
struct lpar_memory *lpar_memory_of(const struct lpar_hold *hold);
struct lpar_grants *lpar_memory_grants(struct lpar_memory *memory);
int lpar_memory_revoke(struct lpar_memory *memory, pid_t nr, struct lpar_report *report);
bool lpar_memory_may_map(const struct lpar_hold *hold, struct lpar_grant **grant);
bool lpar_memory_is_heir(const struct lpar_hold *hold, const struct lpar_grant *grant,
			 const struct mm_struct *mm);
struct page *lpar_memory_page(const struct lpar_hold *hold, const struct lpar_grant *grant,
			      const struct mm_struct *mm, pgoff_t pgoff);
struct lpar *lpar_memory_fail_page(unsigned long pfn, bool *former);

/* grant.c */
/**
 * struct lpar_grants - who may map a memory beside its holder
 * @lock: guards @list
 * @list: struct lpar_grant
 */
struct lpar_grants {
	struct mutex lock;	/* the list */
	struct list_head list;
};

void lpar_grants_init(struct lpar_grants *grants);
void lpar_grants_drop(struct lpar_grants *grants);
unsigned int lpar_grants_list(struct lpar_grants *grants, pid_t *pids);
int lpar_grant_add(struct lpar_grants *grants, pid_t nr, struct lpar_report *report);
struct lpar_grant *lpar_grant_get(struct lpar_grants *grants, const struct mm_struct *mm);
struct lpar_grant *lpar_grant_end(struct lpar_grants *grants, pid_t nr);
int lpar_grant_settle(struct lpar_grant *grant);
void lpar_grant_forget(struct lpar_grants *grants, struct lpar_grant *grant);
const struct mm_struct *lpar_grant_mm(const struct lpar_grant *grant);
bool lpar_grant_has_ended(const struct lpar_grant *grant);
void lpar_grant_ref(struct lpar_grant *grant);
void lpar_grant_put(struct lpar_grant *grant);

/* crew.c */
typedef int lpar_crew_act(void *data, unsigned long i);
int lpar_crew_run(const struct lpar *lpar, int node, unsigned long nr, lpar_crew_act *act,
		  void *data);
void lpar_crew_lend(int node, void (*act)(void *data), void *data);

/* reserve.c */
int lpar_memory_check(const struct lpar_config *config, struct lpar_report *report);
int lpar_reserve_check(const struct lpar_config *config, u64 bytes, struct lpar_report *report);
int lpar_reserve_promise(const struct lpar_config *config, struct lpar_report *report);
int lpar_reserve_keeps(const struct lpar_config *config);
int lpar_reserve_node(void);
void lpar_reserve_settle(const struct lpar_config *config, u64 bytes);

/* poison.c */
#ifdef CONFIG_MEMORY_FAILURE
int lpar_poison_init(void);
void lpar_poison_exit(void);
#else
static inline int lpar_poison_init(void)
{
	return 0;
}

static inline void lpar_poison_exit(void)
{
}
#endif

/* memdev.c */
int lpar_memdev_init(void);
void lpar_memdev_exit(void);
int lpar_memdev_add(struct lpar *lpar);
int lpar_memdev_ensure(struct lpar *lpar);
void lpar_memdev_del(struct lpar *lpar);

/* block.c */
/**
 * struct lpar_disk - a disk of an LPAR
 * @node: in lpar_config.disks
 * @dev: its number
 * @diskseq: of which device, as another may get the number
 * @claim: exclusive open while active
 * @path: what its user calls it
 */
struct lpar_disk {
	struct list_head node;
	dev_t dev;
	u64 diskseq;
	struct file *claim;
	char path[LPAR_PATH_MAX + 1];
};

int lpar_disk_add(struct list_head *disks, dev_t dev, const char *path, struct lpar_report *report);
void lpar_disk_free_all(struct list_head *disks);
bool lpar_disk_overlap(const struct list_head *a, const struct list_head *b, const char **path);
int lpar_disk_claim_all(struct list_head *disks, struct lpar_report *report);
void lpar_disk_release_all(struct list_head *disks);
int lpar_disk_check(const struct list_head *disks, struct lpar_report *report);

/* gate.c */
void lpar_gate_init(struct lpar_gate *gate);
int lpar_gate_close(struct lpar *lpar, u32 timeout_ms, struct lpar_report *report);
void lpar_gate_open(struct lpar *lpar);
enum lpar_gate_state lpar_gate_state(const struct lpar_gate *gate);
s64 lpar_gate_stop_ns(struct lpar_gate *gate);
int lpar_gate_watch(struct lpar *lpar);
void lpar_gate_unwatch(struct lpar *lpar);
int lpar_gate_recensus(struct lpar *lpar);
void lpar_gate_recheck(struct lpar *lpar);
int lpar_gate_drain(struct lpar *lpar);
void lpar_gate_exit(void);
extern struct lpar_cut_class lpar_gate_cut_class;

/* vcpu.c */
bool lpar_vcpu_is_kvm_run(long nr, unsigned long cmd, bool compat);
int lpar_vcpu_census(struct lpar *lpar);
void lpar_vcpu_stop_all(struct lpar_gate *gate);
void lpar_vcpu_wake_all(struct lpar_gate *gate);
void lpar_vcpu_forget_all(struct lpar_gate *gate);
void lpar_vcpu_kick_queued(struct lpar_gate *gate);
void lpar_vcpu_gone(struct lpar_gate *gate, struct task_struct *task);
int lpar_vcpu_watch(void);
void lpar_vcpu_unwatch(void);

/* cut.c */
/**
 * struct lpar_cut_result - what a participant reported
 * @kind: of its class, which may be unloaded since
 * @name: LPAR, netdev, volume
 * @fired: CLOCK_REALTIME when it acted
 * @done: CLOCK_REALTIME of its full effect, 0 if unknown
 * @count: things acted on
 * @error: 0 or a negative errno
 */
struct lpar_cut_result {
	char kind[LPAR_CUT_KIND_MAX + 1];
	char name[LPAR_CUT_POINT_NAME_MAX + 1];
	ktime_t fired;
	ktime_t done;
	u32 count;
	int error;
};

/**
 * struct lpar_cut - a cut, armed or over
 * @ref: the list, the timer and callers hold one each
 * @list: in lpar_cuts
 * @id: counts up
 * @action: close or open
 * @state: under lpar_cut_mutex
 * @set: @timer was started; under lpar_cut_mutex
 * @stopped: and stopped; under lpar_cut_mutex
 * @deadline: CLOCK_REALTIME
 * @timer: fires in hard-irq context
 * @settle: what follows in process context, where no disk is waited for
 * @finish: and then
 * @points: struct lpar_cut_point, in firing order; fixed once armed, gone when over
 * @nr_points: their number
 * @firing: what it takes to fire; gone when over
 * @settled_by: when the last vCPU should have reported, in jiffies; valid once fired
 * @nr_results: number of @results
 * @results: one for each point, in firing order; valid once fired
 * @nr_lpars: number of LPARs
 * @lpars: LPARs that are cut; a reference each
 * @unready: why it is refused, if an LPAR's gate is the reason
 */
struct lpar_cut {
	struct kref ref;
	struct list_head list;
	u32 id;
	enum lpar_cut_action action;
	enum lpar_cut_state state;
	bool set;
	bool stopped;
	ktime_t deadline;
	struct hrtimer timer;
	struct work_struct settle;
	struct work_struct finish;
	struct list_head points;
	unsigned int nr_points;
	struct lpar_firing *firing;
	unsigned long settled_by;
	unsigned int nr_results;
	struct lpar_cut_result *results;
	unsigned int nr_lpars;
	struct lpar **lpars;
	const struct lpar *unready;
};

extern struct mutex lpar_cut_mutex;
extern struct list_head lpar_cuts;
int lpar_cut_deadline_check(ktime_t now, ktime_t deadline);
u64 lpar_cut_skew_ns(const struct lpar_cut *cut);
struct lpar_cut *lpar_cut_arm(u64 deadline_ns, enum lpar_cut_action action,
			      const char *const *names, unsigned int nr,
			      struct lpar_report *report);
int lpar_cut_cancel(u32 id, struct lpar_report *report);
struct lpar_cut *lpar_cut_get(u32 id);
void lpar_cut_put(struct lpar_cut *cut);
void lpar_cut_lapse(const char *name, u32 id);
bool lpar_cut_uses(const struct lpar *lpar);
void lpar_cut_exit(void);

/* fire.c */
enum hrtimer_restart lpar_fire(struct hrtimer *timer);
int lpar_fire_prepare(struct lpar_cut *cut);
void lpar_fire_free(struct lpar_cut *cut);

/* hook.c */
enum lpar_hook {
	LPAR_HOOK_SCHED_SWITCH,
	LPAR_HOOK_PROCESS_FORK,
	LPAR_HOOK_PROCESS_EXIT,
	LPAR_HOOK_SYS_ENTER,
	LPAR_HOOK_IRQ_HANDLER_ENTRY,
#ifdef CONFIG_MEMORY_FAILURE
	LPAR_HOOK_MEMORY_FAILURE,
#endif
	LPAR_HOOKS,
};

int lpar_hook_init(void);
void lpar_hook_exit(void);
int lpar_hook_get(enum lpar_hook nr, void *probe);
void lpar_hook_put(enum lpar_hook nr);

/* event.c */
/**
 * struct lpar_event_info - what an event says besides the LPAR's name and state
 * @pid: process or thread, 0 = none
 * @comm: its name, or NULL
 * @cpu: CPU, -1 = none
 * @irq: interrupt, 0 = none
 * @cut: the cut, or NULL
 */
struct lpar_event_info {
	pid_t pid;
	const char *comm;
	int cpu;
	int irq;
	const struct lpar_cut *cut;
};

void lpar_event_send(enum lpar_event event, struct lpar *lpar,
		     const struct lpar_event_info *info);
void lpar_event_end(void);
void lpar_event_poll(struct lpar *lpar, enum lpar_file file);

/* netlink.c, netlink_get.c, netlink_cut.c */
extern struct genl_family lpar_genl_family;
int lpar_netlink_init(void);
void lpar_netlink_exit(void);
int lpar_netlink_put_stage(struct sk_buff *skb, const struct lpar_stage *stage);
int lpar_netlink_put_cut(struct sk_buff *skb, const struct lpar_cut *cut);

/* sysfs.c */
int lpar_sysfs_init(void);
void lpar_sysfs_exit(void);
int lpar_sysfs_add(struct lpar *lpar);
void lpar_sysfs_del(struct lpar *lpar);
void lpar_sysfs_free(struct lpar *lpar);

#endif /* _KMOD_LPAR_H */
