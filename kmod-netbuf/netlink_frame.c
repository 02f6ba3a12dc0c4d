// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink family "netbuf": frames out of a buffer and into it.
 *
 * SAVE walks the queues of a buffer that holds, by a cursor that the queue
 * moves on if its frame goes. LOAD keeps frames aside until COMMIT, so that
 * either all that a socket has loaded is held, or nothing: a socket that is
 * closed before takes its frames with it.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>
#include "netbuf.h"
#include "netlink.h"

const struct nla_policy netbuf_frame_policy[NETBUF_A_FRAME_MAX + 1] = {
	[NETBUF_A_FRAME_DIRECTION]	= NLA_POLICY_MAX(NLA_U32, NETBUF_EGRESS),
	[NETBUF_A_FRAME_TIME_NS]	= { .type = NLA_U64 },
	[NETBUF_A_FRAME_LENGTH]		= NLA_POLICY_MIN(NLA_U32, ETH_HLEN),
	[NETBUF_A_FRAME_OFFSET]		= { .type = NLA_U32 },
	[NETBUF_A_FRAME_DATA]		= { .type = NLA_BINARY, .len = NETBUF_CHUNK_MAX },
	[NETBUF_A_FRAME_VNET]		= NLA_POLICY_EXACT_LEN(NETBUF_VNET_LEN),
	[NETBUF_A_FRAME_VLAN_PROTO]	= { .type = NLA_U16 },
	[NETBUF_A_FRAME_VLAN_TCI]	= { .type = NLA_U16 },
	[NETBUF_A_FRAME_QUEUE]		= { .type = NLA_U16 },
	[NETBUF_A_FRAME_MARK]		= { .type = NLA_U32 },
	[NETBUF_A_FRAME_PRIORITY]	= { .type = NLA_U32 },
};

/* --- save --- */

/* Where a dump is; in cb->args. */
struct save {
	struct netbuf *buf;
	unsigned long direction;	/* queue that is dumped now */
	unsigned long started;		/* its cursor is set */
	struct sk_buff *frame;		/* of which a part is sent, with a reference, or NULL */
	unsigned long offset;		/* within it */
	unsigned long releases;		/* of the buffer, when the dump began */
};

static struct save *save_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct save) > sizeof(cb->args));
	return (struct save *)cb->args;
}

/**
 * netbuf_save_start() - NETBUF_CMD_SAVE begins
 * @cb: dump
 *
 * Return: 0; -EINVAL, -ENOENT; -EBUSY when the buffer does not hold or another
 * dump runs.
 */
int netbuf_save_start(struct netlink_callback *cb)
{
	const struct nlattr *name = genl_info_dump(cb)->attrs[NETBUF_A_IFNAME];
	struct netbuf *buf;
	int err = 0;

	if (!name) {
		netbuf_say(cb->extack, "the name of the netdev is missing");
		return -EINVAL;
	}
	buf = netbuf_get(sock_net(cb->skb->sk), nla_data(name), cb->extack);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	mutex_lock(&netbuf_mutex);
	if (netbuf_state(buf) == NETBUF_STATE_DRAIN) {
		netbuf_say(cb->extack, "it drains; hold it first");
		err = -EBUSY;
	} else if (buf->save_port) {
		netbuf_say(cb->extack, "its frames are being saved by another process");
		err = -EBUSY;
	} else {
		buf->save_port = NETLINK_CB(cb->skb).portid;
		save_of(cb)->releases = READ_ONCE(buf->releases);
	}
	mutex_unlock(&netbuf_mutex);
	if (err) {
		netbuf_put(buf);
		return err;
	}
	netbuf_drain_wait(buf);
	save_of(cb)->buf = buf;
	cb->min_dump_alloc = NETBUF_REPLY_SIZE;
	return 0;
}

/**
 * netbuf_save_done() - NETBUF_CMD_SAVE ends, or its reader is gone
 * @cb: dump
 *
 * Return: 0.
 */
