// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of machine.c and request.c, in the model of world_kunit.c. */
#include <kunit/test.h>
#include "world_kunit.h"

/* Of what goes wrong: seconds on the emulated kernel that runs KUnit; more in user space. */
#ifndef SEEDS
#define SEEDS		60
#endif

static void a_swap_moves_the_original(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 1, 0);

	fcn_world_start_source(test, world);
	fcn_world_run(test, world, 1200);
	KUNIT_EXPECT_TRUE(test, world->switched);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[SOURCE].machine));
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[DESTINATION].machine));
	KUNIT_EXPECT_TRUE(test, world->host[SOURCE].machine.is_away);
	KUNIT_EXPECT_FALSE(test, world->host[DESTINATION].machine.is_away);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_MAINTENANCE),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, DESTINATION, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
	KUNIT_EXPECT_FALSE(test, world->host[DESTINATION].view.has_claims);
}

/* Back where it began: as if there had been no swap. */
static void expect_home(struct kunit *test, struct fcn_world *world)
{
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[SOURCE].machine));
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&world->host[DESTINATION].machine));
	KUNIT_EXPECT_EQ(test, (int)world->host[SOURCE].machine.result, (int)FCN_RESULT_BACK);
	KUNIT_EXPECT_FALSE(test, world->host[SOURCE].machine.is_away);
	KUNIT_EXPECT_EQ(test, (int)world->host[SOURCE].io_on, (int)FCN_PORT_ORIGINAL);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_MAINTENANCE),
			(int)FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, DESTINATION, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ABSENT);
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
	struct fcn_world *world;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(when); i++) {
		world = fcn_world_new(test, 100 + i, 0);
		world->may_switch = false;
		fcn_world_start_source(test, world);
		KUNIT_ASSERT_TRUE_MSG(test,
				      fcn_world_run_to(test, world, when[i].host, when[i].step),
				      "never in step %s", fcn_step_name(when[i].step));
		KUNIT_EXPECT_EQ(test, fcn_machine_abort(&world->host[when[i].host].machine, why),
				0);
		fcn_world_run(test, world, 1200);
		KUNIT_EXPECT_FALSE(test, world->switched);
		expect_home(test, world);
	}
}

static void no_abort_after_the_switch_over(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 7, 0);
	char why[FCNPIV_REASON_MAX + 1];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_M_LOGOUT));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&world->host[SOURCE].machine, why), -EBUSY);
}

/* Also while a job is under way at the source, which has to be waited for. */
static void nor_when_it_was_just_confirmed(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 8, 0);
	struct fcn_host *source = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_ON_M));
	world->guest_was_cut = true;
	fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	fcn_world_run_host(test, world, source);
	KUNIT_ASSERT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
	KUNIT_EXPECT_TRUE(test, fcn_world_confirm(source, FCN_CONFIRM_SWITCHED));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&source->machine, why), -EBUSY);
}

static void a_fabric_that_refuses_sends_it_back(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 3, 0);
	struct fcn_host *source = &world->host[SOURCE];
	struct fcn_port_view *maintenance = &source->view.port[FCN_PORT_MAINTENANCE];

	source->machine.deadline_ms[FCN_DEADLINE_LOGIN] = 5000;
	fcn_world_start_source(test, world);
	while (world->now_ms < 20000) {
		if (maintenance->state == FCN_PORT_STATE_ACTIVE)
			fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_REFUSED);
		fcn_world_run_host(test, world, source);
		if (source->machine.step == FCN_STEP_M_VERIFY)
			break;
		fcn_world_set_port(source, FCN_PORT_MAINTENANCE, source->machine.goes_back ?
				   maintenance->state : FCN_PORT_STATE_REFUSED);
		world->now_ms += FCN_TICK_MS;
	}
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
	KUNIT_EXPECT_EQ(test, (int)source->machine.result, (int)FCN_RESULT_BACK);
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
}

/* The machine has the disks asked, and this is the answer. */
static void answer_probe(struct kunit *test, struct fcn_world *world, struct fcn_host *host,
			 int err)
{
	fcn_world_run_host(test, world, host);
	KUNIT_ASSERT_EQ(test, (int)host->job.job, (int)FCN_JOB_PROBE);
	host->job.job = FCN_JOB_NONE;
	fcn_machine_job_done(&host->machine, err, "the guest holds reservations", world->now_ms);
	fcn_world_run_host(test, world, host);
}

