// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of machine.c. Two machines, source and destination, are driven in a
 * small model of the world: a fabric, two hosts, and somebody in user space. All
 * that goes wrong is drawn by a generator with a fixed seed, and whatever happens,
 * the original is never logged in on both hosts by our doing.
 */
#include <kunit/test.h>
#include <linux/minmax.h>
#include "fcnpiv.h"

#define SOURCE		0
#define DESTINATION	1
#define HOSTS		2

/* Of what goes wrong: seconds on the emulated kernel that runs KUnit; more in user space. */
#ifndef SEEDS
#define SEEDS		60
#endif

/**
 * struct host - one of the hosts of the model
 * @machine: of its identity
 * @view: what it sees
 * @job: under way
 * @job_ends: when
 * @io_on: port to which its paths lead
 */
struct host {
	struct fcn_machine machine;
	struct fcn_view view;
	struct fcn_order job;
	u64 job_ends;
	enum fcn_port io_on;
};

/**
 * struct world - the model
 * @host: hosts
 * @now_ms: time
 * @seed: of what goes wrong
 * @trouble: of 1000 draws so many go wrong
 * @token_given: the destination has had the token, and not given it back
 * @may_switch: the memory is copied
 * @switched: the LPAR lives at the destination
 * @guest_was_cut: the guest's disks went away at the host where it lives
 */
struct world {
	struct host host[HOSTS];
	u64 now_ms;
	u32 seed;
	unsigned int trouble;
	bool token_given;
	bool may_switch;
	bool switched;
	bool guest_was_cut;
};

static u32 draw(struct world *world)
{
	/* Numerical Recipes' generator: the same run each time. */
	world->seed = world->seed * 1664525 + 1013904223;
	return world->seed >> 8;
}

static bool goes_wrong(struct world *world)
{
	return draw(world) % 1000 < world->trouble;
}

static void set_port(struct host *host, enum fcn_port port, enum fcn_port_state state)
{
	struct fcn_port_view *view = &host->view.port[port];

	view->state = state;
	view->matches = state == FCN_PORT_STATE_ACTIVE;
	view->held = false;
	view->busy = 0;
}

static void init_host(struct host *host)
{
	memset(host, 0, sizeof(*host));
	fcn_machine_init(&host->machine);
	host->view.nr_expected = 2;
	host->view.nr_seen = 2;
}

