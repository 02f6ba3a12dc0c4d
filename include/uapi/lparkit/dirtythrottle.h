/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of dirtythrottle.ko: keeps the rate at which a KVM
 * guest dirties its memory under a limit, and delays the interrupts of devices.
 *
 * The machine-readable description is Documentation/netlink/specs/dirtythrottle.yaml;
 * "make lint" compares the two.
 */
#ifndef _UAPI_LPARKIT_DIRTYTHROTTLE_H
#define _UAPI_LPARKIT_DIRTYTHROTTLE_H

#define DT_FAMILY_NAME		"dirtythrottle"
#define DT_FAMILY_VERSION	1
#define DT_MCGRP_EVENTS		"events"

/* Limits are bytes per second; 1 page each 100 ms to 16 GiB/s. */
#define DIRTYTHROTTLE_LIMIT_MIN		40960
#define DIRTYTHROTTLE_LIMIT_MAX		17179869184ULL

/* A fixed delay, in microseconds for each dirtied page. */
#define DIRTYTHROTTLE_DELAY_MAX_US	50000

/* Percent of the transfer rate to which mode "auto" limits. */
#define DIRTYTHROTTLE_SHARE_DEFAULT	50
#define DIRTYTHROTTLE_SHARE_MAX		100

/* Interrupts per second and vector that are delivered at most. */
#define DIRTYTHROTTLE_RATE_MIN		20
#define DIRTYTHROTTLE_RATE_MAX		1000000

/* How long the controller may be silent, in milliseconds; 0 = for ever. */
#define DIRTYTHROTTLE_TIMEOUT_MIN_MS	500
#define DIRTYTHROTTLE_TIMEOUT_MAX_MS	3600000

/* vCPUs, and vectors, that a reply lists at most; all are throttled. */
#define DIRTYTHROTTLE_VCPUS_SHOWN	256
#define DIRTYTHROTTLE_VECTORS_SHOWN	256

enum dt_mode {
	DT_MODE_COUNT,		/* count only */
	DT_MODE_LIMIT,		/* LIMIT */
	DT_MODE_DELAY,		/* DELAY_US for each page */
	DT_MODE_AUTO,		/* SHARE of TRANSFER_RATE, once it dirties faster than that */
};

enum dt_state {
	DT_STATE_BLOCKED,	/* nothing can be seen: see the reason */
	DT_STATE_ARMED,		/* counts; no limit is in force */
	DT_STATE_THROTTLING,	/* a limit or delay is in force */
	DT_STATE_BYPASSED,	/* of a device: its interrupts do not come to the host */
	DT_STATE_POLLED,	/* of a device: it goes on whether they come or not */
};

enum dt_source {
	DT_SOURCE_LOG,		/* whatever KVM enters into its dirty log */
	DT_SOURCE_FAULTS,	/* write faults only: see NO_LOG */
};

enum dt_event {
	DT_EVENT_ATTACHED,
	DT_EVENT_DETACHED,	/* on request */
	DT_EVENT_EXITED,	/* detached: the process, or the device, is gone */
	DT_EVENT_TIMEOUT,	/* detached: the controller was silent for too long */
	DT_EVENT_STATE,
};

