// SPDX-License-Identifier: GPL-2.0
/*
 * dirtythrottle.ko: a guest dirties its memory no faster than it is told to, and
 * the interrupts of its devices wait.
 * See Documentation/dirtythrottle.md.
 */
#include <linux/module.h>
#include "dirtythrottle.h"
#include "msi.h"

struct workqueue_struct *dt_wq;

static int __init dt_init(void)
{
	int err;

	dt_wq = alloc_workqueue("dirtythrottle", WQ_UNBOUND, 0);
	if (!dt_wq)
		return -ENOMEM;
	err = dt_sysfs_init();
	if (err)
		goto err_wq;
	err = dt_netlink_init();
	if (err)
		goto err_sysfs;
	return 0;

err_sysfs:
	dt_sysfs_exit();
err_wq:
	destroy_workqueue(dt_wq);
	return err;
}

/*
 * Nothing holds the module: all are let go, now. Events of that have no
 * listeners any more, as the family goes first and with it all that attach.
 */
static void __exit dt_exit(void)
{
	dt_netlink_exit();
	dt_target_detach_all();
	dt_device_off_all();
	destroy_workqueue(dt_wq);
	dt_sysfs_exit();
}

module_init(dt_init);
module_exit(dt_exit);

MODULE_DESCRIPTION("Keeps the rate at which a KVM guest dirties its memory under a limit, delays interrupts");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