static struct world *new_world(struct kunit *test, u32 seed, unsigned int trouble)
{
	struct world *world = kunit_kzalloc(test, sizeof(*world), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, world);
	world->now_ms = 1000;
	world->seed = seed;
	world->trouble = trouble;
	world->may_switch = true;
	init_host(&world->host[SOURCE]);
	init_host(&world->host[DESTINATION]);
	set_port(&world->host[SOURCE], FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
	return world;
}

static enum fcn_port_state state_of(const struct world *world, int host, enum fcn_port port)
{
	return world->host[host].view.port[port].state;
}

/* The fabric lets one host in under a name, and refuses or throws out the other: either is lost. */
static void expect_one_host(struct kunit *test, const struct world *world)
{
	bool at_source = state_of(world, SOURCE, FCN_PORT_ORIGINAL) != FCN_PORT_STATE_ABSENT;
	bool at_destination =
		state_of(world, DESTINATION, FCN_PORT_ORIGINAL) != FCN_PORT_STATE_ABSENT;

	KUNIT_ASSERT_FALSE_MSG(test, at_source && at_destination,
			       "the original is on both hosts at %llu, steps %s and %s",
			       world->now_ms, fcn_step_name(world->host[SOURCE].machine.step),
			       fcn_step_name(world->host[DESTINATION].machine.step));
}

/* The guest has a port through which its paths lead, unless somebody else deleted it. */
static void expect_disks(struct kunit *test, const struct world *world)
{
	int at = world->switched ? DESTINATION : SOURCE;
	const struct host *host = &world->host[at];

	KUNIT_ASSERT_FALSE_MSG(test,
			       host->view.port[host->io_on].state == FCN_PORT_STATE_ABSENT &&
			       !world->guest_was_cut,
			       "the guest has lost its disks at %llu, steps %s and %s",
			       world->now_ms, fcn_step_name(world->host[SOURCE].machine.step),
			       fcn_step_name(world->host[DESTINATION].machine.step));
}

/* Disks at the destination are ours alone before the switch-over. */
static void expect_held(struct kunit *test, const struct world *world)
{
	const struct host *host = &world->host[DESTINATION];

	if (host->machine.step == FCN_STEP_ARMED && !host->machine.job_runs)
		KUNIT_ASSERT_TRUE(test, host->view.has_claims);
	if (!world->switched)
		KUNIT_ASSERT_NE(test, (int)host->job.job, (int)FCN_JOB_FREE);
}

static void do_job(struct world *world, struct host *host)
{
	struct fcn_port_view *port = &host->view.port[host->job.port];

	switch (host->job.job) {
	case FCN_JOB_LOGIN:
		if (port->state == FCN_PORT_STATE_ABSENT)
			set_port(host, host->job.port, FCN_PORT_STATE_COMING);
		else if (port->state == FCN_PORT_STATE_REFUSED)
			set_port(host, host->job.port, FCN_PORT_STATE_ABSENT);
		break;
	case FCN_JOB_LOGOUT:
		set_port(host, host->job.port, FCN_PORT_STATE_ABSENT);
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

static void end_job(struct world *world, struct host *host)
{
	static const int errors[] = { -EIO, -EBUSY, -ENODEV };
	int err = goes_wrong(world) ? errors[draw(world) % ARRAY_SIZE(errors)] : 0;

	if (!err)
		do_job(world, host);
	fcn_machine_job_done(&host->machine, err, "it went wrong", world->now_ms);
	host->job.job = FCN_JOB_NONE;
}

/* A port logs in, is refused, loses its link or a LUN, is deleted by somebody else. */
static void change_port(struct world *world, struct host *host, enum fcn_port port)
{
	struct fcn_port_view *view = &host->view.port[port];
	bool is_guests = host == &world->host[world->switched ? DESTINATION : SOURCE] &&
			 host->io_on == port;

	if (view->state == FCN_PORT_STATE_COMING && draw(world) % 4 == 0) {
		set_port(host, port, goes_wrong(world) ? FCN_PORT_STATE_REFUSED :
							 FCN_PORT_STATE_ACTIVE);
		world->guest_was_cut |= is_guests && view->state == FCN_PORT_STATE_REFUSED;
	}
	if (view->state == FCN_PORT_STATE_ABSENT || !goes_wrong(world))
		return;
	switch (draw(world) % 4) {
	case 0:
		set_port(host, port, FCN_PORT_STATE_COMING);
		break;
	case 1:
		view->matches = !view->matches && view->state == FCN_PORT_STATE_ACTIVE;
		break;
	case 2:
		view->busy = view->busy ? 0 : 3;
		break;
	case 3:
		set_port(host, port, FCN_PORT_STATE_ABSENT);
		world->guest_was_cut |= is_guests;
		break;
	}
	/* What is claimed stays so while the disks are there. */
	if (view->state == FCN_PORT_STATE_ACTIVE && port == FCN_PORT_ORIGINAL)
		view->held = host->view.has_claims;
}

static bool confirm(struct host *host, enum fcn_confirm what)
{
	char why[FCNPIV_REASON_MAX + 1];

	return !fcn_machine_confirm(&host->machine, what, why);
}

/* As the guest's paths lead there. */
static void open_disks(struct host *host)
{
	strscpy(host->view.port[host->io_on].open, "sda", sizeof(host->view.port[0].open));
	host->view.port[!host->io_on].open[0] = 0;
}

static void run_host(struct kunit *test, struct world *world, struct host *host)
{
	struct fcn_order order;

	open_disks(host);
	change_port(world, host, FCN_PORT_ORIGINAL);
	change_port(world, host, FCN_PORT_MAINTENANCE);
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

static void start_destination(struct kunit *test, struct world *world)
{
	const struct fcn_start start = {
		.operation = FCN_OPERATION_DESTINATION, .has_token = true,
	};
	struct host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	if (fcn_machine_start(&host->machine, &start, &host->view, world->now_ms, why))
		return;
	world->token_given = true;
}

/* It may say so before it is true. */
static void move_paths(struct world *world, enum fcn_port port)
{
	struct host *source = &world->host[SOURCE];

	if (!goes_wrong(world))
		source->io_on = port;
	confirm(source, FCN_CONFIRM_IO);
}

/* What lparctl does, and when it is killed, does later or not at all. */
static void act_at_source(struct kunit *test, struct world *world)
{
	struct host *source = &world->host[SOURCE];
	struct host *destination = &world->host[DESTINATION];

	switch (source->machine.step) {
	case FCN_STEP_IO_TO_M:
		move_paths(world, FCN_PORT_MAINTENANCE);
		break;
	case FCN_STEP_IO_TO_O:
		move_paths(world, FCN_PORT_ORIGINAL);
		break;
	case FCN_STEP_O_GONE:
		if (draw(world) % 2)
			confirm(source, FCN_CONFIRM_GONE);
		break;
	case FCN_STEP_ON_M:
		if (!world->token_given && source->machine.has_token)
			start_destination(test, world);
		break;
	case FCN_STEP_O_RETURN:
		/* An LPAR that lives there gives no receipt. */
		if (fcn_machine_is_idle(&destination->machine) && !world->switched) {
			world->token_given = false;
			confirm(source, FCN_CONFIRM_RETURNED);
		}
		break;
	default:
		break;
	}
}

/* The destination's answer decides, and the source is told afterwards. */
static void act_at_destination(struct world *world)
{
	struct host *source = &world->host[SOURCE];
	struct host *destination = &world->host[DESTINATION];
	struct fcn_machine *machine = &destination->machine;
	char why[FCNPIV_REASON_MAX + 1];

	if (machine->step == FCN_STEP_O_GONE)
		confirm(destination, FCN_CONFIRM_GONE);
	if (world->may_switch && machine->step == FCN_STEP_ARMED &&
	    source->machine.step == FCN_STEP_ON_M && !source->machine.abort &&
	    confirm(destination, FCN_CONFIRM_SWITCHED)) {
		destination->job = fcn_machine_advance(machine, &destination->view,
						       world->now_ms);
		destination->job_ends = world->now_ms;
		world->switched = machine->switched;
		destination->io_on = FCN_PORT_ORIGINAL;
	}
	if (world->switched)
		confirm(source, FCN_CONFIRM_SWITCHED);
	if (source->machine.step == FCN_STEP_O_RETURN && !fcn_machine_is_idle(machine))
		fcn_machine_abort(machine, why);
	if (machine->goes_back && source->machine.step == FCN_STEP_ON_M)
		fcn_machine_abort(&source->machine, why);
}

static void run_world(struct kunit *test, struct world *world, unsigned int ticks)
{
	char why[FCNPIV_REASON_MAX + 1];

	for (; ticks; ticks--, world->now_ms += FCN_TICK_MS) {
		run_host(test, world, &world->host[SOURCE]);
		run_host(test, world, &world->host[DESTINATION]);
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

static void start_source(struct kunit *test, struct world *world)
{
	const struct fcn_start start = { .operation = FCN_OPERATION_SOURCE };
	struct host *host = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	KUNIT_ASSERT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), 0);
}

static void a_swap_moves_the_original(struct kunit *test)
{
	struct world *world = new_world(test, 1, 0);

	start_source(test, world);
	run_world(test, world, 1200);
	KUNIT_EXPECT_TRUE(test, world->switched);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[SOURCE].machine));
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[DESTINATION].machine));
	KUNIT_EXPECT_TRUE(test, world->host[SOURCE].machine.is_away);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_MAINTENANCE),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, DESTINATION, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
	KUNIT_EXPECT_FALSE(test, world->host[DESTINATION].view.has_claims);
}

