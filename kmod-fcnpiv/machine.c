// SPDX-License-Identifier: GPL-2.0
/*
 * The state machine: which step of an operation follows on which, what it waits
 * for, and what is done when it fails. Nothing here sleeps, locks or looks at
 * the world: it is told what is seen (struct fcn_view), and says what is to be
 * done (struct fcn_order). The table of steps in Documentation/fcnpiv.md is this
 * file in words.
 *
 * What must never be is refused here: the original logs out only while the
 * maintenance port is proven to see the same LUNs; it logs in at the source only
 * as long as no token is out, at the destination only with one.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include "fcnpiv.h"

enum verdict {
	STAY,	/* not yet */
	NEXT,	/* the step is done */
	AGAIN,	/* another step was entered */
	FAIL,	/* it will not be done */
};

/**
 * struct look - one look at the world
 * @view: what is seen
 * @now_ms: when
 * @order: what is to be done
 */
struct look {
	const struct fcn_view *view;
	u64 now_ms;
	struct fcn_order order;
};

/**
 * struct rule - what makes a step
 * @name: as the user sees it
 * @deadline: how long it may take
 * @waits: for user space, not for a port
 * @port: whose step it is
 * @look: how far is it?
 */
struct rule {
	const char *name;
	enum fcn_deadline deadline;
	bool waits;
	enum fcn_port port;
	enum verdict (*look)(struct fcn_machine *machine, struct look *look, enum fcn_port port);
};

static const struct rule rules[];

static const enum fcn_step no_steps[] = { FCN_STEP_IDLE };
static const enum fcn_step m_login_steps[] = { FCN_STEP_M_LOGIN, FCN_STEP_IDLE };
static const enum fcn_step m_logout_steps[] = { FCN_STEP_M_LOGOUT, FCN_STEP_IDLE };
static const enum fcn_step o_logout_steps[] = { FCN_STEP_O_LOGOUT, FCN_STEP_IDLE };
static const enum fcn_step o_login_steps[] = {
	FCN_STEP_O_LOGIN, FCN_STEP_O_VERIFY, FCN_STEP_IDLE,
};

static const enum fcn_step source_steps[] = {
	FCN_STEP_M_LOGIN, FCN_STEP_M_VERIFY, FCN_STEP_IO_TO_M, FCN_STEP_O_LOGOUT,
	FCN_STEP_O_GONE, FCN_STEP_ON_M, FCN_STEP_M_LOGOUT, FCN_STEP_IDLE,
};

static const enum fcn_step source_back_steps[] = {
	FCN_STEP_O_RETURN, FCN_STEP_O_LOGIN, FCN_STEP_O_VERIFY, FCN_STEP_IO_TO_O,
	FCN_STEP_M_LOGOUT, FCN_STEP_IDLE,
};

static const enum fcn_step destination_steps[] = {
	FCN_STEP_O_LOGIN, FCN_STEP_O_HOLD, FCN_STEP_O_VERIFY, FCN_STEP_ARMED,
	FCN_STEP_O_FREE, FCN_STEP_IDLE,
};

static const enum fcn_step destination_back_steps[] = {
	FCN_STEP_O_LOGOUT, FCN_STEP_O_GONE, FCN_STEP_IDLE,
};

/* The steps of an operation, in the direction in which it goes. */
static const enum fcn_step *steps_of(const struct fcn_machine *machine)
{
	bool maintenance = machine->port == FCN_PORT_MAINTENANCE;
	bool back = machine->goes_back;

	switch (machine->operation) {
	case FCN_OPERATION_LOGIN:
		if (back && machine->was_there)
			return no_steps;
		if (back)
			return maintenance ? m_logout_steps : o_logout_steps;
		return maintenance ? m_login_steps : o_login_steps;
	case FCN_OPERATION_LOGOUT:
		return maintenance ? m_logout_steps : o_logout_steps;
	case FCN_OPERATION_SOURCE:
		return back ? source_back_steps : source_steps;
	case FCN_OPERATION_DESTINATION:
		return back ? destination_back_steps : destination_steps;
	default:
		return no_steps;
	}
}