int netbuf_save_done(struct netlink_callback *cb)
{
	struct netbuf *buf = save_of(cb)->buf;

	consume_skb(save_of(cb)->frame);
	mutex_lock(&netbuf_mutex);
	buf->save_port = 0;
	mutex_unlock(&netbuf_mutex);
	netbuf_put(buf);
	return 0;
}

static int put_record(struct sk_buff *msg, const struct netbuf_record *record)
{
	if (nla_put_u32(msg, NETBUF_A_FRAME_DIRECTION, record->direction) ||
	    nla_put_u64_64bit(msg, NETBUF_A_FRAME_TIME_NS, ktime_to_ns(record->time),
			      NETBUF_A_FRAME_PAD) ||
	    nla_put_u32(msg, NETBUF_A_FRAME_LENGTH, record->length) ||
	    nla_put(msg, NETBUF_A_FRAME_VNET, sizeof(record->vnet), &record->vnet) ||
	    nla_put_u16(msg, NETBUF_A_FRAME_QUEUE, record->queue) ||
	    nla_put_u32(msg, NETBUF_A_FRAME_MARK, record->mark) ||
	    nla_put_u32(msg, NETBUF_A_FRAME_PRIORITY, record->priority))
		return -EMSGSIZE;
	if (!record->vlan_proto)
		return 0;
	if (nla_put_u16(msg, NETBUF_A_FRAME_VLAN_PROTO, record->vlan_proto) ||
	    nla_put_u16(msg, NETBUF_A_FRAME_VLAN_TCI, record->vlan_tci))
		return -EMSGSIZE;
	return 0;
}

static int put_data(struct sk_buff *msg, const struct sk_buff *frame, unsigned int offset,
		    unsigned int len)
{
	int mac_len = netbuf_frame_mac_len(frame);
	struct nlattr *data;

	if (nla_put_u32(msg, NETBUF_A_FRAME_OFFSET, offset))
		return -EMSGSIZE;
	data = nla_reserve(msg, NETBUF_A_FRAME_DATA, len);
	if (!data)
		return -EMSGSIZE;
	return skb_copy_bits(frame, (int)offset - mac_len, nla_data(data), len);
}

/* The next part of a frame; @offset is 0 again behind its end. */
static int put_frame(struct sk_buff *msg, struct sk_buff *frame,
		     enum netbuf_direction direction, unsigned long *offset,
		     struct netlink_callback *cb)
{
	struct netbuf_record record;
	unsigned int len;
	struct nlattr *nest;
	void *header;
	int err;

	err = netbuf_record_make(&record, frame, direction);
	if (err)
		return err;
	len = min_t(unsigned int, record.length - *offset, NETBUF_CHUNK_MAX);
	header = genlmsg_put(msg, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			     &netbuf_genl_family, NLM_F_MULTI, NETBUF_CMD_SAVE);
	if (!header)
		return -EMSGSIZE;
	nest = nla_nest_start(msg, NETBUF_A_FRAME);
	if (!nest || (!*offset && put_record(msg, &record)) || put_data(msg, frame, *offset, len)) {
		genlmsg_cancel(msg, header);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	genlmsg_end(msg, header);
	*offset += len;
	if (*offset == record.length)
		*offset = 0;
	return 0;
}

/* The rest of a frame of which a part is sent: all of it is, even if it has gone meanwhile. */
static int put_rest(struct sk_buff *msg, struct netbuf_queue *queue, struct save *save,
		    struct netlink_callback *cb)
{
	int err = put_frame(msg, save->frame, queue->direction, &save->offset, cb);

	if (!err && !save->offset) {
		consume_skb(save->frame);
		save->frame = NULL;
	}
	return err;
}

/* The frame at the cursor, or its first part. */
static int put_next(struct sk_buff *msg, struct netbuf_queue *queue, struct save *save,
		    struct netlink_callback *cb)
{
	struct sk_buff *frame = queue->cursor;
	int err = put_frame(msg, frame, queue->direction, &save->offset, cb);

