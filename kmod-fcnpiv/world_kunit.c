// SPDX-License-Identifier: GPL-2.0
/*
 * A small model of the world, for the tests of machine.c: a fabric, two hosts, and
 * somebody in user space. All that goes wrong is drawn by a generator with a fixed
 * seed, and whatever happens, the original is never logged in on both hosts by our
 * doing.
 */
#include <kunit/test.h>
#include <linux/minmax.h>
#include "world_kunit.h"

static u32 draw(struct fcn_world *world)
{
	/* Numerical Recipes' generator: the same run each time. */
	world->seed = world->seed * 1664525 + 1013904223;
	return world->seed >> 8;
}

static bool goes_wrong(struct fcn_world *world)
{
	return draw(world) % 1000 < world->trouble;
}

/**
 * fcn_world_set_port() - a port of a host is in this state, with all LUNs if active
 * @host: host
 * @port: port
 * @state: state
 */
void fcn_world_set_port(struct fcn_host *host, enum fcn_port port, enum fcn_port_state state)
{
	struct fcn_port_view *view = &host->view.port[port];

	view->state = state;
	view->matches = state == FCN_PORT_STATE_ACTIVE;
	view->held = false;
	view->busy = 0;
	if (state == FCN_PORT_STATE_ACTIVE)
		host->has_disks[port] = true;
	else if (state == FCN_PORT_STATE_ABSENT)
		host->has_disks[port] = false;
}

static void init_host(struct fcn_host *host)
{
	memset(host, 0, sizeof(*host));
	fcn_machine_init(&host->machine);
	host->view.nr_expected = 2;
	host->view.nr_seen = 2;
}

/**
 * fcn_world_new() - both hosts are idle, and the original is at the source
 * @test: test, which frees it
 * @seed: of what goes wrong
 * @trouble: of 1000 draws so many go wrong
 *
 * Return: model.
 */
struct fcn_world *fcn_world_new(struct kunit *test, u32 seed, unsigned int trouble)
{
	struct fcn_world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, world);
	world->now_ms = 1000;
	world->seed = seed;
	world->trouble = trouble;
	world->may_switch = true;
	init_host(&world->host[SOURCE]);
	init_host(&world->host[DESTINATION]);
	fcn_world_set_port(&world->host[SOURCE], FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
	return world;
}

/**
 * fcn_world_state() - how a port is
 * @world: model
 * @host: SOURCE or DESTINATION
 * @port: port
 *
 * Return: state of its login.
 */
enum fcn_port_state fcn_world_state(const struct fcn_world *world, int host, enum fcn_port port)
{
	return world->host[host].view.port[port].state;
}

static bool is_original_at(const struct fcn_world *world, int host)
{
	return fcn_world_state(world, host, FCN_PORT_ORIGINAL) != FCN_PORT_STATE_ABSENT;
}

/* The fabric lets one host in under a name, and refuses or throws out the other: either is lost. */
static void expect_one_host(struct kunit *test, const struct fcn_world *world)
{
	KUNIT_ASSERT_FALSE_MSG(test, is_original_at(world, SOURCE) &&
			       is_original_at(world, DESTINATION),
			       "the original is on both hosts at %llu, steps %s and %s",
			       world->now_ms, fcn_step_name(world->host[SOURCE].machine.step),
			       fcn_step_name(world->host[DESTINATION].machine.step));
}

/* The guest has a port through which its paths lead, unless somebody else deleted it. */
static void expect_disks(struct kunit *test, const struct fcn_world *world)
{
	int at = world->switched ? DESTINATION : SOURCE;
	const struct fcn_host *host = &world->host[at];

	KUNIT_ASSERT_FALSE_MSG(test,
			       host->view.port[host->io_on].state == FCN_PORT_STATE_ABSENT &&
			       !world->guest_was_cut,
			       "the guest has lost its disks at %llu, steps %s and %s",
			       world->now_ms, fcn_step_name(world->host[SOURCE].machine.step),
			       fcn_step_name(world->host[DESTINATION].machine.step));
}