static void the_original_stays_while_a_lun_is_missing(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 5, 0);
	struct fcn_host *source = &world->host[SOURCE];
	struct fcn_port_view *maintenance = &source->view.port[FCN_PORT_MAINTENANCE];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_IO_TO_M));
	source->io_on = FCN_PORT_MAINTENANCE;
	fcn_world_confirm(source, FCN_CONFIRM_IO);
	maintenance->matches = false;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	maintenance->matches = true;
	source->view.port[FCN_PORT_ORIGINAL].busy = 1;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	source->view.port[FCN_PORT_ORIGINAL].busy = 0;
	/* In the very look in which the step is done. */
	answer_probe(test, world, source, 0);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGOUT);
}

/* Whoever has one open would lose it. */
static void the_original_stays_while_its_disks_are_open(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 10, 0);
	struct fcn_host *source = &world->host[SOURCE];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_IO_TO_M));
	source->io_on = FCN_PORT_ORIGINAL;
	KUNIT_ASSERT_TRUE(test, fcn_world_confirm(source, FCN_CONFIRM_IO));
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_M);
	KUNIT_EXPECT_NOT_NULL(test, strstr(source->machine.obstacle, "sda"));
	source->io_on = FCN_PORT_MAINTENANCE;
	answer_probe(test, world, source, 0);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
}

static void a_logout_is_not_tried_again_blindly(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 6, 0);
	struct fcn_host *source = &world->host[SOURCE];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_O_LOGOUT));
	while (source->job.job == FCN_JOB_NONE)
		fcn_world_run_host(test, world, source);
	fcn_machine_job_done(&source->machine, -EIO, "the driver failed", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	source->view.port[FCN_PORT_MAINTENANCE].matches = false;
	world->now_ms += 5000;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_NONE);
	source->view.port[FCN_PORT_MAINTENANCE].matches = true;
	source->view.port[FCN_PORT_ORIGINAL].busy = 1;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_NONE);
	source->view.port[FCN_PORT_ORIGINAL].busy = 0;
	source->io_on = FCN_PORT_ORIGINAL;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_NONE);
	source->io_on = FCN_PORT_MAINTENANCE;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGOUT);
}

/* What it has ordered fails, if it has ordered anything. */
static void give_up_job(struct fcn_world *world, struct fcn_host *host)
{
	if (host->job.job == FCN_JOB_NONE)
		return;
	host->job.job = FCN_JOB_NONE;
	fcn_machine_job_done(&host->machine, -EIO, "the driver failed", world->now_ms);
}

/* By sysfs, or another program. Also once it lives elsewhere, while the other port does not go. */
static void what_others_log_in_is_logged_out(struct kunit *test)
{
	static const enum fcn_step steps[] = {
		FCN_STEP_O_GONE, FCN_STEP_ON_M, FCN_STEP_M_LOGOUT,
	};
	struct fcn_world *world;
	struct fcn_host *source;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = fcn_world_new(test, 30 + i, 0);
		source = &world->host[SOURCE];
		world->may_switch = steps[i] == FCN_STEP_M_LOGOUT;
		fcn_world_start_source(test, world);
		KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, steps[i]));
		if (world->may_switch)
			give_up_job(world, source);
		fcn_world_set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
		fcn_world_confirm(source, FCN_CONFIRM_GONE);
		fcn_world_confirm(source, FCN_CONFIRM_SWITCHED);
		world->now_ms += 2 * FCN_BACKOFF_LAST_MS;
		fcn_world_run_host(test, world, source);
		KUNIT_EXPECT_EQ(test, source->machine.step == FCN_STEP_M_LOGOUT,
				world->may_switch);
		KUNIT_EXPECT_EQ(test, source->machine.has_token, steps[i] != FCN_STEP_O_GONE);
		KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGOUT);
		KUNIT_EXPECT_EQ(test, (int)source->job.port, (int)FCN_PORT_ORIGINAL);
	}
}

/* The receipt means that it is gone. */
static void no_receipt_while_the_original_is_there(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 47, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	while (host->machine.step != FCN_STEP_O_GONE) {
		fcn_world_run_host(test, world, host);
		world->now_ms += FCN_TICK_MS;
	}
	fcn_world_set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ACTIVE);
	fcn_world_confirm(host, FCN_CONFIRM_GONE);
	fcn_world_run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->machine.step, (int)FCN_STEP_O_LOGOUT);
}