static enum fcn_step step_after(const struct fcn_machine *machine)
{
	const enum fcn_step *step = steps_of(machine);

	while (*step != machine->step && *step != FCN_STEP_IDLE)
		step++;
	return *step == FCN_STEP_IDLE ? FCN_STEP_IDLE : step[1];
}

/* Where the way back begins, for one that turns at its step. */
static enum fcn_step first_step_back(const struct fcn_machine *machine)
{
	if (machine->operation != FCN_OPERATION_SOURCE)
		return *steps_of(machine);
	switch (machine->step) {
	case FCN_STEP_M_LOGIN:
	case FCN_STEP_M_VERIFY:
		return FCN_STEP_M_LOGOUT;
	case FCN_STEP_IO_TO_M:
		return FCN_STEP_IO_TO_O;
	case FCN_STEP_ON_M:
		return machine->has_token ? FCN_STEP_O_RETURN : FCN_STEP_O_LOGIN;
	default:
		return FCN_STEP_O_LOGIN;
	}
}

/**
 * fcn_machine_may_go_back() - can it still be undone?
 * @machine: machine, an operation is under way
 *
 * Return: true if so.
 */
bool fcn_machine_may_go_back(const struct fcn_machine *machine)
{
	return !machine->goes_back && !machine->switched &&
	       machine->operation != FCN_OPERATION_LOGOUT;
}

static void enter(struct fcn_machine *machine, enum fcn_step step, u64 now_ms)
{
	enum fcn_deadline deadline = rules[step].deadline;

	machine->step = step;
	machine->confirmed = 0;
	machine->overdue = false;
	machine->job_done = false;
	machine->job_error = 0;
	machine->retry_at = now_ms;
	machine->backoff_ms = FCN_BACKOFF_FIRST_MS;
	machine->obstacle[0] = 0;
	machine->deadline = deadline == FCN_DEADLINE_NONE ? 0 :
			    now_ms + machine->deadline_ms[deadline];
}

/**
 * fcn_machine_begin() - the first step of an operation
 * @machine: idle machine
 * @operation: which
 * @port: of a login or logout
 * @was_there: the port is logged in, or coming, already
 * @now_ms: when
 */
void fcn_machine_begin(struct fcn_machine *machine, enum fcn_operation operation,
		       enum fcn_port port, bool was_there, u64 now_ms)
{
	machine->operation = operation;
	machine->port = port;
	machine->was_there = was_there;
	machine->result = FCN_RESULT_NONE;
	machine->state = FCN_STATE_BUSY;
	machine->goes_back = false;
	machine->switched = false;
	machine->has_token = false;
	machine->abort = false;
	machine->gone_by = FCN_GONE_BY_NOBODY;
	machine->cause[0] = 0;
	/* It lives elsewhere until it has come: also when it does not. */
	if (operation == FCN_OPERATION_DESTINATION)
		machine->is_away = true;
	enter(machine, *steps_of(machine), now_ms);
}

/* The operation is over. */
static void finish(struct fcn_machine *machine, u64 now_ms)
{
	enter(machine, FCN_STEP_IDLE, now_ms);
	machine->state = FCN_STATE_IDLE;
	machine->result = machine->goes_back ? FCN_RESULT_BACK : FCN_RESULT_DONE;
	machine->has_token = false;
	if (machine->goes_back)
		return;
	if (machine->operation == FCN_OPERATION_SOURCE)
		machine->is_away = true;
	else if (machine->operation == FCN_OPERATION_DESTINATION ||
		 (machine->operation == FCN_OPERATION_LOGIN && machine->port == FCN_PORT_ORIGINAL))
		machine->is_away = false;
}

static __printf(2, 3) void say(struct fcn_machine *machine, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(machine->obstacle, sizeof(machine->obstacle), fmt, args);
	va_end(args);
}

static void turn_back(struct fcn_machine *machine, u64 now_ms)
{
	const char *why = machine->obstacle[0] ? machine->obstacle : "its deadline is over";

	scnprintf(machine->cause, sizeof(machine->cause), "%s: %s", fcn_step_name(machine->step),
		  why);
	machine->goes_back = true;
	enter(machine, first_step_back(machine), now_ms);
}

