/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interrupt half of dirtythrottle.ko: what its files share. The page
 * Documentation/dirtythrottle.md has the whole.
 */
#ifndef _KMOD_DIRTYTHROTTLE_MSI_H
#define _KMOD_DIRTYTHROTTLE_MSI_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/netlink.h>
#include <uapi/lparkit/dirtythrottle.h>

struct genl_info;
struct pci_dev;

/**
 * struct dt_pace - how long an interrupt waits
 * @delay_ns: from its arrival, or 0
 * @gap_ns: from the delivery of the last one, or 0
 */
struct dt_pace {
	u64 delay_ns;
	u64 gap_ns;
};

/**
 * struct dt_window - the time from an interrupt that waits to its delivery
 * @first_ns: when it came, CLOCK_MONOTONIC
 * @last_ns: when the last one came that is delivered with it
 * @merged: how many of these there are
 */
struct dt_window {
	u64 first_ns;
	u64 last_ns;
	u32 merged;
};

/**
 * struct dt_msi_counters - of a vector, or of all vectors of a device
 * @interrupts: that came
 * @delayed: of these, that waited on their own account
 * @merged: of these, that were delivered with one that waited
 * @delay_ns: for which @delayed waited, in all
 * @full: windows in which many came
 * @steady: of these, windows in which they came until the end
 */
struct dt_msi_counters {
	u64 interrupts;
	u64 delayed;
	u64 merged;
	u64 delay_ns;
	u64 full;
	u64 steady;
};

/**
 * struct dt_vector - an interrupt whose flow handler is ours
 * @node: in the device's list; under dt_msi_mutex
 * @irq: its number
 * @index: which of the device's vectors
 * @used: the device has it; of the look that is under way
 * @pace: of the device
 * @timer: delivers
 * @pending: it waits for @timer
 * @due: it was sent again and is to be passed on when it comes
 * @delivered_ns: when it was passed on last
 * @window: while @pending
 * @counters: so far
 *
 * From @pending on under the lock of the irq_desc, but when @used is set up.
 */
struct dt_vector {
	struct list_head node;
	unsigned int irq;
	unsigned int index;
	bool used;
	const struct dt_pace *pace;
	struct hrtimer timer;
	bool pending;
	bool due;
	u64 delivered_ns;
	struct dt_window window;
	struct dt_msi_counters counters;
};

/**
 * struct dt_msi_settings - what the controller sets
 * @delay_us: microseconds that each interrupt waits, or 0
 * @rate: interrupts per second that are delivered at most, or 0
 * @timeout_ms: how long the controller may be silent, 0 = for ever
 * @force: whatever driver has the device
 */
struct dt_msi_settings {
	u32 delay_us;
	u32 rate;
	u32 timeout_ms;
	bool force;
};

/**
 * struct dt_device - a PCI function whose interrupts are delayed
 * @node: in the list of all
 * @pdev: holds the structure; the device may be gone
 * @settings: what the controller has set
 * @pace: what follows from it; read by interrupts
 * @beat_ns: when the controller was heard last, CLOCK_MONOTONIC
 * @vectors: struct dt_vector
 * @nr_refused: vectors that cannot be delayed
 * @is_vfio: its driver is VFIO's
 * @state: as announced
 * @reason: why, or NULL
 * @past: counters of vectors that are gone
 * @seen: counters at the last judgement
 * @heard_ns: when an interrupt was seen last, CLOCK_MONOTONIC
 * @gone: off
 * @tick: four times a second
 *
 * All under dt_msi_mutex, but @pace.
 */
struct dt_device {
	struct list_head node;
	struct pci_dev *pdev;
	struct dt_msi_settings settings;
	struct dt_pace pace;
	u64 beat_ns;
	struct list_head vectors;
	unsigned int nr_refused;
	bool is_vfio;
	enum dt_state state;
	const char *reason;
	struct dt_msi_counters past;
	struct dt_msi_counters seen;
	u64 heard_ns;
	bool gone;
	struct delayed_work tick;
};

/* pace.c */
int dt_msi_settings_check(const struct dt_msi_settings *settings, struct netlink_ext_ack *extack);
struct dt_pace dt_pace_of(const struct dt_msi_settings *settings);
u64 dt_pace_wait_ns(u64 delay_ns, u64 gap_ns, u64 delivered_ns, u64 now_ns);
void dt_pace_count(struct dt_msi_counters *counters, const struct dt_window *window, u64 end_ns);
bool dt_pace_is_polled(const struct dt_msi_counters *before, const struct dt_msi_counters *now);

/* vector.c */
struct dt_vector *dt_vector_of(unsigned int irq);
int dt_vector_take(struct dt_device *device, unsigned int irq, unsigned int index);
void dt_vector_restore(struct dt_vector *vector);
void dt_vector_forget(struct dt_vector *vector, struct list_head *old);
void dt_vector_free_all(struct list_head *old);
bool dt_vector_is_posted(const struct dt_vector *vector);
void dt_vector_read(const struct dt_vector *vector, struct dt_msi_counters *sum);

/* device.c */
int dt_device_set(const char *address,
		  void (*change)(struct dt_msi_settings *settings, const void *data),
		  const void *data, struct netlink_ext_ack *extack);
int dt_device_off(const char *address, struct netlink_ext_ack *extack);
void dt_device_off_all(void);
int dt_device_visit(const char *address, int (*visit)(struct dt_device *device, void *data),
		    void *data);
void dt_device_sum(const struct dt_device *device, struct dt_msi_counters *sum);

/* msi_netlink.c */
extern const struct nla_policy dt_msi_policy[];
int dt_msi_get_doit(struct sk_buff *skb, struct genl_info *info);
int dt_msi_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dt_msi_set_doit(struct sk_buff *skb, struct genl_info *info);
int dt_msi_off_doit(struct sk_buff *skb, struct genl_info *info);

/* event.c */
void dt_event_send_device(enum dt_event event, const struct dt_device *device);

#endif /* _KMOD_DIRTYTHROTTLE_MSI_H */
