// SPDX-License-Identifier: GPL-2.0
/*
 * dm-snapsync.ko: synchronised multi-level snapshots on an untouched base disk.
 * See Documentation/snapsync.md.
 */
#include <linux/module.h>
#include "snapsync.h"

static int __init snapsync_init(void)
{
	int err = ss_group_init();

	if (err)
		return err;
	err = dm_register_target(&ss_target_type);
	if (err)
		goto out_group;
	err = dm_register_target(&ss_view_type);
	if (err)
		goto out_target;
	return 0;

out_target:
	dm_unregister_target(&ss_target_type);
out_group:
	ss_group_exit();
	return err;
}

static void __exit snapsync_exit(void)
{
	dm_unregister_target(&ss_view_type);
	dm_unregister_target(&ss_target_type);
	ss_group_exit();
}

module_init(snapsync_init);
module_exit(snapsync_exit);

MODULE_DESCRIPTION("Device-mapper target with synchronised multi-level snapshots");
MODULE_LICENSE("GPL");