/* Back where it began: as if there had been no swap. */
static void expect_home(struct kunit *test, struct world *world)
{
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[SOURCE].machine));
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[DESTINATION].machine));
	KUNIT_EXPECT_EQ(test, (int)world->host[SOURCE].machine.result, (int)FCN_RESULT_BACK);
	KUNIT_EXPECT_FALSE(test, world->host[SOURCE].machine.is_away);
	KUNIT_EXPECT_EQ(test, (int)world->host[SOURCE].io_on, (int)FCN_PORT_ORIGINAL);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_MAINTENANCE),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, DESTINATION, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ABSENT);
}

static bool run_to(struct kunit *test, struct world *world, int host, enum fcn_step step)
{
	unsigned int ticks;

	for (ticks = 0; ticks < 1200 && world->host[host].machine.step != step; ticks++)
		run_world(test, world, 1);
	return ticks < 1200;
}

static void abort_comes_home_from_each_step(struct kunit *test)
{
	static const struct {
		int host;
		enum fcn_step step;
	} when[] = {
		{ SOURCE, FCN_STEP_M_LOGIN }, { SOURCE, FCN_STEP_M_VERIFY },
		{ SOURCE, FCN_STEP_IO_TO_M }, { SOURCE, FCN_STEP_O_LOGOUT },
		{ SOURCE, FCN_STEP_O_GONE }, { SOURCE, FCN_STEP_ON_M },
		{ DESTINATION, FCN_STEP_O_LOGIN }, { DESTINATION, FCN_STEP_O_VERIFY },
		{ DESTINATION, FCN_STEP_O_HOLD }, { DESTINATION, FCN_STEP_ARMED },
	};
	char why[FCNPIV_REASON_MAX + 1];
	struct world *world;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(when); i++) {
		world = new_world(test, 100 + i, 0);
		world->may_switch = false;
		start_source(test, world);
		KUNIT_ASSERT_TRUE_MSG(test, run_to(test, world, when[i].host, when[i].step),
				      "never in step %s", fcn_step_name(when[i].step));
		KUNIT_EXPECT_EQ(test, fcn_machine_abort(&world->host[when[i].host].machine, why),
				0);
		run_world(test, world, 1200);
		KUNIT_EXPECT_FALSE(test, world->switched);
		expect_home(test, world);
	}
}