/* Somebody deletes the original at the destination: our claims on its disks go as well. */
static void claims_go_with_the_port(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 48, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	fcn_world_set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	fcn_world_run(test, world, 1200);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&host->machine));
	KUNIT_EXPECT_FALSE(test, host->view.has_claims);
}

/* A name at another adapter of the same host: nothing goes round in circles. */
static void a_name_elsewhere_is_waited_for(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 49, 0);
	struct fcn_host *source = &world->host[SOURCE];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_O_GONE));
	fcn_world_set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ELSEWHERE);
	fcn_world_confirm(source, FCN_CONFIRM_GONE);
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_GONE);
	KUNIT_EXPECT_FALSE(test, source->machine.has_token);
	fcn_world_set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_TRUE(test, source->machine.has_token);
}

/* Not logged out is not done. */
static void a_logout_does_not_end_at_another_adapter(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 61, 0);
	struct fcn_start start = { .operation = FCN_OPERATION_LOGOUT };
	struct fcn_host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	for (start.port = 0; start.port < FCN_PORTS; start.port++) {
		fcn_world_set_port(host, start.port, FCN_PORT_STATE_ELSEWHERE);
		KUNIT_ASSERT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
							world->now_ms, why), 0);
		fcn_world_run_host(test, world, host);
		KUNIT_EXPECT_FALSE(test, fcn_machine_is_idle(&host->machine));
		KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_NONE);
		fcn_world_set_port(host, start.port, FCN_PORT_STATE_ABSENT);
		fcn_world_run_host(test, world, host);
		KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&host->machine));
	}
}

/* Also on the way back, when the original is not there yet. */
static void the_guests_port_comes_back(struct kunit *test)
{
	static const enum fcn_step steps[] = {
		FCN_STEP_O_GONE, FCN_STEP_ON_M, FCN_STEP_O_LOGIN, FCN_STEP_O_VERIFY,
	};
	char why[FCNPIV_REASON_MAX + 1];
	struct fcn_world *world;
	struct fcn_host *source;
	enum fcn_port port;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = fcn_world_new(test, 50 + i, 0);
		source = &world->host[SOURCE];
		world->may_switch = false;
		fcn_world_start_source(test, world);
		KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE,
							 i ? FCN_STEP_ON_M : FCN_STEP_O_GONE));
		if (i > 1)
			KUNIT_ASSERT_EQ(test, fcn_machine_abort(&source->machine, why), 0);
		KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, steps[i]));
		while (source->job.job != FCN_JOB_NONE) {
			fcn_world_run_host(test, world, source);
			world->now_ms += FCN_TICK_MS;
		}
		world->guest_was_cut = true;
		fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
		fcn_world_set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
		world->now_ms += FCN_BACKOFF_LAST_MS;
		/* The step is not over for that. */
		if (source->machine.deadline)
			source->machine.deadline = world->now_ms + 1000;
		fcn_world_run_host(test, world, source);
		KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
		KUNIT_EXPECT_EQ(test, (int)source->job.port, (int)FCN_PORT_MAINTENANCE);
		fcn_world_run(test, world, 1200);
		port = i > 1 ? FCN_PORT_ORIGINAL : FCN_PORT_MAINTENANCE;
		KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, port),
				(int)FCN_PORT_STATE_ACTIVE);
	}
}

/* Its link was lost for a moment, and the driver calls that a failure. */
static void the_guests_port_may_fail_and_come_back(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 62, 0);
	struct fcn_host *source = &world->host[SOURCE];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_ON_M));
	fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_REFUSED);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_NONE);
	/* It does not: the transport has taken the disks away. */
	source->has_disks[FCN_PORT_MAINTENANCE] = false;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
	KUNIT_EXPECT_EQ(test, (int)source->job.port, (int)FCN_PORT_MAINTENANCE);
}

static void another_job_is_no_proof(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 60, 0);
	struct fcn_host *source = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_ON_M));
	KUNIT_ASSERT_EQ(test, fcn_machine_abort(&source->machine, why), 0);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_O_LOGIN));
	while (source->job.job != FCN_JOB_PROBE) {
		fcn_world_run_host(test, world, source);
		world->now_ms += FCN_TICK_MS;
	}
	fcn_machine_job_done(&source->machine, -EIO, "not yet", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ABSENT);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	fcn_world_run_host(test, world, source);
	KUNIT_ASSERT_EQ(test, (int)source->job.job, (int)FCN_JOB_LOGIN);
	fcn_machine_job_done(&source->machine, 0, "", world->now_ms);
	source->job.job = FCN_JOB_NONE;
	fcn_world_set_port(source, FCN_PORT_MAINTENANCE, FCN_PORT_STATE_ACTIVE);
	world->now_ms += FCN_BACKOFF_LAST_MS;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_VERIFY);
	KUNIT_EXPECT_EQ(test, (int)source->job.job, (int)FCN_JOB_PROBE);
}

