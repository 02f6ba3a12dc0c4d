/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dirtythrottle.ko: what its files share. Prototypes are grouped by the file
 * that holds them; the page Documentation/dirtythrottle.md has the whole.
 */
#ifndef _KMOD_DIRTYTHROTTLE_H
#define _KMOD_DIRTYTHROTTLE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/spinlock.h>
#include <linux/task_work.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/lparkit/dirtythrottle.h>

struct device;
struct file;
struct genl_family;
struct genl_info;
struct kvm;
struct kvm_vcpu;
struct mm_struct;
struct pid;
struct sk_buff;
struct tracepoint;

/* More threads of one process that run vCPUs are counted, not delayed. */
#define DT_VCPUS_MAX		4096

#define DT_TICK_MS		250
/* The longest time for which a vCPU that waits does not look for its interrupts. */
#define DT_PIECE_NS		(2 * NSEC_PER_MSEC)
/* Ten seconds of ticks, and one to begin with. */
#define DT_METER_SAMPLES	(10 * MSEC_PER_SEC / DT_TICK_MS + 1)

/**
 * struct dt_bucket - when the next page may be dirtied; see bucket.c
 * @page_ns: what a page costs, 0 = no limit; under @lock, read without it too
 * @lock: guards all
 * @paid_ns: when all pages that were booked are paid for, CLOCK_MONOTONIC; read
 *	without the lock too
 *
 * Each vCPU asks for the price, a grant changes the time.
 */
struct dt_bucket {
	u64 page_ns;
	spinlock_t lock ____cacheline_aligned_in_smp;	/* the time */
	u64 paid_ns;
};

/**
 * struct dt_sample - a count at a time
 * @time_ns: CLOCK_MONOTONIC
 * @count: what was counted until then
 */
struct dt_sample {
	u64 time_ns;
	u64 count;
};

/**
 * struct dt_meter - samples of a count; see meter.c
 * @nr: samples ever taken
 * @samples: the last of them, as a ring
 */
struct dt_meter {
	unsigned int nr;
	struct dt_sample samples[DT_METER_SAMPLES];
};

#define DT_CENSUS_OLD		(~0ULL)

/**
 * struct dt_census - what KVM knows of a process
 * @nr_vms: guests that it runs
 * @logging: the dirty log of a memory slot is on
 * @has_bitmap: it is a bitmap, not a ring
 * @generation: changes with the memory slots, and with which of them are logged;
 *	DT_CENSUS_OLD: it is not to be compared with
 * @logged_by_cpu: a processor logs writes by itself, without a fault
 * @log_pages: pages of all slots whose log is a bitmap
 * @dirty_pages: pages in it
 */
struct dt_census {
	unsigned int nr_vms;
	bool logging;
	bool has_bitmap;
	u64 generation;
	bool logged_by_cpu;
	u64 log_pages;
	u64 dirty_pages;
};

/**
 * struct dt_settings - what the controller sets
 * @mode: which of the following applies
 * @limit: bytes per second
 * @delay_us: for each page, in microseconds
 * @share: percent of @transfer_rate
 * @transfer_rate: bytes per second, 0 = unknown
 * @timeout_ms: how long the controller may be silent, 0 = for ever
 */
struct dt_settings {
	enum dt_mode mode;
	u64 limit;
	u32 delay_us;
	u32 share;
	u64 transfer_rate;
	u32 timeout_ms;
};

/**
 * struct dt_counters - what all vCPUs of a target have done
 * @faults: faults that may dirty a page
 * @pages: pages that they dirtied
 * @delayed_ns: time for which they were delayed
 */
struct dt_counters {
	u64 faults;
	u64 pages;
	u64 delayed_ns;
};

/**
 * struct dt_outlook - will the migration end?
 * @pass_ms: how long it takes to transfer what is dirty now, in milliseconds
 * @converging: memory is dirtied more slowly than it is transferred
 */
struct dt_outlook {
	u64 pass_ms;
	bool converging;
};

/* Of dt_vcpu.noted: of no page, or of one whose number KVM finds out later. */
#define DT_NOTED_NONE	(~0ULL)
#define DT_NOTED_ANY	(~0ULL - 1)
/* Of dt_vcpu.waited. */
#define DT_WAITED_NEVER	(~0ULL)