static void no_abort_after_the_switch_over(struct kunit *test)
{
	struct world *world = new_world(test, 7, 0);
	char why[FCNPIV_REASON_MAX + 1];

	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_M_LOGOUT));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&world->host[SOURCE].machine, why), -EBUSY);
}

/* Also while a job is under way at the source, which has to be waited for. */
static void nor_when_it_was_just_confirmed(struct kunit *test)
{
	struct world *world = new_world(test, 8, 0);
	struct host *source = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_ON_M));
	world->guest_was_cut = true;
	set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	run_host(test, world, source);
	KUNIT_ASSERT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
	KUNIT_EXPECT_TRUE(test, confirm(source, FCN_CONFIRM_SWITCHED));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&source->machine, why), -EBUSY);
}

static void a_fabric_that_refuses_sends_it_back(struct kunit *test)
{
	struct world *world = new_world(test, 3, 0);
	struct host *source = &world->host[SOURCE];

	source->machine.deadline_ms[FCN_DEADLINE_LOGIN] = 5000;
	start_source(test, world);
	while (world->now_ms < 20000) {
		if (state_of(world, SOURCE, FCN_PORT_MAINTENANCE) == FCN_PORT_STATE_ACTIVE)
			set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_REFUSED);
		run_host(test, world, source);
		if (source->machine.step == FCN_STEP_M_VERIFY)
			break;
		set_port(source, FCN_PORT_MAINTENANCE, source->machine.goes_back ?
			 state_of(world, SOURCE, FCN_PORT_MAINTENANCE) : FCN_PORT_STATE_REFUSED);
		world->now_ms += FCN_TICK_MS;
	}
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
	KUNIT_EXPECT_EQ(test, (int)source->machine.result, (int)FCN_RESULT_BACK);
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
}

static void the_original_stays_while_a_lun_is_missing(struct kunit *test)
{
	struct world *world = new_world(test, 5, 0);
	struct host *source = &world->host[SOURCE];
	struct fcn_port_view *maintenance = &source->view.port[FCN_PORT_MAINTENANCE];

	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_IO_TO_M));
	source->io_on = FCN_PORT_MAINTENANCE;
	confirm(source, FCN_CONFIRM_IO);
	maintenance->matches = false;
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	maintenance->matches = true;
	source->view.port[FCN_PORT_ORIGINAL].busy = 1;
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	source->view.port[FCN_PORT_ORIGINAL].busy = 0;
	/* In the very look in which the step is done. */
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGOUT);
}

/* Whoever has one open would lose it. */
static void the_original_stays_while_its_disks_are_open(struct kunit *test)
{
	struct world *world = new_world(test, 10, 0);
	struct host *source = &world->host[SOURCE];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_IO_TO_M));
	source->io_on = FCN_PORT_ORIGINAL;
	KUNIT_ASSERT_TRUE(test, confirm(source, FCN_CONFIRM_IO));
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	KUNIT_EXPECT_NOT_NULL(test, strstr(source->machine.obstacle, "sda"));
	source->io_on = FCN_PORT_MAINTENANCE;
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
}

