/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netbuf.ko: what its files share. Prototypes are grouped by the file that
 * holds them; the page Documentation/netbuf.md has the whole.
 */
#ifndef _KMOD_NETBUF_H
#define _KMOD_NETBUF_H

#include <linux/atomic.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_net.h>
#include <uapi/lparkit/netbuf.h>

struct bpf_prog;
struct genl_family;
struct netbuf_flight;

#define NETBUF_DIRECTIONS	2

#define NETBUF_LIMIT_FRAMES_DEFAULT	100000
#define NETBUF_LIMIT_BYTES_DEFAULT	(256ULL << 20)
#define NETBUF_HIGH_WATER_DEFAULT	80

/* The longest frame in a file that tools for pcapng read. */
#define NETBUF_SNAP_MAX		262144

/**
 * struct netbuf_tag - what a queue knows of a frame, in skb->cb
 * @time: CLOCK_REALTIME when it was held
 * @is_part: segment of a frame that was held whole, and not its last one
 */
struct netbuf_tag {
	ktime_t time;
	bool is_part;
};

#define NETBUF_TAG(skb) ((struct netbuf_tag *)(skb)->cb)

/**
 * struct netbuf_counters - what a queue has done since attach, in frames
 * @held: taken into the queue by the hook
 * @drained: gone on
 * @loaded: came from a file
 * @flushed: dropped by flush
 * @dropped_limit: dropped, over a limit
 * @dropped_memory: dropped, no memory
 * @dropped_filter: dropped, not chosen by the filter
 * @dropped_below: sent on and dropped by what comes behind: a rule, a qdisc, the netdev
 * @passed_limit: over a limit and let through
 * @unholdable: would have been altered; passed, or dropped, as if the filter had not
 *	chosen them
 * @uncopied: held without a copy for want of memory
 */
struct netbuf_counters {
	u64 held;
	u64 drained;
	u64 loaded;
	u64 flushed;
	u64 dropped_limit;
	u64 dropped_memory;
	u64 dropped_filter;
	u64 dropped_below;
	u64 passed_limit;
	u64 unholdable;
	u64 uncopied;
};

/**
 * struct netbuf_room - what frames take in a queue
 * @frames: their number
 * @bytes: memory (truesize)
 */
struct netbuf_room {
	u32 frames;
	u64 bytes;
};

/**
 * struct netbuf_limits - how much a queue may hold
 * @frames: their number
 * @bytes: memory that they take (truesize)
 * @high_water: percent of either at which an event is sent
 * @policy: what happens to a frame beyond them
 */
struct netbuf_limits {
	u32 frames;
	u64 bytes;
	u32 high_water;
	enum netbuf_policy policy;
};

/**
 * struct netbuf_pace - how many frames a drain sends on at once
 * @frames: in a round, which ends when all of them have landed
 * @sent_ns: when the last of the round was sent; 0 = no round is under way
 * @refused_ns: since when the oldest frame has found an empty queue that refuses it, or 0
 * @too_long: of this many bytes, or fewer, was a frame that an empty queue has refused for
 *	good; none as long has gone since. 0 = there was none
 * @promised: a driver has frames that it need not send before it gets another one
 * @queue: number of the transmit queue in which they are
 *
 * Of the drain alone.
 */
struct netbuf_pace {
	u32 frames;
	u64 sent_ns;
	u64 refused_ns;
	unsigned int too_long;
	bool promised;
	unsigned int queue;
};

/**
 * struct netbuf_queue - the frames of one direction
 * @buf: buffer
 * @direction: of its frames
 * @state: enum netbuf_state; see queue.c for who may change it
 * @frames: oldest first; its lock guards all below
 * @bytes: memory that they take (truesize)
 * @coming: room for frames that the hook, or COMMIT, is about to add
 * @peak_frames: most frames held since attach
 * @peak_bytes: most memory held since attach
 * @counters: see struct netbuf_counters
 * @cursor: frame that SAVE sends next, or NULL
 * @is_high: above the high-water mark
 * @has_dropped: a frame was dropped since the last hold
 * @limits: how much it may hold
 * @flight: frames sent on that have not landed
 * @pace: of the drain
 */
struct netbuf_queue {
	struct netbuf *buf;
	enum netbuf_direction direction;
	atomic_t state;
	struct sk_buff_head frames;
	u64 bytes;
	struct netbuf_room coming;
	u32 peak_frames;
	u64 peak_bytes;
	struct netbuf_counters counters;
	struct sk_buff *cursor;
	bool is_high;
	bool has_dropped;
	struct netbuf_limits limits;
	struct netbuf_flight *flight;
	struct netbuf_pace pace;
};

