// SPDX-License-Identifier: GPL-2.0
/*
 * Identities: made by DEFINE, gone with DELETE. While an operation is under way
 * each is looked at ten times a second, and its machine goes on.
 */
#include <linux/ctype.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <scsi/scsi_host.h>
#include "fcnpiv.h"

/* Guards the list; taken before an identity's op. */
DEFINE_MUTEX(fcn_mutex);
LIST_HEAD(fcn_list);

/**
 * fcn_now_ms() - the machine's clock
 *
 * It goes on while the host is suspended: deadlines are those of the fabric.
 *
 * Return: milliseconds.
 */
u64 fcn_now_ms(void)
{
	return ktime_to_ms(ktime_get_boottime());
}

static void free_identity(struct kref *ref)
{
	struct fcn_identity *identity = container_of(ref, struct fcn_identity, ref);
	unsigned int i;

	for (i = 0; i < FCN_PORTS; i++)
		fcn_luns_free(&identity->seen[i]);
	fcn_luns_free(&identity->expected);
	fcn_luns_free(&identity->given);
	kvfree(identity->work.targets);
	kvfree(identity->work.claims);
	kfree(identity);
}

/**
 * fcn_identity_put() - drop a reference
 * @identity: freed with the last one
 *
 * Context: process.
 */
void fcn_identity_put(struct fcn_identity *identity)
{
	kref_put(&identity->ref, free_identity);
}

static struct fcn_identity *find(const char *lpar)
{
	struct fcn_identity *identity;

	lockdep_assert_held(&fcn_mutex);
	list_for_each_entry(identity, &fcn_list, list)
		if (!strcmp(identity->lpar, lpar))
			return identity;
	return NULL;
}

/**
 * fcn_identity_get() - the identity of an LPAR, with a reference
 * @lpar: its name
 * @extack: for the refusal
 *
 * Context: process; takes fcn_mutex.
 * Return: identity, or ERR_PTR(-ENOENT).
 */
struct fcn_identity *fcn_identity_get(const char *lpar, struct netlink_ext_ack *extack)
{
	struct fcn_identity *identity;

	mutex_lock(&fcn_mutex);
	identity = find(lpar);
	if (identity)
		kref_get(&identity->ref);
	mutex_unlock(&fcn_mutex);
	if (identity)
		return identity;
	NL_SET_ERR_MSG(extack, "the LPAR has no Fibre Channel identity; define it first");
	return ERR_PTR(-ENOENT);
}

static const char *find_open(const struct fcn_luns *luns)
{
	unsigned int i;

	for (i = 0; i < luns->count; i++)
		if (luns->lun[i].openers)
			return luns->lun[i].disk;
	return "";
}

static bool are_held(const struct fcn_identity *identity, const struct fcn_luns *luns)
{
	unsigned int i;

	for (i = 0; i < luns->count; i++)
		if (!fcn_disk_is_claimed(&identity->work, luns->lun[i].devt))
			return false;
	return luns->count;
}

/* Claims belong to the worker while it works. */
static void look_at_claims(struct fcn_identity *identity)
{
	struct fcn_view *view = &identity->view;

	if (identity->machine.job_runs)
		return;
	view->has_claims = identity->work.nr_claims;
	view->port[FCN_PORT_ORIGINAL].held = are_held(identity,
						      &identity->seen[FCN_PORT_ORIGINAL]);
}

static void look_at_port(struct fcn_identity *identity, enum fcn_port port)
{
	struct fcn_port_view *view = &identity->view.port[port];
	struct fcn_luns *seen = &identity->seen[port];
	const struct fcn_luns *expected = &identity->expected;

	fcn_vport_look(&identity->names, port, &identity->host_hint, view, seen);
	strscpy(view->open, find_open(seen), sizeof(view->open));
	if (view->state != FCN_PORT_STATE_ACTIVE)
		return;
	view->matches = expected->count ? fcn_luns_match(seen, expected, view->why) :
					  fcn_luns_are_sound(seen, view->why);
}

