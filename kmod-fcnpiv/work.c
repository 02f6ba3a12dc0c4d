// SPDX-License-Identifier: GPL-2.0
/*
 * The worker: what may take minutes. It holds no lock; its identity's machine
 * stands still meanwhile, and has it looked at by the tick.
 */
#include "fcnpiv.h"

static int login(struct fcn_work *work)
{
	return fcn_vport_login(&work->names, work->order.port, work->why);
}

/* The disks go first, then our claims on them: nobody gets in between. */
static int logout(struct fcn_work *work)
{
	int err = fcn_vport_logout(&work->names, work->order.port, work->why);

	if (!err && work->order.port == FCN_PORT_ORIGINAL)
		fcn_disk_free(work, false);
	return err;
}

static int run(struct fcn_work *work)
{
	switch (work->order.job) {
	case FCN_JOB_LOGIN:
		return login(work);
	case FCN_JOB_LOGOUT:
		return logout(work);
	case FCN_JOB_PROBE:
		return fcn_disk_probe(&work->names, work->order.port, work->why);
	case FCN_JOB_HOLD:
		return fcn_disk_claim(work);
	case FCN_JOB_FREE:
		fcn_disk_free(work, true);
		return 0;
	default:
		return 0;
	}
}

/**
 * fcn_work_run() - carries an order out
 * @item: of an identity
 *
 * Context: process, of fcn_wq.
 */
void fcn_work_run(struct work_struct *item)
{
	struct fcn_work *work = container_of(item, struct fcn_work, work);
	struct fcn_identity *identity = container_of(work, struct fcn_identity, work);
	int err;

	work->why[0] = 0;
	err = run(work);
	fcn_identity_job_done(identity, err);
}
