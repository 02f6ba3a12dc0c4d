// SPDX-License-Identifier: GPL-2.0
/*
 * dm-snapsync.ko: synchronised multi-level snapshots on an untouched base disk,
 * and disks that follow their guests. See Documentation/snapsync.md and
 * Documentation/relocate.md.
 */
#include <linux/module.h>
#include "relocate.h"

static struct target_type *const targets[] = {
	&ss_target_type, &ss_view_type, &rl_target_type, &rl_source_type,
};

/* The first of them, the last one first. */
static void unregister(unsigned int count)
{
	while (count--)
		dm_unregister_target(targets[count]);
}

static int register_all(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		err = dm_register_target(targets[i]);
		if (err) {
			unregister(i);
			return err;
		}
	}
	return 0;
}

static int __init snapsync_init(void)
{
	int err = ss_cut_init();

	if (err)
		return err;
	err = rl_links_init();
	if (err)
		goto out_group;
	err = register_all();
	if (err)
		goto out_links;
	return 0;

out_links:
	rl_links_exit();
out_group:
	ss_cut_exit();
	return err;
}

static void __exit snapsync_exit(void)
{
	unregister(ARRAY_SIZE(targets));
	rl_links_exit();
	ss_cut_exit();
}

module_init(snapsync_init);
module_exit(snapsync_exit);

MODULE_DESCRIPTION("Device-mapper targets: synchronised multi-level snapshots, relocation");
MODULE_LICENSE("GPL");
