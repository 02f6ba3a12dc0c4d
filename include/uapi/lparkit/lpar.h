/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of lpar.ko: logical partitions, run gate and cut.
 *
 * The machine-readable description is Documentation/netlink/specs/lpar.yaml;
 * "make lint" compares the two.
 */
#ifndef _UAPI_LPARKIT_LPAR_H
#define _UAPI_LPARKIT_LPAR_H

#define LPAR_FAMILY_NAME	"lpar"
#define LPAR_FAMILY_VERSION	1
#define LPAR_MCGRP_EVENTS	"events"

/* Lengths without the terminating NUL. */
#define LPAR_NAME_MAX		31
#define LPAR_CPULIST_MAX	1023
#define LPAR_PATH_MAX		255
#define LPAR_DISKS_MAX		32
#define LPAR_PINS_MAX		512
#define LPAR_GRANTS_MAX		64
#define LPAR_DISK_MAJOR_MAX	4095
#define LPAR_DISK_MINOR_MAX	1048575
#define LPAR_STAGE_TEXT_MAX	63
#define LPAR_CUT_LPARS_MAX	4096

#define LPAR_NODE_ANY		(-1)

/* Limits of the gate's time-out, in milliseconds. */
#define LPAR_GATE_TIMEOUT_DEFAULT_MS	30000
#define LPAR_GATE_TIMEOUT_MIN_MS	100
#define LPAR_GATE_TIMEOUT_MAX_MS	3600000

/* A cut is armed at most this far ahead, in seconds. */
#define LPAR_CUT_AHEAD_MAX_S	3600

enum lpar_state {
	LPAR_STATE_DEFINED,	/* described; owns nothing on the host */
	LPAR_STATE_ACTIVE,	/* all resources fenced */
	LPAR_STATE_MIGRATING,	/* active, a migration is under way */
	LPAR_STATE_SAVED,	/* fenced, its guest is saved and gone */
	LPAR_STATE_DEGRADED,	/* fenced, but a resource was lost: see the reason */
};

enum lpar_pages {
	LPAR_PAGES_ANY,		/* of 4 KiB where there are no larger ones */
	LPAR_PAGES_LARGE,	/* of 2 MiB, or the LPAR does not become active */
};

enum lpar_gate_state {
	LPAR_GATE_OPEN,
	LPAR_GATE_ARMED,	/* open, a cut will close it */
	LPAR_GATE_CLOSED,
};

enum lpar_cut_action {
	LPAR_CUT_CLOSE,		/* hold frames, close gates, take generations */
	LPAR_CUT_OPEN,		/* the reverse, in reverse order */
};

enum lpar_cut_state {
	LPAR_CUT_ARMED,
	LPAR_CUT_FIRED,
	LPAR_CUT_CANCELLED,
};

enum lpar_event {
	LPAR_EVENT_CREATED,
	LPAR_EVENT_DELETED,
	LPAR_EVENT_CHANGED,		/* configuration */
	LPAR_EVENT_STATE,		/* state or reason */
	LPAR_EVENT_STAGE,
	LPAR_EVENT_MEMBER_ADDED,
	LPAR_EVENT_MEMBER_REMOVED,	/* also: it exited; not for a child that does */
	LPAR_EVENT_VIOLATION,		/* an intruder ran on a fenced CPU */
	LPAR_EVENT_GATE_CLOSED,
	LPAR_EVENT_GATE_OPENED,
	LPAR_EVENT_GATE_TIMEOUT,	/* opened by its own time-out */
	LPAR_EVENT_MEMORY_HELD,		/* a process took /dev/lpar/NAME */
	LPAR_EVENT_MEMORY_RELEASED,	/* and let it go; it is zeroed */
	LPAR_EVENT_CUT_ARMED,
	LPAR_EVENT_CUT_FIRED,
	LPAR_EVENT_CUT_CANCELLED,
	LPAR_EVENT_MEMORY_FAILED,	/* a page of its memory has a hardware error */
	LPAR_EVENT_STRAYED,		/* a member was off the LPAR's CPUs; moved back */
	LPAR_EVENT_IRQ_STRAYED,		/* an interrupt of the host's came to the LPAR's CPUs */
};