/**
 * fcn_identity_look() - how are its ports now?
 * @identity: identity, its op held; view and seen are filled
 *
 * Context: process; waits for no login.
 */
void fcn_identity_look(struct fcn_identity *identity)
{
	lockdep_assert_held(&identity->op);
	look_at_port(identity, FCN_PORT_ORIGINAL);
	look_at_port(identity, FCN_PORT_MAINTENANCE);
	identity->view.nr_expected = identity->expected.count;
	identity->view.nr_seen = identity->seen[FCN_PORT_ORIGINAL].count;
	look_at_claims(identity);
}

static void set_targets(struct fcn_identity *identity)
{
	const struct fcn_luns *seen = &identity->seen[identity->work.order.port];
	struct fcn_work *work = &identity->work;
	unsigned int i;

	for (i = 0; i < seen->count; i++) {
		work->targets[i].devt = seen->lun[i].devt;
		strscpy(work->targets[i].name, seen->lun[i].disk, sizeof(work->targets[i].name));
	}
	work->nr_targets = seen->count;
}

static void give_order(struct fcn_identity *identity, struct fcn_order order)
{
	if (order.job == FCN_JOB_NONE)
		return;
	identity->work.order = order;
	identity->work.names = identity->names;
	set_targets(identity);
	queue_work(fcn_wq, &identity->work.work);
}

/* An operation holds the module; it is not deleted either. */
static int pin(struct fcn_identity *identity)
{
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	identity->pinned = true;
	return 0;
}

/*
 * The rest of our code runs in fcn_wq, or in netlink's operations: the exit of
 * the module waits for both.
 */
static void unpin(struct fcn_identity *identity)
{
	lockdep_assert_held(&identity->op);
	identity->pinned = false;
	module_put(THIS_MODULE);
}

/**
 * struct progress - what listeners are told of
 * @operation: under way
 * @step: of it
 * @state: of the step
 * @result: of the operation
 * @goes_back: it is being undone
 * @reason: what stands in its way
 */
struct progress {
	enum fcn_operation operation;
	enum fcn_step step;
	enum fcn_state state;
	enum fcn_result result;
	bool goes_back;
	char reason[FCNPIV_REASON_MAX + 1];
};

static void note(const struct fcn_machine *machine, struct progress *progress)
{
	memset(progress, 0, sizeof(*progress));
	progress->operation = machine->operation;
	progress->step = machine->step;
	progress->state = machine->state;
	progress->result = machine->result;
	progress->goes_back = machine->goes_back;
	strscpy(progress->reason, fcn_machine_reason(machine), sizeof(progress->reason));
}

static void announce(struct fcn_identity *identity, const struct progress *before)
{
	struct progress now;

	note(&identity->machine, &now);
	if (!memcmp(&now, before, sizeof(now)))
		return;
	fcn_event_send(FCN_EVENT_STEP, identity);
	fcn_sysfs_notify(identity);
}

static bool has_valid_token(const struct fcn_identity *identity)
{
	return fcn_token_is_for(&identity->token, identity->names.port[FCN_PORT_ORIGINAL]);
}

/* The token is made when the original is gone, and not before. */
static void advance(struct fcn_identity *identity, const struct progress *before)
{
	struct fcn_machine *machine = &identity->machine;
	bool had_token = machine->has_token;
	struct fcn_order order;

	lockdep_assert_held(&identity->op);
	if (fcn_machine_is_idle(machine))
		return;
	order = fcn_machine_advance(machine, &identity->view, fcn_now_ms());
	if (machine->has_token && !had_token)
		fcn_token_make(&identity->token, identity->names.port[FCN_PORT_ORIGINAL]);
	if (machine->operation == FCN_OPERATION_DESTINATION && machine->switched &&
	    has_valid_token(identity))
		identity->used.has_come = true;
	if (fcn_machine_is_idle(machine))
		identity->has_receipt = machine->operation == FCN_OPERATION_DESTINATION &&
					machine->goes_back && has_valid_token(identity);
	announce(identity, before);
	give_order(identity, order);
}

