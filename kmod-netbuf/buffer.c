// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers: made by attach, gone with detach or with their netdev. A netdev may
 * be renamed and moved to another network namespace; its buffer, and what that
 * holds, goes with it.
 */
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include "netbuf.h"

/* Guards the list, gone, and frames that are being loaded. */
DEFINE_MUTEX(netbuf_mutex);
LIST_HEAD(netbuf_list);

static bool is_kind(const struct net_device *dev, const char *kind)
{
	return dev->rtnl_link_ops && !strcmp(dev->rtnl_link_ops->kind, kind);
}

/* Its frames need no XDP program to go straight to the driver. */
static bool has_xdp_socket(struct net_device *dev)
{
#ifdef CONFIG_XDP_SOCKETS
	unsigned int i;

	for (i = 0; i < dev->num_tx_queues; i++)
		if (READ_ONCE(netdev_get_tx_queue(dev, i)->pool))
			return true;
#endif
	return false;
}

/* What tc sends from one netdev to another passes the other's egress hook by. */
static bool may_get_redirects(struct net_device *dev)
{
	struct net_device *other;
	bool may = false;

	rcu_read_lock();
	for_each_netdev_rcu(dev_net(dev), other)
		may |= other != dev &&
		       (netdev_has_tc_ingress(other) || netdev_has_tc_egress(other));
	rcu_read_unlock();
	return may;
}

/**
 * netbuf_blind_spot() - which frames of a netdev come by no hook?
 * @dev: netdev
 *
 * Context: process.
 * Return: what to tell the operator, or NULL when all are seen.
 */
const char *netbuf_blind_spot(struct net_device *dev)
{
	if (dev_xdp_prog_count(dev))
		return "frames that its XDP program redirects or sends are not seen";
	if (has_xdp_socket(dev))
		return "frames of the AF_XDP socket bound to it are not seen";
	if (dev->dev.parent && dev_num_vf(dev->dev.parent))
		return "frames of its SR-IOV virtual functions are not seen";
	if (netdev_has_tc_ingress(dev))
		return "frames that tc redirects at its ingress are not seen";
	if (!netbuf_hook_is_alone(dev))
		return "frames that netfilter forwards at its ingress are not seen";
	if (may_get_redirects(dev))
		return "frames that tc at other netdevs redirects to it are not seen";
	return NULL;
}

/* Devices that would be held in part, without anybody noticing. */
static int check_device(const struct net_device *dev, struct netlink_ext_ack *extack)
{
	if (dev->type != ARPHRD_ETHER || dev->hard_header_len < ETH_HLEN) {
		netbuf_say(extack, "it has no Ethernet frames; attach a tap, veth or NIC");
		return -EOPNOTSUPP;
	}
	if (is_kind(dev, "macvtap") || is_kind(dev, "ipvtap")) {
		netbuf_say(extack, "frames of macvtap by-pass the hooks; attach the device below it, or use a tap");
		return -EOPNOTSUPP;
	}
	if (rcu_access_pointer(dev->xdp_prog)) {
		netbuf_say(extack, "its generic XDP program would see held frames twice; detach that first");
		return -EBUSY;
	}
	return 0;
}

static void free_buffer(struct kobject *kobj)
{
	struct netbuf *buf = container_of(kobj, struct netbuf, kobj);
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		netbuf_flight_free(buf->queue[i].flight);
	kfree(buf->filter_text);
	kfree(buf);
}

static const struct kobj_type netbuf_ktype = {
	.release = free_buffer,
	.sysfs_ops = &netbuf_sysfs_ops,
};

static struct netbuf *new_buffer(struct net_device *dev)
{
	struct netbuf *buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	unsigned int i;

	if (!buf)
		return NULL;
	buf->dev = dev;
	buf->net = dev_net(dev);
	buf->is_tap = is_kind(dev, "tun");
	mutex_init(&buf->op);
	raw_spin_lock_init(&buf->cut_lock);
	INIT_LIST_HEAD(&buf->list);
	netbuf_drain_init(buf);
	netbuf_hook_init(buf);
	INIT_WORK(&buf->event_work, netbuf_event_work);
	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		netbuf_queue_init(&buf->queue[i], buf, i);
		__skb_queue_head_init(&buf->load.frames[i]);
	}
	return buf;
}