static bool is_over(const struct fcn_machine *machine, u64 now_ms)
{
	return machine->deadline && now_ms >= machine->deadline;
}

/* Has a job done, unless one has just failed. */
static void order(struct fcn_machine *machine, struct look *look, enum fcn_job job,
		  enum fcn_port port)
{
	if (machine->job_done && machine->job_error)
		say(machine, "%s", machine->job_why);
	if (look->now_ms >= machine->retry_at)
		look->order = (struct fcn_order){ .job = job, .port = port };
}

/*
 * Some drivers call a port failed at each loss of its link, and bring it back by
 * themselves. As long as a disk of it is open it may come back; when it does not,
 * the transport takes its disks away.
 */
static bool is_lost(const struct fcn_port_view *port)
{
	if (port->state == FCN_PORT_STATE_REFUSED || port->state == FCN_PORT_STATE_NO_NPIV)
		return !port->open[0];
	return port->state == FCN_PORT_STATE_ABSENT;
}

static bool is_fit(const struct fcn_port_view *port)
{
	return port->state == FCN_PORT_STATE_ACTIVE && port->matches;
}

/* The guest's paths lead there, or may do so. */
static bool is_on_maintenance(const struct fcn_machine *machine)
{
	if (machine->operation != FCN_OPERATION_SOURCE)
		return false;
	switch (machine->step) {
	case FCN_STEP_O_LOGOUT:
	case FCN_STEP_O_GONE:
	case FCN_STEP_ON_M:
	case FCN_STEP_O_RETURN:
	case FCN_STEP_O_LOGIN:
	case FCN_STEP_O_VERIFY:
	case FCN_STEP_IO_TO_O:
		return true;
	default:
		return false;
	}
}

/* Before anything else is done: a guest that lives on it waits. */
static void keep_maintenance(struct fcn_machine *machine, struct look *look)
{
	if (!is_on_maintenance(machine) || !is_lost(&look->view->port[FCN_PORT_MAINTENANCE]))
		return;
	look->order.job = FCN_JOB_NONE;
	say(machine, "the maintenance port is lost; it logs in again");
	order(machine, look, FCN_JOB_LOGIN, FCN_PORT_MAINTENANCE);
}

/* While it may be logged in elsewhere. True if it is not here. */
static bool keep_original_away(struct fcn_machine *machine, struct look *look)
{
	if (look->view->port[FCN_PORT_ORIGINAL].state == FCN_PORT_STATE_ABSENT)
		return true;
	say(machine, "somebody logged the original in on this host; it logs out");
	order(machine, look, FCN_JOB_LOGOUT, FCN_PORT_ORIGINAL);
	return false;
}

static enum verdict look_login(struct fcn_machine *machine, struct look *look,
			       enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];

	switch (view->state) {
	case FCN_PORT_STATE_ACTIVE:
		return NEXT;
	case FCN_PORT_STATE_COMING:
	case FCN_PORT_STATE_LEAVING:
	case FCN_PORT_STATE_ELSEWHERE:
		say(machine, "%s", view->why);
		return STAY;
	case FCN_PORT_STATE_NO_NPIV:
		say(machine, "%s", view->why);
		if (fcn_machine_may_go_back(machine))
			return FAIL;
		fallthrough;
	default:
		say(machine, "%s", view->why);
		order(machine, look, FCN_JOB_LOGIN, port);
		return STAY;
	}
}

/* A port that is lost logs in again if there is no way back from here. */
static enum verdict lose(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	if (fcn_machine_may_go_back(machine)) {
		say(machine, "the %s port was lost", fcn_port_name(port));
		return FAIL;
	}
	enter(machine, port == FCN_PORT_ORIGINAL ? FCN_STEP_O_LOGIN : FCN_STEP_M_LOGIN,
	      look->now_ms);
	return AGAIN;
}