enum lpar_attr {
	LPAR_A_UNSPEC,
	LPAR_A_NAME,		/* string, [a-z0-9._-]{1,31}, no - first */
	LPAR_A_STATE,		/* u32, enum lpar_state */
	LPAR_A_REASON,		/* string, one line; absent when there is none */
	LPAR_A_CPUS,		/* string, CPU list such as "2-3,6-7"; "" = none */
	LPAR_A_MEMORY,		/* u64, bytes, multiple of 2 MiB; 0 = none */
	LPAR_A_MEMORY_SMALL,	/* u64, bytes of it that are in 4 KiB pages */
	LPAR_A_NODE,		/* s32, NUMA node; LPAR_NODE_ANY */
	LPAR_A_OWNER_UID,	/* u32, owner of /dev/lpar/NAME */
	LPAR_A_OWNER_GID,	/* u32 */
	LPAR_A_DISK,		/* nest, enum lpar_disk_attr; repeated */
	LPAR_A_MEMBER,		/* u32, process id; repeated; in replies the first 512 */
	LPAR_A_HOLDER,		/* u32, process that holds the memory; absent = none */
	LPAR_A_VIOLATIONS,	/* u64, switches to an intruder on a fenced CPU */
	LPAR_A_GATE,		/* u32, enum lpar_gate_state */
	LPAR_A_GATE_TIMEOUT_MS,	/* u32 */
	LPAR_A_GATE_VCPUS,	/* u32, vCPU threads seen by the gate since it was armed */
	LPAR_A_GATE_HELD,	/* u32, vCPU threads that wait in the gate now */
	LPAR_A_GATE_STOP_NS,	/* u64, last close: from close to the last vCPU stopped */
	LPAR_A_STAGE,		/* nest, enum lpar_stage_attr */
	LPAR_A_PROBLEM,		/* string, what CHECK found, with its remedy; repeated */
	LPAR_A_FORCE,		/* flag, DEACTIVATE although members or a holder live */
	LPAR_A_EVENT,		/* u32, enum lpar_event */
	LPAR_A_EVENT_SEQ,	/* u64, counts up by one for each event */
	LPAR_A_EVENT_TIME_NS,	/* u64, CLOCK_REALTIME */
	LPAR_A_PID,		/* u32, process or thread that an event is about */
	LPAR_A_COMM,		/* string, its name */
	LPAR_A_CPU,		/* u32, CPU that an event is about */
	LPAR_A_CUT_ID,		/* u32 */
	LPAR_A_CUT_ACTION,	/* u32, enum lpar_cut_action */
	LPAR_A_CUT_STATE,	/* u32, enum lpar_cut_state */
	LPAR_A_CUT_DEADLINE_NS,	/* u64, CLOCK_REALTIME; 0 in CUT_ARM: now */
	LPAR_A_CUT_LPAR,	/* string, name of an LPAR that is cut; repeated */
	LPAR_A_CUT_POINT,	/* nest, enum lpar_point_attr; repeated */
	LPAR_A_CUT_SKEW_NS,	/* u64, last minus first participant */
	LPAR_A_PAD,
	LPAR_A_TRANSIENT,	/* flag, STAGE_SET: ends with the socket; migrating, too */
	LPAR_A_PIN,		/* nest, enum lpar_pin_attr; repeated */
	LPAR_A_MEMORY_BAD,	/* u64, bytes in 2 MiB pieces with a hardware error */
	LPAR_A_PAGES,		/* u32, enum lpar_pages */
	LPAR_A_STRAYS,		/* u64, members found off the LPAR's CPUs since activation */
	LPAR_A_GRANT,		/* u32, process that may map what the holder passes; repeated */
	LPAR_A_MEMBERS,		/* u32, how many members there are */
	LPAR_A_IRQ,		/* u32, interrupt that an event is about */
	LPAR_A_MEMORY_LEFT,	/* u64, bytes that a former holder's pins keep from the next */

	__LPAR_A_MAX,
	LPAR_A_MAX = __LPAR_A_MAX - 1,
};

/* What the operator watches during a long operation. */
enum lpar_stage_attr {
	LPAR_A_STAGE_UNSPEC,
	LPAR_A_STAGE_NUMBER,		/* u32, 0 = no operation */
	LPAR_A_STAGE_TEXT,		/* string */
	LPAR_A_STAGE_PROGRESS,		/* u32, percent */
	LPAR_A_STAGE_TRANSFER_RATE,	/* u64, bytes per second */
	LPAR_A_STAGE_DIRTY_BYTES,	/* u64 */
	LPAR_A_STAGE_PAD,