/**
 * struct dt_vcpu - a thread that runs a vCPU and has dirtied a page, or tried to
 * @work: waits before the thread enters the guest again
 * @target: holds a reference while @queued
 * @tid: the thread, in the initial pid namespace
 * @id: KVM's number of the vCPU
 * @queued: @work is on its way or waits
 * @generation: of the target's limit when the last page was booked
 * @unbooked: pages dirtied, not booked yet
 * @granted: pages booked, not dirtied yet
 * @noted: page whose fault nobody can be made to wait for
 * @exits: how often it had left the guest when KVM entered a page for it last
 * @waited: and when it waited last
 * @paid_ns: when all that is booked is paid for
 * @counters: of this thread
 *
 * Written by its own thread only; others read @id and @counters.
 */
struct dt_vcpu {
	struct callback_head work;
	struct dt_target *target;
	pid_t tid;
	int id;
	bool queued;
	unsigned int generation;
	unsigned int unbooked;
	unsigned int granted;
	u64 noted;
	u64 exits;
	u64 waited;
	u64 paid_ns;
	struct dt_counters counters;
};

/**
 * struct dt_target - a process whose guests are throttled
 * @node: in the hash, by @mm; under dt_mutex, read under RCU
 * @mm: of the process; holds the structure, not its pages
 * @delay_ns: fixed delay in force, 0 = none
 * @logging: as in @census, for the probe
 * @generation: changes with what is in force, and ends all waits
 * @bucket: of a limit
 * @ref: the hash, works that are queued and callers hold one each
 * @waiters: vCPUs that wait
 * @foreign: pages dirtied by threads that are no vCPUs
 * @undelayed: pages whose vCPU found no memory for its record
 * @pid: the process
 * @vcpus: struct dt_vcpu, by thread id
 * @nr_vcpus: their number
 * @op: guards all below
 * @gone: detached
 * @settings: what the controller has set
 * @engaged: mode auto: the guest has been faster than the transfer
 * @effective_limit: bytes per second, 0 = none
 * @census: at one of the last ticks
 * @weighed_ns: when the dirty pages in it were counted
 * @weighed_pages: what had been seen before that
 * @blind: more came into the log than was seen
 * @meter: of pages
 * @beat_ns: when the controller was heard last, CLOCK_MONOTONIC
 * @state: as announced
 * @reason: why it is blocked, or NULL
 * @ticks: so far
 * @tick: four times a second
 * @retire: detaches it
 * @retire_event: and says why
 * @dev: /sys/class/dirtythrottle/PID; under dt_mutex
 */
struct dt_target {
	/* What every page reads, and hardly anybody writes */
	struct hlist_node node;
	struct mm_struct *mm;
	u64 delay_ns;
	bool logging;
	unsigned int generation;
	struct xarray vcpus;
	/* What vCPUs write: its price, above its lock, belongs to the former */
	struct dt_bucket bucket;
	struct kref ref;
	wait_queue_head_t waiters;
	atomic64_t foreign;
	atomic64_t undelayed;
	atomic_t nr_vcpus;
	struct pid *pid ____cacheline_aligned_in_smp;
	struct mutex op;	/* one change at a time */
	bool gone;
	struct dt_settings settings;
	bool engaged;
	u64 effective_limit;
	struct dt_census census;
	u64 weighed_ns;
	u64 weighed_pages;
	bool blind;
	struct dt_meter meter;
	u64 beat_ns;
	enum dt_state state;
	const char *reason;
	unsigned int ticks;
	struct delayed_work tick;
	struct work_struct retire;
	enum dt_event retire_event;
	struct device *dev;
};

/* main.c */
extern struct workqueue_struct *dt_wq;

/* target.c */
extern struct mutex dt_mutex;
struct dt_target *dt_target_find_rcu(const struct mm_struct *mm);
struct dt_target *dt_target_get(pid_t nr, struct netlink_ext_ack *extack);
extern const char *dt_no_marks;
int dt_target_for_each(int (*visit)(struct dt_target *target, void *data), void *data);
void dt_target_put(struct dt_target *target);
bool dt_weighing_is_due(const struct dt_census *before, const struct dt_census *now, u64 age_ns);
int dt_target_attach(pid_t nr, const struct dt_settings *settings,
		     struct netlink_ext_ack *extack);
int dt_target_detach(pid_t nr, struct netlink_ext_ack *extack);
int dt_target_set(struct dt_target *target, const struct dt_settings *settings,
		  struct netlink_ext_ack *extack);
u64 dt_target_rate(struct dt_target *target, u64 pages, unsigned int seconds);
bool dt_target_outlook(struct dt_target *target, u64 pages, struct dt_outlook *outlook);
void dt_target_detach_all(void);

