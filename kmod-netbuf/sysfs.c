// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/net/IFNAME/netbuf: one value per file; see
 * Documentation/ABI/testing/sysfs-class-net-netbuf. Nothing here takes rtnl or
 * netbuf_mutex, since detach waits, with both, for those who are in here.
 */
#include <linux/capability.h>
#include <linux/sysfs.h>
#include "netbuf.h"

/**
 * struct netbuf_attribute - one file
 * @attr: name and mode
 * @show: prints its value
 * @store: takes a new one
 */
struct netbuf_attribute {
	struct attribute attr;
	ssize_t (*show)(struct netbuf *buf, char *page);
	int (*store)(struct netbuf *buf, const char *page);
};

#define NETBUF_ATTR_RO(_name) \
	static const struct netbuf_attribute attr_##_name = { \
		.attr = { .name = #_name, .mode = 0444 }, .show = _name##_show }
#define NETBUF_ATTR_RW(_name) \
	static const struct netbuf_attribute attr_##_name = { \
		.attr = { .name = #_name, .mode = 0644 }, .show = _name##_show, \
		.store = _name##_store }

static const char *const state_names[] = {
	[NETBUF_STATE_PASS] = "pass",
	[NETBUF_STATE_HOLD] = "hold",
	[NETBUF_STATE_DRAIN] = "drain",
};

static const char *const policy_names[] = {
	[NETBUF_POLICY_TAIL_DROP] = "tail-drop",
	[NETBUF_POLICY_HEAD_DROP] = "head-drop",
	[NETBUF_POLICY_PASS] = "pass",
};

static ssize_t state_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%s\n", state_names[netbuf_state(buf)]);
}

static int state_store(struct netbuf *buf, const char *page)
{
	int state = sysfs_match_string(state_names, page);

	return state < 0 ? state : netbuf_set_state(buf, state, NULL);
}
NETBUF_ATTR_RW(state);

static ssize_t rxpcnt_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%u\n",
			  skb_queue_len_lockless(&buf->queue[NETBUF_INGRESS].frames));
}
NETBUF_ATTR_RO(rxpcnt);

static ssize_t txpcnt_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%u\n", skb_queue_len_lockless(&buf->queue[NETBUF_EGRESS].frames));
}
NETBUF_ATTR_RO(txpcnt);

/* The sum over both directions of a u64 at this offset in struct netbuf_queue. */
static u64 sum(struct netbuf *buf, size_t offset)
{
	u64 total = 0;
	unsigned int i;

	for (i = 0; i < NETBUF_DIRECTIONS; i++) {
		struct netbuf_queue *queue = &buf->queue[i];

		spin_lock_bh(&queue->frames.lock);
		total += *(u64 *)((void *)queue + offset);
		spin_unlock_bh(&queue->frames.lock);
	}
	return total;
}

#define NETBUF_ATTR_SUM(_name, _member) \
	static ssize_t _name##_show(struct netbuf *buf, char *page) \
	{ \
		return sysfs_emit(page, "%llu\n", \
				  sum(buf, offsetof(struct netbuf_queue, _member))); \
	} \
	NETBUF_ATTR_RO(_name)

NETBUF_ATTR_SUM(bytes, bytes);
NETBUF_ATTR_SUM(peak_bytes, peak_bytes);
NETBUF_ATTR_SUM(dropped_limit, counters.dropped_limit);
NETBUF_ATTR_SUM(dropped_memory, counters.dropped_memory);
NETBUF_ATTR_SUM(dropped_filter, counters.dropped_filter);
NETBUF_ATTR_SUM(dropped_below, counters.dropped_below);
NETBUF_ATTR_SUM(passed_limit, counters.passed_limit);
NETBUF_ATTR_SUM(unholdable, counters.unholdable);
NETBUF_ATTR_SUM(flushed, counters.flushed);

static struct netbuf_limits limits_of(struct netbuf *buf)
{
	return netbuf_queue_limits(&buf->queue[0]);
}

