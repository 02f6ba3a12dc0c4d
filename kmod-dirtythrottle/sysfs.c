// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/dirtythrottle/PID: one value per file; see
 * Documentation/ABI/testing/sysfs-class-dirtythrottle. Nothing here takes
 * dt_mutex, since detach waits, with it, for those who are in here.
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/math64.h>
#include <linux/pid.h>
#include <linux/sysfs.h>
#include "dirtythrottle.h"

static const char *const mode_names[] = {
	[DT_MODE_COUNT] = "count",
	[DT_MODE_LIMIT] = "limit",
	[DT_MODE_DELAY] = "delay",
	[DT_MODE_AUTO] = "auto",
};

static const char *const state_names[] = {
	[DT_STATE_BLOCKED] = "blocked",
	[DT_STATE_ARMED] = "armed",
	[DT_STATE_THROTTLING] = "throttling",
};

static struct dt_target *to_target(struct device *dev)
{
	return dev_get_drvdata(dev);
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dt_target *target = to_target(dev);
	ssize_t len;

	mutex_lock(&target->op);
	len = sysfs_emit(buf, "%s", state_names[target->state]);
	if (target->reason)
		len += sysfs_emit_at(buf, len, " (%s)", target->reason);
	len += sysfs_emit_at(buf, len, "\n");
	mutex_unlock(&target->op);
	return len;
}
static DEVICE_ATTR_RO(state);

/* A number that is computed with the target's op held. */
static ssize_t show_number(struct device *dev, char *buf, u64 (*compute)(struct dt_target *target))
{
	struct dt_target *target = to_target(dev);
	u64 number;

	mutex_lock(&target->op);
	number = compute(target);
	mutex_unlock(&target->op);
	return sysfs_emit(buf, "%llu\n", number);
}

#define DT_NUMBER(_name, _expression) \
	static u64 _name##_of(struct dt_target *target) \
	{ \
		return _expression; \
	} \
	static ssize_t _name##_show(struct device *dev, struct device_attribute *attr, char *buf) \
	{ \
		return show_number(dev, buf, _name##_of); \
	}

static struct dt_counters counters_of(struct dt_target *target)
{
	struct dt_counters sum;

	dt_vcpu_sum(target, &sum);
	return sum;
}

/* Empty when a ring takes the place of the log. */
static ssize_t dirty_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dt_target *target = to_target(dev);
	ssize_t len;

	mutex_lock(&target->op);
	len = target->census.has_bitmap ?
	      sysfs_emit(buf, "%llu\n", target->census.dirty_pages * PAGE_SIZE) :
	      sysfs_emit(buf, "\n");
	mutex_unlock(&target->op);
	return len;
}
static DEVICE_ATTR_RO(dirty_bytes);

/* What can be said when it is known how fast memory is transferred. */
static bool find_outlook(struct device *dev, struct dt_outlook *outlook)
{
	struct dt_target *target = to_target(dev);
	bool known;

	mutex_lock(&target->op);
	known = dt_target_outlook(target, counters_of(target).pages, outlook);
	mutex_unlock(&target->op);
	return known;
}

/* Empty when it is not known; so is converging. */
static ssize_t pass_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dt_outlook outlook;
	bool known = find_outlook(dev, &outlook);

	return known ? sysfs_emit(buf, "%llu\n", outlook.pass_ms) : sysfs_emit(buf, "\n");
}
static DEVICE_ATTR_RO(pass_ms);

static ssize_t converging_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct dt_outlook outlook;
	bool known = find_outlook(dev, &outlook);

	return known ? sysfs_emit(buf, "%d\n", outlook.converging) : sysfs_emit(buf, "\n");
}
static DEVICE_ATTR_RO(converging);

DT_NUMBER(effective_limit, target->effective_limit)
static DEVICE_ATTR_RO(effective_limit);

DT_NUMBER(rate_1s, dt_target_rate(target, counters_of(target).pages, 1))
static DEVICE_ATTR_RO(rate_1s);

DT_NUMBER(rate_10s, dt_target_rate(target, counters_of(target).pages, 10))
static DEVICE_ATTR_RO(rate_10s);

DT_NUMBER(share, target->settings.share)
static DEVICE_ATTR_RO(share);

DT_NUMBER(timeout_ms, target->settings.timeout_ms)
static DEVICE_ATTR_RO(timeout_ms);

DT_NUMBER(faults, counters_of(target).faults)
static DEVICE_ATTR_RO(faults);

