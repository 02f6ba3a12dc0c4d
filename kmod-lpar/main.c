// SPDX-License-Identifier: GPL-2.0
/*
 * lpar.ko: logical partitions with fenced CPUs, memory and disks, a run gate
 * and the timed cut. See Documentation/lpar.md.
 */
#include <linux/module.h>
#include "lpar.h"

static int __init lpar_init(void)
{
	int err;

	err = lpar_hook_init();
	if (err)
		return err;
	err = lpar_work_init();
	if (err)
		return err;
	err = lpar_guard_start();
	if (err)
		goto err_work;
	err = lpar_memdev_init();
	if (err)
		goto err_guard;
	err = lpar_sysfs_init();
	if (err)
		goto err_memdev;
	err = lpar_member_init();
	if (err)
		goto err_sysfs;
	err = lpar_hotplug_init();
	if (err)
		goto err_member;
	err = lpar_cut_register(&lpar_gate_cut_class);
	if (err)
		goto err_hotplug;
	err = lpar_poison_init();
	if (err)
		goto err_cut;
	err = lpar_stage_init();
	if (err)
		goto err_poison;
	err = lpar_netlink_init();
	if (err)
		goto err_stage;
	return 0;

err_stage:
	lpar_stage_exit();
err_poison:
	lpar_poison_exit();
err_cut:
	lpar_cut_unregister(&lpar_gate_cut_class);
err_hotplug:
	lpar_hotplug_exit();
err_member:
	lpar_member_exit();
err_sysfs:
	lpar_sysfs_exit();
err_memdev:
	lpar_memdev_exit();
err_guard:
	lpar_guard_stop();
err_work:
	lpar_hook_exit();
	lpar_work_exit();
	return err;
}

static void __exit lpar_exit(void)
{
	lpar_event_end();
	lpar_netlink_exit();
	lpar_stage_exit();
	lpar_hotplug_exit();
	lpar_cut_exit();
	lpar_cut_unregister(&lpar_gate_cut_class);
	lpar_delete_all();
	lpar_member_exit();
	lpar_poison_exit();
	lpar_hook_exit();
	lpar_guard_stop();
	lpar_fence_exit();
	lpar_gate_exit();
	lpar_work_exit();
	lpar_sysfs_exit();
	lpar_memdev_exit();
}

module_init(lpar_init);
module_exit(lpar_exit);

MODULE_DESCRIPTION("Logical partitions for KVM hosts: fences, run gate, timed cut");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