/* They may be written to from the moment on in which they are there. */
static void disks_are_held_before_all_is_well(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 40, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	struct fcn_port_view *original = &host->view.port[FCN_PORT_ORIGINAL];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_O_LOGIN));
	while (original->state != FCN_PORT_STATE_ACTIVE)
		fcn_world_run(test, world, 1);
	original->matches = false;
	fcn_world_run(test, world, 20);
	KUNIT_EXPECT_TRUE(test, host->view.has_claims);
	KUNIT_EXPECT_NE(test, (int)host->machine.step, (int)FCN_STEP_ARMED);
	/* One more has come: at once, not after a pause. */
	original->held = false;
	host->machine.backoff_ms = FCN_BACKOFF_LAST_MS;
	fcn_world_run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
	fcn_machine_job_done(&host->machine, -EBUSY, "disk sdb is in use", world->now_ms);
	host->job.job = FCN_JOB_NONE;
	fcn_world_run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_NONE);
	world->now_ms += FCN_TICK_MS;
	fcn_world_run_host(test, world, host);
	KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
}

/* Another path to a LUN comes last. */
static void what_comes_late_is_held(struct kunit *test)
{
	static const enum fcn_step steps[] = { FCN_STEP_O_VERIFY, FCN_STEP_ARMED };
	struct fcn_world *world;
	struct fcn_host *host;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		world = fcn_world_new(test, 44 + i, 0);
		host = &world->host[DESTINATION];
		world->may_switch = false;
		fcn_world_start_source(test, world);
		KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, steps[i]));
		KUNIT_EXPECT_TRUE(test, host->view.port[FCN_PORT_ORIGINAL].held);
		while (host->job.job != FCN_JOB_NONE) {
			fcn_world_run_host(test, world, host);
			world->now_ms += FCN_TICK_MS;
		}
		host->view.port[FCN_PORT_ORIGINAL].held = false;
		world->now_ms += FCN_BACKOFF_LAST_MS;
		fcn_world_run_host(test, world, host);
		KUNIT_EXPECT_EQ(test, (int)host->job.job, (int)FCN_JOB_HOLD);
		KUNIT_EXPECT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	}
}

static void only_what_is_armed_switches(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 41, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	host->view.port[FCN_PORT_ORIGINAL].matches = false;
	KUNIT_EXPECT_TRUE(test, fcn_world_confirm(host, FCN_CONFIRM_SWITCHED));
	fcn_world_run_host(test, world, host);
	KUNIT_EXPECT_FALSE(test, host->machine.switched);
	host->view.port[FCN_PORT_ORIGINAL].matches = true;
	host->view.port[FCN_PORT_ORIGINAL].held = false;
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	KUNIT_EXPECT_TRUE(test, host->view.port[FCN_PORT_ORIGINAL].held);
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	KUNIT_EXPECT_FALSE(test, fcn_world_confirm(host, FCN_CONFIRM_SWITCHED));
}

static void a_guest_with_reservations_stays(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 9, 0);
	struct fcn_host *source = &world->host[SOURCE];

	fcn_world_start_source(test, world);
	while (source->job.job != FCN_JOB_PROBE) {
		fcn_world_run_host(test, world, source);
		world->now_ms += FCN_TICK_MS;
	}
	fcn_machine_job_done(&source->machine, -EBUSY, "the guest holds reservations",
			     world->now_ms);
	source->job.job = FCN_JOB_NONE;
	fcn_world_run_host(test, world, source);
	KUNIT_EXPECT_TRUE(test, source->machine.goes_back);
	KUNIT_EXPECT_STREQ(test, source->machine.cause, "m-verify: the guest holds reservations");
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
}