/* Disks at the destination are ours alone before the switch-over. */
static void expect_held(struct kunit *test, const struct fcn_world *world)
{
	const struct fcn_host *host = &world->host[DESTINATION];

	if (host->machine.step == FCN_STEP_ARMED && !host->machine.job_runs)
		KUNIT_ASSERT_TRUE(test, host->view.has_claims);
	if (!world->switched)
		KUNIT_ASSERT_NE(test, (int)host->job.job, (int)FCN_JOB_FREE);
}

static void do_job(struct fcn_world *world, struct fcn_host *host)
{
	struct fcn_port_view *port = &host->view.port[host->job.port];

	switch (host->job.job) {
	case FCN_JOB_LOGIN:
		if (port->state == FCN_PORT_STATE_ABSENT)
			fcn_world_set_port(host, host->job.port, FCN_PORT_STATE_COMING);
		else if (port->state == FCN_PORT_STATE_REFUSED && !port->open[0])
			fcn_world_set_port(host, host->job.port, FCN_PORT_STATE_ABSENT);
		break;
	case FCN_JOB_LOGOUT:
		fcn_world_set_port(host, host->job.port, FCN_PORT_STATE_ABSENT);
		if (host->job.port == FCN_PORT_ORIGINAL)
			host->view.has_claims = false;
		break;
	case FCN_JOB_HOLD:
		port->held = true;
		host->view.has_claims = true;
		break;
	case FCN_JOB_FREE:
		port->held = false;
		host->view.has_claims = false;
		break;
	default:
		break;
	}
}

static void end_job(struct fcn_world *world, struct fcn_host *host)
{
	static const int errors[] = { -EIO, -EBUSY, -ENODEV };
	int err = goes_wrong(world) ? errors[draw(world) % ARRAY_SIZE(errors)] : 0;

	if (!err)
		do_job(world, host);
	else if (host->job.job == FCN_JOB_HOLD)
		host->view.has_claims = true; /* of all disks but one */
	fcn_machine_job_done(&host->machine, err, "it went wrong", world->now_ms);
	host->job.job = FCN_JOB_NONE;
}

/* The guest's paths lead there. */
static bool is_guests(const struct fcn_world *world, const struct fcn_host *host,
		      enum fcn_port port)
{
	return host == &world->host[world->switched ? DESTINATION : SOURCE] &&
	       host->io_on == port;
}

/* One with disks had only lost its link, or the transport takes the disks away. */
static void change_refused(struct fcn_world *world, struct fcn_host *host, enum fcn_port port)
{
	switch (draw(world) % 50) {
	case 0:
		fcn_world_set_port(host, port, FCN_PORT_STATE_ACTIVE);
		break;
	case 1:
		host->has_disks[port] = false;
		world->guest_was_cut |= is_guests(world, host, port);
		break;
	}
}

/* A port logs in, is refused, loses its link or a LUN, is deleted by somebody else. */
static void change_port(struct fcn_world *world, struct fcn_host *host, enum fcn_port port)
{
	struct fcn_port_view *view = &host->view.port[port];

	if (view->state == FCN_PORT_STATE_COMING && draw(world) % 4 == 0)
		fcn_world_set_port(host, port, goes_wrong(world) ? FCN_PORT_STATE_REFUSED :
							 FCN_PORT_STATE_ACTIVE);
	if (view->state == FCN_PORT_STATE_REFUSED && host->has_disks[port])
		change_refused(world, host, port);
	if (view->state == FCN_PORT_STATE_ABSENT || !goes_wrong(world))
		return;
	switch (draw(world) % 4) {
	case 0:
		fcn_world_set_port(host, port, FCN_PORT_STATE_COMING);
		break;
	case 1:
		view->matches = !view->matches && view->state == FCN_PORT_STATE_ACTIVE;
		break;
	case 2:
		view->busy = view->busy ? 0 : 3;
		break;
	case 3:
		fcn_world_set_port(host, port, FCN_PORT_STATE_ABSENT);
		world->guest_was_cut |= is_guests(world, host, port);
		break;
	}
	/* What is claimed stays so while the disks are there. */
	if (view->state == FCN_PORT_STATE_ACTIVE && port == FCN_PORT_ORIGINAL)
		view->held = host->view.has_claims;
}