/**
 * struct netbuf_ring - how full the ring behind a tap is
 * @sent: frames sent into it since @base
 * @base: tx_packets, frames that the reader had taken, when the count began
 * @taken: tx_packets when the reader had last taken any, or there was room
 * @since_ns: when that was, or a full ring was tried after all
 */
struct netbuf_ring {
	u64 sent;
	u64 base;
	u64 taken;
	u64 since_ns;
};

/**
 * struct netbuf_settings - what an operator sets, beside limits and filter
 * @lpar: LPAR in whose cuts the netdev takes part, or ""
 * @zero_copy: frames are held as they are
 * @unmatched: what happens to frames that the filter does not choose
 */
struct netbuf_settings {
	char lpar[NETBUF_LPAR_MAX + 1];
	bool zero_copy;
	enum netbuf_unmatched unmatched;
};

/**
 * struct netbuf_record - all of a frame that is not its bytes
 * @direction: of the frame
 * @time: CLOCK_REALTIME when it was held
 * @length: bytes from its MAC header
 * @vnet: segmentation and checksum, little endian
 * @vlan_proto: EtherType of a tag beside the data, 0 = none
 * @vlan_tci: that tag
 * @queue: queue mapping
 * @mark: skb->mark
 * @priority: skb->priority
 */
struct netbuf_record {
	enum netbuf_direction direction;
	ktime_t time;
	u32 length;
	struct virtio_net_hdr vnet;
	u16 vlan_proto;
	u16 vlan_tci;
	u16 queue;
	u32 mark;
	u32 priority;
};

/**
 * struct netbuf_load - frames of a file that wait for COMMIT
 * @portid: netlink socket that sends them; 0 = none
 * @frames: complete ones
 * @bytes: memory that all take
 * @reserved: in so many queues there is room kept for them
 * @partial: frame of which parts are missing, or NULL
 * @received: bytes of it
 * @record: what is known of it
 *
 * Under netbuf_mutex.
 */
struct netbuf_load {
	u32 portid;
	struct sk_buff_head frames[NETBUF_DIRECTIONS];
	u64 bytes[NETBUF_DIRECTIONS];
	unsigned int reserved;
	struct sk_buff *partial;
	u32 received;
	struct netbuf_record record;
};

/**
 * struct netbuf - the buffer of one netdev
 * @kobj: /sys/class/net/IFNAME/netbuf; its count is that of the buffer
 * @list: in netbuf_list, under netbuf_mutex
 * @dev: netdev, held from attach to detach
 * @tracker: of that reference
 * @gone: detached; under netbuf_mutex
 * @ops: hooks of both directions
 * @net: network namespace of the netdev, NULL = it is between two; written under rtnl and @op
 * @hooked: the hooks are registered; under @op
 * @armed: armed cuts that will make it hold; under @op
 * @unhook: unregisters the hooks when nothing has needed them for a while
 * @op: one change of state, settings or hooks at a time; not needed when cuts act
 * @settings: written under @op
 * @filter: chooses the frames to be held, or NULL for all; written under @op
 * @filter_text: what it was compiled from, or NULL; under @op
 * @queue: by enum netbuf_direction
 * @drain: sends held frames on
 * @drain_cpu: CPU on which it runs; another one only between two rounds
 * @drain_new: a drain starts: what is known about the ring is old
 * @ring: of a tap
 * @is_tap: frames sent end in a ring that drops when full
 * @idle_us: how long the drain last slept for want of progress, in microseconds
 * @idle: where it sleeps
 * @woken: frames have landed since it looked
 * @cut_lock: raw, because a cut takes it in hard-irq context; guards @held_by_cut
 * @held_by_cut: number of the cut that made it hold, if nobody has said otherwise since, or 0
 * @releases: how often it was told to drain what it held; written under @cut_lock
 * @announced: state in the last event
 * @events: NETBUF_EVENT_... that the hooks want sent, as bits
 * @event_work: sends them
 * @save_port: netlink socket that runs a SAVE, 0 = none; under netbuf_mutex
 * @load: frames from a file, not committed
 */
struct netbuf {
	struct kobject kobj;
	struct list_head list;
	struct net_device *dev;
	netdevice_tracker tracker;
	bool gone;
	struct nf_hook_ops ops[NETBUF_DIRECTIONS];
	struct net *net;
	bool hooked;
	unsigned int armed;
	struct delayed_work unhook;
	struct mutex op;	/* one change at a time */
	struct netbuf_settings settings;
	struct bpf_prog __rcu *filter;
	char *filter_text;
	struct netbuf_queue queue[NETBUF_DIRECTIONS];
	struct delayed_work drain;
	unsigned int drain_cpu;
	bool drain_new;
	struct netbuf_ring ring;
	bool is_tap;
	unsigned int idle_us;
	wait_queue_head_t idle;
	bool woken;
	raw_spinlock_t cut_lock;
	u32 held_by_cut;
	u32 releases;
	enum netbuf_state announced;
	unsigned long events;
	struct work_struct event_work;
	u32 save_port;
	struct netbuf_load load;
};