/* After m-verify, while the paths changed over. */
static void a_guest_that_registers_late_stays(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 10, 0);
	struct fcn_host *source = &world->host[SOURCE];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_IO_TO_M));
	source->io_on = FCN_PORT_MAINTENANCE;
	KUNIT_ASSERT_TRUE(test, fcn_world_confirm(source, FCN_CONFIRM_IO));
	answer_probe(test, world, source, -EBUSY);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_IO_TO_O);
	KUNIT_EXPECT_STREQ(test, source->machine.cause, "io-to-m: the guest holds reservations");
	KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, FCN_PORT_ORIGINAL),
			(int)FCN_PORT_STATE_ACTIVE);
}

static void nothing_starts_without_a_token(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 11, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	struct fcn_start start = { .operation = FCN_OPERATION_DESTINATION };
	char why[FCNPIV_REASON_MAX + 1];

	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EPERM);
	start.has_token = true;
	host->view.nr_expected = 0;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EINVAL);
	host->view.nr_expected = 2;
	fcn_world_set_port(host, FCN_PORT_ORIGINAL, FCN_PORT_STATE_COMING);
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view, 1, why),
			-EEXIST);
}

static void what_has_moved_away_does_not_log_in(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 13, 0);
	struct fcn_host *host = &world->host[SOURCE];
	struct fcn_start start = { .operation = FCN_OPERATION_LOGIN };
	char why[FCNPIV_REASON_MAX + 1];

	fcn_world_start_source(test, world);
	fcn_world_run(test, world, 1200);
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), -EPERM);
	start.force = true;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), 0);
	/* Not even when that was forced, but came to nothing. */
	KUNIT_EXPECT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	fcn_world_run(test, world, 100);
	KUNIT_ASSERT_TRUE(test, fcn_machine_is_idle(&host->machine));
	start.force = false;
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), -EPERM);
}

static void log_in(struct kunit *test, struct fcn_world *world, enum fcn_port port)
{
	const struct fcn_start start = { .operation = FCN_OPERATION_LOGIN, .port = port };
	struct fcn_host *source = &world->host[SOURCE];
	char why[FCNPIV_REASON_MAX + 1];

	KUNIT_ASSERT_EQ(test, fcn_machine_start(&source->machine, &start, &source->view,
						world->now_ms, why), 0);
}

/* Who has logged in what was logged in had it looked at, and takes nothing away. */
static void what_was_logged_in_stays(struct kunit *test)
{
	static const struct {
		enum fcn_port port;
		bool aborted;
	} when[] = {
		{ FCN_PORT_ORIGINAL, false }, /* but by its deadline */
		{ FCN_PORT_ORIGINAL, true }, { FCN_PORT_MAINTENANCE, true },
	};
	char why[FCNPIV_REASON_MAX + 1];
	struct fcn_world *world;
	struct fcn_host *source;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(when); i++) {
		world = fcn_world_new(test, 70 + i, 0);
		source = &world->host[SOURCE];
		fcn_world_set_port(source, when[i].port, FCN_PORT_STATE_ACTIVE);
		source->io_on = when[i].port;
		source->view.port[when[i].port].matches = false;
		log_in(test, world, when[i].port);
		if (when[i].aborted)
			KUNIT_EXPECT_EQ(test, fcn_machine_abort(&source->machine, why), 0);
		fcn_world_run(test, world, 1200);
		KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
		KUNIT_EXPECT_EQ(test, (int)source->machine.result, (int)FCN_RESULT_BACK);
		KUNIT_EXPECT_EQ(test, (int)fcn_world_state(world, SOURCE, when[i].port),
				(int)FCN_PORT_STATE_ACTIVE);
	}
}

/* Somebody uses what was just logged in, and is not fit: it stays until he is done, or for good. */
static void a_login_does_not_go_back_over_open_disks(struct kunit *test)
{
	struct fcn_world *world;
	struct fcn_host *source;
	struct fcn_port_view *original;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		world = fcn_world_new(test, 75 + i, 0);
		source = &world->host[SOURCE];
		original = &source->view.port[FCN_PORT_ORIGINAL];
		fcn_world_set_port(source, FCN_PORT_ORIGINAL, FCN_PORT_STATE_ABSENT);
		world->guest_was_cut = true;
		log_in(test, world, FCN_PORT_ORIGINAL);
		while (original->state != FCN_PORT_STATE_ACTIVE)
			fcn_world_run(test, world, 1);
		original->matches = false;
		KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_O_LOGOUT));
		world->guest_was_cut = false;
		fcn_world_run(test, world, 1000);
		KUNIT_EXPECT_NOT_NULL(test, strstr(source->machine.obstacle, "sda"));
		if (i)
			source->io_on = FCN_PORT_MAINTENANCE;
		world->guest_was_cut = i;
		fcn_world_run(test, world, 400);
		KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
		KUNIT_EXPECT_EQ(test, (int)source->machine.result, (int)FCN_RESULT_BACK);
		KUNIT_EXPECT_EQ(test, !strstr(source->machine.cause, "sda"), i);
		KUNIT_EXPECT_EQ(test, (int)original->state,
				(int)(i ? FCN_PORT_STATE_ABSENT : FCN_PORT_STATE_ACTIVE));
	}
}