/**
 * fcn_world_confirm() - user space says so to the machine of a host
 * @host: host
 * @what: what
 *
 * Return: true unless it was refused.
 */
bool fcn_world_confirm(struct fcn_host *host, enum fcn_confirm what)
{
	char why[FCNPIV_REASON_MAX + 1];

	return !fcn_machine_confirm(&host->machine, what, why);
}

/* By the guest, or by our claims. */
static void open_disks(const struct fcn_world *world, struct fcn_host *host)
{
	enum fcn_port port;

	for (port = 0; port < FCN_PORTS; port++) {
		bool open = host->has_disks[port] &&
			    (is_guests(world, host, port) ||
			     (port == FCN_PORT_ORIGINAL && host->view.has_claims));

		strscpy(host->view.port[port].open, open ? "sda" : "",
			sizeof(host->view.port[port].open));
	}
}

/**
 * fcn_world_run_host() - a tick of one host: ports change, a job ends, the machine looks
 * @test: test
 * @world: model
 * @host: host
 */
void fcn_world_run_host(struct kunit *test, struct fcn_world *world, struct fcn_host *host)
{
	struct fcn_order order;

	change_port(world, host, FCN_PORT_ORIGINAL);
	change_port(world, host, FCN_PORT_MAINTENANCE);
	open_disks(world, host);
	if (host->job.job != FCN_JOB_NONE && world->now_ms >= host->job_ends)
		end_job(world, host);
	order = fcn_machine_advance(&host->machine, &host->view, world->now_ms);
	if (order.job == FCN_JOB_NONE)
		return;
	KUNIT_ASSERT_EQ(test, (int)host->job.job, (int)FCN_JOB_NONE);
	host->job = order;
	host->job_ends = world->now_ms + (goes_wrong(world) ? draw(world) % 300000 :
							      draw(world) % 500);
}

static void start_destination(struct kunit *test, struct fcn_world *world)
{
	const struct fcn_start start = {
		.operation = FCN_OPERATION_DESTINATION, .has_token = true,
	};
	struct fcn_host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	if (fcn_machine_start(&host->machine, &start, &host->view, world->now_ms, why))
		return;
	world->token_given = true;
}

/* It may say so before it is true. */
static void move_paths(struct fcn_world *world, enum fcn_port port)
{
	struct fcn_host *source = &world->host[SOURCE];

	if (!goes_wrong(world))
		source->io_on = port;
	fcn_world_confirm(source, FCN_CONFIRM_IO);
}

/* What lparctl does, and when it is killed, does later or not at all. */
static void act_at_source(struct kunit *test, struct fcn_world *world)
{
	struct fcn_host *source = &world->host[SOURCE];
	struct fcn_host *destination = &world->host[DESTINATION];

	switch (source->machine.step) {
	case FCN_STEP_IO_TO_M:
		move_paths(world, FCN_PORT_MAINTENANCE);
		break;
	case FCN_STEP_IO_TO_O:
		move_paths(world, FCN_PORT_ORIGINAL);
		break;
	case FCN_STEP_O_GONE:
		if (draw(world) % 2)
			fcn_world_confirm(source, FCN_CONFIRM_GONE);
		break;
	case FCN_STEP_ON_M:
		if (!world->token_given && source->machine.has_token)
			start_destination(test, world);
		break;
	case FCN_STEP_O_RETURN:
		/* An LPAR that lives there gives no receipt. */
		if (fcn_machine_is_idle(&destination->machine) && !world->switched) {
			world->token_given = false;
			fcn_world_confirm(source, FCN_CONFIRM_RETURNED);
		}
		break;
	default:
		break;
	}
}