static bool is_probed(const struct fcn_machine *machine)
{
	return machine->job_done && machine->job == FCN_JOB_PROBE;
}

/* A disk of a destination that came late is as much the LPAR's as the others. */
static bool is_unheld(const struct fcn_machine *machine, const struct fcn_port_view *view)
{
	return machine->operation == FCN_OPERATION_DESTINATION && !view->held;
}

/* Does each disk answer, does nobody reserve it? */
static enum verdict probe(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	if (is_probed(machine) && !machine->job_error)
		return NEXT;
	if (is_probed(machine) && machine->job_error == -EBUSY &&
	    fcn_machine_may_go_back(machine)) {
		say(machine, "%s", machine->job_why);
		return FAIL;
	}
	order(machine, look, FCN_JOB_PROBE, port);
	return STAY;
}

static enum verdict look_verify(struct fcn_machine *machine, struct look *look,
				enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];

	if (is_lost(view))
		return lose(machine, look, port);
	if (is_unheld(machine, view)) {
		enter(machine, FCN_STEP_O_HOLD, look->now_ms);
		return AGAIN;
	}
	if (!is_fit(view)) {
		say(machine, "%s", view->why);
		return STAY;
	}
	return probe(machine, look, port);
}

/* What is queued for a disk is seen by nobody, but who queues has it open. */
static bool is_closed(struct fcn_machine *machine, const struct fcn_port_view *view,
		      enum fcn_port port)
{
	if (!view->open[0])
		return true;
	say(machine, "disk %s of the %s port is still open", view->open, fcn_port_name(port));
	return false;
}

static bool is_unused(struct fcn_machine *machine, const struct fcn_port_view *view,
		      enum fcn_port port)
{
	if (!is_closed(machine, view, port))
		return false;
	if (view->busy) {
		say(machine, "commands are under way through the %s port", fcn_port_name(port));
		return false;
	}
	return true;
}

/* The host's paths change over to a port. */
static enum verdict look_move(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	const struct fcn_port_view *to = &look->view->port[port];
	const struct fcn_port_view *from = &look->view->port[!port];

	if (is_lost(to))
		return lose(machine, look, port);
	if (!is_fit(to)) {
		say(machine, "%s", to->why);
		return STAY;
	}
	if (!test_bit(FCN_CONFIRM_IO, &machine->confirmed)) {
		say(machine, "waits for the paths to change over to the %s port",
		    fcn_port_name(port));
		return STAY;
	}
	if (!is_unused(machine, from, !port))
		return STAY;
	/* Before the original leaves: the guest may have registered reservations meanwhile. */
	return port == FCN_PORT_MAINTENANCE ? probe(machine, look, port) : NEXT;
}

/* The guest has its disks through the other port: proven now, not a while ago. */
static bool may_leave(struct fcn_machine *machine, const struct fcn_port_view *original,
		      const struct fcn_port_view *maintenance)
{
	if (is_fit(maintenance))
		return is_unused(machine, original, FCN_PORT_ORIGINAL);
	say(machine, "the original stays, as of the maintenance port: %s", maintenance->why);
	return false;
}

/* A port that a failed login has made, and somebody uses: it is left to him. */
static enum verdict leave(struct fcn_machine *machine, const struct fcn_port_view *view)
{
	size_t len = strlen(machine->cause);

	scnprintf(machine->cause + len, sizeof(machine->cause) - len,
		  "; the port stays logged in, as disk %s is open", view->open);
	return NEXT;
}