static void tick(struct work_struct *item)
{
	struct fcn_identity *identity =
		container_of(to_delayed_work(item), struct fcn_identity, tick);
	struct progress before;

	mutex_lock(&identity->op);
	note(&identity->machine, &before);
	fcn_identity_look(identity);
	advance(identity, &before);
	if (!fcn_machine_is_idle(&identity->machine))
		queue_delayed_work(fcn_wq, &identity->tick, msecs_to_jiffies(FCN_TICK_MS));
	else if (identity->pinned)
		unpin(identity);
	mutex_unlock(&identity->op);
}

static void look_soon(struct fcn_identity *identity)
{
	mod_delayed_work(fcn_wq, &identity->tick, 0);
}

/**
 * fcn_identity_job_done() - the worker has done what it was told to
 * @identity: identity
 * @error: 0 or a negative errno
 *
 * Context: process, of fcn_wq; takes op.
 */
void fcn_identity_job_done(struct fcn_identity *identity, int error)
{
	mutex_lock(&identity->op);
	fcn_machine_job_done(&identity->machine, error, identity->work.why, fcn_now_ms());
	look_soon(identity);
	mutex_unlock(&identity->op);
}

/* As lpar.ko names LPARs: what can be a file's name. */
static bool is_name(const char *lpar)
{
	const char *c;

	if (!*lpar || !strcmp(lpar, ".") || !strcmp(lpar, ".."))
		return false;
	for (c = lpar; *c; c++)
		if (!islower(*c) && !isdigit(*c) && !strchr("._-", *c))
			return false;
	return true;
}

static bool is_wwn(u64 wwn)
{
	return wwn && wwn != U64_MAX;
}

static int check_names(const struct fcn_names *names, struct netlink_ext_ack *extack)
{
	const u64 *port = names->port;
	unsigned int i;

	if (!is_wwn(names->node) || !is_wwn(port[0]) || !is_wwn(port[1]) || !is_wwn(names->parent))
		return fcn_refuse(extack, -EINVAL,
				  "0 and ffffffffffffffff are no world wide names");
	if (port[0] == port[1])
		return fcn_refuse(extack, -EINVAL, "the two port names have to differ");
	for (i = 0; i < FCN_PORTS; i++)
		if (port[i] == names->parent || fcn_vport_is_taken(port[i]))
			return fcn_refuse(extack, -EADDRINUSE,
					  "%016llx is the name of an adapter of this host",
					  port[i]);
	return 0;
}

static bool has_port(const struct fcn_identity *identity, u64 wwpn)
{
	return identity->names.port[0] == wwpn || identity->names.port[1] == wwpn;
}

static int check_unique(const char *lpar, const struct fcn_names *names,
			struct netlink_ext_ack *extack)
{
	const struct fcn_identity *other;
	unsigned int i;

	lockdep_assert_held(&fcn_mutex);
	if (find(lpar))
		return fcn_refuse(extack, -EEXIST, "LPAR \"%s\" has an identity already", lpar);
	list_for_each_entry(other, &fcn_list, list)
		for (i = 0; i < FCN_PORTS; i++)
			if (has_port(other, names->port[i]))
				return fcn_refuse(extack, -EADDRINUSE,
						  "%016llx is a name of LPAR \"%s\"",
						  names->port[i], other->lpar);
	return 0;
}

static int make_room(struct fcn_identity *identity)
{
	struct fcn_work *work = &identity->work;

	work->targets = kvcalloc(FCNPIV_PATHS_MAX, sizeof(*work->targets), GFP_KERNEL);
	work->claims = kvcalloc(FCNPIV_PATHS_MAX, sizeof(*work->claims), GFP_KERNEL);
	if (!work->targets || !work->claims)
		return -ENOMEM;
	return fcn_luns_init(&identity->given) ?: fcn_luns_init(&identity->expected) ?:
	       fcn_luns_init(&identity->seen[FCN_PORT_ORIGINAL]) ?:
	       fcn_luns_init(&identity->seen[FCN_PORT_MAINTENANCE]);
}