static void a_logout_is_not_tried_again_blindly(struct kunit *test)
{
	struct world *world = new_world(test, 6, 0);
	struct host *source = &world->host[SOURCE];

	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_O_LOGOUT));
	while (source->job.job == FCN_JOB_NONE)
		run_host(test, world, source);
	fcn_machine_job_done(&source->machine, -EIO, "the driver failed", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	source->view.port[FCN_PORT_MAINTENANCE].matches = false;
	world->now_ms += 5000;
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_NONE);
}

/* By sysfs, or another program. */
static void what_others_log_in_is_logged_out(struct kunit *test)
{
	static const enum fcn_step steps[] = { FCN_STEP_O_GONE, FCN_STEP_ON_M };
	struct world *world;
	struct host *source;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = new_world(test, 30 + i, 0);
		source = &world->host[SOURCE];
		world->may_switch = false;
		start_source(test, world);
		KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, steps[i]));
		set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
		confirm(source, FCN_CONFIRM_GONE);
		confirm(source, FCN_CONFIRM_SWITCHED);
		world->now_ms += 2 * FCN_BACKOFF_LAST_MS;
		run_host(test, world, source);
		KUNIT_EXPECT_NE(test, (int)source->machine.step, (int)FCN_STEP_M_LOGOUT);
		KUNIT_EXPECT_EQ(test, source->machine.has_token, steps[i] == FCN_STEP_ON_M);
		KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGOUT);
		KUNIT_EXPECT_EQ(test, (int)source->job.port, (int)FCN_PORT_ORIGINAL);
	}
}

/* The receipt means that it is gone. */
static void no_receipt_while_the_original_is_there(struct kunit *test)
{
	struct world *world = new_world(test, 47, 0);
	struct host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	while (host->machine.step != FCN_STEP_O_GONE) {
		run_host(test, world, host);
		world->now_ms += FCN_TICK_MS;
	}
	set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
	confirm(host, FCN_CONFIRM_GONE);
	run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->machine.step, (int)FCN_STEP_O_LOGOUT);
}

/* Somebody deletes the original at the destination: our claims on its disks go as well. */
static void claims_go_with_the_port(struct kunit *test)
{
	struct world *world = new_world(test, 48, 0);
	struct host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	run_world(test, world, 1200);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&host->machine));
	KUNIT_EXPECT_FALSE(test, host->view.has_claims);
}

/* A name at another adapter of the same host: nothing goes round in circles. */
static void a_name_elsewhere_is_waited_for(struct kunit *test)
{
	struct world *world = new_world(test, 49, 0);
	struct host *source = &world->host[SOURCE];

	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_O_GONE));
	set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ELSEWHERE);
	confirm(source, FCN_CONFIRM_GONE);
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_GONE);
	KUNIT_EXPECT_FALSE(test, source->machine.has_token);
	set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
	run_host(test, world, source);
	KUNIT_EXPECT_TRUE(test, source->machine.has_token);
}

/* Also on the way back, when the original is not there yet. */
static void the_guests_port_comes_back(struct kunit *test)
{
	static const enum fcn_step steps[] = {
		FCN_STEP_O_GONE, FCN_STEP_ON_M, FCN_STEP_O_LOGIN, FCN_STEP_O_VERIFY,
	};
	char why[FCNPIV_REASON_MAX + 1];
	struct world *world;
	struct host *source;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = new_world(test, 50 + i, 0);
		source = &world->host[SOURCE];
		world->may_switch = false;
		start_source(test, world);
		KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, i ? FCN_STEP_ON_M :
								       FCN_STEP_O_GONE));
		if (i > 1)
			KUNIT_ASSERT_EQ(test, fcn_machine_abort(&source->machine, why), 0);
		KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, steps[i]));
		while (source->job.job != FCN_JOB_NONE) {
			run_host(test, world, source);
			world->now_ms += FCN_TICK_MS;
		}
		world->guest_was_cut = true;
		set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
		set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
		world->now_ms += FCN_BACKOFF_LAST_MS;
		/* The step is not over for that. */
		if (source->machine.deadline)
			source->machine.deadline = world->now_ms + 1000;
		run_host(test, world, source);
		KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
		KUNIT_EXPECT_EQ(test, (int)source->job.port, (int)FCN_PORT_MAINTENANCE);
		run_world(test, world, 1200);
		KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, i > 1 ? FCN_PORT_ORIGINAL :
									   FCN_PORT_MAINTENANCE),
				(int)FCN_PORT_STATE_ACTIVE);
	}
}