static enum verdict look_logout(struct fcn_machine *machine, struct look *look,
				enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];
	const struct fcn_port_view *maintenance = &look->view->port[FCN_PORT_MAINTENANCE];

	/* The maintenance port may stay for long: the LPAR lives elsewhere by then. */
	if (machine->switched &&
	    look->view->port[FCN_PORT_ORIGINAL].state != FCN_PORT_STATE_ELSEWHERE &&
	    !keep_original_away(machine, look))
		return STAY;
	/* With the port its disks go, and then our claims on them. */
	if (view->state == FCN_PORT_STATE_ABSENT && !look->view->has_claims)
		return NEXT;
	/* At another adapter it is not ours to delete, or it is just going. */
	if (view->state == FCN_PORT_STATE_LEAVING ||
	    (view->state == FCN_PORT_STATE_ELSEWHERE && !look->view->has_claims)) {
		say(machine, "%s", view->why);
		return STAY;
	}
	if (machine->operation == FCN_OPERATION_SOURCE && port == FCN_PORT_ORIGINAL &&
	    !may_leave(machine, view, maintenance))
		return STAY;
	/* On the way back. A logout was refused then, or is forced. */
	if (machine->operation == FCN_OPERATION_LOGIN && !is_closed(machine, view, port))
		return is_over(machine, look->now_ms) ? leave(machine, view) : STAY;
	order(machine, look, FCN_JOB_LOGOUT, port);
	return STAY;
}

static enum verdict look_gone(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];

	if (view->state == FCN_PORT_STATE_ELSEWHERE) {
		say(machine, "%s", view->why);
		return STAY;
	}
	if (view->state != FCN_PORT_STATE_ABSENT) {
		enter(machine, FCN_STEP_O_LOGOUT, look->now_ms);
		return AGAIN;
	}
	if (test_bit(FCN_CONFIRM_GONE, &machine->confirmed)) {
		machine->gone_by = FCN_GONE_BY_FABRIC;
		return NEXT;
	}
	if (look->now_ms >= machine->deadline) {
		machine->gone_by = FCN_GONE_BY_GRACE;
		return NEXT;
	}
	say(machine, "waits until the fabric knows that the original is gone");
	return STAY;
}

static enum verdict look_on_maintenance(struct fcn_machine *machine, struct look *look,
					enum fcn_port port)
{
	if (!keep_original_away(machine, look))
		return STAY;
	machine->has_token = true;
	if (machine->switched)
		return NEXT;
	say(machine, "waits for the switch-over");
	return STAY;
}

static enum verdict look_return(struct fcn_machine *machine, struct look *look,
				enum fcn_port port)
{
	if (!keep_original_away(machine, look))
		return STAY;
	if (test_bit(FCN_CONFIRM_RETURNED, &machine->confirmed)) {
		machine->has_token = false;
		return NEXT;
	}
	say(machine, "waits until the destination has logged the original out");
	return STAY;
}

/* Each disk is claimed as soon as it is there; those of a wrong LUN as well. */
static enum verdict look_hold(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];

	if (is_lost(view))
		return lose(machine, look, port);
	say(machine, "%s", view->why);
	if (view->held)
		return is_fit(view) ? NEXT : STAY;
	if (look->view->nr_seen)
		order(machine, look, FCN_JOB_HOLD, port);
	return STAY;
}

/* It is armed only as long as all is there, and in our hands. */
static enum verdict look_armed(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	const struct fcn_port_view *view = &look->view->port[port];

	if (is_lost(view)) {
		enter(machine, FCN_STEP_O_LOGIN, look->now_ms);
		return AGAIN;
	}
	if (!is_fit(view) || !view->held) {
		enter(machine, FCN_STEP_O_HOLD, look->now_ms);
		return AGAIN;
	}
	if (test_bit(FCN_CONFIRM_SWITCHED, &machine->confirmed)) {
		machine->switched = true;
		return NEXT;
	}
	say(machine, "waits for the switch-over");
	return STAY;
}

static enum verdict look_free(struct fcn_machine *machine, struct look *look, enum fcn_port port)
{
	if (!look->view->has_claims)
		return NEXT;
	order(machine, look, FCN_JOB_FREE, port);
	return STAY;
}

