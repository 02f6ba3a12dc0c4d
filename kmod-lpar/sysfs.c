// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/lpar/NAME: one value per file, for scripts. What the files mean
 * is in Documentation/ABI/testing/sysfs-class-lpar.
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include "lpar.h"

static struct lpar *to_lpar(struct device *dev)
{
	return dev_get_drvdata(dev);
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", lpar_state_name(READ_ONCE(to_lpar(dev)->state)));
}
static DEVICE_ATTR_RO(state);

static ssize_t reason_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	ssize_t len;

	mutex_lock(&lpar_mutex);
	len = sysfs_emit(buf, "%s\n", lpar->reason);
	mutex_unlock(&lpar_mutex);
	return len;
}
static DEVICE_ATTR_RO(reason);

static ssize_t cpus_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	ssize_t len;

	mutex_lock(&lpar_mutex);
	len = sysfs_emit(buf, "%*pbl\n", cpumask_pr_args(&lpar->config.cpus));
	mutex_unlock(&lpar_mutex);
	return len;
}
static DEVICE_ATTR_RO(cpus);

static ssize_t memory_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(to_lpar(dev)->config.memory_bytes));
}
static DEVICE_ATTR_RO(memory);

/* Bytes of the memory that there is now. */
static ssize_t show_bytes(struct device *dev, u64 (*bytes_of)(const struct lpar_memory *memory),
			  char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	u64 bytes;

	mutex_lock(&lpar_mutex);
	bytes = lpar->memory ? bytes_of(lpar->memory) : 0;
	mutex_unlock(&lpar_mutex);
	return sysfs_emit(buf, "%llu\n", bytes);
}

static ssize_t memory_small_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_bytes(dev, lpar_memory_small, buf);
}
static DEVICE_ATTR_RO(memory_small);

static ssize_t memory_bad_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_bytes(dev, lpar_memory_bad, buf);
}
static DEVICE_ATTR_RO(memory_bad);

static ssize_t memory_left_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return show_bytes(dev, lpar_memory_left, buf);
}
static DEVICE_ATTR_RO(memory_left);

static ssize_t node_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_lpar(dev)->config.node));
}
static DEVICE_ATTR_RO(node);

static ssize_t pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	bool large = READ_ONCE(to_lpar(dev)->config.pages) == LPAR_PAGES_LARGE;

	return sysfs_emit(buf, "%s\n", large ? "large" : "any");
}
static DEVICE_ATTR_RO(pages);

/*
 * Adds an entry to a list in a page. False if there is no room: "..." stands for it, and for
 * those that would follow.
 */
static bool add_entry(char *buf, ssize_t *len, const char *separator, const char *entry)
{
	static const char more[] = "...";
	const char *before = *len ? separator : "";
	bool room = *len + strlen(separator) + strlen(entry) + sizeof(more) + 1 < PAGE_SIZE;

	*len += sysfs_emit_at(buf, *len, "%s%s", before, room ? entry : more);
	return room;
}

static ssize_t members_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const unsigned int max = PAGE_SIZE / 2;
	pid_t *pids = kmalloc_array(max, sizeof(*pids), GFP_KERNEL);
	unsigned int n, i;
	ssize_t len = 0;
	char pid[12];

	if (!pids)
		return -ENOMEM;
	/* More than fit in any case. */
	n = lpar_member_list(to_lpar(dev), pids, max, NULL);
	for (i = 0; i < n; i++) {
		snprintf(pid, sizeof(pid), "%d", pids[i]);
		if (!add_entry(buf, &len, " ", pid))
			break;
	}
	kfree(pids);
	return len + sysfs_emit_at(buf, len, "\n");
}
static DEVICE_ATTR_RO(members);

static ssize_t holder_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	pid_t pid;

	mutex_lock(&lpar_mutex);
	pid = lpar->memory ? lpar_memory_holder(lpar->memory) : 0;
	mutex_unlock(&lpar_mutex);
	return pid ? sysfs_emit(buf, "%d\n", pid) : sysfs_emit(buf, "\n");
}
static DEVICE_ATTR_RO(holder);

static ssize_t grants_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	pid_t pids[LPAR_GRANTS_MAX];
	unsigned int n = 0, i;
	ssize_t len = 0;

	mutex_lock(&lpar_mutex);
	if (lpar->memory)
		n = lpar_grants_list(lpar_memory_grants(lpar->memory), pids);
	mutex_unlock(&lpar_mutex);
	for (i = 0; i < n; i++)
		len += sysfs_emit_at(buf, len, "%s%d", i ? " " : "", pids[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}
static DEVICE_ATTR_RO(grants);

static ssize_t disks_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct lpar *lpar = to_lpar(dev);
	const struct lpar_disk *disk;
	ssize_t len = 0;

	mutex_lock(&lpar_mutex);
	list_for_each_entry(disk, &lpar->config.disks, node)
		if (!add_entry(buf, &len, "\n", disk->path))
			break;
	mutex_unlock(&lpar_mutex);
	return len ? len + sysfs_emit_at(buf, len, "\n") : 0;
}
static DEVICE_ATTR_RO(disks);