static struct fcn_identity *new_identity(const char *lpar, const struct fcn_names *names)
{
	struct fcn_identity *identity = kzalloc(sizeof(*identity), GFP_KERNEL);

	if (!identity)
		return NULL;
	kref_init(&identity->ref);
	strscpy(identity->lpar, lpar, sizeof(identity->lpar));
	mutex_init(&identity->op);
	identity->names = *names;
	fcn_machine_init(&identity->machine);
	fcn_used_init(&identity->used);
	INIT_DELAYED_WORK(&identity->tick, tick);
	INIT_WORK(&identity->work.work, fcn_work_run);
	if (!make_room(identity))
		return identity;
	fcn_identity_put(identity);
	return NULL;
}

static void set_deadlines(struct fcn_identity *identity, const u32 *deadline_ms)
{
	unsigned int i;

	for (i = 0; i < FCN_DEADLINES; i++)
		if (deadline_ms[i])
			identity->machine.deadline_ms[i] = deadline_ms[i];
}

static void give_luns(struct fcn_identity *identity, const struct fcn_luns *luns)
{
	fcn_luns_copy(&identity->given, luns);
	fcn_luns_copy(&identity->expected, luns);
}

static int add(struct fcn_identity *identity, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&fcn_mutex);
	err = check_unique(identity->lpar, &identity->names, extack) ?:
	      fcn_sysfs_add(identity);
	if (!err) {
		list_add_tail(&identity->list, &fcn_list);
		mutex_lock(&identity->op);
		fcn_event_send(FCN_EVENT_DEFINED, identity);
		mutex_unlock(&identity->op);
	}
	mutex_unlock(&fcn_mutex);
	return err;
}

/**
 * fcn_identity_define() - make an identity; nothing is logged in
 * @lpar: name of its LPAR
 * @names: world wide names
 * @away: its LPAR lives on another host
 * @deadline_ms: by enum fcn_deadline; 0 = as is
 * @expected: LUNs, or NULL
 * @extack: for the refusal
 *
 * Context: process; takes fcn_mutex.
 * Return: 0, -EINVAL, -EEXIST, -EADDRINUSE, -ENOMEM.
 */
int fcn_identity_define(const char *lpar, const struct fcn_names *names, bool away,
			const u32 *deadline_ms, const struct fcn_luns *expected,
			struct netlink_ext_ack *extack)
{
	struct fcn_identity *identity;
	int err;

	if (!is_name(lpar))
		return fcn_refuse(extack, -EINVAL,
				  "an LPAR's name has lower case letters, digits, '.', '_' and '-'");
	err = check_names(names, extack);
	if (err)
		return err;
	identity = new_identity(lpar, names);
	if (!identity)
		return -ENOMEM;
	identity->machine.is_away = away;
	set_deadlines(identity, deadline_ms);
	if (expected)
		give_luns(identity, expected);
	err = add(identity, extack);
	if (err)
		fcn_identity_put(identity);
	return err;
}

static bool has_parent(struct fcn_identity *identity)
{
	struct Scsi_Host *parent = fcn_vport_parent_get(identity->names.parent,
							&identity->host_hint);

	if (parent)
		scsi_host_put(parent);
	return parent;
}

/* Which nobody would find any more if the parent were another one. */
static bool has_port_there(struct fcn_identity *identity)
{
	unsigned int i;

	fcn_identity_look(identity);
	for (i = 0; i < FCN_PORTS; i++)
		if (identity->view.port[i].state != FCN_PORT_STATE_ABSENT &&
		    identity->view.port[i].state != FCN_PORT_STATE_ELSEWHERE)
			return true;
	return false;
}