enum dt_attr {
	DT_A_UNSPEC,
	DT_A_PID,		/* u32, process that runs the guest */
	DT_A_STATE,		/* u32, enum dt_state */
	DT_A_REASON,		/* string, why blocked, and the remedy */
	DT_A_MODE,		/* u32, enum dt_mode */
	DT_A_LIMIT,		/* u64, bytes per second */
	DT_A_DELAY_US,		/* u32 */
	DT_A_SHARE,		/* u32, percent */
	DT_A_TRANSFER_RATE,	/* u64, bytes per second, as the controller says; 0 = unknown */
	DT_A_TIMEOUT_MS,	/* u32 */
	DT_A_EFFECTIVE_LIMIT,	/* u64, bytes per second that are in force now; 0 = none */
	DT_A_RATE_1S,		/* u64, bytes dirtied per second, over the last second */
	DT_A_RATE_10S,		/* u64, and over the last ten */
	DT_A_DIRTY_BYTES,	/* u64, what the dirty log holds; absent with a dirty ring */
	DT_A_FAULTS,		/* u64, faults that may dirty a page */
	DT_A_PAGES,		/* u64, pages that became dirty */
	DT_A_FOREIGN,		/* u64, of these, by threads that are no vCPUs: never delayed */
	DT_A_UNDELAYED,		/* u64, of these, not delayed for want of memory */
	DT_A_DELAYED_US,	/* u64, time that all vCPUs together were delayed */
	DT_A_PASS_MS,		/* u64, dirty bytes / transfer rate; absent if unknown */
	DT_A_CONVERGING,	/* u32, 1: dirtied more slowly than sent; absent if unknown */
	DT_A_VCPU,		/* nest, enum dt_vcpu_attr; repeated */
	DT_A_EVENT,		/* u32, enum dt_event */
	DT_A_EVENT_SEQ,		/* u64, counts up by one for each event */
	DT_A_EVENT_TIME_NS,	/* u64, CLOCK_REALTIME */
	DT_A_PAD,
	DT_A_ADDRESS,		/* string, PCI function as in sysfs */
	DT_A_RATE,		/* u32, interrupts per second and vector; 0 = no limit */
	DT_A_FORCE,		/* u32, 1: whatever driver the device has */
	DT_A_INTERRUPTS,	/* u64, that came, of all vectors */
	DT_A_DELAYED,		/* u64, of these, that waited on their own account */
	DT_A_MERGED,		/* u64, of these, delivered with one that waited */
	DT_A_REFUSED,		/* u32, vectors that cannot be delayed */
	DT_A_VECTOR,		/* nest, enum dt_vector_attr; repeated */
	DT_A_SOURCE,		/* u32, enum dt_source: how dirty pages are seen */
	DT_A_NO_LOG,		/* string, why not by KVM's log; absent if so */

	__DT_A_MAX,
	DT_A_MAX = __DT_A_MAX - 1,
};

enum dt_vcpu_attr {
	DT_A_VCPU_UNSPEC,
	DT_A_VCPU_ID,		/* u32, KVM's number */
	DT_A_VCPU_TID,		/* u32, its thread */
	DT_A_VCPU_PAGES,	/* u64 */
	DT_A_VCPU_DELAYED_US,	/* u64 */
	DT_A_VCPU_PAD,

	__DT_A_VCPU_MAX,
	DT_A_VCPU_MAX = __DT_A_VCPU_MAX - 1,
};

enum dt_vector_attr {
	DT_A_VECTOR_UNSPEC,
	DT_A_VECTOR_INDEX,	/* u32, of the device's vectors */
	DT_A_VECTOR_IRQ,	/* u32, as in /proc/interrupts */
	DT_A_VECTOR_INTERRUPTS,	/* u64 */
	DT_A_VECTOR_DELAYED,	/* u64 */
	DT_A_VECTOR_MERGED,	/* u64 */
	DT_A_VECTOR_DELAYED_US,	/* u64, for which all DELAYED waited */
	DT_A_VECTOR_PAD,

	__DT_A_VECTOR_MAX,
	DT_A_VECTOR_MAX = __DT_A_VECTOR_MAX - 1,
};

enum dt_cmd {
	DT_CMD_UNSPEC,
	DT_CMD_GET,		/* do: PID -> one target; dump: all */
	DT_CMD_ATTACH,		/* PID [settings] */
	DT_CMD_SET,		/* PID [settings]; also tells that the controller lives */
	DT_CMD_DETACH,		/* PID */
	DT_CMD_EVENT,		/* multicast only */
	DT_CMD_MSI_GET,		/* do: ADDRESS -> one device; dump: all */
	DT_CMD_MSI_SET,		/* ADDRESS [DELAY_US | RATE] [TIMEOUT_MS] [FORCE] */
	DT_CMD_MSI_OFF,		/* ADDRESS */

	__DT_CMD_MAX,
	DT_CMD_MAX = __DT_CMD_MAX - 1,
};

#endif /* _UAPI_LPARKIT_DIRTYTHROTTLE_H */