	__LPAR_A_STAGE_MAX,
	LPAR_A_STAGE_MAX = __LPAR_A_STAGE_MAX - 1,
};

/* A disk. In a request all are given. */
enum lpar_disk_attr {
	LPAR_A_DISK_UNSPEC,
	LPAR_A_DISK_PATH,		/* string, what its user calls it; shown, never opened */
	LPAR_A_DISK_MAJOR,		/* u32, number of the block device */
	LPAR_A_DISK_MINOR,		/* u32 */

	__LPAR_A_DISK_MAX,
	LPAR_A_DISK_MAX = __LPAR_A_DISK_MAX - 1,
};

/* A vCPU thread that has a CPU of its own. In a request all are given. */
enum lpar_pin_attr {
	LPAR_A_PIN_UNSPEC,
	LPAR_A_PIN_VCPU,		/* u32, its number in the guest, for people */
	LPAR_A_PIN_PID,			/* u32, its thread id */
	LPAR_A_PIN_CPU,			/* u32, one of the LPAR's CPUs */

	__LPAR_A_PIN_MAX,
	LPAR_A_PIN_MAX = __LPAR_A_PIN_MAX - 1,
};

/* What one participant of a cut did. */
enum lpar_point_attr {
	LPAR_A_POINT_UNSPEC,
	LPAR_A_POINT_KIND,		/* string: "gate", "netbuf", "snapsync" */
	LPAR_A_POINT_NAME,		/* string: LPAR, netdev, volume */
	LPAR_A_POINT_FIRED_NS,		/* u64, CLOCK_REALTIME when it acted */
	LPAR_A_POINT_LATENCY_NS,	/* s64, fired minus deadline */
	LPAR_A_POINT_DONE_NS,		/* u64, CLOCK_REALTIME of its full effect (vCPUs stopped) */
	LPAR_A_POINT_COUNT,		/* u32, things acted on, e.g. vCPUs stopped */
	LPAR_A_POINT_ERROR,		/* s32, 0 or -errno */
	LPAR_A_POINT_PAD,

	__LPAR_A_POINT_MAX,
	LPAR_A_POINT_MAX = __LPAR_A_POINT_MAX - 1,
};

enum lpar_cmd {
	LPAR_CMD_UNSPEC,
	LPAR_CMD_GET,		/* do: NAME -> one LPAR; dump: all */
	LPAR_CMD_CREATE,	/* NAME, configuration */
	LPAR_CMD_DELETE,	/* NAME */
	LPAR_CMD_SET,		/* NAME, configuration; DISK replaces the list, or empties it */
	LPAR_CMD_CHECK,		/* NAME -> PROBLEM*: dry run of ACTIVATE; opens the disks */
	LPAR_CMD_ACTIVATE,	/* NAME */
	LPAR_CMD_DEACTIVATE,	/* NAME [FORCE] */
	LPAR_CMD_MEMBER_ADD,	/* NAME, MEMBER+ */
	LPAR_CMD_MEMBER_DEL,	/* NAME, MEMBER+ */
	LPAR_CMD_GATE_CLOSE,	/* NAME [GATE_TIMEOUT_MS for this time] */
	LPAR_CMD_GATE_OPEN,	/* NAME */
	LPAR_CMD_STAGE_SET,	/* NAME, STAGE [STATE: active, migrating or saved] */
	LPAR_CMD_CUT_ARM,	/* CUT_DEADLINE_NS, CUT_LPAR+ [CUT_ACTION] -> CUT_ID */
	LPAR_CMD_CUT_CANCEL,	/* CUT_ID */
	LPAR_CMD_CUT_GET,	/* dump: [CUT_ID] that one; or armed ones and the last 16 others */
	LPAR_CMD_EVENT,		/* multicast only */
	LPAR_CMD_PIN,		/* NAME, PIN*: replaces what was pinned; members' threads */
	LPAR_CMD_GRANT,		/* NAME, GRANT+ */
	LPAR_CMD_REVOKE,	/* NAME, GRANT+: what they have mapped is unmapped, too */
	LPAR_CMD_IRQS_WATCH,	/* NAME: the host's are off its CPUs; tell of those that come */

	__LPAR_CMD_MAX,
	LPAR_CMD_MAX = __LPAR_CMD_MAX - 1,
};

#endif /* _UAPI_LPARKIT_LPAR_H */