DT_NUMBER(pages, counters_of(target).pages)
static DEVICE_ATTR_RO(pages);

DT_NUMBER(delayed_us, div_u64(counters_of(target).delayed_ns, NSEC_PER_USEC))
static DEVICE_ATTR_RO(delayed_us);

/* Reads a number and changes the settings with it. */
static ssize_t change(struct device *dev, const char *buf, size_t count,
		      void (*apply)(struct dt_settings *settings, u64 value))
{
	struct dt_target *target = to_target(dev);
	struct dt_settings settings;
	u64 value;
	int err = kstrtou64(buf, 0, &value);

	if (err)
		return err;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&target->op);
	settings = target->settings;
	apply(&settings, value);
	err = dt_target_set(target, &settings, NULL);
	mutex_unlock(&target->op);
	return err ?: count;
}

DT_NUMBER(limit, target->settings.limit)

static void set_limit(struct dt_settings *settings, u64 value)
{
	settings->mode = value ? DT_MODE_LIMIT : DT_MODE_COUNT;
	settings->limit = value;
}

static ssize_t limit_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	return change(dev, buf, count, set_limit);
}
static DEVICE_ATTR_RW(limit);

DT_NUMBER(delay_us, target->settings.delay_us)

static void set_delay_us(struct dt_settings *settings, u64 value)
{
	settings->mode = value ? DT_MODE_DELAY : DT_MODE_COUNT;
	settings->delay_us = min_t(u64, value, U32_MAX);
}

static ssize_t delay_us_store(struct device *dev, struct device_attribute *attr, const char *buf,
			      size_t count)
{
	return change(dev, buf, count, set_delay_us);
}
static DEVICE_ATTR_RW(delay_us);

DT_NUMBER(transfer_rate, target->settings.transfer_rate)

static void set_transfer_rate(struct dt_settings *settings, u64 value)
{
	settings->transfer_rate = value;
}

static ssize_t transfer_rate_store(struct device *dev, struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return change(dev, buf, count, set_transfer_rate);
}
static DEVICE_ATTR_RW(transfer_rate);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", mode_names[READ_ONCE(to_target(dev)->settings.mode)]);
}
static DEVICE_ATTR_RO(mode);

static ssize_t source_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return dt_no_marks ? sysfs_emit(buf, "faults (%s)\n", dt_no_marks) :
			     sysfs_emit(buf, "log\n");
}
static DEVICE_ATTR_RO(source);

static struct attribute *dt_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_source.attr,
	&dev_attr_mode.attr,
	&dev_attr_limit.attr,
	&dev_attr_delay_us.attr,
	&dev_attr_share.attr,
	&dev_attr_transfer_rate.attr,
	&dev_attr_timeout_ms.attr,
	&dev_attr_effective_limit.attr,
	&dev_attr_rate_1s.attr,
	&dev_attr_rate_10s.attr,
	&dev_attr_dirty_bytes.attr,
	&dev_attr_pass_ms.attr,
	&dev_attr_converging.attr,
	&dev_attr_faults.attr,
	&dev_attr_pages.attr,
	&dev_attr_delayed_us.attr,
	NULL,
};
ATTRIBUTE_GROUPS(dt);

static struct class dt_class = {
	.name = "dirtythrottle",
};

/**
 * dt_sysfs_add() - make /sys/class/dirtythrottle/PID
 * @target: target
 *
 * Context: may sleep, under dt_mutex.
 * Return: 0 or a negative errno.
 */
int dt_sysfs_add(struct dt_target *target)
{
	struct device *dev = device_create_with_groups(&dt_class, NULL, 0, target, dt_groups,
						       "%d", pid_nr(target->pid));

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	target->dev = dev;
	return 0;
}

/**
 * dt_sysfs_del() - remove it
 * @target: target, gone
 *
 * Context: may sleep, under dt_mutex; waits for those who read or write the
 * files, so the caller must not hold the target's op.
 */
void dt_sysfs_del(struct dt_target *target)
{
	device_unregister(target->dev);
}

/**
 * dt_sysfs_init() - make /sys/class/dirtythrottle
 *
 * Return: 0 or a negative errno.
 */
int dt_sysfs_init(void)
{
	return class_register(&dt_class);
}

/**
 * dt_sysfs_exit() - remove it
 */
void dt_sysfs_exit(void)
{
	class_unregister(&dt_class);
}
