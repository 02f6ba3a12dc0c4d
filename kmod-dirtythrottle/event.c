// SPDX-License-Identifier: GPL-2.0
/* Events: what changed, to netlink's multicast group "events". */
#include <linux/pci.h>
#include <linux/pid.h>
#include <net/genetlink.h>
#include "dirtythrottle.h"
#include "msi.h"

/* Keeps the numbers of events in the order in which they are sent. */
static DEFINE_MUTEX(event_mutex);
static u64 last_seq;
static bool is_over;

static int fill_target(struct sk_buff *skb, const void *about)
{
	const struct dt_target *target = about;

	if (nla_put_u32(skb, DT_A_PID, pid_nr(target->pid)) ||
	    nla_put_u32(skb, DT_A_STATE, target->state) ||
	    (target->reason && nla_put_string(skb, DT_A_REASON, target->reason)) ||
	    nla_put_u64_64bit(skb, DT_A_EFFECTIVE_LIMIT, target->effective_limit, DT_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int fill_device(struct sk_buff *skb, const void *about)
{
	const struct dt_device *device = about;

	if (nla_put_string(skb, DT_A_ADDRESS, pci_name(device->pdev)) ||
	    nla_put_u32(skb, DT_A_STATE, device->state) ||
	    (device->reason && nla_put_string(skb, DT_A_REASON, device->reason)))
		return -EMSGSIZE;
	return 0;
}

static int fill(struct sk_buff *skb, enum dt_event event,
		int (*put)(struct sk_buff *skb, const void *about), const void *about)
{
	void *header = genlmsg_put(skb, 0, 0, &dt_genl_family, 0, DT_CMD_EVENT);

	if (!header ||
	    nla_put_u32(skb, DT_A_EVENT, event) ||
	    nla_put_u64_64bit(skb, DT_A_EVENT_SEQ, last_seq, DT_A_PAD) ||
	    nla_put_u64_64bit(skb, DT_A_EVENT_TIME_NS, ktime_get_real_ns(), DT_A_PAD) ||
	    put(skb, about))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

static void send(enum dt_event event, int (*put)(struct sk_buff *skb, const void *about),
		 const void *about)
{
	struct sk_buff *skb;

	lockdep_assert_held(&event_mutex);
	last_seq++;
	if (is_over || !genl_has_listeners(&dt_genl_family, &init_net, 0))
		return;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (fill(skb, event, put, about))
		nlmsg_free(skb);
	else
		genlmsg_multicast(&dt_genl_family, skb, 0, 0, GFP_KERNEL);
}

/**
 * dt_event_send() - tell the listeners
 * @event: what
 * @target: about which target
 *
 * An event that finds no memory is lost; its number shows the gap.
 *
 * Context: process.
 */
void dt_event_send(enum dt_event event, const struct dt_target *target)
{
	mutex_lock(&event_mutex);
	send(event, fill_target, target);
	mutex_unlock(&event_mutex);
}

/**
 * dt_event_send_device() - tell the listeners
 * @event: what
 * @device: about which device
 *
 * Context: process.
 */
void dt_event_send_device(enum dt_event event, const struct dt_device *device)
{
	mutex_lock(&event_mutex);
	send(event, fill_device, device);
	mutex_unlock(&event_mutex);
}

/**
 * dt_event_exit() - the family goes; no event is sent after this
 *
 * Context: process.
 */
void dt_event_exit(void)
{
	mutex_lock(&event_mutex);
	is_over = true;
	mutex_unlock(&event_mutex);
}