/* The destination's answer decides, and the source is told afterwards. */
static void act_at_destination(struct fcn_world *world)
{
	struct fcn_host *source = &world->host[SOURCE];
	struct fcn_host *destination = &world->host[DESTINATION];
	struct fcn_machine *machine = &destination->machine;
	char why[FCNPIV_REASON_MAX + 1];

	if (machine->step == FCN_STEP_O_GONE)
		fcn_world_confirm(destination, FCN_CONFIRM_GONE);
	if (world->may_switch && machine->step == FCN_STEP_ARMED &&
	    source->machine.step == FCN_STEP_ON_M && !source->machine.abort &&
	    fcn_world_confirm(destination, FCN_CONFIRM_SWITCHED)) {
		destination->job = fcn_machine_advance(machine, &destination->view,
						       world->now_ms);
		destination->job_ends = world->now_ms;
		world->switched = machine->switched;
		destination->io_on = FCN_PORT_ORIGINAL;
	}
	if (world->switched)
		fcn_world_confirm(source, FCN_CONFIRM_SWITCHED);
	if (source->machine.step == FCN_STEP_O_RETURN && !fcn_machine_is_idle(machine))
		fcn_machine_abort(machine, why);
	if (machine->goes_back && source->machine.step == FCN_STEP_ON_M)
		fcn_machine_abort(&source->machine, why);
}

/**
 * fcn_world_run() - ticks of all, and somebody in user space who drives the swap
 * @test: test, which fails when what must never be is
 * @world: model
 * @ticks: how many
 */
void fcn_world_run(struct kunit *test, struct fcn_world *world, unsigned int ticks)
{
	char why[FCNPIV_REASON_MAX + 1];

	for (; ticks; ticks--, world->now_ms += FCN_TICK_MS) {
		fcn_world_run_host(test, world, &world->host[SOURCE]);
		fcn_world_run_host(test, world, &world->host[DESTINATION]);
		if (!world->trouble || draw(world) % 8 == 0) {
			act_at_source(test, world);
			act_at_destination(world);
		}
		if (world->trouble && draw(world) % 4000 == 0)
			fcn_machine_abort(&world->host[SOURCE].machine, why);
		expect_one_host(test, world);
		expect_disks(test, world);
		expect_held(test, world);
	}
}

/**
 * fcn_world_start_source() - the swap begins
 * @test: test
 * @world: model
 */
void fcn_world_start_source(struct kunit *test, struct fcn_world *world)
{
	const struct fcn_start start = { .operation = FCN_OPERATION_SOURCE };
	struct fcn_host *host = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	KUNIT_ASSERT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), 0);
}

/**
 * fcn_world_run_to() - until the machine of a host is in this step, or for two minutes
 * @test: test
 * @world: model
 * @host: SOURCE or DESTINATION
 * @step: step
 *
 * Return: true if it is.
 */
bool fcn_world_run_to(struct kunit *test, struct fcn_world *world, int host, enum fcn_step step)
{
	unsigned int ticks;

	for (ticks = 0; ticks < 1200 && world->host[host].machine.step != step; ticks++)
		fcn_world_run(test, world, 1);
	return ticks < 1200;
}

/**
 * fcn_world_heal() - nothing goes wrong any more
 * @world: model
 */
void fcn_world_heal(struct fcn_world *world)
{
	unsigned int i, port;

	world->trouble = 0;
	for (i = 0; i < HOSTS; i++)
		for (port = 0; port < FCN_PORTS; port++) {
			struct fcn_port_view *view = &world->host[i].view.port[port];

			view->busy = 0;
			view->matches = view->state == FCN_PORT_STATE_ACTIVE;
		}
}