static const struct rule rules[] = {
	[FCN_STEP_IDLE] = {
		.name = "idle", .deadline = FCN_DEADLINE_NONE,
	},
	[FCN_STEP_M_LOGIN] = {
		.name = "m-login", .deadline = FCN_DEADLINE_LOGIN,
		.port = FCN_PORT_MAINTENANCE, .look = look_login,
	},
	[FCN_STEP_M_VERIFY] = {
		.name = "m-verify", .deadline = FCN_DEADLINE_STORAGE,
		.port = FCN_PORT_MAINTENANCE, .look = look_verify,
	},
	[FCN_STEP_IO_TO_M] = {
		.name = "io-to-m", .deadline = FCN_DEADLINE_MOVE, .waits = true,
		.port = FCN_PORT_MAINTENANCE, .look = look_move,
	},
	[FCN_STEP_O_LOGOUT] = {
		.name = "o-logout", .deadline = FCN_DEADLINE_LOGOUT,
		.port = FCN_PORT_ORIGINAL, .look = look_logout,
	},
	[FCN_STEP_O_GONE] = {
		.name = "o-gone", .deadline = FCN_DEADLINE_GRACE, .waits = true,
		.port = FCN_PORT_ORIGINAL, .look = look_gone,
	},
	[FCN_STEP_ON_M] = {
		.name = "on-m", .deadline = FCN_DEADLINE_NONE, .waits = true,
		.port = FCN_PORT_MAINTENANCE, .look = look_on_maintenance,
	},
	[FCN_STEP_M_LOGOUT] = {
		.name = "m-logout", .deadline = FCN_DEADLINE_LOGOUT,
		.port = FCN_PORT_MAINTENANCE, .look = look_logout,
	},
	[FCN_STEP_O_LOGIN] = {
		.name = "o-login", .deadline = FCN_DEADLINE_LOGIN,
		.port = FCN_PORT_ORIGINAL, .look = look_login,
	},
	[FCN_STEP_O_VERIFY] = {
		.name = "o-verify", .deadline = FCN_DEADLINE_STORAGE,
		.port = FCN_PORT_ORIGINAL, .look = look_verify,
	},
	[FCN_STEP_O_HOLD] = {
		.name = "o-hold", .deadline = FCN_DEADLINE_STORAGE,
		.port = FCN_PORT_ORIGINAL, .look = look_hold,
	},
	[FCN_STEP_ARMED] = {
		.name = "armed", .deadline = FCN_DEADLINE_NONE, .waits = true,
		.port = FCN_PORT_ORIGINAL, .look = look_armed,
	},
	[FCN_STEP_O_FREE] = {
		.name = "o-free", .deadline = FCN_DEADLINE_STORAGE,
		.port = FCN_PORT_ORIGINAL, .look = look_free,
	},
	[FCN_STEP_O_RETURN] = {
		.name = "o-return", .deadline = FCN_DEADLINE_NONE, .waits = true,
		.port = FCN_PORT_ORIGINAL, .look = look_return,
	},
	[FCN_STEP_IO_TO_O] = {
		.name = "io-to-o", .deadline = FCN_DEADLINE_MOVE, .waits = true,
		.port = FCN_PORT_ORIGINAL, .look = look_move,
	},
};

/**
 * fcn_step_name() - a step as the user sees it
 * @step: step
 *
 * Return: static text.
 */
const char *fcn_step_name(enum fcn_step step)
{
	return rules[step].name;
}

/**
 * fcn_port_name() - a port as the user sees it
 * @port: port
 *
 * Return: static text.
 */
const char *fcn_port_name(enum fcn_port port)
{
	return port == FCN_PORT_ORIGINAL ? "original" : "maintenance";
}

/**
 * fcn_machine_init() - nothing is under way
 * @machine: machine
 *
 * The deadlines are those of the references: the slowest driver that is known
 * takes more than 100 s to log out.
 */
void fcn_machine_init(struct fcn_machine *machine)
{
	memset(machine, 0, sizeof(*machine));
	machine->deadline_ms[FCN_DEADLINE_LOGIN] = 120000;
	machine->deadline_ms[FCN_DEADLINE_STORAGE] = 60000;
	machine->deadline_ms[FCN_DEADLINE_MOVE] = 60000;
	machine->deadline_ms[FCN_DEADLINE_LOGOUT] = 120000;
	machine->deadline_ms[FCN_DEADLINE_GRACE] = 10000;
}

/**
 * fcn_machine_is_idle() - is nothing under way?
 * @machine: machine
 *
 * Return: true if so.
 */
