/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_DM_IO_H
#define _COMPAT_LINUX_DM_IO_H

#include_next <linux/dm-io.h>

/* Since 7.0 it is told apart what a device does not support. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define dm_io(request, count, regions, errors, unsupported, prio) \
	dm_io(request, count, regions, errors, prio)
#define DM_IO_NOTIFY(name) \
	void name(unsigned long error, void *context)
#else
#define DM_IO_NOTIFY(name) \
	void name(unsigned long error, unsigned long unsupported, void *context)
#endif

#endif /* _COMPAT_LINUX_DM_IO_H */
