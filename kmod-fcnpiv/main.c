// SPDX-License-Identifier: GPL-2.0
/*
 * fcnpiv.ko: the Fibre Channel identity of an LPAR moves between hosts, and only
 * one of them has its disks.
 * See Documentation/fcnpiv.md.
 */
#include <linux/module.h>
#include "fcnpiv.h"

/* Ticks, and jobs that may take minutes. */
struct workqueue_struct *fcn_wq;

static int __init fcn_init(void)
{
	int err;

	fcn_wq = alloc_workqueue("fcnpiv", WQ_UNBOUND, 0);
	if (!fcn_wq)
		return -ENOMEM;
	err = fcn_sysfs_init();
	if (err)
		goto err_wq;
	err = fcn_netlink_init();
	if (err)
		goto err_sysfs;
	return 0;

err_sysfs:
	fcn_sysfs_exit();
err_wq:
	destroy_workqueue(fcn_wq);
	return err;
}

/* Operations hold the module; ports stay as they are. */
static void __exit fcn_exit(void)
{
	fcn_netlink_exit();
	fcn_identity_delete_all();
	destroy_workqueue(fcn_wq);
	fcn_sysfs_exit();
}

module_init(fcn_init);
module_exit(fcn_exit);

MODULE_DESCRIPTION("Moves the Fibre Channel identity of an LPAR between hosts");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