	if (err)
		return err;
	queue->cursor = skb_peek_next(frame, &queue->frames);
	if (!save->offset)
		return 0;
	save->frame = skb_clone(frame, GFP_ATOMIC | __GFP_NOWARN);
	return save->frame ? 0 : -ENOMEM;
}

/* As many frames as fit; 0 when all of the queue have been sent. */
static int dump_queue(struct sk_buff *msg, struct netbuf_queue *queue, struct save *save,
		      struct netlink_callback *cb)
{
	int err = 0;

	spin_lock_bh(&queue->frames.lock);
	if (!save->started)
		queue->cursor = skb_peek(&queue->frames);
	save->started = true;
	while (!err && (save->frame || queue->cursor))
		err = save->frame ? put_rest(msg, queue, save, cb) :
				    put_next(msg, queue, save, cb);
	spin_unlock_bh(&queue->frames.lock);
	return err;
}

/* What went meanwhile may be missing, or be in the file although it has gone. */
static bool was_released(const struct save *save)
{
	return netbuf_state(save->buf) == NETBUF_STATE_DRAIN ||
	       READ_ONCE(save->buf->releases) != (u32)save->releases;
}

/**
 * netbuf_save_dumpit() - NETBUF_CMD_SAVE
 * @skb: reply
 * @cb: how far it got
 *
 * Return: length of @skb; -EBUSY when the buffer drains, or has since the dump began;
 * -ENODEV when its netdev is gone.
 */
int netbuf_save_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct save *save = save_of(cb);
	int err = 0;

	mutex_lock(&netbuf_mutex);
	if (save->buf->gone)
		err = -ENODEV;
	while (!err && save->direction < NETBUF_DIRECTIONS) {
		err = dump_queue(skb, &save->buf->queue[save->direction], save, cb);
		if (err)
			break;
		save->direction++;
		save->started = false;
	}
	/* Looked at when the frames have been: none of them has gone before. */
	if (was_released(save))
		err = -EBUSY;
	mutex_unlock(&netbuf_mutex);
	return err == -EMSGSIZE && skb->len ? skb->len : err;
}

/* --- load --- */

static struct netbuf_room loaded(const struct netbuf_load *load, unsigned int direction)
{
	return (struct netbuf_room){
		.frames = skb_queue_len(&load->frames[direction]),
		.bytes = load->bytes[direction],
	};
}

/**
 * netbuf_load_abandon() - forget the frames that wait for COMMIT
 * @buf: buffer
 *
 * Context: process, under netbuf_mutex.
 */
void netbuf_load_abandon(struct netbuf *buf)
{
	struct netbuf_load *load = &buf->load;
	unsigned int i;

	lockdep_assert_held(&netbuf_mutex);
	while (load->reserved) {
		struct netbuf_room room = loaded(load, --load->reserved);

		netbuf_queue_cancel(&buf->queue[load->reserved], &room);
	}
	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		netbuf_discard(buf, &load->frames[i]);
		netbuf_total_add(-(s64)load->bytes[i]);
		load->bytes[i] = 0;
	}
	kfree_skb(load->partial);
	load->partial = NULL;
	load->portid = 0;
}

static void get_record(struct netbuf_record *record, struct nlattr **attrs)
{
	memset(record, 0, sizeof(*record));
	record->direction = nla_get_u32(attrs[NETBUF_A_FRAME_DIRECTION]);
	record->length = nla_get_u32(attrs[NETBUF_A_FRAME_LENGTH]);
	if (attrs[NETBUF_A_FRAME_TIME_NS])
		record->time = ns_to_ktime(nla_get_u64(attrs[NETBUF_A_FRAME_TIME_NS]));
	if (attrs[NETBUF_A_FRAME_VNET])
		memcpy(&record->vnet, nla_data(attrs[NETBUF_A_FRAME_VNET]), sizeof(record->vnet));
	if (attrs[NETBUF_A_FRAME_VLAN_PROTO])
		record->vlan_proto = nla_get_u16(attrs[NETBUF_A_FRAME_VLAN_PROTO]);
	if (attrs[NETBUF_A_FRAME_VLAN_TCI])
		record->vlan_tci = nla_get_u16(attrs[NETBUF_A_FRAME_VLAN_TCI]);
	if (attrs[NETBUF_A_FRAME_QUEUE])
		record->queue = nla_get_u16(attrs[NETBUF_A_FRAME_QUEUE]);
	if (attrs[NETBUF_A_FRAME_MARK])
		record->mark = nla_get_u32(attrs[NETBUF_A_FRAME_MARK]);
	if (attrs[NETBUF_A_FRAME_PRIORITY])
		record->priority = nla_get_u32(attrs[NETBUF_A_FRAME_PRIORITY]);
}

