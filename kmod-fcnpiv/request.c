// SPDX-License-Identifier: GPL-2.0
/*
 * What is asked of the state machine: an operation, its abort, a confirmation. Each
 * is refused here, with a reason, or taken note of. As machine.c it is pure.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include "fcnpiv.h"

static int check_login(const struct fcn_machine *machine, const struct fcn_start *start,
		       char *why)
{
	if (start->port == FCN_PORT_ORIGINAL && machine->is_away && !start->force)
		return fcn_fail(why, -EPERM,
				"the identity has moved to another host; force if it is surely not logged in there");
	return 0;
}

static int check_logout(const struct fcn_start *start, const struct fcn_view *view, char *why)
{
	const char *open = view->port[start->port].open;

	if (*open && !start->force)
		return fcn_fail(why, -EBUSY, "disk %s is open; stop its user, or force", open);
	return 0;
}

static int check_source(const struct fcn_view *view, char *why)
{
	const struct fcn_port_view *original = &view->port[FCN_PORT_ORIGINAL];

	if (original->state != FCN_PORT_STATE_ACTIVE)
		return fcn_fail(why, -ENOTCONN, "the original is not logged in here");
	if (!view->nr_seen)
		return fcn_fail(why, -ENODEV, "the original sees no disk; there is nothing to move");
	if (!original->matches)
		return fcn_fail(why, -EINVAL, "%s", original->why);
	return 0;
}

static int check_destination(const struct fcn_start *start, const struct fcn_view *view,
			     char *why)
{
	if (!start->has_token && !start->force)
		return fcn_fail(why, -EPERM,
				"the source's token is missing; force if the source is dead or fenced");
	if (view->port[FCN_PORT_ORIGINAL].state != FCN_PORT_STATE_ABSENT)
		return fcn_fail(why, -EEXIST, "the original is logged in on this host already");
	if (!view->nr_expected)
		return fcn_fail(why, -EINVAL, "no LUNs are expected; give those of the source");
	return 0;
}

/* The way back of a login takes nothing away that it has not made. */
static bool is_there(enum fcn_port_state state)
{
	return state != FCN_PORT_STATE_ABSENT && state != FCN_PORT_STATE_LEAVING;
}

static int check_start(const struct fcn_machine *machine, const struct fcn_start *start,
		       const struct fcn_view *view, char *why)
{
	if (!fcn_machine_is_idle(machine))
		return fcn_fail(why, -EBUSY, "an operation is under way (%s); wait, or abort it",
				fcn_step_name(machine->step));
	switch (start->operation) {
	case FCN_OPERATION_LOGIN:
		return check_login(machine, start, why);
	case FCN_OPERATION_LOGOUT:
		return check_logout(start, view, why);
	case FCN_OPERATION_SOURCE:
		return check_source(view, why);
	case FCN_OPERATION_DESTINATION:
		return check_destination(start, view, why);
	default:
		return fcn_fail(why, -EINVAL, "there is no such operation");
	}
}

/**
 * fcn_machine_start() - begin an operation
 * @machine: idle machine
 * @start: what is asked for
 * @view: what is seen now
 * @now_ms: when
 * @why: FCNPIV_REASON_MAX + 1 bytes for the refusal
 *
 * Return: 0, -EBUSY, -EPERM, -EINVAL, -EEXIST, -ENODEV or -ENOTCONN.
 */
int fcn_machine_start(struct fcn_machine *machine, const struct fcn_start *start,
		      const struct fcn_view *view, u64 now_ms, char *why)
{
	int err = check_start(machine, start, view, why);

	if (err)
		return err;
	fcn_machine_begin(machine, start->operation, start->port,
			  is_there(view->port[start->port].state), now_ms);
	return 0;
}

/**
 * fcn_machine_abort() - go back, as soon as no job is under way
 * @machine: machine
 * @why: FCNPIV_REASON_MAX + 1 bytes for the refusal
 *
 * Return: 0, -ENOENT when nothing is under way, -EBUSY when there is no way back.
 */
int fcn_machine_abort(struct fcn_machine *machine, char *why)
{
	if (fcn_machine_is_idle(machine))
		return fcn_fail(why, -ENOENT, "nothing is under way");
	if (machine->goes_back)
		return 0;
	if (!fcn_machine_may_go_back(machine))
		return fcn_fail(why, -EBUSY, machine->switched ?
				"the LPAR lives at the destination; there is no way back" :
				"a logout is not undone; log in afterwards");
	machine->abort = true;
	return 0;
}

/**
 * fcn_machine_confirm() - take note of what only user space knows
 * @machine: machine
 * @confirm: what
 * @why: FCNPIV_REASON_MAX + 1 bytes for the refusal
 *
 * What is said too early is refused, and what was said in one step is forgotten
 * in the next.
 *
 * Return: 0 or -EINVAL.
 */
int fcn_machine_confirm(struct fcn_machine *machine, enum fcn_confirm confirm, char *why)
{
	enum fcn_step step = machine->step;
	bool fits = false;

	switch (confirm) {
	case FCN_CONFIRM_IO:
		fits = step == FCN_STEP_IO_TO_M || step == FCN_STEP_IO_TO_O;
		break;
	case FCN_CONFIRM_GONE:
		fits = step == FCN_STEP_O_GONE;
		break;
	case FCN_CONFIRM_SWITCHED:
		fits = (step == FCN_STEP_ON_M || step == FCN_STEP_ARMED) && !machine->abort;
		break;
	case FCN_CONFIRM_RETURNED:
		fits = step == FCN_STEP_O_RETURN;
		break;
	}
	if (!fits)
		return fcn_fail(why, -EINVAL, "step %s does not wait for that",
				fcn_step_name(step));
	__set_bit(confirm, &machine->confirmed);
	/* The destination has decided: whatever is still under way here, nothing goes back. */
	if (step == FCN_STEP_ON_M)
		machine->switched = true;
	return 0;
}