/* An operation whose adapter is gone may end at another. */
static int check_set(struct fcn_identity *identity, u64 parent, const struct fcn_luns *expected,
		     struct netlink_ext_ack *extack)
{
	lockdep_assert_held(&identity->op);
	if (identity->gone)
		return -ENODEV;
	if (!fcn_machine_is_idle(&identity->machine) &&
	    (expected || (parent && has_parent(identity))))
		return fcn_refuse(extack, -EBUSY,
				  "an operation is under way; only deadlines may change");
	if (parent && parent != identity->names.parent && has_port_there(identity))
		return fcn_refuse(extack, -EBUSY,
				  "a port is logged in at %016llx; log it out first",
				  identity->names.parent);
	if (parent == U64_MAX || (parent && has_port(identity, parent)))
		return fcn_refuse(extack, -EADDRINUSE, "%016llx cannot be the parent", parent);
	return 0;
}

/**
 * fcn_identity_set() - change what may be changed
 * @identity: identity
 * @parent: WWPN of the fc_host; 0 = as is. While an operation is under way only if
 *	the present one is gone; otherwise if neither port is logged in there
 * @deadline_ms: by enum fcn_deadline; 0 = as is. In force from the next step on.
 * @expected: LUNs, or NULL
 * @extack: for the refusal
 *
 * Context: process; takes op.
 * Return: 0, -EBUSY, -EADDRINUSE, -ENODEV when it was deleted.
 */
int fcn_identity_set(struct fcn_identity *identity, u64 parent, const u32 *deadline_ms,
		     const struct fcn_luns *expected, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&identity->op);
	err = check_set(identity, parent, expected, extack);
	if (err)
		goto out;
	set_deadlines(identity, deadline_ms);
	if (parent)
		identity->names.parent = parent;
	if (expected)
		give_luns(identity, expected);
out:
	mutex_unlock(&identity->op);
	return err;
}

static int check_idle(const struct fcn_identity *identity, struct netlink_ext_ack *extack)
{
	const struct fcn_machine *machine = &identity->machine;

	lockdep_assert_held(&identity->op);
	if (identity->gone)
		return -ENODEV;
	if (fcn_machine_is_idle(machine) && !identity->pinned)
		return 0;
	return fcn_refuse(extack, -EBUSY, "an operation is under way (%s); wait, or abort it",
			  fcn_step_name(machine->step));
}

static int retire(struct fcn_identity *identity, struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&identity->op);
	err = check_idle(identity, extack);
	if (!err) {
		identity->gone = true;
		fcn_event_send(FCN_EVENT_DELETED, identity);
	}
	mutex_unlock(&identity->op);
	return err;
}

static void del(struct fcn_identity *identity)
{
	lockdep_assert_held(&fcn_mutex);
	list_del(&identity->list);
	fcn_sysfs_del(identity);
	/* The worker may still be on its way out of job_done(). */
	cancel_work_sync(&identity->work.work);
	cancel_delayed_work_sync(&identity->tick);
	fcn_identity_put(identity);
}

/**
 * fcn_identity_delete() - forget an identity; its ports stay as they are
 * @lpar: name of its LPAR
 * @extack: for the refusal
 *
 * Context: process; takes fcn_mutex.
 * Return: 0, -ENOENT, -EBUSY.
 */
int fcn_identity_delete(const char *lpar, struct netlink_ext_ack *extack)
{
	struct fcn_identity *identity;
	int err;

	mutex_lock(&fcn_mutex);
	identity = find(lpar);
	if (identity)
		err = retire(identity, extack);
	else
		err = fcn_refuse(extack, -ENOENT,
				 "LPAR \"%s\" has no Fibre Channel identity", lpar);
	if (!err)
		del(identity);
	mutex_unlock(&fcn_mutex);
	return err;
}

/**
 * fcn_identity_delete_all() - at module exit
 *
 * Context: process; takes fcn_mutex. No operation is under way: it would hold the
 * module.
 */