static int refuse(struct netlink_ext_ack *extack, const char *why)
{
	netbuf_say(extack, why);
	return -EINVAL;
}

static int begin_frame(struct netbuf *buf, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	struct netbuf_record *record = &buf->load.record;
	struct netbuf_load *load = &buf->load;

	if (load->partial)
		return refuse(extack, "a frame begins before the one before it is complete");
	if (!attrs[NETBUF_A_FRAME_LENGTH] || !attrs[NETBUF_A_FRAME_DIRECTION])
		return refuse(extack, "a frame without length or direction");
	get_record(record, attrs);
	if (record->length > NETBUF_FRAME_MAX ||
	    (record->vlan_proto && !eth_type_vlan(htons(record->vlan_proto))))
		return refuse(extack, "a frame that is too long, or has no such VLAN tag");
	load->partial = netbuf_frame_alloc(0, record->length, GFP_KERNEL);
	load->received = 0;
	return load->partial ? 0 : -ENOMEM;
}

static int add_data(struct netbuf_load *load, struct nlattr **attrs,
		    struct netlink_ext_ack *extack)
{
	const struct nlattr *data = attrs[NETBUF_A_FRAME_DATA];

	if (!load->partial || !data || !attrs[NETBUF_A_FRAME_OFFSET] ||
	    nla_get_u32(attrs[NETBUF_A_FRAME_OFFSET]) != load->received ||
	    !nla_len(data) || nla_len(data) > load->record.length - load->received)
		return refuse(extack, "data that does not belong to a frame");
	if (skb_store_bits(load->partial, load->received, nla_data(data), nla_len(data)))
		return -EFAULT;
	load->received += nla_len(data);
	return 0;
}

static int end_frame(struct netbuf *buf, struct netlink_ext_ack *extack)
{
	struct netbuf_load *load = &buf->load;
	struct sk_buff *skb = load->partial;
	enum netbuf_direction direction = load->record.direction;

	if (load->received < load->record.length)
		return 0;
	if (netbuf_record_apply(&load->record, skb, buf->dev))
		return refuse(extack, "a frame whose segmentation or checksum does not fit its data");
	load->partial = NULL;
	__skb_queue_tail(&load->frames[direction], skb);
	load->bytes[direction] += skb->truesize;
	netbuf_total_add(skb->truesize);
	return 0;
}

static int refuse_room(int err, struct netlink_ext_ack *extack)
{
	if (err == -ENOSPC)
		netbuf_say(extack, "the frames exceed the limits: raise limit_frames, limit_bytes, or limit_total of the module");
	else if (err == -EBUSY)
		netbuf_say(extack, "it does not hold: frames that come now would overtake the loaded ones; hold it first");
	return err;
}

static int check_limits(struct netbuf *buf, struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		struct netbuf_room room = loaded(&buf->load, i);

		if (!netbuf_queue_fits(&buf->queue[i], &room))
			return refuse_room(-ENOSPC, extack);
	}
	return 0;
}

static int load_frame(struct netbuf *buf, const struct nlattr *nest,
		      struct netlink_ext_ack *extack)
{
	struct nlattr *attrs[NETBUF_A_FRAME_MAX + 1];
	int err = nla_parse_nested(attrs, NETBUF_A_FRAME_MAX, nest, netbuf_frame_policy, extack);

	if (!err && attrs[NETBUF_A_FRAME_LENGTH])
		err = begin_frame(buf, attrs, extack);
	err = err ?: add_data(&buf->load, attrs, extack);
	return err ?: end_frame(buf, extack);
}