/**
 * netbuf_put() - drop a reference
 * @buf: freed with the last one
 *
 * Context: process.
 */
void netbuf_put(struct netbuf *buf)
{
	kobject_put(&buf->kobj);
}

static struct netbuf *find_by_dev(const struct net_device *dev)
{
	struct netbuf *buf;

	lockdep_assert_held(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list)
		if (buf->dev == dev)
			return buf;
	return NULL;
}

/**
 * netbuf_find() - the buffer of a netdev
 * @net: network namespace
 * @ifname: name of the netdev there
 *
 * Context: under netbuf_mutex.
 * Return: buffer, valid while the mutex is held, or NULL.
 */
struct netbuf *netbuf_find(struct net *net, const char *ifname)
{
	struct netbuf *buf;

	lockdep_assert_held(&netbuf_mutex);
	list_for_each_entry(buf, &netbuf_list, list)
		if (net_eq(dev_net(buf->dev), net) && !strcmp(buf->dev->name, ifname))
			return buf;
	return NULL;
}

/**
 * netbuf_get() - the buffer of a netdev, with a reference
 * @net: network namespace
 * @ifname: name of the netdev there
 * @extack: for the refusal
 *
 * Context: process; takes netbuf_mutex.
 * Return: buffer, or ERR_PTR(-ENOENT).
 */
struct netbuf *netbuf_get(struct net *net, const char *ifname, struct netlink_ext_ack *extack)
{
	struct netbuf *buf;

	mutex_lock(&netbuf_mutex);
	buf = netbuf_find(net, ifname);
	if (buf)
		kobject_get(&buf->kobj);
	mutex_unlock(&netbuf_mutex);
	if (buf)
		return buf;
	netbuf_say(extack, "no buffer is attached to it: see 'lparctl netbuf attach'");
	return ERR_PTR(-ENOENT);
}

static int alloc_flights(struct netbuf *buf)
{
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		buf->queue[i].flight = netbuf_flight_alloc(buf);
		if (!buf->queue[i].flight)
			return -ENOMEM;
	}
	return 0;
}

static void drop_frames(struct netbuf *buf)
{
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		netbuf_queue_flush(&buf->queue[i]);
	netbuf_load_abandon(buf);
}

/*
 * Nothing comes in or goes out any more. Once @gone is seen by all, which takes
 * synchronize_net() for cuts in hard-irq context, for frames in the hooks and for
 * those that land, and the mutexes for the others, nobody starts the works again.
 */
static void stop(struct netbuf *buf)
{
	unsigned int i;

	mutex_lock(&buf->op);
	WRITE_ONCE(buf->gone, true);
	netbuf_hook_remove(buf);
	mutex_unlock(&buf->op);
	kobject_del(&buf->kobj);
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		if (buf->queue[i].flight)
			netbuf_flight_detach(buf->queue[i].flight);
	synchronize_net();
	cancel_delayed_work_sync(&buf->drain);
	cancel_delayed_work_sync(&buf->unhook);
	cancel_work_sync(&buf->event_work);
}

/* Nothing passes unseen: who is to hold has hooks before. */
static int see_frames(struct netbuf *buf, struct netlink_ext_ack *extack)
{
	int err = netbuf_hook_add(buf);

	if (err)
		netbuf_say(extack, "its netfilter hooks cannot be registered: no memory, or too many are there");
	return err;
}

/* That it cannot shows now, and not only when it is to hold. */
static int try_hooks(struct netbuf *buf, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&buf->op);
	err = see_frames(buf, extack);
	mutex_unlock(&buf->op);
	return err;
}

/* In pass, so it does no harm that its files are there before its hooks. */
static int attach(struct net_device *dev, struct netlink_ext_ack *extack)
{
	struct netbuf *buf = new_buffer(dev);
	int err;

	if (!buf)
		return -ENOMEM;
	err = kobject_init_and_add(&buf->kobj, &netbuf_ktype, &dev->dev.kobj, "netbuf");
	err = err ?: alloc_flights(buf);
	err = err ?: netbuf_sysfs_add(buf);
	err = err ?: try_hooks(buf, extack);
	if (err) {
		/* Somebody who was quick may have let it hold by its files. */
		stop(buf);
		drop_frames(buf);
		netbuf_put(buf);
		return err;
	}
	netbuf_hook_rest(buf);
	netdev_hold(dev, &buf->tracker, GFP_KERNEL);
	__module_get(THIS_MODULE);
	list_add_tail(&buf->list, &netbuf_list);
	netbuf_event_send(NETBUF_EVENT_ATTACHED, buf);
	return 0;
}