/* main.c */
extern struct workqueue_struct *netbuf_wq;

/* buffer.c */
extern struct mutex netbuf_mutex;
extern struct list_head netbuf_list;
int netbuf_attach(struct net *net, const char *ifname, struct netlink_ext_ack *extack);
int netbuf_detach(struct net *net, const char *ifname, bool force,
		  struct netlink_ext_ack *extack);
struct netbuf *netbuf_find(struct net *net, const char *ifname);
struct netbuf *netbuf_get(struct net *net, const char *ifname, struct netlink_ext_ack *extack);
void netbuf_put(struct netbuf *buf);
enum netbuf_state netbuf_state(const struct netbuf *buf);
bool netbuf_hold(struct netbuf *buf);
bool netbuf_release(struct netbuf *buf);
int netbuf_set_state(struct netbuf *buf, enum netbuf_state state, struct netlink_ext_ack *extack);
const char *netbuf_blind_spot(struct net_device *dev);
int netbuf_buffer_init(void);
void netbuf_buffer_exit(void);

/* hook.c */
void netbuf_hook_init(struct netbuf *buf);
int netbuf_hook_add(struct netbuf *buf);
void netbuf_hook_remove(struct netbuf *buf);
void netbuf_hook_rest(struct netbuf *buf);
int netbuf_hook_arm(struct netbuf *buf);
void netbuf_hook_disarm(struct netbuf *buf);
int netbuf_hook_enter(struct netbuf *buf, struct net *net);
void netbuf_hook_leave(struct netbuf *buf);
bool netbuf_hook_is_alone(const struct net_device *dev);

/* frame.c */
enum netbuf_way {
	NETBUF_KEEP,	/* the frame itself, or a clone of it */
	NETBUF_COPY,
	NETBUF_SEGMENT,	/* its segments */
};

bool netbuf_frame_is_bound(struct sk_buff *skb);
enum netbuf_way netbuf_frame_plan(const struct sk_buff *skb, bool zero_copy,
				  struct netbuf_room *room);
struct sk_buff *netbuf_frame_take(struct sk_buff *skb, enum netbuf_direction direction,
				  enum netbuf_way way);
struct sk_buff *netbuf_frame_alloc(unsigned int mac_len, unsigned int len, gfp_t gfp);
unsigned int netbuf_frame_mac_len(const struct sk_buff *skb);

/* queue.c */
enum netbuf_verdict {
	NETBUF_ACCEPTED,	/* goes by */
	NETBUF_HELD,		/* belongs to the queue now */
	NETBUF_DROPPED,		/* is to be freed */
};

void netbuf_queue_init(struct netbuf_queue *queue, struct netbuf *buf,
		       enum netbuf_direction direction);
enum netbuf_verdict netbuf_queue_admit(struct netbuf_queue *queue,
				       const struct netbuf_room *room);
enum netbuf_verdict netbuf_queue_add(struct netbuf_queue *queue, struct sk_buff *frames,
				     const struct netbuf_room *room);
void netbuf_queue_cancel(struct netbuf_queue *queue, const struct netbuf_room *room);
unsigned int netbuf_queue_take(struct netbuf_queue *queue, struct sk_buff_head *batch,
			       unsigned int max);
void netbuf_queue_return(struct netbuf_queue *queue, struct sk_buff_head *batch);
void netbuf_queue_count_sent(struct netbuf_queue *queue, unsigned int drained,
			     unsigned int dropped);
void netbuf_queue_count_lost(struct netbuf_queue *queue, unsigned int frames);
bool netbuf_queue_try_pass(struct netbuf_queue *queue);
void netbuf_discard(struct netbuf *buf, struct sk_buff_head *frames);
int netbuf_queues_init(void);
void netbuf_queues_exit(void);
void netbuf_total_add(s64 bytes);
u64 netbuf_total(u64 *limit);
unsigned int netbuf_queue_flush(struct netbuf_queue *queue);
bool netbuf_queue_fits(struct netbuf_queue *queue, const struct netbuf_room *room);
int netbuf_queue_reserve(struct netbuf_queue *queue, const struct netbuf_room *room);
void netbuf_queue_splice(struct netbuf_queue *queue, struct sk_buff_head *frames,
			 const struct netbuf_room *room);
void netbuf_queue_count(struct netbuf_queue *queue, u64 *counter);
void netbuf_queue_count_drop(struct netbuf_queue *queue, u64 *counter);
struct netbuf_limits netbuf_queue_limits(struct netbuf_queue *queue);
void netbuf_set_limits(struct netbuf *buf, const struct netbuf_limits *limits);