static void another_job_is_no_proof(struct kunit *test)
{
	struct world *world = new_world(test, 60, 0);
	struct host *source = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_ON_M));
	KUNIT_ASSERT_EQ(test, fcn_machine_abort(&source->machine, why), 0);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_O_LOGIN));
	while (source->job.job != FCN_JOB_PROBE) {
		run_host(test, world, source);
		world->now_ms += FCN_TICK_MS;
	}
	fcn_machine_job_done(&source->machine, -EIO, "not yet", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	run_host(test, world, source);
	KUNIT_ASSERT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
	fcn_machine_job_done(&source->machine, 0, "", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ACTIVE);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_VERIFY);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_PROBE);
}

/* They may be written to from the moment on in which they are there. */
static void disks_are_held_before_all_is_well(struct kunit *test)
{
	struct world *world = new_world(test, 40, 0);
	struct host *host = &world->host[DESTINATION];
	struct fcn_port_view *original = &host->view.port[FCN_PORT_ORIGINAL];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_O_LOGIN));
	while (original->state != FCN_PORT_STATE_ACTIVE)
		run_world(test, world, 1);
	original->matches = false;
	run_world(test, world, 20);
	KUNIT_EXPECT_TRUE(test, host->view.has_claims);
	KUNIT_EXPECT_NE(test, (int)host->machine.step, (int)FCN_STEP_ARMED);
	/* One more has come: at once, not after a pause. */
	original->held = false;
	host->machine.backoff_ms = FCN_BACKOFF_LAST_MS;
	run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
	fcn_machine_job_done(&host->machine, 0, "", world->now_ms);
	host->job.job = FCN_JOB_NONE;
	run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
}

/* Another path to a LUN comes last. */
static void what_comes_late_is_held(struct kunit *test)
{
	static const enum fcn_step steps[] = { FCN_STEP_O_VERIFY, FCN_STEP_ARMED };
	struct world *world;
	struct host *host;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = new_world(test, 44 + i, 0);
		host = &world->host[DESTINATION];
		world->may_switch = false;
		start_source(test, world);
		KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, steps[i]));
		KUNIT_EXPECT_TRUE(test, host->view.port[FCN_PORT_ORIGINAL].held);
		while (host->job.job != FCN_JOB_NONE) {
			run_host(test, world, host);
			world->now_ms += FCN_TICK_MS;
		}
		host->view.port[FCN_PORT_ORIGINAL].held = false;
		world->now_ms += FCN_BACKOFF_LAST_MS;
		run_host(test, world, host);
		KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
		KUNIT_EXPECT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	}
}

static void only_what_is_armed_switches(struct kunit *test)
{
	struct world *world = new_world(test, 41, 0);
	struct host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	host->view.port[FCN_PORT_ORIGINAL].matches = false;
	KUNIT_EXPECT_TRUE(test, confirm(host, FCN_CONFIRM_SWITCHED));
	run_host(test, world, host);
	KUNIT_EXPECT_FALSE(test, host->machine.switched);
	host->view.port[FCN_PORT_ORIGINAL].matches = true;
	host->view.port[FCN_PORT_ORIGINAL].held = false;
	KUNIT_ASSERT_TRUE(test, run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	KUNIT_EXPECT_TRUE(test, host->view.port[FCN_PORT_ORIGINAL].held);
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	KUNIT_EXPECT_FALSE(test, confirm(host, FCN_CONFIRM_SWITCHED));
}

static void a_guest_with_reservations_stays(struct kunit *test)
{
	struct world *world = new_world(test, 9, 0);
	struct host *source = &world->host[SOURCE];

	start_source(test, world);
	while (source->job.job != FCN_JOB_PROBE) {
		run_host(test, world, source);
		world->now_ms += FCN_TICK_MS;
	}
	fcn_machine_job_done(&source->machine, -EBUSY, "the guest holds reservations",
			     world->now_ms);
	source->job.job = FCN_JOB_NONE;
	run_host(test, world, source);
	KUNIT_EXPECT_TRUE(test, source->machine.goes_back);
	KUNIT_EXPECT_STREQ(test, source->machine.cause, "m-verify: the guest holds reservations");
	KUNIT_EXPECT_EQ(test, (int)state_of(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
}

static void nothing_starts_without_a_token(struct kunit *test)
{
	struct world *world = new_world(test, 11, 0);
	struct host *host = &world->host[DESTINATION];
	struct fcn_start start = { .operation = FCN_OPERATION_DESTINATION };
	char why[FCNPIV_REASON_MAX + 1];

	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EPERM);
	start.has_token = true;
	host->view.nr_expected = 0;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EINVAL);
	host->view.nr_expected = 2;
	set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_COMING);
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EEXIST);
}