/**
 * netbuf_attach() - give a netdev a buffer
 * @net: network namespace
 * @ifname: name of the netdev there
 * @extack: for the refusal, or for a warning
 *
 * Context: process; takes rtnl and netbuf_mutex.
 * Return: 0, -ENODEV, -EEXIST, -EOPNOTSUPP, -EBUSY, -ENOMEM, -E2BIG.
 */
int netbuf_attach(struct net *net, const char *ifname, struct netlink_ext_ack *extack)
{
	struct net_device *dev;
	const char *warning;
	int err = -ENODEV;

	rtnl_lock();
	mutex_lock(&netbuf_mutex);
	dev = __dev_get_by_name(net, ifname);
	if (!dev) {
		netbuf_say(extack, "there is no such netdev in this network namespace");
	} else if (find_by_dev(dev)) {
		netbuf_say(extack, "a buffer is attached to it already");
		err = -EEXIST;
	} else {
		err = check_device(dev, extack);
		err = err ?: attach(dev, extack);
		warning = err ? NULL : netbuf_blind_spot(dev);
		if (warning)
			netbuf_say(extack, warning);
	}
	mutex_unlock(&netbuf_mutex);
	rtnl_unlock();
	return err;
}

/* What is held is dropped. */
static void detach(struct netbuf *buf)
{
	struct bpf_prog *filter;

	ASSERT_RTNL();
	lockdep_assert_held(&netbuf_mutex);
	list_del(&buf->list);
	stop(buf);
	netbuf_event_send(NETBUF_EVENT_DETACHED, buf);
	drop_frames(buf);
	filter = rcu_dereference_protected(buf->filter, true);
	if (filter)
		bpf_prog_destroy(filter);
	netdev_put(buf->dev, &buf->tracker);
	netbuf_put(buf);
	module_put(THIS_MODULE);
}

static bool holds_frames(const struct netbuf *buf)
{
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		if (atomic_read(&buf->queue[i].state) != NETBUF_STATE_PASS ||
		    !skb_queue_empty_lockless(&buf->queue[i].frames))
			return true;
	return false;
}

/**
 * netbuf_detach() - take the buffer of a netdev away
 * @net: network namespace
 * @ifname: name of the netdev there
 * @force: even if it holds frames, which are dropped then
 * @extack: for the refusal
 *
 * Context: process; takes rtnl and netbuf_mutex.
 * Return: 0, -ENOENT, -EBUSY.
 */
int netbuf_detach(struct net *net, const char *ifname, bool force,
		  struct netlink_ext_ack *extack)
{
	struct netbuf *buf;
	int err = 0;

	rtnl_lock();
	mutex_lock(&netbuf_mutex);
	buf = netbuf_find(net, ifname);
	if (!buf) {
		netbuf_say(extack, "no buffer is attached to it");
		err = -ENOENT;
	} else if (!force && holds_frames(buf)) {
		netbuf_say(extack, "it holds or drains; drain it first, or give --force to drop its frames");
		err = -EBUSY;
	} else {
		detach(buf);
	}
	mutex_unlock(&netbuf_mutex);
	rtnl_unlock();
	return err;
}

/**
 * netbuf_state() - what a buffer does
 * @buf: buffer
 *
 * Context: any.
 * Return: hold or drain if one of the directions does so.
 */
enum netbuf_state netbuf_state(const struct netbuf *buf)
{
	enum netbuf_state state = NETBUF_STATE_PASS;
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		int one = atomic_read(&buf->queue[i].state);

		if (one == NETBUF_STATE_HOLD)
			return one;
		if (one == NETBUF_STATE_DRAIN)
			state = one;
	}
	return state;
}

/**
 * netbuf_hold() - hold from now on
 * @buf: buffer
 *
 * Context: any, also hard irq; under buf->cut_lock.
 * Return: true if that is new in either direction.
 */
bool netbuf_hold(struct netbuf *buf)
{
	bool starts = false;
	unsigned int i;

	lockdep_assert_held(&buf->cut_lock);
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		if (atomic_xchg(&buf->queue[i].state, NETBUF_STATE_HOLD) != NETBUF_STATE_HOLD)
			starts = true;
	return starts;
}