/* settings.c */
void dt_settings_init(struct dt_settings *settings);
int dt_settings_check_timeout(u32 timeout_ms, struct netlink_ext_ack *extack);
bool dt_settings_is_silent(u32 timeout_ms, u64 beat_ns);
int dt_settings_check(const struct dt_settings *settings, struct netlink_ext_ack *extack);
u64 dt_settings_limit(const struct dt_settings *settings, bool engaged, u64 last);
bool dt_settings_engage(const struct dt_settings *settings, u64 rate);

/* fault.c */
enum dt_fault {
	DT_FAULT_OTHER,		/* dirties nothing */
	DT_FAULT_READ,		/* of a page that was not mapped: KVM maps it for writing */
	DT_FAULT_WALK,		/* by the processor, in the guest's page tables */
	DT_FAULT_WRITE,		/* by an instruction of the guest */
};

enum dt_fault dt_fault_kind(u64 error_code, bool is_svm);
int dt_fault_watch(void);
void dt_fault_unwatch(void);

/* mark.c */
extern bool dt_mark_watched;
#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
int dt_mark_watch(const char **why);
void dt_mark_unwatch(void);
#else
static inline int dt_mark_watch(const char **why)
{
	*why = "this kernel has no function tracer";
	return 0;
}

static inline void dt_mark_unwatch(void)
{
}
#endif

/* vcpu.c */
void dt_vcpu_fault(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu,
		   enum dt_fault kind, bool dirties);
void dt_vcpu_note(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu,
		  enum dt_fault kind, u64 gfn);
void dt_vcpu_mark(struct dt_target *target, const struct kvm_vcpu *kvm_vcpu, u64 gfn);
void dt_vcpu_sum(struct dt_target *target, struct dt_counters *sum);
void dt_vcpu_free_all(struct dt_target *target);

/* bucket.c */
void dt_bucket_init(struct dt_bucket *bucket);
u64 dt_bucket_page_ns(u64 limit);
void dt_bucket_set(struct dt_bucket *bucket, u64 limit, u64 now_ns);
unsigned int dt_bucket_grant(u64 page_ns);
u64 dt_bucket_charge(struct dt_bucket *bucket, unsigned int pages, bool waits, u64 now_ns);
u64 dt_debt_add(u64 paid_ns, u64 delay_ns, u64 now_ns);
u64 dt_debt_leave_ns(u64 paid_ns, u64 now_ns);
bool dt_debt_is_small(u64 paid_ns, u64 now_ns);

/* meter.c */
void dt_meter_start(struct dt_meter *meter, u64 now_ns);
void dt_meter_add(struct dt_meter *meter, u64 count, u64 now_ns);
u64 dt_meter_rate(const struct dt_meter *meter, u64 count, u64 now_ns, unsigned int seconds);

/* guest.c */
/**
 * struct dt_kvm - what is used of KVM's code; held while there are targets
 * @fault: kvm_page_fault
 * @is_vm_file: file_is_kvm()
 * @mark: mark_page_dirty_in_slot(), or NULL
 * @running_vcpu: kvm_get_running_vcpu(), or NULL
 * @has_interrupt: kvm_cpu_has_interrupt(), or NULL
 */
struct dt_kvm {
	struct tracepoint *fault;
	bool (*is_vm_file)(struct file *file);
	void *mark;
	struct kvm_vcpu *(*running_vcpu)(void);
	int (*has_interrupt)(struct kvm_vcpu *vcpu);
};

extern struct dt_kvm dt_kvm;
int dt_guest_hold(struct netlink_ext_ack *extack);
void dt_guest_release(void);
bool dt_guest_is_alive(const struct dt_target *target);
bool dt_guest_hides_writes(bool is_intel, char pml);
bool dt_guest_may_hide_writes(void);
bool dt_guest_is_interrupted(void);
void dt_guest_census(const struct dt_target *target, bool weighs, struct dt_census *census);

/* event.c */
void dt_event_send(enum dt_event event, const struct dt_target *target);
void dt_event_exit(void);

/* netlink.c */
/* A target, or a device, with all that is shown of it. */
#define DT_REPLY_SIZE		(32 << 10)

extern struct genl_family dt_genl_family;
int dt_may_change(struct sk_buff *skb, struct genl_info *info);
int dt_netlink_init(void);
void dt_netlink_exit(void);

/* sysfs.c */
int dt_sysfs_init(void);
void dt_sysfs_exit(void);
int dt_sysfs_add(struct dt_target *target);
void dt_sysfs_del(struct dt_target *target);

/* The reason for a refusal; @text must outlive the request. */
static inline void dt_say(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
}

#endif /* _KMOD_DIRTYTHROTTLE_H */