void fcn_identity_delete_all(void)
{
	struct fcn_identity *identity, *next;

	mutex_lock(&fcn_mutex);
	list_for_each_entry_safe(identity, next, &fcn_list, list)
		del(identity);
	mutex_unlock(&fcn_mutex);
}

/* A source that was told nothing expects what the original sees now. */
static void expect(struct fcn_identity *identity, const struct fcn_request *request)
{
	const struct fcn_luns *seen = &identity->seen[FCN_PORT_ORIGINAL];

	fcn_luns_copy(&identity->expected, request->expected ?: &identity->given);
	fcn_identity_look(identity);
	if (request->start.operation != FCN_OPERATION_SOURCE || identity->expected.count ||
	    !identity->view.port[FCN_PORT_ORIGINAL].matches)
		return;
	fcn_luns_copy(&identity->expected, seen);
	identity->view.nr_expected = identity->expected.count;
}

static int check_token(const struct fcn_identity *identity, const struct fcn_request *request,
		       struct netlink_ext_ack *extack)
{
	const struct fcn_token *token = &request->token;

	if (!request->start.has_token)
		return 0;
	if (!fcn_token_is_for(token, identity->names.port[FCN_PORT_ORIGINAL]))
		return fcn_refuse(extack, -EINVAL,
				  "the token is not that of this LPAR's original port");
	if (fcn_token_is_same(token, &identity->used.token))
		return fcn_refuse(extack, -EINVAL,
				  "that token was used already; the source has to make another");
	return 0;
}

static int start(struct fcn_identity *identity, const struct fcn_request *request,
		 struct netlink_ext_ack *extack)
{
	char why[FCNPIV_REASON_MAX + 1];
	struct progress before;
	int err = pin(identity);

	if (err)
		return err;
	note(&identity->machine, &before);
	expect(identity, request);
	err = fcn_machine_start(&identity->machine, &request->start, &identity->view,
				fcn_now_ms(), why);
	if (err) {
		unpin(identity);
		return fcn_refuse(extack, err, "%s", why);
	}
	identity->has_receipt = false;
	identity->token = request->token;
	if (request->start.has_token)
		fcn_used_take(&identity->used, &request->token);
	announce(identity, &before);
	look_soon(identity);
	return 0;
}

/**
 * fcn_identity_start() - begin an operation
 * @identity: identity
 * @request: which
 * @extack: for the refusal
 *
 * Events and sysfs tell how it goes on.
 *
 * Context: process; takes op.
 * Return: 0, -ENODEV when it was deleted, or as fcn_machine_start().
 */
int fcn_identity_start(struct fcn_identity *identity, const struct fcn_request *request,
		       struct netlink_ext_ack *extack)
{
	int err;

	mutex_lock(&identity->op);
	err = check_idle(identity, extack) ?: check_token(identity, request, extack) ?:
	      start(identity, request, extack);
	mutex_unlock(&identity->op);
	return err;
}

static int check_receipt(const struct fcn_identity *identity, const struct fcn_token *receipt,
			 bool force, struct netlink_ext_ack *extack)
{
	struct fcn_token expected;

	fcn_token_receipt(&identity->token, &expected);
	if (receipt && !memcmp(receipt, &expected, sizeof(expected)))
		return 0;
	if (!receipt && force)
		return 0;
	return fcn_refuse(extack, -EPERM, receipt ?
			  "that is no receipt for this token" :
			  "the destination's receipt is missing; force if the destination is fenced, or never had the token");
}

static int confirm(struct fcn_identity *identity, enum fcn_confirm what,
		   struct netlink_ext_ack *extack)
{
	struct fcn_machine *machine = &identity->machine;
	char why[FCNPIV_REASON_MAX + 1];
	struct progress before;
	int err;