static void what_has_moved_away_does_not_log_in(struct kunit *test)
{
	struct world *world = new_world(test, 13, 0);
	struct host *host = &world->host[SOURCE];
	struct fcn_start start = { .operation = FCN_OPERATION_LOGIN };
	char why[FCNPIV_REASON_MAX + 1];

	start_source(test, world);
	run_world(test, world, 1200);
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), -EPERM);
	start.force = true;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), 0);
	/* Not even when that was forced, but came to nothing. */
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	run_world(test, world, 100);
	KUNIT_ASSERT_TRUE(test, fcn_machine_is_idle(&host->machine));
	start.force = false;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), -EPERM);
}

/* A driver that does not come back is waited for: nothing is undone under its hands. */
static void a_logout_that_hangs_is_waited_for(struct kunit *test)
{
	struct world *world = new_world(test, 17, 0);
	struct host *source = &world->host[SOURCE];

	start_source(test, world);
	KUNIT_ASSERT_TRUE(test, run_to(test, world, SOURCE, FCN_STEP_O_LOGOUT));
	while (source->job.job == FCN_JOB_NONE)
		run_world(test, world, 1);
	source->job_ends = world->now_ms + 500000;
	run_world(test, world, 2000);
	KUNIT_EXPECT_EQ(test, (int)source->machine.state, (int)FCN_STATE_STUCK);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_FALSE(test, source->machine.goes_back);
	run_world(test, world, 4500);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
}

static void heal(struct world *world)
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

/* Whatever goes wrong, and in whatever order. */
static void never_on_two_hosts(struct kunit *test)
{
	static const unsigned int troubles[] = { 1, 5, 20, 100 };
	struct world *world;
	u32 seed;

	for (seed = 0; seed < SEEDS; seed++) {
		world = new_world(test, seed, troubles[seed % ARRAY_SIZE(troubles)]);
		start_source(test, world);
		run_world(test, world, 8000);
		/* Then all is well again, and it ends. */
		heal(world);
		run_world(test, world, 8000);
		KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[SOURCE].machine));
		KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[DESTINATION].machine));
		kunit_kfree(test, world);
	}
}

static struct kunit_case machine_cases[] = {
	KUNIT_CASE(a_swap_moves_the_original),
	KUNIT_CASE(abort_comes_home_from_each_step),
	KUNIT_CASE(no_abort_after_the_switch_over),
	KUNIT_CASE(nor_when_it_was_just_confirmed),
	KUNIT_CASE(a_fabric_that_refuses_sends_it_back),
	KUNIT_CASE(the_original_stays_while_a_lun_is_missing),
	KUNIT_CASE(the_original_stays_while_its_disks_are_open),
	KUNIT_CASE(a_logout_is_not_tried_again_blindly),
	KUNIT_CASE(what_others_log_in_is_logged_out),
	KUNIT_CASE(no_receipt_while_the_original_is_there),
	KUNIT_CASE(claims_go_with_the_port),
	KUNIT_CASE(a_name_elsewhere_is_waited_for),
	KUNIT_CASE(the_guests_port_comes_back),
	KUNIT_CASE(another_job_is_no_proof),
	KUNIT_CASE(disks_are_held_before_all_is_well),
	KUNIT_CASE(what_comes_late_is_held),
	KUNIT_CASE(only_what_is_armed_switches),
	KUNIT_CASE(a_guest_with_reservations_stays),
	KUNIT_CASE(nothing_starts_without_a_token),
	KUNIT_CASE(what_has_moved_away_does_not_log_in),
	KUNIT_CASE(a_logout_that_hangs_is_waited_for),
	KUNIT_CASE(never_on_two_hosts),
	{}
};

static struct kunit_suite machine_suite = {
	.name = "fcn-machine",
	.test_cases = machine_cases,
};

kunit_test_suites(&machine_suite);