/* port.c */
/**
 * struct netbuf_port - the way of a round into its netdev
 * @dev: netdev
 * @txq: transmit queue to whose driver the frames are given; NULL: they go by
 *	dev_queue_xmit()
 * @queue: number of @txq
 * @split: frames are segmented here, as they may be on the way
 * @clones: each frame is cloned before it is sent, as it may be altered before it is dropped;
 *	always without @txq
 * @spare: becomes the clone; what was not sent is here
 * @ready: frames that can be sent as they are
 * @refused: frames that never can, dropped
 * @promised: the last frame that went to the driver was to be followed by another
 */
struct netbuf_port {
	struct net_device *dev;
	struct netdev_queue *txq;
	unsigned int queue;
	bool split;
	bool clones;
	struct sk_buff *spare;
	struct sk_buff_head ready;
	unsigned int refused;
	bool promised;
};

bool netbuf_port_open(struct netbuf_port *port, struct netbuf_flight *flight,
		      struct net_device *dev, const struct netbuf_pace *pace);
void netbuf_port_fill(struct netbuf_port *port, struct sk_buff_head *batch, unsigned int max);
int netbuf_port_give(struct netbuf_port *port, struct sk_buff *skb, bool more);
void netbuf_port_close(struct netbuf_port *port, struct sk_buff_head *batch);

/* flight.c */
enum netbuf_fate {
	NETBUF_SENT,	/* in flight, or landed */
	NETBUF_NO_ROOM,	/* dropped; may be sent again later */
	NETBUF_REFUSED,	/* dropped for good */
};

/**
 * struct netbuf_drop - how a frame was dropped
 * @reason: what the kernel said
 * @ret: what the function said that was to send it
 * @gone: nothing is left of it that could be sent again
 * @plain: if a qdisc drops it for what it is, it is not one of its netdev
 */
struct netbuf_drop {
	enum skb_drop_reason reason;
	int ret;
	bool gone;
	bool plain;
};

struct netbuf_flight *netbuf_flight_alloc(struct netbuf *buf);
void netbuf_flight_detach(struct netbuf_flight *flight);
void netbuf_flight_free(struct netbuf_flight *flight);
bool netbuf_flight_is_over(const struct netbuf_flight *flight);
unsigned int netbuf_flight_lost(struct netbuf_flight *flight);
void netbuf_flight_add(struct netbuf_flight *flight, struct sk_buff *skb);
void netbuf_flight_use_queue(struct netbuf_flight *flight, int queue);
void netbuf_flight_begin(struct netbuf_flight *flight, const struct netbuf_port *port);
void netbuf_flight_end(struct netbuf_flight *flight);
bool netbuf_flight_send(struct netbuf_flight *flight, struct netbuf_port *port,
			struct sk_buff *skb, bool more, struct netbuf_drop *drop);
enum netbuf_fate netbuf_fate_of(const struct netbuf_drop *drop, u64 refused_ns);
int netbuf_flight_init(void);
void netbuf_flight_exit(void);

/* drain.c */
void netbuf_drain_init(struct netbuf *buf);
void netbuf_drain_start(struct netbuf *buf);
unsigned int netbuf_drain_cpu(struct netbuf *buf);
void netbuf_drain_wait(struct netbuf *buf);
void netbuf_drain_wake(struct netbuf *buf);
s64 netbuf_ring_room(struct netbuf_ring *ring, u64 taken, u32 size, u64 now_ns);
u32 netbuf_next_round(u32 frames, u64 took_ns);

/* record.c */
int netbuf_record_make(struct netbuf_record *record, struct sk_buff *skb,
		       enum netbuf_direction direction);
int netbuf_record_apply(const struct netbuf_record *record, struct sk_buff *skb,
			struct net_device *dev);

/* cut.c */
extern struct lpar_cut_class netbuf_cut_class;

/* event.c */
void netbuf_event_send(enum netbuf_event event, struct netbuf *buf);
void netbuf_event_defer(enum netbuf_event event, struct netbuf *buf);
void netbuf_event_work(struct work_struct *work);
void netbuf_announce_state(struct netbuf *buf);

/* netlink.c */
extern struct genl_family netbuf_genl_family;
int netbuf_netlink_put_queues(struct sk_buff *skb, struct netbuf *buf);
int netbuf_netlink_init(void);
void netbuf_netlink_exit(void);

/* netlink_frame.c */
void netbuf_load_abandon(struct netbuf *buf);

/* sysfs.c */
extern const struct sysfs_ops netbuf_sysfs_ops;
int netbuf_sysfs_add(struct netbuf *buf);

/* The reason for a refusal, or a warning; @text must outlive the request. */
static inline void netbuf_say(struct netlink_ext_ack *extack, const char *text)
{
	if (extack)
		extack->_msg = text;
}

#endif /* _KMOD_NETBUF_H */
