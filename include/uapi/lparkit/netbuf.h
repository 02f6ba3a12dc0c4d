/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of netbuf.ko: buffers that hold the frames of a
 * netdev while a guest is saved and restored.
 *
 * The machine-readable description is Documentation/netlink/specs/netbuf.yaml;
 * "make lint" compares the two.
 */
#ifndef _UAPI_LPARKIT_NETBUF_H
#define _UAPI_LPARKIT_NETBUF_H

#define NETBUF_FAMILY_NAME	"netbuf"
#define NETBUF_FAMILY_VERSION	1
#define NETBUF_MCGRP_EVENTS	"events"

/* Lengths without the terminating NUL. */
#define NETBUF_IFNAME_MAX	15
#define NETBUF_LPAR_MAX		31
#define NETBUF_FILTER_TEXT_MAX	1023

/* A filter has at most 4096 instructions of 8 bytes, as any classic BPF program. */
#define NETBUF_FILTER_MAX	32768

/* The longest frame: GSO with BIG TCP, and its headers. */
#define NETBUF_FRAME_MAX	524544
/* Longer frames are carried by several messages. */
#define NETBUF_CHUNK_MAX	16384
/* struct virtio_net_hdr, little endian */
#define NETBUF_VNET_LEN		10

enum netbuf_state {
	NETBUF_STATE_PASS,	/* frames go by untouched */
	NETBUF_STATE_HOLD,	/* frames are kept */
	NETBUF_STATE_DRAIN,	/* kept frames go on in order, new ones queue behind them */
};

enum netbuf_direction {
	NETBUF_INGRESS,		/* received by the netdev: from the guest of a tap */
	NETBUF_EGRESS,		/* sent by the netdev: towards the guest of a tap */
};

/* What happens to a frame that exceeds a limit. */
enum netbuf_policy {
	NETBUF_POLICY_TAIL_DROP,	/* the frame is dropped */
	NETBUF_POLICY_HEAD_DROP,	/* the oldest frames are dropped for it */
	NETBUF_POLICY_PASS,		/* it overtakes those that are held */
};

/* What happens, during hold, to a frame that the filter does not choose. */
enum netbuf_unmatched {
	NETBUF_UNMATCHED_PASS,
	NETBUF_UNMATCHED_DROP,
};

enum netbuf_event {
	NETBUF_EVENT_ATTACHED,
	NETBUF_EVENT_DETACHED,		/* also: the netdev is gone */
	NETBUF_EVENT_STATE,
	NETBUF_EVENT_HIGH_WATER,	/* a queue has crossed the high-water mark */
	NETBUF_EVENT_DROP,		/* the first frame was dropped since the last hold */
	NETBUF_EVENT_MOVED,		/* the netdev has come from another network namespace */
};

enum netbuf_attr {
	NETBUF_A_UNSPEC,
	NETBUF_A_IFNAME,	/* string, netdev in the network namespace of the sender */
	NETBUF_A_IFINDEX,	/* u32 */
	NETBUF_A_STATE,		/* u32, enum netbuf_state */
	NETBUF_A_LPAR,		/* string, LPAR in whose cuts the netdev takes part; "" = none */
	NETBUF_A_LIMIT_FRAMES,	/* u32, frames held in each direction */
	NETBUF_A_LIMIT_BYTES,	/* u64, memory held in each direction */
	NETBUF_A_POLICY,	/* u32, enum netbuf_policy */
	NETBUF_A_HIGH_WATER,	/* u32, percent of a limit */
	NETBUF_A_ZERO_COPY,	/* u32, 1 = frames are not copied, and pin their pages */
	NETBUF_A_FILTER,	/* binary, classic BPF program; empty = no filter */
	NETBUF_A_FILTER_TEXT,	/* string, what it was compiled from */
	NETBUF_A_UNMATCHED,	/* u32, enum netbuf_unmatched */
	NETBUF_A_QUEUE,		/* nest, enum netbuf_queue_attr; one for each direction */
	NETBUF_A_WARNING,	/* string, which frames the buffer cannot see; absent = none */
	NETBUF_A_FORCE,		/* flag, DETACH although frames are held; they are dropped */
	NETBUF_A_FRAME,		/* nest, enum netbuf_frame_attr; repeated in LOAD */
	NETBUF_A_EVENT,		/* u32, enum netbuf_event */
	NETBUF_A_EVENT_SEQ,	/* u64, counts up by one for each event */
	NETBUF_A_EVENT_TIME_NS,	/* u64, CLOCK_REALTIME */
	NETBUF_A_PAD,
	NETBUF_A_LIMIT_TOTAL,	/* u64, memory that all buffers together may hold */
	NETBUF_A_TOTAL_BYTES,	/* u64, and hold */

