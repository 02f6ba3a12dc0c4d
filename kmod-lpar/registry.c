// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of LPARs: names, configuration, states.
 *
 * Every resource is in one LPAR at most, from its definition on, so that
 * activation never has to arbitrate between two LPARs.
 */
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/netlink.h>
#include "lpar.h"

/* Guards lpar_list and what lpar.h says of its members. */
DEFINE_MUTEX(lpar_mutex);
LIST_HEAD(lpar_list);
static u64 last_serial;

static const char *const state_names[] = {
	[LPAR_STATE_DEFINED]	= "defined",
	[LPAR_STATE_ACTIVE]	= "active",
	[LPAR_STATE_MIGRATING]	= "migrating",
	[LPAR_STATE_SAVED]	= "saved",
	[LPAR_STATE_DEGRADED]	= "degraded",
};

/**
 * lpar_problem() - say why an operation is refused
 * @report: where to say it, or NULL
 * @err: negative errno
 * @fmt: one line that names the remedy
 *
 * Context: any that may call vsnprintf().
 * Return: @err, or 0 when all problems are being collected.
 */
int lpar_problem(struct lpar_report *report, int err, const char *fmt, ...)
{
	va_list args;

	if (!report)
		return err;
	va_start(args, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, args);
	va_end(args);
	if (report->skb)
		return nla_put_string(report->skb, LPAR_A_PROBLEM, report->text);
	report->extack->_msg = report->text;
	return err;
}

/**
 * lpar_name_valid() - is this a name for an LPAR?
 * @name: NUL-terminated
 *
 * Return: true for [a-z0-9._-]{1,31} except "." and "..", which are no file names, and
 * what begins with "-", which programs take for an option.
 */