static ssize_t violations_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n", atomic64_read(&to_lpar(dev)->violations));
}
static DEVICE_ATTR_RO(violations);

static ssize_t strays_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n", atomic64_read(&to_lpar(dev)->strays));
}
static DEVICE_ATTR_RO(strays);

static ssize_t gate_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[LPAR_GATE_OPEN]	= "open",
		[LPAR_GATE_ARMED]	= "armed",
		[LPAR_GATE_CLOSED]	= "closed",
	};

	return sysfs_emit(buf, "%s\n", names[lpar_gate_state(&to_lpar(dev)->gate)]);
}

static ssize_t gate_store(struct device *dev, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct lpar *lpar = to_lpar(dev);
	int err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (sysfs_streq(buf, "open")) {
		lpar_gate_open(lpar);
	} else if (sysfs_streq(buf, "close")) {
		err = lpar_lock_op(lpar);
		if (err)
			return err;
		err = lpar_gate_close(lpar, 0, NULL);
		mutex_unlock(&lpar->op);
	} else {
		err = -EINVAL;
	}
	return err ?: count;
}
static DEVICE_ATTR_RW(gate);

static ssize_t gate_timeout_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_lpar(dev)->config.gate_timeout_ms));
}

static ssize_t gate_timeout_ms_store(struct device *dev, struct device_attribute *attr,
				     const char *buf, size_t count)
{
	u32 timeout_ms;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = kstrtou32(buf, 0, &timeout_ms);
	return err ?: lpar_set_gate_timeout(to_lpar(dev), timeout_ms, NULL) ?: count;
}
static DEVICE_ATTR_RW(gate_timeout_ms);

static ssize_t gate_vcpus_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_lpar(dev)->gate.nr_vcpus));
}
static DEVICE_ATTR_RO(gate_vcpus);

static ssize_t gate_held_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_lpar(dev)->gate.nr_held));
}
static DEVICE_ATTR_RO(gate_held);

static ssize_t gate_stop_ns_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n", lpar_gate_stop_ns(&to_lpar(dev)->gate));
}
static DEVICE_ATTR_RO(gate_stop_ns);

static struct attribute *lpar_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_reason.attr,
	&dev_attr_cpus.attr,
	&dev_attr_memory.attr,
	&dev_attr_memory_small.attr,
	&dev_attr_memory_bad.attr,
	&dev_attr_memory_left.attr,
	&dev_attr_node.attr,
	&dev_attr_pages.attr,
	&dev_attr_members.attr,
	&dev_attr_holder.attr,
	&dev_attr_grants.attr,
	&dev_attr_disks.attr,
	&dev_attr_violations.attr,
	&dev_attr_strays.attr,
	&dev_attr_gate.attr,
	&dev_attr_gate_timeout_ms.attr,
	&dev_attr_gate_vcpus.attr,
	&dev_attr_gate_held.attr,
	&dev_attr_gate_stop_ns.attr,
	NULL,
};

static const struct attribute_group lpar_group = {
	.attrs = lpar_attrs,
};

static struct lpar_stage get_stage(struct device *dev)
{
	struct lpar_stage stage;

	mutex_lock(&lpar_mutex);
	stage = to_lpar(dev)->stage;
	mutex_unlock(&lpar_mutex);
	return stage;
}

/* Changes one field: @set parses @buf into the stage. */
static ssize_t store_stage(struct device *dev, const char *buf, size_t count,
			   int (*set)(struct lpar_stage *stage, const char *buf))
{
	struct lpar *lpar = to_lpar(dev);
	struct lpar_stage stage;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = lpar_lock_op(lpar);
	if (err)
		return err;
	stage = get_stage(dev);
	err = set(&stage, buf);
	err = err ?: lpar_set_stage(lpar, &stage, NULL, NULL);
	mutex_unlock(&lpar->op);
	return err ?: count;
}

static ssize_t number_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", get_stage(dev).number);
}

static int set_number(struct lpar_stage *stage, const char *buf)
{
	return kstrtou32(buf, 0, &stage->number);
}

static ssize_t number_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t count)
{
	return store_stage(dev, buf, count, set_number);
}
static DEVICE_ATTR_RW(number);

static ssize_t text_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", get_stage(dev).text);
}

static int set_text(struct lpar_stage *stage, const char *buf)
{
	size_t len = strcspn(buf, "\n");

	if (len > LPAR_STAGE_TEXT_MAX)
		return -EINVAL;
	memcpy(stage->text, buf, len);
	stage->text[len] = '\0';
	return 0;
}

static ssize_t text_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	return store_stage(dev, buf, count, set_text);
}
static DEVICE_ATTR_RW(text);