bool fcn_machine_is_idle(const struct fcn_machine *machine)
{
	return machine->step == FCN_STEP_IDLE;
}

/**
 * fcn_machine_reason() - what stands in its way, or why it went back
 * @machine: machine
 *
 * Return: text, may be "".
 */
const char *fcn_machine_reason(const struct fcn_machine *machine)
{
	return machine->obstacle[0] ? machine->obstacle : machine->cause;
}

/**
 * fcn_machine_job_done() - the last order was carried out
 * @machine: machine
 * @error: 0 or a negative errno
 * @why: reason for that
 * @now_ms: when
 */
void fcn_machine_job_done(struct fcn_machine *machine, int error, const char *why, u64 now_ms)
{
	machine->job_runs = false;
	machine->job_done = true;
	machine->job_error = error;
	strscpy(machine->job_why, error ? why : "", sizeof(machine->job_why));
	/* Disks come one by one, and the next must not wait because of one that failed. */
	if (machine->job == FCN_JOB_HOLD) {
		machine->retry_at = now_ms + FCN_TICK_MS / 2;
		return;
	}
	machine->retry_at = now_ms + machine->backoff_ms;
	machine->backoff_ms = min_t(u32, 2 * machine->backoff_ms, FCN_BACKOFF_LAST_MS);
}

/* What no kernel call can be made to do: it is waited for, and told. */
static void watch_job(struct fcn_machine *machine, u64 now_ms)
{
	if (!is_over(machine, now_ms))
		return;
	machine->overdue = true;
	machine->state = FCN_STATE_STUCK;
	say(machine, "the deadline of %s is over, but the driver has not come back yet",
	    fcn_step_name(machine->step));
}

static void judge(struct fcn_machine *machine, const struct look *look)
{
	if (machine->overdue)
		machine->state = FCN_STATE_STUCK;
	else if (rules[machine->step].waits && look->order.job == FCN_JOB_NONE)
		machine->state = FCN_STATE_WAITING;
	else
		machine->state = FCN_STATE_BUSY;
}

/* One look at the step that is under way. False: nothing more to do now. */
static bool take_step(struct fcn_machine *machine, struct look *look)
{
	const struct rule *rule = &rules[machine->step];
	enum verdict verdict;

	machine->obstacle[0] = 0;
	verdict = rule->look(machine, look, rule->port);
	if (verdict == STAY && is_over(machine, look->now_ms)) {
		if (fcn_machine_may_go_back(machine))
			verdict = FAIL;
		else
			machine->overdue = true;
	}
	switch (verdict) {
	case NEXT:
		enter(machine, step_after(machine), look->now_ms);
		return true;
	case AGAIN:
		return true;
	case FAIL:
		turn_back(machine, look->now_ms);
		look->order.job = FCN_JOB_NONE;
		return true;
	default:
		keep_maintenance(machine, look);
		return false;
	}
}

/**
 * fcn_machine_advance() - go on as far as it goes now
 * @machine: machine
 * @view: what is seen
 * @now_ms: when
 *
 * Return: what is to be done; the caller sees to it and tells with
 * fcn_machine_job_done().
 */
struct fcn_order fcn_machine_advance(struct fcn_machine *machine, const struct fcn_view *view,
				     u64 now_ms)
{
	struct look look = { .view = view, .now_ms = now_ms };

	if (fcn_machine_is_idle(machine))
		return look.order;
	if (machine->job_runs) {
		watch_job(machine, now_ms);
		return look.order;
	}
	if (machine->abort) {
		machine->abort = false;
		say(machine, "it was aborted");
		turn_back(machine, now_ms);
	}
	while (!fcn_machine_is_idle(machine) && take_step(machine, &look))
		;
	if (fcn_machine_is_idle(machine)) {
		finish(machine, now_ms);
		return look.order;
	}
	judge(machine, &look);
	machine->job_runs = look.order.job != FCN_JOB_NONE;
	if (machine->job_runs)
		machine->job = look.order.job;
	return look.order;
}