	note(machine, &before);
	err = fcn_machine_confirm(machine, what, why);
	if (err)
		return fcn_refuse(extack, err, "%s", why);
	fcn_identity_look(identity);
	advance(identity, &before);
	look_soon(identity);
	/* Whoever lets the LPAR go on relies on the answer. */
	if (what == FCN_CONFIRM_SWITCHED && machine->operation == FCN_OPERATION_DESTINATION &&
	    !machine->switched)
		return fcn_refuse(extack, -EAGAIN, "the disks are no longer armed: %s",
				  fcn_machine_reason(machine));
	return 0;
}

/**
 * fcn_identity_confirm() - take note of what only user space knows
 * @identity: identity
 * @what: what
 * @receipt: of the destination, or NULL
 * @force: there is none, as the destination is fenced
 * @extack: for the refusal
 *
 * Context: process; takes op.
 * Return: 0, -EINVAL when it is not waited for, -EPERM, -EAGAIN when the disks are
 * no longer armed, -ENODEV when the identity was deleted.
 */
int fcn_identity_confirm(struct fcn_identity *identity, enum fcn_confirm what,
			 const struct fcn_token *receipt, bool force,
			 struct netlink_ext_ack *extack)
{
	int err = 0;

	mutex_lock(&identity->op);
	if (identity->gone)
		err = -ENODEV;
	else if (what == FCN_CONFIRM_RETURNED)
		err = check_receipt(identity, receipt, force, extack);
	if (!err)
		err = confirm(identity, what, extack);
	mutex_unlock(&identity->op);
	return err;
}

static int check_revoke(struct fcn_identity *identity, const struct fcn_token *token,
			struct netlink_ext_ack *extack)
{
	int err = check_idle(identity, extack);

	if (err)
		return err;
	if (!fcn_token_is_for(token, identity->names.port[FCN_PORT_ORIGINAL]))
		return fcn_refuse(extack, -EINVAL,
				  "the token is not that of this LPAR's original port");
	fcn_identity_look(identity);
	if (identity->view.port[FCN_PORT_ORIGINAL].state != FCN_PORT_STATE_ABSENT)
		return fcn_refuse(extack, -EEXIST, "the original is logged in on this host");
	return 0;
}

/**
 * fcn_identity_revoke() - give a receipt for a token by which the LPAR will not come
 * @identity: identity
 * @token: of the source
 * @last: the last token that was given to this host before that one was made
 * @extack: for the refusal
 *
 * As if the destination had begun with the token, and gone back: whoever starts with it
 * later is refused.
 *
 * Context: process; takes op.
 * Return: 0, -EBUSY, -EINVAL, -ENODEV when it was deleted, or as fcn_used_revoke().
 */
int fcn_identity_revoke(struct fcn_identity *identity, const struct fcn_token *token,
			const struct fcn_token *last, struct netlink_ext_ack *extack)
{
	char why[FCNPIV_REASON_MAX + 1];
	int err;

	mutex_lock(&identity->op);
	err = check_revoke(identity, token, extack);
	if (err)
		goto out;
	err = fcn_used_revoke(&identity->used, token, last, why);
	if (err) {
		fcn_refuse(extack, err, "%s", why);
		goto out;
	}
	identity->token = *token;
	identity->has_receipt = true;
	identity->machine.is_away = true;
out:
	mutex_unlock(&identity->op);
	return err;
}

/**
 * fcn_identity_abort() - go back
 * @identity: identity
 * @extack: for the refusal
 *
 * Context: process; takes op.
 * Return: 0, -ENOENT, -EBUSY.
 */
int fcn_identity_abort(struct fcn_identity *identity, struct netlink_ext_ack *extack)
{
	char why[FCNPIV_REASON_MAX + 1];
	int err;

	mutex_lock(&identity->op);
	err = fcn_machine_abort(&identity->machine, why);
	if (err)
		fcn_refuse(extack, err, "%s", why);
	else
		look_soon(identity);
	mutex_unlock(&identity->op);
	return err;
}