static int check_loader(struct netbuf *buf, u32 portid, struct netlink_ext_ack *extack)
{
	if (buf->load.portid && buf->load.portid != portid) {
		netbuf_say(extack, "another process loads frames into it");
		return -EBUSY;
	}
	return netbuf_state(buf) == NETBUF_STATE_HOLD ? 0 : refuse_room(-EBUSY, extack);
}

/**
 * netbuf_load_doit() - NETBUF_CMD_LOAD
 * @skb: request
 * @info: its attributes
 *
 * What is wrong makes the whole load void.
 *
 * Return: 0; -EINVAL, -ENOENT, -EBUSY, -ENOSPC, -ENOMEM.
 */
int netbuf_load_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *ifname = netbuf_netlink_ifname(info);
	const struct nlattr *attr;
	struct netbuf *buf;
	int err, rem;

	if (!ifname)
		return -EINVAL;
	mutex_lock(&netbuf_mutex);
	buf = netbuf_find(genl_info_net(info), ifname);
	if (!buf) {
		netbuf_say(info->extack, "no buffer is attached to it");
		err = -ENOENT;
		goto out;
	}
	err = check_loader(buf, info->snd_portid, info->extack);
	if (err)
		goto out;
	buf->load.portid = info->snd_portid;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (!err && nla_type(attr) == NETBUF_A_FRAME)
			err = load_frame(buf, attr, info->extack);
	err = err ?: check_limits(buf, info->extack);
	if (err)
		netbuf_load_abandon(buf);
out:
	mutex_unlock(&netbuf_mutex);
	return err;
}

/* What has room in its queue comes there, whatever a drain or a cut does meanwhile. */
static int reserve(struct netbuf *buf, struct netlink_ext_ack *extack)
{
	struct netbuf_load *load = &buf->load;
	int err = 0;

	if (load->partial)
		return refuse(extack, "the last frame is not complete");
	while (!err && load->reserved < NETBUF_DIRECTIONS) {
		struct netbuf_room room = loaded(load, load->reserved);

		err = netbuf_queue_reserve(&buf->queue[load->reserved], &room);
		load->reserved += !err;
	}
	return refuse_room(err, extack);
}

static void splice(struct netbuf *buf)
{
	struct netbuf_load *load = &buf->load;

	while (load->reserved) {
		struct netbuf_room room = loaded(load, --load->reserved);

		netbuf_queue_splice(&buf->queue[load->reserved], &load->frames[load->reserved],
				    &room);
	}
}

static bool loaded_by(const struct netbuf *buf, const struct net *net, u32 portid)
{
	return buf->load.portid == portid && net_eq(dev_net(buf->dev), net);
}

/**
 * netbuf_commit_doit() - NETBUF_CMD_COMMIT
 * @skb: request
 * @info: its attributes
 *
 * Return: 0; -EINVAL, -EBUSY, -ENOSPC, and then nothing was committed.
 */
int netbuf_commit_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct net *net = genl_info_net(info);
	struct netbuf *buf;
	int err = 0;

	mutex_lock(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list)
		if (!err && loaded_by(buf, net, info->snd_portid))
			err = reserve(buf, info->extack);
	list_for_each_entry(buf, &netbuf_list, list) {
		if (!loaded_by(buf, net, info->snd_portid))
			continue;
		if (!err)
			splice(buf);
		netbuf_load_abandon(buf);
	}
	mutex_unlock(&netbuf_mutex);
	return err;
}

static int socket_closed(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct netlink_notify *notify = data;
	struct netbuf *buf;

	if (state != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	mutex_lock(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list)
		if (loaded_by(buf, notify->net, notify->portid))
			netbuf_load_abandon(buf);
	mutex_unlock(&netbuf_mutex);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_notifier = {
	.notifier_call = socket_closed,
};

/**
 * netbuf_load_init() - notice when a socket that loads is closed
 *
 * Return: 0 or a negative errno.
 */
int netbuf_load_init(void)
{
	return netlink_register_notifier(&netlink_notifier);
}

/**
 * netbuf_load_exit() - the reverse
 */
void netbuf_load_exit(void)
{
	netlink_unregister_notifier(&netlink_notifier);
}