/* Reads a number of at least 1 and changes one of the limits. */
static int change_limits(struct netbuf *buf, const char *page, u64 max,
			 void (*change)(struct netbuf_limits *limits, u64 value))
{
	struct netbuf_limits limits;
	u64 value;
	int err = kstrtou64(page, 0, &value);

	if (!err && (!value || value > max))
		err = -ERANGE;
	if (err)
		return err;
	mutex_lock(&buf->op);
	limits = limits_of(buf);
	change(&limits, value);
	netbuf_set_limits(buf, &limits);
	mutex_unlock(&buf->op);
	return 0;
}

static ssize_t limit_frames_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%u\n", limits_of(buf).frames);
}

static void set_frames(struct netbuf_limits *limits, u64 value)
{
	limits->frames = value;
}

static int limit_frames_store(struct netbuf *buf, const char *page)
{
	return change_limits(buf, page, U32_MAX, set_frames);
}
NETBUF_ATTR_RW(limit_frames);

static ssize_t limit_bytes_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%llu\n", limits_of(buf).bytes);
}

static void set_bytes(struct netbuf_limits *limits, u64 value)
{
	limits->bytes = value;
}

static int limit_bytes_store(struct netbuf *buf, const char *page)
{
	return change_limits(buf, page, U64_MAX, set_bytes);
}
NETBUF_ATTR_RW(limit_bytes);

static ssize_t high_water_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%u\n", limits_of(buf).high_water);
}

static void set_high_water(struct netbuf_limits *limits, u64 value)
{
	limits->high_water = value;
}

static int high_water_store(struct netbuf *buf, const char *page)
{
	return change_limits(buf, page, 100, set_high_water);
}
NETBUF_ATTR_RW(high_water);

static ssize_t policy_show(struct netbuf *buf, char *page)
{
	return sysfs_emit(page, "%s\n", policy_names[limits_of(buf).policy]);
}

static int policy_store(struct netbuf *buf, const char *page)
{
	int policy = sysfs_match_string(policy_names, page);
	struct netbuf_limits limits;

	if (policy < 0)
		return policy;
	mutex_lock(&buf->op);
	limits = limits_of(buf);
	limits.policy = policy;
	netbuf_set_limits(buf, &limits);
	mutex_unlock(&buf->op);
	return 0;
}
NETBUF_ATTR_RW(policy);

static ssize_t lpar_show(struct netbuf *buf, char *page)
{
	ssize_t len;

	mutex_lock(&buf->op);
	len = sysfs_emit(page, "%s\n", buf->settings.lpar);
	mutex_unlock(&buf->op);
	return len;
}
NETBUF_ATTR_RO(lpar);

static const struct attribute *const netbuf_attrs[] = {
	&attr_state.attr,
	&attr_rxpcnt.attr,
	&attr_txpcnt.attr,
	&attr_bytes.attr,
	&attr_peak_bytes.attr,
	&attr_dropped_limit.attr,
	&attr_dropped_memory.attr,
	&attr_dropped_filter.attr,
	&attr_dropped_below.attr,
	&attr_passed_limit.attr,
	&attr_unholdable.attr,
	&attr_flushed.attr,
	&attr_limit_frames.attr,
	&attr_limit_bytes.attr,
	&attr_high_water.attr,
	&attr_policy.attr,
	&attr_lpar.attr,
	NULL,
};

static struct netbuf_attribute *to_netbuf_attribute(struct attribute *attr)
{
	return container_of(attr, struct netbuf_attribute, attr);
}

static struct netbuf *to_netbuf(struct kobject *kobj)
{
	return container_of(kobj, struct netbuf, kobj);
}

static ssize_t show(struct kobject *kobj, struct attribute *attr, char *page)
{
	return to_netbuf_attribute(attr)->show(to_netbuf(kobj), page);
}

static ssize_t store(struct kobject *kobj, struct attribute *attr, const char *page, size_t count)
{
	struct netbuf_attribute *mine = to_netbuf_attribute(attr);

	if (!mine->store)
		return -EIO;
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	return mine->store(to_netbuf(kobj), page) ?: count;
}

const struct sysfs_ops netbuf_sysfs_ops = {
	.show = show,
	.store = store,
};

/**
 * netbuf_sysfs_add() - make the files
 * @buf: buffer with its directory; kobject_del() removes both
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int netbuf_sysfs_add(struct netbuf *buf)
{
	return sysfs_create_files(&buf->kobj, (const struct attribute **)netbuf_attrs);
}