static ssize_t progress_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", get_stage(dev).progress);
}

static int set_progress(struct lpar_stage *stage, const char *buf)
{
	int err = kstrtou32(buf, 0, &stage->progress);

	return err ?: stage->progress > 100 ? -EINVAL : 0;
}

static ssize_t progress_store(struct device *dev, struct device_attribute *attr, const char *buf,
			      size_t count)
{
	return store_stage(dev, buf, count, set_progress);
}
static DEVICE_ATTR_RW(progress);

static ssize_t transfer_rate_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", get_stage(dev).transfer_rate);
}

static int set_transfer_rate(struct lpar_stage *stage, const char *buf)
{
	return kstrtou64(buf, 0, &stage->transfer_rate);
}

static ssize_t transfer_rate_store(struct device *dev, struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return store_stage(dev, buf, count, set_transfer_rate);
}
static DEVICE_ATTR_RW(transfer_rate);

static ssize_t dirty_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", get_stage(dev).dirty_bytes);
}

static int set_dirty_bytes(struct lpar_stage *stage, const char *buf)
{
	return kstrtou64(buf, 0, &stage->dirty_bytes);
}

static ssize_t dirty_bytes_store(struct device *dev, struct device_attribute *attr,
				 const char *buf, size_t count)
{
	return store_stage(dev, buf, count, set_dirty_bytes);
}
static DEVICE_ATTR_RW(dirty_bytes);

static struct attribute *stage_attrs[] = {
	&dev_attr_number.attr,
	&dev_attr_text.attr,
	&dev_attr_progress.attr,
	&dev_attr_transfer_rate.attr,
	&dev_attr_dirty_bytes.attr,
	NULL,
};

static const struct attribute_group stage_group = {
	.name = "stage",
	.attrs = stage_attrs,
};

static const struct attribute_group *lpar_groups[] = {
	&lpar_group,
	&stage_group,
	NULL,
};

static struct class lpar_class = {
	.name = "lpar",
};

static const char *const polled[LPAR_FILES] = {
	[LPAR_FILE_STATE]		= "state",
	[LPAR_FILE_REASON]		= "reason",
	[LPAR_FILE_MEMORY_BAD]		= "memory_bad",
	[LPAR_FILE_MEMBERS]		= "members",
	[LPAR_FILE_HOLDER]		= "holder",
	[LPAR_FILE_VIOLATIONS]		= "violations",
	[LPAR_FILE_STRAYS]		= "strays",
	[LPAR_FILE_GATE]		= "gate",
	[LPAR_FILE_STAGE_NUMBER]	= "number",
	[LPAR_FILE_STAGE_TEXT]		= "text",
	[LPAR_FILE_STAGE_PROGRESS]	= "progress",
	[LPAR_FILE_STAGE_TRANSFER_RATE]	= "transfer_rate",
	[LPAR_FILE_STAGE_DIRTY_BYTES]	= "dirty_bytes",
};

/* They were made with the device. */
static void find_polled(struct lpar *lpar)
{
	struct kernfs_node *dir = lpar->dev->kobj.sd;
	struct kernfs_node *stage = sysfs_get_dirent(dir, stage_group.name);
	enum lpar_file file;

	for (file = 0; file < LPAR_FILES; file++)
		lpar->files[file] = sysfs_get_dirent(file < LPAR_FILE_STAGE ? dir : stage,
						     polled[file]);
	sysfs_put(stage);
}

/**
 * lpar_sysfs_add() - make /sys/class/lpar/NAME
 * @lpar: LPAR; keeps references to the device and to files until lpar_sysfs_free()
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int lpar_sysfs_add(struct lpar *lpar)
{
	struct device *dev = device_create_with_groups(&lpar_class, NULL, 0, lpar, lpar_groups,
						       "%s", lpar->name);

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	lpar->dev = get_device(dev);
	find_polled(lpar);
	return 0;
}

/**
 * lpar_sysfs_del() - remove it
 * @lpar: LPAR
 *
 * Context: may sleep; waits for those who read or write the files, so the
 * caller must not hold lpar_mutex.
 */
void lpar_sysfs_del(struct lpar *lpar)
{
	device_unregister(lpar->dev);
}

/**
 * lpar_sysfs_free() - drop what is kept of it
 * @lpar: LPAR that has no user any more
 *
 * Context: may sleep.
 */
void lpar_sysfs_free(struct lpar *lpar)
{
	enum lpar_file file;

	for (file = 0; file < LPAR_FILES; file++)
		sysfs_put(lpar->files[file]);
	put_device(lpar->dev);
}

/**
 * lpar_sysfs_init() - make /sys/class/lpar
 *
 * Return: 0 or a negative errno.
 */
int lpar_sysfs_init(void)
{
	return class_register(&lpar_class);
}

/**
 * lpar_sysfs_exit() - remove it
 */
void lpar_sysfs_exit(void)
{
	class_unregister(&lpar_class);
}