/**
 * netbuf_release() - let a drain send on what is held
 * @buf: buffer
 *
 * Context: any, also hard irq; under buf->cut_lock.
 * Return: true if a drain has to be started: it has held until now.
 */
bool netbuf_release(struct netbuf *buf)
{
	bool held = false;
	unsigned int i;

	lockdep_assert_held(&buf->cut_lock);
	for (i = 0; i < NETBUF_DIRECTIONS; i++)
		if (atomic_cmpxchg(&buf->queue[i].state, NETBUF_STATE_HOLD,
				   NETBUF_STATE_DRAIN) == NETBUF_STATE_HOLD)
			held = true;
	/* Before it can hold again. */
	WRITE_ONCE(buf->releases, buf->releases + held);
	return held;
}

static int refuse_state(struct netlink_ext_ack *extack)
{
	netbuf_say(extack, "hold or drain; pass is reached by drain, when all is sent on");
	return -EINVAL;
}

/**
 * netbuf_set_state() - hold or drain
 * @buf: buffer
 * @state: NETBUF_STATE_HOLD or NETBUF_STATE_DRAIN
 * @extack: for the refusal, or NULL
 *
 * Context: process.
 * Return: 0, -EINVAL for pass, -ENODEV when the netdev is gone, -ENOMEM or -E2BIG when
 * frames would not be seen; nothing has changed then.
 */
int netbuf_set_state(struct netbuf *buf, enum netbuf_state state, struct netlink_ext_ack *extack)
{
	bool starts = false;
	int err = 0;

	if (state != NETBUF_STATE_HOLD && state != NETBUF_STATE_DRAIN)
		return refuse_state(extack);
	mutex_lock(&buf->op);
	if (buf->gone) {
		err = -ENODEV;
		goto out;
	}
	if (state == NETBUF_STATE_HOLD)
		err = see_frames(buf, extack);
	if (err)
		goto out;
	/* Whatever a cut did, it is as its user says now. */
	raw_spin_lock_irq(&buf->cut_lock);
	buf->held_by_cut = 0;
	if (state == NETBUF_STATE_HOLD)
		netbuf_hold(buf);
	else
		starts = netbuf_release(buf);
	raw_spin_unlock_irq(&buf->cut_lock);
	netbuf_announce_state(buf);
	if (starts)
		netbuf_drain_start(buf);
out:
	mutex_unlock(&buf->op);
	return err;
}

/* The netdev leaves its network namespace, and keeps its buffer. */
static void leave(struct netbuf *buf)
{
	netbuf_hook_leave(buf);
	/* The loader's socket is not known in the new one. */
	netbuf_load_abandon(buf);
}

/* The second half of a move: the netdev is in its new network namespace. */
static void arrive(struct netbuf *buf)
{
	if (buf->net)
		return;
	if (netbuf_hook_enter(buf, dev_net(buf->dev))) {
		netdev_warn(buf->dev, "netbuf: no memory for its hooks in the new network namespace\n");
		detach(buf);
		return;
	}
	/* Also waits for an event that is on its way to the old one, which still lives. */
	netbuf_event_send(NETBUF_EVENT_MOVED, buf);
}

static int netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct netbuf *buf;

	if (event != NETDEV_UNREGISTER && event != NETDEV_REGISTER)
		return NOTIFY_DONE;
	mutex_lock(&netbuf_mutex);
	buf = find_by_dev(dev);
	if (!buf)
		goto out;
	if (event == NETDEV_REGISTER)
		arrive(buf);
	else if (dev->reg_state == NETREG_REGISTERED)
		leave(buf);
	else
		detach(buf);
out:
	mutex_unlock(&netbuf_mutex);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_notifier = {
	.notifier_call = netdev_event,
};

/**
 * netbuf_buffer_init() - follow what happens to netdevs
 *
 * Return: 0 or a negative errno.
 */
int netbuf_buffer_init(void)
{
	return register_netdevice_notifier(&netdev_notifier);
}

/**
 * netbuf_buffer_exit() - the reverse; no buffer is attached
 */
void netbuf_buffer_exit(void)
{
	unregister_netdevice_notifier(&netdev_notifier);
}