bool lpar_name_valid(const char *name)
{
	size_t len = strlen(name);
	size_t i;

	if (len < 1 || len > LPAR_NAME_MAX || !strcmp(name, ".") || !strcmp(name, "..") ||
	    *name == '-')
		return false;
	for (i = 0; i < len; i++)
		if (!islower(name[i]) && !isdigit(name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

/**
 * lpar_state_name() - a state as sysfs shows it
 * @state: state
 *
 * Return: static string.
 */
const char *lpar_state_name(enum lpar_state state)
{
	return state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

/**
 * lpar_state_is_active() - are the resources fenced in this state?
 * @state: state
 *
 * Return: true if so.
 */
bool lpar_state_is_active(enum lpar_state state)
{
	return state != LPAR_STATE_DEFINED;
}

/**
 * lpar_state_may_follow() - may whoever runs a long operation change the state so?
 * @from: present state
 * @to: wanted state
 *
 * Activation, deactivation and hot-unplug make the other changes themselves.
 *
 * Return: true if so.
 */
bool lpar_state_may_follow(enum lpar_state from, enum lpar_state to)
{
	switch (to) {
	case LPAR_STATE_ACTIVE:
		return from == LPAR_STATE_MIGRATING || from == LPAR_STATE_SAVED ||
		       from == LPAR_STATE_ACTIVE;
	case LPAR_STATE_MIGRATING:
	case LPAR_STATE_SAVED:
		return from == LPAR_STATE_ACTIVE || from == to;
	default:
		return false;
	}
}

static struct lpar *find_locked(const char *name)
{
	struct lpar *lpar;

	lockdep_assert_held(&lpar_mutex);
	list_for_each_entry(lpar, &lpar_list, list)
		if (!strcmp(lpar->name, name))
			return lpar;
	return NULL;
}

static void free_work(struct work_struct *work)
{
	struct lpar *lpar = container_of(work, struct lpar, free_work);

	lpar_disk_free_all(&lpar->config.disks);
	lpar_sysfs_free(lpar);
	kfree(lpar);
}

static void lpar_free(struct kref *ref)
{
	struct lpar *lpar = container_of(ref, struct lpar, ref);

	lpar_work_queue(&lpar->free_work);
}

/**
 * lpar_ref() - take a reference
 * @lpar: an LPAR that the caller knows to be alive
 *
 * Context: any.
 */
void lpar_ref(struct lpar *lpar)
{
	kref_get(&lpar->ref);
}

/**
 * lpar_put() - drop a reference
 * @lpar: LPAR; freed with the last one
 *
 * Context: any but with a raw spinlock held.
 */
void lpar_put(struct lpar *lpar)
{
	kref_put(&lpar->ref, lpar_free);
}

/**
 * lpar_get() - look an LPAR up
 * @name: its name
 *
 * Context: takes lpar_mutex.
 * Return: the LPAR with a reference, or NULL.
 */
struct lpar *lpar_get(const char *name)
{
	struct lpar *lpar;

	mutex_lock(&lpar_mutex);
	lpar = find_locked(name);
	if (lpar)
		lpar_ref(lpar);
	mutex_unlock(&lpar_mutex);
	return lpar;
}

/**
 * lpar_lock_op() - begin an operation on an LPAR that is at hand
 * @lpar: LPAR, referenced
 *
 * Context: may sleep; on success the caller unlocks lpar->op.
 * Return: 0, -ENOENT when it was deleted, -EINTR.
 */
int lpar_lock_op(struct lpar *lpar)
{
	if (mutex_lock_killable(&lpar->op))
		return -EINTR;
	if (!lpar->dead)
		return 0;
	mutex_unlock(&lpar->op);
	return -ENOENT;
}

/**
 * lpar_lock() - begin an operation on an LPAR
 * @name: its name
 * @report: for the refusal
 *
 * Waits for another operation on the same LPAR to end.
 *
 * Context: may sleep; takes lpar->op, which lpar_unlock() releases.
 * Return: the LPAR, or ERR_PTR of -ENOENT, -EINTR.
 */
struct lpar *lpar_lock(const char *name, struct lpar_report *report)
{
	struct lpar *lpar = lpar_get(name);
	int err = lpar ? lpar_lock_op(lpar) : -ENOENT;

	if (!err)
		return lpar;
	if (lpar)
		lpar_put(lpar);
	if (err == -ENOENT)
		lpar_problem(report, err, "no LPAR named \"%s\"; create it first", name);
	return ERR_PTR(err);
}

/**
 * lpar_unlock() - end an operation
 * @lpar: from lpar_lock()
 */
void lpar_unlock(struct lpar *lpar)
{
	mutex_unlock(&lpar->op);
	lpar_put(lpar);
}

/**
 * lpar_config_init() - a configuration that owns nothing
 * @config: to be filled
 */
void lpar_config_init(struct lpar_config *config)
{
	memset(config, 0, sizeof(*config));
	config->node = LPAR_NODE_ANY;
	config->uid = GLOBAL_ROOT_UID;
	config->gid = GLOBAL_ROOT_GID;
	config->gate_timeout_ms = LPAR_GATE_TIMEOUT_DEFAULT_MS;
	INIT_LIST_HEAD(&config->disks);
}

/* No other LPAR has any of these resources. */
static int check_unowned(const struct lpar *self, const struct lpar_config *config,
			 struct lpar_report *report)
{
	struct lpar *other;
	const char *path;

	lockdep_assert_held(&lpar_mutex);
	list_for_each_entry(other, &lpar_list, list) {
		if (other == self)
			continue;
		if (cpumask_intersects(&config->cpus, &other->config.cpus))
			return lpar_problem(report, -EBUSY,
					    "CPU %u belongs to LPAR \"%s\"; choose others or take it from there",
					    cpumask_first_and(&config->cpus, &other->config.cpus),
					    other->name);
		if (lpar_disk_overlap(&config->disks, &other->config.disks, &path))
			return lpar_problem(report, -EBUSY,
					    "disk %s belongs to LPAR \"%s\"; choose another or take it from there",
					    path, other->name);
	}
	return 0;
}

static int check_config(const struct lpar_config *config, struct lpar_report *report)
{
	int err = lpar_fence_check(&config->cpus, report);

	return err ?: lpar_memory_check(config, report);
}

/* Moves the configuration in; @config is left empty. */
static void install_config(struct lpar *lpar, struct lpar_config *config)
{
	LIST_HEAD(old_disks);

	lockdep_assert_held(&lpar_mutex);
	list_splice_init(&lpar->config.disks, &old_disks);
	lpar->config = *config;
	INIT_LIST_HEAD(&lpar->config.disks);
	list_splice_init(&config->disks, &lpar->config.disks);
	lpar_disk_free_all(&old_disks);
}

static struct lpar *lpar_new(const char *name)
{
	struct lpar *lpar = kzalloc(sizeof(*lpar), GFP_KERNEL);

	if (!lpar)
		return NULL;
	kref_init(&lpar->ref);
	strscpy(lpar->name, name, sizeof(lpar->name));
	mutex_init(&lpar->op);
	lpar_config_init(&lpar->config);
	INIT_LIST_HEAD(&lpar->members);
	INIT_LIST_HEAD(&lpar->pins);
	INIT_WORK(&lpar->free_work, free_work);
	lpar_stage_prepare(lpar);
	lpar_gate_init(&lpar->gate);
	lpar_guard_init(lpar);
	return lpar;
}

/*
 * Removes an LPAR that is marked dead. Without lpar->op, because removing the
 * files waits for their writers, who may wait for it. The name stays taken
 * until the files are gone.
 */
static void remove_dead(struct lpar *lpar)
{
	lpar_memdev_del(lpar);
	if (lpar->dev)
		lpar_sysfs_del(lpar);
	mutex_lock(&lpar_mutex);
	list_del_init(&lpar->list);
	mutex_unlock(&lpar_mutex);
	lpar_stage_forget(lpar);
	lpar_put(lpar);		/* the registry's */
}

static void mark_dead(struct lpar *lpar)
{
	lockdep_assert_held(&lpar->op);
	mutex_lock(&lpar_mutex);
	lpar->dead = true;
	mutex_unlock(&lpar_mutex);
}

/**
 * lpar_create() - define an LPAR
 * @name: new name
 * @config: its configuration; moved into the LPAR on success
 * @report: for the refusal
 *
 * Context: may sleep; takes lpar->op, lpar_mutex.
 * Return: 0, -EINVAL, -EEXIST, -EBUSY, -ENOMEM.
 */
int lpar_create(const char *name, struct lpar_config *config, struct lpar_report *report)
{
	struct lpar *lpar;
	int err;

	if (!lpar_name_valid(name))
		return lpar_problem(report, -EINVAL,
				    "\"%s\" is no name for an LPAR: use 1 to %d of a-z 0-9 . _ -, and no - first",
				    name, LPAR_NAME_MAX);
	err = check_config(config, report);
	if (err)
		return err;
	lpar = lpar_new(name);
	if (!lpar)
		return -ENOMEM;

	mutex_lock(&lpar->op);		/* nobody uses it before it is complete */
	mutex_lock(&lpar_mutex);
	err = find_locked(name) ? lpar_problem(report, -EEXIST,
					       "LPAR \"%s\" exists; delete it or choose another name",
					       name) : 0;
	err = err ?: check_unowned(lpar, config, report);
	if (!err) {
		install_config(lpar, config);
		lpar->serial = ++last_serial;
		lpar_ref(lpar);		/* the registry's */
		list_add_tail(&lpar->list, &lpar_list);
	}
	mutex_unlock(&lpar_mutex);
	if (err)
		goto err_unlock;

	err = lpar_sysfs_add(lpar);
	err = err ?: lpar_memdev_add(lpar);
	if (err)
		mark_dead(lpar);
	else
		lpar_event_send(LPAR_EVENT_CREATED, lpar, NULL);
	/* Who waits to delete it does so before the unlocking is over. */
	lpar_unlock(lpar);
	if (err)
		remove_dead(lpar);
	return err;

err_unlock:
	lpar_unlock(lpar);
	return err;
}

/**
 * lpar_delete() - forget an LPAR
 * @name: its name
 * @report: for the refusal
 *
 * Context: may sleep; takes lpar->op, lpar_mutex.
 * Return: 0, -ENOENT, -EBUSY when it is active.
 */
int lpar_delete(const char *name, struct lpar_report *report)
{
	struct lpar *lpar = lpar_lock(name, report);
	int err = 0;

	if (IS_ERR(lpar))
		return PTR_ERR(lpar);
	if (lpar_state_is_active(lpar->state))
		err = lpar_problem(report, -EBUSY, "LPAR \"%s\" is %s; deactivate it first",
				   lpar->name, lpar_state_name(lpar->state));
	else
		mark_dead(lpar);
	mutex_unlock(&lpar->op);
	if (!err) {
		lpar_event_send(LPAR_EVENT_DELETED, lpar, NULL);
		remove_dead(lpar);
	}
	lpar_put(lpar);
	return err;
}

/**
 * lpar_delete_all() - forget every LPAR, at module exit
 *
 * None is active: an active one holds the module.
 */
void lpar_delete_all(void)
{
	struct lpar *lpar, *next;

	list_for_each_entry_safe(lpar, next, &lpar_list, list) {
		mutex_lock(&lpar->op);
		mark_dead(lpar);
		mutex_unlock(&lpar->op);
		remove_dead(lpar);
	}
}

/* devtmpfs takes the owner when the node is made. */
static int set_owner(struct lpar *lpar, kuid_t uid, kgid_t gid)
{
	mutex_lock(&lpar_mutex);
	lpar->config.uid = uid;
	lpar->config.gid = gid;
	mutex_unlock(&lpar_mutex);
	lpar_memdev_del(lpar);
	return lpar_memdev_add(lpar);
}

/* The new owner has the device node, or the former one has it still. */
static int change_owner(struct lpar *lpar, kuid_t uid, kgid_t gid, struct lpar_report *report)
{
	kuid_t former_uid = lpar->config.uid;
	kgid_t former_gid = lpar->config.gid;
	int err;

	if (uid_eq(uid, former_uid) && gid_eq(gid, former_gid))
		return 0;
	err = set_owner(lpar, uid, gid);
	if (!err)
		return 0;
	if (set_owner(lpar, former_uid, former_gid))
		pr_err("lpar: %s: has no device node now; it is made when the LPAR is activated\n",
		       lpar->name);
	return lpar_problem(report, err, "the device node cannot be made anew (error %d)", err);
}

static int try_unowned(const struct lpar *lpar, const struct lpar_config *config,
		       struct lpar_report *report)
{
	int err;

	mutex_lock(&lpar_mutex);
	err = check_unowned(lpar, config, report);
	mutex_unlock(&lpar_mutex);
	return err;
}

/**
 * lpar_configure() - change what an LPAR owns
 * @lpar: from lpar_lock()
 * @config: new configuration; moved into the LPAR on success, but for the gate's time-out,
 *	which lpar_set_gate_timeout() changes
 * @report: for the refusal
 *
 * The owner is changed first, as that may fail, but not before the rest is known to be free.
 *
 * Context: may sleep; takes lpar_mutex.
 * Return: 0, -EINVAL, -EBUSY, -ENOMEM, and nothing is changed; the owner is, if another LPAR
 * has just got what is wanted and the former owner's node cannot be made again.
 */
int lpar_configure(struct lpar *lpar, struct lpar_config *config, struct lpar_report *report)
{
	kuid_t uid = lpar->config.uid;
	kgid_t gid = lpar->config.gid;
	int err;

	lockdep_assert_held(&lpar->op);
	if (lpar_state_is_active(lpar->state))
		return lpar_problem(report, -EBUSY,
				    "LPAR \"%s\" is %s; deactivate it before changing its resources",
				    lpar->name, lpar_state_name(lpar->state));
	err = check_config(config, report);
	err = err ?: try_unowned(lpar, config, report);
	err = err ?: change_owner(lpar, config->uid, config->gid, report);
	if (err)
		return err;
	mutex_lock(&lpar_mutex);
	err = check_unowned(lpar, config, report);
	if (!err) {
		/* It may be set at any time. */
		config->gate_timeout_ms = lpar->config.gate_timeout_ms;
		install_config(lpar, config);
	}
	mutex_unlock(&lpar_mutex);
	if (err) {
		/* Another LPAR has just got some of it. */
		change_owner(lpar, uid, gid, NULL);
		return err;
	}
	lpar_event_send(LPAR_EVENT_CHANGED, lpar, NULL);
	return 0;
}

/**
 * lpar_gate_timeout_check() - is this a possible time-out?
 * @timeout_ms: value
 * @report: for the refusal
 *
 * Return: 0 or -EINVAL.
 */
int lpar_gate_timeout_check(u32 timeout_ms, struct lpar_report *report)
{
	if (timeout_ms >= LPAR_GATE_TIMEOUT_MIN_MS && timeout_ms <= LPAR_GATE_TIMEOUT_MAX_MS)
		return 0;
	return lpar_problem(report, -EINVAL,
			    "gate time-out %u ms is out of range: use %u to %u ms", timeout_ms,
			    LPAR_GATE_TIMEOUT_MIN_MS, LPAR_GATE_TIMEOUT_MAX_MS);
}

/**
 * lpar_set_gate_timeout() - change the gate's time-out, in any state
 * @lpar: LPAR; the next close uses it
 * @timeout_ms: new value
 * @report: for the refusal
 *
 * Context: may sleep; takes lpar_mutex.
 * Return: 0 or -EINVAL.
 */
int lpar_set_gate_timeout(struct lpar *lpar, u32 timeout_ms, struct lpar_report *report)
{
	int err = lpar_gate_timeout_check(timeout_ms, report);

	if (err)
		return err;
	mutex_lock(&lpar_mutex);
	lpar->config.gate_timeout_ms = timeout_ms;
	mutex_unlock(&lpar_mutex);
	lpar_event_send(LPAR_EVENT_CHANGED, lpar, NULL);
	return 0;
}

/**
 * lpar_set_state() - change the state and tell everybody
 * @lpar: LPAR
 * @state: new state
 * @reason: one line, or NULL
 *
 * Context: may sleep; the caller does not hold lpar_mutex.
 */
void lpar_set_state(struct lpar *lpar, enum lpar_state state, const char *reason)
{
	bool changed;

	mutex_lock(&lpar_mutex);
	changed = lpar->state != state || strcmp(lpar->reason, reason ?: "");
	lpar->state = state;
	strscpy(lpar->reason, reason ?: "", sizeof(lpar->reason));
	mutex_unlock(&lpar_mutex);
	if (!changed)
		return;
	lpar_event_send(LPAR_EVENT_STATE, lpar, NULL);
	lpar_event_poll(lpar, LPAR_FILE_STATE);
	lpar_event_poll(lpar, LPAR_FILE_REASON);
}