/* A destination that went back has not become the LPAR's home. */
static void what_has_not_come_does_not_log_in(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 14, 0);
	struct fcn_host *host = &world->host[DESTINATION];
	struct fcn_start start = { .operation = FCN_OPERATION_LOGIN };
	char why[FCNPIV_REASON_MAX + 1];

	world->may_switch = false;
	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, DESTINATION, FCN_STEP_ARMED));
	KUNIT_ASSERT_EQ(test, fcn_machine_abort(&host->machine, why), 0);
	fcn_world_run(test, world, 1200);
	KUNIT_ASSERT_TRUE(test, fcn_machine_is_idle(&host->machine));
	KUNIT_EXPECT_EQ(test, fcn_machine_start(&host->machine, &start, &host->view,
						world->now_ms, why), -EPERM);
}

/* A driver that does not come back is waited for: nothing is undone under its hands. */
static void a_logout_that_hangs_is_waited_for(struct kunit *test)
{
	struct fcn_world *world = fcn_world_new(test, 17, 0);
	struct fcn_host *source = &world->host[SOURCE];

	fcn_world_start_source(test, world);
	KUNIT_ASSERT_TRUE(test, fcn_world_run_to(test, world, SOURCE, FCN_STEP_O_LOGOUT));
	while (source->job.job == FCN_JOB_NONE)
		fcn_world_run(test, world, 1);
	source->job_ends = world->now_ms + 500000;
	fcn_world_run(test, world, 2000);
	KUNIT_EXPECT_EQ(test, (int)source->machine.state, (int)FCN_STATE_STUCK);
	KUNIT_EXPECT_EQ(test, (int)source->machine.step, (int)FCN_STEP_O_LOGOUT);
	KUNIT_EXPECT_FALSE(test, source->machine.goes_back);
	fcn_world_run(test, world, 4500);
	KUNIT_EXPECT_TRUE(test, fcn_machine_is_idle(&source->machine));
}

/* Whatever goes wrong, and in whatever order. */
static void never_on_two_hosts(struct kunit *test)
{
	static const unsigned int troubles[] = { 1, 5, 20, 100 };
	struct fcn_world *world;
	u32 seed;

	for (seed = 0; seed < SEEDS; seed++) {
		world = fcn_world_new(test, seed, troubles[seed % ARRAY_SIZE(troubles)]);
		fcn_world_start_source(test, world);
		fcn_world_run(test, world, 8000);
		/* Then all is well again, and it ends. */
		fcn_world_heal(world);
		fcn_world_run(test, world, 8000);
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
	KUNIT_CASE(a_logout_does_not_end_at_another_adapter),
	KUNIT_CASE(the_guests_port_comes_back),
	KUNIT_CASE(the_guests_port_may_fail_and_come_back),
	KUNIT_CASE(another_job_is_no_proof),
	KUNIT_CASE(disks_are_held_before_all_is_well),
	KUNIT_CASE(what_comes_late_is_held),
	KUNIT_CASE(only_what_is_armed_switches),
	KUNIT_CASE(a_guest_with_reservations_stays),
	KUNIT_CASE(a_guest_that_registers_late_stays),
	KUNIT_CASE(nothing_starts_without_a_token),
	KUNIT_CASE(what_has_moved_away_does_not_log_in),
	KUNIT_CASE(what_was_logged_in_stays),
	KUNIT_CASE(a_login_does_not_go_back_over_open_disks),
	KUNIT_CASE(what_has_not_come_does_not_log_in),
	KUNIT_CASE(a_logout_that_hangs_is_waited_for),
	KUNIT_CASE(never_on_two_hosts),
	{}
};

static struct kunit_suite machine_suite = {
	.name = "fcn-machine",
	.test_cases = machine_cases,
};

kunit_test_suites(&machine_suite);
