// SPDX-License-Identifier: GPL-2.0
/*
 * Stages: what the operator watches during a long operation.
 *
 * A stage may end with the netlink socket that set it: a controller that is
 * killed leaves no LPAR behind that seems to migrate for ever. Its end waits for
 * the operation that is under way on the LPAR. Netlink calls with a lock held that
 * every close of a netlink socket takes, so that nothing may wait there: the
 * stages of the socket are marked, and works end them.
 */
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <net/net_namespace.h>
#include "lpar.h"

/* How often the end of a stage is tried while its LPAR is in an operation. */
#define END_RETRY	(HZ / 10)

static atomic_t nr_bound;	/* LPARs with a stage_portid; changed under lpar_mutex */

static void set_portid(struct lpar *lpar, u32 portid)
{
	lockdep_assert_held(&lpar_mutex);
	atomic_add(!!portid - !!lpar->stage_portid, &nr_bound);
	smp_mb__after_atomic();	/* whoever binds looks after this whether the socket is dead */
	lpar->stage_portid = portid;
}

/* What it does, whether all of its CPUs are there or not. */
static enum lpar_state state_when_whole(const struct lpar *lpar)
{
	return lpar->state == LPAR_STATE_DEGRADED ? lpar->whole_state : lpar->state;
}

/* One that is degraded stays so until its CPUs are back. */
static void change_state(struct lpar *lpar, enum lpar_state state)
{
	if (lpar->state == LPAR_STATE_DEGRADED)
		lpar->whole_state = state;
	else
		lpar_set_state(lpar, state, NULL);
}

/**
 * lpar_set_stage() - tell the operator how a long operation gets on
 * @lpar: from lpar_lock()
 * @stage: new stage
 * @state: new state, or NULL to leave it
 * @report: for the refusal
 *
 * Context: may sleep; takes lpar_mutex.
 * Return: 0, -EINVAL when the state may not change so.
 */
int lpar_set_stage(struct lpar *lpar, const struct lpar_stage *stage,
		   const enum lpar_state *state, struct lpar_report *report)
{
	enum lpar_state now = state_when_whole(lpar);
	enum lpar_file file;

	lockdep_assert_held(&lpar->op);
	if (state && !lpar_state_may_follow(now, *state))
		return lpar_problem(report, -EINVAL,
				    "LPAR \"%s\" is %s and cannot become %s so; use activate or deactivate",
				    lpar->name, lpar_state_name(now), lpar_state_name(*state));
	mutex_lock(&lpar_mutex);
	lpar->stage = *stage;
	mutex_unlock(&lpar_mutex);
	if (state)
		change_state(lpar, *state);
	lpar_event_send(LPAR_EVENT_STAGE, lpar, NULL);
	for (file = LPAR_FILE_STAGE; file < LPAR_FILES; file++)
		lpar_event_poll(lpar, file);
	return 0;
}

/* False if it has another stage by now. */
static bool is_orphaned(struct lpar *lpar)
{
	bool orphaned;

	mutex_lock(&lpar_mutex);
	orphaned = lpar->stage_orphaned;
	lpar->stage_orphaned = false;
	mutex_unlock(&lpar_mutex);
	return orphaned;
}

/* Each LPAR's by itself, and it does not wait in the queue for an operation's end. */
static void end_stage(struct work_struct *work)
{
	struct lpar *lpar = container_of(to_delayed_work(work), struct lpar, stage_end);
	static const struct lpar_stage none;
	const enum lpar_state active = LPAR_STATE_ACTIVE;

	if (!mutex_trylock(&lpar->op)) {
		if (!lpar_work_delay(&lpar->stage_end, END_RETRY))
			lpar_put(lpar);		/* another's end, which has a reference too */
		return;
	}
	if (is_orphaned(lpar) && !lpar->dead)
		lpar_set_stage(lpar, &none,
			       state_when_whole(lpar) == LPAR_STATE_MIGRATING ? &active : NULL,
			       NULL);
	lpar_unlock(lpar);
}

/**
 * lpar_stage_prepare() - a new LPAR, in no stage
 * @lpar: LPAR
 */
void lpar_stage_prepare(struct lpar *lpar)
{
	INIT_DELAYED_WORK(&lpar->stage_end, end_stage);
}

/**
 * lpar_stage_forget() - a deleted LPAR is in no stage
 * @lpar: LPAR, not in the list any more
 *
 * Context: may sleep.
 */
void lpar_stage_forget(struct lpar *lpar)
{
	mutex_lock(&lpar_mutex);
	set_portid(lpar, 0);
	mutex_unlock(&lpar_mutex);
	if (cancel_delayed_work_sync(&lpar->stage_end))
		lpar_put(lpar);
}

/**
 * lpar_stage_bind() - say with which socket the stage of an LPAR ends
 * @lpar: from lpar_lock(), its stage is set
 * @portid: of the socket; 0 = with none
 *
 * Context: may sleep; takes lpar_mutex.
 */
void lpar_stage_bind(struct lpar *lpar, u32 portid)
{
	lockdep_assert_held(&lpar->op);
	mutex_lock(&lpar_mutex);
	set_portid(lpar, portid);
	lpar->stage_orphaned = false;
	mutex_unlock(&lpar_mutex);
}

/**
 * lpar_stage_orphan() - a socket is closed: its stages end soon
 * @portid: of the socket; may be another's next
 *
 * Nearly always no stage ends with any socket, and none that is closed waits for anybody.
 *
 * Context: may sleep; takes lpar_mutex if a stage ends with a socket.
 */
void lpar_stage_orphan(u32 portid)
{
	struct lpar *lpar;

	smp_mb();	/* the socket is dead before this; see set_portid() */
	if (!portid || !atomic_read(&nr_bound))
		return;
	mutex_lock(&lpar_mutex);
	list_for_each_entry(lpar, &lpar_list, list) {
		if (lpar->stage_portid != portid)
			continue;
		set_portid(lpar, 0);
		lpar->stage_orphaned = true;
		lpar_ref(lpar);
		if (!lpar_work_delay(&lpar->stage_end, 0))
			lpar_put(lpar);
	}
	mutex_unlock(&lpar_mutex);
}

/* The caller closes its socket and may sleep, but not for long: see netlink_release(). */
static int on_netlink(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *closed = data;

	if (event == NETLINK_URELEASE && closed->protocol == NETLINK_GENERIC &&
	    net_eq(closed->net, &init_net))
		lpar_stage_orphan(closed->portid);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_nb = { .notifier_call = on_netlink };

/**
 * lpar_stage_init() - hear of sockets that are closed
 *
 * Return: 0 or the error of the registration.
 */
int lpar_stage_init(void)
{
	return netlink_register_notifier(&netlink_nb);
}

/**
 * lpar_stage_exit() - the reverse
 *
 * Context: may sleep. What is about to end does until its LPAR is deleted.
 */
void lpar_stage_exit(void)
{
	netlink_unregister_notifier(&netlink_nb);
}