	__NETBUF_A_MAX,
	NETBUF_A_MAX = __NETBUF_A_MAX - 1,
};

enum netbuf_queue_attr {
	NETBUF_A_QUEUE_UNSPEC,
	NETBUF_A_QUEUE_DIRECTION,	/* u32, enum netbuf_direction */
	NETBUF_A_QUEUE_FRAMES,		/* u32, held now */
	NETBUF_A_QUEUE_BYTES,		/* u64, memory that they take */
	NETBUF_A_QUEUE_PEAK_FRAMES,	/* u32, most frames held since attach */
	NETBUF_A_QUEUE_PEAK_BYTES,	/* u64 */
	NETBUF_A_QUEUE_HELD,		/* u64, frames ever held */
	NETBUF_A_QUEUE_DRAINED,		/* u64, frames that went on */
	NETBUF_A_QUEUE_LOADED,		/* u64, frames that came from a file */
	NETBUF_A_QUEUE_FLUSHED,		/* u64, frames that flush dropped */
	NETBUF_A_QUEUE_DROPPED_LIMIT,	/* u64, dropped: over a limit */
	NETBUF_A_QUEUE_DROPPED_MEMORY,	/* u64, dropped: no memory */
	NETBUF_A_QUEUE_DROPPED_FILTER,	/* u64, dropped: not chosen by the filter */
	NETBUF_A_QUEUE_PASSED_LIMIT,	/* u64, over a limit and let through */
	NETBUF_A_QUEUE_UNCOPIED,	/* u64, held without a copy: no memory */
	NETBUF_A_QUEUE_PAD,
	NETBUF_A_QUEUE_DROPPED_BELOW,	/* u64, dropped behind: a rule, a qdisc, the netdev */
	NETBUF_A_QUEUE_UNHOLDABLE,	/* u64, would be altered: as UNMATCHED says */

	__NETBUF_A_QUEUE_MAX,
	NETBUF_A_QUEUE_MAX = __NETBUF_A_QUEUE_MAX - 1,
};

/*
 * A held frame, or a part of it. The first part has all attributes that apply,
 * those that follow only OFFSET and DATA.
 */
enum netbuf_frame_attr {
	NETBUF_A_FRAME_UNSPEC,
	NETBUF_A_FRAME_DIRECTION,	/* u32, enum netbuf_direction */
	NETBUF_A_FRAME_TIME_NS,		/* u64, CLOCK_REALTIME when it was held */
	NETBUF_A_FRAME_LENGTH,		/* u32, bytes of the whole frame from its MAC header */
	NETBUF_A_FRAME_OFFSET,		/* u32, where DATA belongs */
	NETBUF_A_FRAME_DATA,		/* binary, NETBUF_CHUNK_MAX bytes at most */
	NETBUF_A_FRAME_VNET,		/* binary, struct virtio_net_hdr, little endian */
	NETBUF_A_FRAME_VLAN_PROTO,	/* u16, EtherType of a tag beside the data; absent = none */
	NETBUF_A_FRAME_VLAN_TCI,	/* u16 */
	NETBUF_A_FRAME_QUEUE,		/* u16, queue mapping */
	NETBUF_A_FRAME_MARK,		/* u32 */
	NETBUF_A_FRAME_PRIORITY,	/* u32 */
	NETBUF_A_FRAME_PAD,

	__NETBUF_A_FRAME_MAX,
	NETBUF_A_FRAME_MAX = __NETBUF_A_FRAME_MAX - 1,
};

enum netbuf_cmd {
	NETBUF_CMD_UNSPEC,
	NETBUF_CMD_GET,		/* do: IFNAME -> one buffer; dump: all of the network namespace */
	NETBUF_CMD_ATTACH,	/* IFNAME [settings] */
	NETBUF_CMD_DETACH,	/* IFNAME [FORCE] */
	NETBUF_CMD_SET,		/* IFNAME, settings */
	NETBUF_CMD_STATE_SET,	/* IFNAME, STATE: hold or drain */
	NETBUF_CMD_FLUSH,	/* IFNAME: drop what is held */
	NETBUF_CMD_SAVE,	/* dump: IFNAME -> FRAME*, oldest first; not while draining */
	NETBUF_CMD_LOAD,	/* IFNAME, FRAME+: kept aside until COMMIT by the same socket */
	NETBUF_CMD_COMMIT,	/* all that the socket has loaded goes in front of what is held */
	NETBUF_CMD_EVENT,	/* multicast only */

	__NETBUF_CMD_MAX,
	NETBUF_CMD_MAX = __NETBUF_CMD_MAX - 1,
};

#endif /* _UAPI_LPARKIT_NETBUF_H */
